package tsdb

import (
	"slices"
	"sync"
	"time"
)

// stepCache remembers the steps of charts: pages ask for the same ones again
// and again, with some new ones at the end. It keeps only steps that no point
// can change without changing the feed's version.
type stepCache struct {
	mu     sync.Mutex
	series []series // the one used last is the last
}

const (
	maxSeries      = 64
	maxSeriesSteps = 4096
	maxCachedSteps = 24 << 10 // of all series together: 1 MB
)

// seriesKey is what makes steps of two queries the same, but for where they
// begin.
type seriesKey struct {
	f        *feed
	of       Aggregate
	calendar Calendar
	loc      *time.Location
	step     time.Duration
	phase    time.Duration // of the steps on the line of time
	gap      time.Duration
}

type series struct {
	key     seriesKey
	version feedVersion
	steps   []Point
	end     time.Time // of the last step
}

func (q Query) seriesKey(f *feed, first time.Time) seriesKey {
	k := seriesKey{f: f, of: q.Of, gap: q.MaxGap}
	if q.Calendar != None {
		k.calendar, k.loc = q.Calendar, q.Location
		return k
	}
	k.step, k.loc = q.Step, first.Location()
	unix := floorMod(first.Unix(), int64(max(1, k.step/time.Second)))
	k.phase = time.Duration(unix)*time.Second + time.Duration(first.Nanosecond())
	if k.step%time.Second != 0 { // such steps have no phase: they match only from the same start
		k.phase = time.Duration(first.UnixNano())
	}
	return k
}

func (c *stepCache) find(k *seriesKey) int {
	return slices.IndexFunc(c.series, func(s series) bool { return s.key == *k })
}

// get appends to out what is known of the steps from first on that end by end,
// and returns where the next step begins.
func (c *stepCache) get(k seriesKey, v feedVersion, first, end time.Time, out []Point) ([]Point, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.find(&k)
	if i < 0 || c.series[i].version != v {
		return out, first
	}
	s := c.series[i]
	copy(c.series[i:], c.series[i+1:])
	c.series[len(c.series)-1] = s
	at := func(p Point, t time.Time) int { return p.At.Compare(t) }
	from, ok := slices.BinarySearchFunc(s.steps, first, at)
	if !ok {
		return out, first
	}
	to, next := len(s.steps), s.end
	if s.end.After(end) {
		to, ok = slices.BinarySearchFunc(s.steps, end, at)
		if !ok { // end lies within a step, which is not whole then
			to--
		}
		next = s.steps[to].At
	}
	if to <= from {
		return out, first
	}
	return append(out, s.steps[from:to]...), next
}

// put keeps steps that are final, the last of which ends at end. They replace
// what was known, or continue it.
func (c *stepCache) put(k seriesKey, v feedVersion, steps []Point, end time.Time) {
	if len(steps) == 0 {
		return
	}
	if len(steps) > maxSeriesSteps {
		end, steps = steps[maxSeriesSteps].At, steps[:maxSeriesSteps]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := series{key: k, version: v, end: end}
	if i := c.find(&k); i >= 0 {
		old := c.series[i]
		c.series = slices.Delete(c.series, i, i+1)
		if old.version == v && len(old.steps) > 0 && !old.end.Before(steps[0].At) && old.steps[0].At.Before(steps[0].At) {
			keep, _ := slices.BinarySearchFunc(old.steps, steps[0].At, func(p Point, t time.Time) int { return p.At.Compare(t) })
			s.steps = old.steps[:keep]
		}
	}
	s.steps = append(s.steps, steps...)
	if n := len(s.steps) - maxSeriesSteps; n > 0 {
		s.steps = slices.Clone(s.steps[n:])
	}
	c.series = append(c.series, s)
	total := 0
	for i := len(c.series) - 1; i >= 0; i-- {
		total += cap(c.series[i].steps)
		if total > maxCachedSteps || len(c.series)-i > maxSeries {
			c.series = slices.Delete(c.series, 0, i+1)
			return
		}
	}
}

// steps answers a query with steps, from the cache as far as it goes.
func (db *DB) steps(f *feed, q Query) ([]Point, error) {
	n := q.count()
	if n > MaxPoints {
		return nil, ErrTooMany
	}
	at := q.first()
	f.mu.Lock()
	version := f.version()
	f.mu.Unlock()
	key := q.seriesKey(f, at)
	out := make([]Point, 0, n)
	many := q.Step > 0 || q.Calendar != None
	if many {
		out, at = db.cache.get(key, version, at, q.End, out)
	}
	if !at.Before(q.End) {
		return out, nil
	}
	r := db.reader(f, at.Unix(), q.last().Unix(), q.Of == Delta)
	known, final := len(out), r.finalBefore(q.Of)
	keep, end := known, at
	for at.Before(q.End) {
		if len(out) > MaxPoints {
			return nil, ErrTooMany
		}
		next := q.after(at)
		whole := q.Calendar != None || !next.After(q.End)
		if !whole {
			next = q.End
		}
		out = append(out, r.step(&q, at, next))
		if whole && ceilSecond(next) <= final && keep == len(out)-1 {
			keep, end = len(out), next
		}
		at = next
	}
	if many && r.version == version && !r.bad {
		db.cache.put(key, version, out[known:keep], end)
	}
	return out, nil
}

// feedVersion changes whenever a step before an open block may.
type feedVersion struct {
	gens    int
	changes uint64
}

// version is of the feed as it is. f.mu is held.
func (f *feed) version() feedVersion {
	v := feedVersion{gens: len(f.gens)}
	for _, g := range f.gens {
		v.changes += g.version
	}
	return v
}

// finalBefore is the instant before which steps cannot change any more while
// the version stays.
func (r *reader) finalBefore(of Aggregate) int64 {
	limit := int64(1 << 60)
	for _, p := range r.parts {
		if p.v.open < 1<<52 {
			limit = min(limit, p.g.time(p.v.open<<blockBits))
		}
	}
	if of != Delta {
		return limit
	}
	// a counter at a boundary is known from the point after it too, which must
	// not lie in the open block
	if len(r.parts) != 1 {
		return -1 << 60
	}
	p := r.parts[0]
	last := p.jumpBack(min(p.v.open, p.v.lastBlock()+1) - 1)
	for _, s := range p.v.sources(r.db, r.name, last, last) {
		if s.hot != nil || s.count > 0 {
			return p.g.time(last << blockBits)
		}
	}
	return -1 << 60
}
