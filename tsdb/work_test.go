package tsdb

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// source20 makes the standard work: 20 feeds of a house, one value each per
// 10 s.
type source20 struct {
	r      *rand.Rand
	houses [8]household
	meters [4]float64 // Wh, fractions too
	temps  [4]float64
	volts  [2]float64
	step   int
}

type household struct {
	fridge, burst int // steps until they change
	fridgeOn      bool
	burstW        float64
}

func newSource20(seed uint64) *source20 {
	s := &source20{r: rand.New(rand.NewPCG(seed, 20))}
	for i := range s.temps {
		s.temps[i] = 19.5
		s.meters[i] = 12345678
	}
	s.volts = [2]float64{232, 232}
	return s
}

func (s *source20) configs() (list []FeedConfig) {
	add := func(n int, name string, kind Kind, decimals int, unit string) {
		for i := range n {
			list = append(list, FeedConfig{Name: fmt.Sprint(name, i), Interval: 10 * time.Second, Kind: kind, Decimals: decimals, Unit: unit})
		}
	}
	add(8, "power", Power, 0, "W")
	add(4, "energy", Counter, 3, "kWh")
	add(4, "temperature", Power, 1, "°C")
	add(2, "voltage", Power, 1, "V")
	add(2, "plug", Power, 1, "W")
	return list
}

// watts is a household's power: a base over the day, a fridge, bursts of
// appliances, and noise that grows with the load.
func (s *source20) watts(h *household) float64 {
	if h.fridge--; h.fridge <= 0 {
		h.fridgeOn = !h.fridgeOn
		h.fridge = 150 + s.r.IntN(80)
		if h.fridgeOn {
			h.fridge = 90 + s.r.IntN(43)
		}
	}
	if h.burst--; h.burst <= 0 {
		h.burstW = 0
		h.burst = 60 + s.r.IntN(700)
		if s.r.IntN(3) == 0 {
			h.burstW = [...]float64{2100, 850, 60, 140, 1900, 350}[s.r.IntN(6)]
			h.burst = 6 + s.r.IntN(180)
		}
	}
	p := 95 + 12*math.Sin(float64(s.step)*2*math.Pi/8640) + h.burstW
	if h.fridgeOn {
		p += 78
	}
	return max(0, p+s.r.NormFloat64()*(1.5+0.004*p))
}

func (s *source20) next(out []float64) []float64 {
	s.step++
	out = out[:0]
	var p [8]float64
	for i := range s.houses {
		p[i] = s.watts(&s.houses[i])
		out = append(out, math.Round(p[i]))
	}
	for i := range s.meters {
		s.meters[i] += p[i] / 360
		out = append(out, math.Floor(s.meters[i])/1000)
	}
	for i := range s.temps {
		s.temps[i] += s.r.NormFloat64()*0.008 + (19.5-s.temps[i])*0.0005
		out = append(out, math.Round(s.temps[i]*10)/10)
	}
	for i := range s.volts {
		s.volts[i] += s.r.NormFloat64()*0.25 + (232-s.volts[i])*0.02
		out = append(out, math.Round(s.volts[i]*10)/10)
	}
	for i := range 2 {
		w := p[6+i] - 160
		out = append(out, math.Round(max(0, w)*10)/10)
	}
	return out
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
	db.mu.Lock()
	err := db.persist(false)
	db.mu.Unlock()
	must(t, err)
	kinds := map[string][2]float64{}
	var bytes, blocks float64
	for _, f := range db.Feeds() {
		k := kinds[f.Name[:len(f.Name)-1]]
		whole := float64(f.Points / blockLen * blockLen)
		kinds[f.Name[:len(f.Name)-1]] = [2]float64{k[0] + float64(f.Bytes), k[1] + whole}
		bytes += float64(f.Bytes)
		blocks += whole
	}
	for k, v := range kinds {
		t.Logf("%-12s %.3f bytes a point", k, v[0]/v[1])
	}
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

// year is a database with a year of one feed at 10 s.
func year(tb testing.TB, dir string) *DB {
	tb.Helper()
	db := mustOpen(tb, Config{Dir: dir})
	src := newSource20(2)
	w, err := db.bulk(power("house"), 0)
	must(tb, err)
	for i := range int64(3153600) {
		src.step++
		if err := w.put(w.g.slot(t0.Unix())+i, math.Float64bits(math.Round(src.watts(&src.houses[0])))); err != nil {
			tb.Fatal(err)
		}
	}
	must(tb, w.finish(nil))
	w.release()
	w, err = db.bulk(FeedConfig{Name: "meter", Interval: 10 * time.Second, Kind: Counter, Decimals: 3}, 0)
	must(tb, err)
	wh := 12345678.0
	for i := range int64(3153600) {
		src.step++
		wh += src.watts(&src.houses[0]) / 360
		if err := w.put(w.g.slot(t0.Unix())+i, math.Float64bits(math.Floor(wh)/1000)); err != nil {
			tb.Fatal(err)
		}
	}
	must(tb, w.finish(nil))
	w.release()
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
				db.cache.series = nil
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
