package scheduler

import (
	"time"

	"homehub/hub"
)

const (
	// learnEvery is how often the past of a heater is gone through; what is not
	// understood yet is looked at more often.
	learnEvery, learnSoon = 24 * time.Hour, 3 * time.Hour
	// week is the longest time between two temperatures that kill legionella;
	// weekEarly is how long before it is over a cheap hour is good enough.
	week, weekEarly = 7 * 24 * time.Hour, 36 * time.Hour
)

// school looks at the heaters once per quarter of an hour: it notes hot tanks,
// and learns anew from one whose model has become old. Reading weeks of the
// past takes its time on a small machine, so that is done beside the loop.
func (l *Loop) school(s *hub.Snapshot, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since := now.Sub(l.schooled); since >= 0 && since < hub.SlotLength {
		return
	}
	l.schooled = now
	for id := range l.heat {
		if d, ok := deviceOf(s, id); !ok || !d.Schedule.Keeps() {
			delete(l.heat, id) // it heats something else when it comes again
		}
	}
	busy := l.cfg.Past == nil
	for i := range s.Devices {
		d := &s.Devices[i]
		if !d.Schedule.Keeps() || !d.Switched() {
			continue
		}
		l.noteHot(s, d, now)
		m := l.heat[d.ID]
		every := learnSoon
		if m.Learned {
			every = learnEvery
		}
		if busy || now.Sub(m.At) < every {
			continue
		}
		busy = true
		m.At = now
		l.heat[d.ID] = m
		l.pupils.Go(func() { l.learnHeater(*d, now) })
	}
}

// learnHeater goes through a heater's past and takes the model into use.
func (l *Loop) learnHeater(d hub.DeviceState, now time.Time) {
	sensor := d.TempOf
	if sensor == "" {
		sensor = d.ID
	}
	to := hub.SlotStart(now)
	past := l.cfg.Past.Heat(d.Device, sensor, to.AddDate(0, 0, -heatDays), to)
	prior := priorHeat(&d.Device, heatPower(&d))
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.heat[d.ID]; !ok {
		return // it was removed meanwhile
	}
	was := l.heat[d.ID]
	prior.Hot = was.Hot
	m := learnHeat(past, prior, isTank(&d.Device), now, l.cfg.Zone)
	l.heat[d.ID] = m
	if was.Learned != m.Learned || was.Odd != m.Odd {
		l.cfg.Logger.Info("learned how a heater heats", "device", d.ID, "learned", m.Learned, "odd", m.Odd, "gain_k", m.Gain, "loss", m.Loss)
	}
	l.keepHeat()
}

// noteHot notes when a tank was as hot as it shall be once a week. One that
// nobody has watched before counts as hot now.
func (l *Loop) noteHot(s *hub.Snapshot, d *hub.DeviceState, now time.Time) {
	m := l.heat[d.ID]
	temp, at, ok := hub.Warmth(s.Devices, d)
	hot := ok && now.Sub(at) < blindAfter && temp >= d.Schedule.Keep.Weekly
	if d.Schedule.Keep.Weekly == 0 || !hot && !m.Hot.IsZero() {
		if _, known := l.heat[d.ID]; !known {
			l.heat[d.ID] = m
		}
		return
	}
	kept := now.Sub(m.Hot) < 24*time.Hour
	m.Hot = now
	l.heat[d.ID] = m
	if !kept {
		l.keepHeat() // a commit a day is enough
	}
}

func (l *Loop) keepHeat() {
	if l.cfg.Keeper == nil {
		return
	}
	if err := l.cfg.Keeper.PutSetting(heatKey, l.heat); err != nil {
		l.cfg.Logger.Warn("keeping what was learned", "err", err)
	}
}

func deviceOf(s *hub.Snapshot, id string) (*hub.DeviceState, bool) {
	for i := range s.Devices {
		if s.Devices[i].ID == id {
			return &s.Devices[i], true
		}
	}
	return nil, false
}

// weeklyDue says whether a tank must be brought to its weekly temperature now:
// in a cheap hour of the last days of the week, and at its end in any.
func weeklyDue(now time.Time, d *hub.DeviceState, plan *hub.Plan, hot time.Time) bool {
	if d.Schedule.Keep.Weekly == 0 || hot.IsZero() {
		return false
	}
	since := now.Sub(hot)
	slot := plan.SlotAt(now)
	if since < week-weekEarly || slot < 0 {
		return since >= week
	}
	cheaper, known := 0, 0
	for _, s := range plan.Slots[slot:min(len(plan.Slots), slot+quartersPerDay)] {
		if s.Known {
			known++
			if s.Import < plan.Slots[slot].Import {
				cheaper++
			}
		}
	}
	return since >= week || plan.Slots[slot].Known && cheaper < known/8
}
