package scheduler

import "math"

// draft is what a plan decides in whole numbers: levels of what is switched, starts of appliances. The battery follows from it exactly.
type draft struct {
	level [][]int // by device; nil for an appliance
	start []int   // by device; −1 is not run
}

func newDraft(h *house) *draft {
	d := &draft{level: make([][]int, len(h.devices)), start: make([]int, len(h.devices))}
	for i := range h.devices {
		d.start[i] = -1
		if !h.devices[i].isProfile() {
			d.level[i] = make([]int, h.n)
		}
	}
	return d
}

func (d *draft) copyFrom(o *draft) {
	copy(d.start, o.start)
	for i := range o.level {
		copy(d.level[i], o.level[i])
	}
}

// ownCost is what device i costs beside its energy: starts, comfort, penalties.
func (h *house) ownCost(i int, level []int, start int) float64 {
	d := &h.devices[i]
	if d.isProfile() {
		if start < 0 {
			return h.penalty.NotRunEUR
		}
		return float64(max(0, start+len(d.profile)-d.to)) * h.penalty.LateEURPerSlot
	}
	cost := float64(starts(level, d)) * d.startEUR
	if d.kind == KindThermal {
		return cost + d.thermal.comfort(level)
	}
	got := 0
	for _, a := range level {
		got += a
	}
	return cost + float64(d.need-got)*d.shortEUR
}

func starts(level []int, d *device) int {
	n := 0
	for t, a := range level {
		if a != 0 && (t == 0 && d.firstRun == 0 || t > 0 && level[t-1] == 0) {
			n++
		}
	}
	return n
}

// comfort is the cost of being cold less the worth of the final temperature; +Inf where a slot runs too hot.
func (m *Thermal) comfort(on []int) float64 {
	c, cost := m.StartC, 0.
	for t, a := range on {
		c = m.after(t, c, a != 0)
		if a != 0 && c > m.MaxC {
			return math.Inf(1)
		}
		cost += max(0, m.MinC-c) * m.ColdEURPerKSlot
	}
	return cost - (c-m.MinC)*m.EndValueEURPerK
}

// score ranks plans: cost in units of 0.0001 EUR, then fewest starts, then earliest, then lowest peak.
type score struct {
	cost   float64
	starts int
	early  float64
	peak   float64
}

// costUnit is the resolution in which two costs count as equal.
const costUnit = 1e-4

func (a score) better(b score) bool {
	if math.IsInf(a.cost, 1) {
		return false
	}
	if x, y := math.Round(a.cost/costUnit), math.Round(b.cost/costUnit); x != y || math.IsInf(b.cost, 1) {
		return a.cost < b.cost
	}
	switch {
	case a.starts != b.starts:
		return a.starts < b.starts
	case math.Abs(a.early-b.early) > 1e-6:
		return a.early < b.early
	}
	return a.peak < b.peak-1e-3
}

// charm is the part of a score that a draft alone decides.
func (h *house) charm(d *draft) (n int, early float64) {
	for i := range h.devices {
		dev := &h.devices[i]
		if dev.isProfile() {
			if d.start[i] < 0 {
				continue
			}
			for k, w := range dev.profile {
				early += w * slotHours * float64(d.start[i]+k)
			}
			continue
		}
		n += starts(d.level[i], dev)
		for t, a := range d.level[i] {
			early += float64(a) * dev.unit * slotHours * float64(t)
		}
	}
	return n, early
}
