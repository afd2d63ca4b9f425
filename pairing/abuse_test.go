package pairing

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// No answer but a grant may look like one, whatever its address is.
func TestColonTrap(t *testing.T) {
	for _, text := range []string{textRegistered, textClosed, textAgain} {
		if strings.Contains(text, ":") {
			t.Errorf("%q holds a colon", text)
		}
	}
	b := newBench(t)
	for _, open := range []bool{false, true} {
		if open {
			b.Open("owner")
		}
		for _, from := range []string{"fe80::1:2", "fd00::1:2:3", "127.0.0.1", "::1", "::ffff:192.168.1.9"} {
			if _, _, _, _, ok := emonESP(b.ask(from)); ok {
				t.Errorf("the answer to %s is taken for a credential", from)
			}
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	b := newBench(t)
	b.Open("owner")
	for from, want := range map[string]int{
		"192.168.1.9": 200, "10.0.0.1": 200, "fe80::1": 200, "fd00::1": 200, "::ffff:10.0.0.2": 200,
		"8.8.8.8": 403, "2001:db8::1": 403,
	} {
		if got, _ := b.ask(from); got != want {
			t.Errorf("%s: %d, want %d", from, got, want)
		}
	}
	for _, tt := range []struct {
		method, path, remote, forwarded string
		want                            int
	}{
		{http.MethodPost, RequestPath, "192.168.1.9:1", "", 405},
		{http.MethodGet, RequestPath + "/x", "192.168.1.9:1", "", 404},
		{http.MethodGet, "/emoncms/device/auth/allow.json?ip=192.168.1.9", "192.168.1.9:1", "", 404},
		{http.MethodGet, RequestPath, "8.8.8.8:1", "192.168.1.9", 403},
		{http.MethodGet, RequestPath, "pipe", "", 403},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		r.Host, r.RemoteAddr = "hub.local", tt.remote
		r.Header.Set("X-Forwarded-For", tt.forwarded)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s %s from %s: %d, want %d", tt.method, tt.path, tt.remote, w.Code, tt.want)
		}
		if ct := w.Header().Get("Content-Type"); ct != "text/plain; charset=utf-8" {
			t.Errorf("content type %q", ct)
		}
	}
}

// A page in somebody's browser must not fetch what is meant for a device, nor
// register the browser as one.
func TestPagesMayNotAsk(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"a page's script":  func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"a page's image":   func(r *http.Request) { r.Header.Set("Referer", "http://evil.example/") },
		"a typed address":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
		"a logged-in page": func(r *http.Request) { r.Header.Set("Cookie", "homehub=x") },
		"a rebound name":   func(r *http.Request) { r.Host = "evil.example:80" },
	} {
		b := newBench(t)
		b.Open("owner")
		b.ask(plugAddr)
		if err := b.Allow("owner", plugIP, plug()); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, RequestPath, nil)
		r.Host, r.RemoteAddr = "192.168.1.2", plugAddr+":40000"
		change(r)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || len(b.kept) != 0 {
			t.Errorf("%s got %d %q", name, w.Code, w.Body.String())
		}
	}
}

// Firmware before 2021 takes three fields and no more.
func TestPlainPortIsLeftOut(t *testing.T) {
	if got := grant("plug", "secret", "emon/plug", 1883); got != "plug:secret:emon/plug" {
		t.Errorf("the answer is %q", got)
	}
	if got := grant("plug", "secret", "emon/plug", 8884); got != "plug:secret:emon/plug:8884" {
		t.Errorf("the answer is %q", got)
	}
}

// What is refused over and over costs the card one line a minute.
func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		count := func(what string) (n int) {
			for _, e := range b.events {
				if e == what {
					n++
				}
			}
			return n
		}
		b.Open("owner")
		b.ask(plugAddr)
		if err := b.Allow("owner", plugIP, plug()); err != nil {
			t.Fatal(err)
		}
		for i := range 300 { // brute force, from a whole network
			b.ask(netip.AddrFrom4([4]byte{192, 168, 2, byte(i)}).String())
		}
		if n := count(string(RefusedElsewhere)); n < 1 || n > maxRefusals {
			t.Errorf("%d lines of 300 tries", n)
		}
		b.phase(t, Allowed)
		time.Sleep(fetchTime + time.Second)
		for range 10 {
			b.ask(plugAddr)
		}
		if n := count(string(RefusedLate)); n != 1 {
			t.Errorf("%d lines of a late fetch", n)
		}
		time.Sleep(refusalPause)
		b.ask(plugAddr)
		if n := count(string(RefusedLate)); n != 2 {
			t.Errorf("%d lines a minute later", n)
		}
	})
}

// A device says what it is on its own page, while it waits for our answer.
func TestRequestNamesItsKind(t *testing.T) {
	b := newBench(t)
	asked := make(chan netip.Addr, 1)
	told := make(chan struct{}, 8)
	b.cfg.Identify = func(_ context.Context, addr netip.Addr) string { asked <- addr; return "smartplug" }
	b.cfg.Changed = func() { told <- struct{}{} }
	b.Open("owner")
	b.ask(plugAddr)
	if addr := <-asked; addr != plugIP {
		t.Errorf("asked %s", addr)
	}
	for b.State().Requests[0].Kind != "smartplug" {
		<-told
	}
}

func TestIdentify(t *testing.T) {
	for body, want := range map[string]string{
		`{"node_name":"smartplug1272","node_type":"smartplug"}`: "smartplug",
		`{"node_type":"<b>evil</b>"}`:                           "",
		`{"node_type":"` + strings.Repeat("a", 33) + `"}`:       "",
		`no JSON`: "",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/config" {
				t.Errorf("asked for %s", r.URL.Path)
			}
			_, _ = w.Write([]byte(body))
		}))
		if got := identify(t.Context(), strings.TrimPrefix(s.URL, "http://")); got != want {
			t.Errorf("%s is a %q, want %q", body, got, want)
		}
		s.Close()
	}
}
