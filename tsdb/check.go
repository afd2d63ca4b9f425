package tsdb

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"time"
)

// CheckReport tells what Check found.
type CheckReport struct {
	Segments int     `json:"segments"`
	Blocks   int64   `json:"blocks"`
	Points   int64   `json:"points"` // in blocks, older versions included
	Bytes    int64   `json:"bytes"`
	Indexed  int     `json:"indexed"` // indexes made again by Repair
	Bad      []Range `json:"bad,omitempty"`
}

// Check reads every block of every segment and compares it with its checksum
// and its index. It changes nothing. progress, if not nil, is called with the
// bytes read.
func (db *DB) Check(progress func(bytes int64)) CheckReport {
	db.mu.Lock()
	segments := slices.Clone(db.segments)
	gens := db.generations()
	db.mu.Unlock()
	var rep CheckReport
	for _, s := range segments {
		db.checkSegment(s, gens, &rep)
		if progress != nil {
			progress(rep.Bytes)
		}
	}
	return rep
}

func (db *DB) checkSegment(s *segment, gens map[uint32]owner, rep *CheckReport) {
	rep.Segments++
	bad := func(feed, why string) {
		rep.Bad = append(rep.Bad, Range{Feed: feed, Why: segmentName(s.num) + ": " + why})
	}
	db.mu.Lock()
	size := s.size
	db.mu.Unlock()
	out, err := scanSegment(&segment{num: s.num, f: s.f, size: size})
	if err != nil {
		bad("", err.Error())
		return
	}
	rep.Bytes += size
	for _, h := range out.holes {
		bad("", fmt.Sprintf("cannot be read from byte %d to %d", h[0], h[1]))
	}
	for gen, r := range out.runs {
		rep.Blocks += int64(r.n)
		rep.Points += r.points
		o, ok := gens[gen]
		if !ok {
			continue
		}
		o.f.mu.Lock()
		i := slices.IndexFunc(o.g.runs, func(x *blockRun) bool { return x.seg == s })
		var known *blockRun
		if i >= 0 {
			known = o.g.runs[i]
		}
		o.f.mu.Unlock()
		if known == nil {
			continue // trimmed
		}
		list, err := known.entries()
		if err != nil {
			bad(o.f.name, "index: "+err.Error())
			continue
		}
		for _, e := range list {
			at, found := slices.BinarySearchFunc(r.mem, e.block, func(a entry, b int64) int { return compare(a.block, b) })
			if !found || r.mem[at].sum != e.sum || r.mem[at].stats != e.stats {
				rep.Bad = append(rep.Bad, Range{
					Feed: o.f.name, From: time.Unix(o.g.time(e.block<<blockBits), 0).UTC(),
					To: time.Unix(o.g.time((e.block+1)<<blockBits), 0).UTC(), Why: "block in " + segmentName(s.num) + " is damaged",
				})
			}
		}
	}
}

// Repair makes indexes and the catalogue again where they are missing or
// damaged, and then checks. It never deletes or overwrites readings; blocks
// that cannot be read stay where they are and are named in the report.
func (db *DB) Repair(progress func(bytes int64)) (CheckReport, error) {
	db.mu.Lock()
	made := 0
	err := db.ready()
	if err == nil {
		db.catalogDirty = true
		err = db.saveCatalog()
	}
	for _, s := range slices.Clone(db.segments) {
		if err != nil {
			break
		}
		if s == db.active || db.indexIsGood(s) {
			continue
		}
		var n bool
		n, err = db.reindex(s)
		if n {
			made++
		}
	}
	db.mu.Unlock()
	rep := db.Check(progress)
	rep.Indexed = made
	if err != nil {
		return rep, fmt.Errorf("repairing: %w", err)
	}
	return rep, nil
}

func (db *DB) indexIsGood(s *segment) bool {
	runs, err := readIndex(db.fs, db.dir, db.id, s)
	for _, r := range runs {
		if _, err2 := r.entries(); err == nil {
			err = err2
		}
	}
	if len(runs) > 0 {
		runs[0].idx.Close()
	}
	return err == nil
}

// reindex makes a segment's index again and gives it to the feeds.
func (db *DB) reindex(s *segment) (bool, error) {
	out, err := scanSegment(s)
	if err != nil || len(out.runs) == 0 || out.idOK && out.id != db.id {
		return false, err
	}
	var runs []*blockRun
	for _, o := range db.generations() {
		found := out.runs[o.g.id]
		if found == nil {
			continue
		}
		o.f.mu.Lock()
		if i := slices.IndexFunc(o.g.runs, func(x *blockRun) bool { return x.seg == s }); i >= 0 {
			o.g.replaceRun(o.g.runs[i], found)
			o.g.version++
			runs = append(runs, found)
		}
		o.f.mu.Unlock()
	}
	return true, db.index(s, runs)
}

// Trim gives up a feed's points before a time, for good. Segments that hold
// nothing else any more are removed.
func (db *DB) Trim(name string, before time.Time) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	f := (*db.feeds.Load())[name]
	if f == nil {
		return fmt.Errorf("trimming %s: %w", name, ErrNoFeed)
	}
	f.mu.Lock()
	for i, g := range f.gens {
		end := int64(math.MaxInt64)
		if i+1 < len(f.gens) {
			end = f.gens[i+1].from
		}
		g.trimTo(g.slot(min(end, before.Unix())+g.interval-1), db)
	}
	f.mu.Unlock()
	return db.given("trimming", name)
}

// trimTo forgets slots below slot. f.mu is held.
func (g *generation) trimTo(slot int64, db *DB) {
	if slot <= g.trim {
		return
	}
	g.trim = slot
	g.version++
	for b, p := range g.packed {
		if b < blockOf(slot) {
			db.packedBytes -= len(p.body)
			delete(g.packed, b)
		}
	}
	for b, h := range g.hot {
		if b < blockOf(slot) {
			delete(g.hot, b)
			if h == g.open {
				g.open = nil
			}
		}
	}
	g.runs = slices.DeleteFunc(slices.Clone(g.runs), func(r *blockRun) bool { return r.last < blockOf(slot) })
}

// Delete gives up a feed with all its points, for good.
func (db *DB) Delete(name string) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	old := *db.feeds.Load()
	f := old[name]
	if f == nil {
		return fmt.Errorf("deleting %s: %w", name, ErrNoFeed)
	}
	next := make(map[string]*feed, len(old))
	for k, v := range old {
		if k != name {
			next[k] = v
		}
	}
	db.feeds.Store(&next)
	f.mu.Lock()
	f.gone = true
	for _, g := range f.gens {
		g.trimTo(math.MaxInt64/2, db)
		delete(db.runs, g.id)
	}
	f.mu.Unlock()
	return db.given("deleting", name)
}

// given makes a trim or delete durable, then removes segments without live
// blocks. One that could not be read to the end is kept: somebody may read it
// yet.
func (db *DB) given(doing, name string) error {
	db.catalogDirty = true
	if err := db.saveCatalog(); err != nil {
		return fmt.Errorf("%s %s: %w", doing, name, err)
	}
	live := map[*segment]bool{}
	for _, o := range db.generations() {
		o.f.mu.Lock()
		for _, r := range o.g.runs {
			live[r.seg] = true
		}
		o.f.mu.Unlock()
	}
	var errs []error
	db.segments = slices.DeleteFunc(db.segments, func(s *segment) bool {
		if live[s] || s == db.active || !s.sealed || s.damaged {
			return false
		}
		db.nextSegment = max(db.nextSegment, s.num+1)
		err := db.fs.Remove(filepath.Join(db.dir, indexName(s.num)))
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = db.fs.Remove(filepath.Join(db.dir, segmentName(s.num)))
		}
		errs = append(errs, err)
		return err == nil
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s %s: %w", doing, name, err)
	}
	return nil
}
