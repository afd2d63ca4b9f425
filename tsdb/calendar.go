package tsdb

import "time"

// first is where the first step of a query begins: at Start, or with the
// calendar's day, week, month or year that holds it.
func (q Query) first() time.Time {
	if q.Calendar == None {
		return q.Start
	}
	local := q.Start.In(q.location())
	return q.calendarStep(local, 0)
}

// last is where the last step ends.
func (q Query) last() time.Time {
	if q.Calendar == None {
		return q.End
	}
	return q.after(q.calendarStep(q.End.Add(-1).In(q.location()), 0))
}

// after is where the step after the one that begins at the given instant
// begins. Calendar steps are whole, even if Start or End lie within one.
func (q *Query) after(at time.Time) time.Time {
	switch {
	case q.Calendar != None:
	case q.Step == 0:
		return q.End
	default:
		return at.Add(q.Step)
	}
	if q.Calendar == Day {
		if next := dayAfter(at); !next.IsZero() {
			return next
		}
	}
	for n := 1; ; n++ { // more than one where the zone left days out
		if next := q.calendarStep(at, n); next.After(at) {
			return next
		}
	}
}

// calendarStep is the start of the n-th step after the one that holds local.
func (q *Query) calendarStep(local time.Time, n int) time.Time {
	y, m, d := local.Date()
	switch q.Calendar {
	case Day:
		d += n
	case Week:
		d += 7*n - (int(local.Weekday())+6)%7
	case Month:
		m, d = m+time.Month(n), 1
	default:
		y, m, d = y+n, time.January, 1
	}
	return startOfDay(y, m, d, local.Location())
}

func (q *Query) location() *time.Location {
	if q.Location == nil {
		return time.UTC
	}
	return q.Location
}

// count is about how many steps there are, never fewer for even ones.
func (q *Query) count() int64 {
	span := q.End.Sub(q.Start)
	switch {
	case q.Calendar != None:
		return min(int64(span/([...]time.Duration{0, 24, 7 * 24, 28 * 24, 365 * 24}[q.Calendar]*time.Hour))+2, MaxPoints)
	case q.Step == 0:
		return 1
	}
	return int64((span + q.Step - 1) / q.Step)
}

// dayAfter is the start of the day after the one that begins at last, if that
// was midnight and the zone changes nothing until then; else the zero time.
func dayAfter(last time.Time) time.Time {
	at := last.Add(24 * time.Hour)
	if _, change := last.ZoneBounds(); !change.IsZero() && !at.Before(change) || last.Hour()|last.Minute()|last.Second() != 0 {
		return time.Time{}
	}
	return at
}

// startOfDay is the first instant of a local day, which is not midnight where
// the clocks go forward at midnight.
func startOfDay(y int, m time.Month, d int, loc *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	want := time.Date(y, m, d, 0, 0, 0, 0, time.UTC) // normalised date
	if t.Day() == want.Day() && t.Hour() == 0 && t.Minute() == 0 {
		// where the clocks go back over midnight there are two: take the first
		if e := t.Add(-time.Hour); e.Day() == t.Day() && e.Hour() == 0 {
			return e
		}
		return t
	}
	// no midnight: the zone's change is the start. Look for it.
	lo, hi := t.Add(-24*time.Hour), t.Add(24*time.Hour)
	before := func(x time.Time) bool {
		xy, xm, xd := x.Date()
		return time.Date(xy, xm, xd, 0, 0, 0, 0, time.UTC).Before(want)
	}
	for hi.Sub(lo) > time.Second {
		mid := lo.Add(hi.Sub(lo) / 2).Truncate(time.Second)
		if mid.Equal(lo) {
			break
		}
		if before(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi.Truncate(time.Second)
}
