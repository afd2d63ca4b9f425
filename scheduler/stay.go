package scheduler

import (
	"math"
	"slices"
	"time"

	"homehub/hub"
)

// solve plans p. Where a former plan is given and still serves, a new one must
// save more than in.Gain to replace it: a plan that changes its mind every
// quarter of an hour for a tenth of a cent wears relays and patience.
func (in *Inputs) solve(p *Problem) (*Plan, error) {
	shift := in.shift(p)
	opt := Options{}
	if shift >= 0 && !in.Anew {
		opt.Warm = in.Former.Shifted(shift, p.Slots)
	}
	fresh, err := Solve(p, opt)
	if err != nil || shift < 0 {
		return fresh, err
	}
	former := in.former(p, shift)
	if former == nil {
		return fresh, nil
	}
	kept := staying(p, former, fresh)
	if kept != nil && kept.Cost-fresh.Cost <= eur(in.Gain, true) {
		return kept, nil
	}
	return fresh, nil
}

// shift is how many slots of the former plan are over when p begins, or -1 if
// there is none that reaches into it.
func (in *Inputs) shift(p *Problem) int {
	if in.Former == nil {
		return -1
	}
	shift := int(math.Round(p.Start.Sub(in.FormerStart).Hours() / slotHours))
	if shift >= p.Slots {
		return -1
	}
	return max(shift, -1)
}

// former is the former plan with its slots counted as those of p, or nil if it
// does not know every load of p.
func (in *Inputs) former(p *Problem, shift int) *Plan {
	for i := range p.Loads {
		l := &p.Loads[i]
		entry, ok := in.Former.Loads[l.ID]
		if !ok || entry.Kind != l.Kind || l.Kind == KindProfile && entry.Start < shift {
			return nil
		}
	}
	if len(p.Loads) == 0 {
		return nil
	}
	return in.Former.Shifted(shift, p.Slots)
}

// staying is the former plan as a plan of p, with the battery's best answer to
// it; nil if it misses what fresh does not.
func staying(p *Problem, former, fresh *Plan) *Plan {
	if len(fresh.Missed) > 0 {
		return nil // what is late or short is planned anew each time
	}
	tolerant := tolerate(p, former)
	s := newSearch(newHouse(tolerant), Options{Now: time.Now})
	if !s.fromWarm(tolerant, former) {
		return nil
	}
	plan := s.plan(tolerant)
	s.reasons(tolerant, plan)
	ev, err := tolerant.Evaluate(plan)
	if err != nil || !ev.Feasible || len(ev.Missed) > 0 {
		return nil
	}
	plan.LowerBound, plan.LoadValue = min(fresh.LowerBound, plan.Cost), fresh.LoadValue
	plan.Gap = plan.Cost - plan.LowerBound
	return plan
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
