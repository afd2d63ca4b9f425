package scheduler

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"
)

// The run planner is exact for convex slot prices: it finds what trying all level patterns finds.
func TestRunPlannerIsExact(t *testing.T) {
	for seed := range 1500 {
		rng := rand.New(rand.NewPCG(uint64(seed), 3))
		n := 2 + rng.IntN(7)
		d := &device{kind: KindEVSE, unit: 1000, lo: 1 + rng.IntN(2), minOn: 1 + rng.IntN(3), startEUR: 0.02 * float64(rng.IntN(3)), shortEUR: float64(rng.IntN(3)) * 0.1}
		d.hi = d.lo + rng.IntN(3)
		d.from = rng.IntN(2)
		d.to = n - rng.IntN(2)
		if d.to <= d.from {
			continue
		}
		d.need = max(rng.IntN(12), d.lo*d.minOn)
		if rng.IntN(2) == 0 {
			d.firstRun = 1 + rng.IntN(d.minOn)
		}
		var r runPlanner
		r.reset(d)
		for s := d.from; s < d.to; s++ {
			row := r.row(s)
			slopes := make([]float64, len(row))
			for k := range slopes {
				slopes[k] = rng.Float64()*0.3 - 0.1
			}
			sort.Float64s(slopes)
			row[0] = slopes[0]*float64(d.lo) + 0.1*rng.Float64()
			for k := 1; k < len(row); k++ {
				row[k] = row[k-1] + slopes[k]
				if rng.IntN(8) == 0 {
					row[k] = math.Inf(1)
				}
			}
		}
		clean := append([]float64(nil), r.price...)
		cost := func(level []int) float64 {
			sum, got := float64(starts(level, d))*d.startEUR, 0
			for s, a := range level {
				if a > 0 {
					sum += clean[(s-d.from)*r.w+a-d.lo]
				}
				got += a
			}
			return sum + float64(d.need-got)*d.shortEUR
		}
		level := make([]int, n)
		r.plan(d, level)
		if !d.allows(level) {
			t.Fatalf("seed %d: %v is not allowed for %+v", seed, level, d)
		}
		best := math.Inf(1)
		h := &house{n: n, devices: []device{*d}}
		for _, w := range h.waysOf(0) {
			best = min(best, cost(w.level))
		}
		if got := cost(level); got > best+1e-5 {
			t.Fatalf("seed %d: %v costs %.6f, %.6f is possible for %+v", seed, level, got, best, d)
		}
	}
}

// A warm-start draft that breaks a rule is not taken over.
func TestDeviceAllows(t *testing.T) {
	d := &device{kind: KindEVSE, lo: 6, hi: 16, from: 1, to: 6, need: 40, minOn: 2}
	for _, c := range []struct {
		name  string
		level []int
		want  bool
	}{
		{"fine", []int{0, 6, 16, 0, 0, 0, 0}, true},
		{"too short a run", []int{0, 6, 0, 0, 0, 0, 0}, false},
		{"below the lowest level", []int{0, 5, 6, 0, 0, 0, 0}, false},
		{"above the highest", []int{0, 6, 17, 0, 0, 0, 0}, false},
		{"too early", []int{6, 6, 0, 0, 0, 0, 0}, false},
		{"too late", []int{0, 0, 0, 0, 0, 6, 6}, false},
		{"more than needed", []int{0, 16, 16, 16, 0, 0, 0}, false},
	} {
		if got := d.allows(c.level); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
