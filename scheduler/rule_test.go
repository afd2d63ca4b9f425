package scheduler_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"homehub/hub"
	"homehub/scheduler"
)

func amsterdam(t *testing.T) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestDue(t *testing.T) {
	loc := amsterdam(t)
	local := func(s string) time.Time {
		at, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	seven := hub.LocalTime(7 * 60)
	tests := []struct {
		name string
		rule hub.Schedule
		now  string
		want string // "" = never
	}{
		{"every day, before it", hub.Schedule{ReadyBy: seven, Days: hub.EveryDay}, "2026-06-10 06:00", "2026-06-10 07:00"},
		{"every day, at the minute", hub.Schedule{ReadyBy: seven, Days: hub.EveryDay}, "2026-06-10 07:00", "2026-06-11 07:00"},
		{"workdays, Friday noon", hub.Schedule{ReadyBy: seven, Days: hub.Workdays}, "2026-06-12 12:00", "2026-06-15 07:00"},
		{"skip next", hub.Schedule{ReadyBy: seven, Days: hub.EveryDay, Skip: local("2026-06-11 07:00")}, "2026-06-10 12:00", "2026-06-12 07:00"},
		{"paused for a holiday", hub.Schedule{ReadyBy: seven, Days: hub.Workdays, PausedUntil: local("2026-07-01 00:00")}, "2026-06-10 12:00", "2026-07-01 07:00"},
		{"paused for ever", hub.Schedule{ReadyBy: seven, Days: hub.EveryDay, PausedUntil: local("2099-01-01 00:00")}, "2026-06-10 12:00", ""},
		{"once, still to come", hub.Schedule{ReadyBy: seven, SetAt: local("2026-06-10 18:00")}, "2026-06-10 23:00", "2026-06-11 07:00"},
		{"once, over", hub.Schedule{ReadyBy: seven, SetAt: local("2026-06-10 18:00")}, "2026-06-11 07:00", ""},
		{"now, under way", hub.Schedule{When: hub.WhenNow, SetAt: local("2026-06-10 18:00")}, "2026-06-11 12:00", "2026-06-13 18:00"},
		{"now, over", hub.Schedule{When: hub.WhenNow, SetAt: local("2026-06-10 18:00")}, "2026-06-13 18:00", ""},
		{"now, but paused", hub.Schedule{When: hub.WhenNow, SetAt: local("2026-06-10 18:00"), PausedUntil: local("2026-06-12 00:00")}, "2026-06-11 12:00", ""},
		{"a time that the spring change skips", hub.Schedule{ReadyBy: 150, Days: hub.EveryDay}, "2026-03-28 12:00", "2026-03-29 03:00"},
		{"over the autumn change", hub.Schedule{ReadyBy: seven, Days: hub.EveryDay}, "2026-10-24 12:00", "2026-10-25 07:00"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := scheduler.Due(test.rule, local(test.now), loc)
			if !ok {
				if test.want != "" {
					t.Fatalf("never due, want %s", test.want)
				}
				return
			}
			if s := got.In(loc).Format("2006-01-02 15:04"); s != test.want {
				t.Errorf("due %s, want %q", s, test.want)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	now := time.Date(2026, 6, 10, 1, 0, 0, 0, time.UTC)
	plug := hub.Device{ID: "plug", Role: hub.RolePlug, Mode: hub.ModeAuto, Schedule: &hub.Schedule{Minutes: 60}}
	plan := &hub.Plan{Devices: []hub.Planned{{Device: "plug", Reason: "cheap", Runs: []hub.Run{{Start: now.Add(-time.Hour), End: now.Add(5 * time.Minute)}}}}}
	on := func(until time.Time) hub.Command {
		return hub.Command{Device: "plug", On: true, Until: until, At: now.Add(-time.Hour)}
	}
	tests := []struct {
		name   string
		change func(*hub.DeviceState)
		plan   *hub.Plan
		want   string // "on", "off", "" = no command
		until  time.Duration
	}{
		{"planned and off", func(*hub.DeviceState) {}, plan, "on", 5 * time.Minute},
		{"planned and on", func(d *hub.DeviceState) { d.Commanded = on(now.Add(5 * time.Minute)) }, plan, "", 0},
		{"planned, lease runs out", func(d *hub.DeviceState) { d.Commanded = on(now.Add(time.Minute)) }, plan, "on", 5 * time.Minute},
		{"not planned and on", func(d *hub.DeviceState) { d.Commanded = on(now.Add(time.Minute)) }, nil, "off", 0},
		{"not planned and off", func(*hub.DeviceState) {}, nil, "", 0},
		{"after a restart, found on outside of the plan", func(d *hub.DeviceState) { d.On = true }, nil, "off", 0},
		{"button pressed on a device without schedule", func(d *hub.DeviceState) { d.On, d.Schedule = true, nil }, nil, "", 0},
		{"on by hand", func(d *hub.DeviceState) { d.Mode = hub.ModeOn }, nil, "on", 15 * time.Minute},
		{"on by hand, with an end", func(d *hub.DeviceState) { d.Mode, d.ModeUntil = hub.ModeOn, now.Add(3*time.Minute) }, nil, "on", 3 * time.Minute},
		{"on by hand is over", func(d *hub.DeviceState) { d.Mode, d.ModeUntil, d.Commanded = hub.ModeOn, now, on(now) }, nil, "off", 0},
		{"off by hand against the plan", func(d *hub.DeviceState) { d.Mode, d.Commanded = hub.ModeOff, on(now.Add(time.Minute)) }, plan, "off", 0},
		{"other amps planned", func(d *hub.DeviceState) { d.Commanded = on(now.Add(5 * time.Minute)); d.Commanded.Amps = 6 }, plan, "on", 5 * time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := hub.DeviceState{Device: plug}
			test.change(&d)
			got := scheduler.Decide(now, hub.Snapshot{Devices: []hub.DeviceState{d}, Plan: test.plan})
			switch {
			case test.want == "" && len(got) == 0:
			case test.want == "" || len(got) != 1:
				t.Fatalf("got %+v, want %q", got, test.want)
			case got[0].On != (test.want == "on"):
				t.Fatalf("got %+v, want %q", got[0], test.want)
			case got[0].On && got[0].Until.Sub(now) != test.until:
				t.Errorf("lease of %v, want %v", got[0].Until.Sub(now), test.until)
			}
		})
	}
}
