package tsdb

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func mustOpen(t testing.TB, cfg Config) *DB {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = "/data"
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return t0.AddDate(20, 0, 0) }
	}
	db, err := Open(cfg)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	return db
}

func power(name string) FeedConfig {
	return FeedConfig{Name: name, Interval: 10 * time.Second, Unit: "W"}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func query(t testing.TB, db *DB, feed string, q Query) []Point {
	t.Helper()
	p, err := db.Query(feed, q)
	if err != nil {
		t.Fatalf("querying %s: %v", feed, err)
	}
	return p
}

func TestPointsSurviveAReopen(t *testing.T) {
	for _, real := range []bool{false, true} {
		t.Run("real="+strconv.FormatBool(real), func(t *testing.T) {
			cfg := Config{FS: newPowerFS()}
			if real {
				cfg = Config{Dir: filepath.Join(t.TempDir(), "data")}
			}
			db := mustOpen(t, cfg)
			must(t, db.Create(power("house")))
			const n = 5000
			for i := range n {
				at := t0.Add(time.Duration(i) * 10 * time.Second)
				must(t, db.Append("house", at, float64(i%700)))
				if i%6 == 5 {
					must(t, db.Flush(at))
				}
			}
			must(t, db.Close())
			db = mustOpen(t, cfg)
			defer db.Close()
			got := query(t, db, "house", Query{Start: t0, End: t0.Add(n * 10 * time.Second)})
			if len(got) != n {
				t.Fatalf("%d points, want %d", len(got), n)
			}
			for i, p := range got {
				if !p.OK || p.Value != float64(i%700) || !p.At.Equal(t0.Add(time.Duration(i)*10*time.Second)) {
					t.Fatalf("point %d is %+v", i, p)
				}
			}
			f := db.Feeds()[0]
			last := t0.Add((n - 1) * 10 * time.Second)
			if f.Points != n || !f.First.Equal(t0) || !f.Last.Equal(last) || !f.Durable.Equal(last) || !db.Durable().Equal(last) {
				t.Errorf("feed is %+v, durable %v", f, db.Durable())
			}
			if s := db.Status(); s.State != StateOK || len(s.Reasons) != 0 {
				t.Errorf("status is %+v", s)
			}
		})
	}
}

func TestASecondOpenerIsTurnedAway(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, Config{Dir: dir})
	_, err := Open(Config{Dir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	must(t, db.Close())
	db, err = Open(Config{Dir: dir})
	if err != nil {
		t.Fatalf("after close: %v", err)
	}
	must(t, db.Close())
}

func TestAppendRefuses(t *testing.T) {
	now := t0
	trusted := true
	db := mustOpen(t, Config{FS: newPowerFS(), Now: func() time.Time { return now }, Trusted: func() bool { return trusted }})
	must(t, db.Create(power("house")))
	tests := []struct {
		name    string
		feed    string
		at      time.Time
		v       float64
		trusted bool
		want    error
	}{
		{"fine", "house", t0, 1, true, nil},
		{"unknown feed", "barn", t0, 1, true, ErrNoFeed},
		{"not a number", "house", t0, math.NaN(), true, ErrValue},
		{"infinite", "house", t0, math.Inf(1), true, ErrValue},
		{"just within the hour", "house", t0.Add(time.Hour), 1, true, nil},
		{"beyond the hour", "house", t0.Add(time.Hour + time.Second), 1, true, ErrParked},
		{"untrusted clock", "house", t0, 1, false, ErrParked},
		{"before the world", "house", time.Unix(-1<<40, 0), 1, true, ErrParked},
		{"backfill", "house", t0.AddDate(-1, 0, 0), 1, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trusted = tt.trusted
			if err := db.Append(tt.feed, tt.at, tt.v); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	trusted = true
	if s := db.Status(); s.Parked != 3 || s.ParkedTotal != 3 {
		t.Errorf("parked %d of %d, want 3 of 3", s.Parked, s.ParkedTotal)
	}
	if n := db.Release(-2 * time.Second); n != 2 {
		t.Errorf("released %d, want 2", n)
	}
	if got := query(t, db, "house", Query{Start: t0.Add(time.Hour - 10*time.Second), End: t0.Add(2 * time.Hour)}); len(got) != 2 {
		t.Errorf("after release: %v", got)
	}
	if db.Discard() != 1 {
		t.Error("the hopeless point is gone")
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	db := mustOpen(t, Config{FS: newPowerFS()})
	must(t, db.Create(power("house")))
	i := 0
	one := func() {
		must(t, db.Append("house", t0.Add(time.Duration(i)*10*time.Second), float64(i)))
		i++
	}
	for range 3 * blockLen {
		one()
		if i%100 == 0 {
			must(t, db.Flush(t0))
		}
	}
	if n := testing.AllocsPerRun(50, one); n != 0 {
		t.Errorf("%v allocations per point", n)
	}
}

func TestSameSlotLastWins(t *testing.T) {
	cfg := Config{FS: newPowerFS()}
	db := mustOpen(t, cfg)
	must(t, db.Create(power("house")))
	for i := range 3000 {
		must(t, db.Append("house", t0.Add(time.Duration(i)*10*time.Second), 1))
	}
	must(t, db.Flush(t0))
	must(t, db.Append("house", t0.Add(time.Second), 7))       // corrections in a closed block,
	must(t, db.Append("house", t0.Add(9*time.Second), 8))     // the last of two wins
	must(t, db.Append("house", t0.Add(29995*time.Second), 9)) // and in the open one
	check := func(when string) {
		t.Helper()
		got := query(t, db, "house", Query{Start: t0, End: t0.Add(30000 * time.Second)})
		if len(got) != 3000 || got[0].Value != 8 || got[1].Value != 1 || got[2999].Value != 9 {
			t.Errorf("%s: %d points, first %v %v, last %v", when, len(got), got[0], got[1], got[len(got)-1])
		}
		mean := query(t, db, "house", Query{Start: t0, End: t0.Add(30000 * time.Second), Of: Mean})
		if want := (3000.0 - 2 + 17) / 3000; math.Abs(mean[0].Value-want) > 1e-12 {
			t.Errorf("%s: mean %v, want %v", when, mean[0].Value, want)
		}
	}
	check("in RAM")
	must(t, db.Flush(t0))
	check("flushed")
	must(t, db.Close())
	db = mustOpen(t, cfg)
	check("reopened")
}

func TestAGapCostsBytesNotMegabytes(t *testing.T) {
	fsys := newPowerFS()
	db := mustOpen(t, Config{FS: fsys})
	must(t, db.Create(power("house")))
	must(t, db.Append("house", t0, 1))
	must(t, db.Append("house", t0.AddDate(5, 0, 0), 2))
	must(t, db.Close())
	if n := fsys.written["ring"] - defaultRing; n > 8192 {
		t.Errorf("%d bytes for two points", n)
	}
	db = mustOpen(t, Config{FS: fsys})
	got := query(t, db, "house", Query{Start: t0, End: t0.AddDate(6, 0, 0)})
	if len(got) != 3 || got[1].OK || got[2].Value != 2 {
		t.Errorf("got %v", got)
	}
}

func TestANewIntervalStartsAGeneration(t *testing.T) {
	cfg := Config{FS: newPowerFS()}
	db := mustOpen(t, cfg)
	must(t, db.Create(power("house")))
	for i := range 60 {
		must(t, db.Append("house", t0.Add(time.Duration(i)*10*time.Second), 100))
	}
	slow := power("house")
	slow.Interval = 5 * time.Minute
	must(t, db.Create(slow))
	must(t, db.Create(slow))
	for i := 2; i < 4; i++ {
		must(t, db.Append("house", t0.Add(time.Duration(i)*5*time.Minute), 400))
	}
	must(t, db.Append("house", t0, 160)) // a correction goes to the old one
	for range 2 {
		got := query(t, db, "house", Query{Start: t0, End: t0.Add(time.Hour)})
		if len(got) != 62 || got[0].Value != 160 || got[61].Value != 400 {
			t.Fatalf("%d points: %v … %v", len(got), got[0], got[len(got)-1])
		}
		mean := query(t, db, "house", Query{Start: t0, End: t0.Add(20 * time.Minute), Of: Mean})
		if mean[0].Value != (59*100+160)*10/1200.0+200 {
			t.Errorf("mean %v", mean[0])
		}
		if f := db.Feeds()[0]; f.Generations != 2 || f.Interval != 5*time.Minute || f.Points != 62 {
			t.Errorf("feed is %+v", f)
		}
		must(t, db.Close())
		db = mustOpen(t, cfg)
	}
}

func TestAFullOrReadOnlyFolderStopsNobody(t *testing.T) {
	tests := []struct {
		name  string
		fault func(*powerFS, bool)
		want  State
	}{
		{"full", func(p *powerFS, on bool) { p.limited = on }, StateDiskFull},
		{"read-only", func(p *powerFS, on bool) { p.readOnly = on }, StateReadOnly},
	}
	for _, tt := range tests {
		for _, fromStart := range []bool{false, true} {
			t.Run(tt.name+" from the start "+strconv.FormatBool(fromStart), func(t *testing.T) {
				fsys := newPowerFS()
				cfg := Config{FS: fsys, Ring: RingConfig{Size: minRing}}
				if fromStart {
					tt.fault(fsys, true)
				}
				db := mustOpen(t, cfg)
				db.batchBytes = 2000
				must(t, db.Create(power("house")))
				i := 0
				more := func(n int) (failed int) {
					for range n {
						at := t0.Add(time.Duration(i) * 10 * time.Second)
						must(t, db.Append("house", at, float64(i*i%1000)))
						if i++; i%100 == 0 && db.Flush(at) != nil {
							failed++
						}
					}
					return failed
				}
				all := func() {
					t.Helper()
					got := query(t, db, "house", Query{Start: t0, End: t0.AddDate(1, 0, 0)})
					if len(got) != i {
						t.Fatalf("%d points, want %d", len(got), i)
					}
					for j, p := range got {
						if p.Value != float64(j*j%1000) {
							t.Fatalf("point %d is %v", j, p)
						}
					}
				}
				more(1000)
				tt.fault(fsys, true)
				if more(20000) == 0 {
					t.Error("no Flush failed")
				}
				if s := db.Status(); s.State != tt.want || len(s.Reasons) == 0 {
					t.Errorf("status is %+v", s)
				}
				all()
				tt.fault(fsys, false)
				more(500)
				if err := db.Flush(t0); err != nil {
					t.Errorf("after the fault: %v", err)
				}
				if s := db.Status(); s.State != StateOK || s.Unsaved != 0 || s.LostPoints != 0 {
					t.Errorf("afterwards the status is %+v", s)
				}
				all()
				must(t, db.Close())
				db = mustOpen(t, cfg)
				all()
			})
		}
	}
}

func TestRAMIsBoundedWhileTheCardTakesNothing(t *testing.T) {
	fsys := newPowerFS()
	fsys.readOnly = true
	db := mustOpen(t, Config{FS: fsys})
	db.maxPacked = 64 << 10
	must(t, db.Create(FeedConfig{Name: "noise", Interval: time.Second, Decimals: 0}))
	v := 0.1
	for i := range 30 * blockLen {
		v = math.Mod(v*1.7+0.3, 11)
		must(t, db.Append("noise", t0.Add(time.Duration(i)*time.Second), v))
		if i%300 == 0 {
			_ = db.Flush(t0)
		}
	}
	_ = db.Flush(t0)
	if db.packedBytes > db.maxPacked {
		t.Errorf("%d bytes wait in RAM", db.packedBytes)
	}
	if s := db.Status(); s.LostPoints == 0 || s.State != StateReadOnly {
		t.Errorf("status is %+v", s)
	}
}

func TestReadOnlyOpenWritesNothing(t *testing.T) {
	fsys := newPowerFS()
	db := mustOpen(t, Config{FS: fsys})
	must(t, db.Create(power("house")))
	for i := range 5000 {
		must(t, db.Append("house", t0.Add(time.Duration(i)*10*time.Second), 5))
	}
	must(t, db.Flush(t0))
	before := fsys.ops
	ro := mustOpen(t, Config{FS: fsys, ReadOnly: true})
	if got := query(t, ro, "house", Query{Start: t0, End: t0.AddDate(1, 0, 0)}); len(got) != 5000 {
		t.Errorf("%d points", len(got))
	}
	if err := ro.Flush(t0); !errors.Is(err, ErrReadOnly) {
		t.Errorf("flush: %v", err)
	}
	must(t, ro.Close())
	if fsys.ops != before {
		t.Errorf("%d operations on the disk", fsys.ops-before)
	}
}

// TestAppendBelievesAClockThatWasSetBack: the clock is not read for points of
// the past, but what it showed is forgotten with the next Flush.
func TestAppendBelievesAClockThatWasSetBack(t *testing.T) {
	now, reads := t0, 0
	db := mustOpen(t, Config{FS: newPowerFS(), Now: func() time.Time { reads++; return now }})
	must(t, db.Create(power("house")))
	must(t, db.Append("house", t0.Add(time.Minute), 1))
	before := reads
	for i := range 100 {
		must(t, db.Append("house", t0.Add(-time.Duration(i)*10*time.Second), 1))
	}
	if reads != before {
		t.Errorf("the clock was read %d times for points of the past", reads-before)
	}
	now = t0.AddDate(0, 0, -1)
	must(t, db.Flush(now))
	if err := db.Append("house", t0, 1); !errors.Is(err, ErrParked) {
		t.Errorf("a point a day ahead: %v", err)
	}
}
