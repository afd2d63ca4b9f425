package scheduler

import "math"

// field is the state of a search: loads of a draft, the import caps, and the battery's exact value functions in both directions.
type field struct {
	h      *house
	draft  *draft
	load   []float64
	phase  [][3]float64
	capW   []float64 // import cap of each month
	curves []curve
	v, w   storage
	tmp    [3][]segment
	runs   runPlanner
	warm   warmth
	sides  []side // for each slot; all zero but where concave corners are branched on

	// What the curves and value functions were made from: a pass renews only what has changed since the last.
	basis   []basis
	current int // forward functions up to here are current
}

// basis is what a slot's curve depends on beside the house.
type basis struct {
	load, cap float64
	phase     [3]float64
	side      side
	ok        bool
}

func newField(h *house) *field {
	f := &field{h: h, draft: newDraft(h), load: make([]float64, h.n), phase: make([][3]float64, h.n), curves: make([]curve, h.n)}
	f.capW = make([]float64, len(h.freeW))
	for i := range f.tmp {
		f.tmp[i] = make([]segment, 0, 1024)
	}
	f.sides, f.basis = make([]side, h.n), make([]basis, h.n)
	f.v.keepAll(h)
	f.w.keepAll(h)
	f.v.fn[h.n], f.w.fn[0] = h.atEnd(&f.v), h.atStart()
	f.openCaps()
	return f
}

func (f *field) openCaps() {
	for m := range f.capW {
		f.capW[m] = math.Inf(1)
	}
}

// put adds a device's power to the loads; sign −1 takes it away.
func (f *field) put(i int, sign float64) {
	d := &f.h.devices[i]
	if d.isProfile() {
		if s := f.draft.start[i]; s >= 0 {
			for k, w := range d.profile {
				f.add(s+k, sign*w, &d.share)
			}
		}
		return
	}
	for t, a := range f.draft.level[i] {
		if a != 0 {
			f.add(t, sign*float64(a)*d.unit, &d.share)
		}
	}
}

func (f *field) add(t int, w float64, share *[3]float64) {
	f.load[t] += w
	if f.h.phased {
		for k := range 3 {
			f.phase[t][k] += w * share[k]
		}
	}
}

// adopt takes over a draft.
func (f *field) adopt(d *draft) {
	f.draft.copyFrom(d)
	clear(f.load)
	clear(f.phase)
	for i := range f.h.devices {
		f.put(i, 1)
	}
}

func (f *field) curveAt(c *curve, t int) {
	f.h.curveOn(c, f.sides[t], t, f.load[t], &f.phase[t], f.capW[f.h.month[t]], flex{})
}

// curveWith is the curve of a slot with w W more of a device.
func (f *field) curveWith(c *curve, t int, w float64, d *device) {
	phase := f.phase[t]
	if f.h.phased {
		for k := range 3 {
			phase[k] += w * d.share[k]
		}
	}
	f.h.curveOf(c, t, f.load[t]+w, &phase, f.capW[f.h.month[t]], flex{})
}

// backward computes the value functions from the end and returns the least grid, wear and end cost. Slots behind the last one that has changed
// since the former pass keep theirs.
func (f *field) backward() float64 {
	h := f.h
	renew := false
	for t := h.n - 1; t >= 0; t-- {
		if f.stale(t) {
			f.curveAt(&f.curves[t], t)
			f.current = min(f.current, t)
			renew = true
		}
		if renew {
			f.v.backTo(t, &f.curves[t])
		}
	}
	w := h.atStart()
	cost, _ := meet(&w, &f.v.fn[0])
	return cost
}

// sameW is how much a load may differ in W to count as the same: it hides the rounding of taking a device out and putting it back.
const sameW = 1e-7

// stale tells whether slot t's curve must be made anew, and notes what from.
func (f *field) stale(t int) bool {
	h, b := f.h, &f.basis[t]
	most := f.capW[h.month[t]]
	reach := h.free[t] + f.load[t] + f.maxCharge()
	if h.curtailable {
		reach += h.pv[t]
	}
	if most > reach { // a cap above what the slot can reach is none
		most = reach + 1
	}
	if b.ok && math.Abs(b.load-f.load[t]) < sameW && math.Abs(b.cap-most) < sameW && b.side == f.sides[t] &&
		(!h.phased || math.Abs(b.phase[0]-f.phase[t][0])+math.Abs(b.phase[1]-f.phase[t][1])+math.Abs(b.phase[2]-f.phase[t][2]) < sameW) {
		return false
	}
	*b = basis{f.load[t], most, f.phase[t], f.sides[t], true}
	return true
}

// forward computes the cost to reach each content; backward must have run for the same loads.
func (f *field) forward() {
	for t := f.current; t < f.h.n; t++ {
		f.w.aheadTo(t+1, &f.curves[t])
	}
	f.current = f.h.n
}

// back1 and ahead1 are back and ahead with the result kept in the storage's own pool.
func (s *storage) back1(next *value, c *curve, out *value) {
	n := len(next.seg) + c.n
	*out = s.back(next, c, s.room(n))
	s.keep(n)
}

func (s *storage) ahead1(before *value, c *curve, out *value) {
	n := len(before.seg) + c.n
	*out = s.ahead(before, c, s.room(n))
	s.keep(n)
}

// trace is the battery's answer to the loads: content and change of content per slot and the worth of stored energy after it.
type trace struct {
	u, worth, content []float64
	cost              float64
}

// follow reads the optimal path off the value functions.
func (f *field) follow() trace {
	h := f.h
	buf := make([]float64, 3*h.n)
	tr := trace{u: buf[:h.n], worth: buf[h.n : 2*h.n], content: buf[2*h.n:]}
	s := 0.
	if h.bat != nil {
		s = h.bat.StartWh
	}
	for t := range h.n {
		u, cost, worth := step(s, &f.v.fn[t+1], &f.curves[t])
		s += u
		tr.u[t], tr.worth[t], tr.content[t] = u, worth, s
		tr.cost += cost
	}
	if h.bat != nil {
		tr.cost -= s / 1000 * h.bat.EndValueEURPerKWh
	}
	return tr
}

// power is the AC power of a change of content.
func (h *house) power(u float64) float64 {
	switch {
	case u > 0:
		return u / (slotHours * h.bat.ChargeEfficiency)
	case u < 0:
		return u * h.bat.DischargeEfficiency / slotHours
	}
	return 0
}

// peak is the highest import with the battery's answer; backward must be current.
func (f *field) peak() float64 {
	top, tr := math.Inf(-1), f.follow()
	for t := range f.h.n {
		x := f.h.free[t] + f.load[t]
		if f.h.bat != nil {
			x += f.h.power(tr.u[t])
		}
		top = max(top, x)
	}
	return top
}

// replaced is the exact cost when slots from..from+len(extra) carry extra W of device d on top; forward and backward must be current.
func (f *field) replaced(from int, extra []float64, d *device) float64 {
	var c curve
	cur := f.w.fn[from]
	side := 0
	for k, w := range extra {
		f.curveWith(&c, from+k, w, d)
		next := f.w.ahead(&cur, &c, f.tmp[side][:0])
		if !next.ok {
			return math.Inf(1)
		}
		cur, side = next, 1-side
	}
	cost, _ := meet(&cur, &f.v.fn[from+len(extra)])
	return cost
}

// ownCosts sums what the devices cost beside energy.
func (f *field) ownCosts() float64 {
	sum := 0.
	for i := range f.h.devices {
		sum += f.h.ownCost(i, f.draft.level[i], f.draft.start[i])
	}
	return sum
}

// capCost is the capacity tariff at the current caps.
func (f *field) capCost() float64 {
	if f.h.capEUR == 0 {
		return 0
	}
	sum := 0.
	for m, w := range f.capW {
		sum += f.h.capEUR * max(0, w-f.h.freeW[m])
	}
	return sum
}

// marginals are the present prices of load: what one W more in each slot would cost, EUR per W and slot, averaged over a little less and a little
// more where both are possible.
func (f *field) marginals() []float64 {
	const eps = 5
	cost := f.backward()
	f.forward()
	none := &device{}
	out := make([]float64, f.h.n)
	for t := range out {
		more := (f.replaced(t, []float64{eps}, none) - cost) / eps
		if more > f.h.exceedEUR/2 && f.h.capEUR > 0 { // above the cap: no price, a wall
			more = math.Inf(1)
		}
		less := (cost - f.replaced(t, []float64{-eps}, none)) / eps
		switch {
		case math.IsInf(more, 0) && math.IsInf(less, 0):
			out[t] = f.h.pi[t]
		case math.IsInf(more, 0):
			out[t] = less
		case math.IsInf(less, 0):
			out[t] = more
		default:
			out[t] = (more + less) / 2
		}
	}
	return out
}
