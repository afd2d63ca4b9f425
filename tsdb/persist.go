package tsdb

import (
	"fmt"
	"math"
	"slices"
)

// pressed says whether the ring fills up.
func (db *DB) pressed() bool {
	return db.ring != nil && db.ring.used() > (db.ring.size-ringStart)/2
}

func (db *DB) persistDue() bool {
	if db.packedBytes >= db.batchBytes || db.pressed() {
		return true
	}
	// what no record holds must not wait
	for _, f := range *db.feeds.Load() {
		f.mu.Lock()
		for _, g := range f.gens {
			for _, p := range g.packed {
				if p.unsaved > 0 {
					f.mu.Unlock()
					return true
				}
			}
		}
		f.mu.Unlock()
	}
	return false
}

// Persist brings the closed blocks to a segment now instead of when enough of
// them wait. Nothing needs that but somebody who measures segments.
func (db *DB) Persist() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch {
	case db.closed.Load():
		return ErrClosed
	case db.readOnly || db.lock == nil:
		return ErrReadOnly
	}
	return db.persist(false)
}

// moved is a block on its way to a segment.
type moved struct {
	f   *feed
	g   *generation
	p   packedBlock
	hot *hotBlock // set if the block stays hot
}

// persist appends the packed blocks to a segment; with force also the hot
// blocks that hold up the older half of the ring.
func (db *DB) persist(force bool) error {
	batch := db.collect(force)
	if len(batch) == 0 {
		return nil
	}
	s, err := db.activeSegment()
	if err != nil {
		return err
	}
	var b []byte
	for i := range batch {
		m := &batch[i]
		b = appendBlock(b, m.g.id, m.p.block, m.p.body)
		m.p.off = s.size + int64(len(b)-len(m.p.body))
	}
	end := s.size + int64(len(b))
	for end < s.stale { // cover what a failed attempt may have left
		b = appendChunk(b, chunkPad, make([]byte, min(maxChunk, max(0, s.stale-end-chunkHead))))
		end = s.size + int64(len(b))
	}
	s.stale = end
	if _, err = s.f.WriteAt(b, s.size); err == nil {
		err = s.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("appending to segment %d: %w", s.num, err)
	}
	s.size = s.stale
	for len(batch) > 0 {
		n := 1
		for n < len(batch) && batch[n].g == batch[0].g {
			n++
		}
		db.landed(s, batch[:n])
		batch = batch[n:]
	}
	if s.size >= db.segmentSize {
		return db.seal(s)
	}
	return nil
}

func (db *DB) collect(force bool) (batch []moved) {
	cut := uint64(0)
	if force && db.ring != nil {
		cut = db.ring.cut()
	}
	for _, f := range db.sorted() {
		for _, g := range f.gens {
			f.mu.Lock()
			var blocks []packedBlock
			for _, p := range g.packed {
				blocks = append(blocks, p)
			}
			var late []*hotBlock
			for _, h := range g.hot {
				if h.seq > 0 && h.seq < cut {
					late = append(late, h)
				}
			}
			saved := g.saved
			f.mu.Unlock()
			if !saved {
				continue
			}
			slices.SortFunc(blocks, func(a, b packedBlock) int { return compare(a.block, b.block) })
			for _, p := range blocks {
				batch = append(batch, moved{f: f, g: g, p: p})
			}
			slices.SortFunc(late, func(a, b *hotBlock) int { return compare(a.block, b.block) })
			for _, h := range late {
				p, _ := db.pack(f, g, h)
				batch = append(batch, moved{f: f, g: g, p: p, hot: h})
			}
		}
	}
	return batch
}

// cut is the sequence number below which the records should be made
// superfluous: all but the newest quarter of the ring.
func (r *ring) cut() uint64 {
	sum := int64(0)
	for i := len(r.live) - 1; i >= 0; i-- {
		if sum += r.live[i].size; sum > (r.size-ringStart)/4 {
			return r.live[i].seq + 1
		}
	}
	return r.next
}

// landed makes the blocks of one generation in a segment visible and forgets
// their copies in RAM. Readers may hold the old run, so there is a new one.
func (db *DB) landed(s *segment, batch []moved) {
	f, g := batch[0].f, batch[0].g
	f.mu.Lock()
	defer f.mu.Unlock()
	old := db.runs[g.id]
	next := &blockRun{seg: s, gen: g.id}
	if old != nil {
		*next = *old
		next.mem = slices.Clone(old.mem)
	}
	for _, m := range batch {
		next.add(m.p.entry)
		if p, ok := g.packed[m.p.block]; ok {
			db.packedBytes -= len(p.body)
			delete(g.packed, m.p.block)
		}
		if m.hot != nil {
			m.hot.seq = 0
		}
	}
	db.runs[g.id] = next
	if old == nil {
		g.runs = append(slices.Clip(g.runs), next)
	} else {
		g.replaceRun(old, next)
	}
}

func (g *generation) replaceRun(old, next *blockRun) {
	g.runs = slices.Clone(g.runs)
	g.runs[slices.Index(g.runs, old)] = next
}

// capPacked gives up the oldest closed blocks when the card takes none for so
// long that RAM runs out.
func (db *DB) capPacked() {
	for db.packedBytes > db.maxPacked {
		var of *feed
		var in *generation
		low := int64(math.MaxInt64)
		for _, f := range *db.feeds.Load() {
			f.mu.Lock()
			for _, g := range f.gens {
				for b := range g.packed {
					if at := g.time(b << blockBits); at < low {
						of, in, low = f, g, at
					}
				}
			}
			f.mu.Unlock()
		}
		if in == nil {
			return
		}
		of.mu.Lock()
		b := blockOf(in.slot(low))
		db.packedBytes -= len(in.packed[b].body)
		db.st.lose(int64(in.packed[b].unsaved))
		delete(in.packed, b)
		in.version++
		of.mu.Unlock()
	}
}

// activeSegment is the segment to append to, made if need be.
func (db *DB) activeSegment() (*segment, error) {
	if db.active != nil {
		return db.active, nil
	}
	num := 1
	if n := len(db.segments); n > 0 {
		num = db.segments[n-1].num + 1
	}
	num = max(num, db.nextSegment)
	names, err := db.catalog().encode()
	if err != nil {
		return nil, err
	}
	s, err := createSegment(db.fs, db.dir, db.id, num, names)
	if err != nil {
		return nil, fmt.Errorf("making segment %d: %w", num, err)
	}
	db.active, db.runs = s, map[uint32]*blockRun{}
	db.segments = append(db.segments, s)
	return s, nil
}

// seal writes a segment's index and stops appending to it. Without an index
// the segment serves as well, it only takes longer to open.
func (db *DB) seal(s *segment) error {
	var runs []*blockRun
	for _, r := range db.runs {
		runs = append(runs, r)
	}
	db.active, db.runs = nil, map[uint32]*blockRun{}
	return db.index(s, runs)
}

func (db *DB) index(s *segment, runs []*blockRun) error {
	s.sealed = true
	slices.SortFunc(runs, func(a, b *blockRun) int { return compare(int64(a.gen), int64(b.gen)) })
	if err := writeIndex(db.fs, db.dir, db.id, s, runs); err != nil {
		return fmt.Errorf("indexing segment %d: %w", s.num, err)
	}
	filed, err := readIndex(db.fs, db.dir, db.id, s)
	if err != nil {
		return fmt.Errorf("reading the index of segment %d: %w", s.num, err)
	}
	for _, f := range *db.feeds.Load() {
		f.mu.Lock()
		for _, g := range f.gens {
			for i, old := range runs {
				if old.gen == g.id && slices.Contains(g.runs, old) {
					g.replaceRun(old, filed[i])
				}
			}
		}
		f.mu.Unlock()
	}
	return nil
}
