package scheduler

import (
	"time"

	"homehub/hub"
)

// Job is one occurrence of a schedule on its way to its deadline: how much of
// it is done. It survives a restart of the hub, so that a run is neither
// begun again nor doubled.
type Job struct {
	Deadline  time.Time     `json:"deadline"`
	Ran       time.Duration `json:"ran"`                // confirmed on-time so far
	Delivered hub.WattHour  `json:"delivered_wh"`       // by the device's own meter where it has one
	Started   time.Time     `json:"started,omitzero"`   // when the running stretch began; zero: not running
	RunEnd    time.Time     `json:"run_end,omitzero"`   // end of a stretch that may not pause
	Counter   hub.WattHour  `json:"counter_wh"`         // device counter at the last look
	Seen      time.Time     `json:"seen"`               // time of the last look
	Metered   bool          `json:"metered,omitempty"`  // Counter is set
	Fraction  float64       `json:"fraction,omitempty"` // of a Wh that is not counted yet, without a meter
	// DeafUntil is when a device that did not follow its commands is tried
	// again; until then the plan does without it.
	DeafUntil time.Time `json:"deaf_until,omitzero"`
}

// retryAfter is how long the plan does without a device that does not follow.
const retryAfter = 15 * time.Minute

// advance brings the job up to now by what the device said of itself.
//
// After a restart Seen lies a while back. A device that is found on was on all
// that time, since its lease had not ended; longer than a lease nobody knows.
func (j *Job) advance(s *hub.DeviceState, now time.Time) {
	if s.Has&hub.ReportOn == 0 {
		return // it has not spoken yet: wait, and count then
	}
	dt := min(now.Sub(j.Seen), hub.MaxLease)
	if j.Seen.IsZero() || dt < 0 {
		dt = 0
	}
	on := s.On && s.Online
	if on {
		j.Ran += dt
	}
	switch {
	case s.Has&hub.ReportEnergy != 0 && j.Metered:
		if s.Counter > j.Counter {
			j.Delivered += s.Counter - j.Counter
		}
	case on && !j.Metered: // no meter, or it says its first word: what came before is estimated
		w := s.OnPower(s.Amps)
		if s.Has&hub.ReportPower != 0 {
			w = s.Watts
		}
		j.Fraction += float64(w) * dt.Hours()
		whole := hub.WattHour(j.Fraction)
		j.Delivered += whole
		j.Fraction -= float64(whole)
	}
	if s.Has&hub.ReportEnergy != 0 {
		j.Counter, j.Metered = s.Counter, true
	}
	j.Seen = now
}

// slack is how little of a job may be missing for it to count as done: a
// device follows some seconds after its command, and a whole slot for those
// seconds would be absurd.
func slack(need time.Duration) time.Duration { return time.Minute + need/100 }

// left is what is still to be done, as on-time at full power. 0 is done.
func (j *Job) left(d *hub.DeviceState) time.Duration {
	need, done := j.need(d)
	if left := need - done; left > slack(need) {
		return left
	}
	return 0
}

// over says whether all of the job is done, to the second.
func (j *Job) over(d *hub.DeviceState) bool {
	need, done := j.need(d)
	return done >= need
}

// openLength is what a schedule that names no amount asks for: more than any
// day holds.
const openLength = 48 * time.Hour

// need is the whole job and what is done of it, as on-time at full power.
func (j *Job) need(d *hub.DeviceState) (need, done time.Duration) {
	s := d.Schedule
	if s.Minutes > 0 {
		return time.Duration(s.Minutes) * time.Minute, j.Ran
	}
	full := fullPower(d.Device)
	done = duration(j.Delivered, full)
	switch {
	case s.SoC > 0 && d.Battery != nil && d.Has&hub.ReportSoC != 0:
		in, _ := d.Battery.Efficiencies()
		missing := float64(max(0, s.SoC-d.SoC)) / 100 * float64(d.Battery.Capacity) / in
		return done + duration(hub.WattHour(missing), full), done
	case s.Energy > 0:
		return duration(s.Energy, full), done
	case s.SoC > 0 && d.Battery != nil: // nobody says how full it is: as if it were empty, the car ends by itself
		return duration(d.Battery.Capacity*hub.WattHour(s.SoC)/100, full), done
	}
	return openLength, 0
}

// fullPower is the most that a device draws, at least 1 W so that it can be
// divided by.
func fullPower(d hub.Device) hub.Watt { return max(1, d.OnPower(d.MaxAmps)) }

// duration is how long w takes to deliver e.
func duration(e hub.WattHour, w hub.Watt) time.Duration {
	return time.Duration(float64(e) / float64(w) * float64(time.Hour))
}
