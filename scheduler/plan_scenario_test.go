package scheduler_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"homehub/scheduler"
)

// flat is a problem of n slots at one price without any load.
func flat(n int, price float64) *scheduler.Problem {
	p := &scheduler.Problem{Name: "flat", Start: time.Date(2024, 6, 5, 10, 0, 0, 0, time.UTC), Zone: "Europe/Amsterdam", Slots: n, Limits: scheduler.Limits{ImportW: 9200}}
	for range n {
		p.Import, p.Export = append(p.Import, price), append(p.Export, 0.05)
		p.BaseLoad, p.PV = append(p.BaseLoad, 200), append(p.PV, 0)
	}
	return p
}

func in(p *scheduler.Problem, slots int) *time.Time {
	at := p.Start.Add(time.Duration(slots) * 15 * time.Minute)
	return &at
}

func solve(t *testing.T, p *scheduler.Problem) (*scheduler.Plan, scheduler.Evaluation) {
	t.Helper()
	plan, err := scheduler.Solve(p, scheduler.Options{Iterations: 400})
	if err != nil {
		t.Fatal(err)
	}
	ev, err := p.Evaluate(plan)
	if err != nil {
		t.Fatal(err)
	}
	if !ev.Feasible {
		t.Fatalf("not feasible: %+v", ev.Violations)
	}
	if plan.LowerBound > ev.Cost+1e-6 {
		t.Fatalf("lower bound %.6f above the cost %.6f", plan.LowerBound, ev.Cost)
	}
	return plan, ev
}

// Odd problems are planned without fuss.
func TestOddProblems(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *scheduler.Problem)
		missed int
	}{
		{"no slots", func(p *scheduler.Problem) {
			*p = *flat(0, 0)
			p.Loads = []scheduler.Load{{ID: "a", Kind: scheduler.KindProfile, ProfileW: []float64{1}}, {ID: "b", Kind: scheduler.KindEVSE, MaxA: 16, NeedWh: 100}}
		}, 2},
		{"nothing to do", func(*scheduler.Problem) {}, 0},
		{"deadline in the past", func(p *scheduler.Problem) {
			p.Loads = []scheduler.Load{
				{ID: "car", Kind: scheduler.KindEVSE, MaxA: 16, NeedWh: 5000, Deadline: in(p, -9)},
				{ID: "washer", Kind: scheduler.KindProfile, ProfileW: []float64{500}, Deadline: in(p, -9)},
			}
		}, 2},
		{"earliest after the deadline", func(p *scheduler.Problem) {
			p.Loads = []scheduler.Load{{ID: "car", Kind: scheduler.KindEVSE, MaxA: 16, NeedWh: 5000, Earliest: in(p, 20), Deadline: in(p, 10)}}
		}, 1},
		{"base load above the fuse", func(p *scheduler.Problem) {
			for s := range p.BaseLoad {
				p.BaseLoad[s] = 12000
			}
			p.Loads = []scheduler.Load{{ID: "car", Kind: scheduler.KindEVSE, MaxA: 16, NeedWh: 5000}}
		}, 1},
		{"minimum run longer than the horizon", func(p *scheduler.Problem) {
			p.Loads = []scheduler.Load{{ID: "pump", Kind: scheduler.KindInterruptible, PowerW: 500, NeedWh: 500, MinOnSlots: 100}}
		}, 1},
		{"battery without room", func(p *scheduler.Problem) {
			p.Battery = &scheduler.Battery{MinWh: 500, StartWh: 500, MaxWh: 500, MaxChargeW: 1000, MaxDischargeW: 1000, ChargeEfficiency: 0.9, DischargeEfficiency: 0.9}
		}, 0},
		{"thirty loads", func(p *scheduler.Problem) {
			for i := range 30 {
				p.Loads = append(p.Loads, scheduler.Load{ID: fmt.Sprint("load", i), Kind: scheduler.KindProfile, ProfileW: []float64{800, 400}})
			}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := flat(24, 0.3)
			c.change(p)
			plan, ev := solve(t, p)
			if len(ev.Missed) != c.missed {
				t.Errorf("missed %+v", ev.Missed)
			}
			scheduler.Explain(&bytes.Buffer{}, p, plan)
			scheduler.SVG(&bytes.Buffer{}, p, plan)
		})
	}
}

// Random houses of a day or two: every plan is feasible, costs what it claims, and its bound holds against the plan and against a longer search.
func TestSolveRandomHouses(t *testing.T) {
	for seed := range 4 {
		rng := rand.New(rand.NewPCG(uint64(seed), 11))
		p := randomHouse(rng)
		plan, ev := solve(t, p)
		if math.Abs(plan.Cost-ev.Cost) > 1e-5 {
			t.Errorf("seed %d: claims %.6f, costs %.6f", seed, plan.Cost, ev.Cost)
		}
		longer, err := scheduler.Solve(p, scheduler.Options{Iterations: 800})
		if err != nil {
			t.Fatal(err)
		}
		if plan.LowerBound > longer.Cost+1e-6 {
			t.Errorf("seed %d: bound %.6f above a plan of %.6f", seed, plan.LowerBound, longer.Cost)
		}
		if longer.Cost > plan.Cost+1.1e-4 {
			t.Errorf("seed %d: more effort made it dearer: %.6f, %.6f", seed, plan.Cost, longer.Cost)
		}
	}
}

func randomHouse(rng *rand.Rand) *scheduler.Problem {
	p := flat(60+rng.IntN(100), 0.3)
	for s := range p.Slots {
		p.Import[s] = 0.25 + 0.15*math.Sin(float64(s)/9) + 0.04*rng.NormFloat64()
		p.Export[s] = p.Import[s] - 0.12
		p.BaseLoad[s] = 200 + 900*rng.Float64()
		p.PV[s] = max(0, 3500*math.Sin(float64(s)/30)) * rng.Float64()
	}
	if rng.IntN(2) == 0 {
		p.Limits.PhaseImportW = &[3]float64{5750, 5750, 5750}
	}
	p.PVCurtailable = rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		w := 2500.
		p.Limits.ExportW = &w
	}
	if rng.IntN(3) == 0 {
		p.Limits.Capacity = &scheduler.CapacityTariff{EURPerKW: 4.4, MonthPeakSoFarW: 2800, FloorW: 2500}
	}
	p.Battery = &scheduler.Battery{
		MinWh: 300, StartWh: 2000, MaxWh: 6000, MaxChargeW: 3000, MaxDischargeW: 3000, ChargeEfficiency: 0.95, DischargeEfficiency: 0.94,
		WearEURPerKWh: 0.01, EndValueEURPerKWh: 0.2, Phases: []int{1 + rng.IntN(3)},
	}
	p.Loads = []scheduler.Load{
		{ID: "car", Kind: scheduler.KindEVSE, Phases: []int{1, 2, 3}[:1+2*rng.IntN(2)], MaxA: 16, NeedWh: 12000, Deadline: in(p, 50), MinOnSlots: 2, StartCostEUR: 0.005},
		{ID: "boiler", Kind: scheduler.KindInterruptible, Phases: []int{2}, PowerW: 2000, NeedWh: 4100, MinOnSlots: 1 + rng.IntN(3), Deadline: in(p, 55)},
		{ID: "washer", Kind: scheduler.KindProfile, Phases: []int{3}, ProfileW: []float64{150, 2100, 2000, 400, 300}, Deadline: in(p, 40)},
		{ID: "dishwasher", Kind: scheduler.KindProfile, Phases: []int{1}, ProfileW: []float64{100, 1900, 300, 1800, 100}, Earliest: in(p, 10)},
	}
	return p
}
