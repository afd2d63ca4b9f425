package scheduler_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"homehub/scheduler"
)

const referee = "../../shared/bench/plan"

var full = flag.Bool("full", false, "plan the instances with the effort that users get")

type optimum struct {
	Cost   float64 `json:"cost_eur"`
	Missed int     `json:"missed_deadlines"`
}

// instances reads the frozen problems with proven optima, where they are present.
func instances(t *testing.T, visit func(t *testing.T, name string, p *scheduler.Problem, best optimum)) {
	t.Helper()
	folders, _ := filepath.Glob(filepath.Join(referee, "instances", "*"))
	if len(folders) == 0 {
		t.Skip("no planning instances here")
	}
	for _, folder := range folders {
		raw, err := os.ReadFile(filepath.Join(folder, "problem.json"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := scheduler.ReadProblem(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		var best optimum
		raw, err = os.ReadFile(filepath.Join(folder, "optimum.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &best); err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(folder), func(t *testing.T) { visit(t, filepath.Base(folder), p, best) })
	}
}

// Every instance is planned within its rules, misses nothing that can be met, and its lower bound holds.
func TestSolveInstances(t *testing.T) {
	instances(t, func(t *testing.T, name string, p *scheduler.Problem, best optimum) {
		opt := scheduler.Options{Iterations: 100}
		switch {
		case *full:
			opt.Iterations = 0 // what users get
		case p.Limits.Capacity != nil:
			opt.Iterations = 700
		}
		plan, err := scheduler.Solve(p, opt)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := p.Evaluate(plan)
		if err != nil {
			t.Fatal(err)
		}
		if !ev.Feasible {
			t.Fatalf("not feasible: %+v", ev.Violations[0])
		}
		if len(ev.Missed) > best.Missed {
			t.Errorf("misses %d deadlines, %d are unavoidable: %+v", len(ev.Missed), best.Missed, ev.Missed)
		}
		if math.Abs(ev.Cost-plan.Cost) > 1e-5 {
			t.Errorf("claims %.6f EUR, costs %.6f", plan.Cost, ev.Cost)
		}
		if plan.LowerBound > best.Cost+1e-6 {
			t.Errorf("lower bound %.6f is above the optimum %.6f", plan.LowerBound, best.Cost)
		}
		limit := 0.02
		switch {
		case !*full && p.Limits.Capacity != nil:
			limit = 0.6 // the effort of the short run is spent before the peaks are low
		case !*full:
			limit = 0.1
		}
		if regret := ev.Cost - best.Cost; regret > limit {
			t.Errorf("costs %.4f EUR, %.2f ct above the optimum", ev.Cost, regret*100)
		}
		for id, l := range plan.Loads {
			if l.Reason == "" {
				t.Errorf("%s has no reason", id)
			}
		}
	})
}

// The evaluator agrees with the independent referee on optimal plans, on our plans, and on broken ones.
func TestEvaluateAgreesWithReferee(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 for the referee")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	instances(t, func(t *testing.T, name string, p *scheduler.Problem, _ optimum) {
		folder := filepath.Join(referee, "instances", name)
		raw, err := os.ReadFile(filepath.Join(folder, "optimum-plan.json"))
		if err != nil {
			t.Fatal(err)
		}
		var plan scheduler.Plan
		if err := json.Unmarshal(raw, &plan); err != nil {
			t.Fatal(err)
		}
		switch turn := rng.IntN(4); {
		case *full || turn == 0:
			agree(t, python, folder, p, &plan)
		case turn > 1:
			t.Skip("the referee is slow to start")
		}
		disturb(rng, &plan)
		agree(t, python, folder, p, &plan)
	})
}

// disturb breaks rules here and there.
func disturb(rng *rand.Rand, plan *scheduler.Plan) {
	for id, l := range plan.Loads {
		switch {
		case l.Amps != nil:
			l.Amps[rng.IntN(len(l.Amps))] = 7
			l.Amps[rng.IntN(len(l.Amps))] = 0
			l.Amps[rng.IntN(len(l.Amps))] = 3
		case l.On != nil:
			l.On[rng.IntN(len(l.On))] = 1
			l.On[rng.IntN(len(l.On))] = 0
		case rng.IntN(3) == 0:
			l.Start = -1
		default:
			l.Start += rng.IntN(9) - 4
			l.Start = max(l.Start, -1)
		}
		plan.Loads[id] = l
	}
	for range 4 {
		if n := len(plan.BatteryW); n > 0 {
			plan.BatteryW[rng.IntN(n)] += rng.Float64()*9000 - 4500
		}
	}
}

func agree(t *testing.T, python, folder string, p *scheduler.Problem, plan *scheduler.Plan) {
	t.Helper()
	raw, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-B", filepath.Join(referee, "evaluate.py"), filepath.Join(folder, "problem.json"), "-")
	cmd.Stdin = bytes.NewReader(raw)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("referee: %v", err)
	}
	var want struct {
		Feasible bool    `json:"feasible"`
		Count    int     `json:"violation_count"`
		Cost     float64 `json:"cost_eur"`
		Missed   int     `json:"missed_deadlines"`
		Tie      struct {
			Starts  int     `json:"starts"`
			WhSlots float64 `json:"wh_slots"`
			PeakW   float64 `json:"peak_w"`
		} `json:"tie"`
		Violations []struct {
			What string `json:"what"`
		} `json:"violations"`
	}
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	got, err := p.Evaluate(plan)
	if err != nil {
		t.Fatal(err)
	}
	if got.Feasible != want.Feasible || len(got.Violations) != want.Count || len(got.Missed) != want.Missed || got.Starts != want.Tie.Starts {
		t.Errorf("got feasible %v, %d violations, %d missed, %d starts; referee says %+v", got.Feasible, len(got.Violations), len(got.Missed), got.Starts, want)
	}
	if math.Abs(got.Cost-want.Cost) > 2e-6 || math.Abs(got.WhSlots-want.Tie.WhSlots) > 0.1 || math.Abs(got.PeakW-want.Tie.PeakW) > 0.1 {
		t.Errorf("got %.6f EUR, %.1f Wh·slots, %.1f W; referee says %+v", got.Cost, got.WhSlots, got.PeakW, want)
	}
}

func TestReadProblemFaults(t *testing.T) {
	good := `{"format":"homehub/plan-problem/1","name":"x","start":"2024-06-05T12:00:00+02:00","zone":"Europe/Amsterdam","slot_s":900,"slots":2,
"import_eur_per_kwh":[0.3,null],"export_eur_per_kwh":[0.1,0.1],"base_load_w":[200,200],"pv_w":[0,0],
"limits":{"import_w":9200,"export_w":null,"capacity_tariff":{"eur_per_kw":4,"month_peak_so_far_w":2500}},
"battery":{"min_wh":0,"max_wh":1000,"start_wh":500,"max_charge_w":1000,"max_discharge_w":1000,"charge_efficiency":0.9,"discharge_efficiency":0.9,
"wear_eur_per_kwh":0.01,"end_value_eur_per_kwh":0.2},
"loads":[{"id":"a","kind":"profile","profile_w":[100]},{"id":"b","kind":"interruptible","power_w":100,"need_slots":1},
{"id":"c","kind":"evse","phases":[1,2],"min_a":6,"max_a":16,"need_wh":100,"deadline":"2024-06-05T12:30:00+02:00"}]}`
	if _, err := scheduler.ReadProblem(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"no json", good, "{", "problem: is not JSON: unexpected end of JSON input"},
		{"not an object", good, "[1]", "problem: must be an object"},
		{"format", "plan-problem/1", "plan-problem/2", `format: must be "homehub/plan-problem/1"`},
		{"start without offset", `"start":"2024-06-05T12:00:00+02:00"`, `"start":"2024-06-05T12:00:00"`, "start: must be a time with offset like 2024-10-27T07:00:00+01:00"},
		{"start off the quarter", "12:00:00+02:00\",\"zone", "12:01:00+02:00\",\"zone", "start: must be on a quarter of an hour"},
		{"zone", "Europe/Amsterdam", "Europe/Atlantis", `zone: "Europe/Atlantis" is not a known time zone`},
		{"slots", `"slots":2`, `"slots":1001`, "slots: must be 0 to 1000"},
		{"slots text", `"slots":2`, `"slots":"2"`, "slots: must be a whole number"},
		{"price count", "[0.3,null]", "[0.3]", "import_eur_per_kwh: must hold 2 numbers, one per slot, not 1"},
		{"no known price", "[0.3,null]", "[null,null]", "import_eur_per_kwh: must hold at least one known price"},
		{"price text", "[0.3,null]", `[0.3,"x"]`, "import_eur_per_kwh[1]: must be a number"},
		{"null load", "[200,200]", "[200,null]", "base_load_w[1]: must be a number"},
		{"negative load", "[200,200]", "[200,-1]", "base_load_w[1]: must be at least 0"},
		{"import limit", `"import_w":9200`, `"import_w":0`, "limits.import_w: must be above 0"},
		{"no import limit", `"import_w":9200,`, ``, "limits.import_w: is missing"},
		{"tariff", `"eur_per_kw":4`, `"eur_per_kw":-4`, "limits.capacity_tariff.eur_per_kw: must be at least 0"},
		{"battery full", `"start_wh":500`, `"start_wh":1500`, "battery.max_wh: must be at least start_wh (1500)"},
		{"battery efficiency", `"charge_efficiency":0.9,"d`, `"charge_efficiency":1.1,"d`, "battery.charge_efficiency: must be above 0 and at most 1"},
		{"battery key", `"start_wh":500,`, ``, "battery.start_wh: is missing"},
		{"id twice", `"id":"b"`, `"id":"a"`, `loads[1].id: "a" is the id of loads[0] too`},
		{"kind", `"kind":"profile"`, `"kind":"fan"`, `loads[0].kind: "fan" is none of profile, interruptible, evse, thermal`},
		{"profile", `"profile_w":[100]`, `"profile_w":[]`, "loads[0].profile_w: must hold at least one number"},
		{"need", `,"need_slots":1`, ``, "loads[1].need_slots: is missing, and so is need_wh"},
		{"amps", `"max_a":16`, `"max_a":5`, "loads[2].max_a: must be at least min_a (6)"},
		{"part of an amp", `"max_a":16`, `"max_a":15.5`, "loads[2].max_a: must be a whole number"},
		{"phase", `"phases":[1,2]`, `"phases":[1,4]`, "loads[2].phases[1]: must be 1, 2 or 3"},
		{"phase twice", `"phases":[1,2]`, `"phases":[1,1]`, "loads[2].phases[1]: names phase 1 twice"},
		{"deadline", "12:30:00+02:00", "noon", "loads[2].deadline: must be a time with offset like 2024-10-27T07:00:00+01:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(good, c.old, c.new, 1)
			if bad == good {
				t.Fatal("nothing replaced")
			}
			_, err := scheduler.ReadProblem(strings.NewReader(bad))
			if err == nil || err.Error() != c.want {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if !errors.Is(err, scheduler.ErrProblem) {
				t.Error("does not wrap ErrProblem")
			}
		})
	}
}

// What is read can be written and read again.
func TestProblemRoundTrip(t *testing.T) {
	instances(t, func(t *testing.T, _ string, p *scheduler.Problem, _ optimum) {
		p.Format = scheduler.ProblemFormat
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := scheduler.ReadProblem(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		again, _ := json.Marshal(q)
		if !bytes.Equal(raw, again) {
			t.Error("differs after a round trip")
		}
	})
}

func FuzzReadProblem(f *testing.F) {
	for _, name := range []string{"tiny-1", "tiny-4", "thermal"} {
		if raw, err := os.ReadFile(filepath.Join(referee, "instances", name, "problem.json")); err == nil {
			f.Add(raw)
		}
	}
	f.Add([]byte(`{"format":"homehub/plan-problem/1","start":"2024-06-05T12:00:00Z","slots":0,"import_eur_per_kwh":[],"export_eur_per_kwh":[],"base_load_w":[],"pv_w":[],"limits":{"import_w":1},"loads":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := scheduler.ReadProblem(bytes.NewReader(raw))
		if err != nil {
			if !errors.Is(err, scheduler.ErrProblem) {
				t.Fatalf("%v does not wrap ErrProblem", err)
			}
			return
		}
		if p.Slots > 100 || len(p.Loads) > 8 {
			return
		}
		plan, err := scheduler.Solve(p, scheduler.Options{Iterations: 20})
		if err != nil {
			t.Fatal(err)
		}
		scheduler.Explain(&bytes.Buffer{}, p, plan)
		scheduler.SVG(&bytes.Buffer{}, p, plan)
	})
}

// A warm start is never dearer than the plan it starts from, and a plan does not depend on chance or on the clock.
func TestSolveWarmAndDeterministic(t *testing.T) {
	instances(t, func(t *testing.T, _ string, p *scheduler.Problem, _ optimum) {
		if (p.Slots > 100 || p.Limits.Capacity != nil) && !*full {
			t.Skip("long")
		}
		first, err := scheduler.Solve(p, scheduler.Options{Iterations: 150})
		if err != nil {
			t.Fatal(err)
		}
		again, err := scheduler.Solve(p, scheduler.Options{Iterations: 150})
		if err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(first)
		b, _ := json.Marshal(again)
		if !bytes.Equal(a, b) {
			t.Error("two runs differ")
		}
		warm, err := scheduler.Solve(p, scheduler.Options{Warm: first})
		if err != nil {
			t.Fatal(err)
		}
		if warm.Cost > first.Cost+1.1e-4 {
			t.Errorf("a warm start costs %.6f, its start %.6f", warm.Cost, first.Cost)
		}
	})
}

// The explanation names every load, and the picture is well-formed.
func TestExplainAndSVG(t *testing.T) {
	instances(t, func(t *testing.T, _ string, p *scheduler.Problem, _ optimum) {
		if p.Slots > 100 && !*full {
			t.Skip("long")
		}
		plan, err := scheduler.Solve(p, scheduler.Options{Iterations: 10})
		if err != nil {
			t.Fatal(err)
		}
		var text, picture bytes.Buffer
		scheduler.Explain(&text, p, plan)
		scheduler.SVG(&picture, p, plan)
		for _, l := range p.Loads {
			if !strings.Contains(text.String(), l.ID+" ") || !strings.Contains(picture.String(), ">"+l.ID+"<") {
				t.Errorf("%s is missing", l.ID)
			}
		}
		if rows := strings.Count(text.String(), "\n"); rows < p.Slots {
			t.Errorf("%d rows for %d slots", rows, p.Slots)
		}
		d := xml.NewDecoder(&picture)
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}
