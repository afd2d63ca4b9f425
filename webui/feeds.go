package webui

import (
	"context"
	"time"
)

// Feeds is the history of the house. Its implementation lives over the
// time-series engine in cmd/homehub.
type Feeds interface {
	// Feeds lists all feeds.
	Feeds() []Feed
	// Points are the values of a feed. An unknown feed is a hub.NotFound
	// error.
	Points(ctx context.Context, feed string, q Query) ([]Point, error)
	// Durable is the watermark: everything up to it survives a power cut.
	// It is zero before anything is durable.
	Durable() time.Time
}

// Feed is one series of values.
type Feed struct {
	Name     string
	Title    string // for people
	Unit     string
	Counter  bool          // only rises; differences matter, not means
	Interval time.Duration // between two values
	First    time.Time     // of the first value; zero while there is none
	Last     time.Time     // of the last value
	Value    float64       // the last value
}

// Calendar is a step that follows the house's calendar, so that a day has 23,
// 24 or 25 hours.
type Calendar string

// The steps by calendar. Weeks begin on Monday (ISO 8601).
const (
	CalendarNone  Calendar = ""
	CalendarDay   Calendar = "day"
	CalendarWeek  Calendar = "week"
	CalendarMonth Calendar = "month"
	CalendarYear  Calendar = "year"
)

// Aggregate says what becomes of the values that fall into one step.
type Aggregate string

// The aggregates.
const (
	AggregateRaw   Aggregate = "raw"   // the value that is stored first in the step
	AggregateMean  Aggregate = "mean"  // mean of the values that are there
	AggregateMin   Aggregate = "min"   // smallest
	AggregateMax   Aggregate = "max"   // largest
	AggregateDelta Aggregate = "delta" // counter: how far it rose during the step
)

// Query is a question to a feed's history.
type Query struct {
	// Start and End bound the time asked for, End excluded. Both are in the
	// house's zone, which is therefore the zone of the Calendar.
	Start, End time.Time
	// Step is the length of a step, counted from Start; 0 is the feed's own
	// interval. A Calendar overrides it; its steps are whole days (weeks,
	// ...) and the first is the one that holds Start.
	Step      time.Duration
	Calendar  Calendar
	Aggregate Aggregate // "" is AggregateRaw
}

// Point is the answer for one step. OK is false where nothing is stored.
type Point struct {
	At    time.Time // start of the step
	Value float64
	OK    bool
}
