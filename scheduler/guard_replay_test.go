package scheduler

import (
	"testing"
	"time"

	"homehub/hub"
)

// A real house, minute by minute for three days in December, beside a car that
// always wants all of a connection that is too small for both, and under a
// capacity tariff. No fuse may stay overloaded for longer than a command takes
// to show, no quarter may become the month's highest that the house alone does
// not make so, and the car must get nearly all of what is left.
func TestReplayOfARealHouse(t *testing.T) {
	load := column(t, "../../shared/data/load/fr_uci_2006-12_1min.csv", 1)
	if load == nil {
		t.Skip("the recorded series is not at hand")
	}
	const days = 3
	tests := []struct {
		name  string
		c     Connection
		peak  hub.Watt
		uses  float64 // least share of what was left
		scale float64 // of the house's load
	}{
		{"fuse of 3x20 A", Connection{Fuse: 20, Metered: true}, 0, 0.80, 1.5},
		{"month's peak of 6 kW", Connection{Fuse: 40, Import: 27_600, PeakFloor: 2500, Metered: true}, 6000, 0.80, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := car(3)
			d.Line = 0
			r := newRig(t, test.c, d)
			r.now = time.Date(2006, 12, 17, 0, 0, 0, 0, time.UTC).Add(-time.Second)
			r.peak = test.peak
			r.plan(map[string]int{"car": 16})
			r.s.Plan.Devices[0].Runs[0].End = r.now.AddDate(0, 0, days+1)
			var overSince, slow, longest, avoidable, overs int
			var alone, could, got float64
			var longestPeak hub.Watt
			peak, quarters := test.peak, 0
			for s := range days * 24 * 3600 {
				w := load[400+s/60] * test.scale
				r.base = [3]hub.Watt{hub.Watt(0.6 * w), hub.Watt(0.25 * w), hub.Watt(0.15 * w)}
				sent := len(r.sent)
				r.second()
				switch over := r.worstAmps() > test.c.Fuse*1000; {
				case !over:
					overSince = 0
				case int(r.base[0])*1000/230 <= test.c.Fuse*1000-6000: // else nothing can help
					if overSince++; overSince == 1 {
						overs++
						if len(r.sent) == sent {
							slow++
						}
					}
					longest = max(longest, overSince)
				}
				draw := float64(commandedLoad(r.device("car"), r.has["car"]).watts)
				got += draw
				if test.peak > 0 { // the mean counts
					could += min(16*690, max(0, float64(r.peak)-w))
				} else if a := min(16, int((float64(test.c.Fuse*230)-0.6*w)/230)); a >= 6 {
					could += float64(690 * a)
				}
				if n := len(r.quarters); n > quarters {
					quarters = n
					if mean := r.quarters[n-1]; test.peak > 0 && mean > peak && alone/900 < float64(peak)-100 {
						avoidable++
					}
					alone, peak = 0, max(peak, r.peak)
				}
				alone += w
			}
			if test.peak > 0 {
				for _, w := range r.quarters {
					longestPeak = max(longestPeak, w)
				}
				t.Logf("highest quarter %d W, %d avoidable new peaks", longestPeak, avoidable)
			} else {
				t.Logf("%d overloads, answered in the same telegram but for %d; longest %d s with %d s of lag", overs, slow, longest, r.lag)
			}
			t.Logf("the car took %.1f of %.1f kWh that were left (%.0f %%), %d commands in %d days", got/3.6e6, could/3.6e6, 100*got/could, len(r.sent), days)
			if slow > 0 || longest > r.lag+2 || avoidable > 0 || got < test.uses*could {
				t.Error("the guards are too slow, too lax or too strict")
			}
		})
	}
}
