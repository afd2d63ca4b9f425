package webui_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"

	"homehub/hub"
	"homehub/webui"
)

func TestHosts(t *testing.T) {
	h := newHouse(t, func(c *webui.Config) { c.Hosts = []string{"energy.example"} })
	port := h.web.URL[strings.LastIndex(h.web.URL, ":"):]
	for host, want := range map[string]int{
		"hub.local": 200, "hub.local:80": 200, "HUB.LOCAL.": 200, "localhost" + port: 200, "127.0.0.1": 200, "[::1]" + port: 200, "energy.example": 200, "Energy.Example:8080": 200,
		"evil.example": 421, "hub.local.evil.example": 421, "192.168.1.20": 421, "127.0.0.2": 421, "[fe80::1]": 421, "10": 421, "energy.example.evil": 421,
	} {
		if status, _ := h.browser().do("GET", "/api/live", "", "Host", host); status != want {
			t.Errorf("Host %q: %d, want %d", host, status, want)
		}
	}
}

// The hub may be called by whatever address of its own the request came to.
func TestHostIsTheOwnAddress(t *testing.T) {
	h := newHouseOffline(t)
	for local, want := range map[string]int{"192.168.1.20:80": 200, "192.168.1.21:80": 421, "[::ffff:192.168.1.20]:80": 200} {
		r := httptest.NewRequest("GET", "http://192.168.1.20/api/live", nil)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr(local)))
		w := httptest.NewRecorder()
		h.server.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("at %s: %d, want %d", local, w.Code, want)
		}
	}
}

type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }

func TestCrossSite(t *testing.T) {
	h := newHouse(t).furnish()
	owner := h.as(webui.Owner)
	stranger := h.browser()
	port := h.web.URL[strings.LastIndex(h.web.URL, ":"):]
	tests := []struct {
		name    string
		b       *browser
		headers []string
		want    int
	}{
		{"own page", owner, nil, 200},
		{"own page by Sec-Fetch-Site", owner, []string{"Origin", "", "Sec-Fetch-Site", "same-origin"}, 200},
		{"cross-site", owner, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"same-site is another port or name", owner, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"foreign origin", owner, []string{"Origin", "http://evil.example"}, 403},
		{"null origin", owner, []string{"Origin", "null"}, 403},
		{"other port", owner, []string{"Origin", "http://127.0.0.1:1"}, 403},
		{"cookie without any header", owner, []string{"Origin", ""}, 403},
		{"rebinding: Host and Origin agree", owner, []string{"Host", "evil.example" + port, "Origin", "http://evil.example" + port}, 421},
		{"no cookie, no header: a program, but not logged in", stranger, []string{"Origin", ""}, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, path := range []string{"/api/devices/washer/mode"} {
				if status, body := test.b.do("POST", path, `{"mode":"auto"}`, test.headers...); status != test.want {
					t.Errorf("POST %s: %d %s, want %d", path, status, body, test.want)
				}
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/", "/api/live", "/nothing", "/api/nothing", "/login", h.server.AssetPrefix() + "app.css"} {
		res := h.browser().send("GET", path, "")
		res.Body.Close()
		for key, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := res.Header.Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", path, key, got, want)
			}
		}
		want := "no-cache"
		if strings.HasPrefix(path, "/assets/") {
			want = "public, max-age=31536000, immutable"
		}
		if got := res.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control is %q, want %q", path, got, want)
		}
	}
	res := h.as(webui.Owner).send("POST", "/api/login", `{"password":"`+password+`"}`)
	res.Body.Close()
	if c := res.Header.Get("Set-Cookie"); !strings.Contains(c, "; Path=/; HttpOnly; SameSite=Strict") || strings.Contains(c, "Max-Age") {
		t.Errorf("the cookie is %q", c)
	}
}

func TestLogInAndOut(t *testing.T) {
	h := newHouse(t, func(c *webui.Config) { c.ReadOpen = false })
	b := h.browser()
	if status, _ := b.do("GET", "/api/live", ""); status != 401 {
		t.Errorf("a stranger reads: %d", status)
	}
	if status, body := b.do("POST", "/api/login", `{"user":"owner","password":"wrong"}`); status != 401 || strings.Contains(body, "owner") {
		t.Errorf("a wrong password: %d %s", status, body)
	}
	_, wrong := b.do("POST", "/api/login", `{"user":"owner","password":"wrong"}`)
	if _, body := b.do("POST", "/api/login", `{"user":"nobody","password":"wrong"}`); body != wrong {
		t.Errorf("nobody sounds different: %s", body)
	}
	if status, body := b.do("POST", "/api/login", `{"password":"`+password+`"}`); status != 200 || !strings.Contains(body, `"role":"owner"`) {
		t.Fatalf("the right password: %d %s", status, body)
	}
	if status, _ := b.do("GET", "/api/live", ""); status != 200 {
		t.Errorf("the owner reads: %d", status)
	}
	// A copy of the cookie is worth nothing after the log-out.
	req, _ := http.NewRequest("GET", h.web.URL+"/api/live", nil)
	for _, c := range b.client.Jar.Cookies(req.URL) {
		req.AddCookie(c)
	}
	if status, _ := b.do("POST", "/api/logout", ""); status != 204 {
		t.Errorf("log-out: %d", status)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 401 {
		t.Errorf("the old cookie after log-out: %d", res.StatusCode)
	}
}

func TestFiveTriesAnAddress(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for i := range 5 {
		if status, _ := b.do("POST", "/api/login", `{"password":"guess"}`); status != 401 {
			t.Fatalf("try %d: %d", i+1, status)
		}
	}
	res := b.send("POST", "/api/login", `{"password":"`+password+`"}`)
	res.Body.Close()
	wait, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	if res.StatusCode != 429 || wait < 800 || wait > 901 {
		t.Errorf("the sixth try, even with the right password: %d, Retry-After %d", res.StatusCode, wait)
	}
	if status, body := b.do("POST", "/login", "user=owner&password=guess"); status != 429 || !strings.Contains(body, "Too many tries") {
		t.Errorf("on the page: %d %.300s", status, body)
	}
}

func TestTriesAreForgotten(t *testing.T) {
	take, size := webui.NewTries()
	now := time.Unix(1_800_000_000, 0)
	for range 5 {
		if wait := take("a", now); wait != 0 {
			t.Fatalf("wait %v", wait)
		}
	}
	if wait := take("a", now.Add(5*time.Minute)); wait != 10*time.Minute {
		t.Errorf("the sixth try after 5 min waits %v", wait)
	}
	if wait := take("b", now); wait != 0 {
		t.Errorf("another address waits %v", wait)
	}
	for i := range 6 { // the tries are forgotten, and not the counting
		if wait := take("a", now.Add(16*time.Minute)); (wait > 0) != (i == 5) {
			t.Errorf("try %d after 16 min waits %v", i+1, wait)
		}
	}
	for i := range 20_000 {
		take(fmt.Sprint(i), now.Add(time.Duration(i)*time.Millisecond))
	}
	if n := size(); n > 4096 {
		t.Errorf("%d addresses are remembered", n)
	}
}

func TestPassword(t *testing.T) {
	hash, err := webui.HashPassword("paßword")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%q, %v", hash, err)
	}
	if again, _ := webui.HashPassword("paßword"); again == hash {
		t.Error("two hashes of a password are the same: no salt")
	}
	if !webui.CheckPassword(hash, "paßword") || webui.CheckPassword(hash, "pasword") || webui.CheckPassword(hash, "") {
		t.Error("the check is wrong")
	}
	for _, bad := range []string{"", "x", "$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA", strings.Replace(hash, "m=19456", "m=9999999", 1), strings.Replace(hash, "t=2", "t=0", 1), strings.Replace(hash, "p=1", "p=0", 1), hash[:len(hash)-30], strings.Replace(hash, "v=19", "v=16", 1)} {
		if webui.CheckPassword(bad, "paßword") {
			t.Errorf("%q fits", bad)
		}
	}
	// It would fit, but costs more memory than the hub has to give.
	salt, b64 := []byte("0123456789abcdef"), base64.RawStdEncoding
	dear := fmt.Sprintf("$argon2id$v=19$m=81920,t=1,p=1$%s$%s", b64.EncodeToString(salt), b64.EncodeToString(argon2.IDKey([]byte("x"), salt, 1, 81920, 1, 32)))
	if webui.CheckPassword(dear, "x") {
		t.Error("80 MiB are spent on a password")
	}
	for _, bad := range []string{"", strings.Repeat("x", 257)} {
		if _, err := webui.HashPassword(bad); hub.CodeOf(err) != hub.Invalid {
			t.Errorf("a password of %d bytes: %v", len(bad), err)
		}
	}
}

func TestChangePassword(t *testing.T) {
	h := newHouse(t)
	here, elsewhere := h.as(webui.Owner), h.as(webui.Owner)
	if status, body := here.do("POST", "/more/password", "old=wrong&new=battery+staple"); status != 400 || !strings.Contains(body, "The password until now is another.") {
		t.Errorf("with a wrong old one: %d %.300s", status, body)
	}
	if status, _ := here.do("POST", "/more/password", "old=correct+horse&new=short"); status != 400 || h.users.puts != 0 {
		t.Errorf("with a short new one: %d", status)
	}
	if status, _ := here.do("POST", "/more/password", "old=correct+horse&new=battery+staple"); status != 303 || h.users.puts != 1 {
		t.Fatalf("changed: %d", status)
	}
	if status, _ := here.do("GET", "/api/mqtt/clients", ""); status != 200 {
		t.Errorf("here, after it: %d", status)
	}
	if status, _ := elsewhere.do("GET", "/api/mqtt/clients", ""); status != 401 {
		t.Errorf("elsewhere, after it: %d", status)
	}
	// homehub passwd changes it behind the server's back.
	u, _ := h.users.User("owner")
	u.PasswordHash = passwordHash()
	_ = h.users.PutUser(u)
	if status, _ := here.do("GET", "/api/mqtt/clients", ""); status != 401 {
		t.Errorf("after a reset: %d", status)
	}
}

// Hashing one at a time bounds the memory; the queue is bounded, too, and
// whoever goes away leaves it.
func TestHashingIsOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		do := webui.NewHashing()
		finish := make(chan struct{})
		var running, most, refused, gone, done atomic.Int32
		ask := func(ctx context.Context) {
			go func() {
				err := do(ctx, func() {
					most.Store(max(most.Load(), running.Add(1)))
					<-finish
					running.Add(-1)
				})
				switch {
				case err == nil:
					done.Add(1)
				case hub.CodeOf(err) == hub.Unavailable:
					refused.Add(1)
				case errors.Is(err, context.Canceled):
					gone.Add(1)
				}
			}()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range 7 {
			ask(t.Context())
		}
		ask(ctx)
		for range 12 {
			ask(t.Context())
		}
		cancel()
		synctest.Wait()
		close(finish)
		synctest.Wait()
		if most.Load() != 1 || done.Load() != 7 || refused.Load() != 12 || gone.Load() != 1 {
			t.Errorf("at once %d, done %d, refused %d, gone %d", most.Load(), done.Load(), refused.Load(), gone.Load())
		}
	})
}

func TestSessionIdles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseOffline(t)
		cookie := h.logInOffline()
		for range 3 {
			<-time.After(50 * time.Minute) // of the bubble's clock
			if status := h.offline("GET", "/api/mqtt/clients", "", cookie).Code; status != 200 {
				t.Fatalf("after 50 min: %d", status)
			}
		}
		<-time.After(time.Hour)
		if status := h.offline("GET", "/api/mqtt/clients", "", cookie).Code; status != 401 {
			t.Errorf("after an hour without a request: %d", status)
		}
	})
}

// offline asks the handler without a network.
func (h *house) offline(method, path, body string, cookie *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://hub.local"+path, strings.NewReader(body))
	if cookie != nil {
		r.AddCookie(cookie)
	}
	if method != "GET" {
		r.Header.Set("Origin", "http://hub.local")
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.server.Handler().ServeHTTP(w, r)
	return w
}

func (h *house) logInOffline() *http.Cookie {
	h.t.Helper()
	w := h.offline("POST", "/api/login", `{"password":"`+password+`"}`, nil)
	if w.Code != 200 {
		h.t.Fatalf("log-in: %d %s", w.Code, w.Body)
	}
	return w.Result().Cookies()[0]
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"/plan": "/plan", "/history?view=day&date=2026-01-01": "/history?view=day&date=2026-01-01", "": "/",
		"//evil.example": "/", "/\\evil.example": "/", "http://evil.example/": "/", "javascript:alert(1)": "/", "plan": "/", "/login": "/", "/x\r\nSet-Cookie: a": "/", "/%0d%0a": "/%0d%0a",
	} {
		if got := webui.LocalPath(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

// Names come from devices and people. They are text everywhere, also where
// they are drawn.
func TestHostileNames(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Owner)
	for i, name := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</script><script>alert(1)//`, `{{.}}`, `' onmouseover='alert(1)`, `<svg/onload=alert(1)>`} {
		d := hub.Device{ID: fmt.Sprintf("evil-%d", i), Name: name, Family: hub.FamilyGPIO, Role: hub.RolePlug, Topic: fmt.Sprintf("GPIO%d<b>", i)}
		if err := h.hub.PutDevice(d); err != nil {
			t.Fatal(err)
		}
		h.report(hub.Report{Device: d.ID, Has: hub.ReportOn | hub.ReportPower, On: true, Power: 5})
	}
	if _, body := b.do("GET", "/?done=evil", ""); strings.Contains(body, "done.evil") || !strings.Contains(body, `<div id="flash" tabindex="-1"></div>`) {
		t.Error("an address puts its own message on the page")
	}
	for _, page := range pagesOf {
		_, body := b.do("GET", page.path, "")
		for _, bad := range []string{"<script>alert", "<img src=x", "<svg/onload", "' onmouseover='", "GPIO0<b>"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %s", page.path, bad)
			}
		}
	}
}

func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
