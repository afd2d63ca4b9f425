package tsdb

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCalendarSteps(t *testing.T) {
	tests := []struct {
		name, zone, start, end string
		calendar               Calendar
		want                   []string
	}{
		{
			"a day of 23 hours", "Europe/Brussels", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", Day,
			[]string{"2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"},
		},
		{
			"a day of 25 hours", "Europe/Brussels", "2026-10-25T00:00:00Z", "2026-10-26T12:00:00Z", Day,
			[]string{"2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"},
		},
		{
			"a day of 23.5 hours", "Australia/Lord_Howe", "2026-10-03T14:00:00Z", "2026-10-04T13:00:00Z", Day,
			[]string{"2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"},
		},
		{
			"a day without midnight", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-05T01:00:00Z", Day,
			[]string{"2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		},
		{
			"a day with two midnights", "America/Havana", "2026-10-31T12:00:00Z", "2026-11-02T06:00:00Z", Day,
			[]string{"2026-10-31T04:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", "2026-11-03T05:00:00Z"},
		},
		{
			"a day that never was", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-31T00:00:00Z", Day,
			[]string{"2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		},
		{
			"a week begins on the Monday before", "UTC", "2025-06-11T09:00:00Z", "2025-06-17T00:00:00Z", Week,
			[]string{"2025-06-09T00:00:00Z", "2025-06-16T00:00:00Z", "2025-06-23T00:00:00Z"},
		},
		{
			"a week from its own Sunday", "UTC", "2025-06-15T23:00:00Z", "2025-06-16T00:00:00Z", Week,
			[]string{"2025-06-09T00:00:00Z", "2025-06-16T00:00:00Z"},
		},
		{
			"months", "Europe/Brussels", "2026-02-28T12:00:00Z", "2026-04-30T12:00:00Z", Month,
			[]string{"2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"},
		},
		{
			"years", "Europe/Brussels", "2023-12-31T23:30:00Z", "2025-01-01T00:00:00Z", Year,
			[]string{"2023-12-31T23:00:00Z", "2024-12-31T23:00:00Z", "2025-12-31T23:00:00Z"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			loc, err := time.LoadLocation(tt.zone)
			must(t, err)
			start, _ := time.Parse(time.RFC3339, tt.start)
			end, _ := time.Parse(time.RFC3339, tt.end)
			edges, err := Query{Start: start, End: end, Calendar: tt.calendar, Location: loc}.edges()
			must(t, err)
			var got []string
			for _, e := range edges {
				got = append(got, e.UTC().Format(time.RFC3339))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v\nwant %v", got, tt.want)
			}
		})
	}
}

// TestDayEnergyIsExactAtLocalMidnight counts 0.5 kWh an hour and asks for
// local days when no point lies on midnight.
func TestDayEnergyIsExactAtLocalMidnight(t *testing.T) {
	db := mustOpen(t, Config{FS: newPowerFS()})
	must(t, db.Create(FeedConfig{Name: "meter", Interval: 7 * time.Minute, Kind: Counter, Decimals: 6}))
	loc, err := time.LoadLocation("Europe/Brussels")
	must(t, err)
	start := time.Date(2026, 3, 27, 0, 0, 0, 0, loc)
	for at := start; at.Before(start.AddDate(0, 0, 5)); at = at.Add(7 * time.Minute) {
		slot := at.Unix() / 420 * 420
		must(t, db.Append("meter", at, float64(slot-start.Unix())/7200))
	}
	got := query(t, db, "meter", Query{Start: start.AddDate(0, 0, 1), End: start.AddDate(0, 0, 4), Calendar: Day, Location: loc, Of: Delta})
	for i, want := range []float64{12, 11.5, 12} {
		if !got[i].OK || math.Abs(got[i].Value-want) > 1e-9 {
			t.Errorf("day %d: %v, want %v", i, got[i], want)
		}
	}
}

func TestTheRingOverwritesNothingItNeeds(t *testing.T) {
	file, err := newPowerFS().OpenFile("ring", OpenDirect)
	must(t, err)
	r, err := createRing(file, 5, minRing)
	must(t, err)
	n := uint64(0)
	for {
		err := r.write(make([]byte, 3000), 1, 1, mark{})
		if err != nil {
			r.abort()
			if !errors.Is(err, errRingFull) {
				t.Fatal(err)
			}
			break
		}
		must(t, r.commit())
		if n++; n > 1000 {
			t.Fatal("the ring takes more than it has room for")
		}
	}
	r, err = openRing(file, 5)
	must(t, err)
	if uint64(len(r.live)) != n || len(r.holes()) != 0 {
		t.Errorf("%d records of %d are left", len(r.live), n)
	}
	r.tail = n // all but the last may go
	must(t, r.write(make([]byte, 3000), n, 1, mark{}))
	must(t, r.commit())
	again, err := openRing(file, 5)
	must(t, err)
	if len(again.live) != 2 || len(again.holes()) != 0 {
		t.Errorf("%d records after the turn, want 2", len(again.live))
	}
}

// TestARingThatComesLateDoesNotUndo appends while the ring cannot be opened;
// what it holds is older than what RAM has.
func TestARingThatComesLateDoesNotUndo(t *testing.T) {
	fsys := newPowerFS()
	db := mustOpen(t, Config{FS: fsys})
	must(t, db.Create(power("house")))
	must(t, db.Append("house", t0, 1))
	must(t, db.Append("house", t0.Add(10*time.Second), 2))
	must(t, db.Close())
	fsys.failOpen = func(path string) bool { return strings.HasSuffix(path, "ring") }
	db = mustOpen(t, Config{FS: fsys})
	must(t, db.Append("house", t0, 5))
	if db.Flush(t0) == nil || db.Status().State == StateOK {
		t.Error("nobody noticed that there is no ring")
	}
	fsys.failOpen = nil
	must(t, db.Append("house", t0.Add(20*time.Second), 3))
	must(t, db.Flush(t0))
	for range 2 {
		got := query(t, db, "house", Query{Start: t0, End: t0.Add(time.Minute)})
		if len(got) != 3 || got[0].Value != 5 || got[1].Value != 2 || got[2].Value != 3 {
			t.Errorf("got %v", got)
		}
		must(t, db.Close())
		db = mustOpen(t, Config{FS: fsys})
	}
}

// edges are the instants at which the steps of a query begin, and the one at
// which the last ends.
func (q Query) edges() ([]time.Time, error) {
	out := []time.Time{q.first()}
	for at := out[0]; at.Before(q.End); {
		if at = q.after(at); q.Calendar == None && at.After(q.End) {
			at = q.End
		}
		if out = append(out, at); len(out) > MaxPoints {
			return nil, ErrTooMany
		}
	}
	return out, nil
}
