package scheduler_test

import (
	"archive/zip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/scheduler"
)

// zones are the names of all time zones that Go knows.
func zones(t *testing.T) (names []string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err == nil {
		z, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
		if err == nil {
			defer z.Close()
			for _, f := range z.File {
				if !strings.HasSuffix(f.Name, "/") {
					names = append(names, f.Name)
				}
			}
			return names
		}
	}
	return []string{"Europe/Amsterdam", "Europe/London", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo", "America/New_York", "Asia/Beirut"}
}

// changesOf are the instants of a year at which the offset of loc changes.
func changesOf(loc *time.Location, year int) (changes []time.Time) {
	at := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
	for at.Year() == year {
		_, end := at.In(loc).ZoneBounds()
		if end.IsZero() || end.UTC().Year() > year {
			break
		}
		_, before := end.Add(-time.Second).In(loc).Zone()
		if _, after := end.In(loc).Zone(); before != after {
			changes = append(changes, end.UTC())
		}
		at = end.UTC()
	}
	return changes
}

// Around every clock change of 2026 of every zone, a rule for each half hour of
// the day comes up once on each date: at its wall time, or where the clock
// skips that, right after the gap; never twice, never not at all.
func TestRulesOverEveryClockChangeOf2026(t *testing.T) {
	checked, seen := 0, map[string]bool{}
	for _, name := range zones(t) {
		loc, err := time.LoadLocation(name)
		if err != nil {
			continue
		}
		for _, change := range changesOf(loc, 2026) {
			_, before := change.Add(-time.Second).In(loc).Zone()
			_, after := change.In(loc).Zone()
			key := change.String() + time.Duration(before).String() + time.Duration(after).String()
			if seen[key] {
				continue // the same change under another name
			}
			seen[key] = true
			for half := range 48 {
				checkRule(t, loc, change, hub.LocalTime(half*30+half%2*7))
				checked++
			}
		}
	}
	t.Logf("%d rules over %d different clock changes", checked, len(seen))
	if checked < 48*5 {
		t.Errorf("only %d rules were checked", checked)
	}
}

func checkRule(t *testing.T, loc *time.Location, change time.Time, at hub.LocalTime) {
	t.Helper()
	rule := hub.Schedule{ReadyBy: at, Minutes: 60, Days: hub.EveryDay}
	now := change.Add(-50 * time.Hour)
	n := 0
	var last time.Time
	for now.Before(change.Add(50 * time.Hour)) {
		due, ok := scheduler.Due(rule, now, loc)
		switch {
		case !ok || !due.After(now):
			t.Fatalf("%v %v: after %v due %v, %v", loc, at, now, due, ok)
		case !last.IsZero() && (due.Sub(last) < 20*time.Hour || due.Sub(last) > 28*time.Hour):
			t.Errorf("%v %v: due %v after %v", loc, at, due, last)
		}
		local := due.In(loc)
		if got := hub.LocalTime(local.Hour()*60 + local.Minute()); got != at {
			// Only a gap may move it, and then right behind it.
			if !due.Equal(change) && !sameGap(due, change) {
				t.Errorf("%v %v: due at %v", loc, at, local)
			}
		}
		// A minute earlier it is the same one.
		if again, _ := scheduler.Due(rule, due.Add(-time.Minute), loc); !again.Equal(due) {
			t.Errorf("%v %v: a minute before %v it is %v", loc, at, due, again)
		}
		last, now, n = due, due, n+1
	}
	if n < 4 || n > 6 { // 100 hours
		t.Errorf("%v %v: due %d times in four days", loc, at, n)
	}
}

// sameGap says whether due is the end of a gap near the change: a zone may
// change twice within days.
func sameGap(due, change time.Time) bool { return due.Sub(change).Abs() < time.Second }
