package scheduler

import (
	"math"
	"slices"

	"homehub/hub"
)

// solve plans p. Where a former plan is given and still serves, a new one must
// save more than in.Gain to replace it: a plan that changes its mind every
// quarter of an hour for a tenth of a cent wears relays and patience.
func (in *Inputs) solve(p *Problem) (*Plan, error) {
	former := in.former(p)
	fresh, err := Solve(p, Options{Iterations: in.Effort, Warm: former})
	if err != nil || former == nil {
		return fresh, err
	}
	kept, cost := staying(p, former, fresh)
	if kept != nil && cost-fresh.Cost <= eur(in.Gain, true) {
		return kept, nil
	}
	return fresh, nil
}

// former is the former plan with its slots counted as those of p, or nil if it
// does not know every load of p.
func (in *Inputs) former(p *Problem) *Plan {
	if in.Former == nil || len(p.Loads) == 0 {
		return nil
	}
	shift := int(math.Round(p.Start.Sub(in.FormerStart).Hours() / slotHours))
	if shift < 0 || shift >= p.Slots {
		return nil
	}
	out := &Plan{Format: PlanFormat, Problem: p.Name, Loads: map[string]LoadPlan{}}
	for i := range p.Loads {
		l := &p.Loads[i]
		entry, ok := in.Former.Loads[l.ID]
		if !ok || entry.Kind != l.Kind || l.Kind == KindProfile && entry.Start < shift {
			return nil
		}
		entry.Amps, entry.On = shifted(entry.Amps, shift, p.Slots), shifted(entry.On, shift, p.Slots)
		if l.Kind == KindProfile {
			entry.Start -= shift
		}
		out.Loads[l.ID] = entry
	}
	return out
}

// shifted drops the first slots of v and makes it n long.
func shifted(v []int, by, n int) []int {
	if v == nil {
		return nil
	}
	out := make([]int, n)
	copy(out, v[min(by, len(v)):])
	return out
}

// staying is the former plan as a plan of p, with the battery's best answer to
// it, and what it costs; nil if it misses what fresh does not.
func staying(p *Problem, former, fresh *Plan) (kept *Plan, cost float64) {
	plan := *fresh
	plan.Loads = former.Loads
	plan.CurtailW = nil
	tolerant := tolerate(p, former)
	if p.Battery != nil {
		bare := *tolerant
		bare.Loads, bare.BaseLoad = nil, slices.Clone(p.BaseLoad)
		for _, l := range p.Loads {
			for t, w := range powersOf(l, former.Loads[l.ID], p.Slots) {
				bare.BaseLoad[t] += w
			}
		}
		answer, err := Solve(&bare, Options{})
		if err != nil {
			return nil, 0
		}
		plan.BatteryW, plan.CurtailW, plan.StorageValue = answer.BatteryW, answer.CurtailW, answer.StorageValue
	}
	ev, err := tolerant.Evaluate(&plan)
	if err != nil || !ev.Feasible || len(ev.Missed) > len(fresh.Missed) || len(fresh.Missed) > 0 {
		return nil, 0 // what is late or short is planned anew each time
	}
	plan.Cost, plan.PeakW = ev.Cost, ev.PeakW
	plan.LowerBound = min(fresh.LowerBound, ev.Cost)
	plan.Gap = plan.Cost - plan.LowerBound
	return &plan, ev.Cost
}

// tolerate is p with what each load needs set to what plan gives it, where the
// two are as good as equal: devices begin late, and meters count whole Wh.
func tolerate(p *Problem, plan *Plan) *Problem {
	out := *p
	out.Loads = slices.Clone(p.Loads)
	for i := range out.Loads {
		l := &out.Loads[i]
		entry := plan.Loads[l.ID]
		switch l.Kind {
		case KindEVSE:
			gives := 0.0
			for _, w := range powersOf(*l, entry, p.Slots) {
				gives += w * slotHours
			}
			step := l.Volts * float64(len(l.Phases)) * slotHours // one amp for a slot
			if math.Abs(gives-l.NeedWh) <= 0.02*l.NeedWh+2*step {
				l.NeedWh = gives
			}
		case KindInterruptible:
			on := 0
			for _, v := range entry.On {
				on += v
			}
			if l.NeedSlots != nil && *l.NeedSlots < on && on-*l.NeedSlots <= 1 {
				l.NeedSlots = &on
			}
		}
	}
	return &out
}

// Profile is what an appliance draws in a run, learned from its own runs.
type Profile struct {
	Watts []hub.Watt `json:"w"`    // mean of each quarter of an hour since the start
	Runs  int        `json:"runs"` // how many it was learned from
}
