package scheduler_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
	"homehub/scheduler"
)

// fakePlug follows commands at once and remembers when it was on.
type fakePlug struct {
	hub   *hub.Hub
	on    bool
	since time.Time
	was   []stretch
	deaf  bool
}

type stretch struct{ from, to time.Time }

func (p *fakePlug) Actuate(_ context.Context, d hub.Device, c hub.Command) error {
	if p.deaf {
		return nil
	}
	now := time.Now()
	switch {
	case c.On && !p.on:
		p.since = now
	case !c.On && p.on:
		p.was = append(p.was, stretch{p.since.UTC(), now.UTC()})
	}
	p.on = c.On
	go p.hub.Report(hub.Report{Device: d.ID, At: now, Has: hub.ReportOnline | hub.ReportOn, Online: true, On: c.On})
	return nil
}

// outlook: a cheap night from 01:00 to 05:00 UTC.
type outlook struct {
	slots func(at time.Time) hub.MicroEuro
}

func (o outlook) Prices(from time.Time, n int) []hub.Slot {
	slots := make([]hub.Slot, n)
	for i := range slots {
		at := hub.SlotStart(from).Add(time.Duration(i) * hub.SlotLength)
		slots[i] = hub.Slot{Start: at, Import: o.slots(at), Export: 50_000, Known: true}
	}
	return slots
}

func (outlook) Forecast(time.Time, int) (base, pv []float64) { return nil, nil }

func cheapNight(at time.Time) hub.MicroEuro {
	if h := at.Hour(); h >= 1 && h < 5 {
		return 100_000
	}
	return 300_000
}

type memory map[string][]byte

func (m memory) Setting(key string, v any) bool { return json.Unmarshal(m[key], v) == nil }
func (m memory) PutSetting(key string, v any) error {
	b, err := json.Marshal(v)
	m[key] = b
	return err
}

type bench struct {
	hub  *hub.Hub
	plug *fakePlug
	loop *scheduler.Loop
}

// start makes a hub and a loop; the fake clock of the bubble begins at
// 2000-01-01 00:00 UTC.
func start(t *testing.T, d hub.Device, keep memory) *bench {
	t.Helper()
	b := &bench{plug: &fakePlug{}}
	var err error
	b.hub, err = hub.New(hub.Config{
		Logger: slog.New(slog.DiscardHandler), Devices: []hub.Device{d},
		Actuators: map[hub.Family]hub.Actuator{hub.FamilyEmonESP: b.plug},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.plug.hub = b.hub
	b.hub.Report(hub.Report{Device: d.ID, At: time.Now(), Has: hub.ReportOnline | hub.ReportOn, Online: true})
	loop := scheduler.New(scheduler.Config{
		Zone: time.UTC, Logger: slog.New(slog.DiscardHandler), House: b.hub, Keeper: keep,
		Outlook: outlook{cheapNight}, Condition: func(hub.Condition, string) {},
	})
	b.loop = loop
	return b
}

// step is how far the virtual clock goes between two turns.
const step = 15 * time.Second

// live lets d pass, turn by turn.
func (b *bench) live(t *testing.T, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(step) { // virtual time
		b.hub.Tick(t.Context(), time.Now())
		b.loop.Turn(t.Context(), time.Now())
		synctest.Wait()
	}
}

func plugWith(s hub.Schedule) hub.Device {
	return hub.Device{
		ID: "plug", Name: "Plug", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/plug",
		Power: 2000, Mode: hub.ModeAuto, Schedule: &s,
	}
}

func TestADayRunsInTheCheapestHours(t *testing.T) {
	day := func(h, m int) time.Time { return time.Date(2000, 1, 1, h, m, 0, 0, time.UTC) }
	tests := []struct {
		name string
		rule hub.Schedule
		want []stretch
	}{
		{"3 h by 07:00, no pause", hub.Schedule{ReadyBy: 420, Minutes: 180, Days: hub.EveryDay}, []stretch{{day(1, 0), day(4, 0)}}},
		{"3 h by 07:00, may pause", hub.Schedule{ReadyBy: 420, Minutes: 180, MayPause: true, Days: hub.EveryDay}, []stretch{{day(1, 0), day(4, 0)}}},
		{"the whole of a night tariff, as a day/night relay", hub.Schedule{ReadyBy: 420, Minutes: 240, MayPause: true, Days: hub.EveryDay}, []stretch{{day(1, 0), day(5, 0)}}},
		{"100 min by 07:00", hub.Schedule{ReadyBy: 420, Minutes: 100, Days: hub.EveryDay}, []stretch{{day(1, 0), day(2, 40)}}},
		{"5 h by 06:00 needs dear hours too", hub.Schedule{ReadyBy: 360, Minutes: 300, Days: hub.EveryDay}, []stretch{{day(0, 0), day(5, 0)}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, plugWith(test.rule), memory{})
				b.live(t, 23*time.Hour)
				if len(b.plug.was) != len(test.want) {
					t.Fatalf("on %v, want %v", b.plug.was, test.want)
				}
				for i, s := range b.plug.was {
					if off(s.from, test.want[i].from) > step || off(s.to, test.want[i].to) > step {
						t.Errorf("on %v, want %v", s, test.want[i])
					}
				}
			})
		})
	}
}

func off(a, b time.Time) time.Duration { return a.Sub(b).Abs() }

func TestARestartGoesOnWithTheRun(t *testing.T) {
	for _, mayPause := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			keep := memory{}
			d := plugWith(hub.Schedule{ReadyBy: 420, Minutes: 180, MayPause: mayPause, Days: hub.EveryDay})
			b := start(t, d, keep)
			b.live(t, 2*time.Hour+30*time.Minute) // 1 h 30 done
			first := time.Since(b.plug.since)
			time.Sleep(time.Minute) // the hub is away, the plug stays on
			b = start(t, d, keep)
			b.plug.on, b.plug.since = true, time.Now().Add(-time.Minute)
			b.hub.Report(hub.Report{Device: "plug", At: time.Now(), Has: hub.ReportOn, On: true})
			b.live(t, 4*time.Hour)
			var total time.Duration
			for _, s := range b.plug.was {
				total += s.to.Sub(s.from)
			}
			if total += first; off(time.Time{}.Add(total), time.Time{}.Add(3*time.Hour)) > 2*time.Minute {
				t.Errorf("may pause %v: ran %v in all, want 3 h: %v", mayPause, total, b.plug.was)
			}
		})
	}
}

// A device that ignores its commands is told again, then reported and planned
// around, and tried again later.
func TestADeafDeviceIsToldAgainReportedAndPlannedAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, plugWith(hub.Schedule{ReadyBy: 420, Minutes: 60, Days: hub.EveryDay}), memory{})
		b.plug.deaf = true
		b.live(t, 62*time.Minute+30*time.Second) // planned at 01:00, told five times
		p, _ := b.hub.Snapshot().Plan.Of("plug")
		if len(p.Runs) != 0 || p.Reason != "does not follow its commands; it is tried again at 01:16" {
			t.Errorf("planned %+v", p)
		}
		b.plug.deaf = false
		b.live(t, 5*time.Hour)
		if len(b.plug.was) != 1 || off(b.plug.was[0].to, b.plug.was[0].from.Add(time.Hour)) > step {
			t.Errorf("once it hears again it was on %v, want an hour", b.plug.was)
		}
	})
}

func TestPreviewChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := hub.New(hub.Config{Logger: slog.New(slog.DiscardHandler), Devices: []hub.Device{plugWith(hub.Schedule{ReadyBy: 420, Minutes: 60})}})
		if err != nil {
			t.Fatal(err)
		}
		loop := scheduler.New(scheduler.Config{Zone: time.UTC, Logger: slog.New(slog.DiscardHandler), House: h, Outlook: outlook{cheapNight}})
		d, _ := h.Device("plug")
		p, err := loop.Preview(d.Device, hub.Schedule{ReadyBy: 420, Minutes: 120})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Runs) != 1 || p.Runs[0].Start.Hour() != 1 || p.Cost != 400_000 || p.CostNow != 800_000 {
			t.Errorf("%+v", p)
		}
		if h.Snapshot().Plan != nil {
			t.Error("a preview became the plan")
		}
		if _, err := loop.Preview(d.Device, hub.Schedule{ReadyBy: 420}); hub.CodeOf(err) != hub.Invalid {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, plugWith(hub.Schedule{ReadyBy: 420, Minutes: 60, Days: hub.EveryDay}), memory{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.loop.Run(ctx) }()
		time.Sleep(10 * time.Second)
		if err := b.loop.Alive(2 * time.Second); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if err := b.loop.Alive(2 * time.Second); err == nil {
			t.Error("a loop that stands still counts as alive")
		}
	})
}
