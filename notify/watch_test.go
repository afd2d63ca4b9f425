package notify_test

import (
	"testing"
	"time"

	"homehub/hub"
	"homehub/notify"
)

func house(change func(s *hub.Snapshot)) hub.Snapshot {
	s := hub.Snapshot{At: noon, HasReading: true, Devices: []hub.DeviceState{{
		Device: hub.Device{ID: "plug", Name: "Dishwasher", Role: hub.RolePlug, Mode: hub.ModeAuto}, Has: hub.ReportOn, Online: true,
	}}}
	if change != nil {
		change(&s)
	}
	return s
}

func TestWatcherTellsWhatBeginsAndEnds(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *hub.Snapshot)
		parts  []hub.Part
		want   string
	}{
		{"the meter is silent", func(s *hub.Snapshot) { s.Stale = true }, nil, "meter"},
		{"the port is not there", nil, []hub.Part{{Name: "meter", Condition: hub.Down}}, "meter"},
		{"no meter is configured", nil, []hub.Part{{Name: "meter", Condition: hub.Degraded}}, ""},
		{"both at once are one", func(s *hub.Snapshot) { s.Stale = true }, []hub.Part{{Name: "meter", Condition: hub.Down}}, "meter"},
		{"a device does not follow", func(s *hub.Snapshot) { s.Devices[0].Mismatch = true }, nil, "device"},
		{"a device is gone", func(s *hub.Snapshot) { s.Devices[0].Online = false }, nil, "device"},
		{"a device that never spoke", func(s *hub.Snapshot) { s.Devices[0].Online, s.Devices[0].Has = false, 0 }, nil, ""},
		{"a guard holds back", func(s *hub.Snapshot) { s.Guarding = &hub.Guarding{Kind: hub.GuardFuse} }, nil, "guard"},
		{"a guard because of the meter's silence", func(s *hub.Snapshot) { s.Guarding = &hub.Guarding{Kind: hub.GuardSilent} }, nil, ""},
		{"the card is full", nil, []hub.Part{{Name: "storage", Condition: hub.Degraded, Reason: "full"}}, "storage"},
		{"another part", nil, []hub.Part{{Name: "tls", Condition: hub.Down}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := &notify.Watcher{}
			if got := kinds(w.See(house(nil), nil)); got != "" {
				t.Fatalf("a house in order: %q", got)
			}
			if got := kinds(w.See(house(test.change), test.parts)); got != test.want {
				t.Errorf("began: %q, want %q", got, test.want)
			}
			if got := kinds(w.See(house(test.change), test.parts)); got != "" {
				t.Errorf("told twice: %q", got)
			}
			want := test.want
			if want != "" {
				want += " over"
			}
			if got := kinds(w.See(house(nil), nil)); got != want {
				t.Errorf("ended: %q, want %q", got, want)
			}
		})
	}
}

func TestWatcherTellsTheEndOfAPlannedRunOnce(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	plan := func(runs ...hub.Run) *hub.Plan {
		return &hub.Plan{Devices: []hub.Planned{{Device: "plug", Deadline: at(300), Runs: runs}}}
	}
	first, second := hub.Run{Start: at(0), End: at(30)}, hub.Run{Start: at(60), End: at(90)}
	tomorrow := hub.Run{Start: at(24 * 60), End: at(24*60 + 30)}
	see := func(w *notify.Watcher, minute int, on bool, p *hub.Plan, mode hub.Mode) string {
		return kinds(w.See(house(func(s *hub.Snapshot) {
			s.At, s.Plan = at(minute), p
			d := &s.Devices[0]
			d.On, d.Commanded.On, d.Mode = on, on, mode
		}), nil))
	}
	steps := []struct {
		name   string
		minute int
		on     bool
		plan   *hub.Plan
		mode   hub.Mode
		want   string
	}{
		{"before", -10, false, plan(first, second), hub.ModeAuto, ""},
		{"first run", 1, true, plan(first, second), hub.ModeAuto, ""},
		{"pause", 31, false, plan(second), hub.ModeAuto, ""},
		{"second run", 61, true, plan(second), hub.ModeAuto, ""},
		{"end", 91, false, plan(tomorrow), hub.ModeAuto, "run"},
		{"and no more", 92, false, plan(tomorrow), hub.ModeAuto, ""},
		{"by hand on", 100, true, plan(tomorrow), hub.ModeOn, ""},
		{"by hand off", 110, false, plan(tomorrow), hub.ModeOff, ""},
		{"auto again", 120, false, plan(tomorrow), hub.ModeAuto, ""},
	}
	w := &notify.Watcher{}
	for _, s := range steps {
		if got := see(w, s.minute, s.on, s.plan, s.mode); got != s.want {
			t.Errorf("%s: %q, want %q", s.name, got, s.want)
		}
	}
}
