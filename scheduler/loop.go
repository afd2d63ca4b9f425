package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
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
}

// Outlook is what the loop knows of the future.
type Outlook interface {
	// Prices are n slots from the one that holds from.
	Prices(from time.Time, n int) []hub.Slot
	// Forecast is the expected base load and solar power of the same slots, in W.
	Forecast(from time.Time, n int) (base, pv []float64)
}

// Keeper keeps the jobs over a restart; *store.Store satisfies it.
type Keeper interface {
	Setting(key string, v any) bool
	PutSetting(key string, v any) error
}

// Config is what a Loop is made of.
type Config struct {
	Clock     hub.Clock
	Zone      *time.Location
	Logger    *slog.Logger
	House     House
	Wake      <-chan struct{} // something changed in the house; may be nil
	Outlook   Outlook
	Keeper    Keeper   // nil: jobs are forgotten at a restart
	Import    hub.Watt // the connection's limit; 17,250 W (3x25 A) if 0
	Condition func(c hub.Condition, reason string)
}

// Loop keeps the plan true: it plans again when something changed, and sends
// what the plan says when it is time.
type Loop struct {
	cfg      Config
	progress atomic.Int64 // UnixNano of machine time of the last turn

	mu     sync.Mutex // guards what Preview shares with the loop
	jobs   map[string]*Job
	kept   string // fingerprint of the jobs as they were kept last
	inputs string // fingerprint of what the plan in force was made from
}

const jobsKey = "scheduler.jobs"

// New makes a loop that goes on with the jobs that the Keeper has.
func New(cfg Config) *Loop {
	if cfg.Import == 0 {
		cfg.Import = 17_250
	}
	l := &Loop{cfg: cfg, jobs: map[string]*Job{}}
	if cfg.Keeper != nil {
		cfg.Keeper.Setting(jobsKey, &l.jobs)
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
// changed, and sends commands.
func (l *Loop) Turn(ctx context.Context, now time.Time) {
	l.progress.Store(time.Now().UnixNano())
	s := l.cfg.House.Snapshot()
	l.follow(s, now)
	if l.stalePlan(s, now) {
		l.replan(s, now)
		s = l.cfg.House.Snapshot()
	}
	for _, c := range Decide(now, s) {
		if err := l.cfg.House.Do(ctx, c); err != nil {
			l.cfg.Logger.Debug("commanding", "device", c.Device, "err", err)
			continue
		}
		l.note(c, now)
	}
}

// follow brings every job up to now: what a device did counts, a deadline
// that passed ends its job, a new one begins the next.
func (l *Loop) follow(s hub.Snapshot, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
	for _, d := range s.Devices {
		if d.Schedule == nil || !d.Switched() {
			continue
		}
		deadline, ok := Due(*d.Schedule, now, l.cfg.Zone)
		if !ok {
			continue
		}
		seen[d.ID] = true
		j := l.jobs[d.ID]
		if j == nil || !j.Deadline.Equal(deadline) {
			if j != nil && now.Before(j.Deadline) {
				// The owner moved the deadline of a job under way: what is
				// done stays done.
				j.Deadline = deadline
			} else {
				j = &Job{Deadline: deadline, Seen: now, Counter: d.Counter, Metered: d.Has&hub.ReportEnergy != 0}
			}
			l.jobs[d.ID] = j
		}
		j.advance(d, now)
	}
	maps.DeleteFunc(l.jobs, func(id string, _ *Job) bool { return !seen[id] })
}

// stalePlan says whether anything that the plan was made from has changed.
func (l *Loop) stalePlan(s hub.Snapshot, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d", hub.SlotStart(now).Unix())
	for _, d := range s.Devices {
		if !d.Switched() {
			continue
		}
		fmt.Fprintf(&b, "|%s %s %d %v %d %d %d %v", d.ID, d.ModeAt(now), d.Has&hub.ReportPlugged, d.Plugged, d.Power, d.MaxAmps, d.Phases, d.Online)
		if j := l.jobs[d.ID]; j != nil && d.Schedule != nil {
			fmt.Fprintf(&b, " %+v %d %v %v", *d.Schedule, j.Deadline.Unix(), j.over(d.Schedule, d.Device), j.RunEnd.After(now))
		}
	}
	if b.String() == l.inputs {
		return false
	}
	l.inputs = b.String()
	return true
}

func (l *Loop) replan(s hub.Snapshot, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	plan, _, err := PlanHouse(l.gather(s.Devices, now))
	if err != nil {
		l.cfg.Condition(hub.Degraded, "the last plan stays in force: "+err.Error())
		return
	}
	l.cfg.Condition(hub.OK, "")
	l.cfg.House.SetPlan(plan)
	l.keepLocked()
}

// gather collects what a plan is made from; l.mu is held.
func (l *Loop) gather(devices []hub.DeviceState, now time.Time) Inputs {
	n := horizon(devices, now, l.cfg.Zone)
	in := Inputs{
		Now: now, Zone: l.cfg.Zone, Slots: l.cfg.Outlook.Prices(now, n),
		Devices: devices, Jobs: l.jobs, Import: l.cfg.Import,
	}
	in.Base, in.PV = l.cfg.Outlook.Forecast(now, len(in.Slots))
	return in
}

// horizon is how many slots a plan looks ahead: to the last deadline, but at
// least 36 hours and at most 48.
func horizon(devices []hub.DeviceState, now time.Time, loc *time.Location) int {
	n := 36 * 4
	for _, d := range devices {
		if d.Schedule == nil {
			continue
		}
		if deadline, ok := Due(*d.Schedule, now, loc); ok {
			n = max(n, int(deadline.Sub(hub.SlotStart(now))/hub.SlotLength)+1)
		}
	}
	return min(n, 48*4)
}

// note remembers when a run began and, if it may not pause, when it ends.
func (l *Loop) note(c hub.Command, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.jobs[c.Device]
	if j == nil {
		return
	}
	if !c.On {
		j.Started, j.RunEnd = time.Time{}, time.Time{}
	} else if j.Started.IsZero() {
		j.Started = now
		l.fix(c.Device, j, now)
	}
	l.keepLocked()
}

// fix gives a run that may not pause its end.
func (l *Loop) fix(device string, j *Job, now time.Time) {
	for _, d := range l.cfg.House.Snapshot().Devices {
		if d.ID == device && d.Schedule != nil && !d.Schedule.MayPause && d.ModeAt(now) == hub.ModeAuto {
			j.RunEnd = now.Add(j.left(d.Schedule, d.Device))
		}
	}
}

func (l *Loop) keep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keepLocked()
}

// keepLocked keeps the jobs when a run began or ended or a slot passed, not
// per reading: a commit costs the card some 36 KiB.
func (l *Loop) keepLocked() {
	if l.cfg.Keeper == nil {
		return
	}
	var b strings.Builder
	for id, j := range l.jobs {
		fmt.Fprintf(&b, "%s %d %d %d %d|", id, j.Deadline.Unix(), j.Started.Unix(), j.RunEnd.Unix(), j.Ran/hub.SlotLength)
	}
	if b.String() == l.kept {
		return
	}
	if err := l.cfg.Keeper.PutSetting(jobsKey, l.jobs); err != nil {
		l.cfg.Logger.Warn("keeping the jobs", "err", err)
		return
	}
	l.kept = b.String()
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
	devices := slices.Clone(l.cfg.House.Snapshot().Devices)
	for i := range devices {
		if devices[i].ID == d.ID {
			devices[i].Schedule, devices[i].Mode = &s, hub.ModeAuto
			devices[i].Has &^= hub.ReportPlugged // show what would be, car or no car
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.gather(devices, now)
	in.Jobs = maps.Clone(l.jobs)
	in.Jobs[d.ID] = &Job{Deadline: deadline, Seen: now}
	plan, _, err := PlanHouse(in)
	if err != nil {
		return hub.Planned{}, err
	}
	planned, _ := plan.Of(d.ID)
	return planned, nil
}
