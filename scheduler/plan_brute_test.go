package scheduler_test

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"homehub/scheduler"
)

var (
	bruteCount = flag.Int("brute", 400, "number of random tiny problems that are compared with brute force")
	bruteFirst = flag.Int("brute-first", 0, "seed of the first of them")
)

// Random problems of up to 8 slots cost exactly what trying everything finds. All powers are multiples of 500 W and the efficiencies are 1 or 1/2, so
// that every corner of every cost lies on a lattice of 62.5 Wh of content and trying the lattice is exact for the battery too.
func TestSolveEqualsBruteForce(t *testing.T) {
	for seed := range *bruteCount {
		seed += *bruteFirst
		rng := rand.New(rand.NewPCG(uint64(seed), 7))
		p := randomTiny(rng)
		plan, err := scheduler.Solve(p, scheduler.Options{Iterations: 100})
		if err != nil {
			t.Fatal(err)
		}
		ev, err := p.Evaluate(plan)
		if err != nil {
			t.Fatal(err)
		}
		want := newBrute(p).search()
		if !ev.Feasible {
			t.Fatalf("seed %d: not feasible: %+v", seed, ev.Violations[0])
		}
		if math.Abs(ev.Cost-want.cost) > 1.01e-4 {
			t.Fatalf("seed %d: costs %.6f, brute force finds %.6f (%+v)", seed, ev.Cost, want.cost, p.Loads)
		}
		if plan.LowerBound > want.cost+1e-6 {
			t.Fatalf("seed %d: lower bound %.6f is above the optimum %.6f", seed, plan.LowerBound, want.cost)
		}
		if p.Battery == nil && !p.PVCurtailable && math.Round(ev.Cost*1e4) == math.Round(want.cost*1e4) && ev.Starts == want.starts &&
			math.Abs(ev.WhSlots-want.early) < 1 && ev.PeakW > max(want.peak, 0)+1 && !nearTie(want.cost) {
			t.Fatalf("seed %d: peak %.1f W; the tie order prefers %.1f", seed, ev.PeakW, want.peak)
		}
		if math.Round(ev.Cost*1e4) == math.Round(want.cost*1e4) && (ev.Starts != want.starts || math.Abs(ev.WhSlots-want.early) > 1) && !nearTie(want.cost) {
			t.Fatalf("seed %d: %d starts, %.1f Wh·slots; the tie order prefers %d, %.1f", seed, ev.Starts, ev.WhSlots, want.starts, want.early)
		}
	}
}

// nearTie tells whether a cost is so close to where rounding tips that the last bits decide.
func nearTie(cost float64) bool {
	_, frac := math.Modf(math.Abs(cost) * 1e4)
	return math.Abs(frac-0.5) < 0.05
}

func randomTiny(rng *rand.Rand) *scheduler.Problem {
	loads := 1 + rng.IntN(3)
	n := 3 + rng.IntN([...]int{6, 5, 3}[loads-1]) // three cars over eight slots are too many to try
	p := &scheduler.Problem{Start: time.Date(2024, 6, 5, 10, 0, 0, 0, time.UTC), Zone: "UTC", Slots: n, PVCurtailable: rng.IntN(3) == 0}
	bonus, negative := rng.IntN(6) == 0, rng.IntN(6) == 0
	for range n {
		pi := float64(5+rng.IntN(40)) / 100
		pe := pi * float64(rng.IntN(10)) / 10
		if bonus && rng.IntN(2) == 0 {
			pe = pi + 0.1
		}
		if negative && rng.IntN(2) == 0 {
			pi -= 0.5
			pe -= 0.6
		}
		p.Import, p.Export = append(p.Import, pi), append(p.Export, pe)
		p.BaseLoad = append(p.BaseLoad, 500*float64(rng.IntN(4)))
		p.PV = append(p.PV, 500*float64(max(0, rng.IntN(9)-4)))
	}
	p.Limits.ImportW = 500 * float64(5+rng.IntN(8))
	if rng.IntN(3) == 0 {
		w := 500 * float64(rng.IntN(4))
		p.Limits.ExportW = &w
	}
	if rng.IntN(4) == 0 {
		p.Limits.PhaseImportW = &[3]float64{2000 + 500*float64(rng.IntN(4)), 3000, 3000}
		p.BasePhaseShare, p.PVPhases = [3]float64{1, 0, 0}, []int{1}
		p.PVCurtailable = false
	}
	battery := rng.IntN(3) > 0
	if battery {
		half := func() float64 { return 1 - 0.5*float64(rng.IntN(2)) }
		top := 250 * float64(1+rng.IntN(4))
		p.Battery = &scheduler.Battery{
			MaxWh: top, StartWh: 125 * math.Floor(top/125*rng.Float64()), MaxChargeW: 500 * float64(1+rng.IntN(2)), MaxDischargeW: 500 * float64(1+rng.IntN(2)),
			ChargeEfficiency: half(), DischargeEfficiency: half(), WearEURPerKWh: 0.01 * float64(rng.IntN(3)), EndValueEURPerKWh: 0.05 * float64(rng.IntN(7)), Phases: []int{1},
		}
	}
	if !battery && rng.IntN(2) == 0 {
		p.PVCurtailable = false // how far to curtail would depend on the peak
		p.Limits.Capacity = &scheduler.CapacityTariff{EURPerKW: 4, MonthPeakSoFarW: 1000, FloorW: 500}
	}
	for i := range loads {
		p.Loads = append(p.Loads, randomLoad(rng, p.Start, n, i))
	}
	return p
}

func randomLoad(rng *rand.Rand, start time.Time, n, i int) scheduler.Load {
	l := scheduler.Load{ID: string(rune('a' + i)), MinOnSlots: 1 + rng.IntN(3), StartCostEUR: 0.01 * float64(rng.IntN(3))}
	if rng.IntN(3) == 0 {
		l.RunningSlots = 1 + rng.IntN(3)
	}
	if rng.IntN(2) == 0 {
		at := start.Add(time.Duration(rng.IntN(n)*900-100) * time.Second)
		l.Earliest = &at
	}
	if rng.IntN(3) > 0 {
		at := start.Add(time.Duration((1+rng.IntN(n))*900+rng.IntN(800)) * time.Second)
		l.Deadline = &at
	}
	switch rng.IntN(4) {
	case 0:
		l.Kind = scheduler.KindProfile
		for range 1 + rng.IntN(3) {
			l.ProfileW = append(l.ProfileW, 500*float64(rng.IntN(5)))
		}
	case 1:
		l.Kind, l.PowerW = scheduler.KindInterruptible, 500*float64(1+rng.IntN(4))
		need := rng.IntN(5)
		l.NeedSlots = &need
	case 2:
		l.Kind, l.Volts, l.MinA, l.MaxA = scheduler.KindEVSE, 500, 1+rng.IntN(2), 3
		l.NeedWh = 125 * float64(rng.IntN(9))
	default:
		l.Kind, l.PowerW = scheduler.KindThermal, 1000
		l.Thermal = &scheduler.Thermal{
			StartC: 46 + float64(rng.IntN(8)), MinC: 45, MaxC: 55, GainKPerSlot: 4, LossPerSlot: 0.05, AmbientC: scheduler.PerSlot{20},
			DrawK: scheduler.PerSlot{float64(rng.IntN(3))}, ColdEURPerKSlot: 0.05, EndValueEURPerK: 0.01 * float64(rng.IntN(4)),
		}
	}
	return l
}

// brute tries everything. It shares nothing with the planner: each combination of levels and starts is laid out, and for each the battery walks over
// its lattice of contents and curtailment over its corners.
type brute struct {
	p    *scheduler.Problem
	load []float64
	sofa [][]bruteWay
	best bruteBest
}

type bruteWay struct {
	w      []float64
	own    float64
	starts int
	early  float64
}

type bruteBest struct {
	cost   float64
	starts int
	early  float64
	peak   float64 // where neither a battery nor curtailment moves it
}

func newBrute(p *scheduler.Problem) *brute {
	b := &brute{p: p, load: make([]float64, p.Slots), best: bruteBest{cost: math.Inf(1)}}
	for i := range p.Loads {
		b.sofa = append(b.sofa, bruteWays(p, &p.Loads[i]))
	}
	return b
}

func (b *brute) search() bruteBest {
	b.pick(0, 0, 0, 0)
	return b.best
}

func (b *brute) pick(i int, own float64, starts int, early float64) {
	if i < len(b.sofa) {
		for _, w := range b.sofa[i] {
			for t, x := range w.w {
				b.load[t] += x
			}
			b.pick(i+1, own+w.own, starts+w.starts, early+w.early)
			for t, x := range w.w {
				b.load[t] -= x
			}
		}
		return
	}
	house, peak := b.house()
	cost := own + house
	x, y := math.Round(cost*1e4), math.Round(b.best.cost*1e4)
	same := x == y && starts == b.best.starts
	if x < y || x == y && starts < b.best.starts || same && early < b.best.early-1e-6 || same && early < b.best.early+1e-6 && peak < b.best.peak-0.01 {
		b.best = bruteBest{cost, starts, early, peak}
	}
}

// house is the least cost of grid, battery and peak for the present loads, and the peak where the loads alone decide it.
func (b *brute) house() (cost, peak float64) {
	p := b.p
	const grain = 62.5
	states := 1
	if p.Battery != nil {
		states = int(p.Battery.MaxWh/grain) + 1
	}
	inf := math.Inf(1)
	cur := make([]float64, states)
	for k := range cur {
		cur[k] = inf
	}
	if p.Battery != nil {
		cur[int(p.Battery.StartWh/grain)] = 0
	} else {
		cur[0] = 0
	}
	for t := range p.Slots {
		next := make([]float64, states)
		for k := range next {
			next[k] = inf
		}
		for k, c := range cur {
			for to := 0; to < states && c < inf; to++ {
				w, wear := 0., 0.
				if u := float64(to-k) * grain; u > 0 {
					w = u / 0.25 / p.Battery.ChargeEfficiency
				} else if u < 0 {
					w = u / 0.25 * p.Battery.DischargeEfficiency
				}
				if p.Battery != nil {
					if w > p.Battery.MaxChargeW || -w > p.Battery.MaxDischargeW {
						continue
					}
					wear = math.Abs(w) * 0.25 / 1000 * p.Battery.WearEURPerKWh
				}
				if x := c + wear + b.grid(t, w, &peak); x < next[to] {
					next[to] = x
				}
			}
		}
		cur = next
	}
	best := inf
	for k, c := range cur {
		if p.Battery != nil {
			c -= float64(k) * grain / 1000 * p.Battery.EndValueEURPerKWh
		}
		best = min(best, c)
	}
	if c := p.Limits.Capacity; c != nil {
		best += c.EURPerKW / 1000 * max(0, peak-max(c.FloorW, c.MonthPeakSoFarW))
	}
	if p.PVCurtailable {
		peak = 0
	}
	return best, peak
}

// grid is what slot t costs with the battery at w W; curtailment tries its ends and the zero of the grid.
func (b *brute) grid(t int, w float64, peak *float64) float64 {
	p := b.p
	free := p.BaseLoad[t] - p.PV[t]
	x := free + b.load[t] + w
	tries := []float64{0}
	if p.PVCurtailable {
		tries = append(tries, p.PV[t], min(max(0, -x), p.PV[t]))
		if p.Limits.ExportW != nil {
			tries = append(tries, min(max(0, -x-*p.Limits.ExportW), p.PV[t]))
		}
		tries = append(tries, min(max(0, p.Limits.ImportW-x), p.PV[t]))
	}
	best, slotPeak := math.Inf(1), 0.
	for _, cut := range tries {
		g := x + cut
		if g > max(p.Limits.ImportW, free)+0.01 {
			continue
		}
		if e := p.Limits.ExportW; e != nil {
			most := *e
			if !p.PVCurtailable {
				most = max(most, -free)
			}
			if -g > most+0.01 {
				continue
			}
		}
		// Everything is on phase 1, where base load, sun and battery are too.
		if f := p.Limits.PhaseImportW; f != nil && g > max(f[0], free)+0.01 {
			continue
		}
		price := p.Export[t]
		if g > 0 {
			price = p.Import[t]
		}
		if c := g * 0.25 / 1000 * price; c < best {
			best = c
			slotPeak = g
		}
	}
	if p.Battery == nil {
		*peak = max(*peak, slotPeak)
	}
	return best
}

func bruteWays(p *scheduler.Problem, l *scheduler.Load) []bruteWay {
	n := p.Slots
	from, to := 0, n
	for l.Earliest != nil && p.Start.Add(time.Duration(from)*15*time.Minute).Before(*l.Earliest) {
		from++
	}
	for l.Deadline != nil && to > -100 && p.Start.Add(time.Duration(to)*15*time.Minute).After(*l.Deadline) {
		to--
	}
	if l.Kind == scheduler.KindThermal {
		from, to = 0, n
	}
	var out []bruteWay
	if l.Kind == scheduler.KindProfile {
		out = append(out, bruteWay{w: make([]float64, n), own: 1000})
		for s := from; s+len(l.ProfileW) <= n; s++ {
			w := bruteWay{w: make([]float64, n), own: 25 * float64(max(0, s+len(l.ProfileW)-to))}
			for k, x := range l.ProfileW {
				w.w[s+k] = x
				w.early += x * 0.25 * float64(s+k)
			}
			out = append(out, w)
		}
		return out
	}
	lo, hi, unit, need := 1, 1, l.PowerW, 0
	switch l.Kind {
	case scheduler.KindInterruptible:
		if need = *l.NeedSlots; need > 0 {
			need = max(need, l.MinOnSlots)
		}
	case scheduler.KindEVSE:
		lo, hi, unit = l.MinA, l.MaxA, l.Volts
		if need = int(math.Ceil(l.NeedWh/(unit*0.25) - 1e-9)); need > 0 {
			need = max(need, lo*l.MinOnSlots)
		}
	}
	level := make([]int, n)
	var fill func(t int)
	fill = func(t int) {
		if t == n {
			if w, ok := bruteCheck(l, level, unit, need); ok {
				out = append(out, w)
			}
			return
		}
		level[t] = 0
		fill(t + 1)
		if t >= from && t < to {
			for a := lo; a <= hi; a++ {
				level[t] = a
				fill(t + 1)
			}
			level[t] = 0
		}
	}
	fill(0)
	return out
}

func bruteCheck(l *scheduler.Load, level []int, unit float64, need int) (bruteWay, bool) {
	w := bruteWay{w: make([]float64, len(level))}
	got, run := 0, 0
	for t := 0; t <= len(level); t++ {
		if t < len(level) && level[t] > 0 {
			run++
			got += level[t]
			w.w[t] = float64(level[t]) * unit
			w.early += w.w[t] * 0.25 * float64(t)
			continue
		}
		if run > 0 {
			least := l.MinOnSlots
			if run == t && l.RunningSlots > 0 {
				least = max(1, least-l.RunningSlots)
			} else {
				w.starts++
				w.own += l.StartCostEUR
			}
			if run < least {
				return w, false
			}
		}
		run = 0
	}
	if m := l.Thermal; m != nil {
		c := m.StartC
		for t, a := range level {
			c += m.LossPerSlot*(m.AmbientC[0]-c) + m.GainKPerSlot*float64(a) - m.DrawK[0]
			if a > 0 && c > m.MaxC {
				return w, false
			}
			w.own += max(0, m.MinC-c) * m.ColdEURPerKSlot
			_ = t
		}
		w.own -= (c - m.MinC) * m.EndValueEURPerK
		return w, true
	}
	if got > need {
		return w, false
	}
	w.own += float64(need-got) * unit * 0.25 / 1000 * 100
	return w, true
}
