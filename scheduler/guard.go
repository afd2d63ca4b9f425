package scheduler

import (
	"fmt"
	"slices"
	"time"

	"homehub/hub"
)

// Connection is what the house's connection to the grid can carry, and what
// its peaks cost.
type Connection struct {
	Import    hub.Watt      // sum of the phases; 17,250 W (3x25 A) if 0
	Fuse      int           // A of each phase; 0: only Import is guarded
	Phases    int           // 1 or 3; 3 if 0
	PeakFloor hub.Watt      // capacity tariff: a month's peak up to this is free (Flanders: 2,500 W); 0: no such tariff
	PeakPrice hub.MicroEuro // per kW of the month's peak and year
	Metered   bool          // a meter is expected, so that its silence is guarded as well
}

const (
	// settle is how long a command may take to show at the meter: a car follows
	// a new current within 5 s (IEC 61851-1, table A.6).
	settle = 6 * time.Second
	// calmHalf is half the time for which there must have been room before
	// anything is given back.
	calmHalf = 30 * time.Second
	// minOff is how long a device stays off once a guard put it there: a
	// compressor restarts badly, and a relay wears.
	minOff = 2 * time.Minute
	// peakPatience is how long before it is too late a whole device goes off for
	// the quarter's sake.
	peakPatience = time.Minute
	// peakReserve is what the house may take beyond what it takes now, W, while
	// a whole device waits to go off: an oven or a kettle.
	peakReserve = 2000
	// shows is how long after a command has settled neither what a device was
	// told nor what it reports can be relied upon: many report every ten seconds.
	shows = 14 * time.Second
	// spare is what must be left beside whatever is given back.
	spareAmps, spareWatts = 1000, 230
	// floorAfter is how long the meter may be silent until chargers fall to
	// their least current.
	floorAfter = time.Minute
)

// guard keeps the house within its connection, above any plan: readings in,
// commands cut. It is pure but for its own memory: the same readings at the
// same times give the same cuts.
type guard struct {
	c     Connection
	zone  *time.Location
	lag   time.Duration // how long a command may take to show; settle, more under a fast clock
	load  load          // at the meter, by the last reading
	first time.Time
	last  time.Time // when the last reading came in

	quarter quarter
	calm    calm
	worst   worst
	flights []flight
	holds   []hold
	order   []int // scratch: devices in the order they are shed
	shown   *hub.Guarding
}

// load is what flows, per phase in mA and in all in W; negative is given.
type load struct {
	phase [3]int
	watts int
}

func (a load) add(b load, sign int) load {
	for i := range a.phase {
		a.phase[i] += sign * b.phase[i]
	}
	a.watts += sign * b.watts
	return a
}

// hold is a device that may do less than it would.
type hold struct {
	device string
	amps   int      // charger: the most it may have; 0: off
	watts  hub.Watt // battery: the most it may take, below 0 the least it must give; plug: what it drew
	kind   hub.GuardKind
	cause  string
	since  time.Time // of the last cut or step back
}

// flight is a command that the meter may not show yet.
type flight struct {
	device string
	at     time.Time
	delta  load
	before load // at the meter when it was given
}

// newGuard makes a guard. Under a clock that is faster than the machine a
// command takes real time to show, however fast the house lives.
func newGuard(c Connection, zone *time.Location, clock hub.Clock) guard {
	if c.Import == 0 {
		c.Import = 17_250
	}
	if c.Phases == 0 {
		c.Phases = 3
	}
	return guard{c: c, zone: zone, lag: max(settle, clock.House(time.Second))}
}

// step cuts want, which has a command for every device of s, to what the
// connection can carry at now. It says whether what it holds back has changed.
func (g *guard) step(now time.Time, s *hub.Snapshot, want []hub.Command) (changed bool) {
	if g.first.IsZero() {
		g.first = now
	}
	if s.HasReading && !s.Reading.Received.Equal(g.last) {
		g.observe(now, s)
	}
	g.rank(now, s, want)
	g.forget(s, want)
	if silent := g.silence(now, s); silent {
		g.calm.reset() // what was seen before the silence is no longer true
		g.fitFloor(now, s, want)
	} else if s.HasReading {
		r := g.room(now, s)
		g.giveBack(now, s, want)
		r = g.fit(now, s, want, r)
		g.shed(now, s, want, r)
	}
	for i := range want {
		if h := g.held(want[i].Device); h != nil {
			h.apply(&want[i], &s.Devices[i])
		}
	}
	return g.show(now)
}

// observe takes in a reading.
func (g *guard) observe(now time.Time, s *hub.Snapshot) {
	r := &s.Reading
	g.last = r.Received
	g.load = g.measure(r)
	g.quarter.observe(r, g.c.PeakFloor)
	g.worst.observe(now, g.rest(now, s))
	bare := g.limits(now, s)
	g.calm.observe(now, bare.load)
}

// measure is the load that a reading shows. A phase that imports counts with
// the larger of its current and its power over its voltage: the current holds
// reactive power too, the power is finer.
func (g *guard) measure(r *hub.Reading) load {
	l := load{watts: int(r.Net())}
	n := int(r.PhaseCount)
	if n == 0 && g.c.Phases == 1 {
		l.phase[0] = l.watts * 1000 / 230
		return l
	}
	for i := range min(n, 3) {
		p := &r.Phases[i]
		net := l.watts
		if r.Has&hub.HasPhasePower != 0 {
			net = int(p.Import - p.Export)
		}
		deci := 2300
		if r.Has&hub.HasVoltage != 0 && p.Voltage > 1000 {
			deci = int(p.Voltage)
		}
		if r.Has&hub.HasPhasePower != 0 || n == 1 {
			l.phase[i] = net * 10_000 / deci
		}
		if r.Has&hub.HasCurrent != 0 && net > 0 {
			l.phase[i] = max(l.phase[i], int(p.Current))
		}
	}
	return l
}

// room is what may still be added; below 0 it is too much. tight says which
// limit is the nearest, for the cause.
type room struct {
	load
	wattsKind hub.GuardKind
}

// limits is the room by the last reading alone.
func (g *guard) limits(now time.Time, s *hub.Snapshot) room {
	r := room{load: load{watts: int(g.c.Import) - g.load.watts}, wattsKind: hub.GuardFuse}
	for i := range r.phase {
		r.phase[i] = 1 << 30
		if g.c.Fuse > 0 && i < g.c.Phases {
			r.phase[i] = g.c.Fuse*1000 - g.load.phase[i]
		}
	}
	if s.Limit.ActiveAt(now) {
		if w := int(s.Limit.Watts) - g.load.watts; w < r.watts {
			r.watts, r.wattsKind = w, hub.GuardLimit
		}
	}
	if allowed, ok := g.quarter.allowed(g.peakTarget(s)); ok {
		if w := allowed - g.load.watts; w < r.watts {
			r.watts, r.wattsKind = w, hub.GuardPeak
		}
	}
	return r
}

// room is the room at now, with what commands under way are about to change.
func (g *guard) room(now time.Time, s *hub.Snapshot) room {
	r := g.limits(now, s)
	g.flights = slices.DeleteFunc(g.flights, func(f flight) bool { return now.Sub(f.at) >= g.lag || f.shown(g.load) || f.landed(s) })
	for i := range g.flights {
		f := &g.flights[i]
		for p := range r.phase {
			r.phase[p] -= pending(f.delta.phase[p], g.load.phase[p]-f.before.phase[p])
		}
		r.watts -= pending(f.delta.watts, g.load.watts-f.before.watts)
	}
	return r
}

// pending is the part of a change of delta that is still to come if seen is
// what changed at the meter meanwhile.
func pending(delta, seen int) int {
	if delta >= 0 {
		return min(max(delta-max(seen, 0), 0), delta)
	}
	return max(min(delta-min(seen, 0), 0), delta)
}

// shown says whether the meter has shown it: what comes after it is somebody
// else's.
func (f *flight) shown(now load) bool {
	seen := now.watts - f.before.watts
	if f.delta.watts < 0 {
		return seen <= f.delta.watts*8/10
	}
	return seen >= f.delta.watts*8/10
}

// landed says whether the device itself reported that it follows.
func (f *flight) landed(s *hub.Snapshot) bool {
	for i := range s.Devices {
		d := &s.Devices[i]
		if d.ID == f.device {
			want := commandedLoad(d, d.Commanded).watts
			return d.Has&hub.ReportPower != 0 && d.Seen.After(f.at) && max(int(d.Watts)-want, want-int(d.Watts)) < 50+want/10
		}
	}
	return true
}

// sent notes what was given to a device, for it takes a while to show.
func (g *guard) sent(now time.Time, d *hub.DeviceState, c hub.Command) {
	if d.Commanded.Same(c) {
		return
	}
	delta := commandedLoad(d, c).add(presentLoad(d), -1)
	if delta == (load{}) {
		return
	}
	g.flights = append(g.flights, flight{d.ID, now, delta, g.load})
	if delta.watts > 0 {
		g.calm.reset()
	}
}

// commandedLoad is what a device draws if it does c. A single-phase device on
// a line that nobody knows counts on all three.
func commandedLoad(d *hub.DeviceState, c hub.Command) load {
	if !c.On {
		return load{}
	}
	if d.Role == hub.RoleBattery {
		return spread(int(c.Setpoint))
	}
	if d.Role != hub.RoleCharger {
		return onLine(d, int(plugPower(d)))
	}
	amps, phases := c.Amps, d.Phases
	if amps == 0 {
		amps = d.MaxAmps
	}
	if c.Phases != 0 {
		phases = c.Phases
	}
	if phases == 3 {
		return load{[3]int{amps * 1000, amps * 1000, amps * 1000}, 690 * amps}
	}
	return onLine(d, 230*amps)
}

// plugPower is what a plug draws when it is on: as people said, or more if it
// measures more. Many are let in without anybody saying what hangs on them.
func plugPower(d *hub.DeviceState) hub.Watt {
	if d.On && d.Has&hub.ReportPower != 0 {
		return max(d.Power, d.Watts)
	}
	return d.Power
}

// presentLoad is what a device draws: as it says, else as it was told.
func presentLoad(d *hub.DeviceState) load {
	told := commandedLoad(d, d.Commanded)
	if d.Has&hub.ReportPower == 0 {
		return told
	}
	if d.Role == hub.RoleBattery || d.Role == hub.RoleCharger && (d.PhasesOn == 3 || d.PhasesOn == 0 && d.Phases == 3) {
		return spread(int(d.Watts))
	}
	return onLine(d, int(d.Watts))
}

// toldLoad is what a device was told to draw. One that was never told, but is
// found on, was told by a hub before this one.
func toldLoad(d *hub.DeviceState) load {
	if d.Commanded.At.IsZero() && d.On && d.Online {
		if d.Has&hub.ReportPower != 0 {
			return presentLoad(d)
		}
		return commandedLoad(d, hub.Command{On: true, Amps: d.Amps})
	}
	return commandedLoad(d, d.Commanded)
}

func spread(w int) load {
	ma := w * 1000 / 690
	return load{[3]int{ma, ma, ma}, w}
}

func onLine(d *hub.DeviceState, w int) load {
	ma, l := w*1000/230, load{watts: w}
	for i := range l.phase {
		if d.Line == 0 || d.Line == i+1 {
			l.phase[i] = ma
		}
	}
	return l
}

// rest is the load without the devices that the hub commands. A device on an
// unknown line is not taken off, as nobody knows where.
func (g *guard) rest(now time.Time, s *hub.Snapshot) load {
	l := g.load
	for i := range s.Devices {
		d := &s.Devices[i]
		if !d.Driven() || d.Has&hub.ReportPower == 0 || !d.Online {
			continue
		}
		own := presentLoad(d)
		if now.Sub(d.Commanded.At) < g.lag+shows {
			own = most(own, toldLoad(d))
		}
		if d.Line == 0 && d.Role != hub.RoleBattery && d.Phases != 3 && g.c.Phases != 1 {
			own.phase = [3]int{}
		}
		l = l.add(own, -1)
	}
	return l
}

func (g *guard) held(device string) *hold {
	for i := range g.holds {
		if g.holds[i].device == device {
			return &g.holds[i]
		}
	}
	return nil
}

// forget drops the holds of devices that want nothing any more.
func (g *guard) forget(s *hub.Snapshot, want []hub.Command) {
	g.holds = slices.DeleteFunc(g.holds, func(h hold) bool {
		for i := range want {
			if want[i].Device == h.device {
				return !want[i].On && s.Devices[i].Role != hub.RoleBattery
			}
		}
		return true
	})
}

// apply cuts a command to what is held.
func (h *hold) apply(c *hub.Command, d *hub.DeviceState) {
	switch {
	case d.Role == hub.RoleBattery:
		if c.Setpoint > h.watts {
			c.Setpoint, c.Cause = h.watts, h.cause
		}
	case !c.On:
	case h.amps == 0:
		*c = hub.Command{Device: c.Device, Cause: "held off: " + h.cause}
	case c.Amps > h.amps || c.Amps == 0:
		c.Amps, c.Cause = h.amps, fmt.Sprintf("held at %d A: %s", h.amps, h.cause)
	}
}

// show publishes what is held back if that has changed.
func (g *guard) show(now time.Time) (changed bool) {
	if len(g.holds) == 0 {
		changed, g.shown = g.shown != nil, nil
		return changed
	}
	first := &g.holds[0]
	for i := range g.holds {
		if urgency(g.holds[i].kind) < urgency(first.kind) {
			first = &g.holds[i]
		}
	}
	old := g.shown
	same := old != nil && old.Kind == first.kind && old.Cause == first.cause && len(old.Devices) == len(g.holds)
	for i := 0; same && i < len(g.holds); i++ {
		same = old.Devices[i] == g.holds[i].device
	}
	if same {
		return false
	}
	g.shown = &hub.Guarding{Kind: first.kind, Cause: first.cause, Since: now}
	if old != nil && old.Kind == first.kind {
		g.shown.Since = old.Since
	}
	for i := range g.holds {
		g.shown.Devices = append(g.shown.Devices, g.holds[i].device)
	}
	return true
}

func urgency(k hub.GuardKind) int {
	return slices.Index([]hub.GuardKind{hub.GuardFuse, hub.GuardLimit, hub.GuardSilent, hub.GuardPeak}, k)
}
