package scheduler

import (
	"fmt"
	"math"
)

// Tolerances of the format: on powers, contents and temperatures.
const (
	tolW  = 0.1
	tolWh = 0.1
	tolK  = 0.001
)

// Parts are the components of a plan's cost in EUR.
type Parts struct {
	Import, Export, Wear, Start, Capacity, EndValue, Comfort, Penalty float64
}

func (p Parts) sum() float64 {
	return p.Import + p.Export + p.Wear + p.Start + p.Capacity + p.EndValue + p.Comfort + p.Penalty
}

// Violation is a rule that a plan breaks. What is one of format, window, min_on, amps, need, hot, battery, curtail, import, export, phase.
type Violation struct {
	What string
	Text string
	Slot int     // −1: of the whole plan
	Load string  // "" where no load is to blame
	By   float64 // W, Wh or K beyond the limit
}

// Evaluation is the verdict on a plan.
type Evaluation struct {
	Feasible   bool
	Violations []Violation
	Cost       float64 // EUR
	Parts      Parts
	Missed     []Missed
	Starts     int
	WhSlots    float64 // Σ Wh · slot number of the loads: smaller is earlier
	PeakW      float64
	GridW      []float64 // net power of each slot, + import
	ContentWh  []float64 // battery content after each slot; nil without a battery
}

// Evaluate checks a plan against every rule of the format and costs it. It shares no code with the search, so that it can judge it. The error
// is that of Check; a bad plan is no error but a list of violations.
func (p *Problem) Evaluate(plan *Plan) (Evaluation, error) {
	if err := p.Check(); err != nil {
		return Evaluation{}, err
	}
	return newHouse(p).evaluate(p, plan), nil
}

// judge is one evaluation in progress.
type judge struct {
	h     *house
	out   Evaluation
	grid  []float64
	phase [3][]float64
}

func (j *judge) violation(what string, slot int, load string, by float64, format string, args ...any) {
	j.out.Violations = append(j.out.Violations, Violation{what, fmt.Sprintf(format, args...), slot, load, by})
}

func (j *judge) draw(t int, w float64, share [3]float64) {
	j.grid[t] += w
	for k := range 3 {
		j.phase[k][t] += w * share[k]
	}
}

func (h *house) evaluate(p *Problem, plan *Plan) Evaluation {
	j := &judge{h: h, grid: append([]float64(nil), h.free...)}
	for k := range 3 {
		j.phase[k] = make([]float64, h.n)
		copy(j.phase[k], h.phaseFree[k])
	}
	j.curtail(plan.CurtailW)
	j.battery(plan.BatteryW)
	known := make(map[string]bool, len(p.Loads))
	for i := range p.Loads {
		l := &p.Loads[i]
		known[l.ID] = true
		entry, ok := plan.Loads[l.ID]
		if !ok {
			j.violation("format", -1, l.ID, 0, "load not in plan")
			entry.Start = -1
		}
		j.load(l.ID, &h.devices[i], entry)
	}
	for id := range plan.Loads {
		if !known[id] {
			j.violation("format", -1, id, 0, "unknown load")
		}
	}
	j.connection()
	j.out.GridW = j.grid
	j.out.Cost = j.out.Parts.sum()
	j.out.Feasible = len(j.out.Violations) == 0
	return j.out
}

func (j *judge) curtail(v []float64) {
	if v == nil {
		return
	}
	if len(v) != j.h.n {
		j.violation("format", -1, "", 0, "pv_curtail_w: need %d numbers", j.h.n)
		return
	}
	for t, w := range v {
		switch {
		case w < -tolW || w > j.h.pv[t]+tolW:
			j.violation("curtail", t, "", max(-w, w-j.h.pv[t]), "pv_curtail_w outside 0..pv_w")
		case w > tolW && !j.h.curtailable:
			j.violation("curtail", t, "", w, "pv is not curtailable")
		}
		j.draw(t, w, j.h.pvShare)
	}
}

func (j *judge) battery(v []float64) {
	b := j.h.bat
	if b == nil {
		for _, w := range v {
			if w != 0 {
				j.violation("format", -1, "", 0, "battery_w given, but there is no battery")
				return
			}
		}
		return
	}
	if len(v) != j.h.n {
		j.violation("format", -1, "", 0, "battery_w: need %d numbers", j.h.n)
		v = make([]float64, j.h.n)
	}
	content := b.StartWh
	for t, w := range v {
		if w > b.MaxChargeW+tolW {
			j.violation("battery", t, "", w-b.MaxChargeW, "charges above max_charge_w")
		}
		if -w > b.MaxDischargeW+tolW {
			j.violation("battery", t, "", -w-b.MaxDischargeW, "discharges above max_discharge_w")
		}
		if w > 0 {
			content += w * slotHours * b.ChargeEfficiency
		} else {
			content += w * slotHours / b.DischargeEfficiency
		}
		if content < b.MinWh-tolWh {
			j.violation("battery", t, "", b.MinWh-content, "content below min_wh")
		}
		if content > b.MaxWh+tolWh {
			j.violation("battery", t, "", content-b.MaxWh, "content above max_wh")
		}
		j.out.ContentWh = append(j.out.ContentWh, content)
		j.out.Parts.Wear += math.Abs(w) * j.h.wear
		j.draw(t, w, j.h.batOn)
	}
	j.out.Parts.EndValue -= content / 1000 * b.EndValueEURPerKWh
}

func (j *judge) load(id string, d *device, entry LoadPlan) {
	if d.isProfile() {
		j.profile(id, d, entry.Start)
		return
	}
	level, what := entry.On, "on"
	if d.kind == KindEVSE {
		level, what = entry.Amps, "amps"
	}
	if len(level) != j.h.n {
		j.violation("format", -1, id, 0, "%s: need %d numbers", what, j.h.n)
		level = make([]int, j.h.n)
	}
	got := 0
	for t, a := range level {
		if a != 0 && (a < d.lo || a > d.hi) {
			j.violation("amps", t, id, 0, "%d: need 0 or %d..%d", a, d.lo, d.hi)
		}
		if a != 0 && (t < d.from || t >= d.to) {
			j.violation("window", t, id, 0, "runs outside earliest..deadline")
		}
		got += a
		w := float64(a) * d.unit
		j.draw(t, w, d.share)
		j.out.WhSlots += w * slotHours * float64(t)
	}
	j.runs(id, d, level)
	if d.kind == KindThermal {
		j.temperature(id, d.thermal, level)
		return
	}
	unitWh := d.unit * slotHours
	if got > d.need {
		j.violation("need", -1, id, float64(got-d.need)*unitWh, "more than needed")
	}
	if got < d.need {
		short := float64(d.need-got) * unitWh
		j.out.Missed = append(j.out.Missed, Missed{Load: id, ShortWh: short})
		j.out.Parts.Penalty += short / 1000 * j.h.penalty.ShortEURPerKWh
	}
}

func (j *judge) profile(id string, d *device, start int) {
	if start < 0 {
		j.out.Missed = append(j.out.Missed, Missed{Load: id, NotRun: true})
		j.out.Parts.Penalty += j.h.penalty.NotRunEUR
		return
	}
	if start < d.from || start+len(d.profile) > j.h.n {
		j.violation("window", start, id, 0, "start %d: need a slot from %d to %d", start, d.from, j.h.n-len(d.profile))
		return
	}
	if late := start + len(d.profile) - d.to; late > 0 {
		j.out.Missed = append(j.out.Missed, Missed{Load: id, LateSlots: late})
		j.out.Parts.Penalty += float64(late) * j.h.penalty.LateEURPerSlot
	}
	for i, w := range d.profile {
		j.draw(start+i, w, d.share)
		j.out.WhSlots += w * slotHours * float64(start+i)
	}
}

// runs checks the length of each stretch of slots that are on and counts the starts.
func (j *judge) runs(id string, d *device, level []int) {
	for t := 0; t < len(level); t++ {
		if level[t] == 0 {
			continue
		}
		first := t
		for t < len(level) && level[t] != 0 {
			t++
		}
		least := d.minOn
		if first == 0 && d.firstRun > 0 {
			least = d.firstRun
		} else {
			j.out.Starts++
			j.out.Parts.Start += d.startEUR
		}
		if t-first < least {
			j.violation("min_on", first, id, 0, "run of %d slots, at least %d needed", t-first, least)
		}
	}
}

func (j *judge) temperature(id string, m *Thermal, on []int) {
	c := m.StartC
	for t, a := range on {
		c = m.after(t, c, a != 0)
		if a != 0 && c > m.MaxC+tolK {
			j.violation("hot", t, id, c-m.MaxC, "runs although the slot ends above max_c")
		}
		j.out.Parts.Comfort += max(0, m.MinC-c) * m.ColdEURPerKSlot
	}
	j.out.Parts.EndValue -= (c - m.MinC) * m.EndValueEURPerK
}

// connection checks the grid limits and adds up energy and peaks.
func (j *judge) connection() {
	h := j.h
	peak := make([]float64, len(h.freeW))
	for t, g := range j.grid {
		if g > h.top[t]+tolW {
			j.violation("import", t, "", g-h.top[t], "import above the limit")
		}
		if g < h.low[t]-tolW {
			j.violation("export", t, "", h.low[t]-g, "export above the limit")
		}
		for k := range 3 {
			if h.phased && j.phase[k][t] > h.phaseTop[k][t]+tolW {
				j.violation("phase", t, "", j.phase[k][t]-h.phaseTop[k][t], "phase %d above its fuse", k+1)
			}
		}
		if g > 0 {
			j.out.Parts.Import += g * h.pi[t]
		} else {
			j.out.Parts.Export += g * h.pe[t]
		}
		peak[h.month[t]] = max(peak[h.month[t]], g)
		j.out.PeakW = max(j.out.PeakW, g)
	}
	for m, w := range peak {
		j.out.Parts.Capacity += h.capEUR * max(0, w-h.freeW[m])
	}
}
