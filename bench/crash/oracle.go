package crash

import (
	"errors"
	"fmt"
	"math"
	"time"

	"homehub/tsdb"
)

// history is what a feed was told.
type history struct {
	step   int64     // seconds between places in first
	since  int       // window of the creation
	first  []float64 // the first value of a place, NaN if it had none
	wrote  []int     // in which window
	later  map[int64][]version
	trimAt []version // window, and the Unix second before which all was given up
}

type version struct {
	window int
	v      float64
}

// oracle knows what a life told the engine, window by window.
type oracle struct {
	window int
	feeds  map[string]*history
}

// foresee plays a life of some windows.
func foresee(windows int) (*oracle, error) {
	o := &oracle{feeds: map[string]*history{}}
	for o.window = 0; o.window < windows; o.window++ {
		if err := live(o, o.window); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Create notes a feed; another interval later is a multiple of the first.
func (o *oracle) Create(cfg tsdb.FeedConfig) error {
	if o.feeds[cfg.Name] == nil {
		o.feeds[cfg.Name] = &history{step: int64(cfg.Interval / time.Second), since: o.window, later: map[int64][]version{}}
	}
	return nil
}

// Append notes a point.
func (o *oracle) Append(feed string, at time.Time, v float64) error {
	h := o.feeds[feed]
	i := (at.Unix() - birth.Unix()) / h.step
	for int64(len(h.first)) <= i {
		h.first = append(h.first, math.NaN())
		h.wrote = append(h.wrote, 0)
	}
	if math.IsNaN(h.first[i]) {
		h.first[i], h.wrote[i] = v, o.window
	} else {
		h.later[i] = append(h.later[i], version{o.window, v})
	}
	return nil
}

// Trim notes that everything before an instant was given up.
func (o *oracle) Trim(feed string, before time.Time) error {
	h := o.feeds[feed]
	h.trimAt = append(h.trimAt, version{o.window, float64(before.Unix())})
	return nil
}

// judge compares an engine with what it may and must hold when the windows up
// to and including acked were promised to be durable.
func (o *oracle) judge(db *tsdb.DB, acked int) error {
	for name, h := range o.feeds {
		points, err := db.Query(name, tsdb.Query{Start: birth.AddDate(-1, 0, 0), End: birth.AddDate(20, 0, 0)})
		if errors.Is(err, tsdb.ErrNoFeed) && h.since > acked {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := h.judge(points, acked); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (h *history) judge(points []tsdb.Point, acked int) error {
	got := make([]float64, len(h.first))
	for i := range got {
		got[i] = math.NaN()
	}
	for _, p := range points {
		if !p.OK {
			continue
		}
		off := p.At.Unix() - birth.Unix()
		if off%h.step != 0 || off < 0 || off/h.step >= int64(len(got)) {
			return fmt.Errorf("invented: %v at %v", p.Value, p.At)
		}
		got[off/h.step] = p.Value
	}
	gone, perhaps := h.trimmed(acked)
	for i, v := range got {
		if v == h.first[i] && h.later[int64(i)] == nil && birth.Unix()+int64(i)*h.step >= gone {
			continue // nearly all of them
		}
		unix := birth.Unix() + int64(i)*h.step
		if unix < gone && math.IsNaN(v) {
			continue
		}
		must, may := h.allowed(int64(i), acked)
		switch {
		case unix < gone:
			return fmt.Errorf("came back after a trim: %v at %v", v, time.Unix(unix, 0).UTC())
		case unix < perhaps && math.IsNaN(v):
		case math.IsNaN(v) && must:
			return fmt.Errorf("lost: %v, should be one of %v", time.Unix(unix, 0).UTC(), may)
		case !math.IsNaN(v) && !contains(may, v):
			return fmt.Errorf("wrong: %v reads %v, should be one of %v", time.Unix(unix, 0).UTC(), v, may)
		}
	}
	return nil
}

// trimmed are the instants before which everything must be gone, and may be.
func (h *history) trimmed(acked int) (must, may int64) {
	for _, t := range h.trimAt {
		may = int64(t.v)
		if t.window <= acked {
			must = may
		}
	}
	return must, may
}

// allowed are the values a place may have, and whether it must have one.
func (h *history) allowed(i int64, acked int) (must bool, may []float64) {
	if math.IsNaN(h.first[i]) {
		return false, nil
	}
	if may = append(may, h.first[i]); h.wrote[i] <= acked {
		must = true
	}
	for _, l := range h.later[i] {
		if l.window <= acked {
			may = may[:0] // the older ones are overwritten for good
		}
		may = append(may, l.v)
	}
	return must, may
}

// contains compares bit by bit.
func contains(list []float64, v float64) bool {
	for _, w := range list {
		if math.Float64bits(v) == math.Float64bits(w) {
			return true
		}
	}
	return false
}
