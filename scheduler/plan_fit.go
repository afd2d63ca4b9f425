package scheduler

import "math"

// change adds by levels to slots from..from+len-1 of a switched device, or takes them away.
type change struct {
	from, len, by int
	each          float64 // cost per level-slot
}

// fit makes the levels of device i sum to its need: one change at a time, the one that costs least per level-slot or saves most, each re-costed exactly
// with the battery's answer. Runs stay long enough. It tells whether it got there.
func (f *field) fit(i int) bool {
	d, level := &f.h.devices[i], f.draft.level[i]
	miss := d.need
	for _, a := range level {
		miss -= a
	}
	for range maxFits {
		if miss == 0 {
			return true
		}
		c, ok := f.cheapestChange(i, miss)
		if !ok {
			return false
		}
		for t := c.from; t < c.from+c.len; t++ {
			level[t] += c.by
			f.add(t, float64(c.by)*d.unit, &d.share)
			miss -= c.by
		}
	}
	return miss == 0
}

// maxFits bounds the changes of one fit.
const maxFits = 60

// cheapestChange finds the change of device i that brings it nearer to its need, of which it misses levels (or has too many), for the least money.
func (f *field) cheapestChange(i, miss int) (best change, ok bool) {
	d, level := &f.h.devices[i], f.draft.level[i]
	leave, join := make([]bool, f.h.n), make([]bool, f.h.n)
	edges(d, level, leave, join)
	base := f.backward()
	f.forward()
	extra := make([]float64, d.minOn)
	best.each = math.Inf(1)
	try := func(from, length, by int, own float64) {
		for k := range length {
			extra[k] = float64(by) * d.unit
		}
		gain := math.Abs(float64(by * length))
		if each := (f.replaced(from, extra[:length], d) - base + own) / gain; each < best.each {
			best, ok = change{from, length, by, each}, true
		}
	}
	for t := d.from; t < d.to; t++ {
		a := level[t]
		switch {
		case miss < 0 && a > d.lo:
			try(t, 1, max(-(a-d.lo), miss, -stride(miss)), 0)
		case miss < 0 && leave[t]:
			try(t, 1, -a, 0)
		case miss > 0 && a > 0 && a < d.hi:
			try(t, 1, min(d.hi-a, stride(miss)), 0)
		case miss >= d.lo && a == 0 && join[t]:
			try(t, 1, d.lo, 0)
		case miss >= d.lo*d.minOn && a == 0 && f.free(d, level, t):
			try(t, d.minOn, d.lo, d.startEUR)
		}
	}
	return best, ok
}

// stride is by how many levels a slot changes at a time: few where little is missing.
func stride(miss int) int { return 1 + max(miss, -miss)/16 }

// free tells whether a shortest run of device d has room from slot t on.
func (f *field) free(d *device, level []int, t int) bool {
	for k := range d.minOn {
		if t+k >= d.to || level[t+k] != 0 {
			return false
		}
	}
	return true
}
