package scheduler

import (
	"math"
	"time"
)

// house is a problem made ready for computing: defaults filled in, times turned into slot numbers, prices per Wh.
type house struct {
	n           int
	pi, pe      []float64 // EUR per W over one slot: price · 0.25 h / 1000
	base, pv    []float64
	free        []float64 // base − pv: what no plan can change
	top         []float64 // most that may be imported: the limit, or free where that alone is above it
	low         []float64 // least that g may be: −export cap, or −Inf
	curtailable bool

	phased    bool // are there fuses per phase?
	phaseTop  [3][]float64
	phaseFree [3][]float64
	pvShare   [3]float64

	capEUR    float64 // EUR per W of peak
	exceedEUR float64 // EUR per W and slot above a cap of the search: more than any W of peak or energy is worth
	month     []int
	freeW     []float64 // free peak of each month

	bat     *Battery
	batOn   [3]float64 // share of the battery's power on each phase
	wear    float64    // EUR per W over one slot
	penalty Penalty
	devices []device
}

// device is a load made ready: everything that is switched has a level (0 off, 1 on, or whole amps), an appliance has a start.
type device struct {
	kind     string
	from, to int
	unit     float64 // W per level
	lo, hi   int     // levels while on
	need     int     // level-slots
	minOn    int
	firstRun int // slots that a run continued from before slot 0 still needs; 0: none is running
	startEUR float64
	shortEUR float64 // per missing level-slot
	share    [3]float64
	profile  []float64
	thermal  *Thermal
}

func (d *device) isProfile() bool { return d.kind == KindProfile }

// shares turns a list of phases into the part of a power that each phase carries.
func shares(phases []int, fallback ...int) (s [3]float64) {
	if len(phases) == 0 {
		phases = fallback
	}
	for _, k := range phases {
		s[k-1] += 1 / float64(len(phases))
	}
	return s
}

// newHouse prepares a checked problem.
func newHouse(p *Problem) *house {
	h := &house{n: p.Slots, base: p.BaseLoad, pv: p.PV, curtailable: p.PVCurtailable, bat: p.Battery, penalty: DefaultPenalty()}
	if p.Penalty != nil {
		h.penalty = *p.Penalty
	}
	h.pi = filled(p.Import, math.Max)
	h.pe = filled(p.Export, math.Min)
	h.pvShare = shares(p.PVPhases, 1, 2, 3)
	if h.bat != nil {
		h.batOn = shares(h.bat.Phases, 1, 2, 3)
		h.wear = h.bat.WearEURPerKWh * slotHours / 1000
	}
	h.connection(p)
	h.months(p)
	for i := range p.Loads {
		h.devices = append(h.devices, newDevice(&p.Loads[i], p, h))
	}
	return h
}

// filled turns prices into EUR per W and slot and gives unknown ones the value that pick prefers among the known.
func filled(v Prices, pick func(a, b float64) float64) []float64 {
	known := math.NaN()
	for _, x := range v {
		if math.IsNaN(known) {
			known = x
		} else if !math.IsNaN(x) {
			known = pick(known, x)
		}
	}
	out := make([]float64, len(v))
	for i, x := range v {
		if math.IsNaN(x) {
			x = known
		}
		out[i] = x * slotHours / 1000
	}
	return out
}

// connection fills in what the grid connection allows in each slot.
func (h *house) connection(p *Problem) {
	share := p.BasePhaseShare
	if share == ([3]float64{}) {
		share = [3]float64{1. / 3, 1. / 3, 1. / 3}
	}
	h.free, h.top, h.low = make([]float64, h.n), make([]float64, h.n), make([]float64, h.n)
	for t := range h.n {
		h.free[t] = h.base[t] - h.pv[t]
		h.top[t] = max(p.Limits.ImportW, h.free[t])
		if p.Limits.SlotImportW != nil {
			h.top[t] = max(min(p.Limits.ImportW, p.Limits.SlotImportW[t]), h.free[t])
		}
		h.low[t] = math.Inf(-1)
		if p.Limits.ExportW != nil {
			h.low[t] = -*p.Limits.ExportW
			if !h.curtailable {
				h.low[t] = min(h.low[t], h.free[t])
			}
		}
	}
	if p.Limits.PhaseImportW == nil {
		return
	}
	h.phased = true
	for k := range 3 {
		h.phaseTop[k], h.phaseFree[k] = make([]float64, h.n), make([]float64, h.n)
		for t := range h.n {
			f := h.base[t]*share[k] - h.pv[t]*h.pvShare[k]
			h.phaseFree[k][t] = f
			h.phaseTop[k][t] = max(p.Limits.PhaseImportW[k], f)
		}
	}
}

// months numbers the local calendar months of the horizon from 0 and says which peak is free in each.
func (h *house) months(p *Problem) {
	h.month = make([]int, h.n)
	h.freeW = []float64{0}
	c := p.Limits.Capacity
	if c == nil {
		return
	}
	h.capEUR = c.EURPerKW / 1000
	h.exceedEUR = 4 * h.capEUR
	for t := range h.n {
		h.exceedEUR = max(h.exceedEUR, 4*math.Abs(h.pi[t]), 4*math.Abs(h.pe[t]))
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		zone = time.UTC
	}
	first := 0
	for t := range h.n {
		local := p.Start.Add(time.Duration(t) * slotSeconds * time.Second).In(zone)
		m := local.Year()*12 + int(local.Month())
		if t == 0 {
			first = m
		}
		h.month[t] = m - first
		if m-first == len(h.freeW) {
			h.freeW = append(h.freeW, c.FloorW)
		}
	}
	h.freeW[0] = max(c.FloorW, c.MonthPeakSoFarW)
}

func newDevice(l *Load, p *Problem, h *house) device {
	d := device{
		kind: l.Kind, lo: 1, hi: 1, minOn: max(1, l.MinOnSlots), startEUR: l.StartCostEUR, share: shares(l.Phases, 1),
		profile: l.ProfileW, thermal: l.Thermal, unit: l.PowerW,
	}
	d.from, d.to = l.window(p.Start, p.Slots)
	if l.RunningSlots > 0 {
		d.firstRun = max(1, d.minOn-l.RunningSlots)
	}
	needWh := l.NeedWh
	switch l.Kind {
	case KindThermal:
		d.from, d.to = 0, p.Slots
		return d
	case KindProfile:
		return d
	case KindEVSE:
		volts := l.Volts
		if volts == 0 {
			volts = 230
		}
		d.unit = volts * float64(max(1, len(l.Phases)))
		d.lo, d.hi = l.MinA, l.MaxA
		if d.lo == 0 {
			d.lo = 6
		}
	case KindInterruptible:
		if l.NeedSlots != nil {
			needWh = float64(*l.NeedSlots) * d.unit * slotHours
		}
	}
	d.need = int(min(math.Ceil(needWh/(d.unit*slotHours)-1e-9), 1<<30))
	if d.need > 0 {
		d.need = max(d.need, d.lo*d.minOn)
	}
	d.need = max(d.need, 0)
	d.shortEUR = d.unit * slotHours / 1000 * h.penalty.ShortEURPerKWh
	return d
}

// temperature returns the model's temperature after slot t.
func (m *Thermal) after(t int, c float64, on bool) float64 {
	c += m.LossPerSlot*(m.AmbientC.at(t)-c) - m.DrawK.at(t)
	if on {
		c += m.GainKPerSlot
	}
	return c
}
