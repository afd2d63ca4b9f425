package scheduler

import "math"

// joint plans one switched device and the battery together. Each level-slot is rewarded with a price; then the state of the device is only its run
// state, and for every run state the value of the battery's content is kept as a convex piecewise linear function (the lower hull where the choice
// between on and off is not convex). Bisecting on the reward meets the need. This sees what a response to fixed prices cannot: a battery that has
// to be filled between the slots in which it carries a car above a fuse or a peak.
type joint struct {
	f       *field // loads without the device
	d       *device
	states  int
	store   storage
	fn      []value // (n+1)·states
	on      []curve
	level   []float64 // W taken in each slot
	tmp     [2][]segment
	hull    []corner
	ahead   storage // cost to reach, with reach
	reach   []value
	try     storage // scratch of one candidate
	way     []value
	flexNow flex
	last    []float64 // reward by device
	worth   []float64 // price of content in the device's window by the last read
	price   []float64 // and of the whole horizon
	nearest []float64 // level of the reward that came closest to the need
	without float64   // cost without the device
}

// coarse is the difference of slopes in EUR per Wh below which two pieces become one: it keeps the lists short at no loss that matters to a search.
const coarse = 2e-7

// corner is a point of a piecewise linear function: content, value, and the slope that leads to it.
type corner struct{ s, v, slope float64 }

func newJoint(f *field) *joint {
	return &joint{
		f: f, on: make([]curve, f.h.n), level: make([]float64, f.h.n), nearest: make([]float64, f.h.n),
		worth: make([]float64, f.h.n), price: make([]float64, f.h.n), last: make([]float64, len(f.h.devices)),
		tmp: [2][]segment{make([]segment, 0, 1024), make([]segment, 0, 1024)},
	}
}

// begin takes the device out of the account: the caller has removed its load from the field. Outside the device's window the field's own value
// functions hold, so that only the window is worked out here.
func (j *joint) begin(d *device) {
	j.d, j.states = d, d.minOn+1
	j.fn = grow(j.fn, (j.f.h.n+1)*j.states)
	j.without = j.f.backward()
	j.f.forward()
}

func (j *joint) flex(reward float64) flex {
	return flex{lo: float64(j.d.lo) * j.d.unit, hi: float64(j.d.hi) * j.d.unit, value: reward / j.d.unit}
}

// solve computes the value functions in the device's window for a reward per level-slot.
func (j *joint) solve(reward float64) float64 {
	h, d, m, st := j.f.h, j.d, j.d.minOn, j.states
	j.store.reset(h)
	for k := range st {
		j.fn[d.to*st+k] = value{}
	}
	j.fn[d.to*st], j.fn[d.to*st+m] = j.f.v.fn[d.to], j.f.v.fn[d.to]
	fl := j.flex(reward)
	j.flexNow = fl
	for t := d.to - 1; t >= d.from; t-- {
		now, next := j.fn[t*st:(t+1)*st], j.fn[(t+1)*st:(t+2)*st]
		j.store.back1(&next[0], &j.f.curves[t], &now[0])
		j.onCurve(&j.on[t], t, fl)
		off := now[0]
		for k := 1; k < m; k++ {
			j.store.back1(&next[k+1], &j.on[t], &now[k])
		}
		onOn := j.store.back(&next[m], &j.on[t], j.tmp[0][:0])
		start := onOn
		extra := d.startEUR + tieStart
		to := 1
		if t == 0 && d.firstRun > 0 {
			to, extra = min(m-d.firstRun+1, m), 0
		}
		if to != m {
			start = j.store.back(&next[to], &j.on[t], j.tmp[1][:0])
		}
		start.cost += extra
		now[0] = j.lower(&off, &start)
		now[m] = j.lower(&off, &onOn)
	}
	cost, _ := meet(&j.f.w.fn[d.from], &j.fn[d.from*st])
	return cost
}

// onCurve is the slot's cost with the device on at its best level. Where fuses are per phase the battery keeps to what the lowest level leaves.
func (j *joint) onCurve(c *curve, t int, fl flex) {
	phase := j.f.phase[t]
	if j.f.h.phased {
		for k := range 3 {
			room := j.f.h.phaseTop[k][t] - j.f.h.phaseFree[k][t] - phase[k]
			if j.d.share[k] > 0 {
				most := room
				if j.f.h.bat != nil {
					most += j.f.h.bat.MaxDischargeW * j.f.h.batOn[k]
				}
				fl.hi = min(fl.hi, math.Floor(most/j.d.share[k]/j.d.unit)*j.d.unit)
			}
			phase[k] += fl.lo * j.d.share[k]
		}
		if fl.hi < fl.lo {
			c.ok = false
			return
		}
	}
	j.f.h.curveOf(c, t, j.f.load[t], &phase, j.f.capW[j.f.h.month[t]], fl)
}

// lower is the convex lower hull of two convex functions.
func (j *joint) lower(a, b *value) value { return j.lowerIn(&j.store, a, b) }

func (j *joint) lowerIn(s *storage, a, b *value) value {
	switch {
	case !a.ok && !b.ok:
		return value{}
	case !b.ok:
		return s.copied(a)
	case !a.ok:
		return s.copied(b)
	}
	hull := j.corners(a, b)
	seg := s.room(len(hull))
	s.keep(len(hull))
	s.work += 2 * (len(a.seg) + len(b.seg) + 2)
	for i := 1; i < len(hull); i++ {
		w, slope := hull[i].s-hull[i-1].s, hull[i].slope
		if n := len(seg); n > 0 && slope-seg[n-1].slope < coarse {
			last := &seg[n-1]
			last.slope = (last.slope*last.len + slope*w) / (last.len + w)
			last.len += w
			continue
		}
		seg = append(seg, segment{slope, w})
	}
	return value{lo: hull[0].s, hi: hull[len(hull)-1].s, cost: hull[0].v, seg: seg, ok: true}
}

// corners is the lower convex hull of the corners of two functions.
func (j *joint) corners(a, b *value) []corner {
	hull := j.hull[:0]
	pa, pb := corner{s: a.lo, v: a.cost}, corner{s: b.lo, v: b.cost}
	for ia, ib := 0, 0; ia <= len(a.seg) || ib <= len(b.seg); {
		var p corner
		if ib > len(b.seg) || ia <= len(a.seg) && pa.s <= pb.s {
			p = pa
			pa, ia = a.next(pa, ia), ia+1
		} else {
			p = pb
			pb, ib = b.next(pb, ib), ib+1
		}
		k := len(hull)
		if k > 0 && p.s-hull[k-1].s < 1e-9 {
			if p.v >= hull[k-1].v {
				continue
			}
			k--
		}
		for ; k > 0; k-- {
			p.slope = (p.v - hull[k-1].v) / (p.s - hull[k-1].s)
			if k == 1 || p.slope > hull[k-1].slope {
				break
			}
		}
		hull = append(hull[:k], p)
	}
	j.hull = hull
	return hull
}

// next is the corner after p, which begins segment i.
func (v *value) next(p corner, i int) corner {
	if i >= len(v.seg) {
		return p
	}
	g := &v.seg[i]
	return corner{s: p.s + g.len, v: p.v + g.slope*g.len}
}

func (s *storage) copied(a *value) value {
	seg := s.room(len(a.seg))
	s.keep(len(a.seg))
	out := *a
	out.seg = append(seg, a.seg...)
	return out
}

// at is the function's value at content s; +Inf outside.
func (v *value) at(s float64) float64 {
	if !v.ok {
		return math.Inf(1)
	}
	i, _, cost := v.seek(s)
	if i < 0 {
		return math.Inf(1)
	}
	return cost
}

// read follows the optimal path with the true choice between on and off and leaves the power taken in level. It returns the level-slots.
func (j *joint) read(reward float64) float64 {
	h, d, m, st := j.f.h, j.d, j.d.minOn, j.states
	_, s := meet(&j.f.w.fn[d.from], &j.fn[d.from*st])
	fl := j.flex(reward)
	run, got := 0, 0.
	clear(j.level)
	try := func(c *curve, next *value) (cost, u, worth float64) {
		if !c.ok || !next.ok {
			return math.Inf(1), 0, 0
		}
		u, cost, worth = step(s, next, c)
		return cost + next.at(s+u), u, worth
	}
	for t := d.from; t < d.to; t++ {
		next := j.fn[(t+1)*st : (t+2)*st]
		stay, u := math.Inf(1), 0.
		if run == 0 || run == m {
			stay, u, j.worth[t] = try(&j.f.curves[t], &next[0])
		}
		to, extra := min(run+1, m), 0.
		if run == 0 {
			to, extra = 1, d.startEUR+tieStart
			if t == 0 && d.firstRun > 0 {
				to, extra = min(m-d.firstRun+1, m), 0
			}
		}
		if on, v, worth := try(&j.on[t], &next[to]); on+extra < stay {
			u, j.worth[t] = v, worth
			b := 0.
			if h.bat != nil {
				b = h.power(u)
			}
			j.level[t] = j.taken(t, b, fl)
			got += j.level[t] / d.unit
		} else {
			to = 0
		}
		run = to
		s += u
	}
	return got
}

// taken is the flexible power that goes with battery power b in slot t.
func (j *joint) taken(t int, b float64, fl flex) float64 {
	var p pieces
	h := j.f.h
	h.gridPieces(&p, side{}, t, j.f.capW[h.month[t]], fl)
	left, y := h.free[t]+j.f.load[t]+b-p.lo, fl.hi
	for i := range p.n {
		step := min(left, p.seg[i].len)
		if step <= 0 {
			break
		}
		if p.seg[i].slope == fl.value && p.seg[i].len == fl.hi-fl.lo {
			y -= step
		}
		left -= step
	}
	return y
}

// Rounds of respond in search of the reward: enough to see where the device would go, and enough to send it there.
const (
	indicative = 3
	decisive   = 6
)

// respond re-plans device i, whose load has been taken out of the field, together with the battery and writes whole levels that may not sum to the need.
func (j *joint) respond(i int, level []int, rounds int) {
	d := &j.f.h.devices[i]
	clear(level)
	if d.need == 0 || d.to <= d.from {
		return
	}
	j.begin(d)
	j.seekReward(i, rounds)
	for t := d.from; t < d.to; t++ {
		if w := j.level[t]; w > 0 {
			level[t] = min(max(int(math.Round(w/d.unit)), d.lo), d.hi)
		}
	}
}

// bid is what the device takes for a reward per level-slot, and what that costs without the reward.
type bid struct{ at, got, cost float64 }

// seekReward looks for the reward at which the device takes about what it needs and leaves the path that comes closest in level. It starts at the last
// one that was right for the device. Of two bids that take too little and too much, the next reward is what a level-slot more costs between them: caps
// make it jump by orders of magnitude.
func (j *joint) seekReward(i, rounds int) {
	d, need := j.d, float64(j.d.need)
	usual := d.unit * middle(j.f.h.pi)
	at := j.last[i]
	if at == 0 {
		at = min(usual, d.shortEUR)
		rounds *= 2
	}
	lo, hi := bid{at: math.Inf(-1), cost: j.without}, bid{at: math.Inf(1)}
	nearest := math.Inf(1)
	for range rounds {
		now := bid{at: at, cost: j.solve(at)}
		now.got = j.read(at)
		now.cost += at * now.got
		miss := math.Abs(now.got - need)
		if miss < nearest {
			nearest, j.last[i] = miss, at
			copy(j.nearest, j.level)
		}
		if miss <= max(0.5, 0.02*need) || at >= d.shortEUR && now.got < need {
			break
		}
		if now.got < need {
			lo = now
		} else {
			hi = now
		}
		switch {
		case hi.at <= d.shortEUR:
			at = (hi.cost - lo.cost) / (hi.got - lo.got)
			if !(at > lo.at && at < hi.at) {
				at = (max(lo.at, hi.at-usual) + hi.at) / 2
			}
		case at == j.last[i] && at < usual*10:
			at = min(at+0.1*usual, d.shortEUR)
		default:
			at = d.shortEUR
		}
	}
	copy(j.level, j.nearest)
}

// middle is the mean of the prices.
func middle(v []float64) float64 {
	sum := 0.
	for _, x := range v {
		sum += x
	}
	return math.Abs(sum)/float64(max(1, len(v))) + 1e-9
}
