package scheduler

import (
	"math"
	"time"

	"homehub/hub"
)

func eur(m hub.MicroEuro, known bool) float64 {
	if !known {
		return math.NaN()
	}
	return float64(m) / 1e6
}

// plannedOf says what the plan does with one device, and why.
func plannedOf(in Inputs, w *wish, solved *Plan, grid grid) hub.Planned {
	d := w.state.Device
	out := hub.Planned{Device: d.ID, Deadline: w.deadline, Need: hub.Energy(d.OnPower(d.MaxAmps), w.left), When: d.Schedule.When}
	switch {
	case w.idle.Kind != "":
		out.Why = w.idle
	case w.surplus():
		if out.Need = max(1, out.Need); d.Schedule.Open() {
			out.Need = 1 // it takes what there is; more than nothing is wanted
		}
		out.Why.Kind = hub.WhySurplus
	case w.heat != nil:
		plannedHeat(&out, in, w, solved, grid)
	case w.fixed:
		end := w.end(&in)
		out.Runs = []hub.Run{{Device: d.ID, Start: in.Now, End: end, Amps: d.MaxAmps, Power: d.OnPower(d.MaxAmps)}}
		out.Why.Kind, out.Why.To = hub.WhyRunning, end
		if w.begun() {
			out.Why.Kind = hub.WhyBegun
		}
	default:
		placed(&out, in, w, solved, grid)
	}
	out.Why.Now, out.Why.Deadline = in.Now.In(in.Zone), w.deadline
	out.Reason = out.Why.String()
	return out
}

// placed fills in what the plan has chosen for a device.
func placed(out *hub.Planned, in Inputs, w *wish, solved *Plan, grid grid) {
	d := w.state.Device
	power := powers(d, w, solved.Loads[d.ID], len(in.Slots))
	out.Runs = runsOf(d, in.Slots, power)
	trimRun(out.Runs, w)
	draws := power
	if w.profile != nil { // it draws as it was seen to, not all the time what it can
		draws = make([]hub.Watt, len(power))
		copyProfile(draws, w.profile, solved.Loads[d.ID].Start)
	}
	out.Cost = grid.cost(draws, draws)
	out.CostNow = grid.cost(startingNow(w, d.OnPower(d.MaxAmps), len(in.Slots)), draws)
	for _, m := range solved.Missed {
		if m.Load == d.ID {
			out.Short = shortOf(m, out.Need)
		}
	}
	if d.Schedule.MayPause {
		out.Worth = worthOf(in, power, solved.LoadValue, out.Short > 0)
	}
	out.Why = solved.Loads[d.ID].Why
	if last := len(out.Runs) - 1; last >= 0 && out.Runs[last].End.Before(out.Why.To) {
		cut := out.Why.To.Sub(out.Runs[last].End)
		out.Why.To, out.Why.Takes = out.Runs[last].End, out.Why.Takes-cut
		out.Why.Energy = max(0, out.Why.Energy-hub.Energy(out.Runs[last].Power, cut))
	}
}

// worthOf is what a kWh now is worth to a device that may pause: the price of
// its dearest planned slot, as that is the one it saves. One that will not be
// ready takes whatever it gets.
func worthOf(in Inputs, power []hub.Watt, value []float64, short bool) (worth hub.MicroEuro) {
	for i, s := range in.Slots {
		price := s.Import
		if i < len(value) {
			price = microEuro(value[i])
		}
		if power[i] > 0 || short {
			worth = max(worth, price)
		}
	}
	if short {
		worth *= 2
	}
	return worth
}

func shortOf(m Missed, need hub.WattHour) hub.WattHour {
	if m.NotRun || m.LateSlots > 0 {
		return need
	}
	return hub.WattHour(math.Round(m.ShortWh))
}

// powers is the device's power in every slot of the plan.
func powers(d hub.Device, w *wish, l LoadPlan, n int) []hub.Watt {
	power := make([]hub.Watt, n)
	switch {
	case l.Kind == KindEVSE:
		for i, a := range l.Amps {
			power[i] = d.OnPower(a)
		}
	case l.Kind == KindProfile && l.Start >= 0:
		full := fullPower(d)
		for i := l.Start; i < n && i-l.Start < len(w.profile); i++ {
			power[i] = full
		}
	default:
		for i, on := range l.On {
			if on != 0 {
				power[i] = max(1, d.OnPower(d.MaxAmps))
			}
		}
	}
	return power
}

// runsOf joins slots of equal power to runs.
func runsOf(d hub.Device, slots []hub.Slot, power []hub.Watt) []hub.Run {
	runs := []hub.Run{}
	for i, w := range power {
		if w == 0 {
			continue
		}
		if n := len(runs); n > 0 && runs[n-1].End.Equal(slots[i].Start) && runs[n-1].Power == w {
			runs[n-1].End = slots[i].End()
			continue
		}
		amps := 0
		if d.Role == hub.RoleCharger {
			amps = int(w) / (230 * max(1, d.Phases))
		}
		runs = append(runs, hub.Run{Device: d.ID, Start: slots[i].Start, End: slots[i].End(), Amps: amps, Power: w})
	}
	return runs
}

// trimRun ends the last run of a job counted in minutes when the job is done,
// not at the end of its slot.
func trimRun(runs []hub.Run, w *wish) {
	if len(runs) == 0 || w.state.Schedule.Minutes == 0 {
		return
	}
	var total time.Duration
	for _, r := range runs {
		total += r.End.Sub(r.Start)
	}
	if over := total - w.left; over > slack(w.left) && over < hub.SlotLength {
		runs[len(runs)-1].End = runs[len(runs)-1].End.Add(-over)
	}
}

// startingNow is the power per slot of a job that begins at once.
func startingNow(w *wish, full hub.Watt, n int) []hub.Watt {
	power := make([]hub.Watt, n)
	if w.profile != nil {
		copyProfile(power, w.profile, 0)
		return power
	}
	for i, left := 0, w.left; i < n && left > 0; i++ {
		power[i] = hub.Watt(float64(full) * min(1, left.Hours()/slotHours))
		left -= hub.SlotLength
	}
	return power
}

// copyProfile puts a profile into power from slot start on; −1 is nowhere.
func copyProfile(power []hub.Watt, profile []float64, start int) {
	for i, w := range profile {
		if start >= 0 && start+i < len(power) {
			power[start+i] = hub.Watt(w)
		}
	}
}

// grid is the house's net power per slot under the plan, and its prices.
type grid struct {
	net   []float64
	moved []float64 // part of net that the plan has put there
	begun []float64 // part of net that a person began
	slots []hub.Slot
}

func newGrid(in Inputs, p *Problem, solved *Plan) grid {
	n := len(in.Slots)
	g := grid{net: make([]float64, n), moved: make([]float64, n), begun: make([]float64, n), slots: in.Slots}
	for i := range g.net {
		g.net[i] = p.BaseLoad[i] - p.PV[i]
		if i < len(solved.BatteryW) {
			g.net[i] += solved.BatteryW[i]
		}
	}
	for _, l := range p.Loads {
		for i, w := range powersOf(l, solved.Loads[l.ID], len(g.net)) {
			g.net[i] += w
			g.moved[i] += w
		}
	}
	return g
}

func powersOf(l Load, plan LoadPlan, n int) []float64 {
	power := make([]float64, n)
	switch plan.Kind {
	case KindProfile:
		for i, w := range l.ProfileW {
			if plan.Start >= 0 && plan.Start+i < n {
				power[plan.Start+i] = w
			}
		}
	case KindEVSE:
		for i, a := range plan.Amps {
			power[i] = l.Volts * float64(len(l.Phases)*a)
		}
	default:
		for i, on := range plan.On {
			power[i] = l.PowerW * float64(on)
		}
	}
	return power
}

// watts is the grid's power per slot, + import; chosen is that of slots into
// which the plan has put something, without runs that a person began.
func (g grid) watts() (net, chosen []hub.Watt) {
	net, chosen = make([]hub.Watt, len(g.net)), make([]hub.Watt, len(g.net))
	for i, w := range g.net {
		net[i] = hub.Watt(math.Round(w))
		if g.moved[i] > 0 {
			chosen[i] = max(0, net[i]-hub.Watt(g.begun[i]))
		}
	}
	return net, chosen
}

// cost is what power adds to the bill if it takes the place of planned.
func (g grid) cost(power, planned []hub.Watt) hub.MicroEuro {
	var sum float64
	for i, s := range g.slots {
		without := g.net[i] - float64(planned[i])
		sum += bill(s, without+float64(power[i])) - bill(s, without)
	}
	return hub.MicroEuro(math.Round(sum))
}

// bill is what a slot at mean power w costs, in micro-euro; w below 0 is given
// to the grid and paid for.
func bill(s hub.Slot, w float64) float64 {
	price := s.Import
	if w < 0 {
		price = s.Export
	}
	return w * slotHours / 1000 * float64(price)
}
