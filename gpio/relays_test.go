package gpio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"homehub/gpio"
	"homehub/hub"
)

// board is a fake header. Its lines keep their last level when they are
// released, as a Raspberry Pi's kernel keeps them.
type board struct {
	onClaim func(name string) error
	onOut   func(name string, high bool) error

	mu     sync.Mutex
	high   map[string]bool
	owned  map[string]bool
	writes []string
}

func newBoard() *board { return &board{high: map[string]bool{}, owned: map[string]bool{}} }

func (b *board) Claim(name string, high bool) (gpio.Line, error) {
	if b.onClaim != nil {
		if err := b.onClaim(name); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	if b.owned[name] {
		b.mu.Unlock()
		return nil, errors.New("device or resource busy")
	}
	b.owned[name] = true
	b.mu.Unlock()
	l := boardLine{b, name}
	return l, l.Out(high)
}

type boardLine struct {
	*board
	name string
}

func (l boardLine) Out(high bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.onOut != nil {
		if err := l.onOut(l.name, high); err != nil {
			return err
		}
	}
	l.high[l.name] = high
	l.writes = append(l.writes, fmt.Sprintf("%s=%v", l.name, high))
	return nil
}

func (l boardLine) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.owned, l.name)
	return nil
}

// out makes every later write go through f; nil: none fails.
func (b *board) out(f func(name string, high bool) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onOut = f
}

func (b *board) level(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.high[name]
}

func (b *board) claimed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.owned)
}

// house is Relays on a fake header, with what they said.
type house struct {
	*gpio.Relays
	board *board

	mu       sync.Mutex
	reports  []hub.Report
	health   hub.Condition
	reason   string
	onReport func(hub.Report)
}

func newHouse(t *testing.T, b *board, cfg gpio.Config, devices ...hub.Device) *house {
	t.Helper()
	h := &house{board: b}
	cfg.Chip = b
	cfg.Report = func(r hub.Report) {
		h.mu.Lock()
		h.reports = append(h.reports, r)
		hook := h.onReport
		h.mu.Unlock()
		if hook != nil {
			hook(r)
		}
	}
	cfg.Condition = func(c hub.Condition, reason string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.health, h.reason = c, reason
	}
	r, err := gpio.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.Relays = r
	h.SetDevices(devices)
	return h
}

// last is what was last reported of a device.
func (h *house) last(id string) hub.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range slices.Backward(h.reports) {
		if r.Device == id {
			return r
		}
	}
	return hub.Report{}
}

func (h *house) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.reports)
}

func (h *house) condition() (hub.Condition, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.health, h.reason
}

func (h *house) on(t *testing.T, d hub.Device, lease time.Duration) {
	t.Helper()
	if err := h.Actuate(t.Context(), d, hub.Command{Device: d.ID, On: true, Until: time.Now().Add(lease)}); err != nil {
		t.Fatal(err)
	}
}

func (h *house) off(t *testing.T, d hub.Device) {
	t.Helper()
	if err := h.Actuate(t.Context(), d, hub.Command{Device: d.ID}); err != nil {
		t.Fatal(err)
	}
}

// is checks the pin's level and that the report agrees with on.
func (h *house) is(t *testing.T, d hub.Device, pin string, high, on bool) {
	t.Helper()
	if got := h.board.level(pin); got != high {
		t.Errorf("%s is high: %v, want %v", pin, got, high)
	}
	if r := h.last(d.ID); r.On != on || r.Has != hub.ReportOnline|hub.ReportOn {
		t.Errorf("reported %+v, want on: %v", r, on)
	}
}

func relay(id, topic string) hub.Device {
	return hub.Device{ID: id, Name: "The " + id, Family: hub.FamilyGPIO, Role: hub.RolePlug, Topic: topic}
}

// after moves the bubble's clock just past d.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestSwitches(t *testing.T) {
	tests := []struct {
		name, topic string
		off, on     []string // the writes
	}{
		{"active-high", "GPIO17", []string{"GPIO17=false"}, []string{"GPIO17=true"}},
		{"active-low", "!GPIO17", []string{"GPIO17=true"}, []string{"GPIO17=false"}},
		{"several", "GPIO17,!GPIO27", []string{"GPIO17=false", "GPIO27=true"}, []string{"GPIO17=true", "GPIO27=false"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := relay("boiler", tt.topic)
				h := newHouse(t, newBoard(), gpio.Config{}, d)
				if c, why := h.condition(); c != hub.OK {
					t.Fatalf("condition %s: %s", c, why)
				}
				h.on(t, d, time.Minute)
				h.on(t, d, time.Minute) // a renewed lease switches nothing
				h.off(t, d)
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				want := slices.Concat(tt.off, tt.on, tt.off, tt.off)
				if !slices.Equal(h.board.writes, want) || h.board.claimed() != 0 {
					t.Errorf("wrote %v, want %v; %d pins kept", h.board.writes, want, h.board.claimed())
				}
				if r := h.last("boiler"); r.On || r.Online || !r.At.Equal(time.Now()) {
					t.Errorf("last report %+v", r)
				}
			})
		})
	}
}

func TestALeaseEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := relay("boiler", "!GPIO17")
		h := newHouse(t, newBoard(), gpio.Config{}, d)
		h.on(t, d, 10*time.Minute)
		after(9 * time.Minute)
		h.on(t, d, 5*time.Minute) // renewed: now to 14 min
		reports := h.count()
		after(5*time.Minute - time.Nanosecond)
		h.is(t, d, "GPIO17", false, true)
		if h.count() != reports {
			t.Error("the timer of the old lease still runs")
		}
		after(time.Nanosecond)
		h.is(t, d, "GPIO17", true, false)
		h.on(t, d, time.Minute)
		h.is(t, d, "GPIO17", false, true)
		h.off(t, d)
		h.on(t, d, 10*time.Minute)
		after(2 * time.Minute) // the first lease's end must not end the second
		h.is(t, d, "GPIO17", false, true)
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestALeaseRunsOnTheClockOfTheHouse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := hub.ScaledClock(time.Date(2030, 6, 1, 0, 0, 0, 0, time.UTC), 60)
		d := relay("boiler", "GPIO17")
		h := newHouse(t, newBoard(), gpio.Config{Clock: clock, MinOn: 5 * time.Minute}, d)
		if err := h.Actuate(t.Context(), d, hub.Command{On: true, Until: clock.Now().Add(10 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		h.off(t, d)
		after(5*time.Second - time.Nanosecond)
		h.is(t, d, "GPIO17", true, true)
		after(time.Nanosecond)
		h.is(t, d, "GPIO17", false, false)
		if err := h.Actuate(t.Context(), d, hub.Command{On: true, Until: clock.Now().Add(10 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		after(10*time.Second - time.Nanosecond)
		h.is(t, d, "GPIO17", true, true)
		after(time.Nanosecond)
		h.is(t, d, "GPIO17", false, false)
	})
}

func TestOnNeedsALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := relay("boiler", "GPIO17")
		h := newHouse(t, newBoard(), gpio.Config{}, d)
		for name, until := range map[string]time.Time{
			"none": {}, "ended": time.Now(), "too long": time.Now().Add(hub.MaxLease + time.Second),
		} {
			if err := h.Actuate(t.Context(), d, hub.Command{On: true, Until: until}); hub.CodeOf(err) != hub.Invalid {
				t.Errorf("%s: got %v", name, err)
			}
		}
		h.is(t, d, "GPIO17", false, false)
	})
}

func TestMinimumTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := relay("pump", "GPIO17")
		h := newHouse(t, newBoard(), gpio.Config{MinOn: 3 * time.Minute, MinOff: 2 * time.Minute}, d)
		h.on(t, d, 10*time.Minute) // at 0: it may have been on before the start, so it rests first
		h.is(t, d, "GPIO17", false, false)
		after(2*time.Minute - time.Nanosecond)
		h.is(t, d, "GPIO17", false, false)
		after(time.Nanosecond) // at 2
		h.is(t, d, "GPIO17", true, true)
		h.off(t, d)
		h.is(t, d, "GPIO17", true, true)
		after(time.Minute) // at 3
		h.on(t, d, 10*time.Minute)
		after(time.Minute) // at 4: a command that came in between keeps it on
		h.off(t, d)
		after(time.Minute - time.Nanosecond)
		h.is(t, d, "GPIO17", true, true)
		after(time.Nanosecond) // at 5: on for 3 min
		h.is(t, d, "GPIO17", false, false)
		h.on(t, d, 10*time.Minute)
		h.off(t, d) // a command that was held back is taken back
		after(5 * time.Minute)
		h.is(t, d, "GPIO17", false, false)
		h.on(t, d, time.Minute) // a lease shorter than the minimum still ends
		h.is(t, d, "GPIO17", true, true)
		after(time.Minute)
		h.is(t, d, "GPIO17", false, false)
	})
}

func TestSafeStateDoesNotWaitForAMinimum(t *testing.T) {
	tests := []struct {
		name string
		do   func(h *house)
	}{
		{"exit", func(h *house) { _ = h.Close() }},
		{"removed", func(h *house) { h.SetDevices(nil) }},
		{"other pins", func(h *house) { h.SetDevices([]hub.Device{relay("pump", "GPIO22")}) }},
		{"another family", func(h *house) {
			h.SetDevices([]hub.Device{{ID: "pump", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "GPIO17"}})
		}},
		{"a meter now", func(h *house) {
			h.SetDevices([]hub.Device{{ID: "pump", Family: hub.FamilyGPIO, Role: hub.RoleMeter, Topic: "GPIO17"}})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := relay("pump", "GPIO17")
				h := newHouse(t, newBoard(), gpio.Config{MinOn: 3 * time.Minute}, d)
				h.on(t, d, 10*time.Minute)
				h.is(t, d, "GPIO17", true, true)
				tt.do(h)
				h.is(t, d, "GPIO17", false, false)
				if h.board.owned["GPIO17"] {
					t.Error("the pin was kept")
				}
				if err := h.Actuate(t.Context(), d, hub.Command{On: true, Until: time.Now().Add(time.Minute)}); hub.CodeOf(err) != hub.Unavailable {
					t.Errorf("switching on then: %v", err)
				}
				h.is(t, d, "GPIO17", false, false)
				reports := h.count()
				after(10 * time.Minute)
				if h.count() != reports {
					t.Error("its timer spoke for a device that went")
				}
			})
		})
	}
}

func TestStartIsOffAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		d, e := relay("boiler", "GPIO17"), relay("pump", "!GPIO27")
		h := newHouse(t, b, gpio.Config{}, d, e)
		h.on(t, d, 10*time.Minute)
		h.on(t, e, 10*time.Minute)
		// The process is killed: the kernel takes the lines back as they are.
		clear(b.owned)
		b.high = map[string]bool{"GPIO17": true, "GPIO27": false}
		again := newHouse(t, b, gpio.Config{}, d, e)
		again.is(t, d, "GPIO17", false, false)
		again.is(t, e, "GPIO27", true, false)
		if !again.last("pump").Online {
			t.Error("not reported to be there")
		}
	})
}

func TestALeaseOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := relay("boiler", "GPIO17")
		h := newHouse(t, newBoard(), gpio.Config{}, d)
		var once sync.Once
		h.mu.Lock()
		h.onReport = func(hub.Report) { once.Do(func() { panic("the caller dies") }) }
		h.mu.Unlock()
		func() {
			defer func() { _ = recover() }()
			h.on(t, d, 10*time.Minute)
			t.Error("the caller lives")
		}()
		if !h.board.level("GPIO17") {
			t.Fatal("never on")
		}
		after(10 * time.Minute)
		h.is(t, d, "GPIO17", false, false)
		h.on(t, d, time.Minute) // and nothing is locked for ever
		h.off(t, d)
	})
}

func TestACallerThatLeavesCanOnlySwitchOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := relay("boiler", "GPIO17")
		h := newHouse(t, newBoard(), gpio.Config{}, d)
		h.on(t, d, 10*time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Actuate(ctx, d, hub.Command{}); err != nil {
			t.Fatal(err)
		}
		h.is(t, d, "GPIO17", false, false)
		if err := h.Actuate(ctx, d, hub.Command{On: true, Until: time.Now().Add(time.Minute)}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		h.is(t, d, "GPIO17", false, false)
	})
}

func TestAPinThatFailsToSwitchOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		d := relay("boiler", "GPIO17,!GPIO27,GPIO22")
		h := newHouse(t, b, gpio.Config{MinOff: time.Minute}, d)
		after(time.Minute)
		b.out(func(name string, high bool) error {
			if name == "GPIO27" && !high {
				return errors.New("input/output error")
			}
			return nil
		})
		err := h.Actuate(t.Context(), d, hub.Command{On: true, Until: time.Now().Add(10 * time.Minute)})
		if hub.CodeOf(err) != hub.Unavailable || !strings.Contains(err.Error(), "switching on GPIO27: input/output error") {
			t.Errorf("got %v", err)
		}
		h.is(t, d, "GPIO17", false, false)
		h.is(t, d, "GPIO27", true, false)
		h.is(t, d, "GPIO22", false, false)
		if c, why := h.condition(); c != hub.Degraded || !strings.Contains(why, "The boiler: switching on GPIO27") {
			t.Errorf("condition %s: %s", c, why)
		}
		b.out(nil)
		after(9 * time.Minute) // it is not tried again behind the caller's back
		h.is(t, d, "GPIO17", false, false)
		h.on(t, d, time.Minute)
		h.is(t, d, "GPIO27", false, true)
		if c, why := h.condition(); c != hub.OK {
			t.Errorf("condition %s: %s", c, why)
		}
		_ = h.Close()
	})
}

func TestAPinThatWillNotGoOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		d := relay("boiler", "GPIO17,GPIO27")
		var log strings.Builder
		h := newHouse(t, b, gpio.Config{MinOn: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))}, d)
		h.on(t, d, 10*time.Minute)
		b.out(func(name string, high bool) error {
			if name == "GPIO17" {
				return errors.New("input/output error")
			}
			return nil
		})
		after(10 * time.Minute)
		h.is(t, d, "GPIO27", false, true) // the other one is off, but the device counts as on
		if c, why := h.condition(); c != hub.Down || !strings.Contains(why, "switching off GPIO17: input/output error") {
			t.Errorf("condition %s: %s", c, why)
		}
		if err := h.Actuate(t.Context(), d, hub.Command{}); hub.CodeOf(err) != hub.Unavailable || !strings.Contains(err.Error(), "GPIO17") {
			t.Errorf("off once more: %v", err)
		}
		after(time.Hour)
		b.out(nil)
		after(time.Second) // tried every second until it does
		h.is(t, d, "GPIO17", false, false)
		if c, why := h.condition(); c != hub.OK {
			t.Errorf("condition %s: %s", c, why)
		}
		if n := strings.Count(log.String(), "does not work"); n != 1 {
			t.Errorf("%d lines for an hour of trouble, want 1:\n%s", n, log.String())
		}
		// On again after a failure writes all pins, as they may differ.
		h.on(t, d, 10*time.Minute)
		after(time.Minute)
		b.out(func(name string, high bool) error {
			if name == "GPIO17" && !high {
				return errors.New("input/output error")
			}
			return nil
		})
		if err := h.Actuate(t.Context(), d, hub.Command{}); err == nil {
			t.Error("no error")
		}
		h.is(t, d, "GPIO27", false, true)
		h.on(t, d, 10*time.Minute)
		h.is(t, d, "GPIO27", true, true)
		b.out(nil)
		writes := len(b.writes)
		after(time.Minute) // and then it is on, with nothing left to repeat
		if got := b.writes[writes:]; len(got) > 0 {
			t.Errorf("wrote %v", got)
		}
		_ = h.Close()
	})
}

// A switch-on that fails and can not be taken back either must go on trying to
// go off, whatever the minimum time on is.
func TestAPinThatFailsBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		d := relay("boiler", "GPIO17,GPIO27")
		h := newHouse(t, b, gpio.Config{MinOn: time.Hour}, d)
		written := false
		b.out(func(name string, high bool) error {
			if name == "GPIO27" && high {
				written = true
				return errors.New("input/output error")
			}
			if written && name == "GPIO17" {
				return errors.New("no such device")
			}
			return nil
		})
		err := h.Actuate(t.Context(), d, hub.Command{On: true, Until: time.Now().Add(10 * time.Minute)})
		if err == nil || !strings.Contains(err.Error(), "switching on GPIO27: input/output error; switching off GPIO17: no such device") {
			t.Errorf("got %v", err)
		}
		h.is(t, d, "GPIO17", true, true)
		if c, _ := h.condition(); c != hub.Down {
			t.Errorf("condition %s", c)
		}
		b.out(nil)
		after(time.Second)
		h.is(t, d, "GPIO17", false, false)
	})
}

func TestPinsThatCanNotBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		busy := true
		b.onClaim = func(name string) error {
			if name == "GPIO27" && busy {
				return errors.New("device or resource busy")
			}
			return nil
		}
		d := relay("boiler", "GPIO17,GPIO27")
		twice, wrong := relay("heater", "GPIO5,GPIO4"), relay("lamp", "GPIO99")
		first := relay("fan", "GPIO4")
		h := newHouse(t, b, gpio.Config{}, d, first, twice, wrong)
		if b.claimed() != 1 {
			t.Errorf("%d pins claimed, want GPIO4 alone", b.claimed())
		}
		c, why := h.condition()
		for _, part := range []string{"The boiler: claiming GPIO27: device or resource busy", "The heater: topic: GPIO4 is used by The fan already", "The lamp: topic: GPIO99 is not free"} {
			if c != hub.Degraded || !strings.Contains(why, part) {
				t.Errorf("condition %s: %s\nwant %s", c, why, part)
			}
		}
		if h.last("boiler").Online {
			t.Error("reported to be there")
		}
		on := hub.Command{On: true, Until: time.Now().Add(time.Minute)}
		if err := h.Actuate(t.Context(), d, on); hub.CodeOf(err) != hub.Unavailable || !strings.Contains(err.Error(), "GPIO27") {
			t.Errorf("got %v", err)
		}
		if err := h.Actuate(t.Context(), wrong, on); hub.CodeOf(err) != hub.Invalid {
			t.Errorf("got %v", err)
		}
		busy = false // the other program is gone: the next command has the pins
		h.on(t, d, time.Minute)
		h.is(t, d, "GPIO27", true, true)
		// A pin passes from one device to the other in one go.
		h.SetDevices([]hub.Device{relay("heater", "GPIO17,GPIO4"), d})
		if _, why := h.condition(); why != "The heater: topic: GPIO17 is used by The boiler already" {
			t.Errorf("condition %q", why)
		}
		h.is(t, d, "GPIO17", true, true) // who is running keeps it
		h.SetDevices([]hub.Device{relay("heater", "GPIO17,GPIO4")})
		h.is(t, relay("heater", ""), "GPIO17", false, false)
		if c, why := h.condition(); c != hub.OK || b.claimed() != 2 {
			t.Errorf("condition %s: %s, %d pins", c, why, b.claimed())
		}
		_ = h.Close()
	})
}

func TestSetDevicesLeavesWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := relay("boiler", "GPIO17")
		h := newHouse(t, newBoard(), gpio.Config{}, d)
		h.on(t, d, 10*time.Minute)
		after(5 * time.Minute)
		writes := len(h.board.writes)
		d.Name = "Boiler upstairs"
		h.SetDevices([]hub.Device{d, relay("pump", "GPIO27"), relay("lamp", "GPIO17")})
		if got := h.board.writes[writes:]; !slices.Equal(got, []string{"GPIO27=false"}) {
			t.Errorf("wrote %v", got)
		}
		if _, why := h.condition(); !strings.Contains(why, "used by Boiler upstairs") {
			t.Errorf("the new name is not known: %s", why)
		}
		h.is(t, d, "GPIO17", true, true)
		after(5 * time.Minute)
		h.is(t, d, "GPIO17", false, false)
	})
}

func TestCloseNamesWhatWouldNotFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		d, e := relay("boiler", "GPIO17"), relay("pump", "GPIO27")
		h := newHouse(t, b, gpio.Config{}, d, e)
		h.on(t, d, time.Minute)
		h.on(t, e, time.Minute)
		b.out(func(name string, high bool) error {
			if name == "GPIO17" {
				return errors.New("input/output error")
			}
			return nil
		})
		if err := h.Close(); err == nil || !strings.Contains(err.Error(), "GPIO17") || strings.Contains(err.Error(), "GPIO27") {
			t.Errorf("got %v", err)
		}
		if b.level("GPIO27") || b.claimed() != 0 {
			t.Error("the other pin was left on or kept")
		}
		h.SetDevices([]hub.Device{d})
		if b.claimed() != 0 {
			t.Error("claimed after Close")
		}
		if err := h.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	})
}

// The hub itself drives a relay: commanded, confirmed, and off in the end.
func TestInTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := relay("boiler", "!GPIO17")
		var h *hub.Hub
		b := newBoard()
		r, err := gpio.New(gpio.Config{Chip: b, Report: func(rep hub.Report) { h.Report(rep) }})
		if err != nil {
			t.Fatal(err)
		}
		h, err = hub.New(hub.Config{Devices: []hub.Device{d}, Actuators: map[hub.Family]hub.Actuator{hub.FamilyGPIO: r}})
		if err != nil {
			t.Fatal(err)
		}
		r.SetDevices([]hub.Device{d})
		if err := h.Do(t.Context(), hub.Command{Device: d.ID, On: true, Until: time.Now().Add(hub.MaxLease), Cause: "test"}); err != nil {
			t.Fatal(err)
		}
		if s, _ := h.Device(d.ID); !s.On || !s.Confirmed() || !s.Online || b.level("GPIO17") {
			t.Errorf("state %+v", s)
		}
		after(hub.MaxLease)
		if s, _ := h.Device(d.ID); s.On || s.Confirmed() || !b.level("GPIO17") {
			t.Errorf("state %+v", s)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	d, e := relay("boiler", "GPIO17"), relay("pump", "GPIO27")
	h := newHouse(t, newBoard(), gpio.Config{}, d, e)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				c := hub.Command{On: i%2 == 0, Until: time.Now().Add(time.Duration(i%5+1) * time.Millisecond)}
				_ = h.Actuate(t.Context(), d, c)
				_ = h.Actuate(t.Context(), e, c)
				if i%50 == 0 {
					h.SetDevices([]hub.Device{d})
					h.SetDevices([]hub.Device{d, e})
				}
			}
		})
	}
	wg.Wait()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if h.board.level("GPIO17") || h.board.level("GPIO27") || h.board.claimed() != 0 {
		t.Error("not all off and released")
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []gpio.Config{{Chip: newBoard(), MinOn: -1}, {Chip: newBoard(), MinOff: -1}} {
		if _, err := gpio.New(cfg); hub.CodeOf(err) != hub.Invalid {
			t.Errorf("got %v", err)
		}
	}
}
