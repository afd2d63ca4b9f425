package webui_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// event is one server-sent event, or a comment.
type event struct {
	id, name, data string
	at             time.Duration // since the stream began
}

// sink takes a stream like a browser that reads everything at once.
type sink struct {
	mu     sync.Mutex
	start  time.Time
	header http.Header
	status int
	events []event
	done   bool
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) Flush()              {}
func (s *sink) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// Write takes one frame: the server writes each whole.
func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := event{at: time.Since(s.start)}
	for line := range strings.SplitSeq(string(b), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case ":":
			e.name = "comment"
		}
	}
	s.events = append(s.events, e)
	return len(b), nil
}

func (s *sink) names() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, e := range s.events {
		names = append(names, e.name)
	}
	return strings.Join(names, " ")
}

func (s *sink) all(name string) []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []event
	for _, e := range s.events {
		if e.name == name {
			list = append(list, e)
		}
	}
	return list
}

func (s *sink) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// stream opens the event stream inside a synctest bubble.
func (h *house) stream(ctx context.Context, cookie *http.Cookie, headers ...string) *sink {
	return h.streamOf(ctx, "/api/events", cookie, headers...)
}

func (h *house) streamOf(ctx context.Context, path string, cookie *http.Cookie, headers ...string) *sink {
	r := httptest.NewRequest("GET", "http://hub.local"+path, nil).WithContext(ctx)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "addr" {
			r.RemoteAddr = headers[i+1]
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	s := &sink{start: time.Now(), header: http.Header{}, status: 200}
	go func() {
		h.server.Handler().ServeHTTP(s, r)
		s.mu.Lock()
		s.done = true
		s.mu.Unlock()
	}()
	synctest.Wait()
	return s
}

func inBubble(t *testing.T, f func(t *testing.T, h *house, ctx context.Context)) {
	t.Helper()
	passwordHash() // outside: it is kept for all tests
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f(t, newHouseOffline(t), ctx)
		cancel()
		synctest.Wait()
	})
}

func TestStreamBeginsWithTheState(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		h.furnish()
		s := h.stream(ctx, nil)
		if got := s.names(); got != "hello live device device device device plan" {
			t.Fatalf("it begins with %s", got)
		}
		for _, e := range s.events {
			if e.at != 0 {
				t.Errorf("%s waits %v", e.name, e.at)
			}
		}
		if hello := s.all("hello")[0]; !strings.Contains(hello.data, `"version":"test-1"`) {
			t.Errorf("hello says %s", hello.data)
		}
		live := s.all("live")[0]
		if want := fmt.Sprint(h.hub.Snapshot().Seq); live.id != want || !strings.Contains(live.data, `"import_w":432`) {
			t.Errorf("live has id %s, want %s: %s", live.id, want, live.data)
		}
		if s.header.Get("Content-Type") != "text/event-stream" || s.header.Get("Content-Encoding") != "" {
			t.Errorf("headers: %v", s.header)
		}
	})
}

// At most one frame per 50 ms, the latest wins, and the first waits for
// nothing.
func TestStreamThrottles(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		s := h.stream(ctx, nil)
		<-time.After(time.Second)
		for i := range 100 { // one reading each 5 ms, for half a second
			h.read(hub.Watt(i), 0)
			synctest.Wait()
			if i == 0 {
				if live := s.all("live"); len(live) != 2 || live[1].at != time.Second {
					t.Fatalf("the first reading waits: %+v", live)
				}
			}
			<-time.After(5 * time.Millisecond)
		}
		<-time.After(time.Second)
		live := s.all("live")
		for i := 2; i < len(live); i++ {
			if gap := live[i].at - live[i-1].at; gap < 50*time.Millisecond {
				t.Errorf("frame %d comes %v after the last", i, gap)
			}
		}
		if n := len(live) - 1; n < 9 || n > 11 {
			t.Errorf("100 readings in 500 ms give %d frames", n)
		}
		if last := live[len(live)-1]; !strings.Contains(last.data, `"import_w":99`) {
			t.Errorf("the last frame is not the last reading: %s", last.data)
		}
	})
}

func TestStreamSendsWhatChanged(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		h.furnish()
		s := h.stream(ctx, nil)
		step := func(what, want string) {
			t.Helper()
			<-time.After(time.Second)
			synctest.Wait()
			s.mu.Lock()
			s.events = nil
			s.mu.Unlock()
			switch what {
			case "device":
				h.report(hub.Report{Device: "car", Has: hub.ReportPower, Power: 7})
			case "removed":
				if err := h.hub.DeleteDevice(ctx, "boiler"); err != nil {
					t.Fatal(err)
				}
			case "plan":
				h.hub.SetPlan(h.plan())
			case "reading":
				h.read(1, 0)
			}
			synctest.Wait()
			if got := s.names(); got != want {
				t.Errorf("after a %s comes %q, want %q", what, got, want)
			}
		}
		step("reading", "live")
		step("device", "live device")
		if d := s.all("device")[0]; !strings.Contains(d.data, `"id":"car"`) || !strings.Contains(d.data, `"power_w":7`) {
			t.Errorf("the device is %s", d.data)
		}
		step("removed", "live device")
		if d := s.all("device")[0]; d.data != `{"id":"boiler","removed":true}` {
			t.Errorf("the removed device is %s", d.data)
		}
		step("plan", "live plan")
		step("nothing", "")
	})
}

func TestStreamResumes(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		h.furnish()
		id := fmt.Sprint(h.hub.Snapshot().Seq)
		if s := h.stream(ctx, nil, "Last-Event-ID", id); s.names() != "hello" {
			t.Errorf("with nothing new: %s", s.names())
		} else {
			h.read(5, 0)
			synctest.Wait()
			if s.names() != "hello live" {
				t.Errorf("and then: %s", s.names())
			}
		}
		if s := h.stream(ctx, nil, "Last-Event-ID", id); s.names() != "hello live device device device device plan" {
			t.Errorf("with something new: %s", s.names())
		}
		if s := h.stream(ctx, nil, "Last-Event-ID", "999999"); !strings.HasPrefix(s.names(), "hello live") {
			t.Errorf("with an id of before a restart: %s", s.names())
		}
	})
}

func TestStreamHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		s := h.stream(ctx, nil)
		<-time.After(46 * time.Second)
		beats := s.all("comment")
		if len(beats) != 3 || beats[0].at != 15*time.Second {
			t.Errorf("in 46 s: %+v", beats)
		}
	})
}

func TestStreamLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		var mine []*sink
		for range 4 {
			mine = append(mine, h.stream(ctx, nil))
		}
		if !mine[0].ended() || !strings.HasSuffix(mine[0].names(), "bye") {
			t.Errorf("the oldest of four: ended %v after %s", mine[0].ended(), mine[0].names())
		}
		for i, s := range mine[1:] {
			if s.ended() {
				t.Errorf("stream %d ended", i+1)
			}
		}
		// Somebody logged in at the same address is somebody else.
		if s := h.stream(ctx, h.logInOffline()); s.ended() || mine[1].ended() {
			t.Error("a log-in counts as its address")
		}
		for i := range 60 {
			if s := h.stream(ctx, nil, "addr", fmt.Sprintf("10.0.0.%d:1", i+1)); s.ended() {
				t.Fatalf("stream %d of all ended: %d", i+5, s.status)
			}
		}
		if s := h.stream(ctx, nil, "addr", "10.0.1.1:1"); !s.ended() || s.status != 503 {
			t.Errorf("stream 65: ended %v with %d", s.ended(), s.status)
		}
		if s := h.stream(ctx, nil); s.ended() || !mine[1].ended() {
			t.Error("at the limit, a viewer's own fourth does not take its oldest's place")
		}
	})
}

func TestStreamEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(h *house, cookie *http.Cookie, cancel func())
		bye  bool
	}{
		{"the server closes", func(h *house, _ *http.Cookie, _ func()) { h.server.Close() }, true},
		{"the browser goes", func(_ *house, _ *http.Cookie, cancel func()) { cancel() }, false},
		{"log-out", func(h *house, c *http.Cookie, _ func()) { h.offline("POST", "/api/logout", "", c) }, true},
		{"a new password", func(h *house, c *http.Cookie, _ func()) {
			if w := h.offline("POST", "/more/password", "old=correct+horse&new=battery+staple", c); w.Code != 303 {
				h.t.Errorf("changing the password: %d", w.Code)
			}
		}, true},
		{"nobody uses the log-in", func(*house, *http.Cookie, func()) { <-time.After(time.Hour + 16*time.Second) }, true},
		{"another password", func(h *house, _ *http.Cookie, _ func()) {
			_ = h.users.PutUser(webui.User{Name: "owner", Role: webui.Owner, PasswordHash: "$"})
			<-time.After(16 * time.Second)
		}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
				cookie := h.logInOffline()
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				s := h.stream(ctx, cookie)
				<-time.After(20 * time.Second)
				if s.ended() {
					t.Fatal("it ended by itself")
				}
				test.end(h, cookie, cancel)
				synctest.Wait()
				if !s.ended() || strings.HasSuffix(s.names(), "bye") != test.bye {
					t.Errorf("ended %v after %s", s.ended(), s.names())
				}
			})
		})
	}
	inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
		h.server.Close()
		if s := h.stream(ctx, nil); s.status != 503 || !s.ended() {
			t.Errorf("after Close: %d", s.status)
		}
	})
}

// A telegram reaches a browser over TCP at once.
func TestStreamOverTCP(t *testing.T) {
	h := newHouse(t)
	res := h.browser().send("GET", "/api/events", "")
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func(name string) string {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == "event: "+name {
				lines.Scan()
				return strings.TrimPrefix(lines.Text(), "data: ")
			}
		}
		t.Fatalf("no %s: %v", name, lines.Err())
		return ""
	}
	next("live")
	for i := range 20 {
		began := time.Now()
		h.read(hub.Watt(1000+i), 0)
		var live struct {
			ImportW int `json:"import_w"`
		}
		if err := json.Unmarshal([]byte(next("live")), &live); err != nil || live.ImportW != 1000+i {
			t.Fatalf("%+v, %v", live, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	}
	h.server.Close()
	if next("bye") != "{}" {
		t.Error("no bye")
	}
	if lines.Scan(); lines.Scan() {
		t.Errorf("after bye comes %q", lines.Text())
	}
}

// pipes is a listener for connections in memory.
type pipes chan net.Conn

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return addr("pipe") }
func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p <- there
	return here, nil
}

// A stream in which little happens lasts, over HTTP/1.1 and over HTTP/2, whose
// deadlines are of another kind.
func TestStreamLasts(t *testing.T) {
	for _, proto := range []int{1, 2} {
		inBubble(t, func(t *testing.T, h *house, ctx context.Context) {
			var speak http.Protocols
			speak.SetHTTP1(proto == 1)
			speak.SetUnencryptedHTTP2(proto == 2)
			l := make(pipes)
			server := &http.Server{Handler: h.server.Handler(), Protocols: &speak, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
			go server.Serve(l)
			transport := &http.Transport{Protocols: &speak, DialContext: l.dial}
			defer func() { server.Close(); transport.CloseIdleConnections() }()
			req, err := http.NewRequestWithContext(ctx, "GET", "http://hub.local/api/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			began, beats := time.Now(), 0
			for lines := bufio.NewScanner(res.Body); time.Since(began) < 10*time.Minute && lines.Scan(); {
				if lines.Text() == ":" {
					beats++
				}
			}
			if res.ProtoMajor != proto || beats != 40 {
				t.Errorf("over %s it lasts %v, with %d heartbeats", res.Proto, time.Since(began), beats)
			}
		})
	}
}

// A browser that takes nothing must not hold its stream for ever, nor anybody
// else.
func TestStreamOfASleeper(t *testing.T) {
	h := newHouse(t)
	ended := make(chan struct{})
	slow := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.server.Handler().ServeHTTP(&stuck{w}, r)
		close(ended)
	}))
	slow.Start()
	defer slow.Close()
	res, err := http.Get(slow.URL + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	h.read(1, 0)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the stream of a browser that takes nothing goes on")
	}
}

// stuck is a connection whose other side takes nothing: the deadline ends the
// write.
type stuck struct{ http.ResponseWriter }

func (s *stuck) Unwrap() http.ResponseWriter { return s.ResponseWriter }
func (s *stuck) Write(b []byte) (int, error) {
	if strings.Contains(string(b), `"import_w":1,`) {
		return 0, context.DeadlineExceeded
	}
	return s.ResponseWriter.Write(b)
}
