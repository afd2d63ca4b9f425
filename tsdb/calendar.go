package tsdb

import "time"

// edges are the instants at which the steps of a query begin, and the one at
// which the last ends. Calendar steps are whole, even if Start or End lie
// within one.
func (q Query) edges() ([]time.Time, error) {
	if q.Calendar == None {
		return q.evenEdges()
	}
	loc := q.Location
	if loc == nil {
		loc = time.UTC
	}
	local := q.Start.In(loc)
	y, m, d := local.Date()
	switch q.Calendar {
	case Week:
		d -= (int(local.Weekday()) + 6) % 7
	case Month:
		d = 1
	case Year:
		m, d = time.January, 1
	}
	var out []time.Time
	for i := 0; ; i++ {
		var at time.Time
		switch q.Calendar {
		case Day:
			at = startOfDay(y, m, d+i, loc)
		case Week:
			at = startOfDay(y, m, d+7*i, loc)
		case Month:
			at = startOfDay(y, m+time.Month(i), d, loc)
		default:
			at = startOfDay(y+i, m, d, loc)
		}
		if n := len(out); n > 0 && !at.After(out[n-1]) {
			continue // a day that the zone left out
		}
		out = append(out, at)
		if !at.Before(q.End) {
			return out, nil
		}
		if len(out) > MaxPoints {
			return nil, ErrTooMany
		}
	}
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

func (q Query) evenEdges() ([]time.Time, error) {
	step := q.Step
	if step == 0 {
		step = q.End.Sub(q.Start)
	}
	n := int64((q.End.Sub(q.Start) + step - 1) / step)
	if n > MaxPoints {
		return nil, ErrTooMany
	}
	out := make([]time.Time, n+1)
	for i := range out {
		out[i] = q.Start.Add(time.Duration(i) * step)
	}
	if out[n].After(q.End) {
		out[n] = q.End
	}
	return out, nil
}
