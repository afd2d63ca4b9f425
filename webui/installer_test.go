package webui_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// An installer pairs and tests devices and sees nothing of how the house
// lives, also in a house that is open to everybody who has not logged in.
func TestInstallerSeesNothingOfTheHouse(t *testing.T) {
	for _, readOpen := range []bool{false, true} {
		h := newHouse(t, func(c *webui.Config) { c.ReadOpen = readOpen }).furnish()
		b := h.as(webui.Installer)
		for _, path := range []string{
			"/api/live", "/api/plan", "/api/events", "/api/feeds", "/api/feeds/import_w/points", "/api/feeds/dev_washer_w/points?format=csv",
			"/plan", "/history", "/history?view=day", "/history.csv",
		} {
			if status, body := b.do("GET", path, ""); status != http.StatusForbidden {
				t.Errorf("reads open %v: GET %s is %d %.80s", readOpen, path, status, body)
			}
		}
		for _, path := range []string{"PUT /api/devices/washer/schedule", "POST /api/devices/washer/mode", "POST /devices/washer/schedule", "POST /devices/washer/mode"} {
			method, path, _ := strings.Cut(path, " ")
			if status, _ := b.do(method, path, ""); status != http.StatusForbidden {
				t.Errorf("reads open %v: %s %s is %d", readOpen, method, path, status)
			}
		}
		if res := b.send("GET", "/", ""); res.StatusCode != 303 || res.Header.Get("Location") != "/devices" {
			t.Errorf("the first page leads an installer to %d %s", res.StatusCode, res.Header.Get("Location"))
		}
		for _, path := range []string{"/devices", "/more"} {
			status, body := b.do("GET", path, "")
			if status != 200 {
				t.Errorf("GET %s is %d", path, status)
			}
			for _, of := range []string{"432", "/history", `href="/plan"`, "Title of import_w", "dev_washer_w/points"} {
				if strings.Contains(body, of) {
					t.Errorf("%s shows an installer %q", path, of)
				}
			}
		}
		if status, body := b.do("POST", "/api/devices/boiler/test", `{"mode":"on"}`); status != 200 || !strings.Contains(body, `"mode":"on"`) {
			t.Errorf("testing a device: %d %s", status, body)
		}
		if d, _ := h.hub.Device("boiler"); time.Until(d.ModeUntil) > time.Minute || d.ModeUntil.IsZero() {
			t.Errorf("the test ends at %v", d.ModeUntil)
		}
		if status, _ := b.do("POST", "/api/pairing", ""); status != 200 {
			t.Errorf("opening the window: %d", status)
		}
		if log := strings.Join(append(h.audited(), h.pairing.log()...), "\n"); !strings.Contains(log, "installer: tested on boiler") || !strings.Contains(log, "installer open") {
			t.Errorf("the audit log says\n%s", log)
		}
	}
}

// The stream that an installer may have carries devices and pairing alone.
func TestInstallersStream(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		h.furnish()
		cookie := h.cookieOf(webui.Installer)
		if w := h.offline("GET", "/api/events", "", cookie); w.Code != http.StatusForbidden {
			t.Errorf("the whole stream: %d", w.Code)
		}
		s := h.streamOf(ctx, "/api/events?only=devices", cookie)
		h.read(1234, 0)
		h.hub.SetPlan(h.plan())
		h.report(hub.Report{Device: "washer", Has: hub.ReportPower, Power: 99})
		h.pairing.SetOpen("owner", true)
		h.pairing.ask("smartplug")
		<-time.After(time.Second)
		synctest.Wait()
		if names := s.names(); strings.Contains(names, "live") || strings.Contains(names, "plan ") || !strings.Contains(names, "pairing") || !strings.Contains(names, "device") {
			t.Errorf("it carries %s", names)
		}
		for _, e := range s.events {
			if strings.Contains(e.data, "1234") || strings.Contains(e.data, "import") {
				t.Errorf("%s tells of the house: %s", e.name, e.data)
			}
		}
		last := s.all("pairing")
		var state webui.PairingState
		if err := json.Unmarshal([]byte(last[len(last)-1].data), &state); err != nil || len(state.Requests) != 1 || state.Requests[0].Kind != "smartplug" {
			t.Errorf("pairing says %+v, %v", state, err)
		}
	})
}

// Who may not let devices in is not told who asks.
func TestPairingIsNotEverybodys(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		family, owner := h.stream(ctx, h.cookieOf(webui.Family)), h.stream(ctx, h.cookieOf(webui.Owner), "addr", "192.168.1.9:1")
		stranger := h.stream(ctx, nil, "addr", "192.168.1.10:1")
		h.pairing.SetOpen("owner", true)
		h.pairing.ask("smartplug")
		synctest.Wait()
		if n := len(owner.all("pairing")); n == 0 {
			t.Error("the owner is not told")
		}
		if e := owner.all("pairing"); e[len(e)-1].at != 0 {
			t.Errorf("the owner is told after %v", e[len(e)-1].at)
		}
		if len(family.all("pairing"))+len(stranger.all("pairing")) != 0 {
			t.Error("others are told as well")
		}
	})
}

// The log-in ends on the minute, however busy it is, with its stream.
func TestInstallerIsOutInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		u := h.users.list["installer"]
		u.Until = time.Now().Add(8 * time.Hour)
		h.users.list["installer"] = u
		cookie := h.cookieOf(webui.Installer)
		for range 15 {
			<-time.After(31 * time.Minute)
			if w := h.offline("GET", "/api/devices", "", cookie); w.Code != 200 {
				t.Fatalf("before its end: %d", w.Code)
			}
		}
		s := h.streamOf(ctx, "/api/events?only=devices", cookie)
		<-time.After(15*time.Minute + heartbeatTime)
		synctest.Wait()
		if !s.ended() {
			t.Error("the stream goes on")
		}
		if w := h.offline("GET", "/api/pairing", "", cookie); w.Code != 401 {
			t.Errorf("after its end: %d", w.Code)
		}
		if w := h.offline("POST", "/api/login", `{"user":"installer","password":"`+password+`"}`, nil); w.Code != 401 {
			t.Errorf("logging in after its end: %d", w.Code)
		}
	})
}

const heartbeatTime = 16 * time.Second

// cookieOf logs somebody in without a network.
func (h *house) cookieOf(role webui.Role) *http.Cookie {
	h.t.Helper()
	w := h.offline("POST", "/api/login", `{"user":"`+string(role)+`","password":"`+password+`"}`, nil)
	if w.Code != 200 {
		h.t.Fatalf("log-in: %d %s", w.Code, w.Body)
	}
	return w.Result().Cookies()[0]
}

// The owner makes an installer's log-in, gets its password once, and ends it.
func TestOwnerMakesAnInstaller(t *testing.T) {
	h := newHouse(t)
	owner := h.as(webui.Owner)
	status, body := owner.do("POST", "/api/users", `{"name":"Jan","role":"installer","hours":2}`)
	var u struct {
		Name, Role, Password string
		Until                time.Time
	}
	if err := json.Unmarshal([]byte(body), &u); err != nil || status != 201 || u.Name != "jan" || len(u.Password) != 14 {
		t.Fatalf("%d %s", status, body)
	}
	if left := time.Until(u.Until); left > 2*time.Hour || left < 119*time.Minute {
		t.Errorf("it ends in %v", left)
	}
	if _, list := owner.do("GET", "/api/users", ""); strings.Contains(list, u.Password) || !strings.Contains(list, `"jan"`) {
		t.Errorf("the list says %s", list)
	}
	jan := h.browser()
	if status, body := jan.do("POST", "/api/login", `{"user":"jan","password":"`+u.Password+`"}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for _, bad := range []string{
		`{"name":"jan","role":"installer"}`, `{"name":"x y","role":"family"}`, `{"name":"piet","role":"king"}`, `{"name":"piet","role":"installer","hours":1000}`,
		`{"name":"piet","role":"installer","hours":-1}`, `{"name":"piet","role":"family","hours":8}`,
	} {
		if status, _ := owner.do("POST", "/api/users", bad); status != 400 && status != 409 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	if status, _ := owner.do("DELETE", "/api/users/owner", ""); status != 409 {
		t.Errorf("the owner removes the owner: %d", status)
	}
	if status, _ := owner.do("DELETE", "/api/users/jan", ""); status != 204 {
		t.Errorf("ending it: %d", status)
	}
	if status, _ := jan.do("GET", "/api/pairing", ""); status != 401 {
		t.Errorf("after its end: %d", status)
	}
	log := h.audited()
	if !slices.ContainsFunc(log, func(l string) bool { return strings.HasPrefix(l, "owner: added user jan as installer until ") }) || !slices.Contains(log, "owner: removed user jan") {
		t.Errorf("the audit log says %v", log)
	}
	if strings.Contains(strings.Join(log, ""), u.Password) {
		t.Error("the password is in the audit log")
	}
}

func TestEasyPassword(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		p := webui.EasyPassword()
		if len(p) != 14 || p[4] != '-' || p[9] != '-' || seen[p] || strings.ContainsAny(p, "il1o0") {
			t.Fatalf("%q", p)
		}
		seen[p] = true
	}
}

// local asks by the door of the machine's own commands.
func (h *house) local() func(method, path, body string) *httptest.ResponseRecorder {
	return func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://hub.local"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.server.Local().ServeHTTP(w, r)
		return w
	}
}

// The commands of the hub's own machine may do everything, and are named in the
// audit log; no header makes a request one of theirs.
func TestLocalDoor(t *testing.T) {
	h := newHouse(t)
	local := h.local()
	if w := local("POST", "/api/users", `{"name":"anna","role":"family"}`); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if log := h.audited(); !slices.Contains(log, "command line: added user anna as family") {
		t.Errorf("the audit log says %v", log)
	}
	if status, _ := h.browser().do("GET", "/api/users", "", "User", "command line", "Cookie", "homehub=command line"); status != 401 {
		t.Errorf("a header opens the door: %d", status)
	}
}
