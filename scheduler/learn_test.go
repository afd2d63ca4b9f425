package scheduler

import (
	"slices"
	"testing"
	"time"

	"homehub/hub"
)

// What a washing machine draws in its runs becomes its profile, quarter by
// quarter, and plans use it.
func TestRunsTeachTheProfile(t *testing.T) {
	start := time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)
	run := func(scale float64, length time.Duration, silent bool) *lesson {
		l := &lesson{start: start, at: start}
		d := hub.DeviceState{Has: hub.ReportPower, Online: true}
		for at := start; !at.After(start.Add(length)); at = at.Add(10 * time.Second) {
			if silent && at.Sub(start) > 10*time.Minute && at.Sub(start) < 20*time.Minute {
				continue
			}
			d.Watts = hub.Watt(2000 * scale)
			if at.Sub(start) >= 20*time.Minute {
				d.Watts = hub.Watt(300 * scale)
			}
			l.look(&d, at)
		}
		return l
	}
	end := start.Add(50 * time.Minute)
	p, ok := run(1, 50*time.Minute, false).learned(Profile{}, end)
	want := []hub.Watt{2000, 866, 300, 300}
	if !ok || p.Runs != 1 || len(p.Watts) != len(want) {
		t.Fatalf("learned %v, %v", p, ok)
	}
	for q, w := range want {
		if p.Watts[q] < w-20 || p.Watts[q] > w+20 {
			t.Errorf("quarter %d: %d W, want %d", q, p.Watts[q], w)
		}
	}
	second, _ := run(0.5, 50*time.Minute, false).learned(p, end)
	if second.Watts[0] < 1490 || second.Watts[0] > 1510 {
		t.Errorf("after two runs of 2000 and 1000 W: %d W", second.Watts[0])
	}
	if _, ok := run(1, 50*time.Minute, true).learned(p, end); ok {
		t.Error("learned from a run with a gap of ten minutes")
	}
	if _, ok := run(1, 2*time.Minute, false).learned(p, start.Add(2*time.Minute)); ok {
		t.Error("learned from two minutes")
	}
	got := profileOf(hub.Device{Role: hub.RolePlug, Power: 2000}, 50*time.Minute, p)
	if len(got) != 4 || got[0] < 1980 || got[3] > 110 { // 5 of 15 minutes at 300 W
		t.Errorf("planned with %v", got)
	}
	if plain := profileOf(hub.Device{Role: hub.RolePlug, Power: 2000}, 20*time.Minute, Profile{}); len(plain) != 2 || plain[0] != 2000 || plain[1] < 660 || plain[1] > 670 {
		t.Errorf("without a profile: %v", plain)
	}
}

// The battery, the fuses and the capacity tariff of the house reach the
// planner, and its prices of storage the house.
func TestThePlannerKnowsTheHouse(t *testing.T) {
	now := time.Date(2026, 1, 14, 12, 0, 0, 0, time.UTC)
	in := Inputs{
		Now: now, Zone: time.UTC, MonthPeak: 4100,
		Connection: Connection{Import: 17_250, Fuse: 25, Phases: 3, PeakFloor: 2500, PeakPrice: 53_000_000},
		Devices: []hub.DeviceState{{
			Has: hub.ReportSoC, SoC: 40,
			Device: hub.Device{ID: "store", Role: hub.RoleBattery, Battery: &hub.Battery{Capacity: 10_000, Reserve: 10, MaxCharge: 4000, MaxDischarge: 3000, Wear: 20_000}},
		}},
	}
	for i := range 96 {
		price := hub.MicroEuro(200_000)
		if i > 40 {
			price = 400_000
		}
		in.Slots = append(in.Slots, hub.Slot{Start: now.Add(time.Duration(i) * hub.SlotLength), Import: price, Export: 50_000, Known: true})
		in.Base = append(in.Base, 800)
	}
	p := problemOf(in)
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	if c := p.Limits.Capacity; c == nil || c.EURPerKW < 4.41 || c.EURPerKW > 4.42 || c.MonthPeakSoFarW != 4100 || c.FloorW != 2500 || p.Limits.PhaseImportW[2] != 5750 {
		t.Errorf("limits %+v, %+v", p.Limits, c)
	}
	if b := p.Battery; b == nil || b.StartWh != 4000 || b.MinWh != 1000 || b.MaxChargeW != 4000 || b.MaxDischargeW != 3000 || b.ChargeEfficiency != 0.95 || b.WearEURPerKWh != 0.02 {
		t.Errorf("battery %+v", p.Battery)
	}
	plan, _, err := PlanHouse(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Stored) != 96 || plan.Stored[10] < 100_000 || plan.Stored[10] > 400_000 {
		t.Errorf("prices of storage: %v", plan.Stored)
	}
	if len(plan.Net) != 96 || plan.Net[0] < 800 || slices.Max(plan.Net) > 4100 || slices.Max(plan.Chosen) != 0 {
		t.Errorf("net %v, chosen %v", plan.Net, plan.Chosen)
	}
}

// The work of guards and control per telegram, with four devices of which one
// is held.
func BenchmarkTelegram(b *testing.B) {
	r := newRig(&testing.T{}, Connection{Fuse: 25, PeakFloor: 2500, Metered: true}, car(3), plug("washer", 2, 2000), onSurplus(plug("boiler", 3, 1500)), plug("dryer", 3, 1500))
	r.priced(300_000, 50_000, surplusCar)
	r.s.Plan.Devices[0].Runs = []hub.Run{{Device: "car", Start: r.now, End: r.now.Add(5 * time.Hour), Amps: 16}}
	r.base = [3]hub.Watt{900, 2600, 400}
	r.peak = 9000
	r.seconds(300)
	b.ReportAllocs()
	for b.Loop() {
		r.now = r.now.Add(time.Second)
		r.s.Reading.At, r.s.Reading.Received, r.s.At = r.now, r.now, r.now
		r.desk.decide(r.now, &r.s)
	}
}
