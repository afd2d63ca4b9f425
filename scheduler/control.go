package scheduler

import (
	"fmt"
	"time"

	"homehub/hub"
)

// The delays of following the sun: a cloud is no reason to stop, and a gap in
// the clouds none to start.
const (
	surplusStart = time.Minute      // surplus must last so long before a device starts
	surplusStop  = 3 * time.Minute  // it goes on so long at its least without
	raiseAfter   = 15 * time.Second // surplus must last so long for more amps
	lowerAfter   = 5 * time.Second  // between two changes of the current downwards
	phaseDwell   = 10 * time.Minute // between two changes of the number of phases: each wears a contactor and the car
	// worthMargin is how far a price must be from a device's worth to count,
	// µEUR per kWh: both are estimates.
	worthMargin = 10_000
)

// control follows the sun and the battery's price from one telegram to the
// next. It is pure but for its memory, and changes commands between what the
// plan wants and what the guards allow.
type control struct {
	followers []follower
	battery   batteryControl
	rule      SurplusRule
	rules     []ruleState
}

// follower is one device that follows surplus.
type follower struct {
	device  string
	active  bool      // runs on surplus
	enough  time.Time // since when there is enough to start; zero: there is not
	short   time.Time // since when there is too little to go on; zero: there is enough
	more    time.Time // since when there is more than it takes
	three   time.Time // since when three phases would be right, or one while on three
	moved   time.Time // last change of the current
	switchd time.Time // last change of phases
	amps    int
	phases  int // 0: as wired
}

// ruleState is the state of the simple rule of one device.
type ruleState struct {
	device string
	state  SurplusState
}

// step changes want to what prices and surplus say at now.
func (k *control) step(now time.Time, s *hub.Snapshot, want []hub.Command) {
	if !s.HasReading || s.Stale {
		k.followers, k.rules = k.followers[:0], k.rules[:0] // nobody follows a sun that nobody sees
		return
	}
	slot := s.Plan.SlotAt(now)
	for i := range want {
		d := &s.Devices[i]
		switch {
		case want[i].Device == "" || d.ModeAt(now) != hub.ModeAuto:
		case d.Role == hub.RoleBattery:
			k.battery.step(now, s, d, slot, &want[i])
		case d.Schedule == nil || d.Role == hub.RoleCharger && d.Has&hub.ReportPlugged != 0 && !d.Plugged:
		case slot < 0:
			k.fallBack(now, s, d, &want[i])
		default:
			k.follow(now, s, d, s.Plan.Slots[slot], &want[i])
		}
	}
}

// fallBack drives a device by the simple rule while there is no plan.
func (k *control) fallBack(now time.Time, s *hub.Snapshot, d *hub.DeviceState, want *hub.Command) {
	if d.Schedule.When != hub.WhenSurplus && !d.Schedule.MayPause {
		return
	}
	var st *SurplusState
	for i := range k.rules {
		if k.rules[i].device == d.ID {
			st = &k.rules[i].state
		}
	}
	if st == nil {
		k.rules = append(k.rules, ruleState{device: d.ID})
		st = &k.rules[len(k.rules)-1].state
	}
	rule := k.rule
	if rule == (SurplusRule{}) {
		rule = DefaultSurplusRule()
	}
	if rule.Step(st, now, s.Reading.Net()) {
		*want = hub.Command{Device: d.ID, On: true, Amps: d.MinAmps, Cause: "the sun gives more than the house needs"}
		want.Until = now.Add(hub.MaxLease)
	}
}

// follow lets a device take surplus where that is worth more to it than what
// the grid pays, and lets it take less where the grid costs more.
func (k *control) follow(now time.Time, s *hub.Snapshot, d *hub.DeviceState, slot hub.Slot, want *hub.Command) {
	p, ok := s.Plan.Of(d.ID)
	if !ok || p.Need <= 0 || p.Worth <= 0 && p.When != hub.WhenSurplus || !slot.Known {
		return
	}
	f := k.follower(d.ID)
	only := p.When == hub.WhenSurplus
	free := only || slot.Export+worthMargin < p.Worth // the grid pays less for it
	dear := only || slot.Import > p.Worth+worthMargin // the grid asks more for it
	planned := want.On
	if planned && !dear {
		f.wire(now, d, want)
	}
	if !free && (!planned || !dear) {
		*f = follower{device: d.ID, phases: f.phases, switchd: f.switchd}
		return
	}
	have := int(-s.Reading.Net()) + presentLoad(d).watts
	if planned && !dear {
		f.top(now, d, have, want)
		return
	}
	if f.run(now, d, have, planned && !f.active && f.short.IsZero()) {
		*want = hub.Command{Device: d.ID, On: true, Amps: f.amps, Phases: f.phases, Until: now.Add(hub.MaxLease), Cause: "runs on what would go to the grid"}
	} else {
		*want = hub.Command{Device: d.ID, Cause: "waits for surplus"}
	}
}

func (k *control) follower(device string) *follower {
	for i := range k.followers {
		if k.followers[i].device == device {
			return &k.followers[i]
		}
	}
	k.followers = append(k.followers, follower{device: device})
	return &k.followers[len(k.followers)-1]
}

// wire brings a charger that followed the sun on one phase back to three for
// a planned run, once it may be switched again.
func (f *follower) wire(now time.Time, d *hub.DeviceState, want *hub.Command) {
	if !d.SwitchPhases {
		return
	}
	if f.phases == 1 && now.Sub(f.switchd) >= phaseDwell {
		f.phases, f.switchd = 3, now
	}
	want.Phases = f.count(d)
}

// top raises a planned run of a charger to what the sun gives beyond it.
func (f *follower) top(now time.Time, d *hub.DeviceState, have int, want *hub.Command) {
	if d.Role != hub.RoleCharger {
		return
	}
	if f.amps < want.Amps {
		f.amps = want.Amps
	}
	f.track(now, d, have, want.Amps, f.count(d))
	if f.amps > want.Amps {
		want.Amps, want.Cause = f.amps, fmt.Sprintf("%s; %d A of it from surplus", want.Cause, f.amps-want.Amps)
	}
}

// run says whether the device runs on have watts of surplus, its own draw
// included. planned starts it at once: the plan has waited for this time.
func (f *follower) run(now time.Time, d *hub.DeviceState, have int, planned bool) bool {
	least, goOn := f.needs(d)
	if !f.active {
		lasting(&f.enough, have >= least, now)
		if !planned && (f.enough.IsZero() || now.Sub(f.enough) < surplusStart) {
			return false
		}
		*f = follower{device: f.device, active: true, amps: d.MinAmps, phases: f.phases, moved: now, switchd: f.switchd}
		if d.SwitchPhases && f.phases == 0 {
			f.phases = 1
			f.switchd = now
		}
	}
	lasting(&f.short, have < goOn, now)
	if !f.short.IsZero() && now.Sub(f.short) >= surplusStop {
		*f = follower{device: f.device, short: now, phases: f.phases, switchd: f.switchd}
		return false
	}
	if d.Role == hub.RoleCharger {
		f.phase(now, d, have)
		f.track(now, d, have, d.MinAmps, f.count(d))
	}
	return true
}

// needs is the surplus from which a device may start, and below which it may
// not go on for ever. A charger holds its least current in between; a plug
// takes all or nothing, so it may start with a tenth from the grid and go on
// with four tenths.
func (f *follower) needs(d *hub.DeviceState) (start, goOn int) {
	if d.Role != hub.RoleCharger {
		w := int(d.Power)
		if w == 0 {
			w = int(DefaultSurplusRule().Power)
		}
		return w * 9 / 10, w * 6 / 10
	}
	n := 1
	if !d.SwitchPhases {
		n = max(1, d.Phases)
	}
	return 230 * n * d.MinAmps, 230 * n * d.MinAmps
}

func (f *follower) count(d *hub.DeviceState) int {
	if f.phases != 0 {
		return f.phases
	}
	return max(1, d.Phases)
}

// phase changes the number of phases where that has been right for as long as
// a start or a stop takes, and the last change is long enough ago.
func (f *follower) phase(now time.Time, d *hub.DeviceState, have int) {
	if !d.SwitchPhases {
		return
	}
	to, after := 3, surplusStart
	right := f.phases == 1 && have >= 3*230*d.MinAmps && have > 230*d.MaxAmps
	if f.phases == 3 {
		to, after = 1, surplusStop
		right = have < 3*230*d.MinAmps
	}
	lasting(&f.three, right, now)
	if right && now.Sub(f.three) >= after && now.Sub(f.switchd) >= phaseDwell {
		f.phases, f.switchd, f.three, f.amps, f.moved = to, now, time.Time{}, d.MinAmps, now
		if to == 1 {
			f.amps = d.MaxAmps
		}
		f.short = time.Time{}
	}
}

// track brings the current to what have watts carry, within least and the
// charger's most: down soon, up only when it lasts.
func (f *follower) track(now time.Time, d *hub.DeviceState, have, least, phases int) {
	amps := min(max(have/(230*phases), least), d.MaxAmps)
	lasting(&f.more, amps > f.amps, now)
	switch {
	case amps < f.amps && now.Sub(f.moved) >= lowerAfter, amps > f.amps && now.Sub(f.more) >= raiseAfter:
		f.amps, f.moved, f.more = amps, now, time.Time{}
	}
}

// lasting keeps in since from when on ok has held without a break.
func lasting(since *time.Time, ok bool, now time.Time) {
	switch {
	case !ok:
		*since = time.Time{}
	case since.IsZero():
		*since = now
	}
}
