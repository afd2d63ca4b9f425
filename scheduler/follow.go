package scheduler

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"homehub/hub"
)

// follow brings every job up to now: what a device did counts, a deadline
// that passed ends its job, a new one begins the next.
func (l *Loop) follow(s *hub.Snapshot, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest.observe(now, s)
	l.month = l.desk.guard.quarter.month
	live := 0
	for i := range s.Devices {
		if l.followOne(&s.Devices[i], now) {
			live++
		}
	}
	if live < len(l.jobs) {
		l.forget(s, now)
	}
}

// followOne follows the job of one device; it says whether there is one.
func (l *Loop) followOne(d *hub.DeviceState, now time.Time) bool {
	if d.Schedule == nil || !d.Switched() {
		return false
	}
	deadline, ok := Due(*d.Schedule, now, l.cfg.Zone)
	if !ok {
		return false
	}
	j := l.jobs[d.ID]
	if j == nil || !j.Deadline.Equal(deadline) {
		if j != nil && now.Before(j.Deadline) {
			// The owner moved the deadline of a job under way: what is done
			// stays done.
			j.Deadline = deadline
		} else {
			j = &Job{Deadline: deadline, Seen: now, Counter: d.Counter, Metered: d.Has&hub.ReportEnergy != 0}
		}
		l.jobs[d.ID] = j
	}
	if d.Mismatch && !j.DeafUntil.After(now) {
		j.DeafUntil = now.Add(retryAfter)
	}
	if d.Schedule.Keeps() {
		return true // nothing of it is ever done
	}
	metered := j.Metered
	j.advance(d, now)
	if j.Metered != metered {
		l.keepLocked() // what the counter began at must outlive the hub
	}
	if lesson := l.lessons[d.ID]; lesson != nil {
		lesson.look(d, now)
	}
	return true
}

// forget drops the jobs of devices that have none any more.
func (l *Loop) forget(s *hub.Snapshot, now time.Time) {
	maps.DeleteFunc(l.jobs, func(id string, _ *Job) bool {
		for i := range s.Devices {
			d := &s.Devices[i]
			if d.ID == id && d.Schedule != nil && d.Switched() {
				_, ok := Due(*d.Schedule, now, l.cfg.Zone)
				return !ok
			}
		}
		return true
	})
}

// note remembers when a run began and, if it may not pause, when it ends, and
// learns from a run that is over.
func (l *Loop) note(d *hub.DeviceState, c hub.Command, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.jobs[c.Device]
	if j == nil {
		return
	}
	once := d.Schedule != nil && !d.Schedule.MayPause && !d.Schedule.Keeps() && d.ModeAt(now) == hub.ModeAuto && d.Schedule.When != hub.WhenSurplus
	switch {
	case !c.On:
		l.learn(d.ID, now)
		j.Started, j.RunEnd = time.Time{}, time.Time{}
	case j.Started.IsZero():
		j.Started = now
		if once {
			j.RunEnd = now.Add(j.left(d))
			l.lessons[d.ID] = &lesson{start: now, at: now}
		}
	}
	l.keepLocked()
}

// learn takes a run that ended into the profile of its device.
func (l *Loop) learn(id string, now time.Time) {
	lesson := l.lessons[id]
	if lesson == nil {
		return
	}
	delete(l.lessons, id)
	p, ok := lesson.learned(l.profiles[id], now)
	if !ok {
		return
	}
	l.profiles[id] = p
	if l.cfg.Keeper == nil {
		return
	}
	if err := l.cfg.Keeper.PutSetting(profilesKey, l.profiles); err != nil {
		l.cfg.Logger.Warn("keeping what was learned", "err", err)
	}
}

func (l *Loop) keep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = "" // the end of the hub is worth a commit, whatever changed
	l.keepLocked()
}

// keepLocked keeps the jobs when a run began or ended or a slot passed, not
// per reading: a commit costs the card some 36 KiB.
func (l *Loop) keepLocked() {
	if l.cfg.Keeper == nil {
		return
	}
	var b strings.Builder
	for id, j := range l.jobs {
		fmt.Fprintf(&b, "%s %d %d %d %d %v|", id, j.Deadline.Unix(), j.Started.Unix(), j.RunEnd.Unix(), j.Ran/hub.SlotLength, j.Metered)
	}
	if b.String() == l.kept {
		return
	}
	if err := l.cfg.Keeper.PutSetting(jobsKey, l.jobs); err != nil {
		l.cfg.Logger.Warn("keeping the jobs", "err", err)
		return
	}
	l.kept = b.String()
}
