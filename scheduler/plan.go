package scheduler

import (
	"encoding/json"
	"math"
	"time"

	"homehub/hub"
)

// Plan is a plan of format homehub/plan/1: what each load and the battery do in each slot, what it costs and what no plan can undercut.
type Plan struct {
	Format     string              `json:"format"`
	Problem    string              `json:"problem"`
	Cost       float64             `json:"cost_eur"`               // by this package's own evaluator
	LowerBound float64             `json:"lower_bound_eur"`        // no feasible plan of the problem is cheaper
	Gap        float64             `json:"gap_eur"`                // Cost − LowerBound: what a better plan could save at most
	PeakW      float64             `json:"peak_w"`                 // highest mean import of a slot
	BatteryW   []float64           `json:"battery_w,omitempty"`    // AC power, + charges, − discharges; nil without a battery
	CurtailW   []float64           `json:"pv_curtail_w,omitempty"` // PV that is given up; nil: none
	Loads      map[string]LoadPlan `json:"loads"`
	Missed     []Missed            `json:"missed,omitempty"` // deadlines that could not be met

	// StorageValue is the price of stored energy in EUR per kWh of content after each slot: what one more kWh in the battery is worth
	// from there on. A controller that minimises (grid cost − StorageValue · change of content) on each telegram follows the plan where
	// the forecast holds and stays right where it does not. nil without a battery.
	StorageValue []float64 `json:"storage_eur_per_kwh,omitempty"`
	// LoadValue is what one more kWh of load in each slot would cost, EUR/kWh, the battery's answer included.
	LoadValue []float64 `json:"load_eur_per_kwh,omitempty"`
}

// LoadPlan is what one load does. Exactly one of Start (profile; NotRun when it cannot run at all), Amps (evse) and On is in use.
type LoadPlan struct {
	Kind   string
	Start  int     // first slot; −1 is not run
	Amps   []int   // amps in each slot
	On     []int   // 0 or 1 in each slot
	Reason string  // why so, in words
	Why    hub.Why // the same as a value
}

// MarshalJSON writes the entry as the format has it: {"start": 37}, {"amps": […]} or {"on": […]}, and the reason.
func (l LoadPlan) MarshalJSON() ([]byte, error) {
	entry := map[string]any{}
	if l.Reason != "" {
		entry["reason"] = l.Reason
	}
	switch {
	case l.Kind == KindProfile && l.Start < 0:
		entry["start"] = nil
	case l.Kind == KindProfile:
		entry["start"] = l.Start
	case l.Kind == KindEVSE:
		entry["amps"] = notNil(l.Amps)
	default:
		entry["on"] = notNil(l.On)
	}
	return json.Marshal(entry)
}

func notNil(v []int) []int {
	if v == nil {
		return []int{}
	}
	return v
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *LoadPlan) UnmarshalJSON(raw []byte) error {
	var entry struct {
		Start  *int   `json:"start"`
		Amps   []int  `json:"amps"`
		On     []int  `json:"on"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(raw, &entry); err != nil {
		return err
	}
	*l = LoadPlan{Kind: KindProfile, Start: -1, Amps: entry.Amps, On: entry.On, Reason: entry.Reason}
	switch {
	case entry.Start != nil:
		l.Start = *entry.Start
	case entry.Amps != nil:
		l.Kind, l.Start = KindEVSE, 0
	case entry.On != nil:
		l.Kind, l.Start = KindInterruptible, 0
	}
	return nil
}

// Missed is a deadline that a plan does not meet, and by how much.
type Missed struct {
	Load      string  `json:"load"`
	LateSlots int     `json:"late_slots,omitempty"` // profile: slots after the deadline
	ShortWh   float64 `json:"short_wh,omitempty"`   // energy that is missing at the deadline
	NotRun    bool    `json:"not_run,omitempty"`    // profile that does not fit into the horizon
}

// Options bound the search. The zero value is a fixed effort that takes some 10 ms on a PC and is the same for the same problem wherever it runs, three
// times that where there is a capacity tariff, and a sixth at most where a former plan is given.
type Options struct {
	Budget     time.Duration    // time that the search may take; the bound takes up to a third of it on top; 0: no limit in time
	Iterations int              // passes of the battery over the horizon; makes Solve deterministic; 0: no limit but Budget
	Warm       *Plan            // a former plan to start from, slot numbers as in this problem; may be nil
	Now        func() time.Time // clock of the budget; nil: time.Now
}

// round rounds to one part in parts; a zero has no sign.
func round(v, parts float64) float64 { return math.Round(v*parts)/parts + 0 }
