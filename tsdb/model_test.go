package tsdb

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"
	_ "time/tzdata"
)

// model is the naive engine: a map, sorted for every question.
type model struct {
	gens   []modelGen // oldest first
	sorted []modelPoint
	asked  []Query
}

type modelGen struct {
	from     int64
	interval int64
	points   map[int64]float64 // by the second the slot begins
}

func (m *model) gen(unix int64) *modelGen {
	i := len(m.gens) - 1
	for i > 0 && unix < m.gens[i].from {
		i--
	}
	return &m.gens[i]
}

func (m *model) append(at time.Time, v float64) {
	g := m.gen(at.Unix())
	g.points[floorDiv(at.Unix(), g.interval)*g.interval] = v
	m.sorted = nil
}

// list is every point in [from, to).
func (m *model) list(from, to int64) []modelPoint {
	if m.sorted == nil {
		for i, g := range m.gens {
			for _, at := range slices.Sorted(maps.Keys(g.points)) {
				if at >= g.from && (i+1 == len(m.gens) || at < m.gens[i+1].from) {
					m.sorted = append(m.sorted, modelPoint{at, g.interval, g.points[at]})
				}
			}
		}
	}
	find := func(at int64) int {
		return sort.Search(len(m.sorted), func(i int) bool { return m.sorted[i].at >= at })
	}
	return m.sorted[find(from):find(to)]
}

type modelPoint struct {
	at, interval int64
	v            float64
}

func (m *model) aggregate(of Aggregate, from, to time.Time) (float64, bool) {
	a, b := ceilSecond(from), ceilSecond(to)
	var sum, weight float64
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range m.list(a, b) {
		sum += p.v * float64(p.interval)
		weight += float64(p.interval)
		low, high = min(low, p.v), max(high, p.v)
	}
	switch {
	case weight == 0:
		g := m.gen(from.Unix())
		if to.Sub(from) >= time.Duration(g.interval)*time.Second {
			return 0, false
		}
		v, ok := g.points[floorDiv(from.Unix(), g.interval)*g.interval]
		return v, ok
	case of == Min:
		return low, true
	case of == Max:
		return high, true
	}
	return sum / weight, true
}

// delta does what Query promises for a counter, the slow way.
func (m *model) delta(gap int64, from, to time.Time) (float64, bool) {
	all := m.list(math.MinInt64/2, math.MaxInt64/2)
	at := func(t time.Time, start bool) (unix int64, v float64, ok bool) {
		i := sort.Search(len(all), func(i int) bool { return all[i].at > t.Unix() })
		if i > 0 && all[i-1].at == t.Unix() {
			return t.Unix(), all[i-1].v, true
		}
		switch {
		case len(all) == 0:
			return 0, 0, false
		case i == 0:
			return all[0].at, all[0].v, start
		case i == len(all):
			return all[i-1].at, all[i-1].v, !start
		}
		a, b := all[i-1], all[i]
		switch {
		case b.at-a.at > gap:
			return 0, 0, false
		case b.v < a.v && start:
			return b.at, b.v, true
		case b.v < a.v:
			return a.at, a.v, true
		}
		return t.Unix(), a.v + (b.v-a.v)*float64(t.Unix()-a.at)/float64(b.at-a.at), true
	}
	ua, va, aok := at(from, true)
	ub, vb, bok := at(to, false)
	if !aok || !bok || ub <= ua {
		return 0, false
	}
	last := math.Inf(-1)
	for _, p := range m.list(ua, ub+1) {
		if p.v < last {
			vb += last - p.v
		}
		last = p.v
	}
	return vb - va, true
}

func close9(a, b float64) bool { return math.Abs(a-b) <= 1e-9*(1+math.Abs(a)+math.Abs(b)) }

// compare asks both the same random question.
func (m *model) compare(r *rand.Rand, db *DB, feed string, span time.Duration) error {
	zones := []string{"UTC", "Europe/Brussels", "Australia/Lord_Howe", "America/Sao_Paulo"}
	loc, err := time.LoadLocation(zones[r.IntN(len(zones))])
	if err != nil {
		return err
	}
	q := Query{Of: Aggregate(r.IntN(5)), Location: loc, Calendar: Calendar(max(0, r.IntN(9)-4))}
	q.Start = t0.Add(time.Duration(r.Int64N(int64(span)) - int64(span)/8)).Truncate(time.Second)
	q.End = q.Start.Add(time.Duration(r.Int64N(int64(span)))).Truncate(time.Second)
	if q.Calendar == None && r.IntN(3) > 0 {
		q.Step = time.Duration(1+r.IntN(int(q.End.Sub(q.Start)/time.Second/20)+2)) * time.Second
	}
	if r.IntN(4) == 0 {
		q.MaxGap = []time.Duration{-1, time.Minute, time.Hour}[r.IntN(3)]
	}
	if n := len(m.asked); n > 0 && r.IntN(3) == 0 { // the same again, a little later or longer
		q = m.asked[r.IntN(n)]
		if r.IntN(2) == 0 {
			q.Start = q.Start.Add(time.Duration(r.IntN(9)) * q.Step)
			q.End = q.End.Add(time.Duration(r.Int64N(int64(span)/4 + 1))).Truncate(time.Second)
			q.End = q.Start.Add(min(q.End.Sub(q.Start), 400*max(q.Step, time.Minute)))
		}
	}
	m.asked = append(m.asked, q)
	got, err := db.Query(feed, q)
	if err != nil || !q.End.After(q.Start) {
		return err
	}
	if q.Of == Raw && q.Step == 0 && q.Calendar == None {
		if err := m.compareRaw(q, got); err != nil {
			return fmt.Errorf("%+v: %w", q, err)
		}
		flat, err := flatten(db, feed, q)
		if err == nil {
			err = m.compareRaw(q, flat)
		}
		if err != nil {
			return fmt.Errorf("rows of %+v: %w", q, err)
		}
		return nil
	}
	edges, err := q.edges()
	if err != nil {
		return err
	}
	gap := int64(3 * 3600)
	for _, g := range m.gens {
		gap = max(gap, 2*g.interval)
	}
	if q.MaxGap < 0 {
		gap = math.MaxInt64
	} else if q.MaxGap > 0 {
		gap = int64(q.MaxGap / time.Second)
	}
	for i, p := range got {
		var want float64
		var ok bool
		switch q.Of {
		case Raw:
			g := m.gen(edges[i].Unix())
			want, ok = g.points[floorDiv(edges[i].Unix(), g.interval)*g.interval]
		case Delta:
			want, ok = m.delta(gap, edges[i], edges[i+1])
		default:
			want, ok = m.aggregate(q.Of, edges[i], edges[i+1])
		}
		if p.OK != ok || (ok && !close9(p.Value, want)) || !p.At.Equal(edges[i]) {
			return fmt.Errorf("%+v: step %d [%v, %v) is %v %v, want %v %v", q, i, edges[i], edges[i+1], p.Value, p.OK, want, ok)
		}
	}
	return nil
}

// compareRaw leaves the gaps out.
func (m *model) compareRaw(q Query, got []Point) error {
	got = slices.DeleteFunc(got, func(p Point) bool { return !p.OK })
	want := m.list(q.Start.Unix(), q.End.Unix())
	if len(got) != len(want) {
		return fmt.Errorf("%d points, want %d", len(got), len(want))
	}
	for i, p := range got {
		if p.At.Unix() != want[i].at || p.Value != want[i].v {
			return fmt.Errorf("point %d is %v, want %v", i, p, want[i])
		}
	}
	return nil
}

// flatten lists the values of Rows, and writes over them as their owner may.
func flatten(db *DB, feed string, q Query) (out []Point, err error) {
	rows, err := db.Rows(feed, q.Start, q.End)
	if err != nil {
		return nil, err
	}
	for row := range rows {
		for i, v := range row.Values {
			out = append(out, Point{At: row.Start.Add(time.Duration(i) * row.Interval), Value: v, OK: v == v})
			row.Values[i] = -1
		}
	}
	return out, nil
}

// TestQueriesAgreeWithANaiveModel lives random lives: appends, gaps,
// corrections, new intervals, restarts, a small ring, odd zones; with a cache
// of blocks, with one that holds hardly any, and with none.
func TestQueriesAgreeWithANaiveModel(t *testing.T) {
	lives := 100
	if testing.Short() || raceEnabled {
		lives = 8
	}
	for seed := range lives {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { live(t, uint64(seed)) })
	}
}

func live(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	fsys := newPowerFS()
	open := func() *DB {
		db := openSmall(t, fsys)
		db.blocks.max = [...]int{defaultCache / cachedSize, 3, 0}[seed%3]
		return db
	}
	db := open()
	interval := []int64{1, 10, 60, 900}[r.IntN(4)]
	cfg := FeedConfig{Name: "f", Interval: time.Duration(interval) * time.Second, Kind: Kind(r.IntN(2)), Decimals: r.IntN(3)}
	must(t, db.Create(cfg))
	m := &model{gens: []modelGen{{math.MinInt64, interval, map[int64]float64{}}}}
	at, value := t0, 0.0
	newest := int64(math.MinInt64)
	put := func(at time.Time, v float64) {
		must(t, db.Append("f", at, v))
		m.append(at, v)
		newest = max(newest, at.Unix())
	}
	for range 14 {
		for range 1 + r.IntN(700) {
			at = at.Add(cfg.Interval)
			switch r.IntN(40) {
			case 0:
				at = at.Add(time.Duration(r.IntN(50)) * cfg.Interval)
			case 1:
				at = at.Add(time.Duration(r.IntN(900)) * time.Millisecond)
			case 2:
				value = 0
			case 3:
				value = math.Round(value/2*100) / 100
			}
			value = math.Round((value+float64(r.IntN(50))/100)*100) / 100
			put(at, value)
		}
		switch r.IntN(8) {
		case 0:
			at = at.Add(time.Duration(r.IntN(3000)) * cfg.Interval)
		case 1:
			for range r.IntN(20) {
				put(t0.Add(time.Duration(r.Int64N(int64(at.Sub(t0))))).Truncate(time.Second), float64(r.IntN(90)))
			}
		case 2:
			must(t, db.Close())
			db = open()
		case 3:
			if r.IntN(2) == 0 {
				last := m.gens[len(m.gens)-1]
				old := cfg.Interval
				cfg.Interval = time.Duration([]int64{1, 10, 60, 900}[r.IntN(4)]) * time.Second
				must(t, db.Create(cfg))
				if cfg.Interval != old {
					from := last.from
					if len(last.points) > 0 {
						from = slices.Max(slices.Collect(maps.Keys(last.points))) + last.interval
					}
					m.gens = append(m.gens, modelGen{from, int64(cfg.Interval / time.Second), map[int64]float64{}})
					m.sorted = nil
				}
			}
		default:
			must(t, db.Flush(at))
		}
		for range 6 {
			if err := m.compare(r, db, "f", max(time.Hour, at.Sub(t0)*5/4)); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := db.Feeds()[0]
	all := m.list(math.MinInt64/2, math.MaxInt64/2)
	if f.Points != int64(len(all)) || f.First.Unix() != all[0].at || f.Last.Unix() != all[len(all)-1].at {
		t.Errorf("feed is %+v, want %d points from %d to %d", f, len(all), all[0].at, all[len(all)-1].at)
	}
}
