package tsdb

import (
	"math"
	"testing"
	"time"

	"homehub/internal/workload"
)

// source20 is the standard work as this package's feeds.
type source20 struct{ *workload.Source }

func newSource20(seed uint64) source20 { return source20{workload.New(seed, 20)} }

func (s source20) next(out []float64) []float64 { return s.Next(out) }

func (s source20) configs() (list []FeedConfig) {
	for _, f := range s.Feeds() {
		c := FeedConfig{Name: f.Name, Interval: 10 * time.Second, Decimals: f.Decimals, Unit: f.Unit}
		if f.Counter {
			c.Kind = Counter
		}
		list = append(list, c)
	}
	return list
}

// TestStandardWorkStaysInItsBudget runs days of the 20 feeds and counts what
// goes to the card: bytes, flushes, bytes per point.
func TestStandardWorkStaysInItsBudget(t *testing.T) {
	days := 6
	if testing.Short() || raceEnabled {
		days = 2
	}
	fsys := newPowerFS()
	db := mustOpen(t, Config{FS: fsys})
	src := newSource20(1)
	feeds := src.configs()
	for _, f := range feeds {
		must(t, db.Create(f))
	}
	setup := db.Status()
	var vals []float64
	for step := range days * 8640 {
		at := t0.Add(time.Duration(step) * 10 * time.Second)
		vals = src.next(vals)
		for i, f := range feeds {
			must(t, db.Append(f.Name, at, vals[i]))
		}
		if step%6 == 5 {
			must(t, db.Flush(at))
		}
	}
	s := db.Status()
	perDay := float64(s.BytesTotal-setup.BytesTotal) / float64(days) / 1e6
	flushes := float64(s.Flushes-setup.Flushes) / float64(days)
	t.Logf("%.3f MB and %.0f flushes a day", perDay, flushes)
	if perDay > 0.90 || flushes > 1456 {
		t.Errorf("%.3f MB and %.0f flushes a day, want at most 0.90 and 1456", perDay, flushes)
	}
	must(t, db.Persist())
	kinds := map[string][2]float64{}
	var bytes, blocks float64
	for _, f := range db.Feeds() {
		k := kinds[f.Name[:len(f.Name)-1]]
		whole := float64(f.Points / blockLen * blockLen)
		kinds[f.Name[:len(f.Name)-1]] = [2]float64{k[0] + float64(f.Bytes), k[1] + whole}
		bytes += float64(f.Bytes)
	}
	for k, v := range kinds {
		t.Logf("%-12s %.3f bytes a point", k, v[0]/v[1])
	}
	blocks = float64(db.Check(nil).Points) // some feeds close a block more
	t.Logf("%-12s %.3f bytes a point", "all", bytes/blocks)
	index := 0.0
	for _, o := range db.generations() {
		for _, r := range o.g.runs {
			list, err := r.entries()
			must(t, err)
			index += float64(len(appendEntries(nil, list)))
		}
	}
	t.Logf("%-12s %.3f bytes a point", "index", index/blocks)
	if bytes += index; bytes/blocks > 0.40 {
		t.Errorf("%.3f bytes a point, want at most 0.40", bytes/blocks)
	}
}

// year is a database with a year of two feeds at 10 s.
func year(tb testing.TB, dir string) *DB {
	tb.Helper()
	db := mustOpen(tb, Config{Dir: dir})
	src := newSource20(2)
	house, meter := make([]float64, 3153600), make([]float64, 3153600)
	var vals []float64
	for i := range house {
		vals = src.next(vals)
		house[i], meter[i] = vals[0], vals[8]
	}
	put := func(cfg FeedConfig, vals []float64) {
		w, err := db.bulk(cfg, 0)
		must(tb, err)
		for i, v := range vals {
			must(tb, w.put(w.g.slot(t0.Unix())+int64(i), math.Float64bits(v)))
		}
		must(tb, w.finish(nil))
		w.release()
	}
	put(power("house"), house)
	put(FeedConfig{Name: "meter", Interval: 10 * time.Second, Kind: Counter, Decimals: 3}, meter)
	return db
}

func BenchmarkYear(b *testing.B) {
	db := year(b, b.TempDir())
	defer db.Close()
	end := t0.Add(3153600 * 10 * time.Second)
	brussels, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		b.Fatal(err)
	}
	queries := []struct {
		name string
		q    Query
		feed string
	}{
		{"1000Means", Query{Start: t0, End: end, Step: 31536 * time.Second, Of: Mean}, "house"},
		{"1000Max", Query{Start: t0, End: end, Step: 31536 * time.Second, Of: Max}, "house"},
		{"365Days", Query{Start: t0, End: end, Calendar: Day, Location: brussels, Of: Mean}, "house"},
		{"365Deltas", Query{Start: t0, End: end, Calendar: Day, Location: brussels, Of: Delta}, "meter"},
		{"RawDay", Query{Start: end.Add(-24 * time.Hour), End: end}, "house"},
	}
	for _, tt := range queries {
		b.Run(tt.name+"/first", func(b *testing.B) {
			defer cpuTime(b)()
			for b.Loop() {
				db.forget()
				if _, err := db.Query(tt.feed, tt.q); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(tt.name+"/again", func(b *testing.B) {
			defer cpuTime(b)()
			for b.Loop() {
				if _, err := db.Query(tt.feed, tt.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// forget empties the caches of answers.
func (db *DB) forget() {
	db.cache.series = nil
	db.blocks = blockCache{max: db.blocks.max}
}

// BenchmarkRows reads the last day: the open block, blocks on their way to a
// segment, and some in one.
func BenchmarkRows(b *testing.B) {
	db := year(b, b.TempDir())
	defer db.Close()
	end := t0.Add(3153600 * 10 * time.Second)
	for i := range 4000 {
		must(b, db.Append("house", end, float64(200+i*i%57)))
		end = end.Add(10 * time.Second)
	}
	must(b, db.Flush(end))
	g := db.generations()[1].g
	if len(g.hot) != 1 || len(g.packed) < 3 {
		b.Fatalf("%d open blocks, %d packed", len(g.hot), len(g.packed))
	}
	for _, first := range []bool{true, false} {
		b.Run(map[bool]string{true: "first", false: "again"}[first], func(b *testing.B) {
			b.ReportAllocs()
			defer cpuTime(b)()
			for b.Loop() {
				if first {
					db.forget()
				}
				rows, err := db.Rows("house", end.Add(-24*time.Hour), end)
				must(b, err)
				n, sum := 0, uint64(0)
				for r := range rows {
					n += len(r.Values)
					sum += sumOfBits(r.Values)
				}
				if n != 8640 {
					b.Fatal(n)
				}
			}
		})
	}
}

// sumOfBits looks at every value.
func sumOfBits(vals []float64) (sum uint64) {
	for _, v := range vals {
		sum += math.Float64bits(v)
	}
	return sum
}

func BenchmarkAppend(b *testing.B) {
	db := mustOpen(b, Config{FS: newPowerFS()})
	must(b, db.Create(power("house")))
	at := t0
	b.ReportAllocs()
	defer cpuTime(b)()
	for i := 0; b.Loop(); i++ {
		at = at.Add(10 * time.Second)
		if err := db.Append("house", at, float64(i&255)); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 999 {
			b.StopTimer()
			must(b, db.Flush(at))
			b.StartTimer()
		}
	}
}
