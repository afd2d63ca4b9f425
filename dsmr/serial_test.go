package dsmr_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"homehub/dsmr"
	"homehub/hub"
)

// cable is a pseudo-terminal under a name that stays, as udev's by-id links do.
type cable struct {
	t      *testing.T
	path   string
	master *os.File
}

func newCable(t *testing.T) *cable {
	c := &cable{t: t, path: filepath.Join(t.TempDir(), "usb-meter")}
	t.Cleanup(c.unplug)
	return c
}

func (c *cable) plug() {
	c.t.Helper()
	master, slave, err := dsmr.OpenPTY()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.Symlink(slave, c.path); err != nil {
		c.t.Fatal(err)
	}
	c.master = master
}

func (c *cable) unplug() {
	if c.master != nil {
		_ = os.Remove(c.path)
		_ = c.master.Close()
		c.master = nil
	}
}

func (c *cable) send(b []byte) {
	c.t.Helper()
	if err := c.master.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.master.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// next waits for a reading.
func (j *journal) next(t *testing.T, within time.Duration) hub.Reading {
	t.Helper()
	select {
	case r := <-j.observed:
		return r
	case <-time.After(within):
		t.Fatalf("no reading within %v; told %q", within, j.told())
		return hub.Reading{}
	}
}

// start runs cfg until the test ends and returns what stops it.
func start(t *testing.T, cfg dsmr.RunConfig, j *journal) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	cfg.Observe, cfg.Condition = j.observe, j.condition
	go func() { done <- dsmr.Run(ctx, cfg) }()
	stop = func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Run does not end with its context")
		}
		done <- nil
	}
	t.Cleanup(stop)
	return stop
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// cpuTime is what this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestSerialReplug pulls the cable and plugs it in again. HOMEHUB_REPLUGS sets
// how often.
func TestSerialReplug(t *testing.T) {
	cycles := 12
	if n, err := strconv.Atoi(os.Getenv("HOMEHUB_REPLUGS")); err == nil {
		cycles = n
	}
	c, j := newCable(t), newJournal()
	stop := start(t, dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.Serial, Address: c.path, Baud: 115200}}, j)
	waitFor(t, func() bool { return strings.Contains(j.last(), "plugged in? retrying") })
	var files, routines int
	var slowest time.Duration
	for i := range cycles {
		c.plug()
		plugged := time.Now()
		// A meter that sends every 50 ms, so that the interval hides nothing.
		for len(j.observed) == 0 {
			c.send(telegramAt(dsmr.DSMR50, time.Now(), hub.Watt(i)))
			<-time.After(50 * time.Millisecond)
			if time.Since(plugged) > 5*time.Second {
				t.Fatalf("cycle %d: nothing came; told %q", i, j.told())
			}
		}
		slowest = max(slowest, time.Since(plugged))
		for len(j.observed) > 0 {
			if r := <-j.observed; int(r.Import) != i {
				t.Fatalf("cycle %d: reading of %d W", i, r.Import)
			}
		}
		if i == 1 {
			files, routines = openFiles(t), runtime.NumGoroutine()
		}
		c.unplug()
		waitFor(t, func() bool { return strings.HasPrefix(j.last(), "down: no serial device") })
		for len(j.observed) > 0 {
			<-j.observed
		}
	}
	if slowest > 1500*time.Millisecond {
		t.Errorf("the slowest return took %v until its first telegram", slowest)
	}
	began, used := time.Now(), cpuTime(t)
	<-time.After(500 * time.Millisecond)
	share := float64(cpuTime(t)-used) / float64(time.Since(began))
	if share > 0.01 {
		t.Errorf("%.2f %% CPU while the device is gone", 100*share)
	}
	c.plug()
	c.send(telegramAt(dsmr.DSMR50, time.Now(), 1))
	j.next(t, 3*time.Second)
	if got := openFiles(t); got != files {
		t.Errorf("%d open files, %d at first", got, files)
	}
	if got := runtime.NumGoroutine(); got > routines {
		t.Errorf("%d goroutines, %d at first", got, routines)
	}
	t.Logf("%d cycles, slowest return %v, %.3f %% CPU while gone", cycles, slowest.Round(time.Millisecond), 100*share)
	stop()
}

// waitFor waits until ok, or fails the test.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not come to pass within 10 s")
		}
	}
}

// TestSerialLatency measures from the last byte written to the reading.
func TestSerialLatency(t *testing.T) {
	c, j := newCable(t), newJournal()
	c.plug()
	start(t, dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.Serial, Address: c.path, Baud: 115200}}, j)
	c.send(telegramAt(dsmr.DSMR50, time.Now(), 0))
	j.next(t, 5*time.Second)
	var took []time.Duration
	for i := range 500 {
		b := telegramAt(dsmr.DSMR50, time.Now(), hub.Watt(i))
		c.send(b[:len(b)-6])
		<-time.After(time.Millisecond)
		began := time.Now()
		c.send(b[len(b)-6:])
		j.next(t, 5*time.Second)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("p50 %v, p99 %v", p50, p99)
	if p50 > time.Millisecond {
		t.Errorf("half of the readings take more than %v", p50)
	}
}

// TestSerialIsExclusive: nobody else gets the port, not even root.
func TestSerialIsExclusive(t *testing.T) {
	c, first, second := newCable(t), newJournal(), newJournal()
	c.plug()
	cfg := dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.Serial, Address: c.path}}
	start(t, cfg, first)
	c.send(telegramAt(dsmr.DSMR50, time.Now(), 1))
	first.next(t, 5*time.Second)
	start(t, cfg, second)
	waitFor(t, func() bool { return second.last() != "" })
	if got := second.last(); !strings.Contains(got, "in use by another program") {
		t.Errorf("the second is told %q", got)
	}
	// And the first keeps it.
	c.send(telegramAt(dsmr.DSMR50, time.Now(), 2))
	if r := first.next(t, 5*time.Second); r.Import != 2 {
		t.Errorf("reading of %d W", r.Import)
	}
}

func TestSerialNotADevice(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJournal()
	start(t, dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.Serial, Address: name}}, j)
	waitFor(t, func() bool { return j.last() != "" })
	if got := j.last(); !strings.Contains(got, "is not a serial device") {
		t.Errorf("told %q", got)
	}
}

func TestDetect(t *testing.T) {
	silent, noisy, meter := newCable(t), newCable(t), newCable(t)
	for _, c := range []*cable{silent, noisy, meter} {
		c.plug()
	}
	missing := filepath.Join(t.TempDir(), "missing")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			_, _ = noisy.master.Write([]byte("boot: hello\r\n"))
			_, _ = meter.master.Write(telegramAt(dsmr.DSMR50, time.Now(), 1))
			<-time.After(50 * time.Millisecond)
		}
	}()
	cfg := dsmr.DetectConfig{Devices: []string{missing, silent.path, noisy.path, meter.path}, Window: 300 * time.Millisecond}
	got, err := dsmr.Detect(t.Context(), cfg)
	if want := (dsmr.Source{Kind: dsmr.Serial, Address: meter.path, Baud: 115200}); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	cfg.Devices = cfg.Devices[:3]
	_, err = dsmr.Detect(t.Context(), cfg)
	if hub.CodeOf(err) != hub.NotFound {
		t.Fatalf("got error %v", err)
	}
	for _, want := range []string{missing + ": no serial device", silent.path + ": nothing comes", noisy.path + ": what comes is no telegram"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err = dsmr.Detect(t.Context(), dsmr.DetectConfig{Devices: []string{}}); hub.CodeOf(err) != hub.NotFound {
		t.Errorf("without devices: %v", err)
	}
}
