package scheduler

import (
	"math"
	"slices"
)

// A capacity tariff couples all slots through the peak. The search therefore plans under import caps: it looks for the lowest under which everything
// fits, lowers them while that pays, and re-plans car, battery and appliances together under each.

// underCaps looks for the peaks that are worth their price: it places everything without caps, then plans anew under lower and lower ones, at first
// under what is free anyway. Where that leaves a deadline unmet, it starts again at the lowest caps that everything fits under.
func (s *search) underCaps() {
	s.openCaps()
	s.insert()
	s.keep()
	for m := range s.caps {
		s.underCap(m, s.h.freeW[m])
	}
	s.lowerPeaks()
	s.descend()
	s.polish()
	if s.missed() > 0 {
		s.firstCaps()
		s.descend()
		s.lowerPeaks()
	}
	s.around()
	if !slices.ContainsFunc(s.h.devices, func(d device) bool { return d.kind == KindEVSE }) { // beside a car each has been made room for
		s.pairs()
	}
}

// firstCaps looks for the lowest import caps, in multiples of what is free, under which everything fits.
func (s *search) firstCaps() {
	lo, hi := 1., 0.
	for k := 1.; k < 64 && hi == 0; k *= 1.2 {
		if s.construct(k) {
			hi = k
		} else {
			lo = k
		}
	}
	if hi > 1 {
		for hi/lo > 1.02 && !s.over() {
			if mid := (lo + hi) / 2; s.construct(mid) {
				hi = mid
			} else {
				lo = mid
			}
		}
	}
	if math.IsInf(s.score.cost, 1) {
		s.openCaps()
		s.insert()
		s.keep()
	}
	s.restore()
}

// construct builds a plan from nothing under caps of factor times what is free (at least 1 kW) and tells whether everything fits.
func (s *search) construct(factor float64) bool {
	s.trials++
	for m := range s.f.capW {
		s.f.capW[m] = max(s.h.freeW[m], 1000*(factor-1)) * factor
	}
	for i := range s.h.devices {
		s.take(i)
	}
	for i := range s.h.devices {
		if s.h.devices[i].kind == KindEVSE {
			s.respondJointly(i, decisive)
		}
	}
	for i := range s.h.devices {
		if s.h.devices[i].kind != KindEVSE {
			s.respond(i)
		}
	}
	s.together()
	fits := s.missed() == 0 && s.f.withinCaps()
	s.keep()
	return fits
}

// withinCaps tells whether the battery can keep the import of every slot below its cap.
func (f *field) withinCaps() bool {
	if math.IsInf(f.backward(), 1) {
		return false
	}
	tr := f.follow()
	for t := range f.h.n {
		x := f.h.free[t] + f.load[t]
		if f.h.bat != nil {
			x += f.h.power(tr.u[t])
		}
		if x > f.capW[f.h.month[t]]+0.1 {
			return false
		}
	}
	return true
}

// missed counts the deadlines that the field's draft misses.
func (s *search) missed() int {
	n := 0
	for i := range s.h.devices {
		d := &s.h.devices[i]
		switch {
		case d.isProfile():
			if st := s.f.draft.start[i]; st < 0 || st+len(d.profile) > d.to {
				n++
			}
		case d.kind != KindThermal:
			got := 0
			for _, a := range s.f.draft.level[i] {
				got += a
			}
			if got < d.need {
				n++
			}
		}
	}
	return n
}

// closeCaps is how close, in part of it, the best cap of a month is looked for.
const closeCaps = 0.015

// lowerPeaks re-plans everything under lower caps: halfway between the best so far and one that did not pay, as long as they lie apart.
func (s *search) lowerPeaks() {
	for m := range s.caps {
		low := s.h.freeW[m]
		for s.caps[m]-low > closeCaps*s.caps[m] && !s.over() {
			if half := (low + s.caps[m]) / 2; !s.underCap(m, half) {
				low = half
			}
		}
	}
}

// around plans everything anew under caps close to the best ones: another cap is another start.
func (s *search) around() {
	for m := range s.caps {
		for _, factor := range [...]float64{0.98, 1.02, 0.96, 1} {
			if s.over() {
				return
			}
			if s.underCap(m, s.caps[m]*factor) {
				s.descend()
				s.polish()
			}
		}
	}
}

// underCap plans everything anew under a given cap of one month.
func (s *search) underCap(m int, capW float64) bool {
	if capW < s.h.freeW[m] {
		if s.caps[m] <= s.h.freeW[m]*1.0001 {
			return false
		}
		capW = s.h.freeW[m]
	}
	s.trials++
	s.restore()
	s.f.capW[m] = capW
	s.together()
	better := s.keep()
	s.restore()
	return better
}

// together re-plans every device under the present caps: the appliances one after the other, each where car and battery both make room for it, and
// then the car with the battery.
func (s *search) together() {
	for i := range s.h.devices {
		if s.h.devices[i].kind == KindEVSE {
			s.makeRoom(i)
		}
	}
	for i := range s.h.devices {
		if k := s.h.devices[i].kind; k != KindEVSE && k != KindProfile {
			s.respond(i)
		}
	}
}

// makeRoom re-plans car i jointly with the battery and each appliance that could share its time.
func (s *search) makeRoom(i int) {
	car := &s.h.devices[i]
	shares := func(a *device) bool { return a.isProfile() && a.from < car.to && a.to > car.from }
	if car.need > 0 && car.to > car.from && slices.ContainsFunc(s.h.devices, func(a device) bool { return shares(&a) }) {
		j := s.jointly()
		s.f.put(i, -1)
		j.begin(car)
		j.seekReward(i, indicative)
		for k := range s.h.devices {
			if !shares(&s.h.devices[k]) {
				continue
			}
			s.f.put(k, -1)
			was := s.f.draft.start[k]
			j.begin(car)
			j.solve(j.last[i])
			j.place(k, j.last[i])
			if s.f.draft.start[k] < 0 {
				s.f.draft.start[k] = was
			}
			s.f.put(k, 1)
		}
		s.f.put(i, 1)
	}
	s.respondJointly(i, decisive)
}

// press lowers the caps a little by turns, so that what follows looks for a plan with a lower peak.
func (s *search) press(turn int) {
	for m := range s.f.capW {
		s.f.capW[m] = max(s.h.freeW[m], s.f.capW[m]*(1-0.008*float64(turn%4)))
	}
}
