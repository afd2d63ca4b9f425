package hub

import (
	"fmt"
	"time"
)

// WhyKind is what kind of reason a plan has for the time of a device.
type WhyKind string

// The kinds of Why. Which fields count is said with each.
const (
	WhyNone     WhyKind = ""           // nothing is known
	WhyNothing  WhyKind = "nothing"    // the device needs nothing
	WhyCheapest WhyKind = "cheapest"   // From..To is the cheapest stretch of Takes before Deadline
	WhyTimes    WhyKind = "times"      // the Runs between From and To are the cheapest times for Energy before Deadline
	WhyAtOnce   WhyKind = "at_once"    // From..To is as early as it may, and no later time is cheaper
	WhyLate     WhyKind = "late"       // From..To: it cannot be ready by Deadline and is Late
	WhyShort    WhyKind = "short"      // Short of the energy will be missing at Deadline; Energy of it fits
	WhyNoRoom   WhyKind = "no_room"    // it cannot be fitted in at all
	WhyRunning  WhyKind = "running"    // runs until To, as it may not pause
	WhyBegun    WhyKind = "begun"      // a person wants it now: runs until To
	WhySurplus  WhyKind = "surplus"    // runs on surplus alone until Deadline
	WhyNoCar    WhyKind = "no_car"     // waits for a car to be connected
	WhyDeaf     WhyKind = "deaf"       // does not follow its commands; is tried again at To
	WhyWarm     WhyKind = "warm"       // on for Takes to keep a temperature between Coldest, at From, and Final
	WhyTooCold  WhyKind = "warm_short" // the same, and colder than Wanted because heat would cost more than it is worth
	WhyBlind    WhyKind = "blind"      // its temperature is not known since From, zero: never was; so it is off
	WhyPlain    WhyKind = "thermostat" // held between Wanted and Final by a thermostat, as what it does to the temperature is not understood
)

// Why says why the plan lets a device run when it does, as a value: pages word it in the reader's language, String in English.
type Why struct {
	Kind     WhyKind       `json:"kind,omitempty"`
	Now      time.Time     `json:"now,omitzero"`      // when the plan was made; times of another day are told with their weekday
	From     time.Time     `json:"from,omitzero"`     // start of the first run
	To       time.Time     `json:"to,omitzero"`       // end of the last
	Deadline time.Time     `json:"deadline,omitzero"` // zero: none within the plan
	Takes    time.Duration `json:"takes_ns,omitempty"`
	Late     time.Duration `json:"late_ns,omitempty"`
	Runs     int           `json:"runs,omitempty"`
	Energy   WattHour      `json:"energy_wh,omitempty"`
	Short    WattHour      `json:"short_wh,omitempty"`

	// What beginning at the first moment would cost more. Earliest is that moment, zero for now; TooMuch says that the connection cannot carry it.
	Earliest time.Time `json:"earliest,omitzero"`
	Extra    MicroEuro `json:"extra_microeuro,omitempty"`
	TooMuch  bool      `json:"too_much,omitempty"`

	Coldest float64 `json:"coldest_c,omitempty"`
	Final   float64 `json:"final_c,omitempty"`
	Wanted  float64 `json:"wanted_c,omitempty"`
}

// String is the reason in English, in the zone of Now.
func (w Why) String() string {
	switch w.Kind {
	case WhyNothing:
		return "needs nothing"
	case WhyCheapest:
		return fmt.Sprintf("%s is the cheapest %s %s", w.span(), Spell(w.Takes), w.before()) + w.instead()
	case WhyTimes:
		return fmt.Sprintf("%s, the cheapest times %s", w.delivered(), w.before()) + w.instead()
	case WhyAtOnce:
		return w.span() + ": as early as it may, no later time is cheaper"
	case WhyLate:
		return fmt.Sprintf("%s: cannot be ready by %s, %s late", w.span(), w.clock(w.Deadline), Spell(w.Late))
	case WhyShort:
		return w.short()
	case WhyNoRoom:
		return "does not run: it cannot be fitted in " + w.inTime()
	case WhyRunning:
		return fmt.Sprintf("runs until %s, as it may not pause", w.clock(w.To))
	case WhyBegun:
		return "runs now, until " + w.clock(w.To)
	case WhySurplus:
		return "runs on surplus alone until " + w.clock(w.Deadline)
	case WhyNoCar:
		return "waits for a car to be connected"
	case WhyDeaf:
		return "does not follow its commands; it is tried again at " + w.clock(w.To)
	case WhyWarm, WhyTooCold:
		return w.warm()
	case WhyBlind:
		if w.From.IsZero() {
			return "waits for a first temperature"
		}
		return fmt.Sprintf("off, as its temperature has not been heard since %s", w.clock(w.From))
	case WhyPlain:
		return fmt.Sprintf("a thermostat between %.1f and %.1f °C: it does not warm as expected when it is on", w.Wanted, w.Final)
	}
	return ""
}

func (w Why) inTime() string {
	if w.Deadline.IsZero() {
		return "before the plan ends"
	}
	return "before " + w.clock(w.Deadline)
}

func (w Why) before() string {
	if w.Deadline.IsZero() {
		return "of the plan"
	}
	return "before " + w.clock(w.Deadline)
}

func (w Why) span() string { return w.clock(w.From) + " to " + w.hhmm(w.To) }

func (w Why) delivered() string {
	kWh := float64(w.Energy) / 1000
	if w.Runs > 1 {
		return fmt.Sprintf("%.1f kWh in %d runs from %s", kWh, w.Runs, w.span())
	}
	return fmt.Sprintf("%.1f kWh from %s", kWh, w.span())
}

func (w Why) short() string {
	text := fmt.Sprintf("will be %.1f kWh short", float64(w.Short)/1000)
	if !w.Deadline.IsZero() {
		text += " at " + w.clock(w.Deadline)
	}
	if w.Energy == 0 {
		return text + ": there is no time in which it can run"
	}
	return text + ": " + w.delivered() + ", all that fits"
}

// instead compares with beginning at the first moment.
func (w Why) instead() string {
	when := "starting now"
	if !w.Earliest.IsZero() {
		when = "starting at " + w.clock(w.Earliest)
	}
	switch {
	case w.TooMuch:
		return fmt.Sprintf("; %s is more than the connection can carry", when)
	case w.Extra < 5_000:
		return ""
	}
	return fmt.Sprintf("; %s would cost %s more", when, w.Extra.Euro())
}

func (w Why) warm() string {
	text := fmt.Sprintf("on for %s, between %.1f °C at %s and %.1f °C at the end", Spell(w.Takes), w.Coldest, w.clock(w.From), w.Final)
	if w.Kind == WhyTooCold {
		text += fmt.Sprintf("; colder than %.0f °C because more heat would cost more than it is worth", w.Wanted)
	}
	return text
}

func (w Why) hhmm(t time.Time) string { return t.In(w.Now.Location()).Format("15:04") }

// clock is the time of day, with its weekday where that is another day than the plan's.
func (w Why) clock(t time.Time) string {
	t = t.In(w.Now.Location())
	if y, m, d := t.Date(); w.Now.Year() != y || w.Now.Month() != m || w.Now.Day() != d {
		return t.Format("Mon 15:04")
	}
	return t.Format("15:04")
}

// Spell writes a duration for people: 45 min, 2 h, 1 h 45.
func Spell(d time.Duration) string {
	h, m := int(d/time.Hour), int(d%time.Hour/time.Minute)
	switch {
	case h == 0:
		return fmt.Sprintf("%d min", m)
	case m == 0:
		return fmt.Sprintf("%d h", h)
	}
	return fmt.Sprintf("%d h %02d", h, m)
}
