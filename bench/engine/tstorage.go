package engine

import (
	"errors"
	"math"
	"os"
	"time"

	"github.com/nakabonne/tstorage"
	"golang.org/x/sys/unix"
)

// tStorage writes its log without a buffer and never flushes; a syncfs per
// window makes it durable.
type tStorage struct {
	buffer
	db    tstorage.Storage
	dir   *os.File
	names []string
	bulk  bool
}

func openTstorage(c Config) (Engine, error) {
	log, partition := 0, time.Hour // a write per point; the default
	if c.Bulk {
		// with partitions of an hour its goroutines get in each other's way
		// when a year comes in a minute, and leave some that cannot be opened
		log, partition = -1, 400*24*time.Hour
	}
	db, err := tstorage.NewStorage(tstorage.WithDataPath(c.Dir), tstorage.WithTimestampPrecision(tstorage.Seconds),
		tstorage.WithRetention(100*365*24*time.Hour), tstorage.WithWALBufferedSize(log), tstorage.WithPartitionDuration(partition))
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(c.Dir)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	e := &tStorage{db: db, dir: dir, bulk: c.Bulk}
	for _, f := range c.Feeds {
		e.names = append(e.names, f.Name)
	}
	return e, nil
}

func (e *tStorage) Flush(int64) error {
	var list []tstorage.Row
	for _, r := range e.rows {
		for i, v := range r.vals {
			list = append(list, tstorage.Row{Metric: e.names[i], DataPoint: tstorage.DataPoint{Timestamp: r.at, Value: v}})
		}
	}
	e.rows = e.rows[:0]
	if len(list) > 0 {
		if err := e.db.InsertRows(list); err != nil {
			return err
		}
	}
	if e.bulk {
		return nil
	}
	return unix.Syncfs(int(e.dir.Fd()))
}

func (e *tStorage) Means(q Query) ([]float64, error) {
	points, err := e.db.Select(e.names[q.Feed], nil, q.From, q.To)
	if err != nil {
		return nil, err
	}
	m := mean{bounds: q.Bounds()}
	for _, p := range points {
		m.add(p.Timestamp, p.Value)
	}
	return m.done(), nil
}

func (e *tStorage) Raw(feed int, from, to int64) (n int, sum uint64, err error) {
	points, err := e.db.Select(e.names[feed], nil, from, to)
	for _, p := range points {
		n++
		sum += math.Float64bits(p.Value)
	}
	return n, sum, err
}

func (e *tStorage) Close() error { return errors.Join(e.Flush(0), e.db.Close(), e.dir.Close()) }
