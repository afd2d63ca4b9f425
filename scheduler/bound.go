package scheduler

import "math"

// dual is the Lagrangian relaxation that certifies a lower bound: every load buys its energy at a price of its own for each slot, the house (grid,
// battery, peak) sells it. For any prices the sum of both sides' best is at most the cost of any feasible plan. Better prices make it tighter.
type dual struct {
	f      *field // without loads
	price  []float64
	toll   []float64 // share of the capacity tariff that each slot carries, EUR per W
	most   []float64 // most that all loads together can draw in a slot
	best   float64
	bestAt []float64 // prices of the best bound
	tollAt []float64 // tolls of the best bound
	grain  float64   // width of the temperature buckets, K
	used   []float64 // what the house would sell, W
	wanted []float64 // what the loads would buy, W
	excess []float64 // import above the free peak, W
}

func newDual(h *house) *dual {
	d := &dual{f: newField(h), best: math.Inf(-1), grain: coarseWarmth}
	d.f.runs.bare = true
	for _, v := range []*[]float64{&d.price, &d.toll, &d.most, &d.bestAt, &d.tollAt, &d.used, &d.wanted, &d.excess} {
		*v = make([]float64, h.n)
	}
	for i := range h.devices {
		dev := &h.devices[i]
		if dev.isProfile() {
			top := 0.
			for _, w := range dev.profile {
				top = max(top, w)
			}
			for t := dev.from; t < h.n; t++ {
				d.most[t] += top
			}
			continue
		}
		for t := dev.from; t < dev.to; t++ {
			d.most[t] += float64(dev.hi) * dev.unit
		}
	}
	return d
}

// value is the bound at the present prices; it leaves used, wanted and excess.
func (d *dual) value() float64 {
	h, f := d.f.h, d.f
	v := &f.v
	for t := h.n - 1; t >= 0; t-- {
		h.curveOf(&f.curves[t], t, 0, &f.phase[t], math.Inf(1), d.flexAt(t))
		v.backTo(t, &f.curves[t])
	}
	w := h.atStart()
	sum, _ := meet(&w, &v.fn[0])
	d.houseUse()
	clear(d.wanted)
	for i := range h.devices {
		sum += d.deviceBest(i)
	}
	return sum
}

func (d *dual) flexAt(t int) flex {
	return flex{hi: d.most[t], value: d.price[t], free: d.f.h.freeW[d.f.h.month[t]], toll: d.toll[t]}
}

// houseUse reads off how much the house would sell at the present prices.
func (d *dual) houseUse() {
	h := d.f.h
	tr := d.f.follow()
	for t := range h.n {
		var p pieces
		fl := d.flexAt(t)
		h.gridPieces(&p, side{}, t, math.Inf(1), fl)
		x := h.free[t]
		if h.bat != nil {
			x += h.power(tr.u[t])
		}
		// Walk up to x: what is passed of the flexible piece is not taken.
		left, y, kappa := x-p.lo, fl.hi, 0.
		if h.curtailable {
			kappa = h.pv[t]
		}
		for i := range p.n {
			step := min(left, p.seg[i].len)
			if step <= 0 {
				break
			}
			switch {
			case p.seg[i].slope == fl.value && p.seg[i].len == fl.hi-fl.lo:
				y -= step
			case p.seg[i].slope == 0 && h.curtailable && p.seg[i].len == h.pv[t]:
				kappa -= step
			}
			left -= step
		}
		d.used[t] = y
		d.excess[t] = max(0, x+y+kappa-fl.free)
	}
}

// deviceBest is the least that device i can cost at the present prices; it adds its power to wanted.
func (d *dual) deviceBest(i int) float64 {
	h := d.f.h
	dev := &h.devices[i]
	if !dev.isProfile() {
		return d.runsBest(i, dev)
	}
	best, at := h.penalty.NotRunEUR, -1
	for s := dev.from; s+len(dev.profile) <= h.n; s++ {
		c := float64(max(0, s+len(dev.profile)-dev.to)) * h.penalty.LateEURPerSlot
		for k, w := range dev.profile {
			c += w * d.price[s+k]
		}
		if c < best {
			best, at = c, s
		}
	}
	if at >= 0 {
		for k, w := range dev.profile {
			d.wanted[at+k] += w
		}
	}
	return best
}

// runsBest relaxes the need too: its own price rises until the need is met.
func (d *dual) runsBest(i int, dev *device) float64 {
	if dev.kind == KindThermal {
		return d.warmthBest(dev, d.grain)
	}
	if dev.need == 0 || dev.to <= dev.from {
		return d.f.h.ownCost(i, d.f.draft.level[i], -1)
	}
	d.f.runs.reset(dev)
	for t := dev.from; t < dev.to; t++ {
		row := d.f.runs.row(t)
		for k := range row {
			row[k] = d.price[t] * dev.unit * float64(dev.lo+k)
		}
	}
	d.f.runs.corners()
	level := make([]int, d.f.h.n)
	_, bound, _ := d.f.runs.reward(level)
	for t, a := range level {
		d.wanted[t] += float64(a) * dev.unit
	}
	return bound
}

// warmthBest is the relaxed least cost of a thermal load at the present prices.
func (d *dual) warmthBest(dev *device, width float64) float64 {
	price := make([]float64, d.f.h.n)
	var on []int
	if width == coarseWarmth { // what counts at the end is the bound alone
		on = make([]int, d.f.h.n)
	}
	for t := range price {
		price[t] = d.price[t] * dev.unit
	}
	d.f.warm.width, d.f.warm.relaxed = width, true
	best := d.f.warm.plan(dev, price, on)
	for t, a := range on {
		d.wanted[t] += float64(a) * dev.unit
	}
	return best
}

// climb improves the prices by deflected subgradient steps towards target, a cost that is known to be reachable. The price of a slot is kept as
// its own part plus its toll, because a toll that rises makes load dearer by just as much.
func (d *dual) climb(target float64, steps int, stop func() bool) {
	h := d.f.h
	theta := 1.
	stale := 0
	dirP, dirT := make([]float64, h.n), make([]float64, h.n)
	stepP, stepT := make([]float64, h.n), make([]float64, h.n)
	for k := range steps {
		if k > 0 && stop() {
			return
		}
		v := d.value()
		if v > d.best {
			if v-d.best < 2e-4*math.Abs(target) {
				stale++
			} else {
				stale = 0
			}
			d.best = v
			copy(d.bestAt, d.price)
			copy(d.tollAt, d.toll)
		} else {
			stale++
		}
		if stale > patience {
			theta, stale = theta/2, 0
		}
		norm := 0.
		for t := range h.n {
			g := d.wanted[t] - d.used[t]
			dirP[t] = deflection*dirP[t] + (1-deflection)*g
			if h.capEUR > 0 {
				e := g + d.excess[t]
				if d.toll[t] <= 0 && e < 0 {
					e = 0
				}
				dirT[t] = deflection*dirT[t] + (1-deflection)*e
			}
		}
		smear(dirP, stepP)
		smear(dirT, stepT)
		for t := range h.n {
			norm += dirP[t]*stepP[t] + dirT[t]*stepT[t]
		}
		if norm == 0 || target-d.best < 1e-7 {
			return
		}
		step := theta * max(target-v, 1e-6) / norm
		for t := range h.n {
			d.price[t] += step*stepP[t] - d.toll[t]
			d.toll[t] += step * stepT[t]
		}
		if h.capEUR > 0 {
			for m := range h.freeW {
				d.shareToll(m)
			}
		}
		for t := range h.n {
			d.price[t] += d.toll[t]
		}
	}
}

// deflection is how much of the last direction a step keeps, patience how many steps without progress halve the step.
const (
	deflection = 0.5
	patience   = 3
)

// shareToll brings the tolls of a month back to what is allowed: none below 0, and in sum no more than the tariff.
func (d *dual) shareToll(m int) {
	h := d.f.h
	for t := range h.n {
		if h.month[t] == m {
			d.toll[t] = max(0, d.toll[t])
		}
	}
	cut := 0. // what every toll has to give up, as far as it goes
	for {
		sum, count := 0., 0.
		for t := range h.n {
			if h.month[t] == m && d.toll[t] > cut {
				sum += d.toll[t]
				count++
			}
		}
		more := (sum - h.capEUR) / count
		if !(more > cut) {
			break
		}
		cut = more
	}
	for t := range h.n {
		if h.month[t] == m {
			d.toll[t] = max(0, d.toll[t]-cut)
		}
	}
}

// boundSteps is how often the dual's prices are improved.
const boundSteps = 45

// bound is the dual with the best prices that its effort allows, worked out once. With a budget in time it may take a third of that.
func (s *search) bound() *dual {
	if s.dual != nil {
		return s.dual
	}
	steps, begun := boundSteps, s.opt.Now()
	if s.opt.Warm != nil {
		steps /= warmShare // its prices are the start
	}
	if s.h.anyThermal() {
		steps = 2 // its part of the bound costs fifty times as much, and more gained nothing
	}
	s.dual = s.newBound(steps, func() bool { return s.opt.Budget > 0 && s.opt.Now().Sub(begun) > s.opt.Budget/3 })
	return s.dual
}

// newBound starts the dual's prices at what load costs in the search's best draft and climbs for as long as more allows.
func (s *search) newBound(steps int, stop func() bool) *dual {
	h := s.h
	s.restore()
	d := newDual(h)
	if w := s.opt.Warm; w != nil && len(w.LoadValue) == h.n {
		for t, eur := range w.LoadValue {
			d.price[t] = eur * slotHours / 1000
		}
	} else {
		copy(d.price, s.f.marginals())
	}
	if h.capEUR > 0 {
		for t := range h.n {
			d.toll[t] = max(0, d.price[t]-h.pi[t])
		}
		for m := range h.freeW {
			d.shareToll(m)
		}
	}
	d.climb(s.score.cost, steps, stop)
	if d.grain = fineWarmth; h.anyThermal() {
		copy(d.price, d.bestAt)
		copy(d.toll, d.tollAt)
		d.best = max(d.best, d.value())
	}
	return d
}

// smear adds to a direction its means over longer and longer blocks of time. A battery makes neighbouring slots exchangeable, so that what is wanted
// or left over in one slot concerns the price of all slots around it; without this the climb would have to find that out slot by slot.
func smear(g, out []float64) {
	copy(out, g)
	for k, long := range [...]int{4, 16, 64, maxSlots} {
		for first := 0; first < len(g); first += long {
			last := min(first+long, len(g))
			sum := 0.
			for _, x := range g[first:last] {
				sum += x
			}
			sum *= float64(k+1) / float64(last-first)
			for t := first; t < last; t++ {
				out[t] += sum
			}
		}
	}
}
