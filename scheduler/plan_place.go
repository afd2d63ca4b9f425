package scheduler

import "math"

// forward computes, for the reward of the last solve, the cost to reach each content in each run state from the device's window on.
func (j *joint) forward() {
	h, d, st := j.f.h, j.d, j.states
	j.ahead.reset(h)
	j.reach = grow(j.reach, (h.n+1)*st)
	for k := range st {
		j.reach[d.from*st+k] = value{}
	}
	j.reach[d.from*st] = j.f.w.fn[d.from]
	for t := d.from; t < h.n; t++ {
		j.stepAhead(&j.ahead, t, &j.f.curves[t], &j.on[t], j.reach[t*st:(t+1)*st], j.reach[(t+1)*st:(t+2)*st])
	}
}

// before extends the cost to go to slots before the window, down to slot first.
func (j *joint) before(first int) {
	st := j.states
	for t := j.d.from - 1; t >= first; t-- {
		now := j.fn[t*st : (t+1)*st]
		for k := range now {
			now[k] = value{}
		}
		j.store.back1(&j.fn[(t+1)*st], &j.f.curves[t], &now[0])
	}
}

// from and toGo are the cost to reach run state k at boundary t and the cost from there on.
func (j *joint) from(t, k int) value {
	switch {
	case t >= j.d.from:
		return j.reach[t*j.states+k]
	case k == 0:
		return j.f.w.fn[t]
	}
	return value{}
}

func (j *joint) toGo(t, k int) *value {
	switch {
	case t <= j.d.to:
		return &j.fn[t*j.states+k]
	case k == 0 || k == j.d.minOn:
		return &j.f.v.fn[t]
	}
	return &value{}
}

// stepAhead takes the cost to reach every run state through one slot.
func (j *joint) stepAhead(s *storage, t int, off, on *curve, cur, next []value) {
	d, m := j.d, j.d.minOn
	for k := range next {
		next[k] = value{}
	}
	stay := j.moved(s, &cur[0], off, 0)
	stop := j.moved(s, &cur[m], off, 0)
	next[0] = j.lowerIn(s, &stay, &stop)
	if t < d.from || t >= d.to {
		return
	}
	to, extra := 1, d.startEUR+tieStart
	if t == 0 && d.firstRun > 0 {
		to, extra = min(m-d.firstRun+1, m), 0
	}
	next[to] = j.moved(s, &cur[0], on, extra)
	for k := 1; k <= m; k++ {
		went := j.moved(s, &cur[k], on, 0)
		to := min(k+1, m)
		next[to] = j.lowerIn(s, &next[to], &went)
	}
}

func (j *joint) moved(s *storage, cur *value, c *curve, extra float64) value {
	if !cur.ok || !c.ok {
		return value{}
	}
	var out value
	s.ahead1(cur, c, &out)
	out.cost += extra
	return out
}

// place puts appliance i, whose load has been taken out, where it is cheapest when device and battery both make room for it. solve must have run
// for the loads without either.
func (j *joint) place(i int) {
	f, h, st := j.f, j.f.h, j.states
	a := &h.devices[i]
	j.forward()
	j.before(a.from)
	if cap(j.way) < 2*st {
		j.way = make([]value, 2*st)
	}
	best, at := math.Inf(1), -1
	try := func(s int) {
		late := float64(max(0, s+len(a.profile)-a.to)) * h.penalty.LateEURPerSlot
		if s < a.from || s+len(a.profile) > h.n || late > 0 && at >= 0 {
			return
		}
		if cost := j.startingAt(s, a) + late; cost < best-costUnit/2 {
			best, at = cost, s
		}
	}
	for s := a.from; s+len(a.profile) <= h.n; s++ {
		try(s)
	}
	f.draft.start[i] = at
}

// startingAt is the least cost when appliance a starts in slot s, device and battery answering.
func (j *joint) startingAt(s int, a *device) float64 {
	f, st := j.f, j.states
	j.try.reset(f.h)
	cur, next := j.way[:st], j.way[st:2*st]
	for k := range cur {
		cur[k] = j.from(s, k)
	}
	for k, w := range a.profile {
		t := s + k
		f.add(t, w, &a.share)
		off := f.curveAt(t)
		on := off
		if t >= j.d.from && t < j.d.to {
			on = j.onCurve(t, j.flexNow)
		}
		f.add(t, -w, &a.share)
		j.stepAhead(&j.try, t, &off, &on, cur, next)
		cur, next = next, cur
	}
	cost := math.Inf(1)
	for k := range st {
		c, _ := meet(&cur[k], j.toGo(s+len(a.profile), k))
		cost = min(cost, c)
	}
	return cost
}
