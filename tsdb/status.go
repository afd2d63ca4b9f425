package tsdb

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

const maxQuarantined = 256

// statusBook keeps what Status tells.
type statusBook struct {
	mu        sync.Mutex
	troubles  map[string]error // by part; at most one each
	durable   time.Time
	day       int64
	today     int64 // bytes; also yesterday and total
	yesterday int64
	todayFl   int64
	total     int64
	flushes   int64
	parked    []Parked
	parkedN   int64
	doubted   bool
	lost      int64
	bad       []Range
	badMore   int
}

// trouble notes that a part fails; only a change is logged.
func (s *statusBook) trouble(log *slog.Logger, part string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.troubles == nil {
		s.troubles = map[string]error{}
	}
	old := s.troubles[part]
	s.troubles[part] = err
	if old == nil || old.Error() != err.Error() {
		log.Warn("storage trouble", "of", part, "error", err)
	}
}

func (s *statusBook) resolved(log *slog.Logger, part string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.troubles[part] != nil {
		delete(s.troubles, part)
		log.Info("storage trouble is over", "of", part)
	}
}

func (s *statusBook) quarantine(log *slog.Logger, r Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.bad, r) {
		return
	}
	if len(s.bad) >= maxQuarantined {
		s.badMore++
		return
	}
	s.bad = append(s.bad, r)
	log.Error("part of the readings cannot be read", "feed", r.Feed, "from", r.From, "to", r.To, "why", r.Why)
}

func (s *statusBook) park(log *slog.Logger, p Parked) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.parked) >= maxParked {
		s.parked = slices.Delete(s.parked, 0, maxParked/8)
	}
	s.parked = append(s.parked, p)
	s.parkedN++
	if !s.doubted {
		s.doubted = true
		log.Warn("points are parked", "feed", p.Feed, "at", p.At, "why", p.Why)
	}
	return fmt.Errorf("%s: %s: %w", p.Feed, p.Why, ErrParked)
}

func (s *statusBook) parkedPoints() []Parked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.parked)
}

func (s *statusBook) takeParked() []Parked {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parked
	s.parked, s.doubted = nil, false
	return p
}

func (s *statusBook) setDurable(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.After(s.durable) {
		s.durable = t
	}
}

func (s *statusBook) durableTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable
}

func (s *statusBook) lose(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += n
}

// Status tells how the engine is.
func (db *DB) Status() Status {
	db.mu.Lock()
	var used, size int64
	if db.ring != nil {
		used, size = db.ring.used(), db.ring.size
	}
	db.mu.Unlock()
	unsaved := 0
	for _, f := range *db.feeds.Load() {
		f.mu.Lock()
		unsaved += f.unsaved()
		f.mu.Unlock()
	}
	s := &db.st
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Status{
		Durable: s.durable, BytesToday: s.today, BytesYesterday: s.yesterday, FlushesToday: s.todayFl, BytesTotal: s.total, Flushes: s.flushes,
		Unsaved: unsaved, Parked: len(s.parked), ParkedTotal: s.parkedN, LostPoints: s.lost,
		RingUsed: used, RingSize: size, Quarantined: slices.Clone(s.bad),
	}
	if len(s.bad) > 0 {
		out.State = StateDamaged
		out.Reasons = append(out.Reasons, fmt.Sprintf("%d stretches cannot be read", len(s.bad)+s.badMore))
	}
	for part, err := range s.troubles {
		out.State = max(out.State, stateOf(err))
		out.Reasons = append(out.Reasons, part+": "+err.Error())
		out.Troubles = append(out.Troubles, Trouble{part, err.Error()})
	}
	slices.SortFunc(out.Troubles, func(a, b Trouble) int { return strings.Compare(a.Part, b.Part) })
	slices.Sort(out.Reasons)
	if db.readOnly {
		out.State = StateReadOnly
	}
	return out
}

func stateOf(err error) State {
	switch {
	case isReadOnly(err):
		return StateReadOnly
	case isFull(err):
		return StateDiskFull
	}
	return StateDamaged
}

// unsaved counts the points a power cut would take. f.mu is held.
func (f *feed) unsaved() (n int) {
	for _, g := range f.gens {
		for _, h := range g.hot {
			n += h.dirty.count() + h.flight.count()
		}
		for _, p := range g.packed {
			n += p.unsaved
		}
	}
	return n
}
