package hub

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// LocalTime is a time of day on the house's wall clock, in minutes after
// midnight, 0 to 1439. In JSON it is "07:00".
type LocalTime int

// String is the time as hh:mm.
func (t LocalTime) String() string { return fmt.Sprintf("%02d:%02d", t/60, t%60) }

// MarshalText makes "07:00" of it.
func (t LocalTime) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads "07:00" or "7:00".
func (t *LocalTime) UnmarshalText(b []byte) error {
	at, err := time.Parse("15:04", string(b))
	if err != nil {
		return FieldErrorf("ready_by", "%q is not a time of day like 07:00", b)
	}
	*t = LocalTime(at.Hour()*60 + at.Minute())
	return nil
}

// On is the instant at which the wall clock shows t on the date of day in
// day's zone. A time that the spring change skips is the first instant after
// the gap; one that autumn brings twice is its first occurrence.
func (t LocalTime) On(day time.Time) time.Time {
	y, m, d := day.Date()
	at := time.Date(y, m, d, int(t/60), int(t%60), 0, 0, day.Location())
	if at.Hour()*60+at.Minute() != int(t) {
		// The clock skips t on this day, and time.Date picked a neighbour.
		return gapEnd(at)
	}
	if before := at.Add(-3 * time.Hour); offset(before) > offset(at) {
		// The clock went back shortly before: the same wall time came
		// earlier with the larger offset.
		if first := at.Add(time.Duration(offset(at)-offset(before)) * time.Second); sameWall(first, at) {
			return first
		}
	}
	return at
}

func offset(t time.Time) int { _, o := t.Zone(); return o }

func sameWall(a, b time.Time) bool {
	return a.Hour() == b.Hour() && a.Minute() == b.Minute() && a.Day() == b.Day()
}

// gapEnd is the first instant after the clock change near at, found by
// halving: two changes are never within two days of each other.
func gapEnd(at time.Time) time.Time {
	lo, hi := at.Add(-26*time.Hour), at.Add(26*time.Hour)
	want := offset(hi)
	for hi.Sub(lo) > time.Second {
		mid := lo.Add(hi.Sub(lo) / 2)
		if offset(mid) == want {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi.Truncate(time.Second)
}

// Weekdays is a set of days, bit 0 = Sunday as in time.Weekday. The empty set
// means once. In JSON it is a list like ["mon","tue"].
type Weekdays uint8

// Workdays are Monday to Friday.
const Workdays = Weekdays(1<<time.Monday | 1<<time.Tuesday | 1<<time.Wednesday | 1<<time.Thursday | 1<<time.Friday)

// EveryDay is all seven.
const EveryDay = Weekdays(0x7f)

var weekdayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Has says whether d is in the set.
func (w Weekdays) Has(d time.Weekday) bool { return w&(1<<d) != 0 }

// Names are the days of the set from Monday on, as in JSON.
func (w Weekdays) Names() []string {
	names := []string{}
	for i := range 7 {
		if d := time.Weekday((i + 1) % 7); w.Has(d) {
			names = append(names, weekdayNames[d])
		}
	}
	return names
}

// MarshalJSON writes the names.
func (w Weekdays) MarshalJSON() ([]byte, error) { return json.Marshal(w.Names()) }

// UnmarshalJSON reads names; their order and case do not matter.
func (w *Weekdays) UnmarshalJSON(b []byte) error {
	var names []string
	if err := json.Unmarshal(b, &names); err != nil {
		return FieldErrorf("days", "must be a list of days such as [\"mon\",\"tue\"]")
	}
	*w = 0
	for _, name := range names {
		d, err := ParseWeekday(name)
		if err != nil {
			return err
		}
		*w |= 1 << d
	}
	return nil
}

// ParseWeekday reads mon, tue, wed, thu, fri, sat, sun.
func ParseWeekday(name string) (time.Weekday, error) {
	for d, n := range weekdayNames {
		if strings.EqualFold(n, name) {
			return time.Weekday(d), nil
		}
	}
	return 0, FieldErrorf("days", "%q is not one of mon, tue, wed, thu, fri, sat, sun", name)
}

// When is what a run waits for.
type When string

// What a run may wait for.
const (
	WhenCheapest When = ""        // the cheapest time before ReadyBy
	WhenNow      When = "now"     // nothing: it begins when it is set, once
	WhenSurplus  When = "surplus" // power that would go to the grid; it ends at ReadyBy, done or not
)

// nowLasts is how long a run that begins at once may take: a car's 100 kWh at
// 6 A on one phase last three days.
const nowLasts = 72 * time.Hour

// Schedule is a wish like an alarm clock's: so much, ready by then, on these
// days. One of Minutes, Energy and SoC says how much; only a run on surplus
// may leave it open and then takes what there is.
type Schedule struct {
	When    When      `json:"when,omitempty"`
	ReadyBy LocalTime `json:"ready_by"`            // WhenNow: has no meaning
	Minutes int       `json:"minutes,omitempty"`   // how long to run
	Energy  WattHour  `json:"energy_wh,omitempty"` // or how much to deliver
	// SoC is the state of charge to reach, in %, of a device whose Battery is
	// known. Energy may stand beside it: it counts while nobody reports the
	// state of charge.
	SoC int `json:"until_soc,omitempty"`
	// Keep is a temperature to keep instead of an amount to deliver: ReadyBy
	// and MayPause have no meaning then.
	Keep Band `json:"keep,omitzero"`
	// MayPause lets the plan split the run over several cheap stretches.
	MayPause bool     `json:"may_pause"`
	Days     Weekdays `json:"days"` // empty: once, at the next ReadyBy
	// SetAt is when the owner made it: a one-off is due at the first ReadyBy
	// after it and never again.
	SetAt time.Time `json:"set_at,omitzero"`
	// Skip names one deadline that is left out ("skip next").
	Skip time.Time `json:"skip,omitzero"`
	// PausedUntil holds the rule back for all deadlines before it.
	PausedUntil time.Time `json:"paused_until,omitzero"`
}

// NowEnds is the latest end of a run that begins when it is set.
func (s *Schedule) NowEnds() time.Time { return s.SetAt.Add(nowLasts) }

// Open says whether the schedule names no amount: it takes what there is.
func (s *Schedule) Open() bool { return s.Minutes == 0 && s.Energy == 0 && s.SoC == 0 }

// Validate checks a schedule from outside.
func (s *Schedule) Validate() error {
	switch s.When {
	case WhenCheapest, WhenSurplus:
	case WhenNow:
		if s.Days != 0 {
			return FieldErrorf("days", "must be empty for a run that begins now")
		}
	default:
		return FieldErrorf("when", "%q is not one of now, surplus, or empty for the cheapest time", s.When)
	}
	if s.Keeps() {
		return s.validateKeep()
	}
	if s.ReadyBy < 0 || s.ReadyBy >= 24*60 {
		return FieldErrorf("ready_by", "must be a time of day from 00:00 to 23:59")
	}
	return s.validateAmount()
}

func (s *Schedule) validateAmount() error {
	switch {
	case s.SoC < 0 || s.SoC > 100:
		return FieldErrorf("until_soc", "must be 1 to 100 %%")
	case s.Minutes < 0 || s.Energy < 0 || s.Minutes > 0 && s.Energy > 0 || s.Minutes > 0 && s.SoC > 0:
		return FieldErrorf("minutes", "give either minutes, or energy_wh, or until_soc, above 0")
	case s.Open() && s.When != WhenSurplus:
		return FieldErrorf("minutes", "give either minutes or energy_wh, above 0")
	case s.Minutes > 24*60:
		return FieldErrorf("minutes", "must be at most 1440 (a day)")
	case s.Energy > 200_000:
		return FieldErrorf("energy_wh", "must be at most 200000 (200 kWh)")
	}
	return nil
}
