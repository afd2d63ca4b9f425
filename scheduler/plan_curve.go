package scheduler

import "math"

// segment is a linear piece of a convex function: slope in EUR per unit, length in units (W of power or Wh of content).
type segment struct{ slope, len float64 }

// maxPieces bounds the pieces of one slot's cost: export, import, flexible load, curtailment and wear give at most six.
const maxPieces = 8

// curve is what a slot costs as a convex function of the change of the battery's content: cost at lo, then segments of rising slope.
type curve struct {
	lo, cost   float64
	hi, costHi float64 // the upper end and the cost there
	n          int
	seg        [maxPieces]segment
	ok         bool // false: the slot's limits cannot be kept
	hulled     bool // the true cost is not convex; this is its lower hull
}

// flex is load that a slot may take or leave between lo and hi W, worth value EUR per W and slot; what is imported above free W costs toll more.
type flex struct{ lo, hi, value, free, toll float64 }

// side restricts a slot to one side of where its cost may be concave: grid −1 export, +1 import; bat −1 discharging, +1 charging; 0 both.
type side struct{ grid, bat int8 }

// epsW is the slack in W that hides rounding when limits are met exactly.
const epsW = 1e-6

// curveOf builds the cost of slot t for a fixed load in W (and its parts per phase where fuses are per phase), a cap on the import and flexible
// load on top.
func (h *house) curveOf(c *curve, t int, load float64, phase *[3]float64, capW float64, f flex) {
	h.curveOn(c, side{}, t, load, phase, capW, f)
}

// curveOn is curveOf on one side of the slot's concave corners.
func (h *house) curveOn(c *curve, on side, t int, load float64, phase *[3]float64, capW float64, f flex) {
	var p pieces
	c.ok = false
	if !h.gridPieces(&p, on, t, capW, f) {
		return
	}
	x0 := h.free[t] + load
	bmin, bmax := 0., 0.
	if h.bat != nil {
		bmin, bmax = -h.bat.MaxDischargeW, h.bat.MaxChargeW
	}
	if h.phased && !h.phaseRange(t, phase, &bmin, &bmax) {
		return
	}
	bmin, bmax = max(bmin, p.lo-x0), min(bmax, p.hi()-x0)
	switch {
	case on.bat < 0:
		bmax = min(bmax, 0)
	case on.bat > 0:
		bmin = max(bmin, 0)
	}
	if bmin > bmax {
		if bmin > bmax+epsW {
			return
		}
		bmin = bmax
	}
	h.contentCurve(c, &p, x0, bmin, bmax)
}

// phaseRange narrows the battery's power to what the fuses leave beside the loads.
func (h *house) phaseRange(t int, phase *[3]float64, bmin, bmax *float64) bool {
	for k := range 3 {
		room := h.phaseTop[k][t] - h.phaseFree[k][t] - phase[k]
		if h.batOn[k] > 0 && h.bat != nil {
			*bmax = min(*bmax, room/h.batOn[k])
		} else if room < -epsW {
			return false
		}
	}
	return *bmin <= *bmax+epsW
}

// pieces is the cost of a slot as a convex function of its net load before curtailment and flexible load, in W.
type pieces struct {
	lo, cost float64
	n        int
	seg      [maxPieces]segment
	hulled   bool
}

func (p *pieces) hi() float64 {
	x := p.lo
	for i := range p.n {
		x += p.seg[i].len
	}
	return x
}

func (p *pieces) add(slope, length float64) {
	if length <= 0 {
		return
	}
	i := p.n
	for ; i > 0 && p.seg[i-1].slope > slope; i-- {
		p.seg[i] = p.seg[i-1]
	}
	p.seg[i] = segment{slope, length}
	p.n++
}

// A cap on the import is soft: what exceeds it costs more than any peak tariff would. Plans under a cap that is too low thereby stay comparable, and the
// tangents that look for the best cap always have something to hold on to.

// gridPieces merges import, export, curtailment and flexible load: the inf-convolution of convex functions merges their slopes.
func (h *house) gridPieces(p *pieces, on side, t int, capW float64, f flex) bool {
	top := h.top[t]
	if capW < top && f.toll == 0 {
		f.free, f.toll = capW, h.exceedEUR
	}
	low := max(h.low[t], h.free[t]-1-h.maxDischarge())
	switch {
	case on.grid < 0:
		top = min(top, 0)
	case on.grid > 0:
		low = max(low, 0)
	}
	if low > top {
		if low > top+epsW {
			return false
		}
		low = top
	}
	pi, pe := h.pi[t], h.pe[t]
	p.lo = low
	switch {
	case top <= 0:
		p.cost = pe * low
		p.add(pe, top-low)
	case low >= 0:
		p.cost = pi * low
		p.addImport(pi, low, top, f)
	case pi < pe:
		p.cost, p.hulled = pe*low, true
		if f.toll > 0 && f.free < top {
			p.add((pi*f.free-pe*low)/(f.free-low), f.free-low)
			p.add(pi+f.toll, top-f.free)
			break
		}
		p.add((pi*top-pe*low)/(top-low), top-low)
	default:
		p.cost = pe * low
		p.add(pe, -low)
		p.addImport(pi, 0, top, f)
	}
	if f.hi > 0 {
		p.lo -= f.hi
		p.cost -= f.value * f.hi
		p.add(f.value, f.hi-f.lo)
	}
	if h.curtailable && h.pv[t] > 0 {
		p.lo -= h.pv[t]
		p.add(0, h.pv[t])
	}
	return true
}

// addImport adds the import from low to top W, the part above the free peak with its toll.
func (p *pieces) addImport(pi, low, top float64, f flex) {
	if f.toll <= 0 || f.free >= top {
		p.add(pi, top-low)
		return
	}
	if low > f.free {
		p.cost += f.toll * (low - f.free)
	}
	p.add(pi, f.free-low)
	p.add(pi+f.toll, top-max(low, f.free))
}

func (h *house) maxDischarge() float64 {
	if h.bat == nil {
		return 0
	}
	return h.bat.MaxDischargeW
}

// contentCurve cuts the pieces to the battery's power range and turns power into change of content, with wear and losses.
func (h *house) contentCurve(c *curve, p *pieces, x0, bmin, bmax float64) {
	c.n, c.ok, c.hulled = 0, true, p.hulled
	charge, discharge := 0., 0.
	if h.bat != nil {
		charge, discharge = slotHours*h.bat.ChargeEfficiency, slotHours/h.bat.DischargeEfficiency
	}
	// Walk to bmin.
	x, i := p.lo, 0
	c.cost = p.cost + h.wear*math.Abs(bmin)
	left := 0.
	if p.n > 0 {
		left = p.seg[0].len
	}
	for i < p.n && x+left <= x0+bmin {
		c.cost += p.seg[i].slope * left
		x += left
		if i++; i < p.n {
			left = p.seg[i].len
		}
	}
	if i < p.n {
		d := max(0, x0+bmin-x)
		c.cost += p.seg[i].slope * d
		left -= d
	}
	c.lo = bmin * discharge
	if bmin > 0 {
		c.lo = bmin * charge
	}
	for b := bmin; i < p.n && b < bmax; {
		step := min(left, bmax-b)
		if b < 0 {
			step = min(step, -b)
		}
		if b < 0 {
			c.push((p.seg[i].slope-h.wear)/discharge, step*discharge)
		} else {
			c.push((p.seg[i].slope+h.wear)/charge, step*charge)
		}
		b += step
		if left -= step; left <= 0 {
			if i++; i < p.n {
				left = p.seg[i].len
			}
		}
	}
	c.hi, c.costHi = c.lo, c.cost
	for k := range c.n {
		c.hi += c.seg[k].len
		c.costHi += c.seg[k].slope * c.seg[k].len
	}
}

// push appends a segment; slopes that fall make the function non-convex and are replaced by the hull.
func (c *curve) push(slope, length float64) {
	if length <= 0 {
		return
	}
	for c.n > 0 && slope <= c.seg[c.n-1].slope {
		last := c.seg[c.n-1]
		if slope < last.slope {
			c.hulled = true
		}
		slope = (slope*length + last.slope*last.len) / (length + last.len)
		length += last.len
		c.n--
	}
	c.seg[c.n] = segment{slope, length}
	c.n++
}
