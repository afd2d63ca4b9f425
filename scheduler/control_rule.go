package scheduler

import (
	"time"

	"homehub/hub"
)

// SurplusRule is the simplest way to use surplus: on while the mean of what
// goes to the grid, with what the device takes added back, stays above a
// threshold. It is used where there is no plan.
type SurplusRule struct {
	Threshold hub.Watt      // surplus that a device must find
	Deadband  hub.Watt      // how far above it turns on and below it turns off
	Power     hub.Watt      // what the device takes, added back while it is on
	Least     time.Duration // between two changes
	Mean      time.Duration // over which surplus is averaged
}

// DefaultSurplusRule holds the figures of stefvra/energy_app.
func DefaultSurplusRule() SurplusRule {
	return SurplusRule{Threshold: 700, Deadband: 200, Power: 1400, Least: 5 * time.Second, Mean: 10 * time.Minute}
}

// ruleBins is how finely the moving average is kept: a bin is a sixtieth of
// it, ten seconds by default.
const ruleBins = 60

// SurplusState is what a SurplusRule remembers of one device.
type SurplusState struct {
	on      bool
	changed time.Time
	bins    [ruleBins]struct{ sum, n int64 }
	bin     int64
}

// Step takes in the grid's power net at now and says whether the device shall
// be on.
func (r SurplusRule) Step(s *SurplusState, now time.Time, net hub.Watt) bool {
	surplus := -int64(net)
	if s.on {
		surplus += int64(r.Power)
	}
	bin := now.UnixNano() / int64(r.Mean/ruleBins)
	for b := max(s.bin+1, bin-ruleBins+1); b <= bin; b++ {
		s.bins[b%ruleBins] = struct{ sum, n int64 }{}
	}
	s.bin = bin
	s.bins[bin%ruleBins].sum += surplus
	s.bins[bin%ruleBins].n++
	var sum, n int64
	for _, b := range s.bins {
		sum, n = sum+b.sum, n+b.n
	}
	mean := hub.Watt(sum / n)
	if now.Sub(s.changed) >= r.Least {
		switch {
		case !s.on && mean > r.Threshold+r.Deadband, s.on && mean < r.Threshold-r.Deadband:
			s.on, s.changed = !s.on, now
		}
	}
	return s.on
}
