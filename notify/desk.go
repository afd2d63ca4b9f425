package notify

import (
	"slices"
	"time"

	"homehub/hub"
)

const (
	perHour    = 6         // messages; what is more waits and goes together
	repeatOnly = time.Hour // the same trouble is told again at most so often
	maxWaiting = 64        // notices; the oldest go first
)

// Desk decides which notices are sent, and when. It is pure: notices and the
// time go in, messages come out. The zero value with a Zone is ready.
//
// Trouble is told once it lasted for the rules' SettleTime, its end only if
// the trouble was told. The same trouble is told once an hour, six messages
// leave in an hour, and in quiet hours only what is urgent: the rest goes
// together when there is room again.
type Desk struct {
	Zone *time.Location

	waiting []waiting
	told    map[key]time.Time // trouble that was told -> when
	open    map[key]bool      // told, and not over
	sent    []time.Time       // messages of the last hour
}

type waiting struct {
	hub.Notice
	due time.Time
}

// lasts says whether a kind is trouble that begins and ends; others happen.
func lasts(k hub.NoticeKind) bool {
	switch k {
	case hub.NoticeMeter, hub.NoticeDevice, hub.NoticeGuard, hub.NoticeStorage:
		return true
	}
	return false
}

// Take takes a notice in at now.
func (d *Desk) Take(n hub.Notice, rules hub.NoticeRules, now time.Time) {
	if !rules.Wants(n.Kind) {
		return
	}
	k := key{n.Kind, n.About}
	due := now
	switch {
	case n.Over:
		d.waiting = slices.DeleteFunc(d.waiting, func(w waiting) bool { return w.Same(n) && !w.Over })
		if !d.open[k] {
			return // nobody heard of it
		}
	case lasts(n.Kind):
		if at, ok := d.told[k]; ok && now.Sub(at) < repeatOnly {
			due = at.Add(repeatOnly)
		}
		if n.Kind != hub.NoticeStorage {
			due = later(due, now.Add(rules.SettleTime()))
		}
		// Trouble that is back takes the word back that it was over.
		d.waiting = slices.DeleteFunc(d.waiting, func(w waiting) bool { return w.Same(n) })
		if d.open[k] {
			return
		}
	}
	d.waiting = append(d.waiting, waiting{n, due})
	d.waiting = d.waiting[max(0, len(d.waiting)-maxWaiting):]
}

// Due are the notices that make one message now; nil: there is none to send.
func (d *Desk) Due(rules hub.NoticeRules, now time.Time) []hub.Notice {
	d.sent = slices.DeleteFunc(d.sent, func(at time.Time) bool { return now.Sub(at) >= time.Hour })
	if len(d.sent) >= perHour {
		return nil
	}
	quiet := d.quiet(rules, now)
	var message []hub.Notice
	d.waiting = slices.DeleteFunc(d.waiting, func(w waiting) bool {
		if now.Before(w.due) || quiet && !w.Urgent() {
			return false
		}
		message = append(message, w.Notice)
		return true
	})
	if message == nil {
		return nil
	}
	d.sent = append(d.sent, now)
	for _, n := range message {
		d.tell(n, now)
	}
	return message
}

func (d *Desk) tell(n hub.Notice, now time.Time) {
	if !lasts(n.Kind) {
		return
	}
	if d.told == nil {
		d.told, d.open = map[key]time.Time{}, map[key]bool{}
	}
	for k, at := range d.told { // names come and go: memory must have an end
		if !d.open[k] && now.Sub(at) >= repeatOnly {
			delete(d.told, k)
		}
	}
	k := key{n.Kind, n.About}
	if n.Over {
		delete(d.open, k)
		return
	}
	d.told[k], d.open[k] = now, true
}

// Next is when Due may have something, zero: not before the next Take.
func (d *Desk) Next(rules hub.NoticeRules, now time.Time) (next time.Time) {
	for _, w := range d.waiting {
		at := later(w.due, now)
		if len(d.sent) >= perHour {
			at = later(at, d.sent[0].Add(time.Hour))
		}
		if !w.Urgent() {
			at = d.afterQuiet(rules, at)
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// quiet says whether at is in the quiet hours, by the house's wall clock.
func (d *Desk) quiet(rules hub.NoticeRules, at time.Time) bool {
	if !rules.Quiet || rules.QuietFrom == rules.QuietTo {
		return false
	}
	local := at.In(d.Zone)
	clock := hub.LocalTime(local.Hour()*60 + local.Minute())
	if rules.QuietFrom < rules.QuietTo {
		return clock >= rules.QuietFrom && clock < rules.QuietTo
	}
	return clock >= rules.QuietFrom || clock < rules.QuietTo
}

// afterQuiet is at, or the end of the quiet hours that it lies in. It looks
// minute by minute, so a change of the clocks needs no thought.
func (d *Desk) afterQuiet(rules hub.NoticeRules, at time.Time) time.Time {
	for range 26 * 60 {
		if !d.quiet(rules, at) {
			break
		}
		at = at.Truncate(time.Minute).Add(time.Minute)
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
