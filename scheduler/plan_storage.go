package scheduler

import "math"

// storage is a value function of the battery's content for every slot boundary: convex, piecewise linear, kept as its value at the lower end
// of its domain and segments of rising slope. Backward it is the cost from there on (V), forward the cost to get there (W). One step is an
// inf-convolution, which for convex functions is a merge of two sorted slope lists: exact, without any grid over the content.
type storage struct {
	min, max float64 // content limits
	fn       []value
	pool     []segment
}

// value is one convex function of the content.
type value struct {
	lo, cost float64
	seg      []segment
	ok       bool
}

func (v *value) hi() float64 {
	s := v.lo
	for _, g := range v.seg {
		s += g.len
	}
	return s
}

// reset makes room for n+1 functions.
func (s *storage) reset(h *house) {
	s.min, s.max = 0, 0
	if h.bat != nil {
		s.min, s.max = h.bat.MinWh, h.bat.MaxWh
	}
	if cap(s.fn) < h.n+1 {
		s.fn = make([]value, h.n+1)
	}
	s.fn = s.fn[:h.n+1]
	s.pool = s.pool[:0]
}

// room returns an empty list that holds n segments.
func (s *storage) room(n int) []segment {
	if len(s.pool)+n > cap(s.pool) {
		// Older functions keep the former array alive.
		s.pool = make([]segment, 0, max(2*cap(s.pool), 4096, n))
	}
	k := len(s.pool)
	return s.pool[k : k : k+n]
}

func (s *storage) keep(n int) { s.pool = s.pool[:len(s.pool)+n] }

// atEnd is the value of content after the last slot.
func (h *house) atEnd(s *storage) value {
	if h.bat == nil {
		return value{ok: true}
	}
	e := h.bat.EndValueEURPerKWh / 1000
	list := append(s.room(1), segment{-e, s.max - s.min})
	s.keep(1)
	return value{lo: s.min, cost: -e * s.min, seg: list, ok: true}
}

// atStart is the cost of having the starting content before slot 0.
func (h *house) atStart() value {
	if h.bat == nil {
		return value{ok: true}
	}
	return value{lo: h.bat.StartWh, ok: true}
}

// back is the value before a slot whose cost is c, from the value after it.
func (s *storage) back(next *value, c *curve, dst []segment) value {
	if !next.ok || !c.ok {
		return value{}
	}
	out := value{lo: next.lo - c.hi(), cost: next.cost + c.costAtHi()}
	j := c.n - 1
	for _, g := range next.seg {
		for j >= 0 && -c.seg[j].slope < g.slope {
			dst = append(dst, segment{-c.seg[j].slope, c.seg[j].len})
			j--
		}
		dst = append(dst, g)
	}
	for ; j >= 0; j-- {
		dst = append(dst, segment{-c.seg[j].slope, c.seg[j].len})
	}
	out.seg = dst
	out.clip(s.min, s.max)
	return out
}

// ahead is the cost to reach a content after a slot whose cost is c, from the cost to reach one before it.
func (s *storage) ahead(before *value, c *curve, dst []segment) value {
	if !before.ok || !c.ok {
		return value{}
	}
	out := value{lo: before.lo + c.lo, cost: before.cost + c.cost}
	j := 0
	for _, g := range before.seg {
		for j < c.n && c.seg[j].slope < g.slope {
			dst = append(dst, c.seg[j])
			j++
		}
		dst = append(dst, g)
	}
	out.seg = append(dst, c.seg[j:c.n]...)
	out.clip(s.min, s.max)
	return out
}

// epsWh hides rounding at the content limits.
const epsWh = 1e-7

// clip cuts the domain to lo..hi.
func (v *value) clip(lo, hi float64) {
	cut := lo - v.lo
	for cut > 0 && len(v.seg) > 0 {
		g := &v.seg[0]
		if g.len > cut {
			v.cost += g.slope * cut
			g.len -= cut
			v.lo, cut = lo, 0
			break
		}
		v.cost += g.slope * g.len
		v.lo += g.len
		cut -= g.len
		v.seg = v.seg[1:]
	}
	over := v.hi() - hi
	for over > 0 && len(v.seg) > 0 {
		g := &v.seg[len(v.seg)-1]
		if g.len > over {
			g.len -= over
			over = 0
			break
		}
		over -= g.len
		v.seg = v.seg[:len(v.seg)-1]
	}
	v.ok = v.lo >= lo-epsWh && v.lo <= hi+epsWh
}

// meet is the least sum of cost to get there and cost from there on, and the content where it is.
func meet(w, v *value) (cost, at float64) {
	if !w.ok || !v.ok {
		return math.Inf(1), 0
	}
	s := max(w.lo, v.lo)
	wi, wLeft, wCost := w.seek(s)
	vi, vLeft, vCost := v.seek(s)
	if wi < 0 || vi < 0 {
		return math.Inf(1), 0
	}
	cost = wCost + vCost
	for wi < len(w.seg) && vi < len(v.seg) {
		slope := w.seg[wi].slope + v.seg[vi].slope
		if slope >= 0 {
			break
		}
		step := min(wLeft, vLeft)
		cost += slope * step
		s += step
		if wLeft -= step; wLeft <= 0 {
			if wi++; wi < len(w.seg) {
				wLeft = w.seg[wi].len
			}
		}
		if vLeft -= step; vLeft <= 0 {
			if vi++; vi < len(v.seg) {
				vLeft = v.seg[vi].len
			}
		}
	}
	return cost, s
}

// seek finds the segment that begins at or holds content s: its number, what of it lies above s, and the value at s. A negative number
// says that s is outside.
func (v *value) seek(s float64) (i int, left, cost float64) {
	x, cost := v.lo, v.cost
	if s < x-epsWh {
		return -1, 0, 0
	}
	for i = range v.seg {
		g := v.seg[i]
		if x+g.len > s {
			d := max(0, s-x)
			return i, g.len - d, cost + g.slope*d
		}
		cost += g.slope * g.len
		x += g.len
	}
	if s > x+epsWh {
		return -1, 0, 0
	}
	return len(v.seg), 0, cost
}

// step finds the best change of content in a slot of cost c from content s, when next is the value after it, and the value of stored energy
// there in EUR per Wh.
func step(s float64, next *value, c *curve) (u, cost, worth float64) {
	u, cost = c.lo, c.cost
	ci, cLeft := 0, 0.
	if c.n > 0 {
		cLeft = c.seg[0].len
	}
	for d := next.lo - (s + u); d > 0 && ci < c.n; d = next.lo - (s + u) {
		k := min(d, cLeft)
		u += k
		cost += c.seg[ci].slope * k
		if cLeft -= k; cLeft <= 0 {
			if ci++; ci < c.n {
				cLeft = c.seg[ci].len
			}
		} else {
			break
		}
	}
	vi, vLeft, _ := next.seek(max(s+u, next.lo))
	if vi < 0 {
		vi = len(next.seg)
	}
	for ci < c.n && vi < len(next.seg) && c.seg[ci].slope+next.seg[vi].slope < 0 {
		k := min(cLeft, vLeft)
		u += k
		cost += c.seg[ci].slope * k
		if cLeft -= k; cLeft <= 0 {
			if ci++; ci < c.n {
				cLeft = c.seg[ci].len
			}
		}
		if vLeft -= k; vLeft <= 0 {
			if vi++; vi < len(next.seg) {
				vLeft = next.seg[vi].len
			}
		}
	}
	switch {
	case vi < len(next.seg):
		worth = -next.seg[vi].slope
	case len(next.seg) > 0:
		worth = -next.seg[len(next.seg)-1].slope
	}
	return u, cost, worth
}
