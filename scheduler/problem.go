// Package scheduler plans when loads run and what the home battery does, so that the house's energy is as cheap (or as clean) as it can be
// with every deadline met. The planner is a pure function: Solve takes a Problem and returns a Plan with its cost and a certified lower bound.
// Between the plan and the devices stand control, which follows sun and prices by the second, and the guards, which keep the connection; both are
// pure too. The Loop keeps all of it true.
// Only cmd/homehub may import it; it imports hub and the standard library.
package scheduler

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Format names of the two files that the planner reads and writes.
const (
	ProblemFormat = "homehub/plan-problem/1"
	PlanFormat    = "homehub/plan/1"
)

// The length of a slot: a quarter of an hour, the settlement period of the European grids.
const (
	slotSeconds = 900
	slotHours   = 0.25
	maxSlots    = 1000
)

// ErrProblem is what every error about a malformed problem wraps. The error's text starts with the JSON path of what is wrong.
var ErrProblem = errors.New("malformed planning problem")

// Problem is a planning problem of format homehub/plan-problem/1: powers in W (mean over a slot, AC side), energies in Wh, prices in EUR/kWh.
// Numbers are floating point because the format's are. Slot t covers Start + 15 min · t up to the next slot.
type Problem struct {
	Format         string     `json:"format"`
	Name           string     `json:"name"`
	About          string     `json:"about,omitempty"`
	Start          time.Time  `json:"start"`               // first instant of slot 0, on a UTC quarter of an hour
	Zone           string     `json:"zone,omitempty"`      // IANA name; only the local calendar month of the capacity tariff depends on it
	SlotSeconds    int        `json:"slot_s"`              // 900, or 0 for it
	Slots          int        `json:"slots"`               // 0..1000
	Import         Prices     `json:"import_eur_per_kwh"`  // NaN: unknown, counts as the highest known price
	Export         Prices     `json:"export_eur_per_kwh"`  // NaN: unknown, counts as the lowest known price
	BaseLoad       []float64  `json:"base_load_w"`         // what no plan can change
	PV             []float64  `json:"pv_w"`                // forecast production
	PVCurtailable  bool       `json:"pv_curtailable"`      // may the plan reduce PV?
	BasePhaseShare [3]float64 `json:"base_phase_share"`    // all zero: thirds
	PVPhases       []int      `json:"pv_phases,omitempty"` // 1..3; empty: all three
	Limits         Limits     `json:"limits"`              // of the grid connection
	Battery        *Battery   `json:"battery"`             // nil: none
	Penalty        *Penalty   `json:"penalty,omitempty"`   // nil: DefaultPenalty
	Loads          []Load     `json:"loads"`               // what may be moved
}

// AddCarbon weighs the grid's carbon intensity, g CO2 per kWh in each slot, at a price per kilogram: it counts on top of the import price.
func (p *Problem) AddCarbon(gPerKWh []float64, eurPerKg float64) {
	p.addWeight(gPerKWh, func(g float64) float64 { return g / 1000 * eurPerKg })
}

// AddCommunity weighs the community's signal, 0 (take little) to 1 (take now): a kWh at signal 0 counts eurPerKWh more than one at 1.
func (p *Problem) AddCommunity(signal []float64, eurPerKWh float64) {
	p.addWeight(signal, func(v float64) float64 { return (1 - v) * eurPerKWh })
}

func (p *Problem) addWeight(signal []float64, eur func(float64) float64) {
	weighed := append(Prices(nil), p.Import...) // the caller's prices stay as they are
	for t := range min(len(weighed), len(signal)) {
		weighed[t] += eur(signal[t])
	}
	p.Import = weighed
}

// Limits of the grid connection, in W.
type Limits struct {
	ImportW      float64         `json:"import_w"`        // sum of the phases
	ExportW      *float64        `json:"export_w"`        // nil: no cap
	PhaseImportW *[3]float64     `json:"phase_import_w"`  // fuse of each phase; nil: none
	Capacity     *CapacityTariff `json:"capacity_tariff"` // nil: none
	SlotImportW  []float64       `json:"-"`               // of each slot, beside ImportW; nil: none. The house's alone, the format has no such key
}

// CapacityTariff prices each local calendar month's highest quarter-hour import above what is free (Flanders).
type CapacityTariff struct {
	EURPerKW        float64 `json:"eur_per_kw"`
	MonthPeakSoFarW float64 `json:"month_peak_so_far_w"` // already reached in the month of slot 0
	FloorW          float64 `json:"floor_w"`             // free in every month; an absent key reads as 2500
}

// Battery of the house. MinWh ≤ StartWh ≤ MaxWh are contents; powers are on the AC side; efficiencies in (0, 1].
type Battery struct {
	CapacityWh          float64 `json:"capacity_wh"`
	MinWh               float64 `json:"min_wh"`
	MaxWh               float64 `json:"max_wh"`
	StartWh             float64 `json:"start_wh"`
	MaxChargeW          float64 `json:"max_charge_w"`
	MaxDischargeW       float64 `json:"max_discharge_w"`
	ChargeEfficiency    float64 `json:"charge_efficiency"`
	DischargeEfficiency float64 `json:"discharge_efficiency"`
	WearEURPerKWh       float64 `json:"wear_eur_per_kwh"`      // per kWh of AC throughput, either way
	EndValueEURPerKWh   float64 `json:"end_value_eur_per_kwh"` // worth of content after the last slot
	Phases              []int   `json:"phases,omitempty"`      // empty: all three
}

// Penalty says what a missed deadline costs. It dominates every saving, so that a plan misses only what cannot be met.
type Penalty struct {
	LateEURPerSlot float64 `json:"late_eur_per_slot"`
	NotRunEUR      float64 `json:"not_run_eur"`
	ShortEURPerKWh float64 `json:"short_eur_per_kwh"`
}

// DefaultPenalty holds the format's default penalties.
func DefaultPenalty() Penalty { return Penalty{25, 1000, 100} }

// The kinds of Load.
const (
	KindProfile       = "profile"       // runs its power profile once without interruption
	KindInterruptible = "interruptible" // on or off, a number of slots in all
	KindEVSE          = "evse"          // whole amps between MinA and MaxA, or off
	KindThermal       = "thermal"       // on or off, keeps a temperature
)

// Load is something that a plan moves. Which fields count depends on Kind.
type Load struct {
	ID           string     `json:"id"`
	Kind         string     `json:"kind"`
	Phases       []int      `json:"phases,omitempty"`         // 1..3, equal split; empty: phase 1
	Earliest     *time.Time `json:"earliest,omitempty"`       // not before
	Deadline     *time.Time `json:"deadline,omitempty"`       // ready by
	MinOnSlots   int        `json:"min_on_slots,omitempty"`   // shortest run; 0 counts as 1
	StartCostEUR float64    `json:"start_cost_eur,omitempty"` // for every start
	RunningSlots int        `json:"running_slots,omitempty"`  // on without a break right before slot 0

	ProfileW  []float64 `json:"profile_w,omitempty"`  // profile
	PowerW    float64   `json:"power_w,omitempty"`    // interruptible, thermal
	NeedSlots *int      `json:"need_slots,omitempty"` // interruptible; wins over NeedWh
	NeedWh    float64   `json:"need_wh,omitempty"`    // interruptible, evse
	Volts     float64   `json:"volts,omitempty"`      // evse; 0 counts as 230
	MinA      int       `json:"min_a,omitempty"`      // evse; 0 counts as 6
	MaxA      int       `json:"max_a,omitempty"`      // evse

	Thermal *Thermal `json:"-"` // thermal; its keys stand beside the load's own in JSON
}

// Thermal is a one-state model of a boiler or a room: T' = T + Loss·(Ambient − T) + Gain·on − Draw in each slot.
type Thermal struct {
	StartC          float64 `json:"start_c"`
	MinC            float64 `json:"min_c"` // below it is allowed and costs ColdEURPerKSlot
	MaxC            float64 `json:"max_c"` // a slot that ends above it must be off
	GainKPerSlot    float64 `json:"gain_k_per_slot"`
	LossPerSlot     float64 `json:"loss_per_slot"`
	AmbientC        PerSlot `json:"ambient_c"`
	DrawK           PerSlot `json:"draw_k"`
	ColdEURPerKSlot float64 `json:"cold_eur_per_k_slot"`
	EndValueEURPerK float64 `json:"end_value_eur_per_k"`
}

// PerSlot is one number for every slot; a single entry counts for all of them, none is zero.
type PerSlot []float64

func (v PerSlot) at(t int) float64 {
	switch {
	case len(v) == 0:
		return 0
	case len(v) == 1:
		return v[0]
	}
	return v[t]
}

// Prices are one price per slot in EUR/kWh. NaN, null in JSON, is a price that is not known yet.
type Prices []float64

// MarshalJSON writes unknown prices as null.
func (v Prices) MarshalJSON() ([]byte, error) {
	out := make([]*float64, len(v))
	for i := range v {
		if !math.IsNaN(v[i]) {
			out[i] = &v[i]
		}
	}
	return json.Marshal(out)
}

// MarshalJSON writes the thermal keys beside the common ones.
func (l Load) MarshalJSON() ([]byte, error) {
	type plain Load
	return json.Marshal(struct {
		plain
		*Thermal
	}{plain(l), l.Thermal})
}

// problemError is a fault of a problem and where it is.
type problemError struct{ path, text string }

func (e *problemError) Error() string { return e.path + ": " + e.text }
func (e *problemError) Unwrap() error { return ErrProblem }

func fault(path, format string, args ...any) error {
	return &problemError{path, fmt.Sprintf(format, args...)}
}

// window turns the load's times into the first usable slot and the end of the last one.
func (l *Load) window(start time.Time, n int) (from, to int) {
	to = n
	if l.Earliest != nil {
		from = int(clampSlots(ceilDiv(l.Earliest.Sub(start), slotSeconds*time.Second)))
		from = max(0, from)
	}
	if l.Deadline != nil {
		to = min(n, int(clampSlots(floorDiv(l.Deadline.Sub(start), slotSeconds*time.Second))))
	}
	return from, to
}

func floorDiv(a, b time.Duration) time.Duration {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func ceilDiv(a, b time.Duration) time.Duration { return -floorDiv(-a, b) }

// clampSlots keeps far-away times (time.Sub saturates at 292 years) inside what fits an int on 32 bits.
func clampSlots(q time.Duration) time.Duration { return min(max(q, -1<<30), 1<<30) }

// MarshalJSON writes a single entry as a plain number.
func (v PerSlot) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return json.Marshal(v[0])
	}
	if v == nil {
		return []byte("0"), nil
	}
	return json.Marshal([]float64(v))
}
