package webui_test

import (
	"crypto/tls"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"homehub/webui"
)

// ask sends a request to a house that nobody serves, over TLS or not.
func (h *house) ask(method, url string, headers ...string) *http.Response {
	h.t.Helper()
	r := httptest.NewRequest(method, url, nil) // sets TLS for https
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.server.Handler().ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The certificate is to be had by everybody, and only at the hub's own name.
func TestCertificateFiles(t *testing.T) {
	h := newHouseOffline(t, func(c *webui.Config) { c.ReadOpen = false })
	for path, mime := range map[string]string{"/hub-ca.pem": "application/x-pem-file", "/hub-ca.crt": "application/x-x509-ca-cert", "/hub-ca.mobileconfig": "application/x-apple-aspen-config"} {
		r := h.ask("GET", "http://hub.local"+path)
		body := bodyOf(t, r)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != mime || !strings.Contains(r.Header.Get("Content-Disposition"), path[1:]) {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
		switch path {
		case "/hub-ca.crt":
			if body != string(testCertificate.DER) {
				t.Errorf("%s: %q", path, body)
			}
		case "/hub-ca.pem":
			if block, rest := pem.Decode([]byte(body)); block == nil || string(block.Bytes) != string(testCertificate.DER) || len(rest) > 0 {
				t.Errorf("%s: %q", path, body)
			}
		default:
			if !strings.Contains(body, "<data>Y2VydGlmaWNhdGU=</data>") || !strings.Contains(body, testCertificate.Name) || strings.Contains(body, "%!") {
				t.Errorf("%s: %s", path, body)
			}
			if again := bodyOf(t, h.ask("GET", "http://hub.local"+path)); again != body {
				t.Error("a phone that takes the profile twice has two")
			}
			for d := xml.NewDecoder(strings.NewReader(body)); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%v: %s", err, body)
				}
			}
		}
		if r := h.ask("GET", "http://evil.example"+path); r.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s of another name: %d", path, r.StatusCode)
		}
		if r := h.ask("POST", "http://hub.local"+path); r.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, r.StatusCode)
		}
		none := newHouseOffline(t, func(c *webui.Config) { c.Certificate = nil })
		if r := none.ask("GET", "http://hub.local"+path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s where there is none: %d", path, r.StatusCode)
		}
		damaged := newHouseOffline(t, func(c *webui.Config) {
			c.Certificate = func() (webui.Certificate, error) { return webui.Certificate{}, errors.New("it is damaged") }
		})
		if r := damaged.ask("GET", "http://hub.local"+path); r.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s where it is damaged: %d", path, r.StatusCode)
		}
	}
}

// The guide is for phones without the certificate, so it is there over HTTP
// and for everybody, whatever else is closed.
func TestGuideToHTTPS(t *testing.T) {
	port := 443
	h := newHouseOffline(t, func(c *webui.Config) {
		c.ReadOpen, c.RedirectHTTPS, c.HTTPSPort = false, true, func() int { return port }
	})
	guide := func(url string) string { return bodyOf(t, h.ask("GET", url, "Accept", "text/html")) }
	for _, want := range []string{testCertificate.Fingerprint, testCertificate.Name, `href="https://hub-2.local"`, `href="/hub-ca.crt"`, `href="/hub-ca.mobileconfig"`, "without encryption", "homehub authority show"} {
		if got := guide("http://hub.local/secure"); !strings.Contains(got, want) {
			t.Errorf("the guide lacks %s: %s", want, got)
		}
	}
	if got := guide("https://hub.local/secure"); !strings.Contains(got, "came over a secure connection") || strings.Contains(got, "without encryption") {
		t.Error("over TLS it does not say so")
	}
	port = 8443
	if got := guide("http://hub.local/secure"); !strings.Contains(got, `href="https://hub-2.local:8443"`) {
		t.Error("the port is not in the address")
	}
	port = 0
	if got := guide("http://hub.local/secure"); strings.Contains(got, "https://") || !strings.Contains(got, "no certificate to be had") {
		t.Errorf("while nobody listens: %s", got)
	}
	off := newHouseOffline(t, func(c *webui.Config) { c.HTTPSPort = nil })
	if r := off.ask("GET", "http://hub.local/secure"); r.StatusCode != http.StatusNotFound {
		t.Errorf("without HTTPS: %d", r.StatusCode)
	}
	if more := bodyOf(t, off.ask("GET", "http://hub.local/more")); strings.Contains(more, `href="/secure"`) {
		t.Error("without HTTPS the page More leads to the guide")
	}
}

// Who shows the page More to a new phone shows it the address without TLS:
// the phone has no certificate yet.
func TestAddressForANewPhone(t *testing.T) {
	for port, want := range map[int]string{80: "http://hub-2.local\"", 8080: "http://hub-2.local:8080\"", 0: "http://hub-2.local\""} {
		h := newHouseOffline(t, func(c *webui.Config) { c.HTTPPort = port })
		if more := bodyOf(t, h.ask("GET", "https://hub.local:8443/more")); !strings.Contains(more, want) {
			t.Errorf("port %d: no %s in %s", port, want, more)
		}
	}
}

// Only browsers that ask for pages are sent on, only if somebody wants that,
// and never for good.
func TestRedirectToHTTPS(t *testing.T) {
	port := 443
	h := newHouseOffline(t, func(c *webui.Config) { c.RedirectHTTPS, c.HTTPSPort = true, func() int { return port } })
	for _, tt := range []struct{ method, url, accept, want string }{
		{"GET", "http://hub.local/plan?edit=car", "text/html,*/*", "https://hub.local/plan?edit=car"},
		{"HEAD", "http://hub.local:80/", "text/html", "https://hub.local/"},
		{"GET", "http://localhost:8080/more", "text/html", "https://localhost/more"},
		{"GET", "http://hub.local/secure", "text/html", ""},
		{"GET", "http://hub.local/hub-ca.crt", "text/html", ""},
		{"GET", "http://hub.local/api/live", "*/*", ""},
		{"GET", "http://hub.local/healthz", "", ""},
		{"POST", "http://hub.local/language", "text/html", ""},
		{"GET", "https://hub.local/plan", "text/html", ""},
		{"GET", "http://evil.example/", "text/html", ""},
	} {
		r := h.ask(tt.method, tt.url, "Accept", tt.accept)
		if got := r.Header.Get("Location"); got != tt.want && (tt.method != "POST" || strings.HasPrefix(got, "https")) || tt.want != "" && r.StatusCode != http.StatusTemporaryRedirect {
			t.Errorf("%s %s: %d to %q, want %q", tt.method, tt.url, r.StatusCode, got, tt.want)
		}
		if r.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: a browser must not remember it", tt.url)
		}
	}
	port = 8443
	if got := h.ask("GET", "http://hub.local/", "Accept", "text/html").Header.Get("Location"); got != "https://hub.local:8443/" {
		t.Errorf("sent to %q", got)
	}
	port = 0
	if r := h.ask("GET", "http://hub.local/", "Accept", "text/html"); r.StatusCode != http.StatusOK {
		t.Errorf("sent on to where nobody listens: %d", r.StatusCode)
	}
	if r := newHouseOffline(t).ask("GET", "http://hub.local/", "Accept", "text/html"); r.StatusCode != http.StatusOK {
		t.Errorf("sent on though nobody wants it: %d", r.StatusCode)
	}
}

// serveTLS serves the house over TLS too, with browsers that do not look at
// the certificate.
func (h *house) serveTLS() *httptest.Server {
	h.t.Helper()
	web := httptest.NewUnstartedServer(h.server.Handler())
	web.EnableHTTP2 = true
	web.StartTLS()
	h.t.Cleanup(web.Close)
	return web
}

// Log-ins over HTTP and over HTTPS stand beside each other, and the one over
// HTTPS never goes over the network in the clear.
func TestCookiesOverHTTPS(t *testing.T) {
	h := newHouse(t, func(c *webui.Config) { c.ReadOpen = false })
	web := h.serveTLS()
	b := h.browser()
	b.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	plain := h.web.URL
	over := func(url, method, path, body string, headers ...string) *http.Response {
		h.web.URL = url
		defer func() { h.web.URL = plain }()
		r := b.send(method, path, body, headers...)
		r.Body.Close()
		return r
	}
	login := `{"password":"` + password + `"}`
	r := over(web.URL, "POST", "/api/login", login)
	if c := r.Header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-homehub=") || !strings.HasSuffix(c, "; Path=/; HttpOnly; Secure; SameSite=Strict") || r.ProtoMajor != 2 {
		t.Errorf("over HTTPS the cookie is %q, over %s", c, r.Proto)
	}
	if got := over(web.URL, "GET", "/api/live", "").StatusCode; got != 200 {
		t.Errorf("over HTTPS: %d", got)
	}
	if got := over(plain, "GET", "/api/live", "").StatusCode; got != 401 {
		t.Errorf("the log-in over HTTPS holds over HTTP: %d", got)
	}
	if c := over(plain, "POST", "/api/login", login).Header.Get("Set-Cookie"); !strings.HasPrefix(c, "homehub=") || strings.Contains(c, "Secure") {
		t.Errorf("over HTTP the cookie is %q", c)
	}
	for _, url := range []string{plain, web.URL} {
		if got := over(url, "GET", "/api/live", "").StatusCode; got != 200 {
			t.Errorf("with both, at %s: %d", url, got)
		}
	}
	// What was read in the clear is worth nothing over HTTPS.
	stolen := h.browser()
	stolen.client.Transport = b.client.Transport
	req, _ := http.NewRequest("GET", web.URL+"/api/live", nil)
	req.Header.Set("Cookie", "homehub="+b.cookie("homehub"))
	res, err := stolen.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 401 {
		t.Errorf("a log-in over HTTP holds over HTTPS: %d", res.StatusCode)
	}
	if got := over(web.URL, "POST", "/api/logout", "").StatusCode; got != 204 {
		t.Errorf("log-out: %d", got)
	}
	if got := over(web.URL, "GET", "/api/live", "").StatusCode; got != 401 {
		t.Errorf("after the log-out: %d", got)
	}
}

// A page that came over HTTP may have been written by whoever sits in between.
func TestPagesOverHTTPMayNotActOverHTTPS(t *testing.T) {
	h := newHouse(t, func(c *webui.Config) {
		c.Websocket = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	})
	web := h.serveTLS()
	b := h.browser()
	b.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	h.web.URL = web.URL
	if status, _ := b.do("POST", "/api/login", `{"password":"`+password+`"}`); status != 200 {
		t.Fatalf("log-in: %d", status)
	}
	for _, tt := range []struct {
		method, path, origin string
		want                 int
	}{
		{"POST", "/api/logout", "http://hub.local", 403},
		{"POST", "/api/logout", "http://evil.example", 403},
		{"POST", "/api/logout", "https://evil.example", 403},
		{"GET", "/mqtt", "http://hub.local", 403},
		{"GET", "/mqtt", "https://hub.local", http.StatusTeapot},
		{"GET", "/api/live", "http://hub.local", 200},
		{"POST", "/api/logout", "https://hub.local", 204},
	} {
		if status, body := b.do(tt.method, tt.path, "", "Host", "hub.local", "Origin", tt.origin); status != tt.want {
			t.Errorf("%s %s from %s: %d %s, want %d", tt.method, tt.path, tt.origin, status, body, tt.want)
		}
	}
}

func secureJourneys() []journey {
	guide := func(b *tab) {
		b.open("/more")
		b.click("a[href='/secure']")
		b.says("BA:78:16:BF")
		b.click("details:has(ol) summary")
		b.wait("document.querySelector('details[open] ol').innerText.includes('switch homehub 1a2b3c4d on')")
		if b.taps != 2 {
			b.t.Errorf("%d taps", b.taps)
		}
		// A phone takes what the button leads to for what it is.
		for _, href := range []string{"/hub-ca.crt", "/hub-ca.mobileconfig"} {
			if !eval[bool](b, "!!document.querySelector('a.btn[href="+quote(href)+"]')") {
				b.t.Errorf("no button leads to %s", href)
			}
		}
	}
	return []journey{
		{"the guide to a secure connection", scene{role: webui.Family}, guide},
		{"the guide without JavaScript, at 320 px", scene{role: webui.Owner, noScript: true, narrow: true}, func(b *tab) {
			guide(b)
			if w := eval[int](b, "document.documentElement.scrollWidth"); w != 320 {
				b.t.Errorf("%d px wide", w)
			}
		}},
	}
}
