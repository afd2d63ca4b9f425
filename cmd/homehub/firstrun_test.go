package main

import (
	"archive/zip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// form sends a form as a browser would, follows where it leads, and returns
// the path and the page there.
func (p *process) form(path string, fields ...string) (at, page string) {
	p.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+path, strings.NewReader(values.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", p.url)
	r, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.Request.URL.RequestURI(), string(body)
}

func TestFirstRunOfTheComposedHub(t *testing.T) {
	_, port := openPTY(t)
	file, _ := serveConfig(t, port)
	p := serveFile(t, file)
	// A new zone starts the hub again, and the browser notices nothing.
	at, page := p.form("/setup/language", "lang", "nl", "zone", "Europe/London")
	if at != "/setup?step=password" || !strings.Contains(page, "wachtwoord") {
		t.Fatalf("at %s: %.300s", at, page)
	}
	p.until("the hub starts again", waitTime, func() bool { return strings.Contains(p.said(), "starting again") })
	if at, _ := p.form("/setup/password", "password", "correct horse"); at != "/setup?step=meter" {
		t.Fatalf("at %s", at)
	}
	if at, page := p.form("/setup/price", "kind", "dynamic", "surcharge", "0,13", "vat", "21", "export", "0"); at != "/" || !strings.Contains(page, `data-zone="Europe/London"`) {
		t.Fatalf("at %s: %.300s", at, page)
	}
	hour := time.Now().UTC().Truncate(time.Hour)
	rows := []map[string]any{}
	for i := range 24 {
		rows = append(rows, map[string]any{"start": hour.Add(time.Duration(i) * time.Hour).Format(time.RFC3339), "eur_per_kwh": 0.1})
	}
	if code, out := p.send("PUT", "/api/prices", rows); code != 200 {
		t.Fatalf("%d %s", code, out)
	}
	p.stop()
	// All of it is there after a restart.
	again := serveFile(t, file)
	again.login()
	again.until("the plan knows the market's price", waitTime, func() bool {
		_, plan := again.send("GET", "/api/plan", nil)
		return strings.Contains(plan, "251000")
	})
	r, err := again.http.Get(again.url + "/setup?step=price")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	if page := string(body); !strings.Contains(page, `value="dynamic" checked`) || !strings.Contains(page, `data-zone="Europe/London"`) {
		t.Errorf("after a restart: %s", page)
	}
}

func TestAResetFileTakesThePasswordAwayOnce(t *testing.T) {
	_, port := openPTY(t)
	file, _ := serveConfig(t, port)
	reset := filepath.Join(t.TempDir(), "homehub-reset")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, []byte("[house]\nreset_file = '"+reset+"'\n")...), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveFile(t, file)
	p.form("/setup/password", "password", "forgotten one")
	p.form("/setup/done")
	p.stop()
	if err := os.WriteFile(reset, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p = serveFile(t, file)
	if code, _ := p.send("POST", "/api/login", map[string]string{"password": "forgotten one"}); code != 401 {
		t.Errorf("the forgotten password: %d", code)
	}
	if at, _ := p.form("/setup/password", "password", "correct horse"); !strings.HasPrefix(at, "/?done=saved") {
		t.Errorf("at %s", at)
	}
	p.stop()
	p = serveFile(t, file)
	p.login() // the same file takes nothing away a second time
}

func TestDataOfTheComposedHubIsTakenAwayAndGivenUp(t *testing.T) {
	_, port := openPTY(t)
	file, _ := serveConfig(t, port)
	p := serveFile(t, file)
	p.form("/setup/password", "password", "correct horse")
	p.form("/notices/ntfy", "url", "http://127.0.0.1:9/house", "secret", "tk_very_secret")
	_, raw := p.form("/data/export")
	z, err := zip.NewReader(strings.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		seen[f.Name] = string(text)
	}
	if !strings.HasPrefix(seen["feeds/import_w.csv"], "time,value\n") {
		t.Errorf("import_w: %.60q of %d files", seen["feeds/import_w.csv"], len(seen))
	}
	settings := seen["settings.json"]
	if !strings.Contains(settings, `"http://127.0.0.1:9/house"`) || strings.Contains(settings, "tk_very_secret") || strings.Contains(settings, "argon2id") {
		t.Errorf("settings: %s", settings)
	}
}

func TestNoticesOnTheHubsOwnBroker(t *testing.T) {
	_, port := openPTY(t)
	file, _ := serveConfig(t, port)
	p := serveFile(t, file)
	p.form("/setup/password", "password", "correct horse")
	p.form("/notices/mqtt", "on", "1")
	code, out := p.send("POST", "/api/mqtt/clients", map[string]any{"name": "phone", "grants": []map[string]any{{"filter": "homehub/notice", "read": true}}})
	var made struct{ Password string }
	if err := json.Unmarshal([]byte(out), &made); err != nil || code != 201 {
		t.Fatalf("%d %s", code, out)
	}
	got := make(chan string, 4)
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + p.mqtt).SetClientID("phone").SetUsername("phone").SetPassword(made.Password))
	if tok := c.Connect(); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	defer c.Disconnect(0)
	if tok := c.Subscribe("homehub/notice", 0, func(_ paho.Client, m paho.Message) { got <- string(m.Payload()) }); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	if at, _ := p.form("/notices/mqtt/try"); !strings.Contains(at, "done=tried") {
		t.Errorf("at %s", at)
	}
	select {
	case m := <-got:
		if !strings.Contains(m, "This is a test of the notices") {
			t.Errorf("%s", m)
		}
	case <-time.After(waitTime):
		t.Fatal("nothing arrives")
	}
}
