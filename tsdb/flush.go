package tsdb

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Flush makes everything appended so far survive a power cut: one record for
// all feeds, one flush of the device. Now and then it also moves closed
// blocks to a segment. On an error the points stay in RAM and the next Flush
// tries again; Status tells what is wrong. now is the house's time; it only
// decides to which day the written bytes are counted.
func (db *DB) Flush(now time.Time) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed.Load() {
		return ErrClosed
	}
	return db.flush(now)
}

func (db *DB) flush(now time.Time) error {
	db.st.tick(now)
	db.seen.Store(db.now().UnixNano())
	if db.readOnly {
		db.closeBlocks(true)
		db.capPacked()
		return ErrReadOnly
	}
	err := db.ready()
	if err == nil {
		err = db.flushRing()
		if errors.Is(err, errRingFull) {
			err = db.persist(true)
			db.note("segments", err)
			if err == nil {
				db.ring.tail = db.neededFrom()
				err = db.flushRing()
			}
		}
		db.note("ring", err)
	}
	db.closeBlocks(err != nil)
	if db.lock != nil && db.persistDue() {
		perr := db.persist(db.pressed())
		db.note("segments", perr)
		err = errors.Join(err, perr)
	}
	db.capPacked()
	if err != nil {
		return fmt.Errorf("flushing: %w", err)
	}
	return nil
}

func (db *DB) note(part string, err error) {
	if err != nil {
		db.st.trouble(db.log, part, err)
	} else {
		db.st.resolved(db.log, part)
	}
}

// ready brings back what could not be opened or written before.
func (db *DB) ready() error {
	if db.lock == nil || db.ring == nil {
		err := db.openForWriting()
		db.note("folder", err)
		if err != nil {
			return err
		}
	}
	err := db.saveCatalog()
	db.note("catalog", err)
	return err
}

// flushRing writes the dirty points to the ring.
func (db *DB) flushRing() error {
	first := db.ring.next
	tail := db.neededFrom()
	at := db.captureTime()
	wrote, err := db.capture(tail, at)
	if err == nil && wrote > 0 {
		err = db.ring.commit()
	}
	if err != nil {
		db.ring.abort()
	}
	db.settle(first, err == nil)
	if err != nil {
		return fmt.Errorf("writing record %d to the ring: %w", first, err)
	}
	if wrote > 0 {
		db.st.setDurable(time.Unix(0, at).UTC())
	}
	return nil
}

// captureTime is the time of the newest point that the coming record will
// hold for sure.
func (db *DB) captureTime() int64 {
	at := int64(math.MinInt64)
	if d := db.st.durableTime(); !d.IsZero() {
		at = d.UnixNano()
	}
	for _, f := range *db.feeds.Load() {
		f.mu.Lock()
		f.flight = f.newest
		at = max(at, f.newest)
		f.mu.Unlock()
	}
	return at
}

// capture writes the dirty points as one record, or as several if they do
// not fit one.
func (db *DB) capture(tail uint64, at int64) (wrote int64, err error) {
	limit := int(db.ring.limit()) - recordHead - blockLen*10 // room for one more block
	b := db.record[:0]
	put := func() error {
		if len(b) == 0 {
			return nil
		}
		err := db.ring.write(b, tail, at, db.mark())
		wrote += db.ring.round(int64(recordHead + len(b)))
		b = b[:0]
		return err
	}
	base := floorDiv(at, 1e9)
	for _, f := range db.sorted() {
		f.mu.Lock()
		for _, g := range f.gens {
			if !g.saved {
				continue
			}
			for _, h := range g.dirtyBlocks() {
				b = db.captureBlock(b, f, g, h, g.slot(base))
				if len(b) > limit {
					f.mu.Unlock()
					if err := put(); err != nil {
						return wrote, err
					}
					f.mu.Lock()
				}
			}
		}
		f.mu.Unlock()
	}
	err = put()
	db.record = b
	if cap(db.record) > 16<<10 {
		db.record = nil
	}
	return wrote, err
}

// mark is up to where the segments are flushed.
func (db *DB) mark() mark {
	if len(db.segments) == 0 {
		return mark{}
	}
	s := db.segments[len(db.segments)-1]
	return mark{uint32(s.num), uint32(min(s.size, math.MaxUint32))}
}

// dirtyBlocks are the hot blocks with dirty points, in order.
func (g *generation) dirtyBlocks() (list []*hotBlock) {
	for _, h := range g.hot {
		if h.dirty.any() {
			list = append(list, h)
		}
	}
	slices.SortFunc(list, func(a, b *hotBlock) int { return compare(a.block, b.block) })
	return list
}

func (db *DB) captureBlock(b []byte, f *feed, g *generation, h *hotBlock, base int64) []byte {
	for i := 0; i < blockLen; i++ {
		if !h.dirty.has(i) {
			continue
		}
		j := i
		for j < blockLen && h.dirty.has(j) {
			j++
		}
		b = appendRun(b, g.id, h.block<<blockBits+int64(i)-base, h.vals[i:j], f.cfg.Decimals)
		i = j
	}
	for w := range h.dirty {
		h.flight[w] |= h.dirty[w]
	}
	h.dirty = present{}
	return b
}

// settle marks what was captured as durable, or as dirty again.
func (db *DB) settle(seq uint64, ok bool) {
	for _, f := range *db.feeds.Load() {
		f.mu.Lock()
		for _, g := range f.gens {
			for _, h := range g.hot {
				if !h.flight.any() {
					continue
				}
				if !ok {
					for w := range h.flight {
						h.dirty[w] |= h.flight[w]
					}
				} else if h.seq == 0 {
					h.seq = seq
				}
				h.flight = present{}
			}
		}
		if ok && f.allSaved() {
			f.durable = max(f.durable, f.flight)
		}
		f.mu.Unlock()
	}
}

func (f *feed) allSaved() bool {
	return !slices.ContainsFunc(f.gens, func(g *generation) bool { return !g.saved })
}

// neededFrom is the oldest record that holds points no segment has.
func (db *DB) neededFrom() uint64 {
	from := db.ring.next
	for _, f := range *db.feeds.Load() {
		f.mu.Lock()
		for _, g := range f.gens {
			for _, h := range g.hot {
				if h.seq > 0 {
					from = min(from, h.seq)
				}
			}
			for _, p := range g.packed {
				if p.seq > 0 {
					from = min(from, p.seq)
				}
			}
		}
		f.mu.Unlock()
	}
	return from
}

// closeBlocks packs the hot blocks that are full or out of order. Those with
// points that no record holds yet only if evenDirty: the ring takes none.
func (db *DB) closeBlocks(evenDirty bool) {
	left := int64(0)
	for _, f := range db.sorted() {
		for i, g := range f.gens {
			for _, h := range f.closable(g, i == len(f.gens)-1, evenDirty) {
				db.closeBlock(f, g, h)
			}
			f.mu.Lock()
			left += int64(len(g.hot))
			f.mu.Unlock()
		}
	}
	db.hot.Store(max(0, left-int64(len(*db.feeds.Load()))))
}

func (f *feed) closable(g *generation, last, evenDirty bool) (list []*hotBlock) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range g.hot {
		if (h != g.open || !last) && (evenDirty || !h.dirty.any()) {
			list = append(list, h)
		}
	}
	slices.SortFunc(list, func(a, b *hotBlock) int { return compare(a.block, b.block) })
	return list
}

// closeBlock packs one. A point that arrives meanwhile keeps the block hot.
func (db *DB) closeBlock(f *feed, g *generation, h *hotBlock) {
	p, edits := db.pack(f, g, h)
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, ok := g.packed[p.block]; ok {
		db.packedBytes -= len(old.body)
		p.seq = older(p.seq, old.seq)
		p.unsaved += old.unsaved
	}
	g.packed[p.block] = p
	db.packedBytes += len(p.body)
	if h.edits != edits {
		return
	}
	delete(g.hot, h.block)
	if g.open == h {
		g.open = nil
	}
	f.spare = h
}

func older(a, b uint64) uint64 {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// pack compresses a hot block laid over what the card has of it.
func (db *DB) pack(f *feed, g *generation, h *hotBlock) (packedBlock, uint32) {
	f.mu.Lock()
	v := g.view(h.block, h.block)
	v.hot = []hotCopy{{h.block, h.vals, h.set}} // h need not be in the generation
	p := packedBlock{seq: h.seq, unsaved: h.dirty.count()}
	edits, decimals := h.edits, f.cfg.Decimals
	f.mu.Unlock()
	d := v.whole(db, f.name, h.block)
	d.cells(&db.vals)
	d.mark = true
	body := encodeBlock(nil, &db.vals, decimals)
	if err := d.decode(body, blockLen); err != nil || !d.same(&db.vals) {
		// cannot happen; but a codec that lies must not cost readings
		var has present
		for i, b := range db.vals {
			if b != missing {
				has.set(i)
			}
		}
		body = encodeRaw(nil, &db.vals, &has)
		_ = d.decode(body, blockLen)
		db.log.Error("block did not survive packing and is stored raw", "feed", f.name, "block", h.block)
	}
	p.body = body
	p.entry = entry{block: h.block, size: len(body), sum: crc(body), ways: d.ways, stats: d.summary(0, blockLen)}
	return p, edits
}

func (d *decoded) same(c *cells) bool {
	for i := range c {
		if d.bits(i) != c[i] {
			return false
		}
	}
	return true
}
