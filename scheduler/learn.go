package scheduler

import (
	"time"

	"homehub/hub"
)

const (
	// profileMemory is how many runs count: the older ones fade.
	profileMemory = 4
	// profileSlots bounds a profile to a day.
	profileSlots = 96
	// profileGap is the longest silence of a device's meter in a run that is
	// learned from.
	profileGap = 5 * time.Minute
)

// lesson is a run that is being watched.
type lesson struct {
	start time.Time
	at    time.Time // of the last look
	watts hub.Watt
	sums  []float64 // W·s by quarter since start
	bad   bool      // with gaps: nothing is learned from it
}

// look takes in what the device draws from the last look on.
func (l *lesson) look(d *hub.DeviceState, now time.Time) {
	if d.Has&hub.ReportPower == 0 || now.Sub(l.at) > profileGap || !d.Online {
		l.bad = true
	}
	for at := l.at; at.Before(now) && !l.bad; {
		q := int(at.Sub(l.start) / hub.SlotLength)
		if q >= profileSlots {
			break
		}
		end := earlier(now, l.start.Add(time.Duration(q+1)*hub.SlotLength))
		for len(l.sums) <= q {
			l.sums = append(l.sums, 0)
		}
		l.sums[q] += float64(l.watts) * end.Sub(at).Seconds()
		at = end
	}
	l.at, l.watts = now, d.Watts
}

// learned is the profile with the run that ended at now taken in; ok is false
// if there is nothing to learn from it.
func (l *lesson) learned(old Profile, now time.Time) (p Profile, ok bool) {
	ran := now.Sub(l.start)
	if l.bad || ran < hub.SlotLength/3 || len(l.sums) == 0 {
		return old, false
	}
	n := min(old.Runs, profileMemory-1)
	p = Profile{Runs: old.Runs + 1, Watts: make([]hub.Watt, len(l.sums))}
	for q, sum := range l.sums {
		seconds := min(ran-time.Duration(q)*hub.SlotLength, hub.SlotLength).Seconds()
		if seconds <= 0 {
			break
		}
		w := sum / seconds
		if q < len(old.Watts) {
			w = (float64(old.Watts[q])*float64(n) + w) / float64(n+1)
		}
		p.Watts[q] = hub.Watt(w)
	}
	// What earlier runs had beyond the end of this one stays: a short run says
	// nothing of it.
	if len(old.Watts) > len(p.Watts) {
		p.Watts = append(p.Watts, old.Watts[len(p.Watts):]...)
	}
	return p, true
}

// profileOf is the power in W of each slot of a run that takes left: as
// learned, else the device's own figure.
func profileOf(d hub.Device, left time.Duration, learned Profile) []float64 {
	var out []float64
	full := float64(fullPower(d))
	for ; left > 0; left -= hub.SlotLength {
		w := full
		if n := len(learned.Watts); n > 0 {
			w = max(1, float64(learned.Watts[min(len(out), n-1)]))
		}
		out = append(out, w*min(1, left.Hours()/slotHours))
	}
	return out
}
