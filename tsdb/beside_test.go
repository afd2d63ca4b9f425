package tsdb

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestAReaderBesideTheWriterSeesNothingTorn opens a real folder for reading
// again and again while another goroutine, as another process would, appends,
// flushes, closes blocks and seals segments as fast as it can. Whatever was
// durable before an open must be there, to the bit, and nothing may count as
// damaged.
func TestAReaderBesideTheWriterSeesNothingTorn(t *testing.T) {
	points := int64(80_000)
	if testing.Short() || raceEnabled {
		points = 30_000
	}
	dir := t.TempDir()
	cfg := Config{Dir: dir, Now: func() time.Time { return t0.AddDate(9, 0, 0) }, Ring: RingConfig{Size: minRing}}
	db, err := newDB(cfg)
	must(t, err)
	db.batchBytes, db.segmentSize = 600, 6000
	db, err = db.open(cfg)
	must(t, err)
	must(t, db.Create(power("house")))
	value := func(i int64) float64 { return float64(i * i % 1009) }
	var durable, stop atomic.Int64
	done := make(chan error, 1)
	go func() {
		for i := int64(0); stop.Load() == 0; {
			for range 200 {
				if err := db.Append("house", t0.Add(time.Duration(i)*10*time.Second), value(i)); err != nil {
					done <- err
					return
				}
				i++
			}
			if err := db.Flush(t0); err != nil {
				done <- err
				return
			}
			durable.Store(i)
		}
		done <- db.Close()
	}()
	opens := 0
	for promised := int64(0); promised < points; opens++ {
		promised = durable.Load()
		ro, err := Open(Config{Dir: dir, ReadOnly: true, Now: cfg.Now})
		must(t, err)
		got := query(t, ro, "house", Query{Start: t0, End: t0.AddDate(5, 0, 0)})
		if int64(len(got)) < promised {
			t.Fatalf("%d points, %d were durable", len(got), promised)
		}
		for i, p := range got {
			if !p.OK || p.Value != value(int64(i)) {
				t.Fatalf("point %d of %d is %+v", i, len(got), p)
			}
		}
		if bad := ro.Status().Quarantined; len(bad) > 0 {
			t.Fatalf("damaged: %+v", bad)
		}
		if rep := ro.Check(nil); len(rep.Bad) > 0 {
			t.Fatalf("check: %+v", rep.Bad)
		}
		must(t, ro.Close())
	}
	stop.Store(1)
	must(t, <-done)
	names, _ := osFS{}.ReadDir(dir)
	t.Logf("%d opens, %d points, %d files", opens, durable.Load(), len(names))
	if len(names) < 8 {
		t.Errorf("the writer sealed too little: %v", names)
	}
}
