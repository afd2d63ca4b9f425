package pairing

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
)

// bench is a desk with everything that it does to its surroundings.
type bench struct {
	*Desk
	kept      map[string]hub.Credential
	keepErr   error
	events    []string
	announced atomic.Int32
	changes   atomic.Int32
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{kept: map[string]hub.Credential{}}
	d, err := New(Config{
		Port:   18830,
		Grants: func(d hub.Device) []hub.Grant { return []hub.Grant{{Filter: d.Topic + "/#", Read: true, Write: true}} },
		Keep: func(_ hub.Device, c hub.Credential) error {
			if b.keepErr == nil {
				b.kept[c.ID] = c
			}
			return b.keepErr
		},
		Audit:      func(e Event) { b.events = append(b.events, string(e.What)) },
		Announce:   func() error { b.announced.Add(1); return nil },
		Neighbours: os.DevNull,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.cfg.Changed = func() { d.State(); b.changes.Add(1) }
	b.Desk = d
	return b
}

// ask is one request of a device as EmonESP sends it.
func (b *bench) ask(from string) (int, string) {
	r := httptest.NewRequest(http.MethodGet, RequestPath, nil)
	r.Host = "192.168.1.2" // EmonESP knows the hub by the sender of its announcement
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(from), 40000).String()
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// emonESP is what the firmware makes of an answer: it counts colons, and takes
// two or three for a credential.
func emonESP(status int, body string) (user, pass, topic, port string, ok bool) {
	if status != http.StatusOK {
		body = "server error: " + body
	}
	part := strings.Split(body, ":")
	switch len(part) {
	case 3:
		return part[0], part[1], part[2], "", true
	case 4:
		return part[0], part[1], part[2], part[3], true
	}
	return "", "", "", "", false
}

const plugAddr = "192.168.1.71"

var plugIP = netip.MustParseAddr(plugAddr) // read-only

func plug() hub.Device {
	return hub.Device{ID: "plug", Name: "Plug", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/plug"}
}

func (b *bench) phase(t *testing.T, want Phase) {
	t.Helper()
	if got := b.State(); got.Phase != want {
		t.Fatalf("phase %s, want %s (%+v)", got.Phase, want, got)
	}
}

func TestPairsAPlug(t *testing.T) {
	b := newBench(t)
	if _, body := b.ask(plugAddr); body != textClosed {
		t.Errorf("closed: %q", body)
	}
	b.Open("owner")
	if status, body := b.ask(plugAddr); status != 200 || body != textRegistered {
		t.Errorf("open: %d %q", status, body)
	}
	s := b.State()
	if len(s.Requests) != 1 || s.Requests[0].Addr != plugIP || s.Requests[0].First.IsZero() {
		t.Fatalf("requests %+v", s.Requests)
	}
	b.phase(t, Open) // nothing happens without a tap
	if err := b.Allow("owner", plugIP, plug()); err != nil {
		t.Fatal(err)
	}
	b.phase(t, Allowed)
	user, pass, topic, port, ok := emonESP(b.ask(plugAddr))
	if !ok || user != "plug" || topic != "emon/plug" || port != "18830" {
		t.Fatalf("the plug understands %q %q %q %q %v", user, pass, topic, port, ok)
	}
	cred := b.kept["plug"]
	if !cred.Check(pass) || cred.Device != "plug" || cred.Grants[0].Filter != "emon/plug/#" || len(pass) != 32 {
		t.Errorf("kept %+v", cred)
	}
	b.phase(t, Granted)
	b.Online("other")
	b.phase(t, Granted)
	b.Online("plug")
	b.phase(t, Connected)
	if got := strings.Join(b.events, "|"); got != "opened|asked|letin|fetched|loggedin" {
		t.Errorf("audit: %s", got)
	}
	if strings.Contains(strings.Join(b.events, ""), pass) {
		t.Error("the secret is in the audit log")
	}
}

func TestOneFetchByOneAddress(t *testing.T) {
	b := newBench(t)
	b.Open("owner")
	b.ask(plugAddr)
	b.ask("192.168.1.66")
	if err := b.Allow("owner", plugIP, plug()); err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, ok := emonESP(b.ask("192.168.1.66")); ok {
		t.Error("another address got the credential")
	}
	b.phase(t, Allowed)
	if _, _, _, _, ok := emonESP(b.ask(plugAddr)); !ok {
		t.Fatal("the right one did not")
	}
	first := b.kept["plug"]
	for _, from := range []string{plugAddr, "192.168.1.66"} {
		if status, body := b.ask(from); status != 403 || body != textClosed {
			t.Errorf("a second fetch from %s answers %d %q", from, status, body)
		}
	}
	if string(first.Hash) != string(b.kept["plug"].Hash) {
		t.Error("the credential was made twice")
	}
	log := strings.Join(b.events, "|")
	for _, what := range []Deed{RefusedElsewhere, RefusedAgain} {
		if !strings.Contains(log, string(what)) {
			t.Errorf("the audit log lacks %q", what)
		}
	}
	if err := b.Allow("owner", plugIP, plug()); hub.CodeOf(err) != hub.Conflict {
		t.Errorf("a second device in the same window: %v", err)
	}
}

func TestAllowNeedsARequest(t *testing.T) {
	b := newBench(t)
	if err := b.Allow("owner", plugIP, plug()); hub.CodeOf(err) != hub.Conflict {
		t.Errorf("closed: %v", err)
	}
	b.ask(plugAddr) // before the window: does not count
	b.Open("owner")
	if err := b.Allow("owner", plugIP, plug()); hub.CodeOf(err) != hub.NotFound {
		t.Errorf("nobody asked: %v", err)
	}
	b.ask(plugAddr)
	bad := plug()
	bad.Topic = "emon:plug"
	if err := b.Allow("owner", plugIP, bad); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("a topic with a colon: %v", err)
	}
	b.Open("owner") // anew: who asked before has to ask again
	if err := b.Allow("owner", plugIP, plug()); hub.CodeOf(err) != hub.NotFound {
		t.Errorf("asked in an earlier window: %v", err)
	}
}

func TestTimesRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = b.Run(ctx) })
		wait := func(d time.Duration) {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
			synctest.Wait()
		}

		wait(time.Minute)
		if b.announced.Load() != 0 {
			t.Error("it is announced while the window is closed")
		}
		b.Open("owner")
		wait(119 * time.Second)
		b.phase(t, Open)
		wait(2 * time.Second)
		b.phase(t, Closed)
		if n := b.announced.Load(); n < 24 || n > 26 {
			t.Errorf("announced %d times in two minutes", n)
		}
		n := b.announced.Load()
		wait(time.Minute)
		if b.announced.Load() != n {
			t.Error("it is still announced after the window closed")
		}

		b.Open("owner")
		b.ask(plugAddr)
		if err := b.Allow("owner", plugIP, plug()); err != nil {
			t.Fatal(err)
		}
		wait(61 * time.Second)
		b.phase(t, Failed)
		if _, _, _, _, ok := emonESP(b.ask(plugAddr)); ok || len(b.kept) != 0 {
			t.Error("a late fetch succeeds")
		}

		b.Open("owner")
		b.ask(plugAddr)
		if err := b.Allow("owner", plugIP, plug()); err != nil {
			t.Fatal(err)
		}
		wait(59 * time.Second)
		if _, _, _, _, ok := emonESP(b.ask(plugAddr)); !ok {
			t.Error("a fetch in time fails")
		}
		b.phase(t, Granted)
		wait(connectTime + time.Second)
		if s := b.State(); s.Phase != Failed || !strings.Contains(s.Reason, "Wi-Fi") {
			t.Errorf("state %+v", s)
		}
		cancel()
		wg.Wait()
	})
}

func TestCancelForgets(t *testing.T) {
	b := newBench(t)
	b.Open("owner")
	b.ask(plugAddr)
	if err := b.Allow("owner", plugIP, plug()); err != nil {
		t.Fatal(err)
	}
	b.Cancel("owner")
	if _, _, _, _, ok := emonESP(b.ask(plugAddr)); ok {
		t.Error("it can still be fetched")
	}
	b.phase(t, Closed)
}

func TestCredentialIsKeptBeforeItIsGiven(t *testing.T) {
	b := newBench(t)
	b.Open("owner")
	b.ask(plugAddr)
	if err := b.Allow("owner", plugIP, plug()); err != nil {
		t.Fatal(err)
	}
	b.keepErr = errors.New("the card is full")
	if status, body := b.ask(plugAddr); status != http.StatusServiceUnavailable || body != textAgain {
		t.Errorf("answers %d %q", status, body)
	}
	b.phase(t, Allowed)
	b.keepErr = nil
	if _, _, _, _, ok := emonESP(b.ask(plugAddr)); !ok { // it asks again in 10 s
		t.Error("the next try fails too")
	}
}

func TestManyFetchesAtOnceMakeOneCredential(t *testing.T) {
	b := newBench(t)
	b.Open("owner")
	b.ask(plugAddr)
	if err := b.Allow("owner", plugIP, plug()); err != nil {
		t.Fatal(err)
	}
	b.cfg.Keep = func(hub.Device, hub.Credential) error { // as slow as a card
		for range 10_000 {
			runtime.Gosched()
		}
		return nil
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := 0
	for range 20 {
		wg.Go(func() {
			cred, _, _, err := b.fetch(plugIP, time.Now())
			if err == nil && cred.ID == "plug" {
				mu.Lock()
				got++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got != 1 {
		t.Errorf("%d fetches succeed", got)
	}
}

func TestACrowdIsBounded(t *testing.T) {
	b := newBench(t)
	b.Open("owner")
	b.ask(plugAddr)
	for i := range 100 {
		b.ask(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String())
	}
	s := b.State()
	if len(s.Requests) != maxRequests || s.Requests[0].Addr != plugIP {
		t.Errorf("%d requests, the first of %s", len(s.Requests), s.Requests[0].Addr)
	}
}

func TestPagesAreTold(t *testing.T) {
	b := newBench(t)
	b.Open("owner")
	n := b.changes.Load()
	b.ask(plugAddr)
	if b.changes.Load() != n+1 {
		t.Error("no page was told of the request")
	}
	b.ask(plugAddr)
	if b.changes.Load() != n+1 {
		t.Error("each poll is told")
	}
	if err := b.Allow("owner", plugIP, plug()); err != nil || b.changes.Load() != n+2 {
		t.Errorf("changes %d, %v", b.changes.Load(), err)
	}
	if raw, err := json.Marshal(b.State()); err != nil || !strings.Contains(string(raw), `"addr":"192.168.1.71"`) {
		t.Errorf("%s %v", raw, err)
	}
}

func TestNeighbours(t *testing.T) {
	const table = `IP address       HW type     Flags       HW address            Mask     Device
192.168.1.71     0x1         0x2         5C:CF:7F:12:34:56     *        wlan0
192.168.1.7      0x1         0x0         00:00:00:00:00:00     *        wlan0
192.168.1.72     0x1         0x2         00:11:22:33:44:55     *        eth0
broken`
	file := filepath.Join(t.TempDir(), "arp")
	if err := os.WriteFile(file, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string][2]string{
		"192.168.1.71": {"5c:cf:7f:12:34:56", "Espressif"},
		"192.168.1.72": {"00:11:22:33:44:55", ""},
		"192.168.1.7":  {"", ""},
		"192.168.1.8":  {"", ""},
	} {
		mac := neighbour(file, netip.MustParseAddr(addr))
		if mac != want[0] || vendorOf(mac) != want[1] {
			t.Errorf("%s: %q %q", addr, mac, vendorOf(mac))
		}
	}
	if neighbour(file+".missing", plugIP) != "" {
		t.Error("a missing table knows somebody")
	}
}

func TestAnnouncement(t *testing.T) {
	if len(announcement) != 12 || announcement != "emonpi.local" {
		t.Errorf("%q is not what EmonESP waits for", announcement)
	}
	for network, want := range map[string]string{
		"192.168.1.5/24": "192.168.1.255", "10.1.2.3/8": "10.255.255.255", "192.168.4.1/30": "192.168.4.3", "1.2.3.4/32": "1.2.3.4", "172.16.9.1/20": "172.16.15.255",
	} {
		if got := broadcastOf(netip.MustParsePrefix(network)).String(); got != want {
			t.Errorf("%s: %s, want %s", network, got, want)
		}
	}
}

func TestNewWantsItsParts(t *testing.T) {
	if _, err := New(Config{Port: 1883}); err == nil {
		t.Error("a desk without a place to keep credentials")
	}
}

func FuzzServeHTTP(f *testing.F) {
	f.Add("GET", RequestPath, "192.168.1.9:1")
	f.Add("POST", "/", "x")
	f.Fuzz(func(t *testing.T, method, path, remote string) {
		b := &bench{}
		d, err := New(Config{Port: 1, Grants: func(hub.Device) []hub.Grant { return nil }, Keep: func(hub.Device, hub.Credential) error { return nil }, Neighbours: os.DevNull})
		if err != nil {
			t.Fatal(err)
		}
		b.Desk = d
		b.Open("owner")
		r := &http.Request{Method: method, RemoteAddr: remote, Header: http.Header{}}
		r.URL = httptest.NewRequest(http.MethodGet, RequestPath, nil).URL
		r.URL.Path = path
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if _, _, _, _, ok := emonESP(w.Code, w.Body.String()); ok {
			t.Errorf("%q is taken for a credential", w.Body.String())
		}
	})
}
