package scheduler

import (
	"math"
	"time"

	"homehub/hub"
)

// clock tells slot boundaries in the home's wall time.
type clock struct {
	start time.Time
	zone  *time.Location
}

func (p *Problem) clock() clock {
	zone := p.Start.Location()
	if p.Zone != "" {
		if z, err := time.LoadLocation(p.Zone); err == nil {
			zone = z
		}
	}
	return clock{p.Start, zone}
}

func (c clock) at(slot int) time.Time {
	return c.start.Add(time.Duration(slot) * slotSeconds * time.Second).In(c.zone)
}

// why says why load i runs when it does.
func (s *search) why(p *Problem, i int) hub.Why {
	d, c := &s.h.devices[i], p.clock()
	w := hub.Why{Now: c.at(0)}
	if d.to < s.h.n && d.kind != KindThermal && p.Loads[i].Deadline != nil {
		w.Deadline = c.at(max(d.to, 0))
	}
	switch {
	case d.isProfile():
		s.whyProfile(&w, c, i)
	case d.kind == KindThermal:
		s.whyWarm(&w, c, i)
	default:
		s.whyRuns(&w, c, i)
	}
	return w
}

func lasts(slots int) time.Duration { return time.Duration(slots) * slotSeconds * time.Second }

func (s *search) whyProfile(w *hub.Why, c clock, i int) {
	d := &s.h.devices[i]
	at, long := s.best.start[i], len(d.profile)
	if at < 0 {
		w.Kind, w.Deadline = hub.WhyNoRoom, time.Time{}
		return
	}
	w.Kind, w.From, w.To, w.Takes = hub.WhyCheapest, c.at(at), c.at(at+long), lasts(long)
	switch late := at + long - d.to; {
	case late > 0:
		w.Kind, w.Late, w.Deadline = hub.WhyLate, lasts(late), c.at(d.to)
		return
	case at == d.from:
		w.Kind = hub.WhyAtOnce
		return
	}
	s.restore()
	s.f.put(i, -1)
	s.f.draft.start[i] = d.from
	s.f.put(i, 1)
	s.compare(w, c, d.from, s.f.settle(math.Inf(1))-s.settled)
}

// compare notes what it would cost to begin in slot from instead.
func (s *search) compare(w *hub.Why, c clock, from int, eur float64) {
	if from > 0 {
		w.Earliest = c.at(from)
	}
	s.restore()
	if w.TooMuch = math.IsInf(eur, 1); !w.TooMuch {
		w.Extra = hub.MicroEuro(math.Round(min(eur, 1e9) * 1e6))
	}
}

func (s *search) whyRuns(w *hub.Why, c clock, i int) {
	d, level := &s.h.devices[i], s.best.level[i]
	if d.need == 0 {
		w.Kind = hub.WhyNothing
		return
	}
	got, first, last := 0, -1, 0
	for t, a := range level {
		if a == 0 {
			continue
		}
		if t == 0 || level[t-1] == 0 {
			w.Runs++
		}
		if first < 0 {
			first = t
		}
		last, got = t+1, got+a
		w.Takes += lasts(1)
	}
	energy := func(levels int) hub.WattHour { return hub.WattHour(math.Round(float64(levels) * d.unit * slotHours)) }
	w.Kind, w.Energy = hub.WhyTimes, energy(got)
	if got > 0 {
		w.From, w.To = c.at(first), c.at(last)
	}
	if got < d.need {
		w.Kind, w.Short = hub.WhyShort, energy(d.need-got)
		return
	}
	s.restore()
	was := s.settled + s.h.ownCost(i, level, 0)
	s.f.put(i, -1)
	soonest(d, s.f.draft.level[i])
	s.f.put(i, 1)
	cost := s.f.settle(math.Inf(1)) + s.h.ownCost(i, s.f.draft.level[i], 0)
	s.compare(w, c, d.from, cost-was)
}

// soonest fills in the levels of a device that runs at once at its highest level; the last slots make up for the remainder.
func soonest(d *device, level []int) {
	clear(level)
	left, t := d.need, d.from
	for ; t < d.to && left > 0; t++ {
		level[t] = min(d.hi, left)
		left -= level[t]
	}
	if t > d.from && level[t-1] < d.lo && t-2 >= d.from { // too little for a slot of its own
		level[t-2] -= d.lo - level[t-1]
		level[t-1] = d.lo
	}
}

func (s *search) whyWarm(w *hub.Why, c clock, i int) {
	m := s.h.devices[i].thermal
	temp := m.StartC
	w.Kind, w.Coldest, w.From, w.Wanted = hub.WhyWarm, m.StartC, c.at(0), m.MinC
	for t, a := range s.best.level[i] {
		if temp = m.after(t, temp, a != 0); temp < w.Coldest {
			w.Coldest, w.From = temp, c.at(t+1)
		}
		if a != 0 {
			w.Takes += lasts(1)
		}
	}
	if w.Final = temp; w.Coldest < m.MinC-0.05 {
		w.Kind = hub.WhyTooCold
	}
}
