package tsdb

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// place is a slot of a feed.
type place struct {
	feed string
	unix int64
}

// oracle knows what was appended and what of it was promised to be durable.
type oracle struct {
	values  map[place][]float64 // every value a slot was given, in order
	safe    map[place]int       // how many of them were given before the last Flush that succeeded
	durable time.Time
}

func newOracle() *oracle {
	return &oracle{values: map[place][]float64{}, safe: map[place]int{}}
}

func (o *oracle) append(t *testing.T, db *DB, feed string, at time.Time, v float64) {
	t.Helper()
	must(t, db.Append(feed, at, v))
	interval := int64(10)
	if feed == "slow" {
		interval = 3600
	}
	p := place{feed, at.Unix() / interval * interval}
	o.values[p] = append(o.values[p], v)
}

func (o *oracle) acked(db *DB) {
	for p, v := range o.values {
		o.safe[p] = len(v)
	}
	o.durable = db.Durable()
}

// judge compares what was recovered with what may be there.
func (o *oracle) judge(db *DB) error {
	if db.Durable().Before(o.durable) {
		return fmt.Errorf("durable went back from %v to %v", o.durable, db.Durable())
	}
	got := map[place]float64{}
	for _, f := range db.Feeds() {
		points, err := db.Query(f.Name, Query{Start: t0.AddDate(-1, 0, 0), End: t0.AddDate(10, 0, 0)})
		if err != nil {
			return err
		}
		for _, p := range points {
			if p.OK {
				got[place{f.Name, p.At.Unix()}] = p.Value
			}
		}
	}
	for p, v := range got {
		allowed := o.values[p]
		if n := o.safe[p]; n > 0 {
			allowed = allowed[n-1:]
		}
		if !slices.Contains(allowed, v) {
			return fmt.Errorf("%v reads %v, which was not promised: %v", p, v, allowed)
		}
	}
	for p, n := range o.safe {
		if _, ok := got[p]; n > 0 && !ok {
			return fmt.Errorf("%v is lost, it was given %v", p, o.values[p][n-1])
		}
	}
	return nil
}

func openSmall(t *testing.T, fsys *powerFS) *DB {
	t.Helper()
	cfg := Config{Dir: "/data", FS: fsys, Now: func() time.Time { return t0.AddDate(9, 0, 0) }, Ring: RingConfig{Size: minRing}}
	db, err := newDB(cfg)
	must(t, err)
	db.batchBytes, db.segmentSize = 900, 2500 // so that a short trace sees everything
	db, err = db.open(cfg)
	must(t, err)
	return db
}

// trace is a life of the engine, the same every time: three feeds, closed
// blocks, corrections, a change of interval, segments, full ring. It stops
// when the power goes.
func trace(t *testing.T, fsys *powerFS, o *oracle, steps int) {
	db := openSmall(t, fsys)
	r := rand.New(rand.NewPCG(7, 8))
	for _, name := range []string{"house", "plug", "meter"} {
		must(t, db.Create(FeedConfig{Name: name, Interval: 10 * time.Second, Decimals: len(name) % 3}))
	}
	at := t0
	for step := range steps {
		if step == steps/3 {
			must(t, db.Create(FeedConfig{Name: "slow", Interval: time.Hour, Kind: Counter}))
		}
		for range 60 {
			at = at.Add(10 * time.Second)
			o.append(t, db, "house", at, float64(r.IntN(300)))
			o.append(t, db, "plug", at, float64(step%7)/10)
			if step%5 != 0 {
				o.append(t, db, "meter", at, float64(at.Unix()-t0.Unix())/100)
			}
			if step >= steps/3 && at.Minute() == 0 {
				o.append(t, db, "slow", at, float64(step))
			}
		}
		if step%4 == 3 { // a correction far back
			o.append(t, db, "house", t0.Add(time.Duration(1+r.IntN(step*60))*10*time.Second), 7777+float64(step))
		}
		err := db.Flush(at)
		if err == nil {
			o.acked(db)
		} else if errors.Is(err, errPowerCut) || fsys.dead {
			return
		} else {
			t.Fatalf("step %d: %v", step, err)
		}
	}
}

// recover opens a disk after a power cut, judges it, and checks that life goes
// on: new points, a clean close, another open.
func recoverAndJudge(t *testing.T, fsys *powerFS, o *oracle) error {
	t.Helper()
	db := openSmall(t, fsys)
	if err := o.judge(db); err != nil {
		return err
	}
	if s := db.Status(); s.State != StateOK {
		return fmt.Errorf("status after the cut: %+v", s)
	}
	must(t, db.Create(power("house")))
	at := t0.AddDate(1, 0, 0)
	must(t, db.Append("house", at, 4711))
	if err := db.Flush(at); err != nil {
		return fmt.Errorf("flushing after the cut: %w", err)
	}
	if err := db.Close(); err != nil {
		return err
	}
	db = openSmall(t, fsys)
	if err := o.judge(db); err == nil || !strings.Contains(err.Error(), "4711") {
		return fmt.Errorf("after another open: %v", err)
	}
	if s := db.Status(); s.State != StateOK {
		return fmt.Errorf("status after another open: %+v", s)
	}
	got, err := db.Query("house", Query{Start: at, End: at.Add(time.Minute)})
	if err != nil || len(got) != 1 || got[0].Value != 4711 {
		return fmt.Errorf("a point after the cut reads %v, %v", got, err)
	}
	return nil
}

// cuts runs the trace with a cut at every operation and judges the states the
// disk may then be in. It returns how many it looked at, and the first that
// was wrong.
func cuts(t *testing.T, steps, sample, stride int, lie func(string) bool) (states int, wrong error) {
	whole := newPowerFS()
	trace(t, whole, newOracle(), steps)
	r := rand.New(rand.NewPCG(9, 10))
	for at := 1; at <= whole.ops; at += stride {
		fsys, o := newPowerFS(), newOracle()
		fsys.cutAt, fsys.ignoreSync = at, lie
		trace(t, fsys, o, steps)
		fsys.states(r, sample, func(disk *powerFS) {
			states++
			if err := recoverAndJudge(t, disk, o); err != nil && wrong == nil {
				wrong = fmt.Errorf("cut at operation %d: %w", at, err)
			}
		})
		if wrong != nil {
			return states, wrong
		}
	}
	return states, nil
}

func TestPowerCutAtEveryOperation(t *testing.T) {
	steps, sample, stride := 130, 5, 37
	switch {
	case os.Getenv("TSDB_CRASH") == "all":
		stride = 1
	case testing.Short() || raceEnabled:
		stride = 211
	}
	n, err := cuts(t, steps, sample, stride, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d states of the disk", n)
}

// TestPowerCutCheckerCatchesALyingCard takes flushes away and wants to see
// the check fail: a check that cannot fail proves nothing.
func TestPowerCutCheckerCatchesALyingCard(t *testing.T) {
	tests := []struct{ name, part string }{
		{"ring never flushed", "ring"},
		{"segments never flushed", ".hhs"},
		{"catalogue never flushed", "catalog"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := cuts(t, 30, 6, 3, func(path string) bool { return strings.Contains(path, tt.part) })
			if err == nil {
				t.Fatalf("not caught in %d states", n)
			}
			t.Logf("caught after %d states: %v", n, err)
		})
	}
}
