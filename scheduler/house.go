package scheduler

import (
	"fmt"
	"time"

	"homehub/hub"
)

// Inputs are what a plan of the house is made from.
type Inputs struct {
	Now        time.Time
	Zone       *time.Location
	Slots      []hub.Slot // from the slot that holds Now on
	Base, PV   []float64  // forecast in W per slot; shorter or nil: 0 for the rest
	Devices    []hub.DeviceState
	Jobs       map[string]*Job // by device
	Connection Connection
	Limit      hub.Limit            // from outside
	MonthPeak  hub.Watt             // highest quarter of this month so far, for the capacity tariff
	Profiles   map[string]Profile   // what appliances draw in their runs, by device
	Heat       map[string]HeatModel // how boilers and rooms answer to their heaters, by device

	// Former is the plan in force, made for slots from FormerStart on; nil:
	// none. It stays unless a new one saves more than Gain.
	Former      *Plan
	FormerStart time.Time
	Gain        hub.MicroEuro
	Anew        bool // look everywhere, not only near Former
}

// job is a device's job as the planner sees it.
type wish struct {
	state    *hub.DeviceState
	job      *Job
	deadline time.Time
	left     time.Duration
	profile  []float64 // W per slot of a run that may not pause
	fixed    bool      // runs and may not pause: it goes on, and is no choice any more
	heat     *heatWish // a temperature to keep; nil: an amount
	idle     hub.Why   // why it can not run now although it wants to; of no kind if it can
}

// PlanHouse makes the plan of the house: every device on Auto with a schedule
// gets its cheapest runs before its deadline.
func PlanHouse(in Inputs) (*hub.Plan, *Plan, error) {
	out := &hub.Plan{At: in.Now, Slots: in.Slots}
	if len(in.Slots) == 0 {
		return out, nil, nil
	}
	p := problemOf(in)
	wishes := in.wishes()
	for i := range wishes {
		switch w := &wishes[i]; {
		case w.idle.Kind != "" || w.surplus():
		case w.fixed:
			addFixed(p.BaseLoad, in, w)
		default:
			p.Loads = append(p.Loads, loadOf(w, in))
		}
	}
	solved, err := in.solve(p)
	if err != nil {
		return nil, nil, fmt.Errorf("planning: %w", err)
	}
	out.Cost, out.Bound = microEuro(solved.Cost), microEuro(solved.LowerBound)
	grid := newGrid(in, p, solved)
	for i := range wishes {
		switch w := &wishes[i]; {
		case !w.fixed || w.idle.Kind != "":
		case w.begun():
			addFixed(grid.begun, in, w)
		default:
			addFixed(grid.moved, in, w)
		}
	}
	out.Net, out.Chosen = grid.watts()
	for _, v := range solved.StorageValue {
		out.Stored = append(out.Stored, microEuro(v))
	}
	for i := range wishes {
		out.Devices = append(out.Devices, plannedOf(in, &wishes[i], solved, grid))
	}
	return out, solved, nil
}

func microEuro(eur float64) hub.MicroEuro { return hub.MicroEuro(eur * 1e6) }

func problemOf(in Inputs) *Problem {
	n := len(in.Slots)
	p := &Problem{
		Format: ProblemFormat, Name: "house", Start: in.Slots[0].Start, Zone: in.Zone.String(), SlotSeconds: slotSeconds, Slots: n,
		Import: make(Prices, n), Export: make(Prices, n), BaseLoad: make([]float64, n), PV: make([]float64, n),
	}
	in.limits(p)
	known := false
	for i, s := range in.Slots {
		p.Import[i], p.Export[i] = eur(s.Import, s.Known), eur(s.Export, s.Known)
		known = known || s.Known
		if i < len(in.Base) {
			p.BaseLoad[i] = max(0, in.Base[i])
		}
		if i < len(in.PV) {
			p.PV[i] = max(0, in.PV[i])
		}
	}
	if !known { // a price that holds for every slot plans as well as none
		for i := range n {
			p.Import[i], p.Export[i] = flatImport, flatExport
		}
	}
	p.Battery = in.battery()
	return p
}

// Prices in EUR per kWh that stand in where none at all is known.
const flatImport, flatExport = 0.25, 0.05

// limits puts the connection into the problem.
func (in *Inputs) limits(p *Problem) {
	c := in.Connection
	watts := float64(c.Import)
	if c.Import == 0 {
		watts = 17_250
	}
	if c.Fuse > 0 {
		phase := float64(230 * c.Fuse)
		p.Limits.PhaseImportW = &[3]float64{phase, phase, phase}
	}
	if c.Phases == 1 {
		p.BasePhaseShare, p.PVPhases = [3]float64{1}, []int{1}
	}
	p.Limits.ImportW = watts
	if in.Limit.ActiveAt(in.Now) {
		p.Limits.SlotImportW = make([]float64, len(in.Slots))
		for i, s := range in.Slots {
			p.Limits.SlotImportW[i] = watts
			if in.Limit.Until.IsZero() || s.Start.Before(in.Limit.Until) {
				p.Limits.SlotImportW[i] = float64(in.Limit.Watts)
			}
		}
	}
	if c.PeakFloor > 0 {
		p.Limits.Capacity = &CapacityTariff{
			EURPerKW: float64(c.PeakPrice) / 1e6 / 12, MonthPeakSoFarW: float64(in.MonthPeak), FloorW: float64(c.PeakFloor),
		}
	}
}

// battery is the house's battery as the planner sees it, nil if there is none
// whose content is known.
func (in *Inputs) battery() *Battery {
	for i := range in.Devices {
		d := &in.Devices[i]
		if d.Role != hub.RoleBattery || d.Battery == nil || d.Has&hub.ReportSoC == 0 || d.ModeAt(in.Now) != hub.ModeAuto {
			continue
		}
		b := d.Battery
		charge, discharge := b.Efficiencies()
		full := float64(b.Capacity)
		content := full * float64(min(max(d.SoC, 0), 100)) / 100
		out := &Battery{
			CapacityWh: full, MinWh: min(full*float64(b.Reserve)/100, content), MaxWh: full, StartWh: content,
			MaxChargeW: float64(b.MaxCharge), MaxDischargeW: float64(b.MaxDischarge),
			ChargeEfficiency: charge, DischargeEfficiency: discharge, WearEURPerKWh: eur(b.Wear, true),
			EndValueEURPerKWh: max(0, in.meanImport()*discharge-eur(b.Wear, true)),
		}
		if in.Connection.Phases == 1 {
			out.Phases = []int{1}
		}
		return out
	}
	return nil
}

// meanImport is the mean known price in EUR per kWh: what is in the battery at
// the end saves that later.
func (in *Inputs) meanImport() float64 {
	sum, n := 0.0, 0
	for _, s := range in.Slots {
		if s.Known {
			sum, n = sum+eur(s.Import, true), n+1
		}
	}
	if n == 0 {
		return flatImport
	}
	return sum / float64(n)
}

// wishes are the jobs that are due, in the order of the devices.
func (in *Inputs) wishes() []wish {
	var wishes []wish
	for i := range in.Devices {
		d := &in.Devices[i]
		if d.Schedule == nil || !d.Switched() || d.ModeAt(in.Now) != hub.ModeAuto {
			continue
		}
		deadline, ok := Due(*d.Schedule, in.Now, in.Zone)
		job := in.Jobs[d.ID]
		if !ok || job == nil || !job.Deadline.Equal(deadline) {
			continue
		}
		w := wish{state: d, job: job, deadline: deadline, left: job.left(d)}
		w.fixed = job.RunEnd.After(in.Now)
		if d.Schedule.When == hub.WhenNow {
			w.fixed = w.left > 0
		}
		switch {
		case d.Role == hub.RoleCharger && d.Has&hub.ReportPlugged != 0 && !d.Plugged:
			w.idle.Kind = hub.WhyNoCar
		case job.DeafUntil.After(in.Now):
			w.idle.Kind, w.idle.To = hub.WhyDeaf, job.DeafUntil
		}
		if d.Schedule.Keeps() {
			if h, why := in.heat(d); w.idle.Kind == "" {
				w.heat, w.idle = h, why
			}
			wishes = append(wishes, w)
			continue
		}
		if w.left <= 0 && !w.fixed {
			continue
		}
		if !d.Schedule.MayPause && !w.surplus() {
			w.profile = profileOf(d.Device, w.left, in.Profiles[d.ID])
		}
		wishes = append(wishes, w)
	}
	return wishes
}

// surplus says whether only surplus may serve the job: the control does that.
func (w *wish) surplus() bool { return w.state.Schedule.When == hub.WhenSurplus }

// end is when a run that is under way ends if nothing stops it.
func (w *wish) end(in *Inputs) time.Time {
	if w.state.Schedule.When == hub.WhenNow {
		return in.Now.Add(w.left)
	}
	return w.job.RunEnd
}

// begun says whether a person began the run: the plan has not weighed it.
func (w *wish) begun() bool { return w.state.Schedule.When == hub.WhenNow }

// addFixed adds a run that goes on whatever the plan does to the power per
// slot.
func addFixed(power []float64, in Inputs, w *wish) {
	full, end := float64(w.state.OnPower(w.state.MaxAmps)), w.end(&in)
	for i, s := range in.Slots {
		if from, to := later(s.Start, in.Now), earlier(s.End(), end); to.After(from) {
			power[i] += full * to.Sub(from).Hours() / slotHours
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func loadOf(w *wish, in Inputs) Load {
	if w.heat != nil {
		return w.heat.load(w.state, w.job, &in)
	}
	d := w.state.Device
	l := Load{ID: d.ID, Deadline: &w.deadline, Phases: phasesOf(d, in.Connection)}
	if w.state.Commanded.On && !w.job.Started.IsZero() {
		l.RunningSlots = max(1, int(w.job.Seen.Sub(w.job.Started)/hub.SlotLength))
	}
	full := fullPower(d)
	need, _ := w.job.need(w.state)
	// A device begins some seconds after its slot does: that is no reason to
	// plan one slot more.
	whole := max(1, int((w.left-slack(need)+hub.SlotLength-time.Nanosecond)/hub.SlotLength))
	switch {
	case d.Role == hub.RoleCharger && d.Schedule.MayPause:
		l.Kind, l.Volts, l.MinA, l.MaxA = KindEVSE, 230, d.MinAmps, d.MaxAmps
		l.NeedWh = float64(full) * w.left.Hours()
		l.MinOnSlots, l.StartCostEUR = 2, 0.01
	case d.Schedule.MayPause:
		l.Kind, l.PowerW, l.NeedSlots = KindInterruptible, float64(full), &whole
		l.StartCostEUR = 0.005
	default:
		l.Kind, l.ProfileW = KindProfile, w.profile
	}
	return l
}

// phasesOf are the phases that a device loads. A single-phase device whose
// line nobody knows counts on the first; the guard knows better.
func phasesOf(d hub.Device, c Connection) []int {
	switch {
	case d.Role == hub.RoleCharger && d.Phases == 3 && c.Phases != 1:
		return []int{1, 2, 3}
	case d.Line > 0 && c.Phases != 1:
		return []int{d.Line}
	}
	return []int{1}
}
