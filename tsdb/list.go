package tsdb

import (
	"math"
	"time"
)

// Feeds lists the feeds in the order of their creation.
func (db *DB) Feeds() []Feed {
	var out []Feed
	for _, f := range db.sorted() {
		out = append(out, db.describe(f))
	}
	return out
}

func (db *DB) describe(f *feed) Feed {
	f.mu.Lock()
	out := Feed{FeedConfig: f.cfg, Generations: len(f.gens)}
	if f.durable > 0 {
		out.Durable = time.Unix(0, f.durable).UTC()
	}
	gens := f.gens
	f.mu.Unlock()
	for _, g := range gens {
		t, bytes := db.totals(f, g)
		out.Bytes += bytes
		if t.points == 0 {
			continue
		}
		out.Points += t.points
		if at := time.Unix(g.time(t.first), 0).UTC(); out.First.IsZero() || at.Before(out.First) {
			out.First = at
		}
		if at := time.Unix(g.time(t.last), 0).UTC(); at.After(out.Last) {
			out.Last = at
		}
	}
	return out
}

// totals are what Feeds tells of a generation.
type totals struct {
	points      int64
	first, last int64
}

// totals counts a generation's points and finds the first and last.
func (db *DB) totals(f *feed, g *generation) (t totals, bytes int64) {
	f.mu.Lock()
	v := g.view(math.MinInt64/4, math.MaxInt64/4)
	f.mu.Unlock()
	for _, r := range v.runs {
		bytes += r.bytes
	}
	p := &part{r: &reader{db: db, f: f, name: f.name}, g: g, v: v}
	t.first, t.last = math.MaxInt64, math.MinInt64
	first := p.jump(math.MinInt64 / 4)
	if first >= 1<<60 {
		return totals{}, bytes
	}
	p.seek(first)
	for {
		s, ok := p.next(1 << 55)
		if !ok {
			break
		}
		base := s.block << blockBits
		if s.hot != nil || base < v.trim || t.first == math.MaxInt64 || s.block == v.lastBlock() {
			p.count(&t, s, base)
			continue
		}
		t.points += int64(s.count)
		if s.count > 0 {
			t.last = base + blockLen - 1 // made exact below
		}
	}
	if t.points == 0 {
		return totals{}, bytes
	}
	if s := p.lastUpTo(g.time(t.last)); s.ok {
		t.last = g.slot(s.unix)
	}
	return t, bytes
}

// lastBlock is the highest block that may exist.
func (v *view) lastBlock() int64 {
	last := int64(math.MinInt64)
	for _, r := range v.runs {
		last = max(last, r.last)
	}
	for i := range v.packed {
		last = max(last, v.packed[i].block)
	}
	for i := range v.hot {
		last = max(last, v.hot[i].block)
	}
	return last
}

// count looks at every point of a block.
func (p *part) count(t *totals, s *source, base int64) {
	d := p.decode(s, blockLen)
	for i := range blockLen {
		slot := base + int64(i)
		v := math.Float64frombits(d.bits(i))
		if slot < p.v.trim || v != v {
			continue
		}
		t.points++
		t.first, t.last = min(t.first, slot), max(t.last, slot)
	}
}

// lastSlot is the newest slot with a point.
func (db *DB) lastSlot(f *feed, g *generation) (int64, bool) {
	t, _ := db.totals(f, g)
	return t.last, t.points > 0
}
