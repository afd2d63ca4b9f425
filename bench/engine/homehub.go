package engine

import (
	"math"
	"time"

	"homehub/tsdb"
)

type homehub struct {
	db    *tsdb.DB
	names []string
}

func openHomehub(c Config) (Engine, error) {
	db, err := tsdb.Open(tsdb.Config{Dir: c.Dir, Now: c.Now, Ring: tsdb.RingConfig{Path: c.Ring}})
	if err != nil {
		return nil, err
	}
	h := &homehub{db: db}
	for _, f := range c.Feeds {
		kind := tsdb.Power
		if f.Counter {
			kind = tsdb.Counter
		}
		if err := db.Create(tsdb.FeedConfig{Name: f.Name, Interval: 10 * time.Second, Kind: kind, Decimals: f.Decimals}); err != nil {
			return nil, err
		}
		h.names = append(h.names, f.Name)
	}
	return h, nil
}

func (h *homehub) Append(at int64, vals []float64) error {
	for i, v := range vals {
		if err := h.db.Append(h.names[i], time.Unix(at, 0), v); err != nil {
			return err
		}
	}
	return nil
}

func (h *homehub) Flush(at int64) error { return h.db.Flush(time.Unix(at, 0)) }

func (h *homehub) Means(q Query) ([]float64, error) {
	query := tsdb.Query{Start: time.Unix(q.From, 0), End: time.Unix(q.To, 0), Step: time.Duration(q.Step) * time.Second, Of: tsdb.Mean}
	if q.Days != nil {
		query.Calendar, query.Location = tsdb.Day, q.Days
	}
	points, err := h.db.Query(h.names[q.Feed], query)
	out := make([]float64, len(points))
	for i, p := range points {
		if out[i] = p.Value; !p.OK {
			out[i] = math.NaN()
		}
	}
	return out, err
}

func (h *homehub) Raw(feed int, from, to int64) (n int, sum uint64, err error) {
	rows, err := h.db.Rows(h.names[feed], time.Unix(from, 0), time.Unix(to, 0))
	if err != nil {
		return 0, 0, err
	}
	for row := range rows {
		a, b := addUp(row.Values)
		n, sum = n+a, sum+b
	}
	return n, sum, nil
}

// addUp leaves out what is missing.
func addUp(vals []float64) (n int, sum uint64) {
	for _, v := range vals {
		if v == v {
			n++
			sum += math.Float64bits(v)
		}
	}
	return n, sum
}

func (h *homehub) Close() error { return h.db.Close() }
