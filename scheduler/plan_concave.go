package scheduler

import "math"

// Where export pays more than import costs, or where a price is so negative that losses in the battery would earn money, a slot's cost is not convex
// and the value functions work with its lower hull. That may promise too much: half importing and half exporting, or charging and discharging at
// once. exactly branches on such slots, export or import, discharging or charging, until the hull tells the truth.

// maxBranches bounds the branching of one evaluation; beyond it the best answer so far stands.
const maxBranches = 48

// answer is the battery's exact answer to the loads.
type answer struct {
	cost  float64
	trace trace
}

// exactly returns the battery's answer at the present caps. atMost is a cost of interest: a dearer answer may be +Inf.
func (f *field) exactly(atMost float64) answer {
	best := answer{cost: math.Inf(1)}
	branches := 0
	f.branch(&best, &branches, atMost)
	return best
}

func (f *field) branch(best *answer, branches *int, atMost float64) {
	*branches++
	bound := f.backward()
	if bound > atMost || bound >= best.cost-1e-9 {
		return
	}
	tr := f.follow()
	worst, at, cost := 1e-9, -1, tr.cost
	for t := range f.curves {
		if !f.curves[t].hulled {
			continue
		}
		gap := f.trueCost(t, tr.u[t]) - f.curves[t].at(tr.u[t])
		cost += max(0, gap)
		if gap > worst && (f.sides[t] == side{} || f.sides[t].grid == 0 || f.sides[t].bat == 0) {
			worst, at = gap, t
		}
	}
	if cost < best.cost {
		*best = answer{cost, tr}
	}
	if at < 0 || *branches > maxBranches {
		return
	}
	was := f.sides[at]
	for _, sign := range f.likelier(at, tr.u[at]) {
		f.sides[at] = was
		if f.h.pi[at] < f.h.pe[at] && was.grid == 0 {
			f.sides[at].grid = sign
		} else {
			f.sides[at].bat = sign
		}
		f.branch(best, branches, atMost)
	}
	f.sides[at] = was
}

// likelier orders the two sides by where the hull's answer leans.
func (f *field) likelier(t int, u float64) [2]int8 {
	lean := u
	if f.h.pi[t] < f.h.pe[t] && f.sides[t].grid == 0 {
		lean = f.h.free[t] + f.load[t] + f.h.power(u)
	}
	if lean > 0 {
		return [2]int8{1, -1}
	}
	return [2]int8{-1, 1}
}

// trueCost is what slot t really costs at a change of content.
func (f *field) trueCost(t int, u float64) float64 {
	h := f.h
	b := 0.
	if h.bat != nil {
		b = h.power(u)
	}
	cost := math.Inf(1)
	for _, sign := range [2]int8{-1, 1} {
		var p pieces
		if !h.gridPieces(&p, side{grid: sign}, t, f.capW[h.month[t]], flex{}) {
			continue
		}
		x := h.free[t] + f.load[t] + b
		if x < p.lo-epsW || x > p.hi()+epsW {
			continue
		}
		var c curve
		h.contentCurve(&c, &p, h.free[t]+f.load[t], b, b)
		cost = min(cost, c.cost)
	}
	return cost
}

// at is the curve's value at a change of content.
func (c *curve) at(u float64) float64 {
	v, x := c.cost, c.lo
	for k := range c.n {
		d := min(u-x, c.seg[k].len)
		if d <= 0 {
			break
		}
		v += c.seg[k].slope * d
		x += d
	}
	return v
}

// hulled tells whether some slot of the last pass is not convex.
func (f *field) hulled() bool {
	for t := range f.curves {
		if f.curves[t].hulled {
			return true
		}
	}
	return false
}
