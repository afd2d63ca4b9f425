package scheduler

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"homehub/hub"
)

// evening is a house at 18:00 with cheap power from 02:00 to 05:00 and the
// devices given, each with the job that its schedule makes now.
func evening(devices ...hub.DeviceState) Inputs {
	in := Inputs{
		Now: time.Date(2026, 1, 14, 18, 0, 0, 0, time.UTC), Zone: time.UTC, Connection: Connection{Import: 9200, Phases: 1},
		Devices: devices, Jobs: map[string]*Job{}, Gain: 20_000,
	}
	for i := range 36 * 4 {
		at := in.Now.Add(time.Duration(i) * hub.SlotLength)
		in.Slots = append(in.Slots, hub.Slot{Start: at, Import: 300_000, Export: 50_000, Known: true})
		if h := at.Hour(); h >= 2 && h < 5 {
			in.Slots[i].Import = 100_000
		}
		in.Base, in.PV = append(in.Base, 400), append(in.PV, 0)
	}
	in.ask()
	return in
}

// ask gives every device with a schedule its job.
func (in *Inputs) ask() {
	for i := range in.Devices {
		d := &in.Devices[i]
		if d.Schedule == nil {
			continue
		}
		if at, ok := Due(*d.Schedule, in.Now, in.Zone); ok {
			in.Jobs[d.ID] = &Job{Deadline: at, Seen: in.Now}
		}
	}
}

// later is the same house some slots on, with plan in force.
func (in Inputs) later(slots int, plan *Plan) Inputs {
	in.Former, in.FormerStart = plan, in.Slots[0].Start
	in.Now = in.Now.Add(time.Duration(slots) * hub.SlotLength)
	in.Slots, in.Base, in.PV = in.Slots[slots:], in.Base[slots:], in.PV[slots:]
	return in
}

func asked(role hub.Role, s hub.Schedule) hub.DeviceState {
	s.SetAt = time.Date(2026, 1, 14, 17, 0, 0, 0, time.UTC)
	d := hub.Device{ID: string(role), Role: role, Mode: hub.ModeAuto, Power: 2000, Schedule: &s}
	if role == hub.RoleCharger {
		d.MinAmps, d.MaxAmps, d.Phases = 6, 16, 1
	}
	return hub.DeviceState{Device: d, Online: true, Plugged: true, Has: hub.ReportOn | hub.ReportPlugged}
}

func home() hub.DeviceState {
	return hub.DeviceState{
		Has: hub.ReportSoC, SoC: 40,
		Device: hub.Device{ID: "store", Role: hub.RoleBattery, Battery: &hub.Battery{Capacity: 10_000, Reserve: 10, MaxCharge: 4000, MaxDischarge: 3000, Wear: 20_000}},
	}
}

// Every reason that the house's plan can have is a value, in whose words the
// sentence is.
func TestEveryReasonIsAValue(t *testing.T) {
	seven := func(s hub.Schedule) hub.Schedule {
		s.ReadyBy, s.Days = 420, hub.EveryDay
		return s
	}
	for _, c := range []struct {
		name   string
		device hub.DeviceState
		change func(in *Inputs)
		kind   hub.WhyKind
		says   string
	}{
		{"an appliance", asked(hub.RolePlug, seven(hub.Schedule{Minutes: 100})), nil, hub.WhyCheapest, "02:00 to 03:40 is the cheapest 1 h 40 before Thu 07:00; starting now would cost 0.67 more"},
		{"a boiler", asked(hub.RolePlug, seven(hub.Schedule{Minutes: 100, MayPause: true})), nil, hub.WhyTimes, "3.3 kWh from Thu 02:00 to 03:40, the cheapest times before Thu 07:00"},
		{"a car", asked(hub.RoleCharger, seven(hub.Schedule{Energy: 7360, MayPause: true})), nil, hub.WhyTimes, "7.4 kWh from Thu 02:00 to 04:00, the cheapest times before Thu 07:00"},
		{"too much", asked(hub.RoleCharger, seven(hub.Schedule{Energy: 60_000, MayPause: true})), nil, hub.WhyShort, "will be 12.2 kWh short at Thu 07:00"},
		{"no car", asked(hub.RoleCharger, seven(hub.Schedule{Energy: 7360, MayPause: true})), func(in *Inputs) { in.Devices[0].Plugged = false }, hub.WhyNoCar, "waits for a car"},
		{"deaf", asked(hub.RolePlug, seven(hub.Schedule{Minutes: 100})), func(in *Inputs) {
			in.Jobs["plug"].DeafUntil = in.Now.Add(16 * time.Minute)
		}, hub.WhyDeaf, "tried again at 18:16"},
		{"running", asked(hub.RolePlug, seven(hub.Schedule{Minutes: 100})), func(in *Inputs) {
			in.Jobs["plug"].RunEnd = in.Now.Add(40 * time.Minute)
		}, hub.WhyRunning, "runs until 18:40, as it may not pause"},
		{"now", asked(hub.RolePlug, hub.Schedule{When: hub.WhenNow, Minutes: 50}), nil, hub.WhyBegun, "runs now, until 18:50"},
		{"surplus", asked(hub.RolePlug, seven(hub.Schedule{When: hub.WhenSurplus, Minutes: 60})), nil, hub.WhySurplus, "runs on surplus alone until Thu 07:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := evening(c.device)
			if c.change != nil {
				c.change(&in)
			}
			plan, _, err := PlanHouse(in)
			if err != nil || len(plan.Devices) != 1 {
				t.Fatalf("%+v, %v", plan, err)
			}
			p := plan.Devices[0]
			if p.Why.Kind != c.kind || !strings.Contains(p.Reason, c.says) || p.Reason != p.Why.String() {
				t.Errorf("%s: %q, want %s: %q", p.Why.Kind, p.Reason, c.kind, c.says)
			}
		})
	}
}

// A slot later with nothing new the plan stays, takes a part of the work, and
// says its reasons as they are now.
func TestAPlanGoesOnFromTheOneInForce(t *testing.T) {
	car, washer := asked(hub.RoleCharger, hub.Schedule{ReadyBy: 420, Energy: 9000, MayPause: true, Days: hub.EveryDay}), asked(hub.RolePlug, hub.Schedule{ReadyBy: 420, Minutes: 100, Days: hub.EveryDay})
	in := evening(car, washer, home())
	in.Connection.PeakFloor, in.Connection.PeakPrice, in.MonthPeak = 2500, 53_000_000, 4000
	first, solved, err := PlanHouse(in)
	if err != nil {
		t.Fatal(err)
	}
	next := in.later(1, solved)
	warm, kept, err := PlanHouse(next)
	if err != nil {
		t.Fatal(err)
	}
	for i := range first.Devices {
		if a, b := first.Devices[i], warm.Devices[i]; !slices.Equal(a.Runs, b.Runs) || b.Why.Kind != a.Why.Kind || !b.Why.Now.Equal(next.Now) {
			t.Errorf("planned %+v because %q, then %+v because %q, at %v", a.Runs, a.Reason, b.Runs, b.Reason, b.Why.Now)
		}
	}
	if len(kept.LoadValue) != len(next.Slots) || len(warm.Stored) != len(next.Slots) || kept.LowerBound > kept.Cost || kept.LowerBound < 0.9*kept.Cost {
		t.Errorf("%d prices of load, %d of storage for %d slots; costs %f, at least %f", len(kept.LoadValue), len(warm.Stored), len(next.Slots), kept.Cost, kept.LowerBound)
	}
	for i, w := range warm.Net {
		busy := false
		for _, d := range warm.Devices {
			_, on := warm.RunAt(d.Device, warm.Slots[i].Start)
			busy = busy || on
		}
		if want := max(0, w); busy && warm.Chosen[i] != want || !busy && warm.Chosen[i] != 0 {
			t.Errorf("slot %d: chosen %d W of %d, a device runs: %v", i, warm.Chosen[i], w, busy)
		}
	}
	cold := next
	cold.Former = nil
	from, anew := cost(t, next), cost(t, cold)
	t.Logf("%v of CPU from the plan in force, %v without", from, anew)
	if from > anew/2 {
		t.Errorf("a plan from the one in force takes %v of CPU, one without takes %v", from, anew)
	}
}

// cost is the least processor time of five plans.
func cost(t *testing.T, in Inputs) time.Duration {
	least := time.Hour
	for range 5 {
		begun := processor(t)
		if _, _, err := PlanHouse(in); err != nil {
			t.Fatal(err)
		}
		least = min(least, processor(t)-begun)
	}
	return least
}

func processor(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A device that joins does not make the others' places forgotten.
func TestAPlanInForceHelpsOneWithMoreDevices(t *testing.T) {
	car := asked(hub.RoleCharger, hub.Schedule{ReadyBy: 420, Energy: 9000, MayPause: true, Days: hub.EveryDay})
	in := evening(car)
	_, solved, err := PlanHouse(in)
	if err != nil {
		t.Fatal(err)
	}
	more := in.later(1, solved)
	more.Devices = append(slices.Clone(more.Devices), asked(hub.RolePlug, hub.Schedule{ReadyBy: 420, Minutes: 100, Days: hub.EveryDay}))
	more.ask()
	got, _, err := PlanHouse(more)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range got.Devices {
		if len(d.Runs) == 0 || d.Short > 0 || d.Runs[0].Start.Hour() != 2 {
			t.Errorf("%s runs %+v", d.Device, d.Runs)
		}
	}
}
