package main

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"homehub/hub"
	"homehub/sim"
	"homehub/tariff"
	"homehub/tsdb"
)

// TestABoilerOverANight is the whole way at once: a Tasmota at a tank says on
// the broker how warm it is, the plan waits for the cheap hours, heats in them
// and not above the band, and a hub that is killed meanwhile leaves the heater
// on for no longer than its lease.
func TestABoilerOverANight(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	start := time.Date(2026, 2, 2, 22, 30, 0, 0, time.UTC) // half past eleven in the house
	cheap, dear := start.Add(90*time.Minute), start.Add(210*time.Minute)
	boiler := hub.Device{
		ID: "boiler", Name: "Boiler", Family: hub.FamilyTasmota, Role: hub.RolePlug, Topic: "boiler", Power: 2000, Litres: 200,
		Mode: hub.ModeAuto, Schedule: &hub.Schedule{Keep: hub.Band{Low: 50_000, High: 62_000}, SetAt: start},
	}
	o := newOrphanage(t, start, 600/(1+3*(patience/10)), boiler) // nothing happens for hours
	o.decide(contractKey, tariff.Contract{Name: "night", Day: 300_000, Night: 100_000, Export: 50_000, NightFrom: 60, NightTo: 3 * 60})
	tank := o.house.Tank()
	o.open()
	o.plugInBoiler()
	top, before := tank.Celsius(), tank.Celsius()
	o.until("the boiler heats", 4*time.Hour, func() bool {
		top = max(top, tank.Celsius())
		if tank.Draws() > 0 && o.clock.Now().Before(cheap.Add(-time.Minute)) {
			var d, p map[string]any
			o.hub.get("/api/devices/boiler", &d)
			o.hub.get("/api/plan", &p)
			t.Fatalf("it heats at %v, before the cheap hours: %v; planned %v", o.clock.Now(), d["state"], p["devices"])
		}
		return tank.Draws() > 0
	})
	if now := o.clock.Now(); !now.Before(dear) {
		t.Errorf("it began at %v, after the cheap hours", now)
	}
	if before-tank.Celsius() > 3 {
		t.Errorf("it fell from %.1f to %.1f °C although nobody drew water", before, tank.Celsius())
	}
	o.until("it is warm", time.Hour, func() bool { return tank.Celsius() > 58 })
	if tank.Draws() == 0 || !o.clock.Now().Before(dear.Add(time.Minute+o.jolt())) {
		t.Errorf("at %v it draws %d W at %.1f °C", o.clock.Now(), tank.Draws(), tank.Celsius())
	}
	died := o.kill()
	o.until("the boiler goes off by itself", hub.MaxLease+2*time.Minute, func() bool { top = max(top, tank.Celsius()); return tank.Draws() == 0 })
	if alone := o.clock.Now().Sub(died); alone > hub.MaxLease+time.Minute+o.jolt() {
		t.Errorf("it went on for %v without a hub", alone)
	}
	o.open()
	var d struct {
		State struct {
			Temp *float64 `json:"temp_c"`
		}
	}
	o.until("the hub hears it again", 2*time.Hour, func() bool { // it looks for its broker every five real seconds
		top = max(top, tank.Celsius())
		o.hub.get("/api/devices/boiler", &d)
		return d.State.Temp != nil
	})
	if math.Abs(*d.State.Temp-tank.Celsius()) > 1 {
		t.Errorf("the hub shows %v °C, the tank has %.1f", *d.State.Temp, tank.Celsius())
	}
	if top > 62.7 {
		t.Errorf("it was heated to %.1f °C", top)
	}
	warmest := 0.
	for _, v := range o.hub.points("dev_boiler_c", fmt.Sprintf("start=%d&end=%d&interval=60&aggregate=max", start.Unix(), o.clock.Now().Unix())) {
		warmest = max(warmest, v)
	}
	if warmest < 57.5 || warmest > top+0.5 {
		t.Errorf("the feed's highest is %.1f °C, the tank's %.1f", warmest, top)
	}
	o.hub.stop()
}

// plugInBoiler connects the Tasmota at the house's tank.
func (o *orphanage) plugInBoiler() {
	o.t.Helper()
	g, err := sim.NewGadget(sim.GadgetConfig{
		Family: hub.FamilyTasmota, Clock: o.clock, Broker: o.broker, Login: o.logins["boiler"], Power: 2000, Appliance: o.house.Tank(),
	})
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	o.t.Cleanup(func() { cancel(); <-done })
}

// decide puts a setting into the folder of a hub that does not run.
func (o *orphanage) decide(key string, v any) {
	o.t.Helper()
	decisions := o.decisions()
	defer decisions.Close()
	if err := decisions.PutSetting(key, v); err != nil {
		o.t.Fatal(err)
	}
}

// TestHeatPast reads a heater's past out of the feeds: with its power measured,
// without, with silences that are bridged and others that are not.
func TestHeatPast(t *testing.T) {
	db, err := tsdb.Open(tsdb.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, f := range []tsdb.FeedConfig{
		{Name: hub.DeviceTempFeed("probe"), Decimals: 2}, {Name: hub.DevicePowerFeed("metered")}, {Name: hub.DevicePowerFeed("plain")}, {Name: hub.DeviceDutyFeed("plain")},
	} {
		f.Interval = 10 * time.Second
		if err := db.Create(f); err != nil {
			t.Fatal(err)
		}
	}
	from := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	put := func(feed string, minute int, v float64) {
		t.Helper()
		if err := db.Append(feed, from.Add(time.Duration(minute)*time.Minute), v); err != nil {
			t.Fatal(err)
		}
	}
	// 50 °C at 00:00, a degree more every ten minutes, silent from 01:00 to
	// 02:00 and from 04:00 to 08:00.
	for minute := 0; minute < 600; minute += 5 {
		if minute > 60 && minute < 120 || minute > 240 && minute < 480 {
			continue
		}
		put(hub.DeviceTempFeed("probe"), minute, 50+float64(minute)/10)
		put(hub.DevicePowerFeed("metered"), minute, map[bool]float64{true: 2000, false: 0}[minute%30 < 15])
		put(hub.DeviceDutyFeed("plain"), minute, map[bool]float64{true: 100, false: 0}[minute%30 < 15])
	}
	for _, d := range []hub.Device{{ID: "metered", Power: 2000}, {ID: "metered"}, {ID: "plain", Power: 2000}} {
		past := heatPast{db}.Heat(d, "probe", from, from.Add(10*time.Hour))
		if len(past) != 40 {
			t.Fatalf("%s: %d quarters", d.ID, len(past))
		}
		for i, s := range past {
			minute := float64(i * 15)
			want := 50 + (minute-2.5)/10 // half way between two means of five minutes
			silent := minute > 240 && minute < 480
			if i == 0 {
				want = 50
			}
			if silent != math.IsNaN(s.Temp) || !silent && math.Abs(s.Temp-want) > 0.3 {
				t.Errorf("%s at minute %.0f: %.2f °C, want %.2f, silent %v", d.ID, minute, s.Temp, want, silent)
			}
			if minute < 60 && s.Duty != float64((i+1)%2) {
				t.Errorf("%s at minute %.0f: on for %.2f", d.ID, minute, s.Duty)
			}
			if minute >= 345 && minute < 480 && !math.IsNaN(s.Duty) {
				t.Errorf("%s at minute %.0f: on for %.2f, which nobody knows", d.ID, minute, s.Duty)
			}
		}
	}
	if past := (heatPast{db}).Heat(hub.Device{ID: "metered"}, "nobody", from, from.Add(time.Hour)); past != nil {
		t.Errorf("a past without temperatures: %v", past)
	}
}
