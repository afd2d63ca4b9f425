package scheduler

import "math"

// settle finds the import caps that are cheapest for the current loads and returns the least cost of grid, battery and peak. The cost is convex
// in each cap, so tangents from both sides meet at the next probe. The value functions are current for the caps it leaves. As soon as the tangents
// say that the cost cannot come below atMost, it gives up and returns what it has.
func (f *field) settle(atMost float64) float64 {
	if f.h.capEUR == 0 {
		return f.backward()
	}
	best := math.Inf(1)
	if len(f.capW) > 1 {
		atMost = math.Inf(1) // another month may yet give what this one cannot
	}
	for round := range 4 {
		before := best
		for m := range f.capW {
			best = f.settleMonth(m, atMost)
		}
		if len(f.capW) == 1 || round > 0 && before-best < 1e-7 {
			break
		}
	}
	return best
}

// probe is the cost and its slope to the right at one cap.
type probe struct{ at, cost, slope float64 }

func (f *field) probe(m int, at float64) probe {
	const eps = 0.25
	f.capW[m] = at
	p := probe{at: at, cost: f.backward() + f.capCost(), slope: math.Inf(-1)}
	if !math.IsInf(p.cost, 1) {
		f.capW[m] = at + eps
		p.slope = (f.backward() + f.capCost() - p.cost) / eps
	}
	return p
}

// settleMonth starts at the present cap, which is close when little has changed, brackets the best one and closes in.
func (f *field) settleMonth(m int, atMost float64) float64 {
	floor, roof := f.h.freeW[m], max(f.highest(m), f.h.freeW[m])
	p := f.probe(m, min(max(f.capW[m], floor), roof))
	lo, hi, best := p, p, p
	for step := 40.; lo.slope >= 0 && lo.at > floor; step *= 4 {
		hi, lo = lo, f.probe(m, max(floor, lo.at-step))
	}
	for step := 40.; hi.slope < 0 && hi.at < roof; step *= 4 {
		lo, hi = hi, f.probe(m, min(roof, hi.at+step))
	}
	for _, p := range []probe{lo, hi} {
		if p.cost < best.cost {
			best = p
		}
	}
	if lo.slope < 0 && hi.slope >= 0 {
		best = f.closeIn(m, lo, hi, best, atMost)
	}
	f.capW[m] = best.at
	return f.backward() + f.capCost()
}

// closeIn narrows a bracket whose lower end falls and whose upper end rises.
func (f *field) closeIn(m int, lo, hi, best probe, atMost float64) probe {
	for range 40 {
		if hi.at-lo.at < 0.05 {
			break
		}
		at := (lo.at + hi.at) / 2
		if !math.IsInf(lo.cost, 1) && !math.IsInf(hi.cost, 1) {
			at = (lo.cost - lo.slope*lo.at - hi.cost + hi.slope*hi.at) / (hi.slope - lo.slope)
			if bound := lo.cost + lo.slope*(at-lo.at); best.cost-bound < 2e-6 || bound > atMost {
				break
			}
			margin := (hi.at - lo.at) / 50
			at = min(max(at, lo.at+margin), hi.at-margin)
		}
		p := f.probe(m, at)
		if p.cost <= best.cost {
			best = p
		}
		if p.slope < 0 {
			lo = p
		} else {
			hi = p
		}
	}
	return best
}

// highest is an import that no slot of the month can exceed with the current loads.
func (f *field) highest(m int) float64 {
	w := f.h.freeW[m]
	for t := range f.h.n {
		if f.h.month[t] == m {
			w = max(w, min(f.h.top[t], f.h.base[t]+f.load[t]+f.maxCharge()))
		}
	}
	return w
}

func (f *field) maxCharge() float64 {
	if f.h.bat == nil {
		return 0
	}
	return f.h.bat.MaxChargeW
}
