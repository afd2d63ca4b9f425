package scheduler

import (
	"fmt"
	"hash/maphash"
	"time"

	"homehub/hub"
)

// Why a plan is made anew. What a person or a device asks for is answered at
// once; the rest changes a plan in force only for a gain.
const (
	becauseAsked     = "asked"     // a schedule, a mode, a car, a device
	becauseSlot      = "slot"      // a quarter of an hour passed
	becausePrices    = "prices"    // other prices
	becauseDeviation = "deviation" // the house does not do what the plan expects
)

const (
	// lookEvery is how often prices are compared: they may come at any time.
	lookEvery = time.Minute
	// deviates is the least difference between the mean at the meter and the
	// plan that is worth another plan, W, beside a third of what was expected.
	deviates = 500
	// deviatesEvery bounds how often deviation makes a plan.
	deviatesEvery = 10 * time.Minute
)

// changeWatch finds out whether a plan is stale, cheaply: it is asked once per
// telegram.
type changeWatch struct {
	seed    maphash.Seed
	ready   bool
	asked   uint64 // of what devices and people say
	prices  uint64
	slot    time.Time
	looked  time.Time
	deviant time.Time // last plan because of a deviation
}

// stale says why the plan in force is stale; "" if it is not.
func (l *Loop) stale(s *hub.Snapshot, now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.change
	if !c.ready {
		c.seed, c.ready = maphash.MakeSeed(), true
	}
	why := ""
	if (l.deviation(s, now) || strayed(s, now)) && now.Sub(c.deviant) >= deviatesEvery {
		c.deviant, why = now, becauseDeviation
	}
	slot := hub.SlotStart(now)
	if now.Sub(c.looked) >= lookEvery || !slot.Equal(c.slot) {
		if h := l.priceSum(now); h != c.prices {
			c.prices, why = h, becausePrices
		}
		c.looked = now
	}
	if !slot.Equal(c.slot) {
		c.slot, why = slot, becauseSlot
	}
	if h := l.askedSum(s, now); h != c.asked {
		c.asked, why = h, becauseAsked
	}
	return why
}

// askedSum is a fingerprint of all that people and devices ask for.
func (l *Loop) askedSum(s *hub.Snapshot, now time.Time) uint64 {
	var h maphash.Hash
	h.SetSeed(l.change.seed)
	word := func(v int64) {
		for range 8 {
			_ = h.WriteByte(byte(v))
			v >>= 8
		}
	}
	flag := func(v bool) {
		if v {
			word(1)
		} else {
			word(0)
		}
	}
	if s.Limit.ActiveAt(now) {
		word(int64(s.Limit.Watts))
		word(s.Limit.Until.Unix())
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		if !d.Driven() {
			continue
		}
		_, _ = h.WriteString(d.ID)
		_, _ = h.WriteString(string(d.ModeAt(now)))
		word(int64(d.Has & (hub.ReportPlugged | hub.ReportSoC)))
		flag(d.Plugged)
		flag(d.Online)
		word(int64(d.Power) | int64(d.MaxAmps)<<32 | int64(d.Phases)<<48 | int64(d.MinAmps)<<56)
		if d.Battery != nil {
			word(int64(d.Battery.Capacity))
		}
		j := l.jobs[d.ID]
		if j == nil || d.Schedule == nil {
			continue
		}
		r := d.Schedule
		_, _ = h.WriteString(string(r.When))
		for _, v := range [...]int64{
			int64(r.ReadyBy), int64(r.Minutes), int64(r.Energy), int64(r.SoC), int64(r.Days),
			r.Skip.Unix(), r.PausedUntil.Unix(), r.SetAt.Unix(), j.Deadline.Unix(),
			int64(r.Keep.Low), int64(r.Keep.High), int64(r.Keep.Away), int64(r.Keep.From)<<16 | int64(r.Keep.To), int64(d.Litres),
		} {
			word(v)
		}
		flag(r.MayPause)
		if r.Keeps() {
			_, at, ok := hub.Warmth(s.Devices, d)
			flag(ok && now.Sub(at) < blindAfter)
			_, _ = h.WriteString(d.TempOf)
		}
		flag(j.over(d))
		flag(j.RunEnd.After(now))
		flag(j.DeafUntil.After(now))
	}
	return h.Sum64()
}

// priceSum is a fingerprint of the prices over the horizon.
func (l *Loop) priceSum(now time.Time) uint64 {
	var h maphash.Hash
	h.SetSeed(l.change.seed)
	for _, s := range l.cfg.Outlook.Prices(now, leastHorizon) {
		v := int64(s.Import)<<1 ^ int64(s.Export)<<20
		if s.Known {
			v++
		}
		v ^= s.Start.Unix()
		for range 8 {
			_ = h.WriteByte(byte(v))
			v >>= 8
		}
	}
	return h.Sum64()
}

// deviation says whether the house has been off the plan for minutes.
func (l *Loop) deviation(s *hub.Snapshot, now time.Time) bool {
	slot := s.Plan.SlotAt(now)
	if slot < 0 || slot >= len(s.Plan.Net) || !l.rest.ready(now) || !l.rest.since(s.Plan.At) {
		return false
	}
	expected := int(s.Plan.Net[slot])
	off := int(l.rest.net) - expected
	return max(off, -off) > max(deviates, max(expected, -expected)/3)
}

// replan makes a plan and puts it in force, unless the one in force does as
// well.
func (l *Loop) replan(s *hub.Snapshot, now time.Time, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.gather(s, now)
	switch why {
	case becauseAsked:
		in.Former = nil
	case becausePrices:
		in.Anew = true
	}
	plan, solved, err := PlanHouse(in)
	if err != nil {
		l.cfg.Condition(hub.Degraded, "the last plan stays in force: "+err.Error())
		return
	}
	if text := l.prices.problem(now, in.Zone); text != "" {
		l.cfg.Condition(hub.Degraded, text)
	} else {
		l.cfg.Condition(hub.OK, "")
	}
	l.plan, l.start = solved, hub.SlotStart(now)
	l.cfg.House.SetPlan(plan)
	l.keepLocked()
}

// gather collects what a plan is made from; l.mu is held.
func (l *Loop) gather(s *hub.Snapshot, now time.Time) Inputs {
	n := horizon(s.Devices, now, l.cfg.Zone)
	in := Inputs{
		Now: now, Zone: l.cfg.Zone, Slots: l.prices.slots(l.cfg.Outlook, now, n),
		Devices: s.Devices, Jobs: l.jobs, Connection: l.cfg.Connection, Limit: s.Limit, Profiles: l.profiles, Heat: l.heat, MonthPeak: l.month,
		Former: l.plan, FormerStart: l.start, Gain: l.cfg.Gain,
	}
	in.Base, in.PV = l.cfg.Outlook.Forecast(now, len(in.Slots))
	l.rest.nudge(now, in.Base, in.PV)
	return in
}

// leastHorizon is how many slots a plan looks ahead at least: 36 hours.
const leastHorizon = 36 * 4

// horizon is how many slots a plan looks ahead: to the last deadline, but at
// least 36 hours and at most 48.
func horizon(devices []hub.DeviceState, now time.Time, loc *time.Location) int {
	n := leastHorizon
	for i := range devices {
		if devices[i].Schedule == nil {
			continue
		}
		if deadline, ok := Due(*devices[i].Schedule, now, loc); ok {
			n = max(n, int(deadline.Sub(hub.SlotStart(now))/hub.SlotLength)+1)
		}
	}
	return min(n, 48*4)
}

// priceMemory keeps the last good prices: a source that fails for an hour must
// not take away what it said before.
type priceMemory struct {
	known map[int64]hub.Slot // by Unix time of the start
	at    time.Time          // when the source last gave a price
	missing,
	filled int // of the last look: slots without a price; slots filled from memory
}

// slots are n slots from now on, unknown ones filled from memory.
func (m *priceMemory) slots(from Outlook, now time.Time, n int) []hub.Slot {
	if m.known == nil {
		m.known = map[int64]hub.Slot{}
	}
	start := hub.SlotStart(now)
	out := make([]hub.Slot, n)
	for i := range out {
		out[i].Start = start.Add(time.Duration(i) * hub.SlotLength)
	}
	gave := false
	for _, s := range from.Prices(now, n) {
		if i := int(s.Start.Sub(start) / hub.SlotLength); i >= 0 && i < n && s.Start.Equal(out[i].Start) && s.Known {
			out[i], m.known[s.Start.Unix()], gave = s, s, true
		}
	}
	if gave {
		m.at = now
	}
	for unix := range m.known {
		if unix < start.Unix() {
			delete(m.known, unix)
		}
	}
	m.missing, m.filled = 0, 0
	for i := range out {
		if out[i].Known {
			continue
		}
		if s, ok := m.known[out[i].Start.Unix()]; ok {
			out[i] = s
			m.filled++
		} else {
			m.missing++
		}
	}
	return out
}

// problem says which inputs are not what they should be, and how old they are;
// "" if all is well. Prices of tomorrow that are not out yet are no problem.
func (m *priceMemory) problem(now time.Time, zone *time.Location) string {
	switch {
	case m.at.IsZero():
		return "no prices are known: every hour counts the same"
	case m.filled > 0:
		return fmt.Sprintf("some prices are those of %s, nothing newer has come", m.at.In(zone).Format("Mon 15:04"))
	case now.Sub(m.at) > time.Hour:
		return fmt.Sprintf("the last prices came at %s", m.at.In(zone).Format("Mon 15:04"))
	}
	return ""
}

// restMean is what the house took of late: as a whole for deviations, and
// without the devices that the plan moves for the next slots of the forecast.
type restMean struct {
	at        time.Time // last reading
	begun     time.Time // of the means
	net, rest float64   // means over some five minutes, W
}

const restMemory = 5 * time.Minute

func (m *restMean) observe(now time.Time, s *hub.Snapshot) {
	at := s.Reading.Received
	if !s.HasReading || s.Stale || at.Equal(m.at) {
		return
	}
	gap := at.Sub(m.at)
	net := float64(s.Reading.Net())
	rest := net
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Driven() {
			rest -= float64(presentLoad(d).watts)
		}
	}
	if m.at.IsZero() || gap > time.Minute || gap <= 0 {
		*m = restMean{at: at, begun: now, net: net, rest: rest}
		return
	}
	w := float64(gap) / float64(restMemory+gap)
	m.net += (net - m.net) * w
	m.rest += (rest - m.rest) * w
	m.at = at
}

// ready says whether the means are of now, and long enough.
func (m *restMean) ready(now time.Time) bool {
	return !m.at.IsZero() && now.Sub(m.at) < time.Minute && m.at.Sub(m.begun) >= restMemory
}

// since says whether the means are mostly of after t.
func (m *restMean) since(t time.Time) bool { return m.at.Sub(t) >= restMemory }

// nudge bends the first slots of a forecast towards what the house takes now:
// all of the difference in the running slot, a quarter less in each after it.
func (m *restMean) nudge(now time.Time, base, pv []float64) {
	if !m.ready(now) {
		return
	}
	if len(base) == 0 || len(pv) == 0 {
		return
	}
	off := m.rest - (base[0] - pv[0])
	for i := range min(4, len(base), len(pv)) {
		part := off * (1 - float64(i)/4)
		base[i] += part
		if base[i] < 0 {
			pv[i] -= base[i]
			base[i] = 0
		}
	}
}
