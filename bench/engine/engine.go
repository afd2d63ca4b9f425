// Package engine puts homehub's tsdb and its peers behind one small interface,
// each set up as its makers advise and made durable once per window.
package engine

import (
	"slices"
	"time"

	"homehub/internal/workload"
)

// Config is what an engine is opened with.
type Config struct {
	Dir   string
	Ring  string // raw partition for homehub's ring; empty: a file
	Feeds []workload.Feed
	Now   func() time.Time // of the work
	// Bulk fills an engine with years: nothing need be durable before Close.
	Bulk bool
}

// Engine is a store of rows, one value per feed and Interval.
type Engine interface {
	// Append takes a row. It need not survive a power cut yet.
	Append(at int64, row []float64) error
	// Flush makes every row before at survive a power cut.
	Flush(at int64) error
	// Means are the means of one feed over the steps of a query.
	Means(q Query) ([]float64, error)
	// Raw reads the points of one feed in [from, to) one by one and adds their
	// bit patterns up, which is exact in any order.
	Raw(feed int, from, to int64) (n int, sum uint64, err error)
	Close() error
}

// Query asks for means of [From, To): per Step seconds, or per local day.
type Query struct {
	Feed     int
	From, To int64
	Step     int64
	Days     *time.Location
}

// Bounds are the instants between the steps, both ends included.
func (q Query) Bounds() (list []int64) {
	for at := q.From; at < q.To; {
		list = append(list, at)
		if q.Days == nil {
			at += q.Step
		} else {
			at = time.Unix(at, 0).In(q.Days).AddDate(0, 0, 1).Unix()
		}
	}
	return append(list, q.To)
}

// Kind is an engine that can be measured.
type Kind struct {
	Name string
	Open func(Config) (Engine, error)
	// Year says whether the engine answers the queries over a year: of two
	// layouts of one engine only the better one does.
	Year bool
}

// Kinds are all engines, homehub first.
func Kinds() []Kind {
	return []Kind{
		{"homehub", openHomehub, true},
		{"PHPFina-style files, syncfs", func(c Config) (Engine, error) { return openFiles(c, false) }, true},
		{"PHPFina-style files, fdatasync each", func(c Config) (Engine, error) { return openFiles(c, true) }, false},
		{"SQLite WAL FULL, key (feed, t)", func(c Config) (Engine, error) { return openSQLite(c, "feed, t") }, true},
		{"SQLite WAL FULL, key (t, feed)", func(c Config) (Engine, error) { return openSQLite(c, "t, feed") }, false},
		{"bbolt, key feed t", func(c Config) (Engine, error) { return openBolt(c, true) }, true},
		{"bbolt, key t feed", func(c Config) (Engine, error) { return openBolt(c, false) }, false},
		{"Prometheus tsdb, syncfs", openPrometheus, true},
		{"tstorage, syncfs", openTstorage, true},
	}
}

// Find returns the engine of a name.
func Find(name string) (Kind, bool) {
	i := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds()[i], true
}

// row is a buffered row.
type row struct {
	at   int64
	vals []float64
}

// buffer keeps the rows of a window for engines that write once per window.
type buffer struct{ rows []row }

func (b *buffer) Append(at int64, vals []float64) error {
	b.rows = append(b.rows, row{at, slices.Clone(vals)})
	return nil
}

// mean adds points up over the steps between bounds; times must rise.
type mean struct {
	bounds []int64
	out    []float64
	i, n   int
	sum    float64
}

func (m *mean) add(at int64, v float64) {
	for at >= m.bounds[m.i+1] {
		m.next()
	}
	m.sum += v
	m.n++
}

func (m *mean) next() {
	m.out = append(m.out, m.sum/float64(m.n)) // NaN if there is none
	m.sum, m.n = 0, 0
	m.i++
}

func (m *mean) done() []float64 {
	for m.i < len(m.bounds)-1 {
		m.next()
	}
	return m.out
}
