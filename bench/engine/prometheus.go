package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/compression"
	"golang.org/x/sys/unix"
)

// compactEvery is how often Prometheus looks whether the head can become a
// block; its blocks span two hours.
const compactEvery = 2 * 3600

// bulkBlock is how long a block is after all merges.
const bulkBlock = 486 * time.Hour

// prometheus commits a row every 10 s, as a scrape does. Its log is not
// flushed at a commit, so a syncfs per window makes it durable.
type prometheus struct {
	db      *tsdb.DB
	dir     *os.File
	series  []labels.Labels
	refs    []storage.SeriesRef
	compact int64
	bulk    bool
}

func openPrometheus(c Config) (Engine, error) {
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = 0
	opts.MaxBlockDuration = (31 * 24 * time.Hour).Milliseconds() // as the server has it
	opts.WALCompression = compression.Snappy
	if c.Bulk { // straight to what the merges of a year end in
		opts.MinBlockDuration, opts.MaxBlockDuration = bulkBlock.Milliseconds(), bulkBlock.Milliseconds()
	}
	db, err := tsdb.Open(c.Dir, nil, nil, opts, nil)
	if err != nil {
		return nil, err
	}
	db.DisableCompactions() // Flush does it by the clock of the work
	dir, err := os.Open(c.Dir)
	if err != nil {
		return nil, err
	}
	e := &prometheus{db: db, dir: dir, refs: make([]storage.SeriesRef, len(c.Feeds)), bulk: c.Bulk}
	for _, f := range c.Feeds {
		e.series = append(e.series, labels.FromStrings(labels.MetricName, "feed", "name", f.Name))
	}
	return e, nil
}

func (e *prometheus) Append(at int64, vals []float64) error {
	app := e.db.Appender(context.Background())
	for i, v := range vals {
		ref, err := app.Append(e.refs[i], e.series[i], at*1000, v)
		if err != nil {
			return errors.Join(err, app.Rollback())
		}
		e.refs[i] = ref
	}
	return app.Commit()
}

func (e *prometheus) Flush(at int64) error {
	if at/compactEvery != e.compact {
		e.compact = at / compactEvery
		if err := e.db.Compact(context.Background()); err != nil {
			return err
		}
	}
	if e.bulk {
		return nil
	}
	return unix.Syncfs(int(e.dir.Fd()))
}

func (e *prometheus) scan(feed int, from, to int64, point func(at int64, v float64)) error {
	q, err := e.db.Querier(from*1000, to*1000-1)
	if err != nil {
		return err
	}
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "name", e.series[feed].Get("name")))
	var it chunkenc.Iterator
	for set.Next() {
		it = set.At().Iterator(it)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind != chunkenc.ValFloat {
				return fmt.Errorf("a value of kind %v", kind)
			}
			at, v := it.At()
			point(at/1000, v)
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	return set.Err()
}

func (e *prometheus) Means(q Query) ([]float64, error) {
	m := mean{bounds: q.Bounds()}
	err := e.scan(q.Feed, q.From, q.To, m.add)
	return m.done(), err
}

func (e *prometheus) Raw(feed int, from, to int64) (n int, sum uint64, err error) {
	err = e.scan(feed, from, to, func(_ int64, v float64) { n++; sum += math.Float64bits(v) })
	return n, sum, err
}

func (e *prometheus) Close() error { return errors.Join(e.db.Close(), e.dir.Close()) }
