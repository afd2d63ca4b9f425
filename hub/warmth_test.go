package hub_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
)

func TestMilliCelsius(t *testing.T) {
	for text, want := range map[string]hub.MilliCelsius{"50": 50_000, "20.5": 20_500, "-3.25": -3250, "0": 0, "5e1": 0} {
		var m hub.MilliCelsius
		err := json.Unmarshal([]byte(text), &m)
		if m != want || (err != nil) != (text == "5e1") {
			t.Errorf("%s is %d: %v", text, m, err)
		}
		if back, _ := json.Marshal(m); err == nil && string(back) != text {
			t.Errorf("%s comes back as %s", text, back)
		}
	}
	for _, text := range []string{`"50"`, "true", "{}", "-127", "999", "null1"} {
		var m hub.MilliCelsius
		if err := json.Unmarshal([]byte(text), &m); err == nil {
			t.Errorf("%s is %s °C", text, m)
		}
	}
	if m, ok := hub.ParseCelsius(" 20,5 "); !ok || m != 20_500 {
		t.Errorf("20,5 is %d, %v", m, ok)
	}
}

func TestLowAt(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	day := hub.Band{Low: 20_000, High: 22_000, From: 6 * 60, To: 23 * 60, Away: 16_000}
	night := hub.Band{Low: 20_000, High: 22_000, From: 22 * 60, To: 6 * 60, Away: 16_000}
	for _, test := range []struct {
		band hub.Band
		days hub.Weekdays
		at   string
		want hub.MilliCelsius
	}{
		{hub.Band{Low: 20_000, High: 22_000}, 0, "2026-06-10 03:00", 20_000},
		{day, 0, "2026-06-10 05:59", 16_000},
		{day, 0, "2026-06-10 06:00", 20_000},
		{day, 0, "2026-06-10 22:59", 20_000},
		{day, 0, "2026-06-10 23:00", 16_000},
		{day, hub.Workdays, "2026-06-13 12:00", 16_000}, // a Saturday
		{day, hub.Workdays, "2026-06-12 12:00", 20_000},
		{night, 0, "2026-06-10 23:00", 20_000},
		{night, 0, "2026-06-10 05:00", 20_000},
		{night, 0, "2026-06-10 12:00", 16_000},
		{night, hub.Workdays, "2026-06-13 05:00", 20_000}, // Friday's night
		{night, hub.Workdays, "2026-06-13 23:00", 16_000},
		{night, hub.Workdays, "2026-06-15 05:00", 16_000}, // Sunday's night
	} {
		at, err := time.ParseInLocation("2006-01-02 15:04", test.at, zone)
		if err != nil {
			t.Fatal(err)
		}
		s := hub.Schedule{Keep: test.band, Days: test.days}
		if got := s.LowAt(at); got != test.want {
			t.Errorf("%s, %v: %s °C, want %s", test.at, test.days.Names(), got, test.want)
		}
	}
}

func TestBandValidate(t *testing.T) {
	heater := plug
	for _, test := range []struct {
		schedule hub.Schedule
		field    string
	}{
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000}}, ""},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000, From: 60, To: 120, Away: 40_000, Weekly: 60_000}, Days: hub.Workdays}, ""},
		{hub.Schedule{Keep: hub.Band{Low: 4_999, High: 65_000}}, "low_c"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 50_999}}, "high_c"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 90_001}}, "high_c"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000, Away: 40_000}}, "away_c"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000, From: 60, To: 120}}, "away_c"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000, From: 60, To: 120, Away: 50_000}}, "away_c"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000, From: -1, To: 120, Away: 40_000}}, "from"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000, Weekly: 66_000}}, "weekly_c"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000, Weekly: 50_000}}, "weekly_c"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000}, Minutes: 60}, "keep"},
		{hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000}, When: hub.WhenSurplus}, "when"},
	} {
		heater.Schedule = &test.schedule
		_, err := heater.Validate()
		var e *hub.Error
		if errors.As(err, &e); (err == nil) != (test.field == "") || err != nil && e.Field != test.field {
			t.Errorf("%+v: %v, want a fault of %q", test.schedule.Keep, err, test.field)
		}
	}
	charger := hub.Device{ID: "car", Name: "Car", Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Topic: "evse", Schedule: &hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000}}}
	if _, err := charger.Validate(); err == nil {
		t.Error("a charger keeps a temperature")
	}
}

// Temperatures and how much a heater is on become feeds, once they are said and
// asked for, and not before.
func TestWarmFeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heater := plug
		heater.TempOf = "probe"
		heater.Schedule = &hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000}}
		probe := hub.Device{ID: "probe", Name: "Probe", Family: hub.FamilyEmonESP, Role: hub.RoleMeter, Topic: "emon/probe"}
		var rec fakeRecorder
		var made []string
		h := newHub(t, hub.Config{
			Recorder: &rec, Interval: 10 * time.Second, Devices: []hub.Device{heater, probe},
			Ensure: func(s hub.FeedSpec) error { made = append(made, s.Name); return nil },
		})
		h.Tick(t.Context(), time.Now())
		if slices.Contains(made, "dev_probe_c") || slices.Contains(made, "dev_plug_on") {
			t.Errorf("feeds of devices that said nothing: %v", made)
		}
		state := func() *hub.DeviceState { d, _ := h.Device("plug"); return &d }
		if _, _, ok := hub.Warmth(h.Snapshot().Devices, state()); ok {
			t.Error("a temperature that nobody said")
		}
		h.Report(hub.Report{Device: "probe", At: time.Now(), Has: hub.ReportTemp, Temp: 50_000})
		h.Report(hub.Report{Device: "plug", At: time.Now(), Has: hub.ReportOn, On: true})
		h.Tick(t.Context(), time.Now())
		for range 5 { // 50.123 °C in the mean, and half of the time on
			h.Report(hub.Report{Device: "probe", At: time.Now(), Has: hub.ReportTemp, Temp: 50_000})
			h.Report(hub.Report{Device: "probe", At: time.Now(), Has: hub.ReportTemp, Temp: 50_246})
		}
		h.Report(hub.Report{Device: "plug", At: time.Now(), Has: hub.ReportOn})
		h.Tick(t.Context(), time.Now())
		if n := len(slices.Compact(slices.Sorted(slices.Values(made)))); n != len(made) {
			t.Errorf("feeds were made twice: %v", made)
		}
		if v, ok := rec.last("dev_probe_c"); !ok || v != 50.12 {
			t.Errorf("the temperature is stored as %v, %v", v, ok)
		}
		if v, ok := rec.last("dev_plug_on"); !ok || v != 50 {
			t.Errorf("the time on is stored as %v %%, %v", v, ok)
		}
		if temp, at, ok := hub.Warmth(h.Snapshot().Devices, state()); !ok || temp != 50_246 || !at.Equal(time.Now()) {
			t.Errorf("the heater is at %s °C since %v, %v", temp, at, ok)
		}
		n := len(rec.points)
		h.Report(hub.Report{Device: "plug", At: time.Now(), Has: hub.ReportOnline})
		h.Tick(t.Context(), time.Now())
		if len(rec.points) != n {
			t.Error("a heater that is gone is recorded as off")
		}
		h.Report(hub.Report{Device: "probe", At: time.Now(), Has: hub.ReportOnline})
		if _, _, ok := hub.Warmth(h.Snapshot().Devices, state()); ok {
			t.Error("a thermometer that is gone still measures")
		}
		specs := hub.FeedSpecs(h.Snapshot())
		i := slices.IndexFunc(specs, func(s hub.FeedSpec) bool { return s.Name == "dev_probe_c" })
		if i < 0 || specs[i].Decimals() != 2 || specs[i].Unit != "°C" || specs[0].Decimals() != 0 {
			t.Errorf("the feeds are %v", specs)
		}
	})
}
