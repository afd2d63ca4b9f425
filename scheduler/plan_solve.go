package scheduler

import (
	"math"
	"sort"
	"time"
)

// The default effort at most, in passes of the battery over the horizon (some 25 µs each on a PC). Peaks couple all slots and take more.
const (
	plainEffort = 300
	loadEffort  = 100
	mostEffort  = 1200
	peakEffort  = 1000 // for each month
	warmShare   = 6    // a plan that begins with a former one takes a sixth
)

// Solve plans a problem. It always returns a plan when the problem is well formed: what cannot be met is late or short, costs its penalty and is
// named in Plan.Missed. The error is that of Check.
func Solve(p *Problem, opt Options) (*Plan, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	h := newHouse(p)
	if opt.Budget == 0 && opt.Iterations == 0 {
		opt.Iterations = min(plainEffort+loadEffort*len(p.Loads), mostEffort)
		if p.Limits.Capacity != nil {
			opt.Iterations = peakEffort * len(h.freeW)
		}
		if opt.Warm != nil {
			opt.Iterations /= warmShare
		}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := newSearch(h, opt)
	s.run(p)
	plan := s.plan(p)
	s.reasons(p, plan)
	s.certify(plan)
	return plan, nil
}

// reasons says in plan, which is the search's best, why each load runs when it does.
func (s *search) reasons(p *Problem, plan *Plan) {
	s.restore()
	s.settled = s.f.settle(math.Inf(1))
	for i := range p.Loads {
		entry := plan.Loads[p.Loads[i].ID]
		entry.Why = s.why(p, i)
		entry.Reason = entry.Why.String()
		plan.Loads[p.Loads[i].ID] = entry
	}
}

// certify adds the lower bound and the price of load to a plan. With a budget in time it may take a third of that on top.
func (s *search) certify(plan *Plan) {
	if s.h.n == 0 {
		plan.LowerBound = plan.Cost
		return
	}
	d := s.bound()
	price, lower := d.bestAt, d.best
	if s.proven {
		lower = plan.Cost
	}
	if !(lower > -1e9) { // nothing was found, and JSON knows no infinity
		lower = -1e9
	}
	plan.LowerBound = math.Floor(min(lower, plan.Cost)*1e6) / 1e6
	plan.Gap = round(plan.Cost-plan.LowerBound, 1e6)
	plan.LoadValue = make([]float64, s.h.n)
	for t := range plan.LoadValue {
		plan.LoadValue[t] = round(price[t]*1000/slotHours, 1e6)
	}
}

// search keeps the best draft found so far.
type search struct {
	h        *house
	opt      Options
	begun    time.Time
	f        *field
	best     *draft
	caps     []float64
	score    score
	j        *joint // made when it is first needed
	trials   int
	version  int     // of the best draft
	former   int     // version that is the former plan's, 0: none
	answered []int   // version that each device last answered, alone
	swapped  []int   // and by swaps
	thorough bool    // work out the peaks of every draft
	dual     *dual   // made when it is first needed
	settled  float64 // cost of grid, battery and peak of the best draft
	proven   bool    // every alternative has been ruled out
}

func newSearch(h *house, opt Options) *search {
	n := len(h.devices)
	return &search{
		h: h, opt: opt, begun: opt.Now(), f: newField(h), best: newDraft(h), score: score0(),
		version: 1, answered: make([]int, n), swapped: make([]int, n),
	}
}

func (s *search) run(p *Problem) {
	switch {
	case s.opt.Warm != nil && s.fromWarm(p, s.opt.Warm):
		s.improve()
	case s.h.capEUR == 0:
		s.openCaps()
		s.insert()
		s.keep()
		s.descend()
		s.pairs()
		s.polish()
	default:
		s.underCaps()
	}
	s.enumerate()
}

func score0() score { return score{cost: math.Inf(1)} }

// polish moves single levels until nothing more can be gained.
func (s *search) polish() {
	for better := true; better && !s.over(); {
		better = false
		for i := range s.h.devices {
			better = s.shifts(i) || better
		}
		if better {
			s.descend()
		}
	}
}

// over tells whether the budget is spent.
func (s *search) over() bool {
	if s.opt.Iterations > 0 && s.passes() >= s.opt.Iterations {
		return true
	}
	return s.opt.Budget > 0 && s.opt.Now().Sub(s.begun) > s.opt.Budget
}

// passes is the effort so far, in passes of a battery of some twenty segments over the horizon.
func (s *search) passes() int {
	work := s.f.v.work + s.f.w.work + s.f.runs.work + s.f.warm.work
	if s.j != nil {
		work += s.j.store.work + s.j.ahead.work + s.j.try.work
	}
	return work / (20 * max(1, s.h.n))
}

// jointly is the planner of one device and the battery together.
func (s *search) jointly() *joint {
	if s.j == nil {
		s.j = newJoint(s.f)
	}
	return s.j
}

// respondJointly re-plans device i together with the battery; where that does not give the device what it needs, against the battery's present prices.
func (s *search) respondJointly(i, rounds int) {
	s.f.put(i, -1)
	s.jointly().respond(i, s.f.draft.level[i], rounds)
	s.f.put(i, 1)
	if !s.f.fit(i) {
		s.respond(i)
	}
}

// take removes a device from the draft.
func (s *search) take(i int) {
	s.f.put(i, -1)
	s.f.draft.start[i] = -1
	if !s.h.devices[i].isProfile() {
		clear(s.f.draft.level[i])
	}
}

// pairs takes two devices out and puts them back in either order, so that each may move to where only the other's leave makes room. Those that pay most
// above what they would at the dual's prices come first: they are in each other's way.
func (s *search) pairs() {
	for better := true; better && !s.over(); {
		better = false
		extra := s.overpaid()
		type pair struct{ i, k int }
		var order []pair
		for i := range extra {
			for k := range extra {
				if i != k && extra[i]+extra[k] > costUnit {
					order = append(order, pair{i, k})
				}
			}
		}
		sort.SliceStable(order, func(a, b int) bool {
			return extra[order[a].i]+extra[order[a].k] > extra[order[b].i]+extra[order[b].k]
		})
		for _, o := range order {
			if s.over() {
				return
			}
			if s.pair(o.i, o.k) {
				better = true
				if len(extra) > fewDevices {
					break // the order has changed
				}
			}
		}
	}
}

// fewDevices is up to how many devices it does not matter in which order pairs are tried.
const fewDevices = 5

func (s *search) pair(i, k int) bool {
	s.trials++
	s.take(i)
	s.take(k)
	if s.h.capEUR > 0 {
		s.press(s.trials)
	}
	s.respond(i)
	s.respond(k)
	better := s.keep()
	if better {
		s.descend()
	}
	s.restore()
	return better
}

// overpaid is by how much each device's place costs more at the dual's prices than the best place there: its part of the gap.
func (s *search) overpaid() []float64 {
	d := s.bound()
	copy(d.price, d.bestAt)
	out := make([]float64, len(s.h.devices))
	for i := range out {
		if s.h.devices[i].kind == KindThermal { // its best would cost more than what is to be learnt
			out[i] = 2 * costUnit
			continue
		}
		w := way{level: s.best.level[i], start: s.best.start[i]}
		out[i] = s.h.ownCost(i, w.level, w.start) + d.energy(&s.h.devices[i], &w) - d.deviceBest(i)
	}
	return out
}

// openCaps sets the caps so that they do not bind.
func (s *search) openCaps() {
	if s.h.capEUR == 0 {
		return
	}
	for m := range s.f.capW {
		s.f.capW[m] = s.f.highest(m) + 1e5
	}
}

// insert places the devices one by one, the largest energy first.
func (s *search) insert() {
	order := make([]int, len(s.h.devices))
	for i := range order {
		order[i] = i
	}
	size := func(i int) float64 {
		d := &s.h.devices[i]
		if d.isProfile() {
			return d.profile[0]
		}
		return float64(d.need) * d.unit * 10
	}
	sort.SliceStable(order, func(a, b int) bool { return size(order[a]) > size(order[b]) })
	for _, i := range order {
		s.respond(i)
	}
}

// respond re-plans one device against the others.
func (s *search) respond(i int) {
	d := &s.h.devices[i]
	switch {
	case d.isProfile():
		s.f.respondProfile(i)
	case d.kind == KindThermal:
		s.f.backward()
		s.f.respondWarmth(i, s.f.follow().worth)
	default:
		s.f.backward()
		tr := s.f.follow()
		s.f.respondRun(i, tr.worth)
	}
}

// promising is how far above the best a draft may be, in part of it, to have its own peaks worked out.
const promising = 0.01

// keep compares the field's draft with the best one and takes it over if it is better.
func (s *search) keep() bool {
	own := s.f.ownCosts()
	if math.IsInf(own, 1) {
		return false
	}
	if s.h.capEUR > 0 && !s.thorough {
		for m, w := range s.caps { // under the caps that the draft was made for, the least excess would look dearer than it is
			s.f.capW[m] = max(s.f.capW[m], w)
		}
		if c := s.f.backward() + s.f.capCost() + own; !math.IsInf(c, 1) && c > s.score.cost+promising*math.Abs(s.score.cost) {
			return false
		}
	}
	c := s.f.settle(s.score.cost+costUnit-own) + own
	if s.f.hulled() && c < s.score.cost+costUnit {
		peak := s.f.capCost()
		c = s.f.exactly(s.score.cost+costUnit-own-peak).cost + own + peak
	}
	n, early := s.h.charm(s.f.draft)
	got := score{cost: c, starts: n, early: early, peak: math.Inf(-1)}
	if !got.better(s.score) {
		return false
	}
	if got.peak = s.f.peak(); !got.better(s.score) {
		return false
	}
	s.score = got
	s.version++
	s.best.copyFrom(s.f.draft)
	s.caps = append(s.caps[:0], s.f.capW...)
	return true
}

func (s *search) restore() {
	s.f.adopt(s.best)
	copy(s.f.capW, s.caps)
}

// descend lets the devices answer each other until nothing improves. A device that has answered the present draft is not asked again.
func (s *search) descend() {
	for range 10 {
		better := false
		for i := range s.h.devices {
			if s.answered[i] == s.version {
				continue
			}
			s.respond(i)
			if s.keep() {
				better = true
			} else {
				s.restore()
			}
			s.answered[i] = s.version
		}
		for i := range s.h.devices {
			if s.swapped[i] == s.version {
				continue
			}
			if s.swaps(i) {
				better = true
			}
			if d := &s.h.devices[i]; !better && !s.asBefore() && s.h.bat != nil && !d.isProfile() && d.kind != KindThermal && d.need > 0 {
				s.respondJointly(i, decisive)
				if s.keep() {
					better = true
				}
				s.restore()
			}
			s.swapped[i] = s.version
		}
		if !better {
			return
		}
	}
}

// plan turns the best draft into a plan and lets the referee cost it.
func (s *search) plan(p *Problem) *Plan {
	h := s.h
	s.restore()
	out := &Plan{Format: PlanFormat, Problem: p.Name, Loads: make(map[string]LoadPlan, len(p.Loads))}
	tr := s.f.exactly(math.Inf(1)).trace
	if h.bat != nil {
		out.BatteryW = make([]float64, h.n)
		out.StorageValue = make([]float64, h.n)
		for t, u := range tr.u {
			out.BatteryW[t] = round(h.power(u), 1e3)
			out.StorageValue[t] = round(tr.worth[t]*1000, 1e6)
		}
	}
	if h.curtailable {
		out.CurtailW = make([]float64, h.n)
		for t := range out.CurtailW {
			b := 0.
			if h.bat != nil {
				b = out.BatteryW[t]
			}
			out.CurtailW[t] = round(s.f.curtailment(t, b), 1e3)
		}
	}
	for i := range p.Loads {
		l := LoadPlan{Kind: p.Loads[i].Kind, Start: s.best.start[i]}
		switch l.Kind {
		case KindProfile:
		case KindEVSE:
			l.Amps, l.Start = append([]int{}, s.best.level[i]...), 0
		default:
			l.On, l.Start = append([]int{}, s.best.level[i]...), 0
		}
		out.Loads[p.Loads[i].ID] = l
	}
	ev := h.evaluate(p, out)
	out.Cost, out.PeakW, out.Missed = round(ev.Cost, 1e6), round(ev.PeakW, 10), ev.Missed
	return out
}

// curtailment is the PV that is best given up in slot t when the battery runs at b W.
func (f *field) curtailment(t int, b float64) float64 {
	h := f.h
	x := h.free[t] + f.load[t] + b
	least := max(0, h.low[t]-x)
	most := min(h.pv[t], min(h.top[t], f.capW[h.month[t]])-x)
	for k := range 3 { // what the sun gives up, the grid has to carry on the same phase
		if h.phased && h.pvShare[k] > 0 {
			most = min(most, (h.phaseTop[k][t]-h.phaseFree[k][t]-f.phase[t][k]-b*h.batOn[k])/h.pvShare[k])
		}
	}
	want := least
	switch {
	case h.pi[t] < 0:
		want = most
	case h.pe[t] < 0:
		want = -x
	}
	return max(least, min(want, most), 0)
}
