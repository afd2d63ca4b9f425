package tsdb

import (
	"math"
	"sync"
)

// feed is a named row of values. Its lock is only ever held for copying a few
// kilobytes of RAM, so readers and the writer do not wait for each other's
// I/O.
type feed struct {
	name  string
	order uint32 // number of the first generation

	mu      sync.Mutex
	cfg     FeedConfig
	gens    []*generation // oldest first
	newest  int64         // nanoseconds, newest point appended since the last capture
	durable int64         // nanoseconds, newest point that survives a power cut
	flight  int64         // newest point of the record being written
	spare   *hotBlock     // recycled, so that appending allocates nothing
	gone    bool          // deleted
}

// generation is a stretch of a feed with one interval.
type generation struct {
	id       uint32
	interval int64
	phase    int64
	from     int64 // Unix seconds; the generation owns times from here on
	trim     int64 // slots below are given up
	imported *pair
	saved    bool // the catalogue on the card knows it

	open    *hotBlock             // the newest block, where points usually go
	hot     map[int64]*hotBlock   // all blocks with points in RAM, open included
	packed  map[int64]packedBlock // closed, compressed, not yet in a segment
	runs    []*blockRun           // in segments, oldest first; copied on write
	version uint64                // changes whenever a window before the open block may
}

// hotBlock is a block with points in RAM. They lie over what a segment may
// hold of the same block.
type hotBlock struct {
	block  int64
	vals   cells
	set    present // points in RAM
	dirty  present // of these, not in the ring
	flight present // being written to the ring right now
	edits  uint32  // counts puts, so that a copy can be told to be stale
	seq    uint64  // oldest record that holds points not in a segment; 0 if none
}

// packedBlock is a block waiting for the next write to a segment.
type packedBlock struct {
	entry
	body    []byte
	seq     uint64 // oldest record that holds some of it; 0 if none
	unsaved int    // points of it that are in no record
}

func newGeneration(c catalogGen) *generation {
	g := &generation{
		id: c.ID, interval: c.Interval, phase: c.Phase, from: math.MinInt64, trim: math.MinInt64,
		imported: c.Imported, hot: map[int64]*hotBlock{}, packed: map[int64]packedBlock{},
	}
	if c.From != nil {
		g.from = *c.From
	}
	if c.Trim != nil {
		g.trim = *c.Trim
	}
	return g
}

func (g *generation) describe() catalogGen {
	c := catalogGen{ID: g.id, Interval: g.interval, Phase: g.phase, Imported: g.imported}
	if g.from != math.MinInt64 {
		c.From = &g.from
	}
	if g.trim != math.MinInt64 {
		c.Trim = &g.trim
	}
	return c
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// slot is the slot that holds the second.
func (g *generation) slot(unix int64) int64 { return floorDiv(unix-g.phase, g.interval) }

// time is the second a slot begins.
func (g *generation) time(slot int64) int64 { return slot*g.interval + g.phase }

func blockOf(slot int64) int64 { return slot >> blockBits }

// generation finds the one that owns a second.
func (f *feed) generation(unix int64) *generation {
	i := len(f.gens) - 1
	for i > 0 && unix < f.gens[i].from {
		i--
	}
	return f.gens[i]
}

// put stores a point in RAM. It reports false if that would need more RAM
// than allowed.
func (f *feed) put(g *generation, slot int64, b uint64, room func() bool) bool {
	h := g.open
	if block := blockOf(slot); h == nil || h.block != block {
		if h = f.blockFor(g, block, room); h == nil {
			return false
		}
	}
	i := int(slot & (blockLen - 1))
	h.vals[i] = b
	h.set.set(i)
	h.dirty.set(i)
	h.edits++
	return true
}

// blockFor finds or makes the hot block; the highest one becomes the open one.
func (f *feed) blockFor(g *generation, block int64, room func() bool) *hotBlock {
	h := g.hot[block]
	newest := g.open == nil || block > g.open.block
	if g.open == nil || !newest {
		g.version++
	}
	if h == nil {
		if g.open != nil && !room() {
			return nil
		}
		if h = f.spare; h != nil {
			f.spare = nil
			h.set, h.dirty, h.flight, h.seq = present{}, present{}, present{}, 0
		} else {
			h = new(hotBlock)
		}
		h.block = block
		g.hot[block] = h
	}
	if newest {
		g.open = h
	}
	return h
}
