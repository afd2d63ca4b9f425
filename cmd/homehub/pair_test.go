package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/hub"
	"homehub/pairing"
	"homehub/sim"
	"homehub/webui"
)

// launchHub starts a hub with a log-in and nothing else, and returns its data
// folder.
func launchHub(t *testing.T) (*process, string) {
	t.Helper()
	// Not t.TempDir(): the path of a unix socket has 107 bytes at most.
	dir, err := os.MkdirTemp("", "hh-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	passwd := exec.Command(path, "passwd", "--data", dir)
	passwd.Stdin = strings.NewReader("correct horse\n")
	if out, err := passwd.CombinedOutput(); err != nil {
		t.Fatalf("passwd: %v %s", err, out)
	}
	file := filepath.Join(dir, "homehub.toml")
	p := prepare(t, "serve", "--config", file)
	config := fmt.Sprintf("[web]\nlisten = %q\n[mqtt]\nlisten = %q\n[meter]\nkind = \"none\"\n[data]\ndir = %q\n", strings.TrimPrefix(p.url, "http://"), p.mqtt, dir)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start()
	return p, dir
}

// plugAt is the address of the simulated plug: loopback has many.
var plugAt = netip.MustParseAddr("127.0.0.71")

// newPlug is a plug out of the box, for as long as the test runs.
func (p *process) newPlug(page bool) {
	p.t.Helper()
	if page {
		p.newPlugAt(plugAt)
		return
	}
	p.newPlugAt(netip.Addr{})
}

// newPlugAt is a plug with an address, and its page there if it has one.
func (p *process) newPlugAt(at netip.Addr) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	cfg := sim.NewPlugConfig{
		Logger: slog.New(slog.DiscardHandler), Hub: strings.TrimPrefix(p.url, "http://"), At: at, Every: 200 * time.Millisecond, Power: 1850,
	}
	go func() { done <- sim.RunNewPlug(ctx, cfg) }()
	p.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("the plug: %v", err)
		}
	})
}

// mayListenOn80 says whether the test may show a plug's page where plugs do.
func mayListenOn80() bool {
	l, err := net.Listen("tcp", netip.AddrPortFrom(plugAt, 80).String())
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func (p *process) pairing() (s webui.PairingState) {
	p.t.Helper()
	p.get("/api/pairing", &s)
	return s
}

func (p *process) audit() string {
	p.t.Helper()
	var log struct {
		Audit []struct{ Who, What string }
	}
	p.get("/api/audit", &log)
	var lines []string
	for _, l := range log.Audit {
		lines = append(lines, l.Who+": "+l.What)
	}
	return strings.Join(lines, "\n")
}

// A plug out of the box: the owner opens the window, the plug asks over HTTP as
// the firmware does, the request shows on an open page, one tap lets it in, it
// logs in at the broker, and its power is on the page.
func TestAPlugJoins(t *testing.T) {
	ctx := newTab(t, 2*time.Minute)
	p, _ := launchHub(t)
	p.login()
	page := mayListenOn80()
	p.newPlug(page)
	step := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, p.said())
		}
	}
	see := func(js string) {
		t.Helper()
		_, err := chromedp.Run(ctx, chromedp.Poll[bool]("!!("+js+")"))
		for err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "(-32000)") {
			_, err = chromedp.Run(ctx, chromedp.Poll[bool]("!!("+js+")")) // the page that was asked is gone: ask the next
		}
		if err != nil {
			html, _ := chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("body")))
			t.Fatalf("waiting for %s: %v\n%.3000s", js, err, html)
		}
	}
	step("logging in", chromedp.Navigate(p.url+"/login?next=/more"),
		chromedp.SendKeys(chromedp.CSS("input[name=password]"), "correct horse"), chromedp.Click(chromedp.CSS("main button.main")))
	see("location.pathname === '/more' && document.getElementById('ask')")
	if got := p.pairing(); got.Phase != "closed" || len(got.Requests) != 0 {
		t.Errorf("a closed window shows %+v", got)
	}

	// Opened elsewhere, it shows here: this is the page More.
	if code, out := p.send(http.MethodPost, "/api/pairing", map[string]any{}); code != 200 {
		t.Fatalf("opening: %d %s", code, out)
	}
	var asked time.Time
	p.until("the plug asks", waitTime, func() bool {
		asked = time.Now()
		return len(p.pairing().Requests) == 1
	})
	see("document.querySelector('#ask form input[name=addr]')")
	t.Logf("the request was on the page after %v", time.Since(asked))
	if page {
		see("document.getElementById('ask').textContent.includes('smartplug') && document.getElementById('ask').textContent.includes('127.0.0.71')")
	}
	var devices struct{ Devices []struct{ ID string } }
	p.get("/api/devices", &devices)
	if s := p.pairing(); s.Phase != "open" || len(devices.Devices) != 0 {
		t.Fatalf("something happened without a tap: %+v %+v", s, devices)
	}

	step("the tap", chromedp.Click(chromedp.CSS("#ask button.main")))
	see("document.getElementById('ask').textContent.includes('Plug is connected.')")
	if log := p.audit(); !strings.Contains(log, "owner: let a device in 127.0.0.") || !strings.Contains(log, "device: a device logged in with its credential") {
		t.Errorf("the audit log says\n%s", log)
	}

	step("to the devices", chromedp.Navigate(p.url+"/devices"))
	see("document.querySelector('#dev-plug .state')")
	step("the test switch", chromedp.Click(chromedp.CSS("#dev-plug button[value=on]")))
	see("document.querySelector('#dev-plug .state').textContent.includes('1,850 W')")
}

// from asks for a log-in as a device at an address does, and returns what the
// firmware would take for one.
func (p *process) from(addr string, headers ...string) (answer string, status int, logIn []string) {
	p.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	client := &http.Client{Timeout: waitTime, Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequest(http.MethodGet, p.url+pairing.RequestPath, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	r, err := client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	answer = readAll(p.t, r)
	if r.StatusCode != http.StatusOK {
		answer = fmt.Sprintf("server error: %d", r.StatusCode)
	}
	if part := strings.Split(answer, ":"); len(part) == 3 || len(part) == 4 {
		logIn = part
	}
	return answer, r.StatusCode, logIn
}

// The abuse of pairing, over HTTP and on the composed hub.
func TestPairingAbuse(t *testing.T) {
	p, _ := launchHub(t)
	p.login()
	const plug, thief = "127.0.0.71", "127.0.0.66"

	if answer, status, logIn := p.from(plug); status != 403 || logIn != nil {
		t.Errorf("a closed window answers %d %q", status, answer)
	}
	if got := p.pairing(); len(got.Requests) != 0 {
		t.Error("who asks at a closed window is noted")
	}
	allow := func(addr string) (int, string) {
		return p.send(http.MethodPost, "/api/pairing/allow", map[string]string{"addr": addr, "name": "Dryer"})
	}
	if code, out := allow(plug); code != http.StatusConflict {
		t.Errorf("allowing while the window is closed: %d %s", code, out)
	}
	p.send(http.MethodPost, "/api/pairing", map[string]any{})
	for _, addr := range []string{plug, thief} {
		if _, status, logIn := p.from(addr); status != 200 || logIn != nil {
			t.Fatalf("asking from %s: %d %v", addr, status, logIn)
		}
	}
	// The colon trap: no answer but a grant has two or three.
	if answer, _, _ := p.from(plug); strings.Contains(answer, ":") {
		t.Errorf("the firmware would take %q apart", answer)
	}
	if code, out := allow("127.0.0.99"); code != http.StatusNotFound {
		t.Errorf("allowing who never asked: %d %s", code, out)
	}
	if code, out := allow(plug); code != 200 {
		t.Fatalf("allowing: %d %s", code, out)
	}

	if _, status, logIn := p.from(thief); status != 403 || logIn != nil {
		t.Errorf("another address: %d %v", status, logIn)
	}
	// Brute force from many addresses, forged headers, a page in a browser.
	for i := range 200 {
		if _, _, logIn := p.from(fmt.Sprintf("127.0.1.%d", i+1), "X-Forwarded-For", plug); logIn != nil {
			t.Fatalf("127.0.1.%d got a log-in", i+1)
		}
	}
	if _, status, logIn := p.from(plug, "Origin", "http://evil.example"); status != 403 || logIn != nil {
		t.Errorf("a page on the right machine: %d %v", status, logIn)
	}
	answer, _, logIn := p.from(plug)
	if logIn == nil {
		t.Fatalf("the right one is told %q", answer)
	}
	for _, addr := range []string{plug, thief} {
		if _, status, again := p.from(addr); status != 403 || again != nil {
			t.Errorf("a second fetch from %s: %d %v", addr, status, again)
		}
	}
	if got := p.pairing(); got.Phase != "granted" {
		t.Errorf("before any CONNECT the phase is %s", got.Phase)
	}
	log := p.audit()
	for _, what := range []string{
		"owner: opened the pairing window", "device: a device asked to be let in " + plug, "owner: let a device in " + plug + " as dryer",
		"device: a fetch from another address was refused " + thief, "device: a device fetched its credential " + plug + " as dryer",
		"device: a second fetch of a credential was refused " + plug,
	} {
		if !strings.Contains(log, what) {
			t.Errorf("the audit log lacks %q:\n%s", what, log)
		}
	}
	if n := strings.Count(log, "refused"); n > 40 {
		t.Errorf("%d refusals are on the card", n)
	}
	if strings.Contains(log, logIn[1]) || strings.Contains(p.said(), logIn[1]) {
		t.Error("the secret is in a log")
	}
	p.logInReaches(logIn)
}

// logInReaches connects with what was fetched, and looks what it may do.
func (p *process) logInReaches(logIn []string) {
	p.t.Helper()
	connect := func(user, secret string) (paho.Client, error) {
		o := paho.NewClientOptions().AddBroker("tcp://" + p.mqtt).SetClientID("1272354").SetUsername(user).SetPassword(secret).SetConnectTimeout(waitTime)
		c := paho.NewClient(o)
		token := c.Connect()
		token.WaitTimeout(waitTime)
		return c, token.Error()
	}
	if _, err := connect(logIn[0], strings.Repeat("0", 32)); err == nil {
		p.t.Error("a wrong secret is let in")
	}
	if got := p.pairing(); got.Phase != "granted" {
		p.t.Errorf("a wrong secret makes the pairing %s", got.Phase)
	}
	c, err := connect(logIn[0], logIn[1])
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Disconnect(0)
	p.until("the pairing is complete", waitTime, func() bool { return p.pairing().Phase == "connected" })
	token := c.Subscribe("homehub/#", 0, nil)
	token.WaitTimeout(waitTime)
	if code := token.(*paho.SubscribeToken).Result()["homehub/#"]; code != 0x80 {
		p.t.Errorf("a device may read the house: %#x", code)
	}
}

// A log-in in place of another one ends that at once.
func TestPairingAgainRevokes(t *testing.T) {
	p, _ := launchHub(t)
	p.login()
	code, out := p.send(http.MethodPost, "/api/devices", map[string]any{"name": "Dryer", "family": "emonesp", "role": "plug", "topic": "emon/dryer"})
	if code != 201 {
		t.Fatalf("adding: %d %s", code, out)
	}
	var login struct{ Username, Password, Topic string }
	if code, out = p.send(http.MethodPost, "/api/devices/dryer/login", map[string]any{}); code != 200 || json.Unmarshal([]byte(out), &login) != nil {
		t.Fatalf("its log-in: %d %s", code, out)
	}
	lost := make(chan error, 1)
	o := paho.NewClientOptions().AddBroker("tcp://" + p.mqtt).SetClientID("x").SetUsername(login.Username).SetPassword(login.Password).
		SetAutoReconnect(false).SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	old := paho.NewClient(o)
	if token := old.Connect(); !token.WaitTimeout(waitTime) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	p.send(http.MethodPost, "/api/pairing", map[string]any{})
	p.from("127.0.0.71")
	if code, out := p.send(http.MethodPost, "/api/pairing/allow", map[string]string{"addr": "127.0.0.71", "device": "dryer"}); code != 200 {
		t.Fatalf("allowing: %d %s", code, out)
	}
	if old.IsConnectionOpen() && len(lost) > 0 {
		t.Error("the old log-in ended before the new one was fetched")
	}
	_, _, logIn := p.from("127.0.0.71")
	if len(logIn) == 0 || logIn[0] != "dryer" || logIn[2] != "emon/dryer" || logIn[1] == login.Password {
		t.Fatalf("the device is told %v", logIn)
	}
	select {
	case <-lost:
	case <-time.After(waitTime):
		t.Error("who has the old log-in is still connected")
	}
	if token := paho.NewClient(o).Connect(); token.WaitTimeout(waitTime) && token.Error() == nil {
		t.Error("the old log-in still opens")
	}
}

// Whoever adds devices gets no further than to their topics.
func TestDeviceTopicsStayApart(t *testing.T) {
	p, _ := launchHub(t)
	p.login()
	// add is the answer to the device, or else to the wish for its log-in.
	add := func(id, topic string) (int, string) {
		code, out := p.send(http.MethodPost, "/api/devices", map[string]any{"id": id, "name": id, "family": "emonesp", "role": "plug", "topic": topic})
		if code != http.StatusCreated {
			return code, out
		}
		code, out = p.send(http.MethodPost, "/api/devices/"+id+"/login", map[string]any{})
		p.send(http.MethodDelete, "/api/devices/spy", map[string]any{})
		return code, out
	}
	if code, out := add("dryer", "emon/dryer"); code != 200 {
		t.Fatalf("%d %s", code, out)
	}
	if code, out := p.send(http.MethodPost, "/api/mqtt/clients", map[string]any{"name": "grafana", "grants": []hub.Grant{{Filter: "homehub/#", Read: true}}}); code != 201 {
		t.Fatalf("%d %s", code, out)
	}
	for name, c := range map[string]struct {
		id, topic string
		want      int
	}{
		"the hub's own":      {"spy", "homehub", 400},
		"one of the hub's":   {"spy", "homehub/live", 400},
		"in other letters":   {"spy", "HomeHub/live", 400},
		"around another's":   {"spy", "emon", 409},
		"within another's":   {"spy", "emon/dryer/in", 409},
		"a program's log-in": {"grafana", "emon/grafana", 409},
		"beside another's":   {"spy", "emon/dryer2", 200},
	} {
		if code, out := add(c.id, c.topic); code != c.want {
			t.Errorf("%s: %d, want %d: %s", name, code, c.want, out)
		}
	}
}

// A device that is heard by a map of topics can not map the hub's.
func TestMappedDeviceMayNotReadTheHouse(t *testing.T) {
	p, _ := launchHub(t)
	p.login()
	code, out := p.send(http.MethodPost, "/api/devices", map[string]any{
		"name": "Spy", "family": "mqtt", "role": "meter", "topic": "spy", "map": map[string]string{"power": "homehub/live#/import_w"},
	})
	if code != http.StatusBadRequest {
		t.Errorf("%d %s", code, out)
	}
}

// What was removed comes back with its log-in.
func TestUndoBringsTheLogInBack(t *testing.T) {
	p, _ := launchHub(t)
	p.login()
	p.send(http.MethodPost, "/api/devices", map[string]any{"name": "Dryer", "family": "emonesp", "role": "plug", "topic": "emon/dryer", "room": "Cellar"})
	_, out := p.send(http.MethodPost, "/api/devices/dryer/login", map[string]any{})
	var login struct{ Username, Password string }
	if err := json.Unmarshal([]byte(out), &login); err != nil {
		t.Fatal(err)
	}
	connects := func() bool {
		c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + p.mqtt).SetClientID("x").SetUsername(login.Username).SetPassword(login.Password))
		defer c.Disconnect(0)
		token := c.Connect()
		return token.WaitTimeout(waitTime) && token.Error() == nil
	}
	if !connects() {
		t.Fatal("its log-in does not open")
	}
	if code, _ := p.send(http.MethodDelete, "/api/devices/dryer", map[string]any{}); code != 204 {
		t.Fatal(code)
	}
	if connects() {
		t.Error("a device that is gone may log in")
	}
	if code, out := p.send(http.MethodPost, "/api/devices/dryer/restore", map[string]any{}); code != 200 || !strings.Contains(out, "Cellar") {
		t.Errorf("%d %s", code, out)
	}
	if !connects() {
		t.Error("it came back without its log-in")
	}
	if code, _ := p.send(http.MethodPost, "/api/devices/dryer/restore", map[string]any{}); code != 404 {
		t.Errorf("bringing back what is there: %d", code)
	}
}
