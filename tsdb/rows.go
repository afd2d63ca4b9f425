package tsdb

import (
	"fmt"
	"iter"
	"math"
	"time"
)

// Row is consecutive values of a feed.
type Row struct {
	Start    time.Time     // of the first value, UTC
	Interval time.Duration // from one value to the next
	Values   []float64     // NaN where nothing is known
}

// Rows are the values of a feed in [start, end), oldest first, from RAM, ring
// and segments as one. It is what Query returns for Raw without a step, in the
// form in which the engine has it, and several times as fast. A row has 1,024
// values at most; where there is no row nothing is known. The values are the
// caller's until the next row. What is read is the feed as it is when the loop
// begins.
func (db *DB) Rows(name string, start, end time.Time) (iter.Seq[Row], error) {
	f, err := db.readable(name, Query{Start: start, End: end})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return func(yield func(Row) bool) {
		if !end.After(start) {
			return
		}
		var own values
		for _, p := range db.reader(f, start.Unix(), end.Unix(), false).parts {
			p.vals = &own
			a, b := p.span(start, end)
			more := p.rows(a, b, func(slot int64, vals []float64) bool {
				n := copy(own[:], vals)
				return yield(Row{Start: p.timeOf(slot), Interval: time.Duration(p.g.interval) * time.Second, Values: own[:n]})
			})
			if !more {
				return
			}
		}
	}, nil
}

// readable finds the feed and says whether the question makes sense.
func (db *DB) readable(name string, q Query) (*feed, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	f := (*db.feeds.Load())[name]
	if f == nil {
		return nil, ErrNoFeed
	}
	return f, q.check()
}

// rows calls yield for what blocks hold of slots [a, b), until it returns
// false. The values may be those of the cache: nobody may change them.
func (p *part) rows(a, b int64, yield func(slot int64, vals []float64) bool) bool {
	if a >= b {
		return true
	}
	keep := p.r.db.blocks.takes(blockOf(b-1) - blockOf(a) + 1)
	p.seek(p.jump(blockOf(a)))
	for {
		s, ok := p.next(blockOf(b - 1))
		if !ok {
			return true
		}
		base := s.block << blockBits
		from, to := max(a, base), min(b, base+blockLen)
		if !yield(from, p.values(s, keep)[from-base:to-base]) {
			return false
		}
	}
}

// values takes a block apart, if the cache does not know it, which keeps it if
// asked to. Hot points are never cached.
func (p *part) values(s *source, keep bool) *values {
	if s.hot != nil {
		return p.hotValues(s)
	}
	k := s.key()
	if v := p.r.db.blocks.get(k); v != nil {
		return v
	}
	d := p.decode(s, blockLen)
	if keep && !p.dBad {
		v := new(values)
		d.values(v)
		p.r.db.blocks.put(k, v)
		return v
	}
	d.values(p.room())
	return p.vals
}

// room is for one block, until the next.
func (p *part) room() *values {
	if p.vals == nil {
		p.vals = new(values)
	}
	return p.vals
}

// hotValues are a block with points in RAM, over what a segment has of it.
func (p *part) hotValues(s *source) *values {
	if s.seg != nil || s.body != nil {
		p.decode(s, blockLen).values(p.room())
		return p.vals
	}
	v := p.room()
	for w, word := range s.hot.set {
		from, to := s.hot.vals[w<<6:][:64], v[w<<6:][:64]
		for i, b := range from {
			if word>>i&1 == 0 {
				b = missing
			}
			to[i] = math.Float64frombits(b)
		}
	}
	return v
}

// values are all the slots of d.
func (d *decoded) values(v *values) {
	full := d.has.allIn(0, blockLen)
	switch {
	case full && d.isFloat:
		for i, n := range d.num {
			v[i] = math.Float64frombits(uint64(n))
		}
	case full && d.scale == 0 && !d.f32:
		for i, n := range d.num {
			v[i] = float64(n)
		}
	default:
		for i := range v {
			v[i] = math.Float64frombits(d.bits(i))
		}
	}
}
