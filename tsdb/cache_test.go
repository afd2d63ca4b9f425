package tsdb

import (
	"syscall"
	"testing"
	"time"
)

// TestACachedStepIsWhatWasAsked asks again after each thing that may change
// steps that were answered.
func TestACachedStepIsWhatWasAsked(t *testing.T) {
	fsys := newPowerFS()
	db := mustOpen(t, Config{FS: fsys})
	db.batchBytes = 1
	must(t, db.Create(power("house")))
	for i := range 6000 {
		must(t, db.Append("house", t0.Add(time.Duration(i)*10*time.Second), float64(i%7)))
		if i%60 == 59 {
			must(t, db.Flush(t0))
		}
	}
	q := Query{Start: t0, End: t0.Add(6000 * 10 * time.Second), Step: 100 * time.Second, Of: Max}
	ask := func(want float64, steps int, what string) {
		t.Helper()
		for range 2 {
			got := query(t, db, "house", q)
			if len(got) != steps || got[0].Value != want || !got[0].At.Equal(q.Start) || !got[steps-1].At.Equal(q.Start.Add(time.Duration(steps-1)*q.Step)) {
				t.Fatalf("%s: %d steps, the first %v, the last %v", what, len(got), got[0], got[len(got)-1])
			}
		}
	}
	ask(6, 600, "first")
	if len(db.cache.series) != 1 || len(db.cache.series[0].steps) < 400 {
		t.Fatalf("nothing is kept: %d series", len(db.cache.series))
	}
	got := query(t, db, "house", q)
	got[0].Value = 4711 // the answer is the caller's
	ask(6, 600, "after the caller wrote into the answer")
	must(t, db.Append("house", t0, 99))
	ask(99, 600, "after a correction")
	q.End = q.End.Add(-time.Second)
	ask(99, 600, "with an end inside the last step")
	q.Start, q.End = q.Start.Add(100*time.Second), q.End.Add(-250*time.Second)
	ask(6, 597, "moved by a step")
	q.Start = q.Start.Add(10 * time.Second)
	ask(6, 597, "moved by less than a step")
	must(t, db.Trim("house", q.Start.Add(time.Hour)))
	if got := query(t, db, "house", q); got[0].OK {
		t.Errorf("after a trim %v", got[0])
	}
}

// TestAnUnreadableStepIsNotKept lets the card fail for a while.
func TestAnUnreadableStepIsNotKept(t *testing.T) {
	fsys := newPowerFS()
	db := mustOpen(t, Config{FS: fsys})
	db.batchBytes = 1
	must(t, db.Create(power("house")))
	for i := range 3000 {
		must(t, db.Append("house", t0.Add(time.Duration(i)*10*time.Second), 5))
	}
	must(t, db.Flush(t0))
	must(t, db.Flush(t0))
	q := Query{Start: t0, End: t0.Add(8 * time.Hour), Step: time.Minute, Of: Mean}
	fsys.failRead = syscall.EIO
	if got := query(t, db, "house", q); got[0].OK {
		t.Fatalf("read %v from a card that fails", got[0])
	}
	fsys.failRead = nil
	if got := query(t, db, "house", q); !got[0].OK || got[0].Value != 5 {
		t.Errorf("afterwards %v", got[0])
	}
}

// TestACounterInAGapIsNotFinal asks for a step that ends in a gap before the
// open block: what comes later into the open block changes it.
func TestACounterInAGapIsNotFinal(t *testing.T) {
	db := mustOpen(t, Config{FS: newPowerFS()})
	must(t, db.Create(FeedConfig{Name: "meter", Interval: 10 * time.Second, Kind: Counter}))
	g := db.generations()[1].g
	at := func(block, slot int64) time.Time {
		return time.Unix(g.time((blockOf(g.slot(t0.Unix()))+block)<<blockBits+slot), 0).UTC()
	}
	for i := range int64(500) {
		must(t, db.Append("meter", at(0, i), float64(i)))
	}
	must(t, db.Append("meter", at(2, 900), 10000))
	must(t, db.Flush(t0))
	q := Query{Start: at(0, 0), End: at(1, 512), Step: at(1, 512).Sub(at(0, 0)), Of: Delta, MaxGap: -1}
	before := query(t, db, "meter", q)[0]
	must(t, db.Append("meter", at(2, 10), 600))
	after := query(t, db, "meter", q)[0]
	if !before.OK || !after.OK || before.Value < 3000 || after.Value > 600 {
		t.Errorf("rose by %v, then by %v", before.Value, after.Value)
	}
}
