package benchyear

import (
	"math"
	"testing"

	"homehub/scheduler"
)

// The guard stands above the plan: fuses and the quarter's peak first, then what stored energy is worth.
func TestWaterValue(t *testing.T) {
	calm := moment{base: 600, batteryW: 0, content: 5000, pi: 0.3, pe: 0.05, worth: 0.25, capW: math.Inf(1), keepWh: 500}
	for _, c := range []struct {
		name   string
		change func(m *moment)
		house  connection
		want   order
	}{
		{"as planned", func(m *moment) { m.amps, m.pi = 10, 0.26 }, threePhase, order{amps: 10}},
		{"dear hour: the battery carries the house", func(m *moment) { m.pi = 0.4 }, threePhase, order{batteryW: -600}},
		{"sun that was not foreseen is stored", func(m *moment) { m.pv = 2600 }, threePhase, order{batteryW: 2000}},
		{"stored energy is worth more than the grid's", func(m *moment) { m.worth = 0.5 }, threePhase, order{batteryW: 5000}},
		{
			"a fuse cuts the car to what the battery cannot carry", func(m *moment) { m.base, m.amps, m.content = 10000, 16, 500 }, threePhase,
			order{amps: 10}, // 3·5750 W less 10 kW leave 7250 W
		},
		{"the battery helps first", func(m *moment) { m.base, m.amps, m.pi = 10000, 16, 0.26 }, threePhase, order{amps: 16, batteryW: -3790}},
		{"below 6 A the car stops", func(m *moment) { m.base, m.amps, m.content = 14000, 16, 500 }, threePhase, order{}},
		{
			"the boiler pauses when nothing else is left",
			func(m *moment) {
				m.base, m.amps, m.content, m.boiler, m.others = 13000, 6, 500, 2, [3]float64{0, boilerW, 0}
			},
			threePhase,
			order{shed: true, amps: 6},
		},
		{
			"a quarter half full of its peak", func(m *moment) { m.capW, m.minute, m.taken, m.amps, m.content = 4000, 9, 700, 32, 500 }, onePhase,
			order{amps: 10}, // 300 Wh in 6 minutes: 3 kW, 600 W of which are the house's
		},
		{"what is kept for peaks is not for sale", func(m *moment) { m.pi, m.keepWh, m.content = 0.5, 2000, 2000 }, onePhase, order{}},
		{
			"but there for a peak", func(m *moment) { m.base, m.capW, m.keepWh, m.content = 4500, 3000, 2000, 2000 }, onePhase,
			order{batteryW: -1500},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := calm
			c.change(&m)
			got := waterValue{}.minute(&c.house, m)
			if got.amps != c.want.amps || got.shed != c.want.shed || math.Abs(got.batteryW-c.want.batteryW) > 1 {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// What the guard may cut has its time before the deadline, unless that makes the task hurry.
func TestAim(t *testing.T) {
	h := &home{connection: threePhase}
	for _, c := range []struct {
		leftWh float64
		early  int
		want   int
	}{
		{4500, readyBefore, 39},
		{19000, readyBefore, 40}, // 9.5 h of 10: there is nothing to spare
		{4500, readyEarly, 32},
		{9000, readyEarly, 38}, // a quarter of the early hours is what leaves twice the time it takes
	} {
		if got := h.aim(&job{to: 40}, c.leftWh, boilerW, c.early); got != c.want {
			t.Errorf("%.0f Wh, %d slots early: aims at %d, want %d", c.leftWh, c.early, got, c.want)
		}
	}
}

// A task that the plan has nothing more in mind for, although the guard has cut it, is planned anew.
func TestBelievesDone(t *testing.T) {
	plan := &scheduler.Plan{Loads: map[string]scheduler.LoadPlan{"boiler": {On: []int{1, 1, 0, 0}}}}
	for _, c := range []struct {
		s      int
		leftWh float64
		want   bool
	}{{1, 500, false}, {2, 67, true}, {2, 40, false}} {
		h := &home{s: c.s, tasks: []task{{job: job{id: "boiler", kind: "boiler", to: 4}, leftWh: c.leftWh}}}
		if got := (&planner{plan: plan}).believesDone(h); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
