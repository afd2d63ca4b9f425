package benchyear

import "math"

// connection is what the house may take from the grid and what it has to move.
type connection struct {
	importW    float64
	phaseW     float64 // fuse of each phase; 0: one phase only
	minA, maxA int
	perAmpW    float64 // of the car's charger
	carPhases  []int
	battery    cell
}

// cell is the home battery.
type cell struct{ minWh, maxWh, chargeW, dischargeW, in, out, wear float64 }

var (
	threePhase = connection{importW: 17250, phaseW: 5750, minA: 6, maxA: 16, perAmpW: 690, carPhases: []int{1, 2, 3}, battery: tenKWh}
	onePhase   = connection{importW: 9200, minA: 6, maxA: 32, perAmpW: 230, carPhases: []int{1}, battery: tenKWh}
	tenKWh     = cell{minWh: 500, maxWh: 10000, chargeW: 5000, dischargeW: 5000, in: 0.95, out: 0.95, wear: 0.01}
)

const boilerW = 2000

// moment is what a control sees each minute.
type moment struct {
	minute   int        // of the quarter
	base, pv float64    // W
	others   [3]float64 // appliances, and the boiler if it is on, by phase
	boiler   int        // phase of a boiler that is on; 0: it is off
	amps     int        // the car, as planned
	batteryW float64    // the battery, as planned
	worth    float64    // of stored energy, EUR per kWh
	content  float64    // Wh
	pi, pe   float64
	taken    float64 // Wh taken from the grid in this quarter so far
	keepWh   float64 // content that only a peak or a fuse may take
	capW     float64 // quarter-hour mean not to be exceeded; +Inf: none
}

// order is what a control does about it.
type order struct {
	amps     int
	batteryW float64
	shed     bool // the boiler pauses for this minute
}

// control decides from minute to minute what no plan can: it stands for the loop that sits on the meter's telegrams.
type control interface {
	minute(c *connection, m moment) order
}

func (m *moment) net() float64 { return m.base - m.pv + m.others[0] + m.others[1] + m.others[2] }

// room is what car and battery together may take.
func (c *connection) room(m *moment) float64 {
	room := c.importW - m.net()
	if c.phaseW > 0 {
		for _, w := range m.others {
			room = min(room, 3*(c.phaseW-(m.base-m.pv)/3-w))
		}
	}
	return room
}

// limits are what the battery can do within a minute.
func (b *cell) limits(content float64) (lo, hi float64) {
	lo = -min(b.dischargeW, max(0, content-b.minWh)*60*b.out)
	hi = min(b.chargeW, max(0, b.maxWh-content)*60/b.in)
	return lo, hi
}

// selfUse is a battery on its own: it takes what is left over and gives what is missing. The car gets what it asks for.
type selfUse struct{}

func (selfUse) minute(c *connection, m moment) order {
	lo, hi := c.battery.limits(m.content)
	return order{amps: m.amps, batteryW: min(max(-m.net()-float64(m.amps)*c.perAmpW, lo), hi)}
}

// waterValue follows the plan where the minute is as foreseen, and minimises grid cost less the worth of what is stored where it is not. Fuses and
// the quarter-hour peak stand above both.
type waterValue struct{}

func (waterValue) minute(c *connection, m moment) order {
	room := c.room(&m)
	if !math.IsInf(m.capW, 1) {
		left := (m.capW*slotHours - m.taken) * 60 / float64(slotMins-m.minute)
		room = min(room, max(left, 0)-m.net())
	}
	lo, hi := c.battery.limits(m.content)
	shed := false
	if room < lo && m.boiler > 0 { // even an idle car and all the battery can give are not enough
		shed = true
		m.others[m.boiler-1] -= boilerW
		room += boilerW
		if c.phaseW > 0 {
			room = c.room(&m)
		}
	}
	if most := int(math.Floor((room - lo) / c.perAmpW)); m.amps > most {
		if m.amps = most; m.amps < c.minA {
			m.amps = 0
		}
	}
	car := float64(m.amps) * c.perAmpW
	hi = max(lo, min(hi, room-car))
	if spare := -max(0, m.content-m.keepWh) * 60 * c.battery.out; spare > lo {
		lo = min(spare, hi) // as far as the limits let it be chosen at all
	}
	best, least := 0., math.Inf(1)
	for i, b := range [...]float64{m.batteryW, 0, -m.net() - car, lo, hi} {
		b = min(max(b, lo), hi)
		cost := c.cost(&m, car, b)
		if i > 0 {
			cost += 1e-6 // the plan's own where it does not matter
		}
		if cost < least {
			best, least = b, cost
		}
	}
	return order{m.amps, best, shed}
}

// cost is what an hour like this minute costs, EUR.
func (c *connection) cost(m *moment, car, b float64) float64 {
	g := (m.net() + car + b) / 1000
	cost := g*m.pi + c.battery.wear*math.Abs(b)/1000
	if g < 0 {
		cost = g*m.pe + c.battery.wear*math.Abs(b)/1000
	}
	if b > 0 {
		return cost - m.worth*b/1000*c.battery.in
	}
	return cost - m.worth*b/1000/c.battery.out
}
