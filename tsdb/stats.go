package tsdb

import "math"

// stats sum a block up, so that long queries need not decode it. Numbers are
// integers in units of 10^-scale, or float64 bits if isFloat.
type stats struct {
	count         int // points that are numbers
	scale         int
	isFloat       bool
	rising        bool // no point is below its predecessor
	sum, min, max int64
}

// summary computes the stats of slots [from, to).
func (d *decoded) summary(from, to int) stats {
	if d.isFloat {
		return d.floatSummary(from, to)
	}
	s := stats{scale: d.scale, rising: true, min: math.MaxInt64, max: math.MinInt64}
	if from < to && d.has.allIn(from, to) {
		s.addAll(d.num[from:to])
		return s
	}
	prev := int64(math.MinInt64)
	for i := from; i < to; i++ {
		if !d.has.has(i) {
			continue
		}
		v := d.num[i]
		s.count++
		s.sum += v
		s.min, s.max = min(s.min, v), max(s.max, v)
		if v < prev {
			s.rising = false
		}
		prev = v
	}
	if s.count == 0 {
		s.min, s.max = 0, 0
	}
	return s
}

// addAll takes in consecutive integers. Each loop does little, so that the
// compiler keeps it in registers.
func (s *stats) addAll(vals []int64) {
	s.count += len(vals)
	sum, low, high := s.sum, s.min, s.max
	for _, v := range vals {
		sum += v
		low, high = min(low, v), max(high, v)
	}
	s.sum, s.min, s.max = sum, low, high
	prev := vals[0]
	for _, v := range vals[1:] {
		if v < prev {
			s.rising = false
			return
		}
		prev = v
	}
}

// front sums the first integers up, without what only limits need.
func (d *decoded) front(to int) stats {
	if !d.has.allIn(0, to) {
		return d.summary(0, to)
	}
	s := stats{scale: d.scale, count: to}
	for _, v := range d.num[:to] {
		s.sum += v
	}
	return s
}

func (p *present) allIn(from, to int) bool {
	for i := from; i < to; {
		if i&63 == 0 && to-i >= 64 {
			if p[i>>6] != ^uint64(0) {
				return false
			}
			i += 64
			continue
		}
		if !p.has(i) {
			return false
		}
		i++
	}
	return true
}

func (d *decoded) floatSummary(from, to int) stats {
	s := stats{isFloat: true, rising: true}
	sum, low, high, prev := 0.0, math.Inf(1), math.Inf(-1), math.Inf(-1)
	for i := from; i < to; i++ {
		if !d.has.has(i) {
			continue
		}
		v := math.Float64frombits(uint64(d.num[i]))
		if v != v {
			continue
		}
		s.count++
		sum += v
		low, high = min(low, v), max(high, v)
		if v < prev {
			s.rising = false
		}
		prev = v
	}
	if s.count == 0 {
		low, high = 0, 0
	}
	s.sum, s.min, s.max = int64(math.Float64bits(sum)), int64(math.Float64bits(low)), int64(math.Float64bits(high))
	return s
}
