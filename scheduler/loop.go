package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"homehub/hub"
)

// House is what the loop drives; *hub.Hub satisfies it.
type House interface {
	Snapshot() hub.Snapshot
	Do(ctx context.Context, c hub.Command) error
	SetPlan(p *hub.Plan)
	SetGuarding(g *hub.Guarding)
}

// Outlook is what the loop knows of the future.
type Outlook interface {
	// Prices are n slots from the one that holds from.
	Prices(from time.Time, n int) []hub.Slot
	// Forecast is the expected base load and solar power of the same slots, in W.
	Forecast(from time.Time, n int) (base, pv []float64)
}

// Past is what was recorded of the house.
type Past interface {
	// Heat is a heater's past from from to to, a sample for each quarter of an
	// hour; sensor is the device that measures the temperature.
	Heat(heater hub.Device, sensor string, from, to time.Time) []HeatSample
}

// Keeper keeps the jobs over a restart; *store.Store satisfies it.
type Keeper interface {
	Setting(key string, v any) bool
	PutSetting(key string, v any) error
}

// Config is what a Loop is made of.
type Config struct {
	Clock      hub.Clock
	Zone       *time.Location
	Logger     *slog.Logger
	House      House
	Wake       <-chan struct{} // something changed in the house; may be nil
	Outlook    Outlook
	Keeper     Keeper        // nil: jobs and profiles are forgotten at a restart
	Past       Past          // what heaters did; nil: nothing is learned of them
	Connection Connection    // what the grid connection carries
	Gain       hub.MicroEuro // a plan in force is changed for a saving above this; 2 ct if 0
	Condition  func(c hub.Condition, reason string)
}

// Loop keeps the plan true: it plans again when something changed, and sends
// what plan, sun, prices and guards say when it is time.
type Loop struct {
	cfg      Config
	progress atomic.Int64 // UnixNano of machine time of the last turn
	desk     desk         // of the loop's goroutine alone
	snap     hub.Snapshot // likewise: what this turn sees

	pupils sync.WaitGroup // what learns beside the loop

	mu       sync.Mutex // guards what Preview shares with the loop
	jobs     map[string]*Job
	profiles map[string]Profile
	lessons  map[string]*lesson
	heat     map[string]HeatModel
	schooled time.Time // when heaters were last looked at
	kept     string    // fingerprint of the jobs as they were kept last
	change   changeWatch
	prices   priceMemory
	rest     restMean
	month    hub.Watt // highest quarter of this month
	plan     *Plan    // in force, for slots from planStart on
	start    time.Time
}

const (
	jobsKey     = "scheduler.jobs"
	profilesKey = "scheduler.profiles"
	heatKey     = "scheduler.heat"
)

// New makes a loop that goes on with the jobs that the Keeper has.
func New(cfg Config) *Loop {
	if cfg.Gain == 0 {
		cfg.Gain = 20_000
	}
	l := &Loop{cfg: cfg, jobs: map[string]*Job{}, profiles: map[string]Profile{}, lessons: map[string]*lesson{}, heat: map[string]HeatModel{}}
	l.desk.guard = newGuard(cfg.Connection, cfg.Zone, cfg.Clock)
	l.cfg.Connection = l.desk.guard.c
	l.desk.warmth.zone = cfg.Zone
	if cfg.Keeper != nil {
		cfg.Keeper.Setting(jobsKey, &l.jobs)
		cfg.Keeper.Setting(profilesKey, &l.profiles)
		cfg.Keeper.Setting(heatKey, &l.heat)
	}
	l.progress.Store(time.Now().UnixNano())
	return l
}

// Run plans and commands until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	tick := l.cfg.Clock.Ticker(time.Second)
	defer tick.Stop()
	for {
		l.Turn(ctx, l.cfg.Clock.Now())
		select {
		case <-ctx.Done():
			l.pupils.Wait()
			l.keep()
			return nil
		case <-tick.C:
		case <-l.cfg.Wake:
		}
	}
}

// Alive returns an error if the loop has made no turn for limit of machine
// time.
func (l *Loop) Alive(limit time.Duration) error {
	if silent := time.Since(time.Unix(0, l.progress.Load())); silent > limit {
		return fmt.Errorf("the scheduler has stood still for %v", silent.Round(time.Second))
	}
	return nil
}

// Turn does what is due at now: it follows the jobs, plans if something
// changed, and sends commands. Its guards see every snapshot first.
func (l *Loop) Turn(ctx context.Context, now time.Time) {
	l.progress.Store(time.Now().UnixNano())
	l.snap = l.cfg.House.Snapshot()
	l.follow(&l.snap, now)
	l.school(&l.snap, now)
	if why := l.stale(&l.snap, now); why != "" {
		l.replan(&l.snap, now, why)
		l.snap = l.cfg.House.Snapshot()
	}
	commands, guarding := l.desk.decide(now, &l.snap)
	if guarding {
		l.guarding()
	}
	for _, c := range commands {
		if err := l.cfg.House.Do(ctx, c); err != nil {
			l.cfg.Logger.Debug("commanding", "device", c.Device, "err", err)
			continue
		}
		for i := range l.snap.Devices {
			if d := &l.snap.Devices[i]; d.ID == c.Device {
				l.desk.sent(now, d, c)
				l.note(d, c, now)
			}
		}
	}
}

// guarding shows what the guards hold back, in one log line per change.
func (l *Loop) guarding() {
	g := l.desk.guard.shown
	l.cfg.House.SetGuarding(g)
	if g == nil {
		l.cfg.Logger.Info("the guards hold nothing back any more")
		return
	}
	l.cfg.Logger.Info("a guard holds devices back", "kind", g.Kind, "cause", g.Cause, "devices", g.Devices)
}

// Preview is what the plan would do with a device if its schedule were s.
// Nothing changes.
func (l *Loop) Preview(d hub.Device, s hub.Schedule) (hub.Planned, error) {
	if err := s.Validate(); err != nil {
		return hub.Planned{}, err
	}
	now := l.cfg.Clock.Now()
	if s.SetAt.IsZero() {
		s.SetAt = now
	}
	deadline, ok := Due(s, now, l.cfg.Zone)
	if !ok {
		return hub.Planned{}, hub.FieldErrorf("days", "leave no day on which this could run")
	}
	live := l.cfg.House.Snapshot()
	live.Devices = previewed(live.Devices, d, s)
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.gather(&live, now)
	in.Former = nil
	in.Jobs = map[string]*Job{d.ID: {Deadline: deadline, Seen: now}}
	for id, j := range l.jobs {
		if id != d.ID {
			in.Jobs[id] = j
		}
	}
	plan, _, err := PlanHouse(in)
	if err != nil {
		return hub.Planned{}, err
	}
	planned, _ := plan.Of(d.ID)
	return planned, nil
}

// previewed is devices with d as it is given, and another schedule for it.
func previewed(devices []hub.DeviceState, d hub.Device, s hub.Schedule) []hub.DeviceState {
	out := make([]hub.DeviceState, len(devices))
	copy(out, devices)
	for i := range out {
		if out[i].ID == d.ID {
			out[i].Device = d
			out[i].Schedule, out[i].Mode = &s, hub.ModeAuto
			out[i].Has &^= hub.ReportPlugged // show what would be, car or no car
		}
	}
	return out
}
