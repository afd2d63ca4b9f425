package webui_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"homehub/webui"
)

// fuzzHouse is a house whose owner sends whatever the fuzzer makes up.
func fuzzHouse(f *testing.F) func(t *testing.T, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	f.Helper()
	var h *house
	return func(t *testing.T, method, target, body string, headers ...string) *httptest.ResponseRecorder {
		if h == nil {
			h = newHouseOffline(t).furnish()
			_ = h.tokens.PutToken(webui.Token{Name: "owner", Hash: hashOf("owner token"), Role: webui.Owner})
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Skip()
		}
		r := httptest.NewRequest(method, "http://hub.local/", strings.NewReader(body))
		r.URL, r.RequestURI = u, target
		r.Host = "hub.local"
		r.Header.Set("Authorization", "Bearer owner token")
		for i := 0; i+1 < len(headers); i += 2 {
			if headers[i] == "Host" {
				r.Host = headers[i+1]
			} else {
				r.Header.Set(headers[i], headers[i+1])
			}
		}
		w := httptest.NewRecorder()
		h.server.Handler().ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != 503 {
			t.Fatalf("%s %q with %q: %d %s\n%s", method, target, body, w.Code, w.Body, h.log)
		}
		return w
	}
}

// problem checks that an error is one that the API describes.
func problem(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code < 400 {
		return
	}
	var p struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Error.Code == "" || p.Error.Message == "" {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
}

// FuzzBody sends bodies to every route of the API that takes one.
func FuzzBody(f *testing.F) {
	for _, body := range []string{`{"ready_by":"07:00","minutes":60,"days":["mon"]}`, `{"mode":"on","until":"2199-01-01T00:00:00Z"}`, `{"name":"A","family":"gpio","role":"plug","topic":"GPIO1"}`, `{"name":"x","grants":[{"filter":"a/#","read":true}]}`, `{}`, `[]`, `null`, `{"a":1}{`, "{\"name\":\"\x00\"}"} {
		for i := range 5 {
			f.Add(i, body)
		}
	}
	ask := fuzzHouse(f)
	routes := [][2]string{{"PUT", "/api/devices/washer/schedule"}, {"POST", "/api/devices/washer/mode"}, {"POST", "/api/devices"}, {"PATCH", "/api/devices/car"}, {"POST", "/api/mqtt/clients"}}
	f.Fuzz(func(t *testing.T, i int, body string) {
		rt := routes[uint(i)%uint(len(routes))]
		w := ask(t, rt[0], rt[1], body, "Content-Type", "application/json")
		problem(t, w)
		if w.Code < 300 && !json.Valid([]byte(body)) {
			t.Fatalf("%s took %q", rt[1], body)
		}
		if i%50 == 0 { // what was taken must not spoil a page
			page := ask(t, "GET", "/plan", "")
			if page.Code != http.StatusOK || !utf8.Valid(page.Body.Bytes()) {
				t.Fatalf("after %q the page is %d", body, page.Code)
			}
		}
	})
}

// FuzzQuery sends queries to the routes that read one.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"start=1781215200&end=1781218800&interval=600&average=1", "start=2026-06-12T00:00:00Z&interval=day", "view=week&date=2026-06-12", "edit=washer&ready_by=07:00&amount=1&unit=h&day=mon", "end=1e400", "start=-1e10", "interval=-5", "date=9999-12-31", "%"} {
		for i := range 4 {
			f.Add(i, q)
		}
	}
	ask := fuzzHouse(f)
	paths := []string{"/api/feeds/import_w/points?", "/history?", "/history.csv?", "/plan?"}
	f.Fuzz(func(t *testing.T, i int, query string) {
		path := paths[uint(i)%uint(len(paths))]
		w := ask(t, "GET", path+query, "")
		if strings.HasPrefix(path, "/api") && !strings.Contains(query, "csv") {
			problem(t, w)
		}
		if w.Body.Len() > 4<<20 {
			t.Fatalf("%q gives %d bytes", query, w.Body.Len())
		}
	})
}

// FuzzForm sends forms to the pages.
func FuzzForm(f *testing.F) {
	for _, body := range []string{"ready_by=07:00&amount=2,5&unit=h&day=mon", "mode=on&for=60", "name=A&family=gpio&role=plug&topic=GPIO5&power_w=1", "name=x&read=a/%23+b&write=c", "%zz", "amount=%00&ready_by=%ff&unit=kwh", "lang=nl"} {
		for i := range 6 {
			f.Add(i, body)
		}
	}
	ask := fuzzHouse(f)
	paths := []string{"/devices/washer/schedule", "/devices/washer/mode", "/devices", "/devices/car/change", "/more/clients", "/language"}
	f.Fuzz(func(t *testing.T, i int, body string) {
		w := ask(t, "POST", paths[uint(i)%uint(len(paths))], body, "Content-Type", "application/x-www-form-urlencoded")
		if w.Code != 200 && w.Code != 303 && w.Code != 400 && w.Code != 409 && w.Code != 503 {
			t.Fatalf("%q: %d", body, w.Code)
		}
		if where := w.Header().Get("Location"); where != "" && (!strings.HasPrefix(where, "/") || strings.HasPrefix(where, "//")) {
			t.Fatalf("%q leads to %q", body, where)
		}
	})
}

// FuzzHost calls the hub by names: only those it has are answered.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"hub.local", "HUB.LOCAL.:80", "[::1]:8080", "evil", "hub.local.evil", "[", "a:b:c", "127.0.0.1%eth0"} {
		f.Add(host)
	}
	ask := fuzzHouse(f)
	known := []string{"hub.local", "localhost", "127.0.0.1", "::1"}
	f.Fuzz(func(t *testing.T, host string) {
		w := ask(t, "GET", "/api/live", "", "Host", host)
		if w.Code == 421 {
			return
		}
		for _, name := range known {
			if strings.HasPrefix(strings.TrimPrefix(strings.ToLower(host), "["), name) {
				return
			}
		}
		t.Fatalf("%q is answered with %d", host, w.Code)
	})
}

// FuzzNext asks where a log-in leads: never off the hub.
func FuzzNext(f *testing.F) {
	for _, next := range []string{"/plan", "//evil", "/\\evil", "http://evil", "/%5cevil", "/\tevil", "/x?y=//evil"} {
		f.Add(next)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := webui.LocalPath(next)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t") {
			t.Fatalf("%q leads to %q", next, got)
		}
	})
}

// FuzzPasswordHash reads hashes that may come from anywhere.
func FuzzPasswordHash(f *testing.F) {
	f.Add(passwordHash(), "x")
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA", "")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA", "")
	f.Fuzz(func(t *testing.T, hash, word string) {
		if hash != passwordHash() && strings.HasPrefix(hash, "$argon2id$v=19$m=") && len(hash) > 60 {
			t.Skip("costs too much")
		}
		if webui.CheckPassword(hash, word) && word != password {
			t.Fatalf("%q fits %q", word, hash)
		}
	})
}
