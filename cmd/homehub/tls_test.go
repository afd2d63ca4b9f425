package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/authority"
	"homehub/mdns"
)

// rootOf is what the hub hands out, for who trusts it and nobody else.
func (p *process) rootOf() *x509.CertPool {
	p.t.Helper()
	resp, err := http.Get(p.url + "/hub-ca.pem")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text := readAll(p.t, resp)
	pool := x509.NewCertPool()
	if resp.StatusCode != 200 || !pool.AppendCertsFromPEM([]byte(text)) {
		p.t.Fatalf("status %d: %s", resp.StatusCode, text)
	}
	return pool
}

// over is a client that trusts the root alone and finds every name at the
// hub's address for HTTPS.
func (p *process) over(pool *x509.CertPool) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, p.https)
		},
	}}
}

// A program connects over the web address and over TLS, with the certificate
// that the hub hands out.
func TestMQTTOverTheWebAddressAndTLS(t *testing.T) {
	file, data := serveConfig(t, "/dev/null")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := homehub(t, "", "mqtt", "user", "--data", data, "add", "logger", "--topics", "a/#", "--json")
	var cred struct{ Password string }
	if err := json.Unmarshal([]byte(out), &cred); err != nil || code != exitOK {
		t.Fatalf("%d %s %s", code, out, errOut)
	}
	p := serveFile(t, file)
	pool := p.rootOf()
	connect := func(address string) error {
		c := paho.NewClient(paho.NewClientOptions().AddBroker(address).SetClientID("logger").SetUsername("logger").SetPassword(cred.Password).
			SetTLSConfig(&tls.Config{RootCAs: pool}).SetConnectTimeout(waitTime).SetAutoReconnect(false))
		defer c.Disconnect(0)
		tok := c.Connect()
		if !tok.WaitTimeout(waitTime) {
			t.Errorf("%s does not answer", address)
		}
		return tok.Error()
	}
	for _, address := range []string{"ws" + strings.TrimPrefix(p.url, "http") + "/mqtt", "wss://" + p.https + "/mqtt", "ssl://" + p.secure} {
		if err := connect(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// What the command line shows is what the hub hands out, and what is renewed
// or damaged counts at once, without a restart. HTTP goes on whatever happens.
func TestHTTPS(t *testing.T) {
	file, data := serveConfig(t, "/dev/null")
	p := serveFile(t, file)
	var shown struct{ PEM, SHA256 string }
	show := func(verb string) *x509.CertPool {
		t.Helper()
		code, out, errOut := homehub(t, "", "authority", verb, "--data", data, "--json")
		if err := json.Unmarshal([]byte(out), &shown); err != nil || code != exitOK || len(shown.SHA256) != 64 {
			t.Fatalf("%d %s %s", code, out, errOut)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(shown.PEM))
		return pool
	}
	pool := show("show")
	if !pool.Equal(p.rootOf()) {
		t.Error("what is shown is not what the hub hands out")
	}
	for _, name := range []string{"hub.local", "localhost", "127.0.0.1"} {
		r, err := p.over(pool).Get("https://" + name + "/api/live")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r.Body.Close()
		if r.StatusCode != 200 || r.ProtoMajor != 2 || r.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: %d over %s, %v", name, r.StatusCode, r.Proto, r.Header)
		}
	}
	_, port, _ := net.SplitHostPort(p.https)
	if r, err := http.Get(p.url + "/secure"); err != nil || !strings.Contains(readAll(t, r), `href="https://hub.local:`+port+`"`) {
		t.Errorf("the guide does not lead to port %s (%v)", port, err)
	}
	refused := func(pool *x509.CertPool) bool {
		_, err := p.over(pool).Get("https://hub.local/api/live")
		_, ok := errors.AsType[x509.UnknownAuthorityError](err)
		return ok
	}
	if !refused(x509.NewCertPool()) {
		t.Error("the hub is known without its certificate")
	}
	if fresh := show("renew"); refused(fresh) || !refused(pool) {
		t.Error("a new authority does not count at once")
	}
	pool = p.rootOf()
	path := authorityFile(data)
	if err := errors.Join(os.WriteFile(path+".new", []byte("damaged"), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	if refused(pool) {
		t.Error("phones that trust the hub are turned away when its file is damaged")
	}
	if c, reason := p.condition("tls"); c != "down" || !strings.Contains(reason, "homehub authority renew") {
		t.Errorf("tls is %s: %s", c, reason)
	}
	if code, _, errOut := homehub(t, "", "authority", "show", "--data", data); code != exitFailure || !strings.Contains(errOut, "damaged") {
		t.Errorf("%d %s", code, errOut)
	}
	p.stop()
	p = serveFile(t, file) // and now there is none at all
	if _, err := p.over(pool).Get("https://hub.local/api/live"); err == nil {
		t.Error("pages are served without a certificate")
	}
	if c, _ := p.condition("tls"); c != "down" {
		t.Errorf("tls is %s", c)
	}
	show("renew")
	if refused(p.rootOf()) {
		t.Error("a new authority does not count")
	}
	if c, _ := p.condition("tls"); c != "ok" {
		t.Errorf("tls is %s", c)
	}
}

// The hub's certificates are for the name that it got.
func TestNamesFollowTheNetwork(t *testing.T) {
	i := &installation{cfg: defaults()}
	i.cfg.Web.Hosts = []string{"energy.home.arpa"}
	if names := i.names(); !slices.Contains(names, "hub.local") || !slices.Contains(names, "energy.home.arpa") || !slices.Contains(names, "127.0.0.1") {
		t.Errorf("before it has one: %v", names)
	}
	i.netName.set(mdns.State{Host: "hub-2.local"})
	if names := i.names(); !slices.Contains(names, "hub-2.local") || slices.Contains(names, "hub.local") {
		t.Errorf("where another machine has it: %v", names)
	}
	i.netName.set(mdns.State{})
	i.cfg.Web.Name = ""
	if names := i.names(); slices.Contains(names, ".local") || slices.Contains(names, "hub.local") {
		t.Errorf("where it wants none: %v", names)
	}
}

// Another program on the port is a line on the status page, no more.
func TestHTTPSPortInUse(t *testing.T) {
	file, data := serveConfig(t, "/dev/null")
	cfg, err := loadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", cfg.Web.ListenTLS)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := serveFile(t, file)
	p.until("the port is told", 5*time.Second, func() bool {
		c, reason := p.condition("https")
		return c == "degraded" && strings.Contains(reason, cfg.Web.ListenTLS)
	})
	r, err := http.Get(p.url + "/secure")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body := readAll(t, r); r.StatusCode != 200 || strings.Contains(body, "https://") {
		t.Errorf("the guide leads to where the hub is not: %s", body)
	}
	if _, err := authority.ReadRoot(authorityFile(data)); err != nil {
		t.Error(err)
	}
}

// trustingChromium is a browser that was given the root, as the guide says,
// and finds hub.local here.
func trustingChromium(t *testing.T, root string) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is not short")
	}
	home := t.TempDir()
	db := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, need := range []string{"certutil", "chromium"} {
		if _, err := exec.LookPath(need); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed: apt-get install libnss3-tools chromium", need)
		}
	}
	steps := [][]string{{"-N", "--empty-password"}}
	if root != "" {
		steps = append(steps, []string{"-A", "-n", "homehub", "-t", "C,,", "-i", root})
	}
	for _, args := range steps {
		if out, err := exec.Command("certutil", append([]string{"-d", "sql:" + db}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("certutil %v: %v %s", args, err, out)
		}
	}
	alloc, cancel := chromedp.NewExecAllocator(t.Context(),
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Env("HOME="+home),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("host-resolver-rules", "MAP hub.local 127.0.0.1, MAP bank.example 127.0.0.1"))
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// thief serves a page as name, with what is on a stolen card, and returns the
// port.
func thief(t *testing.T, data, name string) (port string) {
	t.Helper()
	text, err := os.ReadFile(authorityFile(data))
	if err != nil {
		t.Fatal(err)
	}
	var blocks [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block.Bytes)
	}
	issuer, err := x509.ParseCertificate(blocks[1])
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParseECPrivateKey(blocks[3])
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der, issuer.Raw}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(server.Listener.Addr().String())
	return port
}

// Whoever followed the guide opens the hub's pages without a warning, logs in,
// and sees live values.
func TestBrowserOverHTTPS(t *testing.T) {
	file, data := serveConfig(t, "/dev/null")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := homehub(t, "correct horse\n", "passwd", "--data", data); code != exitOK {
		t.Fatal(errOut)
	}
	p := serveFile(t, file)
	_, port, _ := net.SplitHostPort(p.https)
	url := "https://hub.local:" + port
	r, err := http.Get(p.url + "/hub-ca.crt") // as the guide's button
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	root := filepath.Join(t.TempDir(), "hub-ca.crt")
	if err := os.WriteFile(root, []byte(readAll(t, r)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(trustingChromium(t, ""), chromedp.Navigate(url+"/login")); err == nil || !strings.Contains(err.Error(), "ERR_CERT_AUTHORITY_INVALID") {
		t.Errorf("without the certificate: %v", err)
	}
	ctx := trustingChromium(t, root)
	if err := chromedp.Do(ctx, chromedp.Navigate(url+"/login"),
		chromedp.SendKeys(chromedp.CSS("input[name=password]"), "correct horse"), chromedp.Click(chromedp.CSS("main button.main"))); err != nil {
		t.Fatal(err)
	}
	p.until("the owner is logged in", 20*time.Second, func() bool {
		in, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("isSecureContext && location.pathname === '/' && document.querySelector('.who')?.textContent === 'owner'"))
		return err == nil && in
	})
	if kept, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("performance.getEntriesByType('navigation')[0].nextHopProtocol === 'h2'")); err != nil || !kept {
		t.Errorf("not over HTTP/2: %v", err)
	}
	const live = "new Promise(done => { const e = new EventSource('/api/events'); e.onmessage = e.onopen = () => { e.close(); done(true) }; e.onerror = () => done(false) })"
	if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](live, chromedp.EvalAwaitPromise)); err != nil || !ok {
		t.Errorf("no live values: %v %v", ok, err)
	}
	const mqtt = "new Promise(done => { const w = new WebSocket('/mqtt', 'mqtt'); w.onopen = () => { w.close(); done(true) }; w.onerror = () => done(false) })"
	if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](mqtt, chromedp.EvalAwaitPromise)); err != nil || !ok {
		t.Errorf("no MQTT over websocket: %v %v", ok, err)
	}
	// The same browser trusts a thief of the card with the house alone.
	if err := chromedp.Do(ctx, chromedp.Navigate("https://hub.local:"+thief(t, data, "hub.local"))); err != nil {
		t.Errorf("what a thief signs for the house: %v", err) // or the next would show nothing
	}
	if err := chromedp.Do(ctx, chromedp.Navigate("https://bank.example:"+thief(t, data, "bank.example"))); err == nil || !strings.Contains(err.Error(), "ERR_CERT_INVALID") {
		t.Errorf("what a thief signs for a bank: %v", err)
	}
}
