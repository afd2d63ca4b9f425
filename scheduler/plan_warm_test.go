package scheduler_test

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"homehub/scheduler"
)

// later is a problem as it stands a slot later when all went as planned, or nil if a load began in the first slot.
func later(p *scheduler.Problem, plan *scheduler.Plan) *scheduler.Problem {
	for _, l := range p.Loads {
		if e := plan.Loads[l.ID]; l.Thermal != nil || e.Kind == scheduler.KindProfile && e.Start == 0 || e.Amps != nil && e.Amps[0] > 0 || e.On != nil && e.On[0] > 0 {
			return nil
		}
	}
	ev, err := p.Evaluate(plan)
	if err != nil {
		return nil
	}
	q := *p
	q.Start, q.Slots = p.Start.Add(15*time.Minute), p.Slots-1
	q.Import, q.Export, q.BaseLoad, q.PV = p.Import[1:], p.Export[1:], p.BaseLoad[1:], p.PV[1:]
	if p.Battery != nil {
		b := *p.Battery
		b.StartWh = min(max(ev.ContentWh[0], b.MinWh), b.MaxWh)
		q.Battery = &b
	}
	if c := p.Limits.Capacity; c != nil {
		now := *c
		now.MonthPeakSoFarW = max(c.MonthPeakSoFarW, ev.GridW[0])
		q.Limits.Capacity = &now
	}
	q.Loads = slices.Clone(p.Loads)
	for i := range q.Loads {
		q.Loads[i].RunningSlots = 0
	}
	return &q
}

// A slot later with nothing new, a warm start is as good as the plan it comes from.
func TestWarmASlotLater(t *testing.T) {
	instances(t, func(t *testing.T, _ string, p *scheduler.Problem, _ optimum) {
		opt := scheduler.Options{Iterations: 300}
		if *full {
			opt.Iterations = 0
		}
		plan, err := scheduler.Solve(p, opt)
		if err != nil {
			t.Fatal(err)
		}
		q := later(p, plan)
		if q == nil {
			t.Skip("a load begins in the first slot")
		}
		warm := plan.Shifted(1, q.Slots)
		begun := cpu()
		got, err := scheduler.Solve(q, scheduler.Options{Warm: warm})
		took := cpu() - begun
		if err != nil {
			t.Fatal(err)
		}
		ev, err := p.Evaluate(plan)
		if err != nil {
			t.Fatal(err)
		}
		whole := *plan
		whole.Loads = map[string]scheduler.LoadPlan{}
		for id, l := range got.Loads {
			if l.Kind == scheduler.KindProfile && l.Start >= 0 {
				l.Start++
			}
			l.Amps, l.On = prepended(l.Amps), prepended(l.On)
			whole.Loads[id] = l
		}
		if plan.BatteryW != nil {
			whole.BatteryW = append([]float64{plan.BatteryW[0]}, got.BatteryW...)
		}
		if plan.CurtailW != nil {
			whole.CurtailW = append([]float64{plan.CurtailW[0]}, got.CurtailW...)
		}
		now, err := p.Evaluate(&whole)
		if err != nil {
			t.Fatal(err)
		}
		if !now.Feasible || now.Cost > ev.Cost+2e-4 {
			t.Errorf("costs %.5f after %.5f; feasible %v", now.Cost, ev.Cost, now.Feasible)
		}
		t.Logf("%.1f ms of CPU, %.5f after %.5f", float64(took.Microseconds())/1000, now.Cost, ev.Cost)
	})
}

// cpu is the processor time that the test has taken so far: the wall clock counts what others do.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func prepended(v []int) []int {
	if v == nil {
		return nil
	}
	return append([]int{0}, v...)
}
