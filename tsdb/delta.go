package tsdb

import (
	"math"
	"math/bits"
	"time"
)

// sighting is a counter's value at a time: a point, or one made up between
// two of them.
type sighting struct {
	unix  int64
	value float64
	point bool // a point, to the digit
	ok    bool
}

// delta is how much a counter rose in [from, to). Its value at both ends is
// interpolated, but not over a gap nobody can look into; before the first
// point and after the last, the counter is taken to stand still.
func (r *reader) delta(maxGap time.Duration, from, to time.Time) (float64, bool) {
	r.gap = r.gapLimit(maxGap)
	a, aok := r.counterAt(from, true)
	b, bok := r.counterAt(to, false)
	var rose float64
	ok := aok && bok && b.unix > a.unix
	if ok {
		rose = r.difference(a, b) + r.falls(a.unix, b.unix)
	}
	return rose, ok
}

func (r *reader) gapLimit(d time.Duration) int64 {
	switch {
	case d < 0:
		return math.MaxInt64
	case d > 0:
		return int64(d / time.Second)
	}
	limit := int64(3 * 3600)
	for _, p := range r.parts {
		limit = max(limit, 2*p.g.interval)
	}
	return limit
}

// difference subtracts exactly if both ends are points of few digits.
func (r *reader) difference(a, b sighting) float64 {
	if a.point && b.point {
		k := r.parts[len(r.parts)-1].decimals
		x, xok := scaled(math.Float64bits(a.value), k, false)
		y, yok := scaled(math.Float64bits(b.value), k, false)
		if xok && yok {
			return unscale(y-x, k, false)
		}
	}
	return b.value - a.value
}

// counterAt is the counter's value at t, the start or the end of a step.
func (r *reader) counterAt(t time.Time, start bool) (sighting, bool) {
	before := r.lastUpTo(t.Unix())
	if before.ok && before.unix == t.Unix() && t.Nanosecond() == 0 {
		return before, true
	}
	after := r.firstAfter(t.Unix())
	switch {
	case !before.ok && !after.ok:
		return sighting{}, false
	case !before.ok:
		return after, start
	case !after.ok:
		return before, !start
	}
	if after.unix-before.unix > r.gap {
		return sighting{}, false
	}
	if after.value < before.value {
		// the counter fell in between; how much it rose is not known
		if start {
			return after, true
		}
		return before, true
	}
	share := (float64(t.Unix()-before.unix) + float64(t.Nanosecond())/1e9) / float64(after.unix-before.unix)
	return sighting{unix: t.Unix(), value: before.value + (after.value-before.value)*share, ok: true}, true
}

// lastUpTo is the newest point at or before a second.
func (r *reader) lastUpTo(unix int64) sighting {
	for i := len(r.parts) - 1; i >= 0; i-- {
		p := r.parts[i]
		if p.from > unix {
			continue
		}
		if s := p.lastUpTo(min(unix, p.to-1)); s.ok {
			return s
		}
	}
	return sighting{}
}

func (r *reader) firstAfter(unix int64) sighting {
	for _, p := range r.parts {
		if p.to <= unix {
			continue
		}
		from := unix
		if p.from > unix {
			from = p.from - 1
		}
		if s := p.firstAfter(from); s.ok {
			return s
		}
	}
	return sighting{}
}

func (p *part) lastUpTo(unix int64) sighting {
	slot := p.g.slot(unix)
	block := blockOf(slot)
	p.seek(block)
	if p.at < len(p.list) && p.list[p.at].block == block {
		if got := p.lastIn(&p.list[p.at], slot); got.ok {
			return got
		}
	}
	for i := p.at - 1; i >= 0; i-- {
		if got := p.lastIn(&p.list[i], slot); got.ok {
			return got
		}
	}
	for hi := p.jumpBack(min(block, p.lo) - 1); hi >= p.floor(); {
		list := p.v.sources(p.r.db, p.r.name, hi-around, hi)
		for i := len(list) - 1; i >= 0; i-- {
			if got := p.lastIn(&list[i], slot); got.ok {
				return got
			}
		}
		hi = p.jumpBack(hi - around - 1)
	}
	return sighting{}
}

// floor is the lowest block worth looking at.
func (p *part) floor() int64 {
	if p.v.trim == math.MinInt64 {
		return -1 << 54
	}
	return blockOf(p.v.trim)
}

func (p *part) lastIn(s *source, slot int64) sighting {
	upTo := blockLen
	if s.block == blockOf(slot) {
		upTo = int(slot&(blockLen-1)) + 1
	}
	d := p.decode(s, min(blockLen, upTo+2))
	for i := upTo - 1; i >= 0; i-- {
		if got := p.sight(s, d, i); got.ok {
			return got
		}
	}
	return sighting{}
}

func (p *part) sight(s *source, d *decoded, i int) sighting {
	slot := s.block<<blockBits + int64(i)
	if !d.has.has(i) || slot < p.v.trim {
		return sighting{}
	}
	v := math.Float64frombits(d.bits(i))
	return sighting{unix: p.g.time(slot), value: v, point: true, ok: v == v}
}

// firstAfter is the oldest point after a second.
func (p *part) firstAfter(unix int64) sighting {
	slot := p.g.slot(unix) + 1
	if unix < math.MinInt64/2 {
		slot = -1 << 60
	}
	first := blockOf(slot)
	if first < p.floor() {
		first = p.floor()
	}
	p.seek(p.jump(first))
	for {
		s, ok := p.next(1 << 55)
		if !ok {
			return sighting{}
		}
		from := 0
		if s.block == blockOf(slot) {
			from = int(slot & (blockLen - 1))
		}
		d := p.decode(s, min(blockLen, from+2))
		for i := from; i < blockLen; i++ {
			if i >= d.upTo {
				d = p.decode(s, blockLen)
			}
			if got := p.sight(s, d, i); got.ok {
				if got.unix >= p.to {
					return sighting{}
				}
				return got
			}
		}
	}
}

// jumpBack is the last block up to block that may exist.
func (p *part) jumpBack(block int64) int64 {
	to := int64(math.MinInt64)
	note := func(first, last int64) {
		if first <= block {
			to = max(to, min(last, block))
		}
	}
	for _, r := range p.v.runs {
		note(r.first, r.last)
	}
	for i := range p.v.packed {
		note(p.v.packed[i].block, p.v.packed[i].block)
	}
	for i := range p.v.hot {
		note(p.v.hot[i].block, p.v.hot[i].block)
	}
	return to
}

// falls adds up by how much the counter fell from one point to the next in
// (from, to]: a new meter, or a plug that restarted.
func (r *reader) falls(from, to int64) (sum float64) {
	last := math.Inf(-1)
	for _, p := range r.parts {
		if p.to <= from || p.from > to {
			continue
		}
		a, b := p.g.slot(max(from, p.from)), p.g.slot(min(to, p.to-1))
		if p.g.time(a) < from { // points from here on only
			a++
		}
		a = max(a, p.v.trim)
		p.seek(p.jump(blockOf(a)))
		for {
			s, ok := p.next(blockOf(b))
			if !ok {
				break
			}
			last = p.fallsIn(s, a, b, last, &sum)
		}
	}
	return sum
}

// fallsIn looks at one block; a block that only rises need not be decoded
// unless it lies across an end.
func (p *part) fallsIn(s *source, a, b int64, last float64, sum *float64) float64 {
	if s.hot == nil && s.rising && (s.block > blockOf(a) || math.IsInf(last, -1)) {
		if s.count == 0 {
			return last
		}
		low, high := s.limits()
		if s.block > blockOf(a) && last > low {
			*sum += last - low
		}
		return high
	}
	d := p.decode(s, blockLen)
	base := s.block << blockBits
	for w, word := range d.has {
		for ; word != 0; word &= word - 1 {
			i := w<<6 | bits.TrailingZeros64(word)
			v := math.Float64frombits(d.bits(i))
			if slot := base + int64(i); slot < a || slot > b || v != v {
				continue
			}
			if v < last {
				*sum += last - v
			}
			last = v
		}
	}
	return last
}
