package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"homehub/dsmr"
	"homehub/hub"
)

var quiet = slog.New(slog.DiscardHandler)

// writerFunc is an io.Writer made of a function.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// openRaw opens a pty whose slave neither echoes nor edits, as a serial port
// does not.
func openRaw(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, path, err := dsmr.OpenPTY()
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	slave, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}

// What the house shows goes through a pty and the hub's own parser, and comes
// out the same: every second, in order, nothing lost, at 600 seconds a second.
func TestMeterOnAPTYAtSpeed(t *testing.T) {
	t.Parallel()
	start := at(t, "2026-03-29T00:55:00Z") // the clock changes five minutes later
	master, slave := openRaw(t)
	h := newHouse(t, start)
	twin := newHouse(t, start)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Clock: hub.ScaledClock(start, 600), House: h, Logger: quiet, MeterOut: master})
	}()
	refused := 0
	reader := dsmr.NewReader(slave, dsmr.Config{Zone: amsterdam(t), Refused: func(dsmr.Refusal) { refused++ }})
	for n := 1; n <= 1200; n++ {
		telegram, err := reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		now := start.Add(time.Duration(n) * time.Second)
		got, want := telegram.Reading(now), twin.Reading(now)
		if got != want {
			t.Fatalf("telegram %d, got\n%+v, want\n%+v", n, got, want)
		}
	}
	if refused != 0 {
		t.Errorf("%d frames were refused", refused)
	}
	cancel()
	began := time.Now()
	if err := <-done; err != nil || time.Since(began) > endTime {
		t.Errorf("ended with %v after %v", err, time.Since(began))
	}
}

// Nobody opens the pty: the house goes on living, and Run still ends in time.
func TestMeterWithoutAReader(t *testing.T) {
	t.Parallel()
	start := at(t, "2026-03-29T00:55:00Z")
	master, _ := openRaw(t)
	h := newHouse(t, start)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	clock := hub.ScaledClock(start, 5000)
	go func() { done <- Run(ctx, Config{Clock: clock, House: h, Logger: quiet, MeterOut: master}) }()
	for h.Now().Before(start.Add(time.Hour)) {
		if clock.Sleep(ctx, time.Minute) != nil || clock.Now().After(start.Add(20*time.Hour)) {
			t.Fatalf("the house stands still at %s", h.Now())
		}
	}
	cancel()
	began := time.Now()
	if err := <-done; err != nil || time.Since(began) > endTime {
		t.Errorf("ended with %v after %v", err, time.Since(began))
	}
}

func TestMeterDropsWhatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var got bytes.Buffer
		m := NewMeter(writerFunc(func(p []byte) (int, error) {
			<-release
			return got.Write(p)
		}), time.UTC, 10)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		h := newHouse(t, start)
		show := func(from, to int) {
			for i := from; i <= to; i++ {
				m.Show(h.Reading(start.Add(time.Duration(i) * time.Second)))
			}
		}
		show(1, 1)
		synctest.Wait() // the first hangs in Write
		show(2, 14)     // ten wait, are dropped for the eleventh, three follow
		close(release)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		var seconds []int
		reader := dsmr.NewReader(&got, dsmr.Config{Zone: time.UTC})
		for {
			telegram, err := reader.Next()
			if err != nil {
				break
			}
			seconds = append(seconds, telegram.Reading(start).At.Second())
		}
		if len(seconds) != 4 || seconds[0] != 1 || seconds[1] != 12 || seconds[3] != 14 {
			t.Errorf("telegrams of the seconds %v, want 1, 12, 13, 14", seconds)
		}
		if written, dropped := m.Counts(); written != 4 || dropped != 10 {
			t.Errorf("written %d, dropped %d", written, dropped)
		}
	})
}

func TestMeterEndsWhenNobodyIsLeft(t *testing.T) {
	tests := []struct {
		name string
		err  error
		ends bool
	}{
		{"broken pipe", &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}, true},
		{"closed pipe", io.ErrClosedPipe, true},
		{"pty that hung up", &os.PathError{Op: "write", Path: "/dev/ptmx", Err: syscall.EIO}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewMeter(writerFunc(func([]byte) (int, error) { return 0, tt.err }), time.UTC, 10)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- m.Run(ctx) }()
				m.Show(hub.Reading{At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
				synctest.Wait()
				select {
				case err := <-done:
					if !tt.ends || !errors.Is(err, tt.err) {
						t.Errorf("ended with %v", err)
					}
				default:
					if _, dropped := m.Counts(); tt.ends || dropped != 1 {
						t.Errorf("goes on, dropped %d", dropped)
					}
					cancel()
					<-done
				}
			})
		})
	}
}

// A house that lost more than ten seconds goes on from now; one that lost less
// shows every second.
func TestDriverCatchesUpOrSkips(t *testing.T) {
	tests := []struct {
		name   string
		speed  int
		behind time.Duration // house time
		shown  int
	}{
		{"one second", 1, time.Second, 1},
		{"ten seconds", 1, 10 * time.Second, 10},
		{"eleven seconds", 1, 11 * time.Second, 0},
		{"ten seconds at speed 600", 600, 6000 * time.Second, 6000},
		{"more at speed 600", 600, 6001 * time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
				h := newHouse(t, start)
				m := NewMeter(io.Discard, time.UTC, 10_000)
				d := driver{house: h, clock: hub.ScaledClock(start, tt.speed), meter: m, logger: quiet}
				d.catchUp(t.Context(), start.Add(tt.behind))
				if len(m.queue) != tt.shown || !h.Now().Equal(start.Add(tt.behind)) {
					t.Errorf("%d telegrams up to %s", len(m.queue), h.Now())
				}
				if (d.skipped != 0) != (tt.shown == 0) {
					t.Errorf("%d skipped", d.skipped)
				}
				for i, r := range m.queue {
					if !r.At.Equal(start.Add(time.Duration(i+1) * time.Second)) {
						t.Fatalf("telegram %d is of %s", i, r.At)
					}
				}
			})
		})
	}
}

// One telegram a second on the second, and a record with every full minute.
func TestRunKeepsTimeAndTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC().Add(300 * time.Millisecond)
		h := newHouse(t, start)
		var mu sync.Mutex
		var late time.Duration
		var record bytes.Buffer
		n := 0
		out := writerFunc(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			n++
			late = max(late, time.Since(time.Now().Truncate(time.Second)))
			return len(p), nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		switchAt := start.Add(90 * time.Second).Truncate(time.Second)
		time.AfterFunc(90*time.Second, func() { h.tellPlug("in/ctrlmode", "On") })
		if err := Run(ctx, Config{House: h, Logger: quiet, MeterOut: out, Record: &record}); err != nil {
			t.Fatal(err)
		}
		if n < 178 || n > 180 || late > 20*time.Millisecond {
			t.Errorf("%d telegrams in 180 s, at most %v late", n, late)
		}
		checkRecord(t, record.Bytes(), h, switchAt)
	})
}

// hanging is a file whose writes hang until a deadline is set, if it knows
// them.
type hanging struct{ free chan struct{} }

func (h hanging) Write([]byte) (int, error) { <-h.free; return 0, os.ErrDeadlineExceeded }

type hangingWithDeadline struct{ hanging }

func (h hangingWithDeadline) SetWriteDeadline(time.Time) error { close(h.free); return nil }

// The meter ends although a write hangs: at once where the file knows
// deadlines, and else by leaving the write behind.
func TestMeterEndsWhileAWriteHangs(t *testing.T) {
	tests := []struct {
		name     string
		deadline bool
		takes    time.Duration
	}{
		{"with deadlines", true, 0},
		{"without", false, 300 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := hanging{make(chan struct{})}
				var out io.Writer = file
				if tt.deadline {
					out = hangingWithDeadline{file}
				} else {
					defer close(file.free)
				}
				m := NewMeter(out, time.UTC, 10)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- m.Run(ctx) }()
				m.Show(hub.Reading{At: time.Now()})
				synctest.Wait()
				began := time.Now()
				cancel()
				if err := <-done; err != nil || time.Since(began) != tt.takes {
					t.Errorf("ended with %v after %v, want after %v", err, time.Since(began), tt.takes)
				}
			})
		})
	}
}
