package tsdb

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Query returns the points of a feed in [q.Start, q.End), oldest first, from
// RAM, ring and segments as one. It never waits for the writer's I/O, nor the
// writer for it. With a step or a calendar there is one Point per step;
// without, Raw returns every point, each run of missing slots between points
// as one Point with OK false, and the other aggregates one Point for it all.
func (db *DB) Query(name string, q Query) ([]Point, error) {
	f, err := db.readable(name, q)
	if err != nil {
		return nil, fmt.Errorf("querying %s: %w", name, err)
	}
	if !q.End.After(q.Start) {
		return nil, nil
	}
	if q.Of == Raw && q.Step == 0 && q.Calendar == None {
		return db.reader(f, q.Start.Unix(), q.End.Unix(), false).raw(q)
	}
	out, err := db.steps(f, q)
	if err != nil {
		return nil, fmt.Errorf("querying %s: %w", name, err)
	}
	return out, nil
}

// farAway is the last second that can be asked for, and the first one negated.
const farAway = 1 << 40

func (q Query) check() error {
	switch {
	case q.Of > Delta || q.Calendar > Year || q.Step < 0:
		return ErrConfig
	case q.Start.Unix() < -farAway || q.End.Unix() > farAway:
		return ErrConfig
	}
	return nil
}

// reader answers the steps of one query. It goes forward in time and keeps
// what the next step needs again.
type reader struct {
	db    *DB
	f     *feed
	name  string
	parts []*part // one per generation that can matter, oldest first
	gap   int64   // seconds, set by Delta
	bad   bool    // something could not be read

	version feedVersion
}

// part reads one generation.
type part struct {
	r        *reader
	v        *view
	g        *generation
	from, to int64 // seconds the generation owns
	decimals int
	list     []source // blocks lo to hi
	lo, hi   int64
	ahead    int64
	at       int // position in list
	loaded   bool
	d        *decoded // the block taken apart last
	dBlock   int64
	dOK      bool
	dBad     bool // it could not be read
	vals     *values
	bodies   bodies
	head     blockHead
}

// blockHead is the sum of the first points of a block: where a step ends and
// the next begins it is needed twice.
type blockHead struct {
	block   int64
	k       int // 0 if none is known
	stats   stats
	scratch *headScratch
}

// around is how far beyond the query Delta looks for neighbours, in blocks.
const around = 64

func (db *DB) reader(f *feed, start, end int64, neighbours bool) *reader {
	r := &reader{db: db, f: f, name: f.name}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.version = f.version()
	for i, g := range f.gens {
		p := &part{r: r, g: g, from: g.from, to: math.MaxInt64, decimals: f.cfg.Decimals}
		if i+1 < len(f.gens) {
			p.to = f.gens[i+1].from
		}
		if p.to <= p.from || (!neighbours && (p.to <= start || p.from > end)) {
			continue
		}
		first, last := blockOf(g.slot(start))-1, blockOf(g.slot(end))+1
		if neighbours {
			first, last = -1<<53, 1<<53
		}
		p.v = g.view(first, last)
		r.parts = append(r.parts, p)
	}
	return r
}

// step answers one step, [from, to).
func (r *reader) step(q *Query, from, to time.Time) Point {
	out := Point{At: from}
	switch {
	case q.Of == Raw:
		out.Value, out.OK = r.sample(from.Unix())
	case q.Of == Delta:
		out.Value, out.OK = r.delta(q.MaxGap, from, to)
	default:
		out.Value, out.OK = r.aggregate(q.Of, from, to)
	}
	return out
}

// span is the slots of p that begin in [from, to).
func (p *part) span(from, to time.Time) (a, b int64) {
	lo, hi := ceilSecond(from), ceilSecond(to)
	lo, hi = max(lo, p.from), min(hi, p.to)
	if lo >= hi {
		return 0, 0
	}
	a, b = p.g.slot(lo+p.g.interval-1), p.g.slot(hi+p.g.interval-1)
	return max(a, p.v.trim), b
}

func ceilSecond(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// aggregate weighs every point with its interval, so that a mean over a
// change of interval is right.
func (r *reader) aggregate(of Aggregate, from, to time.Time) (float64, bool) {
	var sum, weight float64
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range r.parts {
		a, b := p.span(from, to)
		if a >= b {
			continue
		}
		t := p.window(a, b, of)
		if t.n == 0 {
			continue
		}
		w := float64(p.g.interval)
		sum += t.total() * w
		weight += float64(t.n) * w
		low, high = min(low, t.min), max(high, t.max)
	}
	switch {
	case weight == 0:
		// a step shorter than the interval: the value that holds
		return r.holding(from, to)
	case of == Min:
		return low, true
	case of == Max:
		return high, true
	}
	return sum / weight, true
}

// holding is the value at from, if the step lies within one interval.
func (r *reader) holding(from, to time.Time) (float64, bool) {
	p := r.partAt(from.Unix())
	if p == nil || to.Sub(from) >= time.Duration(p.g.interval)*time.Second {
		return 0, false
	}
	return r.sample(from.Unix())
}

func (r *reader) partAt(unix int64) *part {
	for _, p := range r.parts {
		if unix >= p.from && unix < p.to {
			return p
		}
	}
	return nil
}

// sample is the value of the slot that holds a second.
func (r *reader) sample(unix int64) (float64, bool) {
	p := r.partAt(unix)
	if p == nil {
		return 0, false
	}
	t := p.window(p.g.slot(unix), p.g.slot(unix)+1, Raw)
	return t.total(), t.n > 0
}

// tally sums stats up: integers as long as they fit, which keeps sums exact.
type tally struct {
	n        int64
	sum      int64
	scale    int
	float    float64
	min, max float64
}

func (t *tally) total() float64 { return float64(t.sum)/pow10(t.scale) + t.float }

func (t *tally) add(s *stats, sign int64) {
	if s.count == 0 {
		return
	}
	t.n += sign * int64(s.count)
	if s.isFloat {
		t.float += float64(sign) * math.Float64frombits(uint64(s.sum))
		return
	}
	if t.scale != s.scale {
		if t.sum != 0 {
			t.float += float64(t.sum) / pow10(t.scale)
		}
		t.sum, t.scale = 0, s.scale
	}
	sum := t.sum + sign*s.sum
	if over := (t.sum ^ sum) & (sign*s.sum ^ sum); over < 0 {
		t.float += float64(t.sum) / pow10(t.scale)
		sum = sign * s.sum
	}
	t.sum = sum
}

// widen takes another part's limits in.
func (t *tally) widen(s *stats) {
	if s.count == 0 {
		return
	}
	low, high := s.limits()
	if t.n == 0 {
		t.min, t.max = low, high
	}
	t.min, t.max = min(t.min, low), max(t.max, high)
	t.n += int64(s.count)
}

func (s *stats) limits() (low, high float64) {
	if s.isFloat {
		return math.Float64frombits(uint64(s.min)), math.Float64frombits(uint64(s.max))
	}
	return unscale(s.min, s.scale, false), unscale(s.max, s.scale, false)
}

// piece is slots [from, to) of a block.
type piece struct {
	s        *source
	from, to int
}

// window sums slots [a, b) up; for Min and Max it finds that limit instead.
func (p *part) window(a, b int64, of Aggregate) tally {
	var t tally
	limits := of == Min || of == Max
	var room [2]piece
	ends := room[:0]
	p.seek(blockOf(a))
	for block := blockOf(a); block <= blockOf(b-1); {
		s, ok := p.next(blockOf(b - 1))
		if !ok {
			break
		}
		block = s.block
		from, to := 0, blockLen
		if block == blockOf(a) {
			from = int(a & (blockLen - 1))
		}
		if block == blockOf(b-1) {
			to = int((b-1)&(blockLen-1)) + 1
		}
		switch whole := from == 0 && to == blockLen && s.hot == nil; {
		case whole && limits:
			t.widen(&s.stats)
		case limits:
			ends = append(ends, piece{s, from, to})
		default:
			p.addBlock(&t, s, from, to)
		}
		block++
	}
	for _, e := range ends {
		p.widenBy(&t, e, of)
	}
	return t
}

// widenBy looks for a limit in a piece of a block, which need not be taken
// apart if all of the block lies within what is known already.
func (p *part) widenBy(t *tally, e piece, of Aggregate) {
	if e.s.hot == nil && t.n > 0 {
		low, high := e.s.limits()
		if e.s.count == 0 || of == Min && low >= t.min || of == Max && high <= t.max {
			return
		}
	}
	part := p.decode(e.s, blockLen).summary(e.from, e.to)
	t.widen(&part)
}

// addBlock adds slots [from, to) of a block, decoding as little of it as
// needed: nothing if all of it counts, a piece before an end of the window.
func (p *part) addBlock(t *tally, s *source, from, to int) {
	switch {
	case s.hot != nil:
	case from == 0 && to == blockLen:
		t.add(&s.stats, 1)
		return
	case s.isFloat:
	case from == 0:
		if h, ok := p.headOf(s, to); ok {
			t.add(&h, 1)
			return
		}
	case to == blockLen:
		if h, ok := p.headOf(s, from); ok {
			t.add(&s.stats, 1)
			t.add(&h, -1)
			return
		}
	}
	// small windows come many to a block, so all of it is decoded at once
	part := p.decode(s, blockLen).summary(from, to)
	t.add(&part, 1)
}

// headOf sums the first k slots of a block of integers up. It reports false if
// the block has to be decoded after all.
func (p *part) headOf(s *source, k int) (stats, bool) {
	h := &p.head
	if h.k == k && h.block == s.block {
		return h.stats, true
	}
	if p.dOK && p.dBlock == s.block && p.d.upTo >= k && !p.d.isFloat && p.d.scale == s.scale {
		return p.d.front(k), true
	}
	body, err := p.bodies.read(s, p.list[min(p.at, len(p.list)):])
	if err != nil {
		return stats{}, false
	}
	if h.scratch == nil {
		h.scratch = new(headScratch)
	}
	count, sum, ok := headOf(body, s.ways, k, h.scratch)
	if !ok {
		return stats{}, false
	}
	h.block, h.k = s.block, k
	h.stats = stats{count: count, sum: sum, scale: s.scale}
	return h.stats, true
}

// decode takes a block apart, hot points included, unless it is the one taken
// apart last.
func (p *part) decode(s *source, upTo int) *decoded {
	if p.dOK && p.dBlock == s.block && p.d.upTo >= upTo {
		return p.d
	}
	if p.d == nil {
		p.d = new(decoded)
	}
	p.dOK, p.dBlock = true, s.block
	p.dBad = !p.r.db.block(p.r.name, p.g, s, p.d, &p.bodies, p.list[min(p.at, len(p.list)):], upTo)
	p.r.bad = p.r.bad || p.dBad
	return p.d
}

// lookAhead is how many blocks are looked up at once, at first and at most: a
// query whose other steps are remembered needs few.
const (
	firstLookAhead = 16
	lookAhead      = 4096
)

// seek goes to the first block from block on.
func (p *part) seek(block int64) {
	if !p.loaded || block < p.lo || block > p.hi {
		p.load(block)
	}
	if p.at > 0 && p.at <= len(p.list) && p.list[p.at-1].block == block { // the last one once more
		p.at--
		return
	}
	if p.at > 0 && p.at <= len(p.list) && p.list[p.at-1].block < block && (p.at == len(p.list) || p.list[p.at].block >= block) {
		return
	}
	p.at, _ = slices.BinarySearchFunc(p.list, block, func(s source, b int64) int { return compare(s.block, b) })
}

func (p *part) load(block int64) {
	p.ahead = min(max(firstLookAhead, p.ahead*8), lookAhead)
	p.lo, p.hi = block, block+p.ahead
	p.list = p.v.sources(p.r.db, p.r.name, p.lo, p.hi)
	p.loaded, p.at = true, 0
}

// next is the next block, none beyond last.
func (p *part) next(last int64) (*source, bool) {
	for {
		if p.at < len(p.list) {
			s := &p.list[p.at]
			if s.block > last {
				return nil, false
			}
			p.at++
			return s, true
		}
		if p.hi >= last {
			return nil, false
		}
		p.load(p.jump(p.hi + 1))
		if p.lo > last {
			return nil, false
		}
	}
}

// jump is the first block from block on that may exist, so that years without
// points are stepped over at once.
func (p *part) jump(block int64) int64 {
	to := int64(1 << 60)
	note := func(first, last int64) {
		if last >= block {
			to = min(to, max(first, block))
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

// raw lists every point.
func (r *reader) raw(q Query) ([]Point, error) {
	var out []Point
	for _, p := range r.parts {
		a, b := p.span(q.Start, q.End)
		if a >= b {
			continue
		}
		expect := a
		if len(out) == 0 {
			out = make([]Point, 0, min(b-a+1, 16384))
		}
		fits := p.rows(a, b, func(slot int64, vals []float64) bool {
			out, expect = p.points(out, slot, vals, expect)
			return len(out) <= MaxPoints
		})
		if !fits {
			return nil, fmt.Errorf("querying %s: %w", r.name, ErrTooMany)
		}
	}
	return out, nil
}

// points appends the values from slot on, after a gap if one was expected
// before, and returns which slot is expected next.
func (p *part) points(out []Point, slot int64, vals []float64, expect int64) ([]Point, int64) {
	for i, v := range vals {
		if v != v {
			continue
		}
		at := slot + int64(i)
		if at > expect && len(out) > 0 {
			out = append(out, Point{At: p.timeOf(expect)})
		}
		out = append(out, Point{At: p.timeOf(at), Value: v, OK: true})
		expect = at + 1
	}
	return out, expect
}

func (p *part) timeOf(slot int64) time.Time { return time.Unix(p.g.time(slot), 0).UTC() }
