package pairing

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"homehub/hub"
	"homehub/sim"
)

// serve puts a device's page into the house.
func serve(t *testing.T, h http.Handler) netip.AddrPort {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	at, err := ParseTarget(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Each family is found out, and told its broker in its own words, with its
// password and without.
func TestProvision(t *testing.T) {
	for _, tt := range []struct {
		family hub.Family
		role   hub.Role
		topic  string
	}{
		{hub.FamilyShelly1, hub.RolePlug, "shellies/shellyplug-s-6A6375"},
		{hub.FamilyShelly2, hub.RolePlug, "shellyplusplugs-fcb4670e1a2c"},
		{hub.FamilyTasmota, hub.RolePlug, "tasmota-6A6375-0885"},
		{hub.FamilyOpenEVSE, hub.RoleCharger, "openevse-5a1f"},
		{hub.FamilyEmonESP, hub.RolePlug, "smartplug1272"},
	} {
		for _, password := range []string{"", "geheim; 100%"} {
			t.Run(string(tt.family)+" "+password, func(t *testing.T) {
				page := &sim.WebPage{Family: tt.family, Password: password}
				at := serve(t, page)
				p, err := Probe(t.Context(), at, password)
				if err != nil || p.Family != tt.family || p.Role != tt.role || p.Topic != tt.topic || p.Addr != at {
					t.Fatalf("probed %+v, %v", p, err)
				}
				b := newBench(t)
				device := hub.Device{ID: "it", Name: "It", Family: p.Family, Role: p.Role, Topic: p.Topic}
				if err := b.Provision(t.Context(), "owner", p, device, password, func(string) { t.Error("dropped") }); err != nil {
					t.Fatal(err)
				}
				got, cred := page.Settings(), b.kept["it"]
				if got.Server != "127.0.0.1:18830" || got.Username != "it" || got.Topic != tt.topic || !cred.Check(got.Password) || len(got.Password) != 32 {
					t.Errorf("it was told %+v", got)
				}
				b.phase(t, Granted)
				b.Online("it")
				b.phase(t, Connected)
				if log := strings.Join(b.events, "|"); log != "setup|loggedin" {
					t.Errorf("audit: %s", log)
				}
			})
		}
	}
}

func TestProbeWantsThePassword(t *testing.T) {
	for _, family := range []hub.Family{hub.FamilyShelly1, hub.FamilyTasmota, hub.FamilyOpenEVSE, hub.FamilyEmonESP} {
		at := serve(t, &sim.WebPage{Family: family, Password: "secret"})
		for _, password := range []string{"", "wrong"} {
			_, err := Probe(t.Context(), at, password)
			if e, ok := errors.AsType[*hub.Error](err); !ok || e.Field != "password" {
				t.Errorf("%s with %q: %v", family, password, err)
			}
		}
	}
	// A Shelly of the second generation says what it is to everybody: it
	// refuses the settings instead.
	at := serve(t, &sim.WebPage{Family: hub.FamilyShelly2, Password: "secret"})
	p, err := Probe(t.Context(), at, "wrong")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	dropped := ""
	err = b.Provision(t.Context(), "owner", p, plug(), "wrong", func(id string) { dropped = id })
	if e, ok := errors.AsType[*hub.Error](err); !ok || e.Field != "password" || dropped != "plug" {
		t.Errorf("%v, dropped %q", err, dropped)
	}
	b.phase(t, Closed)
}

func TestProbeOfWhatIsNoDevice(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a printer": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>printer</html>")) },
		"nothing":   http.NotFound,
		"JSON of something else": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"mqtt_topic":"x","version":"1"}`))
		},
		"a long answer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"node_type":"` + strings.Repeat("x", 1<<20)))
		},
		"a redirect elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/config", http.StatusFound)
		},
	} {
		if p, err := Probe(t.Context(), serve(t, h), ""); hub.CodeOf(err) != hub.NotFound {
			t.Errorf("%s is %+v, %v", name, p, err)
		}
	}
	s := httptest.NewServer(http.NotFoundHandler())
	at, _ := ParseTarget(s.URL)
	s.Close()
	if _, err := Probe(t.Context(), at, ""); hub.CodeOf(err) != hub.NotFound || !strings.Contains(err.Error(), "nothing answers") {
		t.Errorf("nobody: %v", err)
	}
}

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]string{
		"192.168.1.50": "192.168.1.50:80", " http://192.168.1.50/ ": "192.168.1.50:80", "10.0.0.5:8080": "10.0.0.5:8080",
		"fd00::5": "[fd00::5]:80", "[fe80::1]:81": "[fe80::1]:81",
	} {
		if at, err := ParseTarget(text); err != nil || at.String() != want {
			t.Errorf("%q: %v %v", text, at, err)
		}
	}
	for _, text := range []string{"", "8.8.8.8", "shelly.local", "evil.example", "192.168.1.50/path", "2001:db8::1", "192.168.1", "http://user@192.168.1.50", "0.0.0.0", "224.0.0.251"} {
		if at, err := ParseTarget(text); hub.CodeOf(err) != hub.Invalid {
			t.Errorf("%q: %v %v", text, at, err)
		}
	}
}

// The password of a device shows up nowhere, whatever goes wrong.
func TestPasswordStaysSecret(t *testing.T) {
	const password = "hunter2-geheim"
	stops := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cm" {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				c.Close()
			}
			return
		}
		http.NotFound(w, r)
	})
	at := serve(t, stops)
	_, err := Probe(t.Context(), at, password)
	if err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("the error says %v", err)
	}
	err = write(t.Context(), &caller{at: at, password: password}, hub.FamilyTasmota, settings{hub: at.Addr(), port: 1883, user: "u", secret: "s3cr3t", topic: "t"})
	if err == nil || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error says %v", err)
	}
}

// RFC 7616, 3.9.1, by SHA-256.
func TestDigest(t *testing.T) {
	got := digest(digest("Mufasa", "http-auth@example.org", "Circle of Life"), "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "00000001",
		"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "auth", digest("GET", "/dir/index.html"))
	if got != "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" {
		t.Errorf("the digest is %s", got)
	}
}
