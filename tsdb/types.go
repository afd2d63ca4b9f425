package tsdb

import (
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrParked: the point's time cannot be believed (the clock is not vouched
	// for, or it lies more than an hour ahead); it waits in a bounded list, see
	// [DB.Parked], and is stored nowhere else.
	ErrParked = errors.New("tsdb: point parked")
	// ErrNoFeed: no feed of that name was created.
	ErrNoFeed = errors.New("tsdb: no such feed")
	// ErrValue: not a number, or infinite.
	ErrValue = errors.New("tsdb: value is not finite")
	// ErrLocked: another process has the folder open.
	ErrLocked = errors.New("tsdb: folder is in use")
	// ErrReadOnly: the folder cannot be written; points are kept in RAM only.
	ErrReadOnly = errors.New("tsdb: folder is read-only")
	// ErrBacklog: RAM for points outside the newest blocks is used up until
	// the next Flush succeeds.
	ErrBacklog = errors.New("tsdb: too many unsaved blocks")
	// ErrTooMany: the query would return more than MaxPoints points.
	ErrTooMany = errors.New("tsdb: query asks for too many points")
	// ErrClosed: the database was closed.
	ErrClosed = errors.New("tsdb: closed")
	// ErrConfig: a feed or query that makes no sense.
	ErrConfig = errors.New("tsdb: bad configuration")
)

// MaxPoints is the most points one Query returns.
const MaxPoints = 4 << 20

// Kind says what arithmetic makes sense on a feed.
type Kind uint8

// The kinds of a feed.
const (
	// Power: a level, of which a mean over time matters (W, °C, V).
	Power Kind = iota
	// Counter: a total that only rises, of which a difference matters (Wh, m³).
	Counter
)

// String names the kind.
func (k Kind) String() string {
	if k == Counter {
		return "counter"
	}
	return "power"
}

// FeedConfig describes a feed.
type FeedConfig struct {
	Name     string
	Interval time.Duration // whole seconds, 1 s to 24 h
	Kind     Kind
	Decimals int // digits after the point values usually have, 0 to 9; a hint, storage is lossless anyway
	Unit     string
}

func (c FeedConfig) check() error {
	if c.Name == "" || len(c.Name) > 128 || !utf8.ValidString(c.Name) {
		return fmt.Errorf("feed name %q must have 1 to 128 bytes of UTF-8: %w", c.Name, ErrConfig)
	}
	for _, r := range c.Name {
		if unicode.IsControl(r) {
			return fmt.Errorf("feed name %q has a control character: %w", c.Name, ErrConfig)
		}
	}
	if c.Interval < time.Second || c.Interval > 24*time.Hour || c.Interval%time.Second != 0 {
		return fmt.Errorf("interval %v of feed %s is not whole seconds from 1 s to 24 h: %w", c.Interval, c.Name, ErrConfig)
	}
	if c.Kind > Counter {
		return fmt.Errorf("kind %d of feed %s is unknown: %w", c.Kind, c.Name, ErrConfig)
	}
	if c.Decimals < 0 || c.Decimals > maxScale {
		return fmt.Errorf("decimals %d of feed %s are not 0 to %d: %w", c.Decimals, c.Name, maxScale, ErrConfig)
	}
	return nil
}

// Feed tells what is known of one feed.
type Feed struct {
	FeedConfig
	First       time.Time // time of the oldest point
	Last        time.Time // time of the newest point, in RAM or on the card
	Points      int64
	Bytes       int64     // in segments; the ring is shared
	Durable     time.Time // newest point that survives a power cut
	Generations int       // one more per change of interval
}

// Aggregate says what a Query makes of the points of a step.
type Aggregate uint8

// The aggregates.
const (
	// Raw: the points themselves. Without a step a run of missing points is
	// one Point with OK false; with a step, the value that holds at its start.
	Raw Aggregate = iota
	// Mean: of the points present, each weighted by its interval.
	Mean
	// Min: the smallest point.
	Min
	// Max: the largest point.
	Max
	// Delta: how much a counter rose, its value at both boundaries being
	// interpolated. A fall of the counter (a new meter, a restart) adds
	// nothing. See Query.MaxGap.
	Delta
)

// Calendar makes the steps of a Query local days, weeks, months or years.
type Calendar uint8

// The calendars. Weeks begin on Monday.
const (
	None Calendar = iota
	Day
	Week
	Month
	Year
)

// Query asks for the points of [Start, End).
type Query struct {
	Start, End time.Time
	Step       time.Duration  // steps begin at Start; ignored with a Calendar
	Calendar   Calendar       // steps begin with the day, week … that holds Start
	Location   *time.Location // of the calendar; nil means UTC
	Of         Aggregate
	// MaxGap is the longest stretch without points over which Delta
	// interpolates a counter at a boundary; beyond it the steps on both sides
	// are gaps, because nobody knows when the energy was used. 0 means 3 h (or
	// 2 intervals, if that is longer), negative means no limit.
	MaxGap time.Duration
}

// Point is a value at a time.
type Point struct {
	At    time.Time
	Value float64
	OK    bool // false: nothing is known here
}

// State sums a Status up in a word.
type State uint8

// The states, the worst last.
const (
	StateOK       State = iota
	StateDamaged        // something on the card cannot be read; the rest serves
	StateDiskFull       // no room; the ring and RAM still take points
	StateReadOnly       // the folder cannot be written; RAM still takes points
)

// String names the state.
func (s State) String() string {
	return [...]string{"ok", "damaged", "disk full", "read-only"}[s&3]
}

// Range is a stretch of a feed that cannot be read.
type Range struct {
	Feed string    `json:"feed"` // empty if not known
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	Why  string    `json:"why"`
}

// Trouble is a part that cannot do its work now; it is tried again with every
// Flush.
type Trouble struct {
	// Part is what fails: "folder" or "ring", and nothing is stored;
	// "catalog", and new feeds are not; or "segments", and points stay in the
	// ring.
	Part string `json:"part"`
	Why  string `json:"why"`
}

// Status tells how the engine is.
type Status struct {
	State          State     `json:"state"`
	Reasons        []string  `json:"reasons,omitempty"`
	Troubles       []Trouble `json:"troubles,omitempty"` // what cannot be written now; in Reasons too
	Durable        time.Time `json:"durable,omitzero"`
	BytesToday     int64     `json:"bytes_today"`     // handed to the card since midnight UTC, or since Open
	BytesYesterday int64     `json:"bytes_yesterday"` // on the UTC day before; 0 if not known
	FlushesToday   int64     `json:"flushes_today"`
	BytesTotal     int64     `json:"bytes_total"` // since Open
	Flushes        int64     `json:"flushes"`
	Unsaved        int       `json:"unsaved"` // points a power cut would lose now
	Parked         int       `json:"parked"`
	ParkedTotal    int64     `json:"parked_total"`
	LostPoints     int64     `json:"lost_points"` // given up because RAM was full too
	RingUsed       int64     `json:"ring_used"`   // bytes
	RingSize       int64     `json:"ring_size"`
	Quarantined    []Range   `json:"quarantined,omitempty"`
}
