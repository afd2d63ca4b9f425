package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// waitTime is how long a test waits for what has to happen, however busy the
// machine is. It says nothing about how fast the hub is.
const waitTime = 90 * time.Second

// builtBinary builds homehub once per test run.
var builtBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "homehub-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "homehub")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building homehub: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	beHub()
	nextPort.Store(10_000 + int32(os.Getpid()%2_000)*10) // others may test at the same time
	code := m.Run()
	stopChromium()
	if path, err := builtBinary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// nextPort is the port that freeAddress looks at next. TestMain sets it.
var nextPort atomic.Int32

// freeAddress is a loopback address that nobody listens on. It is below the
// ports that the kernel gives to whoever asks for any (32768 and up), and given
// once: so it is still free when the hub that it is for has started.
func freeAddress(t *testing.T) string {
	t.Helper()
	for port := nextPort.Add(1); port < 32_768; port = nextPort.Add(1) {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// process is a homehub of its own that a test talks to as its users do.
type process struct {
	t             *testing.T
	cmd           *exec.Cmd
	url, mqtt     string
	secure, https string // addresses of MQTT over TLS and of HTTPS
	http          *http.Client
	done          chan error
	mu            sync.Mutex
	log           bytes.Buffer
}

// launch starts homehub with args; {web} and {mqtt} in them become free
// addresses.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := prepare(t, args...)
	p.start()
	return p
}

func prepare(t *testing.T, args ...string) *process {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	web, mqtt := freeAddress(t), freeAddress(t)
	args = append([]string(nil), args...)
	for i := range args {
		args[i] = strings.NewReplacer("{web}", web, "{mqtt}", mqtt).Replace(args[i])
	}
	jar, _ := cookiejar.New(nil)
	p := &process{t: t, url: "http://" + web, mqtt: mqtt, http: &http.Client{Jar: jar, Timeout: waitTime}, done: make(chan error, 1)}
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = append(os.Environ(), "HOMEHUB_DEMO_PASSWORD=correct horse")
	return p
}

func (p *process) start() {
	p.t.Helper()
	for _, pipe := range []func() (io.ReadCloser, error){p.cmd.StdoutPipe, p.cmd.StderrPipe} {
		r, err := pipe()
		if err != nil {
			p.t.Fatal(err)
		}
		go func() {
			for s := bufio.NewScanner(r); s.Scan(); {
				p.mu.Lock()
				p.log.WriteString(s.Text() + "\n")
				p.mu.Unlock()
			}
		}()
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait(); close(p.done) }()
	p.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if p.t.Failed() {
			p.t.Logf("homehub said:\n%s", p.said())
		}
	})
	p.until("the pages are served", waitTime, func() bool {
		r, err := p.http.Get(p.url + "/healthz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return true
	})
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// stopTime is what a hub may take to end when the machine has other things to
// do; alone it is some tenths of a second.
const stopTime = 15 * time.Second

// stop ends the hub as systemd does.
func (p *process) stop() {
	p.t.Helper()
	begun := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("SIGTERM: %v", err)
		}
	case <-time.After(waitTime * patience):
		p.t.Fatal("still there long after SIGTERM")
	}
	if took := time.Since(begun); took > stopTime*patience {
		p.t.Errorf("SIGTERM took %v, want at most %v", took, stopTime*patience)
	}
}

// until waits for something that happens in another process, for limit on a
// quiet machine.
func (p *process) until(what string, limit time.Duration, ok func() bool) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit * patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			p.t.Fatalf("not within %v: %s\n%s", limit*patience, what, p.said())
		}
	}
}

// get decodes the JSON of a path and returns the status code.
func (p *process) get(path string, v any) int {
	p.t.Helper()
	r, err := p.http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		p.t.Fatalf("%s: %v", path, err)
	}
	return r.StatusCode
}

// send calls the API with a JSON body and returns status and answer.
func (p *process) send(method, path string, body any) (int, string) {
	p.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, p.url+path, bytes.NewReader(raw))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", p.url)
	r, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	out, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(out)
}

func (p *process) login() {
	p.t.Helper()
	if code, out := p.send("POST", "/api/login", map[string]string{"user": "owner", "password": "correct horse"}); code >= 300 {
		p.t.Fatalf("log-in: %d %s", code, out)
	}
}

type live struct {
	Now       time.Time
	At        time.Time
	AgeS      float64 `json:"age_s"`
	Stale     bool
	ImportW   int  `json:"import_w"`
	ExportW   int  `json:"export_w"`
	SolarW    *int `json:"solar_w"`
	Registers map[string]int64
	Durable   *time.Time `json:"durable_until"`
}

func (p *process) live() (l live) {
	p.t.Helper()
	p.get("/api/live", &l)
	return l
}

// condition is how a part is, by /healthz, and why.
func (p *process) condition(name string) (condition, reason string) {
	p.t.Helper()
	var h struct {
		Parts []struct{ Name, Condition, Reason string }
	}
	p.get("/healthz", &h)
	for _, part := range h.Parts {
		if part.Name == name {
			return part.Condition, part.Reason
		}
	}
	return "", ""
}

// points are the values of a feed by second; gaps are left out.
func (p *process) points(feed, query string) map[int64]float64 {
	p.t.Helper()
	var out struct{ Points [][2]*float64 }
	if code := p.get("/api/feeds/"+feed+"/points?"+query, &out); code != http.StatusOK {
		p.t.Fatalf("points of %s: status %d", feed, code)
	}
	points := map[int64]float64{}
	for _, pair := range out.Points {
		if pair[1] != nil {
			points[int64(*pair[0])] = *pair[1]
		}
	}
	return points
}

func readAll(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
