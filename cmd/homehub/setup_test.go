package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/hub"
	"homehub/sim"
)

// A Shelly with a password: the hub finds out what it is, writes the broker's
// address and a log-in of its own into it, and it is connected when it logs in
// with that. A wrong password leaves nothing behind.
func TestAShellyIsSetUp(t *testing.T) {
	p, _ := launchHub(t)
	p.login()
	page := &sim.WebPage{Family: hub.FamilyShelly2, Password: "geheim"}
	web := httptest.NewServer(page)
	defer web.Close()
	setUp := func(password string) (int, string) {
		return p.send(http.MethodPost, "/api/pairing/setup", map[string]string{"addr": web.URL, "password": password, "name": "Heater"})
	}
	if code, out := setUp("wrong"); code != http.StatusBadRequest || !strings.Contains(out, `"field":"password"`) {
		t.Errorf("a wrong password: %d %s", code, out)
	}
	var devices struct{ Devices []struct{ ID, Family string } }
	if p.get("/api/devices", &devices); len(devices.Devices) != 0 {
		t.Errorf("it left %+v behind", devices)
	}
	if code, out := setUp("geheim"); code != http.StatusCreated || !strings.Contains(out, `"family":"shelly2"`) {
		t.Fatalf("%d %s", code, out)
	}
	if got := p.pairing(); got.Phase != "granted" || got.Device != "heater" {
		t.Errorf("before it logs in: %+v", got)
	}
	s := page.Settings()
	if s.Server != p.mqtt {
		t.Errorf("it was told the broker is at %s, it is at %s", s.Server, p.mqtt)
	}
	o := paho.NewClientOptions().AddBroker("tcp://" + s.Server).SetClientID(s.ClientID).SetUsername(s.Username).SetPassword(s.Password)
	c := paho.NewClient(o)
	if token := c.Connect(); !token.WaitTimeout(waitTime) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	defer c.Disconnect(0)
	p.until("it is connected", waitTime, func() bool { return p.pairing().Phase == "connected" })
	c.Publish(s.Topic+"/status/switch:0", 0, false, `{"id":0,"output":true,"apower":1234.5,"aenergy":{"total":17}}`)
	p.until("its power is known", waitTime, func() bool {
		var d struct {
			State struct {
				PowerW *int `json:"power_w"`
			}
		}
		p.get("/api/devices/heater", &d)
		return d.State.PowerW != nil && *d.State.PowerW == 1235
	})
	log := p.audit()
	if !strings.Contains(log, "owner: set up a device over HTTP 127.0.0.1 as heater") {
		t.Errorf("the audit log says\n%s", log)
	}
	for _, secret := range []string{"geheim", s.Password} {
		if strings.Contains(log, secret) || strings.Contains(p.said(), secret) {
			t.Errorf("%s is in a log", secret)
		}
	}
}

// command runs homehub beside the hub and returns what it printed.
func command(t *testing.T, in string, args ...string) (out, errOut string, ok bool) {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err == nil
}

// The installer's log-in, made on the command line while the hub runs and while
// it does not, and what it may see of the composed hub.
func TestInstallerByCommand(t *testing.T) {
	p, dir := launchHub(t)
	out, errOut, ok := command(t, "", "user", "add", "jan", "--role", "installer", "--for", "1h", "--data", dir, "--json")
	var jan userLine
	if !ok || json.Unmarshal([]byte(out), &jan) != nil || jan.Until == nil || time.Until(*jan.Until) > time.Hour {
		t.Fatalf("%s %s", out, errOut)
	}
	if code, out := p.send(http.MethodPost, "/api/login", map[string]string{"user": "jan", "password": jan.Password}); code != 200 {
		t.Fatalf("logging in: %d %s", code, out)
	}
	for path, want := range map[string]int{
		"/api/live": 403, "/api/plan": 403, "/api/feeds": 403, "/api/feeds/import_w/points": 403, "/api/events": 403, "/api/users": 403, "/api/audit": 403,
		"/api/pairing": 200, "/api/found": 200, "/api/devices": 200,
	} {
		var any json.RawMessage
		if code := p.get(path, &any); code != want {
			t.Errorf("%s by an installer: %d, want %d", path, code, want)
		}
	}
	if out, _, ok := command(t, "", "user", "list", "--data", dir); !ok || !strings.Contains(out, "jan") || !strings.Contains(out, "installer") {
		t.Errorf("the list says %q", out)
	}
	if _, errOut, ok := command(t, "", "user", "add", "jan", "--role", "family", "--data", dir); ok || !strings.Contains(errOut, "taken") {
		t.Errorf("a second one of that name: %s", errOut)
	}
	if _, errOut, ok := command(t, "", "user", "remove", "jan", "--data", dir); !ok {
		t.Error(errOut)
	}
	if _, errOut, ok := command(t, "", "user", "remove", "owner", "--data", dir); ok {
		t.Errorf("the owner was removed: %s", errOut)
	}
	var any json.RawMessage
	if code := p.get("/api/devices", &any); code != 401 {
		t.Errorf("after its end: %d", code)
	}
	p.login()
	if log := p.audit(); !strings.Contains(log, "command line: added user jan as installer until ") || !strings.Contains(log, "command line: removed user jan") {
		t.Errorf("the audit log says\n%s", log)
	}
	p.stop()
	if out, errOut, ok := command(t, "", "user", "add", "anna", "--data", dir); !ok || !strings.Contains(out, "user name  anna") {
		t.Errorf("while the hub does not run: %s %s", out, errOut)
	}
	if _, errOut, ok := command(t, "", "pair", "--data", dir); ok || !strings.Contains(errOut, "does not run") {
		t.Errorf("pairing without a hub: %s", errOut)
	}
}

// homehub pair lets in whom it was told, and says how it goes.
func TestPairByCommand(t *testing.T) {
	p, dir := launchHub(t)
	p.newPlugAt(plugAt)
	out, errOut, ok := command(t, "", "pair", "--name", "Dryer", "--allow", plugAt.String(), "--json", "--data", dir)
	if !ok {
		t.Fatalf("%s %s", out, errOut)
	}
	var phases []string
	for line := range strings.Lines(out) {
		var s struct{ Phase, Device string }
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		phases = append(phases, s.Phase+" "+s.Device)
	}
	if phases[0] != "open " || phases[len(phases)-1] != "connected dryer" {
		t.Errorf("it goes %q", phases)
	}
	p.login()
	if log := p.audit(); !strings.Contains(log, "command line: let a device in 127.0.0.71 as dryer") {
		t.Errorf("the audit log says\n%s", log)
	}
}
