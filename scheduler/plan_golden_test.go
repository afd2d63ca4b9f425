package scheduler_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"homehub/scheduler"
)

// Four half-hours at 1, 10, 5 and 5 and an appliance of 45 minutes: rules that think in half-hours put it into the third and fourth for 7.5; the first and
// half of the second cost 6.0. One that may pause does better still.
func TestPartOfAnHour(t *testing.T) {
	p := flat(8, 0)
	for s, price := range []float64{1, 1, 10, 10, 5, 5, 5, 5} {
		p.Import[s], p.BaseLoad[s] = price, 0
	}
	const halfHours = 0.5 // kWh of a half-hour at 1 kW
	p.Loads = []scheduler.Load{{ID: "washer", Kind: scheduler.KindProfile, ProfileW: []float64{1000, 1000, 1000}}}
	plan, ev := solve(t, p)
	if plan.Loads["washer"].Start != 0 || math.Abs(ev.Cost/halfHours-6) > 1e-9 {
		t.Errorf("starts at %d for %.2f, not 6.0", plan.Loads["washer"].Start, ev.Cost/halfHours)
	}
	need := 3
	p.Loads = []scheduler.Load{{ID: "heater", Kind: scheduler.KindInterruptible, PowerW: 1000, NeedSlots: &need}}
	plan, ev = solve(t, p)
	if got := fmt.Sprint(plan.Loads["heater"].On); got != "[1 1 0 0 1 0 0 0]" || math.Abs(ev.Cost/halfHours-3.5) > 1e-9 {
		t.Errorf("runs %s for %.2f", got, ev.Cost/halfHours)
	}
}

// Two cars under a cap that carries only one are both full by the morning and never charge together.
func TestTwoCarsUnderACap(t *testing.T) {
	p := flat(48, 0.3)
	p.Limits.ImportW = 4000
	for _, id := range []string{"one", "two"} {
		p.Loads = append(p.Loads, scheduler.Load{ID: id, Kind: scheduler.KindEVSE, MinA: 10, MaxA: 16, NeedWh: 18000, Deadline: in(p, 44), MinOnSlots: 2})
	}
	plan, ev := solve(t, p)
	if len(ev.Missed) > 0 {
		t.Fatalf("missed %+v", ev.Missed)
	}
	for _, id := range []string{"one", "two"} {
		sum := 0
		for _, a := range plan.Loads[id].Amps {
			sum += a
		}
		if wh := float64(sum) * 230 / 4; wh < 18000 {
			t.Errorf("car %s gets %.0f Wh", id, wh)
		}
	}
	for s := range p.Slots {
		if plan.Loads["one"].Amps[s] > 0 && plan.Loads["two"].Amps[s] > 0 {
			t.Errorf("both charge in slot %d", s)
		}
	}
}

// slots is the time of a slot of flat's problems.
func slots(n int) *time.Time { return in(flat(0, 0), n) }

// Plans of equal cost: the fewest starts, then the earliest, then the lowest peak.
func TestTies(t *testing.T) {
	two := 2
	for _, c := range []struct {
		name  string
		loads []scheduler.Load
		want  string
	}{
		{
			"fewest starts before earlier", // the washer leaves the first slot free: using it would be earlier and a start more
			[]scheduler.Load{
				{ID: "washer", Kind: scheduler.KindProfile, ProfileW: []float64{3800}, Earliest: slots(1), Deadline: slots(2)},
				{ID: "heater", Kind: scheduler.KindInterruptible, PowerW: 1000, NeedSlots: &two},
			}, "heater[0 0 1 1 0 0 0 0] washer1 ",
		},
		{"earliest", []scheduler.Load{{ID: "heater", Kind: scheduler.KindInterruptible, PowerW: 1000, NeedSlots: &two}}, "heater[1 1 0 0 0 0 0 0] "},
		{"earliest run", []scheduler.Load{{ID: "washer", Kind: scheduler.KindProfile, ProfileW: []float64{500, 900}, Earliest: slots(2)}}, "washer2 "},
		{
			"lowest peak", // only one can begin at once; either way is equally early, but with the dryer first both are at their highest in slot 2
			[]scheduler.Load{
				{ID: "dryer", Kind: scheduler.KindProfile, ProfileW: []float64{1500, 0, 2000}},
				{ID: "washer", Kind: scheduler.KindProfile, ProfileW: []float64{1000, 2500}},
			}, "dryer1 washer0 ",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := flat(8, 0.25)
			p.Limits.ImportW = 4000
			if c.name == "lowest peak" {
				p.Limits.ImportW, p.BaseLoad[0] = 5000, 3000
			}
			p.Loads = c.loads
			plan, _ := solve(t, p)
			got := ""
			for _, id := range []string{"dryer", "heater", "washer"} {
				switch l, ok := plan.Loads[id]; {
				case !ok:
				case l.Kind == scheduler.KindProfile:
					got += fmt.Sprint(id, l.Start, " ")
				default:
					got += fmt.Sprint(id, l.On, " ")
				}
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A battery fills below the mean price and empties above it.
func TestBatteryFollowsPrice(t *testing.T) {
	p := flat(16, 0.1)
	for s := 8; s < 16; s++ {
		p.Import[s], p.BaseLoad[s] = 0.4, 1000
	}
	p.Battery = &scheduler.Battery{MaxWh: 2000, MaxChargeW: 1000, MaxDischargeW: 1000, ChargeEfficiency: 0.95, DischargeEfficiency: 0.95, WearEURPerKWh: 0.01}
	plan, _ := solve(t, p)
	for s, w := range plan.BatteryW {
		if s < 8 && w < 0 || s >= 8 && w > 0 {
			t.Errorf("slot %d: %g W", s, w)
		}
	}
	if worth := plan.StorageValue[7]; worth < 0.3 || worth > 0.4 {
		t.Errorf("stored energy is worth %.4f before the dear hours", worth)
	}
}

// A full battery is worth keeping for what its content will stand in for, and worth emptying where it stands in for nothing.
func TestBatteryEndValue(t *testing.T) {
	for _, c := range []struct {
		name  string
		value float64
		want  float64
	}{{"worthless", 0, 0}, {"dear", 0.5, 2000}} {
		t.Run(c.name, func(t *testing.T) {
			p := flat(16, 0.3)
			p.Battery = &scheduler.Battery{
				StartWh: 1000, MaxWh: 2000, MaxChargeW: 1000, MaxDischargeW: 1000, ChargeEfficiency: 0.95, DischargeEfficiency: 0.95,
				WearEURPerKWh: 0.01, EndValueEURPerKWh: c.value,
			}
			for s := range p.BaseLoad {
				p.BaseLoad[s] = 1000
			}
			_, ev := solve(t, p)
			if end := ev.ContentWh[len(ev.ContentWh)-1]; math.Abs(end-c.want) > 0.2 {
				t.Errorf("ends with %.1f Wh, not %.0f", end, c.want)
			}
		})
	}
}

// The nights on which the clock changes have 23 and 25 hours: a car that is to be ready by 07:00 local time uses all of them and no more.
func TestClockChanges(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		day   time.Time
		slots int
	}{
		{"29 March", time.Date(2026, 3, 29, 0, 0, 0, 0, zone), 24},
		{"25 October", time.Date(2026, 10, 25, 0, 0, 0, 0, zone), 32},
		{"an ordinary day", time.Date(2026, 6, 5, 0, 0, 0, 0, zone), 28},
	} {
		t.Run(c.name, func(t *testing.T) {
			days := int(c.day.AddDate(0, 0, 1).Sub(c.day) / (15 * time.Minute))
			if want := map[int]int{24: 92, 32: 100, 28: 96}[c.slots]; days != want {
				t.Fatalf("the day has %d slots, not %d", days, want)
			}
			p := flat(days, 0.3)
			p.Start = c.day
			for s := range p.Slots {
				p.Import[s] = 0.3 - 0.001*float64(s) // the later the cheaper: it runs right up to the deadline
			}
			ready, need := time.Date(c.day.Year(), c.day.Month(), c.day.Day(), 7, 0, 0, 0, zone), 3
			p.Loads = []scheduler.Load{
				{ID: "heater", Kind: scheduler.KindInterruptible, PowerW: 1000, NeedSlots: &need, Deadline: &ready},
				{ID: "car", Kind: scheduler.KindEVSE, MaxA: 10, NeedWh: 230 * 10 * 0.25 * float64(c.slots), Deadline: &ready},
			}
			plan, ev := solve(t, p)
			if len(ev.Missed) > 0 {
				t.Errorf("missed %+v", ev.Missed)
			}
			for s := range p.Slots {
				on, last := plan.Loads["heater"].On[s] > 0, s >= c.slots-3 && s < c.slots
				if on != last {
					t.Errorf("slot %d (%s): heater %v", s, p.Start.Add(time.Duration(s)*15*time.Minute).In(zone).Format("15:04"), on)
				}
			}
		})
	}
}

// Tomorrow's prices are late, missing or there in part: what is unknown is never counted on to be cheap.
func TestUnknownPrices(t *testing.T) {
	unknown := math.NaN()
	for _, c := range []struct {
		name string
		from int // first unknown slot
		to   int
		want int // start of the washer
	}{
		{"all known: the cheap hour tomorrow", 48, 48, 40},
		{"tomorrow is missing: the cheapest of today", 24, 48, 8},
		{"tomorrow is there in part, the cheap hour with it", 44, 48, 40},
		{"a hole where the cheap hour is", 38, 44, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := flat(48, 0.3)
			p.Import[8] = 0.2
			p.Import[40], p.Import[41] = 0.1, 0.1
			for s := c.from; s < c.to; s++ {
				p.Import[s], p.Export[s] = unknown, unknown
			}
			p.Loads = []scheduler.Load{{ID: "washer", Kind: scheduler.KindProfile, ProfileW: []float64{2000, 1500}}}
			if plan, _ := solve(t, p); plan.Loads["washer"].Start != c.want {
				t.Errorf("starts at %d, not %d", plan.Loads["washer"].Start, c.want)
			}
		})
	}
	p := flat(4, 0.3)
	for s := range p.Slots {
		p.Import[s] = unknown
	}
	if _, err := scheduler.Solve(p, scheduler.Options{}); err == nil {
		t.Error("a plan without any price")
	}
}

// Weights on carbon and on the community's signal move a plan to where the grid is clean or the neighbours have sun, as far as that is worth its price.
func TestWeights(t *testing.T) {
	const clean, shared = 6, 12
	for _, c := range []struct {
		name               string
		perKg, perKWh      float64
		want               int
		carbon, neighbours bool
	}{
		{"no weight: the cheapest", 0, 0, 2, true, true},
		{"carbon at 10 ct a kg", 0.1, 0, clean, true, false},
		{"carbon at 1 ct a kg is not worth the detour", 0.01, 0, 2, true, false},
		{"the community at 10 ct a kWh", 0, 0.1, shared, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := flat(16, 0.3)
			p.Import[2] = 0.28
			carbon, signal := make([]float64, p.Slots), make([]float64, p.Slots)
			for s := range carbon {
				carbon[s] = 400
			}
			carbon[clean], signal[shared] = 50, 1
			if c.carbon {
				p.AddCarbon(carbon, c.perKg)
			}
			if c.neighbours {
				p.AddCommunity(signal, c.perKWh)
			}
			p.Loads = []scheduler.Load{{ID: "washer", Kind: scheduler.KindProfile, ProfileW: []float64{2000}}}
			if plan, _ := solve(t, p); plan.Loads["washer"].Start != c.want {
				t.Errorf("starts at %d, not %d", plan.Loads["washer"].Start, c.want)
			}
		})
	}
}

// The export cap of a roof that cannot be turned down draws load into the sun, and one that can be is turned down by no more than it must.
func TestExportCap(t *testing.T) {
	for _, curtail := range []bool{false, true} {
		p := flat(8, 0.3)
		limit := 1000.
		p.Limits.ExportW, p.PVCurtailable = &limit, curtail
		p.PV[4], p.PV[5] = 3200, 3200
		p.Loads = []scheduler.Load{{ID: "washer", Kind: scheduler.KindProfile, ProfileW: []float64{1500, 1500}}}
		plan, ev := solve(t, p)
		if plan.Loads["washer"].Start != 4 {
			t.Errorf("curtailable %v: starts at %d, not in the sun", curtail, plan.Loads["washer"].Start)
		}
		want := -1500. // 3200 W of sun less 200 and 1500 W: nobody can hold it back
		if curtail {
			want = -1000
		}
		if math.Abs(ev.GridW[4]-want) > 0.2 {
			t.Errorf("curtailable %v: %.0f W to the grid, not %.0f", curtail, -ev.GridW[4], -want)
		}
	}
}

// A fuse on each phase: what does not fit on the first is spread in time, what is on another phase runs beside it, and a three-phase car takes what all
// three leave.
func TestPhaseFuses(t *testing.T) {
	p := flat(8, 0.3)
	p.Limits = scheduler.Limits{ImportW: 17250, PhaseImportW: &[3]float64{3000, 3000, 3000}}
	p.BasePhaseShare = [3]float64{1, 0, 0}
	p.Loads = []scheduler.Load{
		{ID: "a", Kind: scheduler.KindProfile, ProfileW: []float64{2000, 2000}, Phases: []int{1}},
		{ID: "b", Kind: scheduler.KindProfile, ProfileW: []float64{2000, 2000}, Phases: []int{1}},
		{ID: "c", Kind: scheduler.KindProfile, ProfileW: []float64{2000, 2000}, Phases: []int{2}},
		{ID: "car", Kind: scheduler.KindEVSE, MaxA: 16, NeedWh: 690 * 12 * 0.25 * 4, Phases: []int{1, 2, 3}},
	}
	plan, ev := solve(t, p)
	a, b, c := plan.Loads["a"].Start, plan.Loads["b"].Start, plan.Loads["c"].Start
	if max(a, b)-min(a, b) < 2 || c != a && c != b {
		t.Errorf("a at %d, b at %d, c at %d", a, b, c)
	}
	if len(ev.Missed) > 0 {
		t.Errorf("missed %+v", ev.Missed)
	}
	for s, amps := range plan.Loads["car"].Amps {
		if amps > 12 { // 200 W of base load leave 2800 W, 12 A, on the first phase
			t.Errorf("slot %d: %d A", s, amps)
		}
	}
}
