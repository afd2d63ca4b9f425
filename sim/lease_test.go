package sim

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"homehub/hub"
	"homehub/mqtt"
)

// driven is a house whose plug and charger are driven by a hub over MQTT.
type driven struct {
	*bench
	hub    *hub.Hub
	record *bytes.Buffer
	die    func() // ends hub and broker
	stop   func() // ends the house; the record may be read afterwards
}

func newDriven(t *testing.T, start time.Time, speed int) *driven {
	t.Helper()
	b := newBench(t, start, speed)
	d := &driven{bench: b, record: &bytes.Buffer{}}
	devices := []hub.Device{
		{ID: "plug", Name: "Boiler", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: b.cfg.Plug.Topic, Power: 2000},
		{ID: "car", Name: "Car", Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Topic: b.cfg.Car.Topic, MinAmps: 6, MaxAmps: 16, Phases: 1},
	}
	b.owner.Disconnect(100)
	b.stop() // the bench's broker reports to nobody
	var broker *mqtt.Broker
	actuate := actuatorFunc(func(ctx context.Context, dev hub.Device, c hub.Command) error { return broker.Actuate(ctx, dev, c) })
	h, err := hub.New(hub.Config{
		Clock: b.cfg.Clock, Logger: quiet, Devices: devices,
		Actuators: map[hub.Family]hub.Actuator{hub.FamilyEmonESP: actuate, hub.FamilyOpenEVSE: actuate},
	})
	if err != nil {
		t.Fatal(err)
	}
	broker, err = mqtt.New(mqtt.Config{Addr: b.cfg.Broker, Vault: b.vault, Logger: quiet, Clock: b.cfg.Clock, Report: h.Report})
	if err != nil {
		t.Fatal(err)
	}
	broker.SetDevices(devices)
	d.hub, b.broker, b.cfg.Record = h, broker, d.record
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- broker.Run(ctx) }()
	go func() { done <- h.Run(ctx) }()
	d.die = sync.OnceFunc(func() { cancel(); <-done; <-done })
	t.Cleanup(d.die)
	d.stop = b.run()
	return d
}

type actuatorFunc func(context.Context, hub.Device, hub.Command) error

func (f actuatorFunc) Actuate(ctx context.Context, d hub.Device, c hub.Command) error {
	return f(ctx, d, c)
}

// until waits until the hub's state of a device satisfies ok.
func (d *driven) until(device, what string, ok func(hub.DeviceState) bool) {
	d.t.Helper()
	s := d.hub.Subscribe()
	defer s.Close()
	deadline := time.After(waitTime)
	for {
		state, _ := d.hub.Device(device)
		if ok(state) {
			return
		}
		select {
		case <-s.C():
		case <-deadline:
			d.t.Fatalf("%s is not %s: %+v", device, what, state)
		}
	}
}

// switchOn gives both a lease as soon as they listen, and waits until they
// confirm and draw.
func (d *driven) switchOn(lease time.Duration) (asked time.Time) {
	d.t.Helper()
	for _, device := range []string{"plug", "car"} {
		// It says how it is once its subscriptions stand, and hears from then on.
		d.until(device, "listening", func(s hub.DeviceState) bool { return s.Online && s.Has&hub.ReportOn != 0 })
	}
	asked = d.cfg.Clock.Now()
	for _, device := range []string{"plug", "car"} {
		if err := d.hub.Do(d.t.Context(), hub.Command{Device: device, On: true, Amps: 10, Until: asked.Add(lease), Cause: "test"}); err != nil {
			d.t.Fatal(err)
		}
	}
	for _, device := range []string{"plug", "car"} {
		d.until(device, "on and drawing", func(s hub.DeviceState) bool { return s.On && s.Confirmed() && s.Watts > 1900 })
	}
	return asked
}

// The hub switches both on for a lease, gets it confirmed, and never renews:
// both are off when the lease ends, by the house's own record.
func TestHubEndsLeases(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	d := newDriven(t, at(t, "2026-02-03T00:00:00Z"), 120)
	const lease = 10 * time.Minute
	asked := d.switchOn(lease)
	for _, device := range []string{"plug", "car"} {
		d.until(device, "off again", func(s hub.DeviceState) bool { return !s.On && s.Confirmed() && s.Watts == 0 })
	}
	d.stop()
	switches, _ := parseTruth(t, d.record.Bytes())
	// Two seconds of the machine for the broker and the loops: the house's
	// seconds may lag behind the clock.
	slack := d.cfg.Clock.House(2 * time.Second)
	for _, device := range []string{"plug", "car"} {
		var on, off time.Time
		for _, s := range switches {
			if s.Device == device && s.On && on.IsZero() {
				on = s.At
			} else if s.Device == device && !s.On && !on.IsZero() {
				off = s.At
			}
		}
		if on.Before(asked.Add(-slack)) || on.After(asked.Add(slack)) {
			t.Errorf("%s was asked at %s and on at %s", device, asked, on)
		}
		if end := asked.Add(lease); off.Before(end.Add(-slack)) || off.After(end.Add(slack)) {
			t.Errorf("%s had a lease up to %s and was off at %s", device, end, off)
		}
	}
}

// The hub dies while both are on: the charger ends by its own limit, a minute
// after the lease at most; the plug has nothing of the kind and stays on.
func TestHubDies(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	d := newDriven(t, at(t, "2026-02-03T00:00:00Z"), 150)
	const lease = 12 * time.Minute
	asked := d.switchOn(lease)
	d.die()
	for d.cfg.House.Now().Before(asked.Add(lease + 4*time.Minute)) {
		if d.cfg.Clock.Sleep(t.Context(), 30*time.Second) != nil {
			t.Fatal("the house stands still")
		}
	}
	d.stop()
	if !d.cfg.House.Plug().On {
		t.Error("the plug went off by itself")
	}
	switches, _ := parseTruth(t, d.record.Bytes())
	last := switches[len(switches)-1]
	if last.Device != "car" || last.On || last.At.After(asked.Add(lease+time.Minute+d.cfg.Clock.House(3*time.Second))) {
		t.Errorf("the last to be switched was %+v; the lease was up to %s", last, asked.Add(lease))
	}
}
