package tsdb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"
)

// Open opens a data folder, or makes it. It returns an error only if the
// configuration makes no sense or another process has the folder
// ([ErrLocked]); whatever is wrong with the folder itself, it serves what can
// be read, keeps taking points in RAM, and says so in Status.
func Open(cfg Config) (*DB, error) {
	if cfg.ReadOnly {
		return openBeside(cfg)
	}
	db, err := newDB(cfg)
	if err != nil {
		return nil, err
	}
	return db.open(cfg)
}

func (db *DB) open(cfg Config) (*DB, error) {
	db.st.tick(db.now())
	err := db.fs.MkdirAll(db.dir)
	if err == nil {
		db.lock, err = db.fs.Lock(db.dir)
	}
	if errors.Is(err, ErrLocked) {
		return nil, err
	}
	db.note("folder", err)
	db.load()
	db.note("folder", db.openForWriting())
	db.closeBlocks(false) // of the ring's points only the newest block stays open
	db.reportHoles()
	db.note("segments", db.indexTorn())
	return db, nil
}

func newDB(cfg Config) (*DB, error) {
	if cfg.Dir == "" {
		return nil, fmt.Errorf("no data folder given: %w", ErrConfig)
	}
	if cfg.Window == 0 {
		cfg.Window = time.Minute
	}
	if cfg.Window < time.Second || cfg.Window > time.Hour {
		return nil, fmt.Errorf("window %v is not 1 s to 1 h: %w", cfg.Window, ErrConfig)
	}
	db := &DB{
		dir: cfg.Dir, fs: cfg.FS, now: cfg.Now, trusted: cfg.Trusted, log: cfg.Logger, ringCfg: cfg.Ring,
		window: cfg.Window, readOnly: cfg.ReadOnly, batchBytes: batchBytes, segmentSize: segmentSize, maxPacked: maxPacked, nextGen: 1, nextSegment: 1, runs: map[uint32]*blockRun{},
	}
	if db.fs == nil {
		db.fs = osFS{}
	}
	db.fs = countedFS{db.fs, &db.st}
	if db.now == nil {
		db.now = time.Now
	}
	if db.trusted == nil {
		db.trusted = func() bool { return true }
	}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.ringCfg.Size == 0 {
		db.ringCfg.Size = defaultRing
	}
	if cfg.Cache == 0 {
		cfg.Cache = defaultCache
	}
	db.blocks.max = int(max(0, cfg.Cache) / cachedSize)
	db.feeds.Store(&map[string]*feed{})
	return db, nil
}

func (db *DB) ringPath() string {
	if db.ringCfg.Path != "" {
		return db.ringCfg.Path
	}
	return filepath.Join(db.dir, "ring")
}

// load reads the catalogue and finds the segments.
func (db *DB) load() {
	c, damage := loadCatalog(db.fs, db.dir)
	names, err := db.fs.ReadDir(db.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		db.st.trouble(db.log, "folder", err)
	}
	var found []*segment
	for _, name := range names {
		if num, ok := segmentNumber(name); ok {
			db.nextSegment = max(db.nextSegment, num+1)
			if s := db.openSegment(num); s != nil {
				found = append(found, s)
			}
		}
	}
	if c == nil {
		c = db.rebuildCatalog(found)
		if len(found) > 0 {
			damage = append(damage, "catalogue is lost, the copy in a segment is used")
		}
		db.catalogDirty = true
	}
	for _, why := range damage {
		db.st.quarantine(db.log, Range{Why: why})
	}
	db.adoptCatalog(c)
	gens := db.generations()
	for i, s := range found {
		db.loadSegment(s, i == len(found)-1, gens)
	}
}

func (db *DB) openSegment(num int) *segment {
	f, err := db.fs.OpenFile(filepath.Join(db.dir, segmentName(num)), OpenRead)
	if err == nil {
		size, err2 := f.Size()
		if err2 == nil {
			return &segment{num: num, f: f, size: size}
		}
		err = err2
		f.Close()
	}
	db.st.quarantine(db.log, Range{Why: fmt.Sprintf("opening %s: %v", segmentName(num), err)})
	return nil
}

// rebuildCatalog takes the newest copy that a segment holds.
func (db *DB) rebuildCatalog(found []*segment) *catalog {
	best := &catalog{Format: 1, NextGen: 1}
	for _, s := range found {
		out, err := scanSegment(s)
		if err != nil || out.names == nil {
			continue
		}
		if c, err := decodeCatalog(out.names); err == nil && c.Serial >= best.Serial {
			best = c
		}
		for gen := range out.runs { // numbers once used are never used again
			best.NextGen = max(best.NextGen, gen+1)
		}
	}
	if best.ID == 0 {
		best.ID = newID()
	}
	return best
}

func (db *DB) adoptCatalog(c *catalog) {
	db.id, db.serial, db.nextGen = c.ID, c.Serial, max(c.NextGen, 1)
	feeds := map[string]*feed{}
	for _, cf := range c.Feeds {
		if len(cf.Generations) == 0 {
			continue
		}
		f := &feed{name: cf.Name, cfg: cf.config(), order: cf.Generations[0].ID}
		for _, cg := range cf.Generations {
			g := newGeneration(cg)
			g.saved = !db.catalogDirty
			f.gens = append(f.gens, g)
			db.nextGen = max(db.nextGen, g.id+1)
		}
		feeds[cf.Name] = f
	}
	db.feeds.Store(&feeds)
}

// owner is a generation and its feed.
type owner struct {
	f *feed
	g *generation
}

func (db *DB) generations() map[uint32]owner {
	m := map[uint32]owner{}
	for _, f := range *db.feeds.Load() {
		for _, g := range f.gens {
			m[g.id] = owner{f, g}
		}
	}
	return m
}

// loadSegment finds a segment's blocks: by its index, or by reading it. The
// last one is appended to further if it ends cleanly.
func (db *DB) loadSegment(s *segment, last bool, gens map[uint32]owner) {
	db.segments = append(db.segments, s)
	runs, err := readIndex(db.fs, db.dir, db.id, s)
	s.sealed = err == nil
	if err != nil {
		out, err := scanSegment(s)
		if err != nil {
			db.st.quarantine(db.log, Range{Why: fmt.Sprintf("reading %s: %v", segmentName(s.num), err)})
			return
		}
		if out.idOK && out.id != db.id {
			db.st.quarantine(db.log, Range{Why: segmentName(s.num) + " belongs to another folder"})
			return
		}
		for _, h := range out.holes {
			db.holes = append(db.holes, hole{s, h[0], h[1], h[0] >= out.end || len(out.runs) == 0})
		}
		for _, r := range out.runs {
			runs = append(runs, r)
		}
		if last && out.idOK && len(out.holes) == 0 && s.size < db.segmentSize {
			db.active = s
		}
	}
	for _, r := range runs {
		o, ok := gens[r.gen]
		if !ok { // a deleted feed's
			continue
		}
		o.g.runs = append(o.g.runs, r)
		if db.active == s {
			db.runs[r.gen] = r
		}
	}
}

// hole is a stretch of a segment that a scan could not read.
type hole struct {
	s        *segment
	from, to int64
	end      bool // nothing readable follows
}

// reportHoles names the holes that are damage and not a write cut short.
func (db *DB) reportHoles() {
	for _, h := range db.holes {
		last := h.s == db.segments[len(db.segments)-1]
		torn := last && h.end
		if db.ring != nil && len(db.ring.live) > 0 {
			m := db.ring.live[len(db.ring.live)-1].mark
			num := uint32(h.s.num)
			torn = num > m.segment || num == m.segment && h.from >= int64(m.size)
		}
		h.s.damaged = h.s.damaged || !torn
		if torn { // what was never promised ends the segment here
			h.s.size = min(h.s.size, h.from)
		} else {
			db.st.quarantine(db.log, Range{Why: fmt.Sprintf("%s cannot be read from byte %d to %d", segmentName(h.s.num), h.from, h.to)})
		}
	}
	db.holes = nil
}

// indexTorn seals segments that a power cut left without an index or with a
// torn end: nothing is appended to them, and the next Open need not read them.
// Damaged ones keep being read and named.
func (db *DB) indexTorn() error {
	if db.readOnly || db.ringFile == nil {
		return nil
	}
	var errs []error
	for _, s := range db.segments {
		if s == db.active || s.sealed || s.damaged {
			continue
		}
		var runs []*blockRun
		for _, o := range db.generations() {
			for _, r := range o.g.runs {
				if r.seg == s {
					runs = append(runs, r)
				}
			}
		}
		if len(runs) > 0 {
			errs = append(errs, db.index(s, runs))
		}
	}
	return errors.Join(errs...)
}

// openForWriting gets the folder ready to be written, or as far as possible.
func (db *DB) openForWriting() error {
	if db.lock == nil {
		if err := db.fs.MkdirAll(db.dir); err != nil {
			return fmt.Errorf("making the data folder: %w", err)
		}
		lock, err := db.fs.Lock(db.dir)
		if err != nil {
			return fmt.Errorf("locking the data folder: %w", err)
		}
		db.lock = lock
	}
	if err := db.reopenActive(); err != nil {
		return err
	}
	if db.serial == 0 {
		db.catalogDirty = true
	}
	if err := db.saveCatalog(); err != nil {
		return err
	}
	if db.ring != nil && db.ringFile != nil {
		return nil
	}
	return db.prepareRing()
}

// reopenActive opens the last segment for writing.
func (db *DB) reopenActive() error {
	s := db.active
	if s == nil || s.writable {
		return nil
	}
	f, err := db.fs.OpenFile(filepath.Join(db.dir, segmentName(s.num)), OpenWrite)
	if err != nil {
		return fmt.Errorf("opening segment %d: %w", s.num, err)
	}
	s.f.Close()
	s.f, s.writable = f, true
	return nil
}

// prepareRing opens the ring and takes over its points, or makes a new one. A
// ring that is not ours is never written to.
func (db *DB) prepareRing() error {
	path := db.ringPath()
	f, err := db.fs.OpenFile(path, OpenDirect)
	if err != nil {
		if db.ring == nil {
			if f, err2 := db.fs.OpenFile(path, OpenRead); err2 == nil {
				db.adoptRing(f)
			}
		}
		return fmt.Errorf("opening the ring: %w", err)
	}
	r, err := openRing(f, db.id)
	switch {
	case err == nil:
		db.replay(r, db.ring != nil)
	case errors.Is(err, errForeign) && db.ringCfg.Path != "":
		f.Close()
		db.st.quarantine(db.log, Range{Why: path + " holds something else and is left alone; the ring is a file instead"})
		db.ringCfg.Path = ""
		return db.prepareRing()
	case errors.Is(err, errForeign):
		f.Close()
		if err := db.setAside(path); err != nil {
			return err
		}
		return db.prepareRing()
	case errors.Is(err, io.EOF):
		if r, err = createRing(f, db.id, db.ringCfg.Size); err == nil {
			err = db.fs.SyncDir(db.dir)
		}
		if err != nil {
			f.Close()
			return fmt.Errorf("making the ring: %w", err)
		}
	default:
		f.Close()
		return fmt.Errorf("reading the ring: %w", err)
	}
	db.ring, db.ringFile = r, f
	return nil
}

// setAside renames a file that cannot be used. Nothing is ever deleted.
func (db *DB) setAside(path string) error {
	for i := 1; ; i++ {
		aside := fmt.Sprintf("%s.unread-%d", path, i)
		if f, err := db.fs.OpenFile(aside, OpenRead); err == nil {
			f.Close()
			continue
		}
		db.st.quarantine(db.log, Range{Why: filepath.Base(path) + " cannot be used and was renamed to " + filepath.Base(aside)})
		if err := db.fs.Rename(path, aside); err != nil {
			return fmt.Errorf("setting %s aside: %w", path, err)
		}
		return db.fs.SyncDir(db.dir)
	}
}

// adoptRing takes over the points of a ring that cannot be written.
func (db *DB) adoptRing(f File) {
	if r, err := openRing(f, db.id); err == nil {
		db.replay(r, false)
		db.ring = r
	}
}

// replay puts the points of the ring's records into RAM, oldest first. again
// says that this was done before, read-only, and only the book-keeping is due.
func (db *DB) replay(r *ring, again bool) {
	gens := db.generations()
	for _, s := range r.holes() {
		db.st.quarantine(db.log, Range{
			To: time.Unix(0, s.at).UTC(), Why: fmt.Sprintf("record %d of the ring is lost", s.prev),
		})
	}
	for _, s := range r.live {
		b, err := r.payload(s)
		if err == nil && !again {
			err = db.apply(b, s, gens)
		}
		if err != nil {
			db.st.quarantine(db.log, Range{To: time.Unix(0, s.at).UTC(), Why: fmt.Sprintf("record %d of the ring: %v", s.seq, err)})
		}
	}
	db.st.setDurable(r.durable())
}

func (db *DB) apply(b []byte, s span, gens map[uint32]owner) error {
	base := floorDiv(s.at, 1e9)
	for len(b) > 0 {
		r, rest, err := readRun(b, &db.vals)
		if err != nil {
			return err
		}
		b = rest
		o, ok := gens[r.gen]
		if !ok {
			if r.gen >= db.nextGen {
				db.st.quarantine(db.log, Range{Why: fmt.Sprintf("points of an unknown feed %d", r.gen)})
			}
			continue
		}
		slot := o.g.slot(base) + r.slot
		o.f.mu.Lock()
		for i, v := range r.vals {
			if at := slot + int64(i); at >= o.g.trim {
				o.f.restore(o.g, at, v, s.seq)
			}
		}
		o.f.mu.Unlock()
		if len(o.g.hot) > 64 {
			db.closeBlocks(false)
		}
	}
	return nil
}

// restore is put for a point that a record holds. A point that came since is
// newer and stays.
func (f *feed) restore(g *generation, slot int64, b uint64, seq uint64) {
	if h := g.hot[blockOf(slot)]; h != nil && h.dirty.has(int(slot&(blockLen-1))) {
		return
	}
	f.put(g, slot, b, func() bool { return true })
	h := g.hot[blockOf(slot)]
	h.dirty.unset(int(slot & (blockLen - 1)))
	if h.seq == 0 {
		h.seq = seq
	}
	f.durable = max(f.durable, g.time(slot)*1e9)
}

// Close flushes and lets go of the folder.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed.Load() {
		return nil
	}
	var err error
	if !db.readOnly {
		err = db.flush(db.now())
	}
	db.closed.Store(true)
	for _, s := range db.segments {
		s.f.Close()
	}
	for _, o := range db.generations() {
		for _, r := range o.g.runs {
			if r.idx != nil {
				r.idx.Close()
			}
		}
	}
	if db.ringFile != nil {
		db.ringFile.Close()
	}
	if db.lock != nil {
		err = errors.Join(err, db.lock.Close())
	}
	return err
}
