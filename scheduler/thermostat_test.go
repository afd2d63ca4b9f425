package scheduler

import (
	"strings"
	"testing"
	"time"

	"homehub/hub"
)

// stove is a heater under its thermostat, with a plan or without.
type stove struct {
	k    thermostats
	s    hub.Snapshot
	now  time.Time
	want []hub.Command
}

func newStove(band hub.Band) *stove {
	f := &stove{now: time.Date(2026, 1, 14, 12, 0, 0, 0, time.UTC)}
	f.k.zone = time.UTC
	d := heaterState(120, 50, 60)
	d.Schedule = &hub.Schedule{Keep: band}
	d.Online, d.Has = true, hub.ReportOn|hub.ReportTemp
	f.s.Devices = []hub.DeviceState{d}
	return f
}

// planned gives it a plan of a day that lets it run in the first slots slots.
func (f *stove) planned(slots int) *stove {
	p := &hub.Plan{At: f.now}
	for i := range quartersPerDay {
		p.Slots = append(p.Slots, hub.Slot{Start: f.now.Add(time.Duration(i) * hub.SlotLength), Import: 300_000, Known: true})
	}
	h := hub.Planned{Device: "heater", Expected: make([]hub.MilliCelsius, quartersPerDay+1), Rise: 3600, Need: 1000, Worth: 300_000}
	if slots > 0 {
		h.Runs = []hub.Run{{Device: "heater", Start: f.now, End: f.now.Add(time.Duration(slots) * hub.SlotLength)}}
	}
	p.Devices = []hub.Planned{h}
	f.s.Plan = p
	return f
}

// at lets the thermometer say something, and time pass until it is asked.
func (f *stove) at(celsius float64, later time.Duration) hub.Command {
	d := &f.s.Devices[0]
	d.Temp, d.TempAt = hub.MilliCelsius(celsius*1000), f.now
	return f.wait(later)
}

func (f *stove) wait(later time.Duration) hub.Command {
	for end := f.now.Add(later); ; f.now = f.now.Add(10 * time.Second) {
		f.want = wanted(f.now, &f.s, f.want)
		f.k.step(f.now, &f.s, f.want)
		d := &f.s.Devices[0]
		d.Commanded, d.On = f.want[0], f.want[0].On
		if !f.now.Before(end) {
			return f.want[0]
		}
	}
}

func TestThermostatWithoutAPlan(t *testing.T) {
	f := newStove(hub.Band{Low: 50_000, High: 65_000})
	for _, step := range []struct {
		celsius float64
		on      bool
		why     string
	}{
		{55, false, "warm enough until"},
		{50.1, false, "warm enough until"},
		{49.9, true, "too cold"},
		{50.5, true, "too cold"},
		{52, true, "without a plan"},
		{64.9, true, "without a plan"},
		{65, false, "warm enough"},
		{64.5, false, "warm enough"},
		{55, false, "warm enough until"},
		{20, true, "too cold"},
	} {
		c := f.at(step.celsius, 10*time.Second)
		if c.On != step.on || !strings.Contains(c.Cause, step.why) {
			t.Errorf("at %.1f °C: on %v because %q, want %v because of %q", step.celsius, c.On, c.Cause, step.on, step.why)
		}
		if c.On && (c.Until.Sub(f.now) > hub.MaxLease || !c.Until.After(f.now)) {
			t.Errorf("at %.1f °C: a lease of %v", step.celsius, c.Until.Sub(f.now))
		}
	}
}

func TestThermostatUnderAPlan(t *testing.T) {
	band := hub.Band{Low: 50_000, High: 65_000}
	f := newStove(band).planned(96)
	if c := f.at(55, 0); !c.On || c.Cause != "" {
		t.Errorf("planned and inside the band: on %v, %q", c.On, c.Cause)
	}
	if c := f.at(65, 0); c.On {
		t.Error("on at the top of the band")
	}
	if c := f.at(64.2, 0); c.On {
		t.Error("on again a little below the top: the relay chatters")
	}
	if c := f.at(63.9, 0); !c.On {
		t.Error("off although planned and below the top")
	}
	f = newStove(band).planned(0)
	if c := f.at(49.9, 0); !c.On {
		t.Error("off below the band, as nothing is planned")
	}
	if c := f.at(50.9, 0); !c.On {
		t.Error("off as soon as it is inside: the relay chatters")
	}
	if c := f.at(51.1, 0); c.On {
		t.Error("on inside the band although nothing is planned")
	}
	f.s.Devices[0].Mode = hub.ModeOff
	if c := f.at(20, 0); c.On {
		t.Error("on although switched off by hand")
	}
	f.s.Devices[0].Mode = hub.ModeOn
	if c := f.at(55, 0); !c.On {
		t.Error("off although switched on by hand")
	}
	if c := f.at(65, 0); c.On {
		t.Error("on above the band, by hand")
	}
	f.s.Devices[0].Mode = hub.ModeAuto
	f.s.Devices[0].Schedule.PausedUntil = f.now.Add(time.Hour)
	if c := f.at(20, 0); c.On {
		t.Error("on although paused")
	}
}

// A thermometer that is silent: what the heater adds is reckoned with, and after
// an hour it is off. A relay that is not there any more is not reckoned with.
func TestThermostatBlind(t *testing.T) {
	band := hub.Band{Low: 50_000, High: 65_000}
	f := newStove(band).planned(96)
	if c := f.at(55, 30*time.Minute); !c.On {
		t.Errorf("off after half an hour: %s", c.Cause)
	}
	if c := f.wait(15 * time.Minute); c.On || !strings.Contains(c.Cause, "warm enough") {
		t.Errorf("after 45 min of 3.6 K a quarter: on %v, %q", c.On, c.Cause)
	}
	if c := f.wait(10 * time.Minute); c.On {
		t.Error("on again without a new temperature")
	}
	f = newStove(band)
	if c := f.at(40, 59*time.Minute); !c.On {
		t.Errorf("cold, and off after 59 min: %s", c.Cause)
	}
	if c := f.wait(2 * time.Minute); c.On || !strings.Contains(c.Cause, "not known") {
		t.Errorf("on for more than an hour without a temperature: %q", c.Cause)
	}
	if c := f.at(40, 0); !c.On {
		t.Error("off although the temperature is there again")
	}
	f.s.Devices[0].Online = false
	if c := f.at(40, 0); c.On {
		t.Error("on although its thermometer is gone")
	}
	f = newStove(band)
	f.s.Devices[0].TempOf = "probe"
	if c := f.at(40, 0); c.On {
		t.Error("on by its own thermometer although another device measures it")
	}
	f.s.Devices = append(f.s.Devices, hub.DeviceState{Device: hub.Device{ID: "probe", Role: hub.RoleMeter}, Online: true, Has: hub.ReportTemp, Temp: 40_000, TempAt: f.now})
	if c := f.wait(0); !c.On {
		t.Error("off although the other device says that it is cold")
	}
}

func TestThermostatHours(t *testing.T) {
	f := newStove(hub.Band{Low: 20_000, High: 22_000, From: 6 * 60, To: 23 * 60, Away: 16_000})
	if c := f.at(18, 0); !c.On {
		t.Error("off at noon with 18 °C")
	}
	f.now = f.now.Add(15 * time.Hour) // 03:00
	if c := f.at(18, 0); c.On {
		t.Error("on at night with 18 °C")
	}
	if c := f.at(15.9, 0); !c.On {
		t.Error("off at night with 15.9 °C")
	}
}

// Once a week a tank gets hot: in a cheap hour when the week is nearly over, in
// any when it is.
func TestThermostatWeekly(t *testing.T) {
	tests := []struct {
		name  string
		since time.Duration
		price hub.MicroEuro // now; 300,000 otherwise
		temp  float64
		on    bool
	}{
		{"hot the other day", 48 * time.Hour, 100_000, 55, false},
		{"six days ago, dear", 6 * 24 * time.Hour, 400_000, 55, false},
		{"six days ago, cheap", 6 * 24 * time.Hour, 100_000, 55, true},
		{"a week ago, dear", week, 400_000, 55, true},
		{"a week ago, but hot enough now", week, 100_000, 60, false},
	}
	f := newStove(hub.Band{Low: 50_000, High: 65_000, Weekly: 60_000}).planned(0)
	f.s.Plan.Devices[0].Hot = f.now.Add(-week)
	f.s.Plan.Slots = nil // the plan is over
	if c := f.at(55, 0); !c.On {
		t.Errorf("off after a week without a plan: %s", c.Cause)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newStove(hub.Band{Low: 50_000, High: 65_000, Weekly: 60_000}).planned(0)
			f.s.Plan.Slots[0].Import = test.price
			f.s.Plan.Devices[0].Hot = f.now.Add(-test.since)
			c := f.at(test.temp, 0)
			if c.On != test.on {
				t.Fatalf("on %v: %s", c.On, c.Cause)
			}
			if !test.on {
				return
			}
			f.s.Plan.Slots[0].Import = 900_000
			if c = f.at(59.9, 0); !c.On {
				t.Error("stops before it is hot enough")
			}
			if c = f.at(60, 0); c.On {
				t.Error("goes on when it is hot enough")
			}
		})
	}
}

// heaterInRig is a heater with a plan that leaves it off, at the meter.
func heaterInRig(t *testing.T, c Connection, temp float64) *rig {
	d := heaterState(120, 50, 65).Device
	d.Line = 1
	r := newRig(t, c, d)
	r.desk.warmth.zone = time.UTC
	f := newStove(d.Schedule.Keep)
	f.now = r.now
	r.s.Plan = f.planned(0).s.Plan
	for i := range r.s.Plan.Slots {
		r.s.Plan.Slots[i].Export = 50_000
	}
	r.warm(temp)
	return r
}

func (r *rig) warm(temp float64) {
	d := r.device("heater")
	d.Has |= hub.ReportTemp
	d.Temp, d.TempAt = hub.MilliCelsius(temp*1000), r.now
}

// What would go to the grid warms the tank, up to the top of its band.
func TestHeaterTakesSurplus(t *testing.T) {
	r := heaterInRig(t, Connection{}, 55)
	r.base = [3]hub.Watt{-1500, -1500, 0}
	r.seconds(120)
	if c := r.device("heater").Commanded; !c.On || !strings.Contains(c.Cause, "go to the grid") {
		t.Errorf("with 3 kW to the grid: on %v, %q", c.On, c.Cause)
	}
	r.warm(65)
	r.seconds(5)
	if c := r.device("heater").Commanded; c.On {
		t.Errorf("on at the top of the band: %q", c.Cause)
	}
}

// A cold tank is no reason to blow a fuse.
func TestGuardHoldsHeaterBack(t *testing.T) {
	r := heaterInRig(t, Connection{Fuse: 25}, 40)
	r.seconds(30)
	if !r.device("heater").Commanded.On {
		t.Fatal("off although it is too cold")
	}
	r.base = [3]hub.Watt{5500, 0, 0}
	r.seconds(10)
	if c := r.device("heater").Commanded; c.On || !strings.Contains(c.Cause, "held off") {
		t.Errorf("on %v with 7.5 kW on a fuse of 25 A: %q", c.On, c.Cause)
	}
}

// TestRoomIsWarmWhenItsHoursBegin plans a night: not held at 20 °C all the time,
// and at 20 °C when the day begins.
func TestRoomIsWarmWhenItsHoursBegin(t *testing.T) {
	now := time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC)
	d := heaterState(0, 20, 22)
	d.Schedule = &hub.Schedule{Keep: hub.Band{Low: 20_000, High: 22_000, From: 6 * 60, To: 23 * 60, Away: 16_000}}
	d.Online, d.Has, d.Temp, d.TempAt = true, hub.ReportOn|hub.ReportTemp, 18_000, now
	in := Inputs{
		Now: now, Zone: time.UTC, Devices: []hub.DeviceState{d}, Jobs: map[string]*Job{d.ID: {}},
		Heat: map[string]HeatModel{d.ID: {Gain: 0.35, Loss: 0.012, Ambient: 4, Learned: true}},
	}
	for i := range leastHorizon {
		in.Slots = append(in.Slots, hub.Slot{Start: now.Add(time.Duration(i) * hub.SlotLength), Import: 300_000, Export: 50_000, Known: true})
	}
	plan, _, err := PlanHouse(in)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := plan.Of(d.ID)
	if !ok || len(p.Expected) != leastHorizon+1 {
		t.Fatalf("planned %+v", p)
	}
	at := func(hour int) float64 { return p.Expected[hour*4].Celsius() }
	t.Logf("%.1f °C at 03:00, %.1f at 06:00, %.1f at 12:00, %.1f at 03:00, %s", at(3), at(6), at(12), at(27), p.Reason)
	if at(3) > 19.6 || at(27) > 19.6 {
		t.Errorf("%.1f °C at 03:00 and %.1f in the next night: heated for nobody", at(3), at(27))
	}
	if at(3) < 15.9 || at(6) < 19.9 || at(12) < 19.9 || at(30) < 19.9 {
		t.Errorf("%.1f °C at 03:00, %.1f at 06:00, %.1f at noon, %.1f next morning", at(3), at(6), at(12), at(30))
	}
}
