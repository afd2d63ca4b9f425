package scheduler

import "math"

// forward computes, for the reward of the last solve, the cost to reach each content in each run state.
func (j *joint) forward() {
	h, st := j.f.h, j.states
	j.ahead.reset(h)
	j.reach = grow(j.reach, (h.n+1)*st)
	for k := range st {
		j.reach[k] = value{}
	}
	j.reach[0] = h.atStart()
	for t := range h.n {
		j.stepAhead(&j.ahead, t, &j.off[t], &j.on[t], j.reach[t*st:(t+1)*st], j.reach[(t+1)*st:(t+2)*st])
	}
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
	f.dps += 20
	if cap(j.way) < 2*st {
		j.way = make([]value, 2*st)
	}
	best, at := math.Inf(1), -1
	for s := a.from; s+len(a.profile) <= h.n; s++ {
		late := float64(max(0, s+len(a.profile)-a.to)) * h.penalty.LateEURPerSlot
		if late > 0 && at >= 0 {
			break
		}
		j.try.reset(h)
		cur, next := j.way[:st], j.way[st:2*st]
		copy(cur, j.reach[s*st:(s+1)*st])
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
			c, _ := meet(&cur[k], &j.fn[(s+len(a.profile))*st+k])
			cost = min(cost, c)
		}
		if cost += late; cost < best-costUnit/2 {
			best, at = cost, s
		}
	}
	f.draft.start[i] = at
}
