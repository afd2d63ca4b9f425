package scheduler

import (
	"fmt"
	"math"
	"time"
)

// Check finds what is wrong with a problem; ReadProblem and Solve call it. The error names the JSON path and wraps ErrProblem.
func (p *Problem) Check() error {
	c := &checker{n: p.Slots}
	c.must(p.Format == "" || p.Format == ProblemFormat, "format", "must be %q", ProblemFormat)
	c.must(p.SlotSeconds == 0 || p.SlotSeconds == slotSeconds, "slot_s", "must be %d", slotSeconds)
	c.must(p.Slots >= 0 && p.Slots <= maxSlots, "slots", "must be 0 to %d", maxSlots)
	c.must(p.Start.Nanosecond() == 0 && p.Start.Unix()%slotSeconds == 0, "start", "must be on a quarter of an hour")
	c.prices("import_eur_per_kwh", p.Import)
	c.prices("export_eur_per_kwh", p.Export)
	c.powers("base_load_w", p.BaseLoad, p.Slots)
	c.powers("pv_w", p.PV, p.Slots)
	for k, v := range p.BasePhaseShare {
		c.atLeast(fmt.Sprintf("base_phase_share[%d]", k), v, 0)
	}
	c.phases("pv_phases", p.PVPhases)
	c.limits(&p.Limits)
	if p.Limits.SlotImportW != nil {
		c.powers("limits.slot_import_w", p.Limits.SlotImportW, p.Slots)
	}
	if p.Limits.Capacity != nil {
		_, err := time.LoadLocation(p.Zone)
		c.must(err == nil, "zone", "%q is not a known time zone", p.Zone)
	}
	if p.Battery != nil {
		c.battery(p.Battery)
	}
	if p.Penalty != nil {
		c.atLeast("penalty.late_eur_per_slot", p.Penalty.LateEURPerSlot, 0)
		c.atLeast("penalty.not_run_eur", p.Penalty.NotRunEUR, 0)
		c.atLeast("penalty.short_eur_per_kwh", p.Penalty.ShortEURPerKWh, 0)
	}
	ids := make(map[string]int, len(p.Loads))
	for i := range p.Loads {
		l, path := &p.Loads[i], fmt.Sprintf("loads[%d]", i)
		c.load(path, l)
		if first, twice := ids[l.ID]; twice {
			c.must(false, path+".id", "%q is the id of loads[%d] too", l.ID, first)
		}
		ids[l.ID] = i
	}
	return c.err
}

// checker keeps the first fault.
type checker struct {
	n   int
	err error
}

func (c *checker) must(ok bool, path, format string, args ...any) {
	if !ok && c.err == nil {
		c.err = fault(path, format, args...)
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) && math.Abs(v) < 1e12 }

func (c *checker) finite(path string, v float64) { c.must(finite(v), path, "must be a finite number") }

func (c *checker) atLeast(path string, v, least float64) {
	c.finite(path, v)
	c.must(v >= least, path, "must be at least %g", least)
}

func (c *checker) prices(path string, v Prices) {
	c.must(len(v) == c.n, path, "must hold %d numbers, one per slot, not %d", c.n, len(v))
	known := c.n == 0
	for i, x := range v {
		if math.IsNaN(x) {
			continue
		}
		known = true
		if !finite(x) {
			c.finite(fmt.Sprintf("%s[%d]", path, i), x)
		}
	}
	c.must(known, path, "must hold at least one known price")
}

func (c *checker) powers(path string, v []float64, n int) {
	c.must(len(v) == n, path, "must hold %d numbers, one per slot, not %d", n, len(v))
	for i, x := range v {
		if !finite(x) || x < 0 {
			c.atLeast(fmt.Sprintf("%s[%d]", path, i), x, 0)
		}
	}
}

func (c *checker) phases(path string, v []int) {
	c.must(len(v) <= 3, path, "must be one to three phases")
	for i, k := range v {
		c.must(k >= 1 && k <= 3, fmt.Sprintf("%s[%d]", path, i), "must be 1, 2 or 3")
		for j := range i {
			c.must(v[j] != k, fmt.Sprintf("%s[%d]", path, i), "names phase %d twice", k)
		}
	}
}

func (c *checker) limits(l *Limits) {
	c.must(finite(l.ImportW) && l.ImportW > 0, "limits.import_w", "must be above 0")
	if l.ExportW != nil {
		c.atLeast("limits.export_w", *l.ExportW, 0)
	}
	if l.PhaseImportW != nil {
		for k, v := range l.PhaseImportW {
			c.atLeast(fmt.Sprintf("limits.phase_import_w[%d]", k), v, 0)
		}
	}
	if t := l.Capacity; t != nil {
		c.atLeast("limits.capacity_tariff.eur_per_kw", t.EURPerKW, 0)
		c.atLeast("limits.capacity_tariff.month_peak_so_far_w", t.MonthPeakSoFarW, 0)
		c.atLeast("limits.capacity_tariff.floor_w", t.FloorW, 0)
	}
}

func (c *checker) battery(b *Battery) {
	c.atLeast("battery.min_wh", b.MinWh, 0)
	c.finite("battery.start_wh", b.StartWh)
	c.must(b.StartWh >= b.MinWh, "battery.start_wh", "must be at least min_wh (%g)", b.MinWh)
	c.finite("battery.max_wh", b.MaxWh)
	c.must(b.MaxWh >= b.StartWh, "battery.max_wh", "must be at least start_wh (%g)", b.StartWh)
	c.atLeast("battery.max_charge_w", b.MaxChargeW, 0)
	c.atLeast("battery.max_discharge_w", b.MaxDischargeW, 0)
	c.must(b.ChargeEfficiency > 0 && b.ChargeEfficiency <= 1, "battery.charge_efficiency", "must be above 0 and at most 1")
	c.must(b.DischargeEfficiency > 0 && b.DischargeEfficiency <= 1, "battery.discharge_efficiency", "must be above 0 and at most 1")
	c.atLeast("battery.wear_eur_per_kwh", b.WearEURPerKWh, 0)
	c.finite("battery.end_value_eur_per_kwh", b.EndValueEURPerKWh)
	c.phases("battery.phases", b.Phases)
}

func (c *checker) load(path string, l *Load) {
	c.must(l.ID != "", path+".id", "must not be empty")
	c.phases(path+".phases", l.Phases)
	c.must(l.MinOnSlots >= 0, path+".min_on_slots", "must be at least 1")
	c.atLeast(path+".start_cost_eur", l.StartCostEUR, 0)
	c.must(l.RunningSlots >= 0, path+".running_slots", "must be at least 0")
	switch l.Kind {
	case KindProfile:
		c.must(len(l.ProfileW) > 0, path+".profile_w", "must hold at least one number")
		c.powers(path+".profile_w", l.ProfileW, len(l.ProfileW))
	case KindInterruptible:
		c.must(finite(l.PowerW) && l.PowerW > 0, path+".power_w", "must be above 0")
		c.finite(path+".need_wh", l.NeedWh)
	case KindEVSE:
		c.must(l.MinA >= 0, path+".min_a", "must be at least 1")
		minA := max(l.MinA, 1)
		if l.MinA == 0 {
			minA = 6
		}
		c.must(l.MaxA >= minA, path+".max_a", "must be at least min_a (%d)", minA)
		c.must(l.MaxA <= 1000, path+".max_a", "must be at most 1000")
		c.must(l.Volts == 0 || finite(l.Volts) && l.Volts > 0, path+".volts", "must be above 0")
		c.finite(path+".need_wh", l.NeedWh)
	case KindThermal:
		c.thermal(path, l)
	default:
		c.must(false, path+".kind", "%q is none of profile, interruptible, evse, thermal", l.Kind)
	}
}

func (c *checker) thermal(path string, l *Load) {
	c.must(finite(l.PowerW) && l.PowerW > 0, path+".power_w", "must be above 0")
	m := l.Thermal
	if m == nil {
		c.must(false, path+".start_c", "is missing")
		return
	}
	c.finite(path+".start_c", m.StartC)
	c.finite(path+".min_c", m.MinC)
	c.finite(path+".max_c", m.MaxC)
	c.must(m.MaxC >= m.MinC, path+".max_c", "must be at least min_c (%g)", m.MinC)
	c.atLeast(path+".gain_k_per_slot", m.GainKPerSlot, 0)
	c.atLeast(path+".loss_per_slot", m.LossPerSlot, 0)
	c.must(m.LossPerSlot < 1, path+".loss_per_slot", "must be below 1")
	c.atLeast(path+".cold_eur_per_k_slot", m.ColdEURPerKSlot, 0)
	c.finite(path+".end_value_eur_per_k", m.EndValueEURPerK)
	c.perSlot(path+".ambient_c", m.AmbientC)
	c.perSlot(path+".draw_k", m.DrawK)
}

func (c *checker) perSlot(path string, v PerSlot) {
	c.must(len(v) <= 1 || len(v) == c.n, path, "must be a number or hold %d numbers, one per slot", c.n)
	for i, x := range v {
		if !finite(x) {
			c.finite(fmt.Sprintf("%s[%d]", path, i), x)
		}
	}
}
