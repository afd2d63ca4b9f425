package scheduler

import (
	"math"
	"slices"
	"sort"
)

// forward computes, for the reward of the last solve, the cost to reach each content in each run state from the device's window to boundary last.
func (j *joint) forward(last int) {
	h, d, st := j.f.h, j.d, j.states
	j.ahead.reset(h)
	j.reach = grow(j.reach, (h.n+1)*st)
	for k := range st {
		j.reach[d.from*st+k] = value{}
	}
	j.reach[d.from*st] = j.f.w.fn[d.from]
	for t := d.from; t < last; t++ {
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
// for the loads without either and for this reward.
func (j *joint) place(i int, reward float64) {
	f, h, st := j.f, j.f.h, j.states
	a := &h.devices[i]
	starts := j.promisingStarts(a, reward)
	f.draft.start[i] = -1
	if len(starts) == 0 {
		return
	}
	j.forward(slices.Max(starts))
	j.before(slices.Min(starts))
	j.way = grow(j.way, 2*st)
	best := math.Inf(1)
	for _, s := range starts {
		if cost := j.startingAt(s, a) + h.late(a, s); cost < best-costUnit/2 {
			best, f.draft.start[i] = cost, s
		}
	}
}

// late is what it costs to start appliance a in slot s too late for its deadline.
func (h *house) late(a *device, s int) float64 {
	return float64(max(0, s+len(a.profile)-a.to)) * h.penalty.LateEURPerSlot
}

// mostStarts is how many starts of an appliance are worked out exactly.
const mostStarts = 12

// promisingStarts lists, in the order of time, the starts of appliance a that cost least at the battery's present prices.
func (j *joint) promisingStarts(a *device, reward float64) []int {
	f, h := j.f, j.f.h
	j.read(reward)
	copy(j.price, f.follow().worth)
	copy(j.price[j.d.from:j.d.to], j.worth[j.d.from:j.d.to])
	most := slices.Max(a.profile)
	part := make([][2]float64, h.n) // what half of the most and all of it cost more in each slot
	for t := a.from; t < h.n; t++ {
		none := j.leastAt(t, 0, a)
		part[t] = [2]float64{j.leastAt(t, most/2, a) - none, j.leastAt(t, most, a) - none}
	}
	var out []int
	guess := make([]float64, h.n)
	for s := a.from; s+len(a.profile) <= h.n; s++ {
		guess[s] = h.late(a, s)
		for k, w := range a.profile {
			x, p := 2*w/most, &part[s+k]
			guess[s] += p[0]*min(x, 1) + (p[1]-p[0])*max(x-1, 0)
		}
		out = append(out, s)
	}
	sort.SliceStable(out, func(x, y int) bool { return guess[out[x]] < guess[out[y]] })
	out = out[:min(len(out), mostStarts)]
	sort.Ints(out)
	return out
}

// leastAt is the least cost of slot t with w W more of appliance a when the battery keeps its prices and the device its choice.
func (j *joint) leastAt(t int, w float64, a *device) float64 {
	j.f.add(t, w, &a.share)
	defer j.f.add(t, -w, &a.share)
	var c curve
	if t >= j.d.from && t < j.d.to && j.level[t] > 0 {
		j.onCurve(&c, t, j.flexNow)
	} else {
		j.f.curveAt(&c, t)
	}
	if !c.ok {
		return 1e6
	}
	return c.least(j.price[t])
}

// startingAt is the least cost when appliance a starts in slot s, device and battery answering.
func (j *joint) startingAt(s int, a *device) float64 {
	var off, on curve
	f, st := j.f, j.states
	j.try.reset(f.h)
	cur, next := j.way[:st], j.way[st:2*st]
	for k := range cur {
		cur[k] = j.from(s, k)
	}
	for k, w := range a.profile {
		t := s + k
		f.add(t, w, &a.share)
		f.curveAt(&off, t)
		if t >= j.d.from && t < j.d.to {
			j.onCurve(&on, t, j.flexNow)
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
