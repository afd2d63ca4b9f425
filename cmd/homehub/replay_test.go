package main

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"homehub/dsmr"
	"homehub/hub"
	"homehub/scheduler"
)

// readings are those of the recorded capture.
func readings(t *testing.T) (out []hub.Reading) {
	t.Helper()
	stream, _ := capture(t)
	r := dsmr.NewReader(bytes.NewReader(stream), dsmr.Config{})
	for {
		telegram, err := r.Next()
		if err != nil {
			return out
		}
		out = append(out, telegram.Reading(time.Now()))
	}
}

// slowCar is a charger on L3 that does what it is told two seconds later.
type slowCar struct {
	mu   sync.Mutex
	told []hub.Command
}

func (c *slowCar) Actuate(_ context.Context, _ hub.Device, cmd hub.Command) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, cmd)
	return nil
}

func (c *slowCar) watts(now time.Time) (w hub.Watt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cmd := range c.told {
		if now.Sub(cmd.At) >= 2*time.Second {
			if w = 0; cmd.On {
				w = hub.Watt(230 * cmd.Amps)
			}
		}
	}
	return w
}

type flatOutlook struct{}

func (flatOutlook) Prices(from time.Time, n int) []hub.Slot {
	slots := make([]hub.Slot, n)
	for i := range slots {
		slots[i] = hub.Slot{Start: hub.SlotStart(from).Add(time.Duration(i) * hub.SlotLength), Import: 250_000, Export: 50_000, Known: true}
	}
	return slots
}

func (flatOutlook) Forecast(time.Time, int) (base, pv []float64) { return nil, nil }

// TestReplayOfRecordedTelegrams puts a car that wants 16 A beside three
// quarters of recorded telegrams of a real meter: under a fuse that carries it
// only while nothing else runs on its phase, and under a month's peak that it
// would exceed. The way is the real one from the telegram's reading on: hub,
// loop, guards, command.
func TestReplayOfRecordedTelegrams(t *testing.T) {
	recorded := readings(t)
	if len(recorded) == 0 || recorded[0].PhaseCount == 0 {
		t.Skip("the recorded telegrams are not at hand")
	}
	tests := []struct {
		name string
		c    scheduler.Connection
		peak hub.Watt
	}{
		{"a fuse of 18 A", scheduler.Connection{Fuse: 18, Metered: true}, 0},
		{"a month's peak of 4 kW", scheduler.Connection{Fuse: 40, PeakFloor: 2500, Metered: true}, 4000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { replay(t, recorded, test.c, test.peak) })
		})
	}
}

func replay(t *testing.T, recorded []hub.Reading, c scheduler.Connection, peak hub.Watt) {
	car := &slowCar{}
	d := hub.Device{
		ID: "car", Name: "Car", Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Topic: "evse", MinAmps: 6, MaxAmps: 16, Phases: 1, Line: 3,
		Mode: hub.ModeAuto, Schedule: &hub.Schedule{When: hub.WhenNow, Energy: 50_000, SetAt: time.Now()},
	}
	quiet := slog.New(slog.DiscardHandler)
	h, err := hub.New(hub.Config{Logger: quiet, Devices: []hub.Device{d}, Actuators: map[hub.Family]hub.Actuator{hub.FamilyOpenEVSE: car}})
	if err != nil {
		t.Fatal(err)
	}
	loop := scheduler.New(scheduler.Config{
		Zone: time.UTC, Logger: quiet, House: h, Outlook: flatOutlook{}, Connection: c, Condition: func(hub.Condition, string) {},
	})
	var joules, energy, imported int64
	var quarters []hub.Watt
	overs, reaction, over, answered, longest := 0, 0, 0, 0, 0
	for i := range 2700 {
		now := time.Now().UTC()
		r := recorded[i%len(recorded)]
		w := car.watts(now)
		r.At, r.Received = now, now
		r.Import += w
		r.Phases[2].Import += w
		r.Phases[2].Current += hub.Milliampere(w * 1000 / 230)
		if joules += int64(r.Import); i%900 == 899 { // the meter shows the end of a quarter as the next one's start
			quarters = append(quarters, hub.Watt(joules/900))
			joules = 0
		}
		r.Has |= hub.HasQuarter | hub.HasMonthPeak | hub.HasImportT1
		imported += int64(r.Import)
		r.Registers = hub.Registers{ImportT1: hub.WattHour(1_000_000 + imported/3600)}
		r.Quarter, r.MonthPeak = hub.Watt(joules/900), peak
		energy += int64(w)
		before := len(car.told)
		h.Observe(r)
		h.Tick(t.Context(), now)
		loop.Turn(t.Context(), now)
		amps := max(int(r.Phases[2].Current), int(r.Phases[2].Import)*1000/230)
		if amps <= c.Fuse*1000 {
			over, answered = 0, 0
		} else {
			if over++; over == 1 {
				overs++
			}
			if answered == 0 && len(car.told) > before {
				answered = over
				reaction = max(reaction, over)
			}
			longest = max(longest, over)
		}
		time.Sleep(time.Second) // virtual
	}
	t.Logf("%d overloads, answered after at most %d telegrams, %d s long with a car that takes 2 s; quarters %v W; %.2f kWh into the car by %d commands",
		overs, reaction, longest, quarters, float64(energy)/3.6e6, len(car.told))
	if peak == 0 && (overs == 0 || reaction > 2 || longest > 4) {
		t.Error("the fuse guard was not needed, or is too slow")
	}
	for _, w := range quarters {
		if peak > 0 && (w > peak || w < peak*9/10) {
			t.Errorf("a quarter of %d W under a month's peak of %d", w, peak)
		}
	}
}
