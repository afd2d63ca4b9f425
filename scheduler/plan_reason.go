package scheduler

import (
	"fmt"
	"math"
	"strings"
	"time"
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

func (c clock) hhmm(slot int) string { return c.at(slot).Format("15:04") }

// day is the time with its weekday where that is another day than the start's.
func (c clock) day(slot int) string {
	if t := c.at(slot); t.YearDay() != c.at(0).YearDay() {
		return t.Format("Mon 15:04")
	}
	return c.hhmm(slot)
}

// spell writes a number of slots as hours and minutes.
func spell(slots int) string {
	h, m := slots/4, slots%4*15
	switch {
	case h == 0:
		return fmt.Sprintf("%d min", m)
	case m == 0:
		return fmt.Sprintf("%d h", h)
	}
	return fmt.Sprintf("%d h %02d", h, m)
}

// reason says why a load runs when it does.
func (s *search) reason(p *Problem, i int) string {
	d, c := &s.h.devices[i], p.clock()
	switch {
	case d.isProfile():
		return s.profileReason(c, i, d)
	case d.kind == KindThermal:
		return s.thermalReason(c, i, d)
	}
	return s.runReason(c, i, d, p.Loads[i].Deadline != nil)
}

// deadline is "before 07:00" or, without one inside the horizon, "of the plan".
func deadline(c clock, d *device, n int) string {
	if d.to < n {
		return "before " + c.day(d.to)
	}
	return "of the plan"
}

func (s *search) profileReason(c clock, i int, d *device) string {
	at, long := s.best.start[i], len(d.profile)
	if at < 0 {
		return "does not run: it cannot be fitted in before the plan ends"
	}
	span := c.day(at) + " to " + c.hhmm(at+long)
	if late := at + long - d.to; late > 0 {
		return fmt.Sprintf("%s: cannot be ready by %s, %s late", span, c.day(d.to), spell(late))
	}
	if at == d.from {
		return span + ": as early as it may, no later time is cheaper"
	}
	text := fmt.Sprintf("%s is the cheapest %s %s", span, spell(long), deadline(c, d, s.h.n))
	s.restore()
	was := s.f.backward()
	s.f.put(i, -1)
	s.f.draft.start[i] = d.from
	s.f.put(i, 1)
	return text + s.more(c, d.from, s.f.backward()-was)
}

// more says what it would cost to begin in slot from instead.
func (s *search) more(c clock, from int, eur float64) string {
	when := "starting now"
	if from > 0 {
		when = "starting at " + c.day(from)
	}
	s.restore()
	switch {
	case math.IsInf(eur, 1):
		return fmt.Sprintf("; %s is more than the connection can carry", when)
	case eur < 0.005:
		return ""
	}
	return fmt.Sprintf("; %s would cost %.2f more", when, eur)
}

func (s *search) runReason(c clock, i int, d *device, hard bool) string {
	level := s.best.level[i]
	got, runs, first, last := 0, 0, -1, 0
	for t, a := range level {
		if a == 0 {
			continue
		}
		if t == 0 || level[t-1] == 0 {
			runs++
		}
		if first < 0 {
			first = t
		}
		last, got = t+1, got+a
	}
	kWh := func(levels int) float64 { return float64(levels) * d.unit * slotHours / 1000 }
	var b strings.Builder
	switch {
	case d.need == 0:
		return "needs nothing"
	case got < d.need && hard && d.to < s.h.n:
		fmt.Fprintf(&b, "will be %.1f kWh short at %s: ", kWh(d.need-got), c.day(max(d.to, 0)))
	case got < d.need:
		fmt.Fprintf(&b, "will be %.1f kWh short: ", kWh(d.need-got))
	}
	switch {
	case got == 0:
		return b.String() + "there is no slot in which it can run"
	case runs == 1:
		fmt.Fprintf(&b, "%.1f kWh from %s to %s", kWh(got), c.day(first), c.hhmm(last))
	default:
		fmt.Fprintf(&b, "%.1f kWh in %d runs from %s to %s", kWh(got), runs, c.day(first), c.hhmm(last))
	}
	if got < d.need {
		return b.String() + ", all that fits"
	}
	fmt.Fprintf(&b, ", the cheapest times %s", deadline(c, d, s.h.n))
	s.restore()
	was := s.f.backward() + s.h.ownCost(i, level, 0)
	s.f.put(i, -1)
	soonest(d, s.f.draft.level[i])
	s.f.put(i, 1)
	cost := s.f.backward() + s.h.ownCost(i, s.f.draft.level[i], 0)
	return b.String() + s.more(c, d.from, cost-was)
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

func (s *search) thermalReason(c clock, i int, d *device) string {
	m, temp, coldest, when := d.thermal, d.thermal.StartC, d.thermal.StartC, 0
	on := 0
	for t, a := range s.best.level[i] {
		if temp = m.after(t, temp, a != 0); temp < coldest {
			coldest, when = temp, t+1
		}
		on += a
	}
	text := fmt.Sprintf("on for %s, between %.1f °C at %s and %.1f °C at the end", spell(on), coldest, c.day(when), temp)
	if coldest < m.MinC-0.05 {
		text += fmt.Sprintf("; colder than %.0f °C because more heat would cost more than it is worth", m.MinC)
	}
	return text
}
