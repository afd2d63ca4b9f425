package hub_test

import (
	"encoding/json"
	"testing"
	"time"
	_ "time/tzdata"

	"homehub/hub"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestLocalTimeOn(t *testing.T) {
	tests := []struct {
		name string
		zone string
		day  string
		at   hub.LocalTime
		want string // UTC
	}{
		{"plain winter day", "Europe/Amsterdam", "2026-01-15", 7 * 60, "2026-01-15T06:00:00Z"},
		{"plain summer day", "Europe/Amsterdam", "2026-07-15", 7 * 60, "2026-07-15T05:00:00Z"},
		{"inside the spring gap", "Europe/Amsterdam", "2026-03-29", 2*60 + 30, "2026-03-29T01:00:00Z"},
		{"first minute of the spring gap", "Europe/Amsterdam", "2026-03-29", 2 * 60, "2026-03-29T01:00:00Z"},
		{"end of the spring gap", "Europe/Amsterdam", "2026-03-29", 3 * 60, "2026-03-29T01:00:00Z"},
		{"before the spring gap", "Europe/Amsterdam", "2026-03-29", 60 + 59, "2026-03-29T00:59:00Z"},
		{"autumn hour that comes twice: the first", "Europe/Amsterdam", "2026-10-25", 2*60 + 30, "2026-10-25T00:30:00Z"},
		{"last minute of that hour", "Europe/Amsterdam", "2026-10-25", 2*60 + 59, "2026-10-25T00:59:00Z"},
		{"after that hour", "Europe/Amsterdam", "2026-10-25", 3 * 60, "2026-10-25T02:00:00Z"},
		{"a gap of half an hour", "Australia/Lord_Howe", "2026-10-04", 2*60 + 15, "2026-10-03T15:30:00Z"},
		{"a fold of half an hour: the first", "Australia/Lord_Howe", "2026-04-05", 60 + 45, "2026-04-04T14:45:00Z"},
		{"midnight that does not exist", "America/Santiago", "2026-09-06", 0, "2026-09-06T04:00:00Z"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			loc := zone(t, test.zone)
			day, err := time.ParseInLocation("2006-01-02 15", test.day+" 12", loc)
			if err != nil {
				t.Fatal(err)
			}
			got := test.at.On(day).UTC().Format(time.RFC3339)
			if got != test.want {
				t.Errorf("%v on %s in %s = %s, want %s", test.at, test.day, test.zone, got, test.want)
			}
		})
	}
}

func TestScheduleJSON(t *testing.T) {
	in := `{"ready_by":"07:00","minutes":180,"may_pause":true,"days":["mon","FRI"]}`
	var s hub.Schedule
	if err := json.Unmarshal([]byte(in), &s); err != nil {
		t.Fatal(err)
	}
	if s.ReadyBy != 420 || !s.Days.Has(time.Monday) || !s.Days.Has(time.Friday) || s.Days.Has(time.Sunday) {
		t.Errorf("got %+v", s)
	}
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"ready_by":"07:00","minutes":180,"may_pause":true,"days":["mon","fri"]}`; string(out) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
	for _, bad := range []string{`{"ready_by":"25:00"}`, `{"days":["noday"]}`, `{"days":7}`} {
		if err := json.Unmarshal([]byte(bad), &s); hub.CodeOf(err) != hub.Invalid {
			t.Errorf("%s: got %v, want an invalid error", bad, err)
		}
	}
}

func TestDeviceValidate(t *testing.T) {
	good := hub.Device{ID: "plug", Name: "Washer", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/smartplug1"}
	tests := []struct {
		name   string
		change func(*hub.Device)
		field  string // "" = valid
	}{
		{"good", func(*hub.Device) {}, ""},
		{"no id", func(d *hub.Device) { d.ID = "" }, "id"},
		{"id with a slash", func(d *hub.Device) { d.ID = "a/b" }, "id"},
		{"no name", func(d *hub.Device) { d.Name = "  " }, "name"},
		{"long name", func(d *hub.Device) { d.Name = string(make([]rune, 65)) }, "name"},
		{"control character in the name", func(d *hub.Device) { d.Name = "a\nb" }, "name"},
		{"unknown family", func(d *hub.Device) { d.Family = "toaster" }, "family"},
		{"wildcard topic", func(d *hub.Device) { d.Topic = "emon/#" }, "topic"},
		{"unknown role", func(d *hub.Device) { d.Role = "cat" }, "role"},
		{"unknown mode", func(d *hub.Device) { d.Mode = "maybe" }, "mode"},
		{"charger gets its defaults", func(d *hub.Device) { d.Role = hub.RoleCharger }, ""},
		{"charger under 6 A", func(d *hub.Device) { d.Role, d.MinAmps = hub.RoleCharger, 5 }, "max_amps"},
		{"sensor with a schedule", func(d *hub.Device) { d.Role, d.Schedule = hub.RoleSolar, &hub.Schedule{Minutes: 5} }, "schedule"},
		{"schedule without amount", func(d *hub.Device) { d.Schedule = &hub.Schedule{} }, "minutes"},
		{"until 80 %, else 10 kWh", func(d *hub.Device) { d.Schedule = &hub.Schedule{SoC: 80, Energy: 10_000} }, ""},
		{"beyond full", func(d *hub.Device) { d.Schedule = &hub.Schedule{SoC: 101} }, "until_soc"},
		{"minutes and state of charge", func(d *hub.Device) { d.Schedule = &hub.Schedule{SoC: 80, Minutes: 5} }, "minutes"},
		{"surplus without amount", func(d *hub.Device) { d.Schedule = &hub.Schedule{When: hub.WhenSurplus} }, ""},
		{"now without amount", func(d *hub.Device) { d.Schedule = &hub.Schedule{When: hub.WhenNow} }, "minutes"},
		{"now on Mondays", func(d *hub.Device) { d.Schedule = &hub.Schedule{When: hub.WhenNow, Minutes: 5, Days: 2} }, "days"},
		{"some day", func(d *hub.Device) { d.Schedule = &hub.Schedule{When: "someday", Minutes: 5} }, "when"},
		{"fourth phase", func(d *hub.Device) { d.Line = 4 }, "line"},
		{"a plug that switches phases", func(d *hub.Device) { d.SwitchPhases = true }, "switch_phases"},
		{"battery that takes nothing", func(d *hub.Device) { d.Role, d.Battery = hub.RoleBattery, &hub.Battery{Capacity: 5000} }, "max_charge_w"},
		{"schedule with two amounts", func(d *hub.Device) { d.Schedule = &hub.Schedule{Minutes: 5, Energy: 5} }, "minutes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := good
			test.change(&d)
			_, err := d.Validate()
			if test.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e, ok := err.(*hub.Error)
			if !ok || e.Code != hub.Invalid || e.Field != test.field {
				t.Errorf("got %v, want an invalid %s", err, test.field)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	var kept hub.Limit
	h, err := hub.New(hub.Config{KeepLimit: func(l hub.Limit) error { kept = l; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.SetLimit(hub.Limit{Watts: 4000, Until: time.Now().Add(time.Hour), Source: "grid operator"}); err != nil {
		t.Fatal(err)
	}
	if s := h.Snapshot(); !s.Limit.ActiveAt(s.At) || s.Limit.ActiveAt(s.At.Add(2*time.Hour)) || kept != s.Limit || kept.Watts != 4000 {
		t.Errorf("in force %+v, kept %+v", s.Limit, kept)
	}
	for field, bad := range map[string]hub.Limit{
		"watts": {Watts: -1, Source: "x"}, "until": {Until: time.Now().Add(-time.Second), Source: "x"}, "source": {Source: "a\nb"},
	} {
		if e, ok := h.SetLimit(bad).(*hub.Error); !ok || e.Field != field {
			t.Errorf("%+v: got %v, want an invalid %s", bad, e, field)
		}
	}
	if err := h.SetLimit(hub.Limit{}); err != nil || h.Snapshot().Limit.Source != "" || kept.Source != "" {
		t.Errorf("withdrawn: %v, %+v, kept %+v", err, h.Snapshot().Limit, kept)
	}
}
