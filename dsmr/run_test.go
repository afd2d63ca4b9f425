package dsmr_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"homehub/dsmr"
	"homehub/hub"
)

// telegramAt is a telegram of a given time, import and standard.
func telegramAt(s dsmr.Standard, at time.Time, w hub.Watt) []byte {
	return dsmr.Encode(nil, dsmr.Encoding{Standard: s, Reading: hub.Reading{At: at, Import: w}, EquipmentID: "E1"})
}

// journal is what Run told, in order.
type journal struct {
	mu         sync.Mutex
	readings   []hub.Reading
	conditions []string
	observed   chan hub.Reading
}

func newJournal() *journal { return &journal{observed: make(chan hub.Reading, 1000)} }

func (j *journal) observe(r hub.Reading) {
	j.mu.Lock()
	j.readings = append(j.readings, r)
	j.mu.Unlock()
	select {
	case j.observed <- r:
	default:
	}
}

func (j *journal) condition(c hub.Condition, reason string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.conditions = append(j.conditions, string(c)+": "+reason)
}

func (j *journal) told() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.conditions)
}

func (j *journal) last() string {
	all := j.told()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

func (j *journal) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.readings)
}

// script is a port that is opened again and again: open says what each
// opening gives.
type script struct {
	opened []time.Time
	open   func(n int) (io.ReadCloser, error)
}

func (s *script) Open(context.Context) (io.ReadCloser, error) {
	s.opened = append(s.opened, time.Now())
	return s.open(len(s.opened))
}

func runInBubble(t *testing.T, ctx context.Context, cfg dsmr.RunConfig, j *journal) {
	t.Helper()
	cfg.Observe, cfg.Condition = j.observe, j.condition
	go func() {
		if err := dsmr.Run(ctx, cfg); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
}

func TestRunBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &script{open: func(int) (io.ReadCloser, error) { return nil, errors.New("nobody there") }}
		j := newJournal()
		runInBubble(t, ctx, dsmr.RunConfig{Open: s.Open}, j)
		pass(5 * time.Minute)
		synctest.Wait()
		cancel()
		synctest.Wait()
		var gaps []time.Duration
		for i := 1; i < len(s.opened); i++ {
			gaps = append(gaps, s.opened[i].Sub(s.opened[i-1])/time.Second)
		}
		if want := []time.Duration{1, 2, 4, 8, 16, 30, 30, 30}; !slices.Equal(gaps[:len(want)], want) {
			t.Errorf("pauses are %d s, want %d", gaps, want)
		}
		if got := j.told(); len(got) != 1 || !strings.HasPrefix(got[0], "down: can not open") {
			t.Errorf("conditions are %q: want one, not one per try", got)
		}
	})
}

func TestRunBackoffStartsAnewAfterATelegram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		s := &script{open: func(n int) (io.ReadCloser, error) {
			if n%4 != 0 {
				return nil, errors.New("nobody there")
			}
			return io.NopCloser(bytes.NewReader(telegramAt(dsmr.DSMR50, start, 1))), nil
		}}
		runInBubble(t, ctx, dsmr.RunConfig{Open: s.Open}, newJournal())
		pass(time.Minute)
		cancel()
		synctest.Wait()
		want := []time.Duration{1, 2, 4, 1, 2, 4, 8, 1}
		if len(s.opened) <= len(want) {
			t.Fatalf("opened at %v", s.opened)
		}
		for i, want := range want {
			if got := s.opened[i+1].Sub(s.opened[i]) / time.Second; got != want {
				t.Errorf("pause %d is %d s, want %d", i, got, want)
			}
		}
	})
}

// TestRunReportsSilence has a meter that sends every 1 or every 10 s and falls
// silent.
func TestRunReportsSilence(t *testing.T) {
	for _, tt := range []struct {
		name     string
		interval time.Duration
		silence  time.Duration // until it is reported
	}{
		{"every second", time.Second, 10 * time.Second},
		{"every ten seconds", 10 * time.Second, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var meter *io.PipeWriter
				s := &script{open: func(int) (io.ReadCloser, error) {
					r, w := io.Pipe()
					meter = w
					return r, nil
				}}
				j := newJournal()
				runInBubble(t, ctx, dsmr.RunConfig{Open: s.Open, Config: dsmr.Config{Zone: time.UTC}}, j)
				synctest.Wait()
				for range 5 {
					pass(tt.interval)
					if _, err := meter.Write(telegramAt(dsmr.DSMR50, time.Now(), 1)); err != nil {
						t.Fatal(err)
					}
				}
				last := time.Now()
				pass(tt.silence - time.Millisecond)
				synctest.Wait()
				if got := j.last(); got != "ok: " {
					t.Errorf("before its time: %q", got)
				}
				pass(2 * time.Millisecond)
				synctest.Wait()
				want := "down: no telegram since " + last.UTC().Format("15:04:05")
				if got := j.last(); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if len(s.opened) != 2 {
					t.Errorf("opened %d times, want 2: a port that hangs may be healed by opening it anew", len(s.opened))
				}
				// It speaks again.
				if _, err := meter.Write(telegramAt(dsmr.DSMR50, time.Now(), 1)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := j.last(); got != "ok: " {
					t.Errorf("after it came back: %q", got)
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

func TestRunSaysWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		bad := bytes.Replace(telegramAt(dsmr.DSMR50, time.Now(), 1), []byte("1-0:1.8.1"), []byte("1-0:1.8.7"), 1)
		s := &script{open: func(int) (io.ReadCloser, error) {
			r, w := io.Pipe()
			go func() { _, _ = w.Write(bad) }()
			return r, nil
		}}
		j := newJournal()
		runInBubble(t, ctx, dsmr.RunConfig{Open: s.Open}, j)
		pass(31 * time.Second)
		synctest.Wait()
		if got := j.last(); !strings.Contains(got, "refused, checksum does not match") {
			t.Errorf("condition is %q", got)
		}
		cancel()
		synctest.Wait()
		if j.count() != 0 {
			t.Errorf("%d readings", j.count())
		}
	})
}

// TestRunLenientDoesNotCountWithDamage: what a lenient reader shows in spite of
// a wrong checksum is no reading.
func TestRunLenientDoesNotCountWithDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		good := telegramAt(dsmr.DSMR50, time.Now(), 1)
		bad := bytes.Replace(good, []byte("1-0:1.8.1"), []byte("1-0:1.8.7"), 1)
		bare := append(slices.Clone(good[:len(good)-6]), "\r\n"...) // a gateway took the checksum away
		torn := bytes.Replace(bare, []byte("1-0:1.8.1(0"), []byte("1-0:1.8.1("), 1)
		s := &script{open: func(n int) (io.ReadCloser, error) {
			if n > 1 {
				return nil, errors.New("that was all")
			}
			return io.NopCloser(bytes.NewReader(slices.Concat(bad, bare, torn, good))), nil
		}}
		j := newJournal()
		runInBubble(t, ctx, dsmr.RunConfig{Open: s.Open, Config: dsmr.Config{Lenient: true}}, j)
		pass(time.Second / 2)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if j.count() != 2 {
			t.Errorf("%d readings, want 2", j.count())
		}
	})
}

// TestRunHouseTime: readings carry the time of the house, also in a house that
// lives fast.
func TestRunHouseTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		house := time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)
		clock := hub.ScaledClock(house, 600)
		r, w := io.Pipe()
		s := &script{open: func(int) (io.ReadCloser, error) { return r, nil }}
		j := newJournal()
		runInBubble(t, ctx, dsmr.RunConfig{Open: s.Open, Clock: clock}, j)
		pass(time.Second)
		for _, standard := range []dsmr.Standard{dsmr.DSMR22, dsmr.DSMR50} {
			if _, err := w.Write(telegramAt(standard, house.Add(time.Hour), 7)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		want := house.Add(10 * time.Minute)
		if got := j.readings[0]; !got.Received.Equal(want) || !got.At.Equal(want) {
			t.Errorf("meter without clock: at %v, received %v, want %v", got.At, got.Received, want)
		}
		if got := j.readings[1]; !got.Received.Equal(want) || !got.At.Equal(house.Add(time.Hour)) {
			t.Errorf("meter with clock: at %v, received %v", got.At, got.Received)
		}
	})
}

func TestRunRefusesWrongConfigurations(t *testing.T) {
	observe := func(hub.Reading) {}
	for _, tt := range []struct {
		name string
		cfg  dsmr.RunConfig
		want string
	}{
		{"no address", dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.TCP}, Observe: observe}, "address"},
		{"kind", dsmr.RunConfig{Source: dsmr.Source{Kind: "radio", Address: "x"}, Observe: observe}, "kind"},
		{"url", dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.HTTP, Address: "192.168.1.1"}, Observe: observe}, "address"},
		{"key", dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.TCP, Address: "x"}, Config: dsmr.Config{Key: []byte("short")}, Observe: observe}, "key"},
		{"observe", dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.TCP, Address: "x"}}, "Observe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := dsmr.Run(t.Context(), tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error about %s", err, tt.want)
			}
		})
	}
}

// runUntil runs cfg until n readings came, and returns what was told.
func runUntil(t *testing.T, cfg dsmr.RunConfig, n int) *journal {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	j := newJournal()
	cfg.Condition = j.condition
	cfg.Observe = func(r hub.Reading) {
		j.observe(r)
		if j.count() == n {
			cancel()
		}
	}
	if err := dsmr.Run(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	if j.count() < n {
		t.Fatalf("%d readings, want %d; told %q", j.count(), n, j.told())
	}
	return j
}

func TestRunTCP(t *testing.T) {
	gateway, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = gateway.Close() }()
	go func() {
		for n := 0; ; n++ { // one telegram per connection, cut off in the second
			conn, err := gateway.Accept()
			if err != nil {
				return
			}
			b := telegramAt(dsmr.DSMR50, time.Now(), hub.Watt(n))
			_, _ = conn.Write(b)
			_, _ = conn.Write(b[:100])
			_ = conn.Close()
		}
	}()
	j := runUntil(t, dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.TCP, Address: gateway.Addr().String()}}, 2)
	for i, r := range j.readings {
		if r.Import != hub.Watt(i) {
			t.Errorf("reading %d is of %d W", i, r.Import)
		}
	}
	if told := strings.Join(j.told(), "\n"); !strings.Contains(told, "closed the connection") {
		t.Errorf("told:\n%s", told)
	}
}

// TestRunHTTP has a gateway in the manner of HomeWizard: line ends without
// carriage returns, one answer twice, one failure, a token.
func TestRunHTTP(t *testing.T) {
	var asked int
	gateway := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		asked++
		if asked == 3 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		b := telegramAt(dsmr.DSMR50, time.Unix(1_750_000_000, 0), hub.Watt(asked/2))
		_, _ = w.Write(bytes.ReplaceAll(b, []byte("\r"), nil))
	}))
	defer gateway.Close()
	source := dsmr.Source{Kind: dsmr.HTTP, Address: gateway.URL, Token: "sesame", Insecure: true, Every: 5 * time.Millisecond}
	j := runUntil(t, dsmr.RunConfig{Source: source}, 3)
	// The answers are 0, 1, failure, 2, 2, 3.
	for i, want := range []hub.Watt{0, 1, 2} {
		if got := j.readings[i].Import; got != want {
			t.Errorf("reading %d is of %d W, want %d", i, got, want)
		}
	}
	if told := strings.Join(j.told(), "\n"); !strings.Contains(told, "500") {
		t.Errorf("told:\n%s", told)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	source.Token = "wrong"
	refused := newJournal()
	_ = dsmr.Run(ctx, dsmr.RunConfig{Source: source, Observe: refused.observe, Condition: func(c hub.Condition, reason string) {
		refused.condition(c, reason)
		if c == hub.Down {
			cancel()
		}
	}})
	if got := refused.last(); !strings.Contains(got, "wants a valid token") {
		t.Errorf("with a wrong token: %q", got)
	}
}

func TestRunReplay(t *testing.T) {
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	var day []byte
	for i := range 10 {
		day = append(day, telegramAt(dsmr.DSMR50, start.Add(time.Duration(i)*time.Second), hub.Watt(i))...)
	}
	name := filepath.Join(t.TempDir(), "day.txt")
	if err := os.WriteFile(name, day, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		speed int
		want  time.Duration
	}{{0, 0}, {1, 9 * time.Second}, {3, 3 * time.Second}} {
		t.Run(fmt.Sprint(tt.speed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, began := newJournal(), time.Now()
				err := dsmr.Run(t.Context(), dsmr.RunConfig{
					Source: dsmr.Source{Kind: dsmr.Replay, Address: name, Speed: tt.speed}, Observe: j.observe,
				})
				if err != nil || j.count() != 10 {
					t.Fatalf("%v, %d readings", err, j.count())
				}
				if got := time.Since(began); got != tt.want {
					t.Errorf("took %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestReplayOfADay is a day at one telegram per second through the whole path.
func TestReplayOfADay(t *testing.T) {
	r := anyReading(rand.New(rand.NewPCG(3, 3)))
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	const hour = 3600
	var day []byte
	for i := range hour { // the same hour, 24 times
		r.At = start.Add(time.Duration(i) * time.Second)
		day = dsmr.Encode(day, dsmr.Encoding{Standard: dsmr.DSMR50, Reading: r, EquipmentID: "E1", GasID: "G1", Zone: time.UTC})
	}
	hours := 24
	if underRace {
		hours = 1
	}
	day = bytes.Repeat(day, hours)
	name := filepath.Join(t.TempDir(), "day.txt")
	if err := os.WriteFile(name, day, 0o600); err != nil {
		t.Fatal(err)
	}
	began, n := time.Now(), 0
	err := dsmr.Run(t.Context(), dsmr.RunConfig{
		Config: dsmr.Config{Zone: time.UTC},
		Source: dsmr.Source{Kind: dsmr.Replay, Address: name},
		Observe: func(r hub.Reading) {
			if !r.At.Equal(start.Add(time.Duration(n%hour) * time.Second)) {
				t.Fatalf("reading %d is of %v", n, r.At)
			}
			n++
		},
	})
	if err != nil || n != hours*hour {
		t.Fatalf("%v, %d readings", err, n)
	}
	t.Logf("%d telegrams, %d MB in %v", n, len(day)>>20, time.Since(began).Round(time.Millisecond))
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }
