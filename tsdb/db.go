package tsdb

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	ahead      = time.Hour // points further in the future are parked
	maxParked  = 1024
	maxHot     = 512     // hot blocks beside the open ones: 13 MiB at most
	maxPacked  = 4 << 20 // bytes of closed blocks kept in RAM while the card takes none
	batchBytes = 64 << 10
	// minTime and maxTime bound what a point's time may be: the years 1900 to
	// 2200. Anything else is a broken clock.
	minTime = -2208988800
	maxTime = 7258118400
)

// Config says where and how to keep the data.
type Config struct {
	// Dir is the data folder; it is made if it is not there.
	Dir string
	// Window is the pace at which the caller flushes, 1 s to 1 h; 0 means 60 s.
	Window time.Duration
	// Now is the clock of the house; nil means time.Now.
	Now func() time.Time
	// Trusted tells whether somebody vouches for the clock; nil means always.
	Trusted func() bool
	// Logger takes a line per change of state; nil discards.
	Logger *slog.Logger
	// FS is the file layer; nil means the machine's.
	FS FS
	// Ring says where the ring is; the zero value is a 2 MiB file in Dir.
	Ring RingConfig
	// Cache is how many bytes of RAM keep values that were read lately; 0 means
	// 2 MiB, negative none.
	Cache int64
	// ReadOnly opens without writing anything and without the lock, also
	// beside a process that writes: it shows what was durable then.
	ReadOnly bool
}

// RingConfig says where the ring is.
type RingConfig struct {
	// Path is a file, or a raw partition whose first 4 KiB are zero or this
	// folder's ring; empty means the file "ring" in Dir.
	Path string
	// Size in bytes, for a ring that is not there yet; 0 means 2 MiB.
	Size int64
}

// DB is an open data folder. All methods may be called from any goroutine.
type DB struct {
	dir     string
	fs      FS
	now     func() time.Time
	trusted func() bool
	log     *slog.Logger
	ringCfg RingConfig
	window  time.Duration

	feeds   atomic.Pointer[map[string]*feed]
	closed  atomic.Bool
	seen    atomic.Int64 // what the clock showed last, Unix nanoseconds; set back by Flush if the clock was
	hot     atomic.Int64 // hot blocks made since the last Flush, beside open ones
	cache   stepCache
	columns columnCache
	blocks  blockCache

	// mu orders everything that writes. Append and Query do not take it.
	mu           sync.Mutex
	id           uint64
	serial       uint64
	nextGen      uint32
	readOnly     bool // asked for, not found
	lock         io.Closer
	ring         *ring
	ringFile     File
	segments     []*segment
	active       *segment             // the last of segments, if it may be appended to
	runs         map[uint32]*blockRun // of the active segment
	catalogDirty bool
	packedBytes  int
	batchBytes   int // closed blocks are written when they are this many
	segmentSize  int64
	maxPacked    int // bytes of closed blocks kept in RAM while the card takes none
	nextSegment  int // numbers below were used
	record       []byte
	vals         cells

	holes []hole // found while opening

	st statusBook
}

// Create makes a feed, or brings an existing one up to date. A changed
// interval starts a new generation after the last point: what was stored
// stays as it is, and queries span both.
func (db *DB) Create(cfg FeedConfig) error {
	if err := cfg.check(); err != nil {
		return err
	}
	if db.closed.Load() {
		return ErrClosed
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	old := *db.feeds.Load()
	f := old[cfg.Name]
	if f == nil {
		f = &feed{name: cfg.Name, cfg: cfg, order: db.nextGen}
		f.gens = []*generation{db.newGeneration(int64(cfg.Interval/time.Second), 0)}
		next := make(map[string]*feed, len(old)+1)
		for k, v := range old {
			next[k] = v
		}
		next[cfg.Name] = f
		db.feeds.Store(&next)
	} else if !db.change(f, cfg) {
		return nil
	}
	db.catalogDirty = true
	if err := db.saveCatalog(); err != nil {
		db.st.trouble(db.log, "catalog", err)
	}
	return nil
}

func (db *DB) newGeneration(interval, phase int64) *generation {
	g := newGeneration(catalogGen{ID: db.nextGen, Interval: interval, Phase: phase})
	db.nextGen++
	return g
}

// change applies a new configuration and reports whether there was anything
// to change.
func (db *DB) change(f *feed, cfg FeedConfig) bool {
	f.mu.Lock()
	same := f.cfg == cfg
	last := f.gens[len(f.gens)-1]
	f.mu.Unlock()
	if same {
		return false
	}
	interval := int64(cfg.Interval / time.Second)
	var next *generation
	if interval != last.interval {
		next = db.newGeneration(interval, 0)
		if at, ok := db.lastSlot(f, last); ok {
			next.from = last.time(at + 1)
		} else {
			next.from = last.from
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cfg = cfg
	if next != nil {
		f.gens = append(slices.Clip(f.gens), next)
	}
	return true
}

// Append puts a point into RAM: no system call, and no allocation but for the
// first point of a block or one out of order. A second point in a slot
// replaces the first. It returns ErrParked for a point whose time cannot be
// believed, ErrNoFeed, ErrValue, or ErrBacklog when points far apart in the
// past came faster than Flush.
func (db *DB) Append(name string, at time.Time, v float64) error {
	if db.closed.Load() {
		return ErrClosed
	}
	f := (*db.feeds.Load())[name]
	if f == nil {
		return fmt.Errorf("appending to %s: %w", name, ErrNoFeed)
	}
	if v-v != 0 {
		return fmt.Errorf("appending to %s: %w", name, ErrValue)
	}
	if why := db.doubt(at); why != "" {
		return db.st.park(db.log, Parked{Feed: name, At: at, Value: v, Why: why})
	}
	return db.put(f, at, v)
}

func (db *DB) put(f *feed, at time.Time, v float64) error {
	unix := at.Unix()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return fmt.Errorf("appending to %s: %w", f.name, ErrNoFeed)
	}
	g := f.generation(unix)
	slot := g.slot(unix)
	if slot < g.trim {
		return fmt.Errorf("appending to %s before its trimmed start: %w", f.name, ErrValue)
	}
	if !f.put(g, slot, math.Float64bits(v), db.room) {
		return fmt.Errorf("appending to %s: %w", f.name, ErrBacklog)
	}
	f.newest = max(f.newest, at.UnixNano())
	return nil
}

// room says whether another block out of order may be kept in RAM.
func (db *DB) room() bool { return db.hot.Add(1) <= maxHot }

// doubt says why a point's time cannot be believed. The clock is not read for
// points older than what it showed already: a year of the past is appended in
// half the time.
func (db *DB) doubt(at time.Time) string {
	unix := at.Unix()
	switch {
	case !db.trusted():
		return "nobody vouches for the clock"
	case unix < minTime || unix > maxTime:
		return "not a time of this world"
	case at.UnixNano() <= db.seen.Load():
		return ""
	}
	now := db.now()
	db.seen.Store(now.UnixNano())
	if at.After(now.Add(ahead)) {
		return "more than an hour in the future"
	}
	return ""
}

// Parked is a point whose time could not be believed.
type Parked struct {
	Feed  string    `json:"feed"`
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
	Why   string    `json:"why"`
}

// Parked lists the points that wait for Release, oldest first.
func (db *DB) Parked() []Parked { return db.st.parkedPoints() }

// Release appends the parked points, moved by shift, now that somebody knows
// how wrong the clock was. Points that still cannot be believed stay parked.
// It returns how many were stored.
func (db *DB) Release(shift time.Duration) (stored int) {
	for _, p := range db.st.takeParked() {
		if db.Append(p.Feed, p.At.Add(shift), p.Value) == nil {
			stored++
		}
	}
	return stored
}

// Discard drops the parked points and returns how many there were.
func (db *DB) Discard() int { return len(db.st.takeParked()) }

// Window is the pace at which the caller promised to flush.
func (db *DB) Window() time.Duration { return db.window }

// Durable is the time of the newest point that survives a power cut. Every
// Append that returned nil before the last successful Flush began is safe,
// whatever its time.
func (db *DB) Durable() time.Time { return db.st.durableTime() }

// saveCatalog writes the catalogue if it changed. db.mu is held.
func (db *DB) saveCatalog() error {
	if !db.catalogDirty {
		return nil
	}
	if db.readOnly || db.lock == nil {
		return ErrReadOnly
	}
	c := db.catalog()
	c.Serial++
	if err := saveCatalog(db.fs, db.dir, c); err != nil {
		return err
	}
	db.serial = c.Serial
	db.catalogDirty = false
	for _, f := range *db.feeds.Load() {
		f.mu.Lock()
		for _, g := range f.gens {
			g.saved = true
		}
		f.mu.Unlock()
	}
	db.st.resolved(db.log, "catalog")
	return nil
}

// catalog describes the feeds as they are. db.mu is held.
func (db *DB) catalog() *catalog {
	c := &catalog{Format: 1, ID: db.id, Serial: db.serial, NextGen: db.nextGen}
	for _, f := range db.sorted() {
		f.mu.Lock()
		cf := catalogFeed{Name: f.name, Kind: f.cfg.Kind, Decimals: f.cfg.Decimals, Unit: f.cfg.Unit}
		for _, g := range f.gens {
			cf.Generations = append(cf.Generations, g.describe())
		}
		f.mu.Unlock()
		c.Feeds = append(c.Feeds, cf)
	}
	return c
}

// sorted are the feeds by their oldest generation's number.
func (db *DB) sorted() []*feed {
	feeds := *db.feeds.Load()
	list := make([]*feed, 0, len(feeds))
	for _, f := range feeds {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *feed) int { return compare(int64(a.order), int64(b.order)) })
	return list
}

func newID() uint64 { return rand.Uint64() | 1 }
