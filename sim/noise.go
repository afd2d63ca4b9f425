package sim

// Randomness is a pure function of the seed and of time, never a stream that
// is consumed: the weather of a day is the same whether the house walks
// through it in steps of a second or of ten, and whatever was switched.

// channel keeps the random numbers of one cause apart from those of another.
type channel uint64

const (
	chBase channel = iota + 1
	chFlicker
	chFridge
	chEvening
	chCooking
	chWash
	chAppliance
	chHabit
	chTrip
	chWeather
	chCloud
	chWisp
	chVoltage
	chStart
	chHeating
	chHotWater
)

// dice is the seed of a house.
type dice uint64

// bits are 64 random bits that belong to channel c and index n (SplitMix64).
func (d dice) bits(c channel, n int64) uint64 {
	x := uint64(d) + uint64(c)*0x9e3779b97f4a7c15 + uint64(n)*0xd1b54a32d192ed03
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit is a random number in [0, 1).
func (d dice) unit(c channel, n int64) float64 {
	return float64(d.bits(c, n)>>11) / (1 << 53)
}

// between is a random whole number in [lo, hi].
func (d dice) between(c channel, n, lo, hi int64) int64 {
	return lo + int64(d.bits(c, n)>>1)%(hi-lo+1)
}

// smooth is a random number in [0, 1) that wanders: it is drawn anew every
// period seconds, and moves in a straight line in between.
func (d dice) smooth(c channel, t, period int64) float64 {
	n, rest := floorDiv(t, period)
	a, b := d.unit(c, n), d.unit(c, n+1)
	return a + (b-a)*float64(rest)/float64(period)
}

// floorDiv is the quotient rounded down, and what is left, never negative.
func floorDiv(a, b int64) (quotient, rest int64) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		quotient, rest = quotient-1, rest+b
	}
	return quotient, rest
}
