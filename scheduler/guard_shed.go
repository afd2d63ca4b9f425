package scheduler

import (
	"fmt"
	"slices"
	"time"

	"homehub/hub"
)

// rank puts the devices that may be shed in the order in which that hurts
// least: batteries, then what runs on surplus, what may pause, what may not,
// what a person switched on; within each what has the most time left.
func (g *guard) rank(now time.Time, s *hub.Snapshot, want []hub.Command) {
	g.order = g.order[:0]
	for i := range s.Devices {
		d := &s.Devices[i]
		if want[i].Device == "" || d.Essential {
			continue
		}
		g.order = append(g.order, i)
		for k := len(g.order) - 1; k > 0; k-- { // few devices, and in order already
			if g.less(now, s, g.order[k], g.order[k-1]) {
				g.order[k], g.order[k-1] = g.order[k-1], g.order[k]
			}
		}
	}
}

func (g *guard) less(now time.Time, s *hub.Snapshot, i, j int) bool {
	a, b := &s.Devices[i], &s.Devices[j]
	if ca, cb := shedClass(now, a), shedClass(now, b); ca != cb {
		return ca < cb
	}
	return slackOf(now, s, a) > slackOf(now, s, b)
}

func shedClass(now time.Time, d *hub.DeviceState) int {
	switch {
	case d.Role == hub.RoleBattery:
		return 0
	case d.ModeAt(now) == hub.ModeOn:
		return 4
	case d.Schedule == nil:
		return 3
	case d.Schedule.When == hub.WhenSurplus:
		return 1
	case d.Schedule.MayPause || d.Schedule.Keeps():
		return 2
	}
	return 3
}

// slackOf is how much longer a device could wait and still be ready in time.
func slackOf(now time.Time, s *hub.Snapshot, d *hub.DeviceState) time.Duration {
	p, ok := s.Plan.Of(d.ID)
	if !ok {
		return 0
	}
	return p.Deadline.Sub(now) - duration(p.Need, max(1, d.OnPower(d.MaxAmps)))
}

// giveBack raises what is held, the most valued first, once there has been
// room for it for long enough. One step at a time: the next one waits until
// the meter has shown this one.
func (g *guard) giveBack(now time.Time, s *hub.Snapshot, want []hub.Command) {
	r, long := g.calm.room()
	if !long {
		return
	}
	for k := len(g.order) - 1; k >= 0; k-- {
		i := g.order[k]
		h := g.held(want[i].Device)
		if h == nil || now.Sub(h.since) < 2*calmHalf || h.amps == 0 && now.Sub(h.since) < minOff && s.Devices[i].Role != hub.RoleBattery {
			continue
		}
		if g.raise(h, &s.Devices[i], want[i], r) {
			h.since = now
			g.calm.reset()
			return
		}
	}
}

// raise lets a device have more, as far as r carries it.
func (g *guard) raise(h *hold, d *hub.DeviceState, want hub.Command, r load) bool {
	r.watts -= spareWatts
	for p := range r.phase {
		r.phase[p] -= spareAmps
	}
	if d.Role == hub.RoleBattery {
		if r.watts <= 0 {
			return false
		}
		if h.watts += hub.Watt(r.watts); h.watts >= want.Setpoint {
			g.drop(h)
		}
		return true
	}
	if d.Role != hub.RoleCharger {
		if !fits(onLine(d, int(max(plugPower(d), h.watts))), r) {
			return false
		}
		g.drop(h)
		return true
	}
	amps := h.amps + ampsIn(d, want, r)
	if amps <= h.amps || amps < d.MinAmps {
		return false
	}
	if h.amps = amps; h.amps >= wantedAmps(d, want) {
		g.drop(h)
	}
	return true
}

func (g *guard) drop(h *hold) {
	device := h.device
	g.holds = slices.DeleteFunc(g.holds, func(h hold) bool { return h.device == device })
}

// ampsIn is how many more whole amps r carries for a charger.
func ampsIn(d *hub.DeviceState, c hub.Command, r load) int {
	c.On, c.Amps = true, 1
	one := commandedLoad(d, c)
	amps := r.watts / max(1, one.watts)
	for p := range r.phase {
		if one.phase[p] > 0 {
			amps = min(amps, r.phase[p]/one.phase[p])
		}
	}
	return amps
}

func wantedAmps(d *hub.DeviceState, c hub.Command) int {
	if c.Amps == 0 {
		return d.MaxAmps
	}
	return c.Amps
}

func fits(l, r load) bool {
	for p := range l.phase {
		if l.phase[p] > 0 && l.phase[p] > r.phase[p] {
			return false
		}
	}
	return l.watts <= 0 || l.watts <= r.watts
}

// fit lets devices begin or take more only as far as there is room, and
// returns what is left of it.
func (g *guard) fit(now time.Time, s *hub.Snapshot, want []hub.Command, r room) room {
	for i := range want { // what ends makes room first
		if c := g.cut(want[i], &s.Devices[i]); c.Device != "" {
			if more := commandedLoad(&s.Devices[i], c).add(toldLoad(&s.Devices[i]), -1); more.watts < 0 {
				r.load = r.add(more, -1)
			}
		}
	}
	for k := len(g.order) - 1; k >= 0; k-- {
		i := g.order[k]
		d := &s.Devices[i]
		c := g.cut(want[i], d)
		more := commandedLoad(d, c).add(toldLoad(d), -1)
		if more.watts <= 0 {
			continue
		}
		if !fits(more, r.load) {
			kind, cause := g.why(now, s, r, more)
			h := g.hold(d.ID, kind, cause, now)
			h.amps, h.watts = 0, max(0, d.Commanded.Setpoint)
			if d.Role == hub.RoleCharger {
				have := 0
				if d.Commanded.On {
					have = wantedAmps(d, d.Commanded)
				}
				if h.amps = have + max(0, ampsIn(d, c, r.load)); h.amps < d.MinAmps {
					h.amps = have
				}
			}
			more = commandedLoad(d, g.cut(c, d)).add(toldLoad(d), -1)
		}
		r.load = r.add(more, -1)
	}
	return r
}

// cut is a command as the holds so far leave it.
func (g *guard) cut(c hub.Command, d *hub.DeviceState) hub.Command {
	if h := g.held(c.Device); h != nil {
		switch {
		case d.Role == hub.RoleBattery:
			c.Setpoint = min(c.Setpoint, h.watts)
		case h.amps == 0:
			c.On = false
		default:
			c.Amps = min(wantedAmps(d, c), h.amps)
		}
	}
	return c
}

// hold makes or renews the hold of a device.
func (g *guard) hold(device string, kind hub.GuardKind, cause string, now time.Time) *hold {
	h := g.held(device)
	if h == nil {
		g.holds = append(g.holds, hold{device: device})
		h = &g.holds[len(g.holds)-1]
	}
	h.kind, h.cause, h.since = kind, cause, now
	return h
}

// shed takes back what is too much: first batteries and amps, then, if that
// was not enough, whole devices.
func (g *guard) shed(now time.Time, s *hub.Snapshot, want []hub.Command, r room) {
	for _, off := range []bool{false, true} {
		for _, i := range g.order {
			if !r.over() {
				return
			}
			r = g.shedOne(now, s, i, want[i], r, off)
		}
	}
}

func (r *room) over() bool {
	return r.watts < 0 || r.phase[0] < 0 || r.phase[1] < 0 || r.phase[2] < 0
}

// shedOne cuts one device by as much as helps, and returns the room then.
func (g *guard) shedOne(now time.Time, s *hub.Snapshot, i int, want hub.Command, r room, off bool) room {
	d := &s.Devices[i]
	c := g.cut(want, d)
	present := commandedLoad(d, c)
	if d.Has&hub.ReportPower != 0 && d.Role != hub.RoleBattery && now.Sub(d.Commanded.At) >= g.lag+shows {
		present = lower(present, presentLoad(d))
	}
	if d.Role != hub.RoleBattery && (!c.On || present.watts < 50) || !helps(present, r.load) && d.Role != hub.RoleBattery {
		return r
	}
	kind, cause := g.why(now, s, r, present)
	var after load
	switch {
	case d.Role == hub.RoleBattery && !off:
		low := batteryFloor(d)
		to := max(low, c.Setpoint+hub.Watt(min(r.watts, 3*minOver(r.load)*230/1000)))
		if to >= c.Setpoint {
			return r
		}
		g.hold(d.ID, kind, cause, now).watts = to
		c.Setpoint = to
		after = commandedLoad(d, c)
	case d.Role == hub.RoleCharger && !off:
		have := min(wantedAmps(d, c), g.drawnAmps(now, d, c))
		amps := max(d.MinAmps, have-ampsOver(d, c, r.load))
		if amps >= wantedAmps(d, c) {
			return r
		}
		g.hold(d.ID, kind, cause, now).amps = amps
		c.Amps = amps
		after = lower(present, commandedLoad(d, c))
	case off && d.Role != hub.RoleBattery:
		if kind == hub.GuardPeak && !g.mustDrop(s, r) {
			return r
		}
		h := g.hold(d.ID, kind, cause, now)
		h.amps, h.watts = 0, hub.Watt(present.watts)
	default:
		return r
	}
	r.load = r.add(after.add(present, -1), -1)
	return r
}

// mustDrop says whether whole devices must go now for the quarter's sake: if
// everything goes on for a while and all that may be shed goes then, would the
// quarter still be too high? A kettle is over before that is so, an oven is not:
// peakReserve is kept for it.
func (g *guard) mustDrop(s *hub.Snapshot, r room) bool {
	target := g.peakTarget(s)
	allowed, ok := g.quarter.allowed(target)
	if !ok {
		return false
	}
	left := int(g.quarter.left() / time.Second)
	wait := min(left, int(peakPatience/time.Second))
	net, can := allowed-r.watts, 0
	for _, i := range g.order {
		if d := &s.Devices[i]; d.Commanded.On && d.Role != hub.RoleBattery {
			can += presentLoad(d).watts
		}
	}
	return net*wait+(net-can+peakReserve)*(left-wait) > allowed*left
}

// batteryFloor is the least set-point of a battery: what it can give.
func batteryFloor(d *hub.DeviceState) hub.Watt {
	b := d.Battery
	if b == nil || d.Has&hub.ReportSoC != 0 && d.SoC <= b.Reserve {
		return 0
	}
	return -b.MaxDischarge
}

func minOver(r load) int { return min(0, r.phase[0], r.phase[1], r.phase[2]) }

// lower is the lower of two draws.
func lower(a, b load) load {
	if b.watts < a.watts {
		return b
	}
	return a
}

func helps(present, r load) bool {
	if r.watts < 0 && present.watts > 0 {
		return true
	}
	for p := range r.phase {
		if r.phase[p] < 0 && present.phase[p] > 0 {
			return true
		}
	}
	return false
}

// drawnAmps is the current of a charger, which a car may keep below what it
// is offered.
func (g *guard) drawnAmps(now time.Time, d *hub.DeviceState, c hub.Command) int {
	if d.Has&hub.ReportAmps != 0 && d.On && d.Amps > 0 && now.Sub(d.Commanded.At) >= g.lag+shows {
		return d.Amps
	}
	return wantedAmps(d, c)
}

// ampsOver is how many amps less would bring r back to nought.
func ampsOver(d *hub.DeviceState, c hub.Command, r load) int {
	c.Amps = 1
	one := commandedLoad(d, c)
	amps := ceilOver(-r.watts, one.watts)
	for p := range r.phase {
		amps = max(amps, ceilOver(-r.phase[p], one.phase[p]))
	}
	return amps
}

func ceilOver(over, unit int) int {
	if over <= 0 || unit <= 0 {
		return 0
	}
	return (over + unit - 1) / unit
}

// why names the limit that stands in the way of l, in words.
func (g *guard) why(now time.Time, s *hub.Snapshot, r room, l load) (hub.GuardKind, string) {
	fullest := 0
	for p := range r.phase {
		if r.phase[p]-l.phase[p] < r.phase[fullest]-l.phase[fullest] {
			fullest = p
		}
	}
	for p := range r.phase {
		if r.phase[p] < 0 {
			return hub.GuardFuse, fmt.Sprintf("L%d carries %.1f A and its fuse is %d A", p+1, float64(g.load.phase[p])/1000, g.c.Fuse)
		}
	}
	if room := r.phase[fullest]; r.watts >= 0 && l.phase[fullest] > room {
		return hub.GuardFuse, fmt.Sprintf("L%d has %.1f A left of its fuse of %d A", fullest+1, float64(room)/1000, g.c.Fuse)
	}
	kw := func(w int) string { return fmt.Sprintf("%.1f kW", float64(w)/1000) }
	switch r.wattsKind {
	case hub.GuardLimit:
		until := ""
		if !s.Limit.Until.IsZero() {
			until = " until " + clockOf(s.Limit.Until, g.zone)
		}
		return hub.GuardLimit, fmt.Sprintf("%s allows %s%s", s.Limit.Source, kw(int(s.Limit.Watts)), until)
	case hub.GuardPeak:
		allowed, _ := g.quarter.allowed(g.peakTarget(s))
		end := clockOf(g.quarter.start.Add(hub.SlotLength), g.zone)
		return hub.GuardPeak, fmt.Sprintf("above %s until %s this quarter would be the month's highest", kw(max(0, allowed)), end)
	}
	return hub.GuardFuse, fmt.Sprintf("the house takes %s and its connection carries %s", kw(g.load.watts), kw(int(g.c.Import)))
}

// silence says whether the meter is silent.
func (g *guard) silence(now time.Time, s *hub.Snapshot) bool {
	if !s.HasReading {
		return g.c.Metered && now.Sub(g.first) >= floorAfter
	}
	return s.Stale
}

// fitFloor lets devices have what is safe whatever the house does: the limits
// less the highest load of the last day. After a minute chargers fall to their
// least current. Nothing is decided on the quarter's peak, which nobody sees.
func (g *guard) fitFloor(now time.Time, s *hub.Snapshot, want []hub.Command) {
	since := s.StaleSince
	house := g.worst.load()
	r := load{watts: int(g.c.Import) - house.watts}
	if s.Limit.ActiveAt(now) {
		r.watts = min(r.watts, int(s.Limit.Watts)-house.watts)
	}
	for p := range r.phase {
		r.phase[p] = 1 << 30
		if g.c.Fuse > 0 && p < g.c.Phases {
			r.phase[p] = g.c.Fuse*1000 - house.phase[p]
		}
	}
	cause := "the meter has been silent since " + since.In(g.zone).Format("15:04:05")
	for i := range want { // what nobody may shed comes first
		if d := &s.Devices[i]; d.Essential && want[i].On {
			r = r.add(commandedLoad(d, want[i]), -1)
		}
	}
	for k := len(g.order) - 1; k >= 0; k-- {
		i := g.order[k]
		d, c := &s.Devices[i], want[i]
		if !c.On {
			continue
		}
		switch d.Role {
		case hub.RoleBattery:
			if c.Setpoint != 0 {
				g.holdSilent(d.ID, cause, now).watts = min(0, c.Setpoint)
			}
			continue
		case hub.RoleCharger:
			most := min(wantedAmps(d, c), ampsIn(d, c, r))
			if now.Sub(since) >= floorAfter {
				most = min(most, d.MinAmps)
			}
			if most < d.MinAmps {
				most = 0
			}
			if most < wantedAmps(d, c) {
				g.holdSilent(d.ID, cause, now).amps = most
			}
		default:
			if !fits(commandedLoad(d, c), r) {
				g.holdSilent(d.ID, cause, now).amps = 0
			}
		}
		r = r.add(commandedLoad(d, g.cut(c, d)), -1)
	}
}

// holdSilent is hold, but what is held for the same silence stays as it is:
// its time must not begin anew with every look.
func (g *guard) holdSilent(device, cause string, now time.Time) *hold {
	if h := g.held(device); h != nil && h.cause == cause {
		return h
	}
	return g.hold(device, hub.GuardSilent, cause, now)
}

func clockOf(t time.Time, loc *time.Location) string { return t.In(loc).Format("15:04") }
