package scheduler

import (
	"strings"
	"testing"
	"time"

	"homehub/hub"
)

func car(phases int) hub.Device {
	return hub.Device{ID: "car", Name: "Car", Role: hub.RoleCharger, Phases: phases, MaxAmps: 16, Line: 1, Schedule: &hub.Schedule{Energy: 20_000, MayPause: true}}
}

func plug(id string, line int, w hub.Watt) hub.Device {
	return hub.Device{ID: id, Name: id, Role: hub.RolePlug, Power: w, Line: line, Schedule: &hub.Schedule{Minutes: 60}}
}

var fuse25 = Connection{Fuse: 25, Metered: true}

// A kettle on a phase that the car fills: less current within one telegram,
// and no more than needed; back up once the room has lasted.
func TestTheFuseGuardTakesAmpsAndGivesThemBack(t *testing.T) {
	r := newRig(t, fuse25, car(3))
	r.base = [3]hub.Watt{500, 700, 300}
	r.plan(map[string]int{"car": 16})
	r.seconds(120)
	if c := r.device("car").Commanded; !c.On || c.Amps != 16 {
		t.Fatalf("the car is not charging with 16 A: %+v", c)
	}
	r.base[1] += 3000 // 32 A on L2
	r.second()
	c := r.device("car").Commanded
	if !c.On || c.Amps >= 16 || c.Amps < 6 {
		t.Fatalf("one telegram after the kettle the car has %+v", c)
	}
	if c.Amps != 8 { // (3,700 W + 16 A) − 25 A = 7.1 A too much
		t.Errorf("%d A, want 8", c.Amps)
	}
	if !strings.Contains(c.Cause, "L2 carries 32.1 A and its fuse is 25 A") || r.desk.guard.shown == nil || r.desk.guard.shown.Kind != hub.GuardFuse {
		t.Errorf("cause %q, shown %+v", c.Cause, r.desk.guard.shown)
	}
	sent := len(r.sent)
	r.seconds(30)
	if n := len(r.sent) - sent; n > 0 || r.worstAmps() > 25_000 {
		t.Errorf("%d more commands while it settled, %d mA", n, r.worstAmps())
	}
	r.base[1] -= 3000
	r.seconds(30)
	if c := r.device("car").Commanded; c.Amps != 8 {
		t.Errorf("given back after half a minute: %d A", c.Amps)
	}
	r.seconds(120)
	if c := r.device("car").Commanded; c.Amps != 16 || r.desk.guard.shown != nil {
		t.Errorf("not given back after two minutes: %+v, %+v", c, r.desk.guard.shown)
	}
}

func TestTheFuseGuardSheds(t *testing.T) {
	manual, essential, surplus := plug("hand", 2, 2000), plug("fridge", 2, 2000), plug("boiler", 2, 2000)
	manual.Mode, essential.Essential = hub.ModeOn, true
	surplus.Schedule = &hub.Schedule{When: hub.WhenSurplus}
	washer := plug("washer", 2, 2000)
	other := plug("other", 3, 2000)
	tests := []struct {
		name    string
		devices []hub.Device
		kettle  hub.Watt
		off     string // what is off then
		amps    int    // of the car, if there is one
	}{
		{"the car gives way in amps before the washer does", []hub.Device{washer, car(3)}, 1500, "", 9},
		{"the car goes to 6 A and then the washer goes off", []hub.Device{washer, car(3)}, 3200, "car", 0},
		{"not what is on another phase", []hub.Device{other, washer}, 4500, "washer", 0},
		{"surplus before a planned run", []hub.Device{washer, surplus}, 3000, "boiler", 0},
		{"a planned run before what a person switched on", []hub.Device{manual, washer}, 3000, "washer", 0},
		{"never what is essential", []hub.Device{essential, washer}, 5000, "washer", 0},
		{"the essential alone stays on whatever comes", []hub.Device{essential}, 5000, "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, fuse25, test.devices...)
			runs := map[string]int{}
			for _, d := range test.devices {
				runs[d.ID] = 0
				if d.Role == hub.RoleCharger {
					runs[d.ID] = 12
				}
			}
			r.plan(runs)
			r.seconds(20)
			r.base[1] += test.kettle
			r.second()
			r.second()
			var off []string
			for i := range r.s.Devices {
				d := &r.s.Devices[i]
				if !d.Commanded.On {
					off = append(off, d.ID)
				} else if d.Role == hub.RoleCharger && d.Commanded.Amps != test.amps {
					t.Errorf("the car has %d A, want %d", d.Commanded.Amps, test.amps)
				}
			}
			if got := strings.Join(off, " "); got != test.off {
				t.Errorf("off: %q, want %q", got, test.off)
			}
		})
	}
}

// Nobody said what the plug draws, and the hub sees it: it is shed like any
// other, and waits until what it drew has room again.
func TestTheFuseGuardGoesByWhatAPlugDraws(t *testing.T) {
	for _, said := range []hub.Watt{0, 100} {
		r := newRig(t, fuse25, plug("heater", 2, said))
		r.really = map[string]hub.Watt{"heater": 2000}
		r.plan(map[string]int{"heater": 0})
		r.seconds(60)
		if !r.device("heater").Commanded.On {
			t.Fatal("the heater does not run")
		}
		r.base[1] += 4500
		r.seconds(3)
		if c := r.device("heater").Commanded; c.On {
			t.Errorf("the heater of whom %d W are known runs on while L2 carries %d mA", said, r.worstAmps())
		}
		sent := len(r.sent)
		r.seconds(1800)
		if n := len(r.sent) - sent; n > 0 {
			t.Errorf("%d commands while there is no room for what it drew", n)
		}
		r.base[1] -= 4500
		r.seconds(1800)
		if !r.device("heater").Commanded.On {
			t.Error("the heater stays off although there is room")
		}
	}
}

// A device that does not follow must not keep the fuse over its limit: the
// next one goes once it had its time.
func TestTheFuseGuardGoesOnToTheNext(t *testing.T) {
	r := newRig(t, fuse25, plug("washer", 2, 2000), car(3))
	r.plan(map[string]int{"washer": 0, "car": 12})
	r.seconds(20)
	r.deaf["car"] = true
	r.base[1] += 2300
	r.seconds(3)
	if r.device("washer").Commanded.On == false {
		t.Error("the washer went off before the car had its time")
	}
	r.seconds(int(settle/time.Second) + 10)
	if r.device("car").Commanded.On || r.device("washer").Commanded.On {
		t.Errorf("the fuse is over its limit and they are still told to run: %+v %+v", r.device("car").Commanded, r.device("washer").Commanded)
	}
}

// What is planned to begin while there is no room waits, or takes what fits.
func TestTheFuseGuardLetsBeginWhatFits(t *testing.T) {
	r := newRig(t, fuse25, car(1), plug("washer", 1, 2300))
	r.base = [3]hub.Watt{3450} // 15 A on L1: 10 A are left
	r.seconds(5)
	r.plan(map[string]int{"car": 16})
	r.second()
	if c := r.device("car").Commanded; !c.On || c.Amps != 10 {
		t.Errorf("the car begins with %+v, want 10 A", c)
	}
	r.seconds(10)
	r.plan(map[string]int{"car": 16, "washer": 0})
	r.seconds(30)
	if r.device("washer").Commanded.On {
		t.Error("the washer began on a full phase")
	}
	if r.worstAmps() > 25_000 {
		t.Errorf("%d mA on the fullest phase", r.worstAmps())
	}
}

func TestALimitFromOutsideIsObeyedAtOnce(t *testing.T) {
	r := newRig(t, fuse25, car(3))
	r.base = [3]hub.Watt{300, 300, 300}
	r.plan(map[string]int{"car": 16})
	r.seconds(120)
	r.s.Limit = hub.Limit{Watts: 6000, Source: "the grid operator", Until: r.now.Add(10 * time.Minute)}
	r.second()
	c := r.device("car").Commanded
	if c.Amps != 7 || !strings.Contains(c.Cause, "the grid operator allows 6.0 kW until 17:12") {
		t.Errorf("%+v", c)
	}
	if g := r.desk.guard.shown; g == nil || g.Kind != hub.GuardLimit || len(g.Devices) != 1 || g.Devices[0] != "car" {
		t.Errorf("shown: %+v", g)
	}
	r.seconds(30)
	if c := r.device("car").Commanded; c.Amps != 7 {
		t.Errorf("while it settled it became %+v", c)
	}
	r.seconds(8*60 + 30)
	if w := r.s.Reading.Import; w > 6000 {
		t.Errorf("the house takes %d W under the limit", w)
	}
	r.seconds(4 * 60)
	if c := r.device("car").Commanded; c.Amps != 16 || r.desk.guard.shown != nil {
		t.Errorf("three minutes after the limit: %+v, %+v", c, r.desk.guard.shown)
	}
}

func TestASilentMeterLeavesTheFloor(t *testing.T) {
	tests := []struct {
		name       string
		house      hub.Watt // per phase
		after15    int      // amps, 0: off
		after75    int
		afterAgain int // five minutes after the meter came back
	}{
		{"a small house", 1000, 16, 6, 16},
		{"a house that took 14 A", 3220, 11, 6, 16},
		{"a house that took 20 A: 6 A are not safe", 4600, 0, 0, 16},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, fuse25, car(3))
			r.base = [3]hub.Watt{test.house, test.house, test.house}
			r.seconds(600)
			r.base = [3]hub.Watt{300, 300, 300}
			r.plan(map[string]int{"car": 16})
			r.seconds(120)
			r.mute = true
			r.seconds(9)
			if c := r.device("car").Commanded; c.Amps != 16 {
				t.Fatalf("held after 9 s of silence: %+v", c)
			}
			r.seconds(6)
			if c := r.device("car").Commanded; c.Amps != test.after15 || c.On != (test.after15 > 0) {
				t.Errorf("after 15 s: %+v, want %d A", c, test.after15)
			}
			r.seconds(60)
			if c := r.device("car").Commanded; c.Amps != test.after75 || c.On != (test.after75 > 0) {
				t.Errorf("after 75 s: %+v, want %d A", c, test.after75)
			}
			if g := r.desk.guard.shown; g == nil || g.Kind != hub.GuardSilent || !strings.Contains(g.Cause, "the meter has been silent since") {
				t.Errorf("shown: %+v", g)
			}
			r.mute = false
			r.seconds(20)
			if c := r.device("car").Commanded; c.Amps != test.after75 {
				t.Errorf("20 s after the meter came back: %+v", c)
			}
			r.seconds(300)
			if c := r.device("car").Commanded; c.Amps != test.afterAgain {
				t.Errorf("5 minutes after the meter came back: %+v", c)
			}
		})
	}
}

// A hub whose meter never spoke does not let chargers run free.
func TestAMeterThatNeverSpoke(t *testing.T) {
	r := newRig(t, fuse25, car(3))
	r.mute = true
	r.s.StaleSince = r.now
	r.plan(map[string]int{"car": 16})
	r.seconds(70)
	if c := r.device("car").Commanded; c.Amps != 6 {
		t.Errorf("%+v, want 6 A", c)
	}
}

// The quarter's peak: a car that may take the whole connection keeps each
// quarter below the month's highest, and uses what there is.
func TestThePeakGuard(t *testing.T) {
	r := newRig(t, Connection{Fuse: 40, Import: 27_600, PeakFloor: 2500, Metered: true}, car(3))
	r.base = [3]hub.Watt{200, 200, 200}
	r.peak = 6000
	r.plan(map[string]int{"car": 16})
	for s := range 3600 {
		r.base[0] = 200
		if s%900 > 300 && s%900 < 420 { // a kettle in each quarter
			r.base[0] = 2400
		}
		r.second()
	}
	for i, w := range r.quarters {
		if w > 6000 {
			t.Errorf("quarter %d: %d W, above the month's peak", i, w)
		}
		if i > 0 && w < 4700 {
			t.Errorf("quarter %d: %d W: the car could have had more", i, w)
		}
	}
	if len(r.quarters) < 3 {
		t.Fatal("no quarters were seen")
	}
	off := 0
	for _, c := range r.sent {
		if !c.On {
			off++
		}
	}
	if off > 0 {
		t.Errorf("the car was switched off %d times where less current was enough", off)
	}
}
