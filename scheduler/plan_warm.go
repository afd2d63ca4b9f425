package scheduler

// fromWarm takes a former plan as the first draft, as far as it still fits the problem, and tells whether it gave a plan that can be carried out.
func (s *search) fromWarm(p *Problem, warm *Plan) bool {
	s.openCaps()
	for i := range s.h.devices {
		d := &s.h.devices[i]
		s.take(i)
		entry, ok := warm.Loads[p.Loads[i].ID]
		if !ok {
			continue
		}
		if d.isProfile() {
			if entry.Start >= d.from && entry.Start+len(d.profile) <= s.h.n {
				s.f.draft.start[i] = entry.Start
			}
		} else if level := entry.levels(); len(level) == s.h.n {
			copy(s.f.draft.level[i], level)
			if !d.allows(s.f.draft.level[i]) {
				clear(s.f.draft.level[i])
			}
		}
		s.f.put(i, 1)
	}
	kept := s.keep()
	s.former = s.version
	return kept
}

// asBefore tells whether the former plan still is the best.
func (s *search) asBefore() bool { return s.version == s.former }

func (l *LoadPlan) levels() []int {
	if l.Amps != nil {
		return l.Amps
	}
	return l.On
}

// allows tells whether a device may run at these levels.
func (d *device) allows(level []int) bool {
	got := 0
	for t, a := range level {
		if a != 0 && (a < d.lo || a > d.hi || t < d.from || t >= d.to) {
			return false
		}
		got += a
	}
	return validRuns(d, level) && (d.kind == KindThermal || got <= d.need)
}

// improve goes on from a warm start: every load answers the others, and what the former plan did not know about is put in. Where no load has a better
// answer, nothing has changed that would be worth more.
func (s *search) improve() {
	s.descend()
	if !s.asBefore() {
		s.polish()
		s.pairs()
	}
}

// Shifted is the plan as it looks some slots later to a problem of n slots: what Options.Warm of the next plan wants. What has begun by then is left to
// the new problem.
func (p *Plan) Shifted(slots, n int) *Plan {
	out := &Plan{Loads: make(map[string]LoadPlan, len(p.Loads)), LoadValue: moved(p.LoadValue, slots, n)}
	if len(out.LoadValue) > 0 { // the price of load beyond the former horizon is taken to be its last
		for t := max(0, len(p.LoadValue)-slots); t < n; t++ {
			out.LoadValue[t] = p.LoadValue[len(p.LoadValue)-1]
		}
	}
	for id, l := range p.Loads {
		if l.Kind == KindProfile {
			l.Start = max(l.Start-slots, -1)
		}
		l.Amps, l.On = moved(l.Amps, slots, n), moved(l.On, slots, n)
		out.Loads[id] = l
	}
	return out
}

// moved drops the first slots of v and makes it n long.
func moved[T any](v []T, slots, n int) []T {
	if v == nil {
		return nil
	}
	out := make([]T, n)
	if slots < len(v) {
		copy(out, v[slots:])
	}
	return out
}
