package tsdb

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestReadersDoNotDisturbTheWriter appends to 64 feeds while 20 readers ask
// for everything, and checks what they see.
func TestReadersDoNotDisturbTheWriter(t *testing.T) {
	db := mustOpen(t, Config{FS: newPowerFS(), Ring: RingConfig{Size: 512 << 10}})
	db.batchBytes, db.segmentSize = 8<<10, 64<<10
	const feeds, steps = 64, 2600
	names := make([]string, feeds)
	for i := range names {
		names[i] = fmt.Sprint("feed", i)
		must(t, db.Create(FeedConfig{Name: names[i], Interval: time.Second}))
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 20 {
		readers.Go(func() {
			for k := i; ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				name := names[k%feeds]
				points, err := db.Query(name, Query{Start: t0.AddDate(-1, 0, 0), End: t0.AddDate(0, 0, 1), Of: Aggregate(k % 5), Step: time.Duration(k%2) * 6 * time.Hour})
				if err != nil {
					t.Error(err)
					return
				}
				for _, p := range points {
					if p.OK && (p.Value < 0 || p.Value > steps) {
						t.Errorf("%s reads %v", name, p)
						return
					}
				}
				if k%16 == 0 {
					db.Feeds()
					db.Status()
				}
			}
		})
	}
	took := make([]time.Duration, 0, feeds*steps)
	for step := range steps {
		at := t0.Add(time.Duration(step) * time.Second)
		for _, name := range names {
			start := time.Now()
			if err := db.Append(name, at, float64(step)); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		if step%60 == 59 {
			must(t, db.Flush(at))
		}
	}
	close(stop)
	readers.Wait()
	slices.Sort(took)
	t.Logf("append: median %v, 99 %% within %v", took[len(took)/2], took[len(took)*99/100])
	for _, f := range db.Feeds() {
		if f.Points != steps {
			t.Errorf("%s has %d points, want %d", f.Name, f.Points, steps)
		}
	}
}
