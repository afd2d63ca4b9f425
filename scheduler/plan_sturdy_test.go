package scheduler_test

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"homehub/scheduler"
)

var sturdy = flag.Int("sturdy", 0, "how many slightly different variants of each instance are planned")

// A plan must not owe its quality to luck: prices that differ by less than anybody can know must not make it dearer. Each instance is planned with
// many sets of prices that differ in the fourth digit, and compared with the listed optimum at the same prices.
func TestSolveIsSturdy(t *testing.T) {
	if *sturdy == 0 {
		t.Skip("long: -sturdy 20")
	}
	var all []float64
	sum, worstSum := [2]float64{}, [2]int{}
	instances(t, func(t *testing.T, name string, p *scheduler.Problem, _ optimum) {
		raw, err := os.ReadFile(filepath.Join(referee, "instances", name, "optimum-plan.json"))
		if err != nil {
			t.Fatal(err)
		}
		var best scheduler.Plan
		if err := json.Unmarshal(raw, &best); err != nil {
			t.Fatal(err)
		}
		var regrets []float64
		begun := cpu()
		for seed := range *sturdy {
			q := *p
			rng := rand.New(rand.NewPCG(uint64(seed), 3))
			q.Import, q.Export = slices.Clone(p.Import), slices.Clone(p.Export)
			for i := range q.Import {
				q.Import[i] *= 1 + 2e-4*(rng.Float64()-0.5)
				q.Export[i] *= 1 + 2e-4*(rng.Float64()-0.5)
			}
			plan, err := scheduler.Solve(&q, scheduler.Options{})
			if err != nil {
				t.Fatal(err)
			}
			ref, err := q.Evaluate(&best)
			if err != nil {
				t.Fatal(err)
			}
			regrets = append(regrets, (plan.Cost-ref.Cost)*100)
		}
		took := float64((cpu() - begun).Microseconds()) / 1000 / float64(*sturdy)
		slices.Sort(regrets)
		mean := 0.
		for _, r := range regrets {
			mean += r / float64(len(regrets))
		}
		k := 0
		if p.Limits.Capacity != nil {
			k = 1
		}
		sum[k] += mean
		worstSum[k]++
		all = append(all, regrets[len(regrets)-1])
		t.Logf("%-13s %6.1f ms  regret mean %6.2f median %6.2f p90 %6.2f worst %6.2f ct", name, took, mean, regrets[len(regrets)/2], regrets[len(regrets)*9/10], regrets[len(regrets)-1])
	})
	t.Logf("plain mean %.3f, capacity mean %.3f, worst %.2f", sum[0]/float64(worstSum[0]), sum[1]/float64(worstSum[1]), slices.Max(all))
}
