package scheduler

import "sort"

// shift moves by levels of a switched device from one slot to another; either slot may thereby go off or on.
type shift struct {
	from, to, by int
	guess        float64 // sum of both slots' own changes of cost, each exact alone
}

// maxShifts is how many promising shifts are worked out exactly.
const maxShifts = 10

// promisingShifts lists the shifts of device i whose two halves together promise most. Each half is re-costed exactly with the battery's answer; only
// that both happen at once is left out.
func (f *field) promisingShifts(i int) []shift {
	d, level := &f.h.devices[i], f.draft.level[i]
	leave, join := make([]bool, f.h.n), make([]bool, f.h.n)
	edges(d, level, leave, join)
	base := f.backward()
	f.forward()
	var out []shift
	for _, by := range [...]int{1, 2, d.lo} {
		if by == 2 && d.hi-d.lo < 2 || by == d.lo && d.lo <= 2 && d.hi > 1 {
			continue
		}
		var down, up []shift
		w := float64(by) * d.unit
		for t := d.from; t < d.to; t++ {
			a := level[t]
			if a-by >= d.lo || a == by && leave[t] {
				down = append(down, shift{from: t, guess: f.replaced(t, []float64{-w}, d) - base})
			}
			if a > 0 && a+by <= d.hi || a == 0 && join[t] && by >= d.lo {
				up = append(up, shift{to: t, guess: f.replaced(t, []float64{w}, d) - base})
			}
		}
		cheapest := func(v []shift) []shift {
			sort.Slice(v, func(a, b int) bool { return v[a].guess < v[b].guess })
			return v[:min(len(v), 6)]
		}
		for _, x := range cheapest(down) {
			for _, y := range cheapest(up) {
				if x.from != y.to {
					out = append(out, shift{x.from, y.to, by, x.guess + y.guess})
				}
			}
		}
	}
	sort.SliceStable(out, func(a, b int) bool { return out[a].guess < out[b].guess })
	return out[:min(len(out), maxShifts)]
}

// move makes a shift; the reverse shift takes it back.
func (f *field) move(i int, m shift) {
	d, level := &f.h.devices[i], f.draft.level[i]
	level[m.from] -= m.by
	f.add(m.from, -float64(m.by)*d.unit, &d.share)
	level[m.to] += m.by
	f.add(m.to, float64(m.by)*d.unit, &d.share)
}

// shifts improves device i by shifts until none pays and tells whether any did. Where none pays under the present caps, it looks for one that makes the
// excess over slightly lower caps cheaper: what takes load out of a peak pays only once the cap follows.
func (s *search) shifts(i int) bool {
	d := &s.h.devices[i]
	if d.isProfile() || d.kind == KindThermal || d.need == 0 || d.hi == d.lo {
		return false
	}
	better := false
	for range 40 {
		if s.over() || !s.shift(i, 1) && !(s.h.capEUR > 0 && s.shift(i, 0.99)) {
			break
		}
		better = true
	}
	return better
}

// shift makes the shift of device i that pays most under caps of factor times the present ones, if it makes the plan cheaper.
func (s *search) shift(i int, factor float64) bool {
	if s.over() {
		return false
	}
	s.trials++
	for m, w := range s.caps {
		s.f.capW[m] = max(s.h.freeW[m], w*factor)
	}
	var best shift
	own := s.f.ownCosts()
	least := s.f.backward() + own - 1e-6
	for _, m := range s.f.promisingShifts(i) {
		s.f.move(i, m)
		if validRuns(&s.h.devices[i], s.f.draft.level[i]) {
			if c := s.f.backward() + own; c < least {
				least, best = c, m
			}
		}
		s.f.move(i, shift{from: m.to, to: m.from, by: m.by})
	}
	if best.by != 0 {
		s.f.move(i, best)
	}
	better := best.by != 0 && s.keep()
	s.restore()
	return better
}
