package dsmr

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"homehub/hub"
)

// TestLineSettings: a serial line whose speed is not given is tried at both,
// within 25 s, and one that worked is kept through a power cut of the meter.
func TestLineSettings(t *testing.T) {
	var told []string
	m := newMeter(RunConfig{
		Source:    Source{Kind: Serial, Address: "/dev/none"},
		Observe:   func(hub.Reading) {},
		Condition: func(_ hub.Condition, reason string) { told = append(told, reason) },
	})
	step := func(want line, patience time.Duration) {
		t.Helper()
		if got := m.lines[m.line]; got != want {
			t.Errorf("line is %+v, want %+v", got, want)
		}
		if got := m.patience(); got != patience {
			t.Errorf("patience is %v, want %v", got, patience)
		}
	}
	fast, slow := line{baud: 115200}, line{baud: 9600, seven: true}
	opened := time.Date(2025, 7, 1, 10, 0, 0, 0, time.UTC)
	step(fast, 12*time.Second)
	m.fellSilent(opened)
	step(slow, 12*time.Second)
	m.fellSilent(opened)
	step(fast, 12*time.Second)
	if want := "no telegram since 12:00:00: is the cable in the meter's P1 port?"; len(told) != 1 || told[0] != want {
		t.Errorf("told %q, want %q once", told, want)
	}
	m.fellSilent(opened)
	m.worked, m.silent, m.interval = true, 0, time.Second // a telegram at 9600
	for range faithful - 1 {
		m.fellSilent(opened)
		step(slow, 10*time.Second)
	}
	m.fellSilent(opened)
	step(fast, 12*time.Second)
	m.fellSilent(opened)
	step(slow, 12*time.Second)
}

// TestPauseEndsWhenTheDeviceReturns: nobody waits 30 s for a cable that is
// plugged in again.
func TestPauseEndsWhenTheDeviceReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usb-meter")
	m := newMeter(RunConfig{Source: Source{Kind: Serial, Address: path}, Observe: func(hub.Reading) {}})
	m.backoff = maxBackoff
	time.AfterFunc(100*time.Millisecond, func() { _ = os.WriteFile(path, nil, 0o600) })
	began := time.Now()
	if err := m.pause(t.Context(), os.ErrNotExist); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("paused for %v", took)
	}
	if m.backoff != minBackoff {
		t.Errorf("the next pause is %v, want %v", m.backoff, minBackoff)
	}
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		baud, want int
		seven      bool
	}{{0, 115200, false}, {9600, 9600, true}, {115200, 115200, false}, {57600, 57600, false}} {
		if got := lines(tt.baud)[0]; got.baud != tt.want || got.seven != tt.seven {
			t.Errorf("baud %d: %+v", tt.baud, got)
		}
	}
}

func TestZoneBase(t *testing.T) {
	// Where summer time is the base offset's only neighbour, either half of
	// the year gives the same base.
	for name, want := range map[string]int64{"Europe/Amsterdam": 3600, "Europe/Dublin": 0, "Europe/Vilnius": 7200, "Europe/Lisbon": 0, "Europe/Helsinki": 7200, "UTC": 0} {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := newZone(l).base; got != want {
			t.Errorf("%s: base is %d, want %d", name, got, want)
		}
	}
}
