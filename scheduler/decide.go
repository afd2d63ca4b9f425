package scheduler

import (
	"time"

	"homehub/hub"
)

// Decide says what to tell the devices at now, from the plan in force and
// what the devices say of themselves. It is pure: the same input gives the
// same commands. Neither the sun nor the guards have a say in it.
//
// A device on Auto without a schedule is left to the person at its button.
func Decide(now time.Time, s hub.Snapshot) []hub.Command {
	return changes(now, &s, wanted(now, &s, nil), nil)
}

// wanted is what every device shall do by its mode and the plan, one command
// for each device of s and in their order. A device that the hub does not
// command has one without a Device. It reuses want.
func wanted(now time.Time, s *hub.Snapshot, want []hub.Command) []hub.Command {
	want = want[:0]
	for i := range s.Devices {
		d := &s.Devices[i]
		c := hub.Command{}
		if d.Driven() {
			c = intent(now, d, s.Plan)
		}
		want = append(want, c)
	}
	return want
}

// changes are the commands of want that must be sent. It reuses out.
func changes(now time.Time, s *hub.Snapshot, want, out []hub.Command) []hub.Command {
	out = out[:0]
	for i := range want {
		if want[i].Device != "" && due(now, &s.Devices[i], &want[i]) {
			out = append(out, want[i])
		}
	}
	return out
}

// intent is what one device shall do.
func intent(now time.Time, d *hub.DeviceState, plan *hub.Plan) hub.Command {
	want := hub.Command{Device: d.ID}
	if d.SwitchPhases {
		want.Phases = d.Phases
	}
	switch mode := d.ModeAt(now); {
	case d.Role == hub.RoleBattery:
		want.Cause = "it does as it likes"
	case mode == hub.ModeOn:
		want.On, want.Amps, want.Cause = true, d.MaxAmps, "switched on by hand"
		want.Until = now.Add(hub.MaxLease)
		if !d.ModeUntil.IsZero() && d.ModeUntil.Before(want.Until) {
			want.Until = d.ModeUntil
		}
	case mode == hub.ModeOff:
		want.Cause = "switched off by hand"
	default:
		run, ok := plan.RunAt(d.ID, now)
		if !ok {
			want.Cause = "not planned now"
			break
		}
		planned, _ := plan.Of(d.ID)
		want.On, want.Amps, want.Cause = true, run.Amps, planned.Reason
		want.Until = now.Add(hub.MaxLease)
		if run.End.Before(want.Until) {
			want.Until = run.End
		}
	}
	if !want.On {
		want.Phases = 0
	}
	return want
}

// due says whether a wish needs a command: something changes, or a lease is
// half over.
func due(now time.Time, d *hub.DeviceState, want *hub.Command) bool {
	have := &d.Commanded
	if !want.On {
		strayed := have.At.IsZero() && d.On && (d.ModeAt(now) == hub.ModeOff || d.Schedule != nil)
		return have.On || strayed
	}
	if !have.Same(*want) {
		return true
	}
	return want.Until.After(have.Until) && have.Until.Sub(now) < hub.MaxLease/2
}

// desk turns the plan into commands once per telegram: what is planned, as the
// sun and the prices bend it, as temperatures demand it, as the guards cut it.
type desk struct {
	control control
	warmth  thermostats
	guard   guard
	want    []hub.Command // reused
	out     []hub.Command // reused
}

// decide is what to send at now. What it returns is valid until the next call.
// guarding says that what the guards hold back has changed.
func (k *desk) decide(now time.Time, s *hub.Snapshot) (out []hub.Command, guarding bool) {
	k.want = wanted(now, s, k.want)
	k.control.step(now, s, k.want)
	k.warmth.step(now, s, k.want)
	guarding = k.guard.step(now, s, k.want)
	k.out = changes(now, s, k.want, k.out)
	return k.out, guarding
}

// sent notes that c was handed to a device, which was in state d before.
func (k *desk) sent(now time.Time, d *hub.DeviceState, c hub.Command) { k.guard.sent(now, d, c) }
