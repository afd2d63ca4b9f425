package tsdb

import (
	"fmt"
	"time"
)

// bulkWriter puts many points straight into blocks, past the ring: an import
// of years must not go through the card twice. It holds db.mu.
type bulkWriter struct {
	db  *DB
	f   *feed
	g   *generation
	hot hotBlock
	any bool
}

// bulk makes sure of the feed and locks out other writers; the caller calls
// release.
func (db *DB) bulk(cfg FeedConfig, phase int64) (*bulkWriter, error) {
	interval := int64(cfg.Interval / time.Second)
	f := (*db.feeds.Load())[cfg.Name]
	if f == nil {
		if err := db.Create(cfg); err != nil {
			return nil, err
		}
		f = (*db.feeds.Load())[cfg.Name]
	}
	db.mu.Lock()
	err := db.ready()
	f.mu.Lock()
	g := f.gens[len(f.gens)-1]
	empty := len(f.gens) == 1 && len(g.runs) == 0 && len(g.hot) == 0 && len(g.packed) == 0
	if empty && (g.phase != phase || g.interval != interval) {
		g.phase, g.interval = phase, interval
		f.cfg.Interval = cfg.Interval
		db.catalogDirty = true
	}
	fits := len(f.gens) == 1 && g.interval == interval && g.phase == phase
	f.mu.Unlock()
	switch {
	case err != nil:
	case db.closed.Load():
		err = ErrClosed
	case !fits:
		err = fmt.Errorf("the feed has other points every %d s from second %d: %w", g.interval, g.phase, ErrConfig)
	}
	if err != nil {
		db.mu.Unlock()
		return nil, err
	}
	return &bulkWriter{db: db, f: f, g: g}, nil
}

func (w *bulkWriter) release() { w.db.mu.Unlock() }

// put takes a point; slots may come in any order, but should ascend.
func (w *bulkWriter) put(slot int64, bits uint64) error {
	if slot < w.g.trim {
		return nil
	}
	if block := blockOf(slot); !w.any || block != w.hot.block {
		if err := w.flushBlock(); err != nil {
			return err
		}
		w.hot.block, w.hot.set, w.any = block, present{}, true
	}
	i := int(slot & (blockLen - 1))
	w.hot.vals[i] = bits
	w.hot.set.set(i)
	return nil
}

// flushBlock hands the block over to the next write to a segment. Points in
// RAM give way to the imported ones.
func (w *bulkWriter) flushBlock() error {
	if !w.any {
		return nil
	}
	w.any = false
	db, f, g := w.db, w.f, w.g
	f.mu.Lock()
	if h := g.hot[w.hot.block]; h != nil {
		for i := range blockLen {
			if w.hot.set.has(i) {
				h.vals[i] = w.hot.vals[i]
				h.set.set(i)
				h.dirty.set(i)
			}
		}
		h.edits++
		g.version++
		f.mu.Unlock()
		return nil
	}
	g.version++
	f.mu.Unlock()
	p, _ := db.pack(f, g, &w.hot)
	p.unsaved = w.hot.set.count()
	f.mu.Lock()
	if old, ok := g.packed[p.block]; ok {
		db.packedBytes -= len(old.body)
		p.seq = older(p.seq, old.seq)
	}
	g.packed[p.block] = p
	db.packedBytes += len(p.body)
	f.mu.Unlock()
	if db.packedBytes < max(db.batchBytes, 256<<10) {
		return nil
	}
	return db.persist(false)
}

// finish makes everything durable.
func (w *bulkWriter) finish(imported *pair) error {
	if err := w.flushBlock(); err != nil {
		return err
	}
	db := w.db
	if imported != nil {
		w.f.mu.Lock()
		if old := w.g.imported; old != nil {
			end := max(old.Start+old.Points*w.g.interval, imported.Start+imported.Points*w.g.interval)
			imported.Start = min(old.Start, imported.Start)
			imported.Points = (end - imported.Start) / w.g.interval
		}
		w.g.imported = imported
		w.f.mu.Unlock()
		db.catalogDirty = true
	}
	if err := db.persist(false); err != nil {
		return err
	}
	if err := db.saveCatalog(); err != nil {
		return err
	}
	return db.flush(db.now())
}
