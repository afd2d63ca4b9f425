package benchyear

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"time"

	"homehub/scheduler"
)

// policy decides, slot by slot, what runs.
type policy interface {
	name() string
	decide(h *home) decision
	control() control
}

// decision is what is wanted of one slot.
type decision struct {
	amps     int
	boiler   bool
	starts   map[string]bool // appliances that begin now
	batteryW float64
	worth    float64
	capW     float64
	keepWh   float64 // content that only a peak may take
}

func newDecision() decision { return decision{starts: map[string]bool{}, capW: math.Inf(1)} }

// uncontrolled does everything at once.
type uncontrolled struct{}

func (uncontrolled) name() string     { return "no control" }
func (uncontrolled) control() control { return selfUse{} }
func (uncontrolled) decide(h *home) decision {
	d := newDecision()
	for _, t := range h.open() {
		d.want(h, t)
	}
	return d
}

// want runs a task in this slot at its highest power.
func (d *decision) want(h *home, t *task) {
	switch t.kind {
	case "car":
		d.amps = h.maxA
	case "boiler":
		d.boiler = true
	default:
		d.starts[t.id] = true
	}
}

// cheapestSlots plans the car as apps for electric cars do: the cheapest quarters before the departure at full power, the latest of equal ones. The rest of
// the house is not its business.
type cheapestSlots struct{}

func (cheapestSlots) name() string     { return "cheapest slots for the car" }
func (cheapestSlots) control() control { return selfUse{} }
func (cheapestSlots) decide(h *home) decision {
	d := newDecision()
	for _, t := range h.open() {
		if t.kind != "car" || h.cheapest(t, 1, float64(h.maxA)*h.perAmpW) {
			d.want(h, t)
		}
	}
	return d
}

// shaper is emoncms/demandshaper's rule for each device alone: half-hours by price, the latest of equal ones, full power; what may not pause takes the
// cheapest block.
type shaper struct{}

func (shaper) name() string     { return "demandshaper's rule" }
func (shaper) control() control { return selfUse{} }
func (shaper) decide(h *home) decision {
	d := newDecision()
	for _, t := range h.open() {
		w := float64(boilerW)
		if t.kind == "car" {
			w = float64(h.maxA) * h.perAmpW
		}
		if t.kind == "appliance" && h.bestBlock(t) || t.kind != "appliance" && h.cheapest(t, 2, w) {
			d.want(h, t)
		}
	}
	return d
}

// cheapest tells whether now belongs to the cheapest stretches of the given number of slots that task t needs at w W.
func (h *home) cheapest(t *task, long int, w float64) bool {
	pi, _ := h.market.prices(h.s, t.to-h.s)
	first := h.s / long
	need := int(math.Ceil(t.leftWh / (w * slotHours * float64(long))))
	type part struct {
		at    int
		price float64
	}
	parts := map[int]*part{}
	for k, p := range pi {
		i := (h.s + k) / long
		if parts[i] == nil {
			parts[i] = &part{at: i}
		}
		parts[i].price = p
	}
	order := make([]*part, 0, len(parts))
	for _, p := range parts {
		order = append(order, p)
	}
	sort.Slice(order, func(a, b int) bool {
		return order[a].price < order[b].price || order[a].price == order[b].price && order[a].at > order[b].at
	})
	for _, p := range order[:min(need, len(order))] {
		if p.at == first {
			return true
		}
	}
	return false
}

// bestBlock tells whether the cheapest block of an appliance begins now.
func (h *home) bestBlock(t *task) bool {
	pi, _ := h.market.prices(h.s, t.to-h.s)
	best, at := math.Inf(1), 0
	for k := 0; k+len(t.profile) <= len(pi); k++ {
		sum := 0.
		for i := range t.profile {
			sum += pi[k+i]
		}
		if sum <= best {
			best, at = sum, k
		}
	}
	return at == 0
}

// planner is the hub's own plan: every hour and when a car comes home, with forecasts or with foresight.
type planner struct {
	foresight bool
	plan      *scheduler.Plan
	from      int
	cars      int // cars seen
	plans     int
	spent     time.Duration
	worst     time.Duration
}

const (
	horizon      = 36 * perHour
	farsight     = 48 * perHour
	usualNeed    = 11000 // Wh, of a car that is not home yet
	usualArrival = 18
	readyBefore  = 1    // slots: car and boiler are to be ready a quarter of an hour before they are needed, for what the guard may have to cut
	readyEarly   = 8    // and the car two hours before where a peak costs money, since the guard then cuts more
	slack        = 1.1  // as long as that leaves a little more than the time it takes
	behindWh     = 100  // so much less than planned calls for a new plan at once
	shortWh      = 50   // so much may be missing at a deadline
	reserveWh    = 1500 // kept in the battery for peaks that nobody foresees, where a peak costs money
)

func (p *planner) name() string {
	if p.foresight {
		return "perfect foresight"
	}
	return "homehub"
}
func (p *planner) control() control { return waterValue{} }

func (p *planner) decide(h *home) decision {
	if cars := h.arrived("car"); p.plan == nil || h.s%perHour == 0 || cars != p.cars || h.behindWh > behindWh || p.believesDone(h) {
		p.replan(h, cars)
		h.behindWh = 0
	}
	d, k := newDecision(), h.s-p.from
	for _, t := range h.open() {
		l, ok := p.plan.Loads[t.id]
		switch {
		case !ok:
		case t.kind == "car":
			d.amps = l.Amps[k]
		case t.kind == "boiler":
			d.boiler = l.On[k] > 0
		case l.Start >= 0 && l.Start <= k:
			d.starts[t.id] = true
		}
	}
	d.batteryW, d.worth = p.plan.BatteryW[k], p.plan.StorageValue[k]
	if h.market.capEUR > 0 {
		d.capW = max(p.plan.PeakW, h.freeW())
		if !p.foresight {
			d.keepWh = h.battery.minWh + reserveWh
		}
	}
	return d
}

// believesDone tells whether the plan has nothing more in mind for a task that is not done: the guard has cut it.
func (p *planner) believesDone(h *home) bool {
	for _, t := range h.open() {
		l, k := p.plan.Loads[t.id], h.s-p.from
		for _, levels := range [][]int{l.Amps, l.On} {
			if levels != nil && t.leftWh > shortWh && slices.Max(levels[k:]) == 0 {
				return true
			}
		}
	}
	return false
}

func (p *planner) replan(h *home, cars int) {
	problem := p.problem(h)
	opt := scheduler.Options{}
	if p.plan != nil && cars == p.cars && h.market.known(h.s) == h.market.known(p.from) {
		opt.Warm = p.plan.Shifted(h.s-p.from, problem.Slots)
	}
	begun := cpu()
	plan, err := scheduler.Solve(problem, opt)
	if err != nil {
		h.t.Fatal(err)
	}
	took := cpu() - begun
	p.plan, p.from, p.cars = plan, h.s, cars
	p.plans, p.spent, p.worst = p.plans+1, p.spent+took, max(p.worst, took)
}

// problem is the house as it stands at slot s.
func (p *planner) problem(h *home) *scheduler.Problem {
	n := horizon
	if p.foresight {
		n = farsight
	}
	n = min(n, len(h.nature.base)-h.s)
	q := &scheduler.Problem{Name: "year", Start: timeOf(h.s), Zone: h.market.zone.String(), Slots: n}
	if p.foresight {
		q.Import, q.Export = h.market.pi[h.s:h.s+n], h.market.pe[h.s:h.s+n]
		q.BaseLoad = append([]float64(nil), h.nature.base[h.s:h.s+n]...)
		q.PV = h.nature.pv[h.s : h.s+n]
	} else {
		q.Import, q.Export = h.market.prices(h.s, n)
		q.BaseLoad, q.PV = h.nature.forecast(h.s, n)
	}
	for _, r := range h.running {
		for k := r.done; k < len(r.profile) && k-r.done < n; k++ {
			q.BaseLoad[k-r.done] += r.profile[k]
		}
	}
	q.Limits.ImportW = h.importW
	if h.phaseW > 0 {
		q.Limits.PhaseImportW = &[3]float64{h.phaseW, h.phaseW, h.phaseW}
	}
	if h.market.capEUR > 0 {
		q.Limits.Capacity = &scheduler.CapacityTariff{EURPerKW: h.market.capEUR, MonthPeakSoFarW: h.peakW, FloorW: h.market.floorW}
	}
	b := h.battery
	if h.market.capEUR > 0 && !p.foresight {
		b.minWh = max(b.minWh, min(b.minWh+reserveWh, h.content))
	}
	q.Battery = &scheduler.Battery{
		CapacityWh: b.maxWh, MinWh: b.minWh, MaxWh: b.maxWh, StartWh: min(max(h.content, b.minWh), b.maxWh), MaxChargeW: b.chargeW, MaxDischargeW: b.dischargeW,
		ChargeEfficiency: b.in, DischargeEfficiency: b.out, WearEURPerKWh: b.wear, EndValueEURPerKWh: endValue(q.Import, b),
	}
	p.loads(h, q)
	return q
}

// endValue is what is left at the end of the horizon: it will stand in for a kWh at the middle price.
func endValue(prices []float64, b cell) float64 {
	v := append([]float64(nil), prices...)
	sort.Float64s(v)
	return max(0, (v[len(v)/2]-b.wear)*b.out)
}

func (p *planner) loads(h *home, q *scheduler.Problem) {
	end := h.s + q.Slots
	add := func(t *job, leftWh float64, running int) {
		from, to := timeOf(max(t.from, h.s)), timeOf(t.to)
		l := scheduler.Load{ID: t.id, Earliest: &from, Deadline: &to, MinOnSlots: 2, StartCostEUR: 0.005, RunningSlots: running, Phases: []int{max(1, t.phase)}}
		switch t.kind {
		case "car":
			early := readyBefore
			if h.market.capEUR > 0 && !p.foresight {
				early = readyEarly
			}
			to = timeOf(h.aim(t, leftWh, float64(h.maxA)*h.perAmpW, early))
			l.Kind, l.MinA, l.MaxA, l.Volts, l.Phases, l.NeedWh = scheduler.KindEVSE, h.minA, h.maxA, 230, h.carPhases, leftWh
		case "boiler":
			if !p.foresight {
				to = timeOf(h.aim(t, leftWh, boilerW, readyBefore))
			}
			l.Kind, l.PowerW, l.NeedWh = scheduler.KindInterruptible, boilerW, leftWh
		default:
			l.Kind, l.ProfileW = scheduler.KindProfile, t.profile
		}
		if h.phaseW == 0 {
			l.Phases = []int{1}
		}
		q.Loads = append(q.Loads, l)
	}
	expected := h.s
	for i := range h.tasks {
		t := &h.tasks[i]
		future := t.from > h.s
		if t.to <= h.s || t.to > end || t.done || t.kind == "car" && future && !p.foresight {
			continue
		}
		if t.kind == "car" {
			expected = max(expected, t.to)
		}
		add(&t.job, t.leftWh, t.on)
	}
	if p.foresight {
		return
	}
	for day := timeOf(h.s).In(h.market.zone); ; day = day.AddDate(0, 0, 1) {
		t := usualCar(day)
		if t.to > end {
			return
		}
		if t.from > max(expected, h.s) {
			add(&t, t.needWh, 0)
		}
	}
}

// aim is the slot by which a task that needs leftWh and may draw watts is to be done: so many slots early, or as many of them as leave the time it takes.
func (h *home) aim(t *job, leftWh, watts float64, early int) int {
	for before := early; before > 0; before /= 2 {
		most := slack
		if before > readyBefore { // never hurry for the early hours
			most = 2
		}
		if aim := t.to - before; float64(aim-max(t.from, h.s))*watts*slotHours > most*leftWh {
			return aim
		}
	}
	return t.to
}

// usualCar is the car that is expected home on a day, by the owner's rule.
func usualCar(day time.Time) job {
	next := day.AddDate(0, 0, 1)
	leave := time.Date(next.Year(), next.Month(), next.Day(), 7, 15, 0, 0, day.Location())
	if w := next.Weekday(); w == time.Saturday || w == time.Sunday {
		leave = time.Date(next.Year(), next.Month(), next.Day(), 9, 30, 0, 0, day.Location())
	}
	from := slotAt(time.Date(day.Year(), day.Month(), day.Day(), usualArrival, 0, 0, 0, day.Location()))
	return job{id: "expected" + strconv.Itoa(from), kind: "car", from: from, to: slotAt(leave), needWh: usualNeed}
}
