package scheduler

import "math"

// swap is a move of one slot of a switched device from slot off to slot on, both at the edge of a run, with the battery's answer worked out exactly.
type swap struct {
	off, on int
	cost    float64
}

// allowed tells whether every run is still long enough after the swap: a slot that joins the end of a run must not find that end gone.
func (s swap) allowed(d *device, level []int) bool {
	level[s.off], level[s.on] = level[s.on], level[s.off]
	ok := validRuns(d, level)
	level[s.off], level[s.on] = level[s.on], level[s.off]
	return ok
}

// edges marks the slots that can leave a run (its ends, where the rest stays long enough) and those that can join one.
func edges(d *device, level []int, leave, join []bool) {
	clear(leave)
	clear(join)
	for t := d.from; t < d.to; t++ {
		if level[t] == 0 {
			continue
		}
		first := t
		for t < d.to && level[t] != 0 {
			t++
		}
		least := d.minOn
		if first == 0 && d.firstRun > 0 {
			least = d.firstRun
		}
		leave[t-1] = t-first > least
		if t-first > d.minOn { // without its first slot, a run from before slot 0 would be a new one
			leave[first] = true
		}
		if first > d.from {
			join[first-1] = true
		}
		if t < d.to {
			join[t] = true
		}
	}
}

// validRuns tells whether every run is long enough.
func validRuns(d *device, level []int) bool {
	for t := 0; t < len(level); t++ {
		if level[t] == 0 {
			continue
		}
		first := t
		for t < len(level) && level[t] != 0 {
			t++
		}
		least := d.minOn
		if first == 0 && d.firstRun > 0 {
			least = d.firstRun
		}
		if t-first < least {
			return false
		}
	}
	return true
}

// bestSwap finds the cheapest swap of device i under the present caps. From every slot that changes first, the cost to reach each content is carried
// forward, and each slot that could change with it closes the way with the cost from there on.
func (f *field) bestSwap(i int) swap {
	d, level := &f.h.devices[i], f.draft.level[i]
	leave, join := make([]bool, f.h.n), make([]bool, f.h.n)
	edges(d, level, leave, join)
	f.backward()
	f.forward()
	best := swap{cost: math.Inf(1)}
	for a := d.from; a < d.to; a++ {
		if leave[a] {
			f.swapFrom(d, a, join, level[a], true, &best)
		}
		if join[a] {
			for _, x := range levelsAt(leave, level, a) {
				f.swapFrom(d, a, leave, x, false, &best)
			}
		}
	}
	return best
}

// levelsAt lists the different levels of the slots after a that can leave.
func levelsAt(leave []bool, level []int, a int) []int {
	var out []int
	for t := a + 1; t < len(leave); t++ {
		if leave[t] {
			seen := false
			for _, x := range out {
				seen = seen || x == level[t]
			}
			if !seen && len(out) < 4 {
				out = append(out, level[t])
			}
		}
	}
	return out
}

func (f *field) swapFrom(d *device, a int, partner []bool, x int, leaves bool, best *swap) {
	w := float64(x) * d.unit
	last := -1
	for t := d.to - 1; t > a; t-- {
		if partner[t] {
			last = t
			break
		}
	}
	if last < 0 {
		return
	}
	first, second := -w, w
	if !leaves {
		first, second = w, -w
	}
	var c curve
	f.curveWith(&c, a, first, d)
	cur := f.w.ahead(&f.w.fn[a], &c, f.tmp[0][:0])
	side := 1
	for t := a + 1; t <= last && cur.ok; t++ {
		if partner[t] && (leaves || f.draft.level[f.index(d)][t] == x) {
			f.curveWith(&c, t, second, d)
			end := f.w.ahead(&cur, &c, f.tmp[2][:0])
			if cost, _ := meet(&end, &f.v.fn[t+1]); cost < best.cost {
				sw := swap{t, a, cost}
				if leaves {
					sw = swap{a, t, cost}
				}
				if sw.allowed(d, f.draft.level[f.index(d)]) {
					*best = sw
				}
			}
		}
		cur = f.w.ahead(&cur, &f.curves[t], f.tmp[side][:0])
		side = 1 - side
	}
}

// index is the device's number.
func (f *field) index(d *device) int {
	for i := range f.h.devices {
		if &f.h.devices[i] == d {
			return i
		}
	}
	return -1
}

// apply makes a swap; a second call takes it back.
func (f *field) apply(i int, s swap) {
	level := f.draft.level[i]
	f.put(i, -1)
	level[s.off], level[s.on] = level[s.on], level[s.off]
	f.put(i, 1)
}

// swaps improves device i by swaps until none pays and tells whether any did.
func (s *search) swaps(i int) bool {
	d := &s.h.devices[i]
	if d.isProfile() || d.kind == KindThermal || d.need == 0 {
		return false
	}
	better := false
	for range 12 {
		if s.over() {
			break
		}
		if s.h.capEUR > 0 {
			for m := range s.f.capW {
				s.f.capW[m] = max(s.h.freeW[m], s.f.capW[m]-15)
			}
		}
		sw := s.f.bestSwap(i)
		if math.IsInf(sw.cost, 1) || sw.cost+s.f.capCost()+s.f.ownCosts() >= s.score.cost-1e-6 {
			break
		}
		s.trials++
		s.f.apply(i, sw)
		ok := s.keep()
		s.restore()
		if !ok {
			break
		}
		better = true
	}
	s.restore()
	return better
}
