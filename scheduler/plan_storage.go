package scheduler

import "math"

// storage is a value function of the battery's content for every slot boundary: convex, piecewise linear, kept as its value at the lower end
// of its domain and segments of rising slope. Backward it is the cost from there on (V), forward the cost to get there (W). One step is an
// inf-convolution, which for convex functions is a merge of two sorted slope lists: exact, without any grid over the content.
type storage struct {
	min, max float64 // content limits
	fn       []value
	own      [][]segment // of each function, where they are kept from pass to pass
	pool     []segment   // or of all together, where every pass begins anew
	work     int         // segments handled so far
}

// value is one convex function of the content.
type value struct {
	lo, hi, cost float64 // domain, and the value at its lower end
	seg          []segment
	ok           bool
}

// limit sets the content limits.
func (s *storage) limit(h *house) {
	s.min, s.max = 0, 0
	if h.bat != nil {
		s.min, s.max = h.bat.MinWh, h.bat.MaxWh
	}
}

// keepAll makes room for n+1 functions that stay until they are replaced one by one.
func (s *storage) keepAll(h *house) {
	s.limit(h)
	s.fn, s.own = make([]value, h.n+1), make([][]segment, h.n+1)
	all := make([]segment, (h.n+1)*32)
	for t := range s.own {
		s.own[t] = all[t*32 : t*32 : t*32+32]
	}
}

// backTo and aheadTo renew the function at boundary t from its neighbour.
func (s *storage) backTo(t int, c *curve) {
	s.fn[t] = s.back(&s.fn[t+1], c, s.own[t][:0])
	if seg := s.fn[t].seg; cap(seg) > cap(s.own[t]) {
		s.own[t] = seg
	}
}

func (s *storage) aheadTo(t int, c *curve) {
	s.fn[t] = s.ahead(&s.fn[t-1], c, s.own[t][:0])
	if seg := s.fn[t].seg; cap(seg) > cap(s.own[t]) {
		s.own[t] = seg
	}
}

// reset forgets all functions that the pool holds.
func (s *storage) reset(h *house) {
	s.limit(h)
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
	return value{lo: s.min, hi: s.max, cost: -e * s.min, seg: list, ok: true}
}

// atStart is the cost of having the starting content before slot 0.
func (h *house) atStart() value {
	if h.bat == nil {
		return value{ok: true}
	}
	return value{lo: h.bat.StartWh, hi: h.bat.StartWh, ok: true}
}

// back is the value before a slot whose cost is c, from the value after it. dst is where its segments go.
func (s *storage) back(next *value, c *curve, dst []segment) value {
	if !next.ok || !c.ok {
		return value{}
	}
	var turned [maxPieces]segment
	for k := range c.n {
		g := &c.seg[c.n-1-k]
		turned[k] = segment{-g.slope, g.len}
	}
	return s.merge(next.lo-c.hi, next.hi-c.lo, next.cost+c.costHi, next.seg, turned[:c.n], dst)
}

// ahead is the cost to reach a content after a slot whose cost is c, from the cost to reach one before it.
func (s *storage) ahead(before *value, c *curve, dst []segment) value {
	if !before.ok || !c.ok {
		return value{}
	}
	return s.merge(before.lo+c.lo, before.hi+c.hi, before.cost+c.cost, before.seg, c.seg[:c.n], dst)
}

// epsWh hides rounding at the content limits.
const epsWh = 1e-7

// merge is the function on lo..hi that begins with cost and has the segments of a and b by rising slope, cut to the content limits.
func (s *storage) merge(lo, hi, cost float64, a, b, dst []segment) value {
	if need := len(a) + len(b); cap(dst) < need {
		dst = make([]segment, 0, need+need/2)
	}
	dst = dst[:len(a)+len(b)]
	n, i := 0, 0
	for _, g := range b {
		for i < len(a) && a[i].slope <= g.slope {
			dst[n] = a[i]
			n, i = n+1, i+1
		}
		if n > 0 && dst[n-1].slope == g.slope {
			dst[n-1].len += g.len
			continue
		}
		dst[n] = g
		n++
	}
	dst = dst[:n+copy(dst[n:], a[i:])]
	s.work += len(a) + len(b)
	for lo < s.min && len(dst) > 0 {
		g := &dst[0]
		part := min(s.min-lo, g.len)
		cost += g.slope * part
		if part < g.len {
			g.len -= part
			lo = s.min
			break
		}
		lo += part
		dst = dst[1:]
	}
	for hi > s.max && len(dst) > 0 {
		g := &dst[len(dst)-1]
		if part := hi - s.max; part < g.len {
			g.len -= part
			hi = s.max
			break
		}
		hi -= g.len
		dst = dst[:len(dst)-1]
	}
	return value{lo: lo, hi: hi, cost: cost, seg: dst, ok: lo >= s.min-epsWh && lo <= s.max+epsWh}
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
