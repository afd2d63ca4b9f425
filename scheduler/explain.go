package scheduler

import (
	"fmt"
	"io"
	"math"

	"homehub/hub"
)

// Explain writes a plan as a table that a person can read: what each load does and why, then every slot with its price, powers and content. Errors
// of w are the caller's to see: it should be a buffer or be flushed and checked.
func Explain(w io.Writer, p *Problem, plan *Plan) {
	ev, err := p.Evaluate(plan)
	if err != nil {
		fmt.Fprintf(w, "%v\n", err)
		return
	}
	c := p.clock()
	fmt.Fprintf(w, "%s: %d slots from %s\n", p.Name, p.Slots, c.at(0).Format("Mon 2 Jan 2006 15:04 MST"))
	fmt.Fprintf(w, "cost %.4f EUR, at least %.4f EUR: no plan can save more than %.4f EUR\n", ev.Cost, plan.LowerBound, max(0, ev.Cost-plan.LowerBound))
	q := ev.Parts
	fmt.Fprintf(w, "import %.2f  export %.2f  wear %.2f  starts %.2f  peak %.2f  end value %.2f  comfort %.2f  penalty %.2f\n",
		q.Import, q.Export, q.Wear, q.Start, q.Capacity, q.EndValue, q.Comfort, q.Penalty)
	for _, m := range ev.Missed {
		fmt.Fprintf(w, "missed: %s %s\n", m.Load, m.words())
	}
	for _, v := range ev.Violations {
		fmt.Fprintf(w, "violated: %s %s (slot %d, by %.1f)\n", v.Load, v.Text, v.Slot, v.By)
	}
	fmt.Fprintln(w)
	for _, l := range p.Loads {
		fmt.Fprintf(w, "%-14s %s\n", l.ID, plan.Loads[l.ID].Reason)
	}
	fmt.Fprintln(w)
	explainSlots(w, p, plan, &ev)
}

func (m Missed) words() string {
	switch {
	case m.NotRun:
		return "does not run"
	case m.LateSlots > 0:
		return hub.Spell(lasts(m.LateSlots)) + " late"
	}
	return fmt.Sprintf("%.1f kWh short", m.ShortWh/1000)
}

// loadPowers is the power of every load in every slot, by load number.
func loadPowers(p *Problem, h *house, plan *Plan) [][]float64 {
	out := make([][]float64, len(p.Loads))
	for i := range p.Loads {
		v := make([]float64, p.Slots)
		d, entry := &h.devices[i], plan.Loads[p.Loads[i].ID]
		if d.isProfile() {
			for k, w := range d.profile {
				if t := entry.Start + k; entry.Start >= 0 && t < len(v) {
					v[t] = w
				}
			}
		}
		for _, level := range [][]int{entry.Amps, entry.On} {
			for t, a := range level {
				if t < len(v) && !d.isProfile() {
					v[t] = float64(a) * d.unit
				}
			}
		}
		out[i] = v
	}
	return out
}

func explainSlots(w io.Writer, p *Problem, plan *Plan, ev *Evaluation) {
	powers := loadPowers(p, newHouse(p), plan)
	fmt.Fprintf(w, "%-10s %8s %8s %7s %7s %7s", "time", "import", "export", "base", "pv", "grid")
	if p.Battery != nil {
		fmt.Fprintf(w, " %8s %8s %8s", "battery", "content", "worth")
	}
	for _, l := range p.Loads {
		fmt.Fprintf(w, " %*s", max(6, len(l.ID)), l.ID)
	}
	fmt.Fprintln(w)
	c := p.clock()
	for t := range p.Slots {
		fmt.Fprintf(w, "%-10s %8s %8s %7.0f %7.0f %7.0f", c.at(t).Format("Mon 15:04"), price(p.Import[t]), price(p.Export[t]), p.BaseLoad[t], p.PV[t], ev.GridW[t])
		if p.Battery != nil && t < len(plan.BatteryW) {
			worth := 0.
			if t < len(plan.StorageValue) {
				worth = plan.StorageValue[t]
			}
			fmt.Fprintf(w, " %8.0f %8.0f %8.4f", plan.BatteryW[t], ev.ContentWh[t], worth)
		}
		for i, l := range p.Loads {
			cell := "·"
			if powers[i][t] > 0 {
				cell = fmt.Sprintf("%.0f", powers[i][t])
			}
			fmt.Fprintf(w, " %*s", max(6, len(l.ID)), cell)
		}
		fmt.Fprintln(w)
	}
}

func price(v float64) string {
	if math.IsNaN(v) {
		return "?"
	}
	return fmt.Sprintf("%.4f", v)
}
