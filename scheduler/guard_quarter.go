package scheduler

import (
	"time"

	"homehub/hub"
)

const (
	// peakMargin is how far below the highest allowed quarter the guard aims:
	// what a kettle adds in the telegram before a cut shows.
	peakMargin = 20
	// quarterTail is the end of a quarter in which nothing is decided for its
	// sake: a command would show only in the next.
	quarterTail = settle
	// catchUp is how far above its target a quarter may run to make up for what
	// it left unused, in %: more, and every quarter would end with a swing.
	catchUp = 125
)

// quarter is the running quarter of an hour as the capacity tariff counts it:
// on the meter's clock, all phases summed, import alone.
type quarter struct {
	start, at time.Time // by the meter's clock
	joules    int64     // imported since start: sum of power times time
	register  hub.WattHour
	whole     bool     // seen from its start, so joules and register are all of it
	meter     int64    // joules by the meter's own average (1.4.0), −1 without one
	month     hub.Watt // highest quarter of this month, by the meter (1.6.0) or seen
	import1   hub.Watt
}

// observe takes in a reading.
func (q *quarter) observe(r *hub.Reading, floor hub.Watt) {
	if floor == 0 {
		return
	}
	start := r.At.Truncate(hub.SlotLength)
	if !start.Equal(q.start) {
		q.turn(r, start)
	} else if gap := r.At.Sub(q.at); gap > 0 {
		q.joules += int64(q.import1) * int64(gap/time.Second)
	}
	if wh := r.Registers.Import(); q.whole && wh > q.register && r.Has&hub.HasImportT1 != 0 {
		// The register is exact to 1 Wh; power times time fills in between.
		q.joules = min(max(q.joules, int64(wh-q.register)*3600-3600), int64(wh-q.register)*3600+3600)
	}
	q.at, q.import1, q.meter = r.At, r.Import, -1
	if r.Has&hub.HasQuarter != 0 {
		// The running average of a demand register is the energy so far over
		// the whole period (IEC 62056-6-2, class 5, current_average_value).
		q.meter = int64(r.Quarter) * int64(hub.SlotLength/time.Second)
	}
	if r.Has&hub.HasMonthPeak != 0 {
		q.month = r.MonthPeak
	}
}

// turn begins a new quarter.
func (q *quarter) turn(r *hub.Reading, start time.Time) {
	followed := start.Equal(q.start.Add(hub.SlotLength)) && r.At.Sub(q.at) < time.Minute
	if q.whole && followed && r.Has&hub.HasMonthPeak == 0 {
		q.month = max(q.month, hub.Watt(q.joules/int64(hub.SlotLength/time.Second)))
	}
	if start.Month() != q.start.Month() {
		q.month = 0
	}
	q.start, q.whole, q.joules, q.register = start, followed, 0, r.Registers.Import()
	if followed {
		q.joules = int64(r.Import) * int64(r.At.Sub(start)/time.Second)
	}
}

// soFar is the energy of the running quarter in J: by the meter's own average
// unless what was counted here shows that it means something else.
func (q *quarter) soFar() (int64, bool) {
	switch {
	case q.meter >= 0 && (!q.whole || max(q.meter-q.joules, q.joules-q.meter) < 36_000+q.joules/20):
		return q.meter, true
	case q.whole:
		return q.joules, true
	}
	return 0, false
}

// allowed is the mean power for the rest of the quarter with which it just
// meets target; ok is false if target is 0, too little is known, or the quarter
// is as good as over.
func (q *quarter) allowed(target hub.Watt) (watts int, ok bool) {
	joules, known := q.soFar()
	if target == 0 || !known {
		return 0, false
	}
	left := q.left()
	if left < quarterTail {
		return 0, false
	}
	budget := int64(target-peakMargin)*int64(hub.SlotLength/time.Second) - joules
	return min(int(budget/int64(left/time.Second)), int(target)*catchUp/100), true
}

// left is the rest of the quarter by the meter's clock.
func (q *quarter) left() time.Duration { return q.start.Add(hub.SlotLength).Sub(q.at) }

// peakTarget is the quarter that must not be exceeded: the month's highest so
// far, what is free, and what the plan has decided to pay for in this slot.
func (g *guard) peakTarget(s *hub.Snapshot) hub.Watt {
	if g.c.PeakFloor == 0 {
		return 0
	}
	target := max(g.c.PeakFloor, g.quarter.month)
	if i := s.Plan.SlotAt(g.quarter.at); i >= 0 && i < len(s.Plan.Chosen) {
		target = max(target, s.Plan.Chosen[i])
	}
	return target
}

// calm is the least room of the last 30 to 60 s: what comes and goes within a
// minute is no room.
type calm struct {
	since    time.Time // of now
	now, old load
	full     bool // old holds a whole half
}

func (c *calm) observe(at time.Time, r load) {
	switch {
	case c.since.IsZero():
		c.since, c.now = at, r
	case at.Sub(c.since) >= calmHalf:
		c.since, c.old, c.now, c.full = at, c.now, r, true
	default:
		c.now = least(c.now, r)
	}
}

// reset begins to watch anew: what was seen is no longer true.
func (c *calm) reset() { *c = calm{} }

// room is the least room; ok is false while it was not watched for long
// enough.
func (c *calm) room() (r load, ok bool) { return least(c.now, c.old), c.full }

func least(a, b load) load {
	for i := range a.phase {
		a.phase[i] = min(a.phase[i], b.phase[i])
	}
	a.watts = min(a.watts, b.watts)
	return a
}

// worst is the highest load of the house without its commanded devices over
// the last day: what must be reckoned with when the meter is silent.
type worst struct {
	hours [24]load
	hour  int64
	any   bool
}

func (w *worst) observe(now time.Time, rest load) {
	hour := now.Unix() / 3600
	for h := max(w.hour+1, hour-23); w.any && h <= hour; h++ {
		w.hours[h%24] = load{}
	}
	w.hour, w.any = hour, true
	w.hours[hour%24] = most(w.hours[hour%24], rest)
}

func (w *worst) load() (l load) {
	for i := range w.hours {
		l = most(l, w.hours[i])
	}
	return l
}

func most(a, b load) load {
	for i := range a.phase {
		a.phase[i] = max(a.phase[i], b.phase[i])
	}
	a.watts = max(a.watts, b.watts)
	return a
}
