package scheduler

import (
	"fmt"
	"time"

	"homehub/hub"
)

// Inputs are what a plan of the house is made from.
type Inputs struct {
	Now      time.Time
	Zone     *time.Location
	Slots    []hub.Slot // from the slot that holds Now on
	Base, PV []float64  // forecast in W per slot; shorter or nil: 0 for the rest
	Devices  []hub.DeviceState
	Jobs     map[string]*Job // by device
	Import   hub.Watt        // the connection's limit
	Warm     *Plan           // a former plan of the same loads, or nil
}

// wish is a device's job as the planner sees it.
type wish struct {
	state    hub.DeviceState
	job      *Job
	deadline time.Time
	left     time.Duration
	fixed    bool // runs and may not pause: it goes on, and is no choice any more
	absent   bool // a charger without a car
}

// iterations of the search: a number, not a time, so that the same house gets
// the same plan on a fast and on a busy machine.
const iterations = 40

// PlanHouse makes the plan of the house: every device on Auto with a schedule
// gets its cheapest runs before its deadline.
func PlanHouse(in Inputs) (*hub.Plan, *Plan, error) {
	out := &hub.Plan{At: in.Now, Slots: in.Slots}
	if len(in.Slots) == 0 {
		return out, nil, nil
	}
	p := problemOf(in)
	wishes := in.wishes()
	for _, w := range wishes {
		switch {
		case w.absent:
		case w.fixed:
			addFixed(p, in, w)
		default:
			p.Loads = append(p.Loads, loadOf(w))
		}
	}
	solved, err := Solve(p, Options{Iterations: iterations})
	if err != nil {
		return nil, nil, fmt.Errorf("planning: %w", err)
	}
	out.Cost, out.Bound = microEuro(solved.Cost), microEuro(solved.LowerBound)
	grid := newGrid(in, p, solved)
	for _, w := range wishes {
		out.Devices = append(out.Devices, plannedOf(in, w, solved, grid))
	}
	return out, solved, nil
}

func microEuro(eur float64) hub.MicroEuro { return hub.MicroEuro(eur * 1e6) }

func problemOf(in Inputs) *Problem {
	n := len(in.Slots)
	p := &Problem{
		Format: ProblemFormat, Name: "house", Start: in.Slots[0].Start, Zone: in.Zone.String(), SlotSeconds: slotSeconds, Slots: n,
		Import: make(Prices, n), Export: make(Prices, n), BaseLoad: make([]float64, n), PV: make([]float64, n),
		Limits: Limits{ImportW: float64(in.Import)},
	}
	for i, s := range in.Slots {
		p.Import[i], p.Export[i] = eur(s.Import, s.Known), eur(s.Export, s.Known)
		if i < len(in.Base) {
			p.BaseLoad[i] = max(0, in.Base[i])
		}
		if i < len(in.PV) {
			p.PV[i] = max(0, in.PV[i])
		}
	}
	return p
}

// wishes are the jobs that are due, in the order of the devices.
func (in Inputs) wishes() []wish {
	var wishes []wish
	for _, d := range in.Devices {
		if d.Schedule == nil || !d.Switched() || d.ModeAt(in.Now) != hub.ModeAuto {
			continue
		}
		deadline, ok := Due(*d.Schedule, in.Now, in.Zone)
		job := in.Jobs[d.ID]
		if !ok || job == nil || !job.Deadline.Equal(deadline) {
			continue
		}
		w := wish{state: d, job: job, deadline: deadline, left: job.left(d.Schedule, d.Device)}
		w.fixed = job.RunEnd.After(in.Now)
		w.absent = d.Role == hub.RoleCharger && d.Has&hub.ReportPlugged != 0 && !d.Plugged
		if w.left > 0 || w.fixed {
			wishes = append(wishes, w)
		}
	}
	return wishes
}

// addFixed puts a run that may not pause into the base load.
func addFixed(p *Problem, in Inputs, w wish) {
	for i, s := range in.Slots {
		if s.Start.Before(w.job.RunEnd) {
			p.BaseLoad[i] += float64(w.state.OnPower(w.state.MaxAmps))
		}
	}
}

func loadOf(w wish) Load {
	d := w.state.Device
	l := Load{ID: d.ID, Deadline: &w.deadline, Phases: phasesOf(d)}
	if w.state.Commanded.On && !w.job.Started.IsZero() {
		l.RunningSlots = max(1, int(w.job.Seen.Sub(w.job.Started)/hub.SlotLength))
	}
	full := d.OnPower(d.MaxAmps)
	whole := int((w.left + hub.SlotLength - time.Nanosecond) / hub.SlotLength)
	switch {
	case d.Role == hub.RoleCharger && d.Schedule.MayPause:
		l.Kind, l.Volts, l.MinA, l.MaxA = KindEVSE, 230, d.MinAmps, d.MaxAmps
		l.NeedWh = float64(full) * w.left.Hours()
		l.MinOnSlots, l.StartCostEUR = 2, 0.01
	case d.Schedule.MayPause:
		l.Kind, l.PowerW, l.NeedSlots = KindInterruptible, float64(max(1, full)), &whole
		l.StartCostEUR = 0.005
	default:
		l.Kind = KindProfile
		for left := w.left; left > 0; left -= hub.SlotLength {
			l.ProfileW = append(l.ProfileW, float64(max(1, full))*min(1, left.Hours()/slotHours))
		}
	}
	return l
}

func phasesOf(d hub.Device) []int {
	if d.Role == hub.RoleCharger && d.Phases == 3 {
		return []int{1, 2, 3}
	}
	return []int{1}
}
