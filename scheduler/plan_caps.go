package scheduler

import "math"

// A capacity tariff couples all slots through the peak. The search therefore plans under import caps: it looks for the lowest under which everything
// fits, lowers them while that pays, and re-plans car, battery and appliances together under each.

// fromBelow starts at the lowest caps that everything fits under.
func (s *search) fromBelow() {
	s.firstCaps()
	s.descend()
	s.lowerPeaks()
	s.pairs()
	s.polish()
}

// fromAbove starts anew without caps and lets the peaks sink as the devices answer each other. The better of both ends stands.
func (s *search) fromAbove() {
	if s.over() {
		return
	}
	score, caps, best := s.score, append([]float64(nil), s.caps...), newDraft(s.h)
	best.copyFrom(s.best)
	s.score = score0()
	s.f.adopt(newDraft(s.h))
	s.openCaps()
	s.insert()
	s.keep()
	s.descend()
	s.lowerPeaks()
	s.pairs()
	s.polish()
	if score.better(s.score) {
		s.score = score
		copy(s.caps, caps)
		s.best.copyFrom(best)
	}
	s.restore()
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
			s.respondJointly(i)
		}
	}
	for i := range s.h.devices {
		if s.h.devices[i].kind != KindEVSE {
			s.respond(i)
		}
	}
	s.together()
	fits := !math.IsInf(s.f.backward(), 1) && s.missed() == 0
	s.keep()
	return fits
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

// lowerPeaks re-plans everything under lower (and a little higher) caps, as long as that pays.
func (s *search) lowerPeaks() {
	for m := range s.f.capW {
		for step := 0.12; step > 0.008 && !s.over(); {
			if s.underCap(m, s.caps[m]*(1-step)) || s.underCap(m, s.caps[m]*(1+step/2)) {
				continue
			}
			step /= 2
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
	s.respondJointly(i)
	s.f.put(i, -1)
	reward := s.j.last[i]
	for k := range s.h.devices {
		a := &s.h.devices[k]
		if !a.isProfile() || a.from >= car.to || a.to <= car.from {
			continue
		}
		s.f.put(k, -1)
		was := s.f.draft.start[k]
		s.j.begin(car)
		s.j.solve(reward)
		s.j.place(k)
		if s.f.draft.start[k] < 0 {
			s.f.draft.start[k] = was
		}
		s.f.put(k, 1)
	}
	s.f.put(i, 1)
	s.respondJointly(i)
}

// press lowers the caps a little by turns, so that what follows looks for a plan with a lower peak.
func (s *search) press(turn int) {
	for m := range s.f.capW {
		s.f.capW[m] = max(s.h.freeW[m], s.f.capW[m]*(1-0.008*float64(turn%4)))
	}
}
