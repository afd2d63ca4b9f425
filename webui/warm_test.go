package webui_test

import (
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// withThermometer puts a sensor into the house that shows a temperature.
func (h *house) withThermometer(temp hub.MilliCelsius) *house {
	h.t.Helper()
	if err := h.hub.PutDevice(hub.Device{ID: "probe", Name: "Probe in the tank", Family: hub.FamilyEmonESP, Role: hub.RoleMeter, Topic: "emon/probe"}); err != nil {
		h.t.Fatal(err)
	}
	h.report(hub.Report{Device: "probe", Has: hub.ReportOnline | hub.ReportTemp, Online: true, Temp: temp})
	return h
}

// TestKeepForm keeps a temperature without any script: what is offered, what is
// saved, what is shown, and what is refused.
func TestKeepForm(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Family)
	if _, body := b.do("GET", "/plan", ""); strings.Contains(body, `value="keep"`) {
		t.Error("a temperature is offered although nothing measures one")
	}
	h.withThermometer(54_400)
	_, body := b.do("GET", "/plan", "")
	if n := strings.Count(body, `value="keep"`); n != 2 { // boiler and washer, not the car
		t.Errorf("a temperature is offered %d times", n)
	}
	const good = "when=keep&low=50,5&high=65&temperature_of=probe&litres=150&ready_by=&amount="
	if status, body := b.do("POST", "/devices/boiler/schedule", good+"&from=06:00&to=23:00&away=45&weekly=60&day=mon"); status != 303 {
		t.Fatalf("status %d: %s", status, body)
	}
	d, _ := h.hub.Device("boiler")
	want := hub.Band{Low: 50_500, High: 65_000, From: 6 * 60, To: 23 * 60, Away: 45_000, Weekly: 60_000}
	if d.Schedule == nil || d.Schedule.Keep != want || d.Schedule.Days != 1<<time.Monday || d.TempOf != "probe" || d.Litres != 150 {
		t.Fatalf("kept %+v, measured by %q, %d l", d.Schedule, d.TempOf, d.Litres)
	}
	_, body = b.do("GET", "/plan", "")
	for _, text := range []string{
		"Between 50.5 and 65 °C from 06:00 to 23:00, Mon, else at least 45 °C. Once a week 60 °C", "54.4 °C, measured at",
		`name="low" value="50.5"`, `name="away" value="45"`, `name="litres" value="150"`, `<option value="keep" selected>`, `<option value="probe" selected>`,
	} {
		if !strings.Contains(body, text) {
			t.Errorf("the plan page lacks %s", text)
		}
	}
	if _, body = b.do("GET", "/plan", "", "Accept-Language", "de"); !strings.Contains(body, "Zwischen 50,5 und 65 °C von 06:00 bis 23:00") {
		t.Error("the German page does not say what is kept")
	}
	for _, bad := range []struct{ form, says string }{
		{"when=keep&low=warm&high=65", "Give temperatures of 5 to 90"},
		{"when=keep&low=50&high=50.5", "Give temperatures of 5 to 90"},
		{"when=keep&low=50&high=95", "Give temperatures of 5 to 90"},
		{"when=keep&low=50&high=65&away=45", "Outside of the hours"},
		{"when=keep&low=50&high=65&from=6&to=7", "Give the time like 07:00"},
		{"when=keep&low=50&high=65&from=06:00&to=23:00&away=55", "Outside of the hours"},
		{"when=keep&low=50&high=65&weekly=70", "The temperature of once a week"},
		{"when=keep&low=50&high=65&litres=a+lot", "whole litres"},
		{"when=keep&low=50&high=65&temperature_of=nobody", "what measures the temperature"},
	} {
		status, body := b.do("POST", "/devices/boiler/schedule", bad.form)
		if status != 400 || !strings.Contains(body, bad.says) {
			t.Errorf("%s: status %d, says %q: %v", bad.form, status, bad.says, strings.Contains(body, bad.says))
		}
	}
	if d, _ := h.hub.Device("boiler"); d.Schedule.Keep != want || d.TempOf != "probe" {
		t.Errorf("a refused form changed %+v", d.Schedule)
	}
	if _, body = b.do("POST", "/devices/boiler/schedule", "when=keep&low=51&high=51&weekly=33"); !strings.Contains(body, `name="low" value="51"`) || !strings.Contains(body, `name="weekly" value="33"`) {
		t.Error("what was typed is gone")
	}
	if _, body = b.do("GET", "/plan?edit=boiler&when=keep&low=50&high=65&temperature_of=probe", ""); !strings.Contains(body, "Preview for 00:00.") {
		t.Error("there is no preview")
	}
	if _, body = h.as(webui.Owner).do("GET", "/devices", ""); !strings.Contains(body, "54.4 °C, measured at") || !strings.Contains(body, "/api/feeds/dev_probe_c/points") {
		t.Error("the page of devices does not show the temperature")
	}
}

// TestKeepReasons: what the plan of a heater says, in the page's language.
func TestKeepReasons(t *testing.T) {
	h := newHouse(t).furnish().withThermometer(54_400)
	p := h.plan()
	for _, test := range []struct {
		why  hub.Why
		says string
	}{
		{hub.Why{Kind: hub.WhyBlind}, "It waits for a first temperature."},
		{hub.Why{Kind: hub.WhyBlind, From: h.now}, "It is off: its temperature has not been heard since "},
		{hub.Why{Kind: hub.WhyPlain, Wanted: 50, Final: 65}, "It is held between 50 and 65 °C without a plan"},
		{hub.Why{Kind: hub.WhyWarm, Takes: time.Hour, Coldest: 50.4}, "so that it never falls below 50.4 °C."},
	} {
		plan := *p
		plan.Devices = []hub.Planned{{Device: "boiler", Why: test.why}}
		h.hub.SetPlan(&plan)
		if _, body := h.as(webui.Family).do("GET", "/plan", ""); !strings.Contains(body, test.says) {
			t.Errorf("%s: the page does not say %q", test.why.Kind, test.says)
		}
	}
}

// TestKeepAPI: the same over the API, with the field in the error.
func TestKeepAPI(t *testing.T) {
	h := newHouse(t).furnish().withThermometer(54_400)
	b := h.token(webui.Owner)
	if status, body := b.do("PATCH", "/api/devices/boiler", `{"temperature_of":"probe","litres":150}`); status != 200 || !strings.Contains(body, `"temperature_of":"probe"`) {
		t.Fatalf("status %d: %s", status, body)
	}
	status, body := b.do("PUT", "/api/devices/boiler/schedule", `{"keep":{"low_c":50.5,"high_c":65,"from":"06:00","to":"23:00","away_c":45}}`)
	if status != 200 || !strings.Contains(body, `"keep":{"low_c":50.5,"high_c":65,"from":"06:00","to":"23:00","away_c":45}`) {
		t.Fatalf("status %d: %s", status, body)
	}
	if _, body = b.do("GET", "/api/devices/probe", ""); !strings.Contains(body, `"temp_c":54.4,"temp_at":"`) {
		t.Errorf("the probe is %s", body)
	}
	for _, bad := range []struct{ method, path, body, field string }{
		{"PUT", "/api/devices/boiler/schedule", `{"keep":{"low_c":50,"high_c":120}}`, "high_c"},
		{"PUT", "/api/devices/boiler/schedule", `{"keep":{"low_c":2,"high_c":20}}`, "low_c"},
		{"PUT", "/api/devices/boiler/schedule", `{"keep":{"low_c":"50","high_c":60}}`, "keep"},
		{"PUT", "/api/devices/boiler/schedule", `{"keep":{"low_c":50,"high_c":60},"minutes":30}`, "keep"},
		{"PUT", "/api/devices/boiler/schedule", `{"keep":{"low_c":50,"high_c":60},"when":"now"}`, "when"},
		{"PUT", "/api/devices/boiler/schedule", `{"keep":{"low_c":50,"high_c":60,"away_c":40}}`, "away_c"},
		{"PUT", "/api/devices/car/schedule", `{"keep":{"low_c":50,"high_c":60}}`, "keep"},
		{"PATCH", "/api/devices/boiler", `{"temperature_of":"boiler"}`, "temperature_of"},
		{"PATCH", "/api/devices/boiler", `{"temperature_of":"nobody"}`, "temperature_of"},
		{"PATCH", "/api/devices/boiler", `{"litres":-1}`, "litres"},
	} {
		if status, body := b.do(bad.method, bad.path, bad.body); status != 400 || !strings.Contains(body, `"field":"`+bad.field+`"`) {
			t.Errorf("%s %s: status %d: %s", bad.path, bad.body, status, body)
		}
	}
}
