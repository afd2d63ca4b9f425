package scheduler

import (
	"time"

	"homehub/hub"
)

// Decide says what to tell the devices at now, from the plan in force and
// what the devices say of themselves. It is pure: the same input gives the
// same commands.
//
// A device on Auto without a schedule is left to the person at its button.
func Decide(now time.Time, s hub.Snapshot) []hub.Command {
	var commands []hub.Command
	for _, d := range s.Devices {
		if !d.Switched() {
			continue
		}
		if c, ok := decide(now, d, s.Plan); ok {
			commands = append(commands, c)
		}
	}
	return commands
}

func decide(now time.Time, d hub.DeviceState, plan *hub.Plan) (hub.Command, bool) {
	want := hub.Command{Device: d.ID}
	switch mode := d.ModeAt(now); {
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
	return want, due(now, d, want)
}

// due says whether a wish needs a command: something changes, or a lease is
// half over.
func due(now time.Time, d hub.DeviceState, want hub.Command) bool {
	have := d.Commanded
	if !want.On {
		strayed := have.At.IsZero() && d.On && (d.ModeAt(now) == hub.ModeOff || d.Schedule != nil)
		return have.On || strayed
	}
	if !have.On || have.Amps != want.Amps {
		return true
	}
	return want.Until.After(have.Until) && have.Until.Sub(now) < hub.MaxLease/2
}
