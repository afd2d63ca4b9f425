package scheduler

import (
	"math"
	"os"
	"testing"
	"time"
)

// What the search believes a plan to cost is what the evaluator says: its caps on the import are soft, and a plan must not hide behind them.
func TestSearchBelievesTheTruth(t *testing.T) {
	for _, name := range []string{"v1-2", "v2-1", "v2-3", "month-end", "export-bonus"} {
		f, err := os.Open("../../shared/bench/plan/instances/" + name + "/problem.json")
		if err != nil {
			t.Skip("no instances here")
		}
		p, err := ReadProblem(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		s := newSearch(newHouse(p), Options{Iterations: 300, Now: time.Now})
		s.run(p)
		if plan := s.plan(p); math.Abs(plan.Cost-s.score.cost) > 2e-4 {
			t.Errorf("%s: %.6f EUR, and %.6f by the evaluator", name, s.score.cost, plan.Cost)
		}
	}
}

func BenchmarkSolve(b *testing.B) {
	for _, name := range []string{"v0-1", "v1-2", "v2-1", "many", "month-end"} {
		f, err := os.Open("../../shared/bench/plan/instances/" + name + "/problem.json")
		if err != nil {
			b.Skip("no instances here")
		}
		p, err := ReadProblem(f)
		f.Close()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Solve(p, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/warm", func(b *testing.B) {
			former, err := Solve(p, Options{})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := Solve(p, Options{Warm: former}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/dp", func(b *testing.B) {
			h := newHouse(p)
			fl := newField(h)
			for m := range fl.capW {
				fl.capW[m] = 4000
			}
			for b.Loop() {
				fl.backward()
			}
			k := 0
			for i := range fl.v.fn {
				k += len(fl.v.fn[i].seg)
			}
			b.ReportMetric(float64(k)/float64(len(fl.v.fn)), "segs")
		})
	}
}
