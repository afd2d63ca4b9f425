package scheduler

import (
	"math"
	"sort"
)

// Small problems are solved completely: every way to run every device is listed, priced with the dual's prices, and all combinations are visited whose
// priced cost does not rule them out. What is left at each leaf is the battery, which is exact.

// Limits of the enumeration: ways of one device and combinations visited, both times slots (about 0.1 s).
const (
	maxWaySlots = 500000
	maxVisit    = 400000
)

// way is one way to run a device.
type way struct {
	level []int
	start int
	own   float64 // cost beside energy
	price float64 // own cost plus energy at the dual's prices
}

// enumerate proves the best draft or replaces it, if the problem is small enough.
func (s *search) enumerate() {
	if s.h.n == 0 || s.h.n > 24 || len(s.h.devices) == 0 {
		return
	}
	ways := make([][]way, len(s.h.devices))
	for i := range s.h.devices {
		if ways[i] = s.h.waysOf(i); ways[i] == nil {
			return
		}
	}
	d := s.newBound(60, func() bool { return false })
	copy(d.price, d.bestAt)
	copy(d.toll, d.tollAt)
	rest := d.value()
	for i := range ways {
		clear(d.wanted)
		rest -= d.deviceBest(i)
	}
	least := make([]float64, len(ways)+1)
	for i := len(ways) - 1; i >= 0; i-- {
		for k := range ways[i] {
			ways[i][k].price = ways[i][k].own + d.energy(&s.h.devices[i], &ways[i][k])
		}
		sort.SliceStable(ways[i], func(a, b int) bool { return ways[i][a].price < ways[i][b].price })
		least[i] = least[i+1] + ways[i][0].price
	}
	s.restore()
	leaves := 0
	s.thorough = true
	s.proven = s.visit(ways, least, 0, rest, &leaves)
	s.restore()
}

// late tells whether even a proof is no longer worth waiting for.
func (s *search) late() bool {
	return s.opt.Budget > 0 && s.opt.Now().Sub(s.begun) > 4*s.opt.Budget
}

// energy is what a way's energy costs at the present prices.
func (d *dual) energy(dev *device, w *way) float64 {
	sum := 0.
	if dev.isProfile() {
		for k, p := range dev.profile {
			if w.start >= 0 {
				sum += p * d.price[w.start+k]
			}
		}
		return sum
	}
	for t, a := range w.level {
		sum += float64(a) * dev.unit * d.price[t]
	}
	return sum
}

// visit tries every way of device i; priced is the house's part and the priced cost of the devices before. It tells whether nothing was left out.
func (s *search) visit(ways [][]way, least []float64, i int, priced float64, leaves *int) bool {
	if i == len(ways) {
		if *leaves++; *leaves*s.h.n > maxVisit || *leaves%64 == 0 && s.late() {
			return false
		}
		caps := append([]float64(nil), s.f.capW...)
		s.keep()
		copy(s.f.capW, caps)
		return true
	}
	for k := range ways[i] {
		w := &ways[i][k]
		if priced+w.price+least[i+1] > s.score.cost+costUnit {
			return true
		}
		s.f.put(i, -1)
		if w.level != nil {
			copy(s.f.draft.level[i], w.level)
		}
		s.f.draft.start[i] = w.start
		s.f.put(i, 1)
		if !s.visit(ways, least, i+1, priced+w.price, leaves) {
			return false
		}
	}
	return true
}

// waysOf lists every way to run device i, or nil when there are too many.
func (h *house) waysOf(i int) []way {
	d := &h.devices[i]
	if d.isProfile() {
		out := []way{{start: -1, own: h.penalty.NotRunEUR}}
		for s := d.from; s+len(d.profile) <= h.n; s++ {
			out = append(out, way{start: s, own: h.ownCost(i, nil, s)})
		}
		return out
	}
	l := &lister{h: h, i: i, d: d, level: make([]int, h.n)}
	if !l.list(d.from, 0, 0) {
		return nil
	}
	return l.out
}

// lister walks through all level patterns of a switched device.
type lister struct {
	h     *house
	i     int
	d     *device
	level []int
	out   []way
}

// list fills slot t on; run is the length of the stretch before it, got the level-slots so far.
func (l *lister) list(t, run, got int) bool {
	d := l.d
	least := d.minOn
	if run == t && d.firstRun > 0 {
		least = d.firstRun
	}
	if t >= d.to {
		if run > 0 && run < least {
			return true
		}
		own := l.h.ownCost(l.i, l.level, -1)
		if !math.IsInf(own, 1) {
			l.out = append(l.out, way{level: append([]int(nil), l.level...), start: -1, own: own})
		}
		return len(l.out)*l.h.n <= maxWaySlots
	}
	if run == 0 || run >= least {
		l.level[t] = 0
		if !l.list(t+1, 0, got) {
			return false
		}
	}
	for a := d.lo; a <= d.hi && (d.kind == KindThermal || got+a <= d.need); a++ {
		l.level[t] = a
		if !l.list(t+1, run+1, got+a) {
			return false
		}
	}
	l.level[t] = 0
	return true
}
