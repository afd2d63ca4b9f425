package scheduler

import (
	"time"

	"homehub/hub"
)

// maxSearch bounds the search for a rule's next date: a rule that is paused
// for longer than that has no next date worth planning for.
const maxSearch = 400

// Due is the next deadline of a rule after now, on the wall clock of loc. ok
// is false if there is none: a one-off that is over, or a rule paused far
// ahead. A run that begins at once ends three days later at the latest. A
// temperature to keep has none while it is kept: the zero time.
func Due(s hub.Schedule, now time.Time, loc *time.Location) (deadline time.Time, ok bool) {
	if s.Keeps() {
		return time.Time{}, !s.PausedUntil.After(now)
	}
	if s.When == hub.WhenNow {
		deadline = s.NowEnds()
		return deadline, deadline.After(now) && !s.PausedUntil.After(now)
	}
	if s.Days == 0 {
		deadline = firstAfter(s.ReadyBy, s.SetAt.In(loc))
		return deadline, deadline.After(now) && !leftOut(s, deadline)
	}
	y, m, d := now.In(loc).Date()
	for i := range maxSearch {
		// Noon exists on every date of every zone.
		day := time.Date(y, m, d+i, 12, 0, 0, 0, loc)
		if !s.Days.Has(day.Weekday()) {
			continue
		}
		if deadline = s.ReadyBy.On(day); deadline.After(now) && !leftOut(s, deadline) {
			return deadline, true
		}
	}
	return time.Time{}, false
}

// firstAfter is the first time after t at which the wall clock shows at.
func firstAfter(at hub.LocalTime, t time.Time) time.Time {
	y, m, d := t.Date()
	deadline := at.On(time.Date(y, m, d, 12, 0, 0, 0, t.Location()))
	if !deadline.After(t) {
		deadline = at.On(time.Date(y, m, d+1, 12, 0, 0, 0, t.Location()))
	}
	return deadline
}

func leftOut(s hub.Schedule, deadline time.Time) bool {
	return deadline.Equal(s.Skip) || deadline.Before(s.PausedUntil)
}
