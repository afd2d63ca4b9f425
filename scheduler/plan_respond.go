package scheduler

import "math"

// respondProfile puts appliance i where it is cheapest, every start re-costed exactly with the battery's answer. It tells whether the draft changed.
func (f *field) respondProfile(i int) bool {
	d := &f.h.devices[i]
	was := f.draft.start[i]
	f.put(i, -1)
	f.draft.start[i] = -1
	f.backward()
	f.forward()
	best, at := f.h.penalty.NotRunEUR, -1
	if base, _ := meet(&f.w.fn[0], &f.v.fn[0]); !math.IsInf(base, 1) {
		best += base
	} else {
		best = math.Inf(1)
	}
	for s := d.from; s+len(d.profile) <= f.h.n; s++ {
		late := float64(max(0, s+len(d.profile)-d.to)) * f.h.penalty.LateEURPerSlot
		if late > 0 && at >= 0 && best < 0.5*late {
			break
		}
		if c := f.replaced(s, d.profile, d) + late; c < best-costUnit/2 {
			best, at = c, s
		}
	}
	f.draft.start[i] = at
	f.put(i, 1)
	return at != was
}

// slotPrices hands the run planner what each level of device i would cost in each slot at the battery's present prices:
// F_t(a) = min over u of cost − worth·u. The loads must be without the device.
func (f *field) slotPrices(i int, worth []float64) {
	d := &f.h.devices[i]
	f.runs.reset(d)
	for t := d.from; t < d.to; t++ {
		row := f.runs.row(t)
		off := f.priceOf(t, 0, d, worth[t])
		price := func(a int) float64 { return f.priceOf(t, float64(a)*d.unit, d, worth[t]) - off }
		most := d.hi
		if row[0] = price(d.lo); math.IsInf(row[0], 1) {
			most = d.lo
		}
		for lo := d.lo; most > lo; { // the highest feasible level
			if !math.IsInf(price(most), 1) {
				break
			}
			good, bad := lo, most
			for bad-good > 1 {
				if mid := (good + bad) / 2; math.IsInf(price(mid), 1) {
					bad = mid
				} else {
					good = mid
				}
			}
			most = good
		}
		for k := most - d.lo + 1; k < len(row); k++ {
			row[k] = math.Inf(1)
		}
		if most > d.lo {
			row[most-d.lo] = price(most)
			between(row, 0, most-d.lo, func(k int) float64 { return price(d.lo + k) })
		}
	}
}

// between fills row a..b of a convex function whose ends are known, with few evaluations: a middle on the chord means that all is linear.
func between(row []float64, a, b int, price func(int) float64) {
	if b-a < 2 {
		return
	}
	m := (a + b) / 2
	row[m] = price(m)
	chord := row[a] + (row[b]-row[a])*float64(m-a)/float64(b-a)
	if math.Abs(chord-row[m]) < 1e-10 {
		for k := a + 1; k < b; k++ {
			row[k] = row[a] + (row[b]-row[a])*float64(k-a)/float64(b-a)
		}
		return
	}
	between(row, a, m, price)
	between(row, m, b, price)
}

func (f *field) priceOf(t int, w float64, d *device, worth float64) float64 {
	var c curve
	f.curveWith(&c, t, w, d)
	if !c.ok {
		return math.Inf(1)
	}
	return c.least(worth)
}

// least is the least of the slot's cost less what the change of content is worth.
func (c *curve) least(worth float64) float64 {
	v := c.cost - worth*c.lo
	for k := range c.n {
		g := &c.seg[k]
		if g.slope >= worth {
			break
		}
		v += (g.slope - worth) * g.len
	}
	return v
}

// respondRun re-plans device i, switched in levels, exactly against the battery's present prices.
func (f *field) respondRun(i int, worth []float64) {
	d := &f.h.devices[i]
	f.put(i, -1)
	clear(f.draft.level[i])
	if d.to > d.from && d.need > 0 {
		f.slotPrices(i, worth)
		f.runs.plan(d, f.draft.level[i])
	}
	f.put(i, 1)
}
