package webui_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

func TestLiveSaysNullForWhatNobodyMeasured(t *testing.T) {
	h := newHouse(t)
	var empty map[string]any
	h.browser().get("/api/live", &empty)
	for _, key := range []string{"at", "age_s", "import_w", "export_w", "solar_w", "house_w", "tariff"} {
		if v, ok := empty[key]; !ok || v != nil {
			t.Errorf("before the first reading %s is %v, want null", key, v)
		}
	}
	if empty["stale"] != true || empty["stale_since"] == nil {
		t.Errorf("before the first reading stale is %v since %v", empty["stale"], empty["stale_since"])
	}
	h.hub.Observe(hub.Reading{Received: time.Now(), Has: hub.HasImport})
	var zero map[string]any
	h.browser().get("/api/live", &zero)
	if zero["import_w"] != 0.0 || zero["stale"] != false || zero["stale_since"] != nil {
		t.Errorf("a reading of 0 W gives %v, stale %v", zero["import_w"], zero["stale"])
	}
	if zero["solar_w"] != nil {
		t.Errorf("without a roof solar_w is %v", zero["solar_w"])
	}
}

func TestLiveIsTheReading(t *testing.T) {
	h := newHouse(t).furnish()
	var live struct {
		Phases        []struct{ Phase, Import_W, Current_MA, Voltage_DV int }
		Registers     struct{ Import_T1_Wh, Import_T2_Wh, Export_T1_Wh, Export_T2_Wh, Gas_DM3 int }
		Age_S         float64
		Durable_Until time.Time
	}
	_, body := h.browser().do("GET", "/api/live", "")
	var flat map[string]any
	if err := json.Unmarshal([]byte(body), &flat); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{"import_w": 432, "export_w": 0, "solar_w": 2710, "house_w": 3142, "tariff": 2} {
		if flat[key] != want {
			t.Errorf("%s is %v, want %v", key, flat[key], want)
		}
	}
	if err := json.Unmarshal([]byte(body), &live); err != nil {
		t.Fatal(err)
	}
	if len(live.Phases) != 3 || live.Phases[2].Phase != 3 || live.Phases[0].Import_W != 144 || live.Phases[0].Voltage_DV != 2304 || live.Phases[0].Current_MA != 626 {
		t.Errorf("phases are %+v", live.Phases)
	}
	r := live.Registers
	if r.Import_T1_Wh != 4_242_123 || r.Import_T2_Wh != 3_141_592 || r.Export_T1_Wh != 271_828 || r.Export_T2_Wh != 577_215 || r.Gas_DM3 != 1_234_567 {
		t.Errorf("registers are %+v", r)
	}
	if live.Age_S < 0 || live.Age_S > 20 {
		t.Errorf("age is %v s", live.Age_S)
	}
	if !live.Durable_Until.Equal(h.now.Add(-20 * time.Second)) {
		t.Errorf("durable until %v", live.Durable_Until)
	}
}

func TestHealth(t *testing.T) {
	h := newHouse(t).furnish()
	status, body := h.browser().do("GET", "/healthz", "")
	if status != 200 || !strings.Contains(body, `"condition":"degraded"`) || !strings.Contains(body, "did not answer") {
		t.Errorf("with a degraded part: %d %s", status, body)
	}
	h.health.Set("meter", hub.Down, "nothing at /dev/ttyUSB0")
	if status, body = h.browser().do("GET", "/healthz", ""); status != 503 || !strings.Contains(body, "ttyUSB0") {
		t.Errorf("with a part down: %d %s", status, body)
	}
}

func TestPoints(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	tests := []struct {
		name, feed, query string
		status            int
		field             string
		points            int
		first             string // of the list, as JSON
	}{
		{"hours of a day", "import_w", "start=2026-06-12T00:00:00%2B02:00&end=2026-06-13T00:00:00%2B02:00&interval=3600", 200, "", 24, "[1781215200,400]"},
		{"epoch seconds", "import_w", "start=1781215200&end=1781218800&interval=600&average=1", 200, "", 6, "[1781215200,400]"},
		{"days of a counter by the calendar", "import_t1_wh", "start=2026-03-01T00:00:00%2B01:00&end=2026-04-01T00:00:00%2B02:00&interval=day&aggregate=delta", 200, "", 31, "[1772319600,7200]"},
		{"own interval for a short time", "import_w", "start=1781215200&end=1781215260", 200, "", 6, ""},
		{"nothing given", "import_w", "", 200, "", 1440, ""},
		{"a gap is null", "import_w", "start=4102444800&end=4102444900&interval=100", 200, "", 1, "[4102444800,null]"},
		{"unknown feed", "nonsense", "", 404, "", 0, ""},
		{"bad start", "import_w", "start=yesterday", 400, "start", 0, ""},
		{"bad end", "import_w", "end=2026-13-01T00:00:00Z", 400, "end", 0, ""},
		{"year out of range", "import_w", "end=9999999999", 400, "end", 0, ""},
		{"not a number", "import_w", "end=NaN", 400, "end", 0, ""},
		{"end before start", "import_w", "start=1781215200&end=1781215100", 400, "start", 0, ""},
		{"bad interval", "import_w", "interval=fortnight", 400, "interval", 0, ""},
		{"interval 0", "import_w", "interval=0", 400, "interval", 0, ""},
		{"interval not a multiple", "import_w", "interval=15", 400, "interval", 0, ""},
		{"too many points", "import_w", "start=1700000000&end=1781215200&interval=10", 400, "interval", 0, ""},
		{"bad average", "import_w", "average=yes", 400, "average", 0, ""},
		{"average against aggregate", "import_w", "average=1&aggregate=max", 400, "average", 0, ""},
		{"bad aggregate", "import_w", "aggregate=median", 400, "aggregate", 0, ""},
		{"delta of what is no counter", "import_w", "aggregate=delta", 400, "aggregate", 0, ""},
		{"bad format", "import_w", "format=xml", 400, "format", 0, ""},
		{"unknown parameter", "import_w", "step=10", 400, "step", 0, ""},
		{"given twice", "import_w", "start=1&start=2", 400, "start", 0, ""},
		{"bad query", "import_w", "start=%zz", 400, "query", 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := b.do("GET", "/api/feeds/"+test.feed+"/points?"+test.query, "")
			if status != test.status {
				t.Fatalf("%d %s, want %d", status, body, test.status)
			}
			if status != 200 {
				checkProblem(t, body, test.field)
				return
			}
			var got struct{ Points []json.RawMessage }
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			if len(got.Points) != test.points {
				t.Errorf("%d points, want %d", len(got.Points), test.points)
			}
			if test.first != "" && string(got.Points[0]) != test.first {
				t.Errorf("the first is %s, want %s", got.Points[0], test.first)
			}
		})
	}
	status, body := b.do("GET", "/api/feeds/import_w/points?start=1781215200&end=1781218800&interval=1800&format=csv", "")
	if want := "time,import_w W\r\n2026-06-12T00:00:00+02:00,400\r\n2026-06-12T00:30:00+02:00,400\r\n"; status != 200 || body != want {
		t.Errorf("as CSV: %d %q, want %q", status, body, want)
	}
}

func checkProblem(t *testing.T, body, field string) {
	t.Helper()
	var p struct {
		Error struct{ Code, Message, Field string }
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if p.Error.Code == "" || p.Error.Message == "" || p.Error.Field != field {
		t.Errorf("the error is %+v, want the field %q", p.Error, field)
	}
}

func TestBodies(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Owner)
	plug := `"name":"Dryer","family":"emonesp","role":"plug","topic":"emon/dryer"`
	tests := []struct {
		name, method, path, body string
		status                   int
		field                    string
	}{
		{"unknown field", "POST", "/api/devices", `{` + plug + `,"colour":"red"}`, 400, "colour"},
		{"trailing garbage", "POST", "/api/devices", `{` + plug + `}{}`, 400, "body"},
		{"cut short", "POST", "/api/devices", `{` + plug, 400, "body"},
		{"empty", "POST", "/api/devices", ``, 400, "body"},
		{"wrong type", "POST", "/api/devices", `{` + plug + `,"power_w":"many"}`, 400, "power_w"},
		{"list for object", "POST", "/api/devices", `[1]`, 400, "body"},
		{"out of range", "POST", "/api/devices", `{` + plug + `,"power_w":99999999999}`, 400, "power_w"},
		{"bad name", "POST", "/api/devices", `{"name":"a\u0007b","family":"emonesp","role":"plug","topic":"x"}`, 400, "name"},
		{"65 runes", "POST", "/api/devices", `{"name":"` + strings.Repeat("é", 65) + `","family":"emonesp","role":"plug","topic":"x"}`, 400, "name"},
		{"no family", "POST", "/api/devices", `{"name":"A","role":"plug","topic":"x"}`, 400, "family"},
		{"id is taken", "POST", "/api/devices", `{"id":"washer",` + plug + `}`, 409, "id"},
		{"topic is taken", "POST", "/api/devices", `{"name":"B","family":"emonesp","role":"plug","topic":"emon/roof"}`, 409, "topic"},
		{"patch nobody", "PATCH", "/api/devices/nobody", `{"name":"B"}`, 404, ""},
		{"patch the id", "PATCH", "/api/devices/washer", `{"id":"other"}`, 400, "id"},
		{"patch the mode", "PATCH", "/api/devices/washer", `{"mode":"on"}`, 400, "mode"},
		{"delete nobody", "DELETE", "/api/devices/nobody", ``, 404, ""},
		{"schedule without time", "PUT", "/api/devices/washer/schedule", `{"minutes":60}`, 400, "ready_by"},
		{"bad time", "PUT", "/api/devices/washer/schedule", `{"ready_by":"25:00","minutes":60}`, 400, "ready_by"},
		{"neither amount", "PUT", "/api/devices/washer/schedule", `{"ready_by":"07:00"}`, 400, "minutes"},
		{"both amounts", "PUT", "/api/devices/washer/schedule", `{"ready_by":"07:00","minutes":1,"energy_wh":1}`, 400, "minutes"},
		{"bad day", "PUT", "/api/devices/washer/schedule", `{"ready_by":"07:00","minutes":60,"days":["mo"]}`, 400, "days"},
		{"roof can not be scheduled", "PUT", "/api/devices/roof/schedule", `{"ready_by":"07:00","minutes":60}`, 400, "schedule"},
		{"no mode", "POST", "/api/devices/washer/mode", `{}`, 400, "mode"},
		{"bad mode", "POST", "/api/devices/washer/mode", `{"mode":"maybe"}`, 400, "mode"},
		{"until in the past", "POST", "/api/devices/washer/mode", `{"mode":"on","until":"2020-01-01T00:00:00Z"}`, 400, "until"},
		{"auto has no end", "POST", "/api/devices/washer/mode", `{"mode":"auto","until":"2100-01-01T00:00:00Z"}`, 400, "until"},
		{"roof can not be switched", "POST", "/api/devices/roof/mode", `{"mode":"on"}`, 400, "mode"},
		{"bad filter", "POST", "/api/mqtt/clients", `{"name":"x","grants":[{"filter":"a/#/b","read":true}]}`, 400, "grants"},
		{"no grant", "POST", "/api/mqtt/clients", `{"name":"x","grants":[]}`, 400, "grants"},
		{"neither read nor write", "POST", "/api/mqtt/clients", `{"name":"x","grants":[{"filter":"a"}]}`, 400, "grants"},
		{"no such client", "DELETE", "/api/mqtt/clients/none", ``, 404, ""},
		{"bad role", "POST", "/api/tokens", `{"name":"x","role":"king"}`, 400, "role"},
		{"no such token", "DELETE", "/api/tokens/zz", ``, 404, ""},
		{"unknown path", "GET", "/api/nothing", ``, 404, ""},
		{"wrong method", "PATCH", "/api/live", `{}`, 405, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := b.do(test.method, test.path, test.body)
			if status != test.status {
				t.Fatalf("%d %s, want %d", status, body, test.status)
			}
			checkProblem(t, body, test.field)
		})
	}
	status, body := b.do("POST", "/api/devices", `{"name":"`+strings.Repeat("x", 65<<10)+`"}`)
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("65 KiB: %d %s", status, body)
	}
	if status, body = b.do("POST", "/api/devices", `{`+plug+`}`, "Content-Type", "text/plain"); status != 400 {
		t.Errorf("text/plain: %d %s", status, body)
	}
	if got := len(h.hub.Snapshot().Devices); got != 4 {
		t.Errorf("after all the refusals there are %d devices", got)
	}
}

func TestDeviceLife(t *testing.T) {
	h := newHouse(t)
	b := h.as(webui.Owner)
	res := b.send("POST", "/api/devices", `{"name":"Café 2: Été!","family":"emonesp","role":"plug","topic":"emon/cafe"}`)
	res.Body.Close()
	if where := res.Header.Get("Location"); res.StatusCode != 201 || where != "/api/devices/caf-2-t" {
		t.Fatalf("added: %d at %s", res.StatusCode, where)
	}
	if status, body := b.do("PATCH", "/api/devices/caf-2-t", `{"power_w":900}`); status != 200 || !strings.Contains(body, `"power_w":900`) || !strings.Contains(body, "Été") {
		t.Fatalf("changed: %d %s", status, body)
	}
	if status, body := b.do("PUT", "/api/devices/caf-2-t/schedule", `{"ready_by":"7:00","minutes":180,"days":["fri","mon"]}`); status != 200 || !strings.Contains(body, `"days":["mon","fri"]`) {
		t.Fatalf("scheduled: %d %s", status, body)
	}
	d, _ := h.hub.Device("caf-2-t")
	if s := d.Schedule; s == nil || s.ReadyBy != 420 || s.Minutes != 180 || s.SetAt.IsZero() || time.Since(s.SetAt) > time.Minute {
		t.Fatalf("the schedule is %+v", d.Schedule)
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	if status, body := b.do("POST", "/api/devices/caf-2-t/mode", `{"mode":"off","until":"`+until.Format(time.RFC3339)+`"}`); status != 200 || !strings.Contains(body, `"mode_now":"off"`) {
		t.Fatalf("switched: %d %s", status, body)
	}
	if d, _ = h.hub.Device("caf-2-t"); !d.ModeUntil.Equal(until) || d.Schedule == nil || d.Power != 900 {
		t.Fatalf("the device is %+v", d.Device)
	}
	if status, _ := b.do("DELETE", "/api/devices/caf-2-t/schedule", ""); status != 200 {
		t.Fatalf("unscheduled: %d", status)
	}
	if d, _ = h.hub.Device("caf-2-t"); d.Schedule != nil {
		t.Fatal("the schedule is still there")
	}
	if status, _ := b.do("DELETE", "/api/devices/caf-2-t", ""); status != 204 {
		t.Fatalf("removed: %d", status)
	}
	if status, _ := b.do("GET", "/api/devices/caf-2-t", ""); status != 404 {
		t.Fatalf("after its removal: %d", status)
	}
	want := []string{"127.0.0.1: ", "owner: added device caf-2-t", "owner: changed device caf-2-t", "owner: scheduled caf-2-t", "owner: set off caf-2-t", "owner: unscheduled caf-2-t", "owner: removed device caf-2-t"}
	got := strings.Join(h.audited(), "\n")
	for _, line := range want[1:] {
		if !strings.Contains(got, line) {
			t.Errorf("the audit lacks %q:\n%s", line, got)
		}
	}
}

// A change that can not be kept must not look as if it were.
func TestChangeThatIsNotDurableFails(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Owner)
	h.keeper.mu.Lock()
	h.keeper.err = hub.Errorf(hub.Unavailable, "the card is full")
	h.keeper.mu.Unlock()
	for _, req := range [][3]string{
		{"PATCH", "/api/devices/washer", `{"name":"X"}`},
		{"POST", "/api/devices/washer/mode", `{"mode":"on"}`},
		{"DELETE", "/api/devices/washer", ``},
		{"POST", "/api/devices", `{"name":"New","family":"gpio","role":"plug","topic":"GPIO4"}`},
	} {
		if status, body := b.do(req[0], req[1], req[2]); status != 503 || !strings.Contains(body, "the card is full") {
			t.Errorf("%s %s: %d %s", req[0], req[1], status, body)
		}
	}
	if d, _ := h.hub.Device("washer"); d.Name != "Washing machine" || d.Mode != hub.ModeAuto {
		t.Errorf("the device is %+v", d.Device)
	}
	for _, line := range h.audited() {
		if !strings.Contains(line, "logged in") {
			t.Errorf("the audit has %q", line)
		}
	}
}

// An error nobody foresaw is logged and not told.
func TestInternalErrorsAreHidden(t *testing.T) {
	h := newHouse(t)
	h.feeds.mu.Lock()
	h.feeds.err = &url.Error{Op: "open", URL: "/var/lib/secret", Err: http.ErrBodyNotAllowed}
	h.feeds.mu.Unlock()
	status, body := h.browser().do("GET", "/api/feeds/import_w/points", "")
	if status != 500 || strings.Contains(body, "secret") || !strings.Contains(body, `"code":"internal"`) {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(h.log.String(), "secret") {
		t.Errorf("the log lacks it: %s", h.log)
	}
	if status, body = h.browser().do("GET", "/", ""); status != 200 {
		t.Errorf("the first page fails with the feeds: %d %s", status, body)
	}
}

func TestClientsAndTokens(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Owner)
	status, body := b.do("POST", "/api/mqtt/clients", `{"name":"Grafana","grants":[{"filter":"hub/#","read":true}]}`)
	var made struct {
		Password string
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != 201 || len(made.Password) != 32 {
		t.Fatalf("%d %s", status, body)
	}
	if !h.clients.List()[0].Check(made.Password) {
		t.Error("the password that is shown does not fit")
	}
	if _, body = b.do("GET", "/api/mqtt/clients", ""); strings.Contains(body, made.Password) || strings.Contains(body, "hash") || !strings.Contains(body, `"client_id":"grafana"`) {
		t.Errorf("the list is %s", body)
	}
	if status, _ = b.do("DELETE", "/api/mqtt/clients/grafana", ""); status != 204 || len(h.clients.List()) != 0 {
		t.Errorf("removed: %d, %d left", status, len(h.clients.List()))
	}
	// A device's own log-in is not the owner's to remove here.
	device, _ := hub.NewCredential("washer", "washer", nil, time.Now())
	h.clients.list = append(h.clients.list, device)
	if status, _ = b.do("DELETE", "/api/mqtt/clients/washer", ""); status != 404 || len(h.clients.List()) != 1 {
		t.Errorf("a device's log-in: %d", status)
	}

	status, body = b.do("POST", "/api/tokens", `{"name":"script","role":"family"}`)
	var token struct{ ID, Token string }
	if err := json.Unmarshal([]byte(body), &token); err != nil || status != 201 || len(token.Token) < 43 {
		t.Fatalf("%d %s", status, body)
	}
	script := h.browser()
	script.bearer = token.Token
	if status, body = script.do("POST", "/api/devices/washer/mode", `{"mode":"on"}`); status != 200 {
		t.Errorf("the token may not switch: %d %s", status, body)
	}
	if status, _ = script.do("DELETE", "/api/devices/washer", ""); status != 403 {
		t.Errorf("a family token removed a device: %d", status)
	}
	if status, _ = b.do("DELETE", "/api/tokens/"+token.ID, ""); status != 204 {
		t.Errorf("removing the token: %d", status)
	}
	if status, _ = script.do("GET", "/api/live", ""); status != 401 {
		t.Errorf("a removed token: %d", status)
	}
}
