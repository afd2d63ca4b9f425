package scheduler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// maxProblemBytes bounds what ReadProblem takes in: a problem of 1000 slots and 100 loads is below 1 MB.
const maxProblemBytes = 16 << 20

// ReadProblem reads a problem of format homehub/plan-problem/1 and checks it. Unknown keys are ignored. A malformed problem is one sentence
// that begins with the JSON path, such as "loads[2].max_a: must be at least min_a (6)", and wraps ErrProblem.
func ReadProblem(r io.Reader) (*Problem, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxProblemBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading problem: %w", err)
	}
	if len(raw) > maxProblemBytes {
		return nil, fault("problem", "is larger than %d bytes", maxProblemBytes)
	}
	d := &decoder{}
	root := d.object("", bytes.TrimSpace(raw))
	p := root.problem()
	if d.err != nil {
		return nil, d.err
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	return p, nil
}

// decoder keeps the first fault, so that reading code needs no error checks between fields.
type decoder struct{ err error }

func (d *decoder) fail(path, format string, args ...any) {
	if d.err == nil {
		if path == "" {
			path = "problem"
		}
		d.err = fault(path, format, args...)
	}
}

// object is a JSON object with its path.
type object struct {
	d    *decoder
	path string
	keys map[string]json.RawMessage
}

func (d *decoder) object(path string, raw json.RawMessage) object {
	o := object{d: d, path: path}
	if err := json.Unmarshal(raw, &o.keys); err != nil || o.keys == nil {
		if _, ok := err.(*json.SyntaxError); ok {
			d.fail(path, "is not JSON: %v", err)
		}
		d.fail(path, "must be an object")
	}
	return o
}

func (o object) at(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

// has tells whether the key is there and not null.
func (o object) has(key string) bool {
	raw, ok := o.keys[key]
	return ok && !bytes.Equal(raw, []byte("null"))
}

// read decodes an optional key into to and leaves to alone when the key is absent; what says what was wanted.
func (o object) read(key, what string, to any) {
	if !o.has(key) {
		return
	}
	if err := json.Unmarshal(o.keys[key], to); err != nil {
		o.d.fail(o.at(key), "must be %s", what)
	}
}

func (o object) need(key string) bool {
	if !o.has(key) {
		o.d.fail(o.at(key), "is missing")
		return false
	}
	return true
}

func (o object) number(key string, fallback float64) float64 {
	v := fallback
	o.read(key, "a number", &v)
	return v
}

func (o object) needNumber(key string) float64 {
	o.need(key)
	return o.number(key, 0)
}

// integer takes whole numbers however they are written: 6, 6.0 and 6e0 are the same JSON number.
func (o object) integer(key string, fallback int) int {
	v := float64(fallback)
	o.read(key, "a whole number", &v)
	if v != math.Trunc(v) || math.Abs(v) > 1<<30 {
		o.d.fail(o.at(key), "must be a whole number")
		return fallback
	}
	return int(v)
}

func (o object) text(key string) string {
	var v string
	o.read(key, "a string", &v)
	return v
}

// list splits an array into its elements.
func (o object) list(key string) []json.RawMessage {
	var v []json.RawMessage
	o.read(key, "a list", &v)
	return v
}

// numbers reads an array of numbers; null stands for NaN where nulls is set.
func (o object) numbers(key string, nulls bool) []float64 {
	if !o.need(key) {
		return nil
	}
	raw := bytes.TrimSpace(o.keys[key])
	if len(raw) < 2 || raw[0] != '[' {
		o.d.fail(o.at(key), "must be a list of numbers")
		return nil
	}
	out := make([]float64, 0, 192)
	raw = bytes.TrimSpace(raw[1 : len(raw)-1])
	for len(raw) > 0 {
		item, rest, _ := bytes.Cut(raw, []byte{','})
		item, raw = bytes.TrimSpace(item), rest
		v, err := strconv.ParseFloat(string(item), 64)
		switch {
		case string(item) == "null" && nulls:
			v = math.NaN()
		case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
			o.d.fail(fmt.Sprintf("%s[%d]", o.at(key), len(out)), "must be a number")
			return nil
		}
		out = append(out, v)
	}
	return out
}

func (o object) phases(key string) []int {
	var v []int
	o.read(key, "a list of phase numbers", &v)
	if o.has(key) && len(v) == 0 {
		o.d.fail(o.at(key), "must name at least one phase")
	}
	return v
}

func (o object) three(key string) [3]float64 {
	var v [3]float64
	if !o.has(key) {
		return v
	}
	list := o.numbers(key, false)
	if len(list) != 3 {
		o.d.fail(o.at(key), "must be three numbers")
		return v
	}
	return [3]float64(list)
}

func (o object) instant(key string) *time.Time {
	if !o.has(key) {
		return nil
	}
	v, err := time.Parse(time.RFC3339Nano, o.text(key))
	if err != nil {
		o.d.fail(o.at(key), "must be a time with offset like 2024-10-27T07:00:00+01:00")
		return nil
	}
	return &v
}

func (o object) child(key string) object { return o.d.object(o.at(key), o.keys[key]) }

func (o object) problem() *Problem {
	p := &Problem{Format: o.text("format"), Name: o.text("name"), About: o.text("about"), Zone: o.text("zone")}
	if o.d.err == nil && p.Format != ProblemFormat {
		o.d.fail("format", "must be %q", ProblemFormat)
	}
	if o.need("start") {
		if t := o.instant("start"); t != nil {
			p.Start = *t
		}
	}
	p.SlotSeconds = o.integer("slot_s", slotSeconds)
	if o.need("slots") {
		p.Slots = o.integer("slots", 0)
	}
	p.Import = o.numbers("import_eur_per_kwh", true)
	p.Export = o.numbers("export_eur_per_kwh", true)
	p.BaseLoad = o.numbers("base_load_w", false)
	p.PV = o.numbers("pv_w", false)
	o.read("pv_curtailable", "true or false", &p.PVCurtailable)
	p.BasePhaseShare = o.three("base_phase_share")
	p.PVPhases = o.phases("pv_phases")
	if o.need("limits") {
		p.Limits = o.child("limits").limits()
	}
	if o.has("battery") {
		p.Battery = o.child("battery").battery()
	}
	if o.has("penalty") {
		c, def := o.child("penalty"), DefaultPenalty()
		p.Penalty = &Penalty{
			c.number("late_eur_per_slot", def.LateEURPerSlot), c.number("not_run_eur", def.NotRunEUR),
			c.number("short_eur_per_kwh", def.ShortEURPerKWh),
		}
	}
	for i, raw := range o.list("loads") {
		p.Loads = append(p.Loads, o.d.object(fmt.Sprintf("%s[%d]", o.at("loads"), i), raw).load())
	}
	return p
}

func (o object) limits() Limits {
	l := Limits{ImportW: o.needNumber("import_w")}
	if o.has("export_w") {
		v := o.number("export_w", 0)
		l.ExportW = &v
	}
	if o.has("phase_import_w") {
		v := o.three("phase_import_w")
		l.PhaseImportW = &v
	}
	if o.has("capacity_tariff") {
		c := o.child("capacity_tariff")
		l.Capacity = &CapacityTariff{c.needNumber("eur_per_kw"), c.number("month_peak_so_far_w", 0), c.number("floor_w", 2500)}
	}
	return l
}

func (o object) battery() *Battery {
	return &Battery{
		CapacityWh: o.number("capacity_wh", 0), MinWh: o.needNumber("min_wh"), MaxWh: o.needNumber("max_wh"), StartWh: o.needNumber("start_wh"),
		MaxChargeW: o.needNumber("max_charge_w"), MaxDischargeW: o.needNumber("max_discharge_w"),
		ChargeEfficiency: o.needNumber("charge_efficiency"), DischargeEfficiency: o.needNumber("discharge_efficiency"),
		WearEURPerKWh: o.needNumber("wear_eur_per_kwh"), EndValueEURPerKWh: o.needNumber("end_value_eur_per_kwh"), Phases: o.phases("phases"),
	}
}

func (o object) load() Load {
	l := Load{
		ID: o.text("id"), Kind: o.text("kind"), Phases: o.phases("phases"), Earliest: o.instant("earliest"), Deadline: o.instant("deadline"),
		MinOnSlots: o.integer("min_on_slots", 1), StartCostEUR: o.number("start_cost_eur", 0), RunningSlots: o.integer("running_slots", 0),
	}
	if o.has("min_on_slots") && l.MinOnSlots < 1 {
		o.d.fail(o.at("min_on_slots"), "must be at least 1")
	}
	switch l.Kind {
	case KindProfile:
		l.ProfileW = o.numbers("profile_w", false)
	case KindInterruptible:
		l.PowerW = o.needNumber("power_w")
		if o.has("need_slots") {
			v := o.integer("need_slots", 0)
			l.NeedSlots = &v
		} else if o.has("need_wh") {
			l.NeedWh = o.number("need_wh", 0)
		} else {
			o.d.fail(o.at("need_slots"), "is missing, and so is need_wh")
		}
	case KindEVSE:
		l.Volts, l.MinA, l.MaxA = o.number("volts", 230), o.integer("min_a", 6), 0
		if o.need("max_a") {
			l.MaxA = o.integer("max_a", 0)
		}
		l.NeedWh = o.needNumber("need_wh")
		if l.MinA < 1 {
			o.d.fail(o.at("min_a"), "must be at least 1")
		}
	case KindThermal:
		l.PowerW = o.needNumber("power_w")
		l.Thermal = &Thermal{
			StartC: o.needNumber("start_c"), MinC: o.needNumber("min_c"), MaxC: o.needNumber("max_c"),
			GainKPerSlot: o.needNumber("gain_k_per_slot"), LossPerSlot: o.needNumber("loss_per_slot"),
			AmbientC: o.perSlot("ambient_c"), DrawK: o.perSlot("draw_k"),
			ColdEURPerKSlot: o.needNumber("cold_eur_per_k_slot"), EndValueEURPerK: o.needNumber("end_value_eur_per_k"),
		}
	}
	return l
}

func (o object) perSlot(key string) PerSlot {
	if !o.has(key) {
		return nil
	}
	if raw := bytes.TrimSpace(o.keys[key]); raw[0] != '[' {
		return PerSlot{o.number(key, 0)}
	}
	return o.numbers(key, false)
}
