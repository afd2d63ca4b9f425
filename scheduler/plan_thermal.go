package scheduler

import "math"

// warmth plans a thermal load against slot prices: a dynamic program over the temperature in narrow buckets and the run state. A plain bucket keeps
// the cheapest way to it with its true temperature, so that the plan it returns is what the model will do. A relaxed bucket keeps the least cost and
// the range of temperatures of all ways to it, and prices each slot by the better end: a lower bound of every plan.
type warmth struct {
	width   float64
	relaxed bool
	low     float64 // temperature of the first bucket
	perK    float64 // buckets per K
	n       int
	cur     []heat
	next    []heat
	work    int      // buckets visited so far
	back    []uint32 // from of the present slot
	from    []uint32 // per slot, run state and bucket: 1 + former run state·n + bucket, top bit: on
}

// Widths of the temperature buckets in K: for planning and climbing, and for the bound that counts.
const (
	coarseWarmth = 0.05
	fineWarmth   = 0.016
)

func (h *house) anyThermal() bool {
	for i := range h.devices {
		if h.devices[i].kind == KindThermal {
			return true
		}
	}
	return false
}

type heat struct{ cost, lo, hi float64 }

const onBit = 1 << 31

// bucket is where a temperature range belongs.
func (w *warmth) bucket(h heat) int {
	return min(max(int(((h.lo+h.hi)/2-w.low)*w.perK), 0), w.n-1)
}

// plan returns the least cost of energy, starts, cold and final temperature, and its pattern unless on is nil. price is EUR for each slot that is on;
// +Inf forbids.
func (w *warmth) plan(d *device, price []float64, on []int) float64 {
	m, st := d.thermal, d.minOn+1
	steps := len(price)
	w.low, w.perK = min(m.StartC, m.MinC)-5, 1/w.width
	top := max(m.StartC, m.MaxC) + m.GainKPerSlot + 1
	w.n = min(int((top-w.low)/w.width)+2, 1<<15)
	w.cur, w.next = grow(w.cur, st*w.n), grow(w.next, st*w.n)
	if on != nil {
		w.from = grow(w.from, steps*st*w.n)
	}
	blank := heat{cost: math.Inf(1)}
	for k := range w.cur {
		w.cur[k], w.next[k] = blank, blank
	}
	first := heat{lo: m.StartC, hi: m.StartC}
	w.cur[w.bucket(first)] = first
	for t := range steps {
		if on != nil {
			w.back = w.from[t*st*w.n : (t+1)*st*w.n]
		}
		for k := range st {
			for b := range w.n {
				if h := w.cur[k*w.n+b]; h.cost < blank.cost {
					w.work++
					w.cur[k*w.n+b] = blank
					w.branch(d, t, k, k*w.n+b, h, price[t], on != nil)
				}
			}
		}
		w.cur, w.next = w.next, w.cur
	}
	best, at := blank.cost, -1
	for _, k := range [2]int{0, d.minOn} {
		for b := range w.n {
			h := w.cur[k*w.n+b]
			warm := h.hi
			if m.EndValueEURPerK < 0 {
				warm = h.lo
			}
			if c := h.cost - (warm-m.MinC)*m.EndValueEURPerK; c < best {
				best, at = c, k*w.n+b
			}
		}
	}
	for t := steps - 1; t >= 0 && at >= 0 && on != nil; t-- {
		f := w.from[t*st*w.n+at]
		on[t] = int(f / onBit)
		at = int(f &^ onBit)
	}
	return best
}

// branch follows one way through a slot: off where the run may end, on where it does not get too hot.
func (w *warmth) branch(d *device, t, k, at int, h heat, price float64, noted bool) {
	m := d.thermal
	lose, draw := m.AmbientC.at(t), m.DrawK.at(t)
	h.lo += m.LossPerSlot*(lose-h.lo) - draw
	h.hi += m.LossPerSlot*(lose-h.hi) - draw
	back := uint32(at)
	if k == 0 || k == d.minOn {
		w.reach(m, 0, h, back, noted)
	}
	h.lo += m.GainKPerSlot
	h.hi += m.GainKPerSlot
	if h.lo > m.MaxC || math.IsInf(price, 1) {
		return
	}
	h.cost += price
	to := 1
	switch {
	case k > 0:
		to = min(k+1, d.minOn)
	case t == 0 && d.firstRun > 0:
		to = min(d.minOn-d.firstRun+1, d.minOn)
	case w.relaxed:
		h.cost += d.startEUR
	default:
		h.cost += d.startEUR + tieStart
	}
	w.reach(m, to, h, back|onBit, noted)
}

// reach notes a way to run state to with temperature and cost h.
func (w *warmth) reach(m *Thermal, to int, h heat, back uint32, noted bool) {
	if cold := m.MinC - h.hi; cold > 0 {
		h.cost += cold * m.ColdEURPerKSlot
	}
	at := to*w.n + w.bucket(h)
	old := &w.next[at]
	if w.relaxed && old.cost <= math.MaxFloat64 {
		h.lo, h.hi = min(h.lo, old.lo), max(h.hi, old.hi)
		old.lo, old.hi = h.lo, h.hi
	}
	if h.cost < old.cost {
		*old = h
		if noted {
			w.back[at] = back
		}
	}
}

// respondWarmth re-plans thermal load i against the battery's present prices.
func (f *field) respondWarmth(i int, worth []float64) {
	d := &f.h.devices[i]
	f.put(i, -1)
	price := make([]float64, f.h.n)
	for t := range price {
		price[t] = f.priceOf(t, d.unit, d, worth[t]) - f.priceOf(t, 0, d, worth[t])
	}
	was := append([]int(nil), f.draft.level[i]...)
	f.warm.width, f.warm.relaxed = coarseWarmth, false
	if math.IsInf(f.warm.plan(d, price, f.draft.level[i]), 1) {
		copy(f.draft.level[i], was)
	}
	f.put(i, 1)
}
