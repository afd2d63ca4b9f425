package scheduler

import (
	"math"
	"sort"
)

// change adds by levels to slots from..from+len-1 of a switched device, or takes them away.
type change struct {
	from, len, by int
	each          float64 // cost per level-slot
}

// fit makes the levels of device i sum to its need: one change at a time, the one that costs least per level-slot or saves most, each re-costed exactly
// with the battery's answer. Two at a time would get in each other's way. Runs stay long enough. It tells whether it got there.
func (f *field) fit(i int) bool {
	d, level := &f.h.devices[i], f.draft.level[i]
	miss := d.need
	for _, a := range level {
		miss -= a
	}
	for range maxFits {
		if miss == 0 {
			break
		}
		made := false
		for _, c := range f.changes(i, miss) {
			if made = f.change(d, level, c); made {
				miss -= c.len * c.by
				break
			}
		}
		if !made {
			return false
		}
	}
	return miss == 0
}

// maxFits bounds the rounds of one fit.
const maxFits = 60

func abs(x int) int { return max(x, -x) }

// change makes c unless the runs would be too short.
func (f *field) change(d *device, level []int, c change) bool {
	for t := c.from; t < c.from+c.len; t++ {
		level[t] += c.by
	}
	ok := validRuns(d, level)
	for t := c.from; t < c.from+c.len; t++ {
		if ok {
			f.add(t, float64(c.by)*d.unit, &d.share)
		} else {
			level[t] -= c.by
		}
	}
	return ok
}

// changes lists what brings device i, which misses levels or has too many, nearer to its need, the cheapest first.
func (f *field) changes(i, miss int) []change {
	d, level := &f.h.devices[i], f.draft.level[i]
	leave, join := make([]bool, f.h.n), make([]bool, f.h.n)
	edges(d, level, leave, join)
	base := f.backward()
	f.forward()
	var out []change
	extra := make([]float64, d.minOn)
	try := func(from, length, by int, own float64) {
		for k := range length {
			extra[k] = float64(by) * d.unit
		}
		each := (f.replaced(from, extra[:length], d) - base + own) / float64(abs(by*length))
		if !math.IsInf(each, 1) {
			out = append(out, change{from, length, by, each})
		}
	}
	for t := d.from; t < d.to; t++ {
		a, stride := level[t], 1+abs(miss)/16 // few where little is missing
		switch {
		case miss < 0 && a > d.lo:
			try(t, 1, -min(a-d.lo, stride, -miss), 0)
		case miss < 0 && leave[t]: // perhaps more than is too many: then the rest is added again
			try(t, 1, -a, 0)
		case miss > 0 && a > 0 && a < d.hi:
			try(t, 1, min(d.hi-a, stride), 0)
		case miss >= d.lo && a == 0 && join[t]:
			try(t, 1, d.lo, 0)
		case miss >= d.lo*d.minOn && a == 0 && f.off(d, level, t):
			try(t, d.minOn, d.lo, d.startEUR)
		}
	}
	sort.SliceStable(out, func(a, b int) bool { return out[a].each < out[b].each })
	return out
}

// off tells whether a shortest run of device d has room from slot t on.
func (f *field) off(d *device, level []int, t int) bool {
	for k := range d.minOn {
		if t+k >= d.to || level[t+k] != 0 {
			return false
		}
	}
	return true
}
