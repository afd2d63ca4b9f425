package scheduler

import (
	"math"
	"time"

	"homehub/hub"
)

// HeatModel is how the temperature of a tank or a room answers to its heater:
// T' = T + Loss·(Ambient − T) + Gain·on − Draw in each quarter of an hour.
type HeatModel struct {
	Gain    float64 `json:"gain_k"`    // K that a quarter at full power adds
	Loss    float64 `json:"loss"`      // part of the difference to Ambient that a quarter takes
	Ambient float64 `json:"ambient_c"` // what it cools down to
	// Draw is what else takes warmth out, in K, by quarter of the day on the
	// house's wall clock: hot water, or below 0 the sun in the windows.
	Draw []float64 `json:"draw_k"`
	// Learned says that it comes from the device's own past, Odd that this past
	// contradicts any such model: then nobody plans with it.
	Learned bool      `json:"learned,omitempty"`
	Odd     bool      `json:"odd,omitempty"`
	Error   float64   `json:"error_k,omitempty"` // K by which a quarter misses it, as a rule
	At      time.Time `json:"at,omitzero"`       // when it was learned
	// Hot is when the temperature last was at the band's Weekly.
	Hot time.Time `json:"hot,omitzero"`
}

// quartersPerDay is how many quarters of an hour the wall clock shows.
const quartersPerDay = 96

const (
	// heatPerLitre is what a litre of water takes per K, Wh.
	heatPerLitre = 1.163
	// defaultLitres is a common electric boiler.
	defaultLitres = 120
	// defaultHeat is the power of a heater that nobody has said, W.
	defaultHeat = 2000
	// tankFrom is the temperature above which a band is a tank's, °C: nobody
	// keeps a room so warm.
	tankFrom = 40
	// roomHours is the time in which a room loses two thirds of its difference
	// to the outside, and roomLift by how much its heater can lift it, K.
	roomHours, roomLift = 30, 25
)

// isTank says whether a band is that of hot water.
func isTank(d *hub.Device) bool {
	return d.Litres > 0 || d.Schedule.Keeps() && d.Schedule.Keep.High >= hub.Degrees(tankFrom)
}

// heatPower is what the heater draws in W, as far as it is known.
func heatPower(d *hub.DeviceState) float64 {
	switch {
	case d.Power > 0:
		return float64(d.Power)
	case d.On && d.Has&hub.ReportPower != 0 && d.Watts > 50:
		return float64(d.Watts)
	}
	return defaultHeat
}

// priorHeat is the model of a heater that has no past: of its power and volume,
// with the losses of a tank of energy class C (regulation EU 812/2013) and the
// hot water of a small household, or of a room of common build.
func priorHeat(d *hub.Device, watts float64) HeatModel {
	if !isTank(d) {
		loss := slotHours / roomHours
		return HeatModel{Gain: loss * roomLift, Loss: loss, Ambient: 8, Draw: make([]float64, quartersPerDay)}
	}
	litres := float64(d.Litres)
	if litres == 0 {
		litres = defaultLitres
	}
	capacity := litres * heatPerLitre // Wh per K
	// 1.1 W/K for 120 litres; what loses grows with the surface.
	leak := 1.1 * math.Pow(litres/defaultLitres, 2./3)
	m := HeatModel{Gain: watts * slotHours / capacity, Loss: leak * slotHours / capacity, Ambient: 18, Draw: make([]float64, quartersPerDay)}
	for q := range m.Draw {
		if hour := q / 4; hour == 7 || hour == 18 || hour == 19 || hour == 20 {
			m.Draw[q] = 2500 / capacity / 16 // 2.5 kWh a day, in four hours
		}
	}
	return m
}

// after is the temperature a quarter later; q is the quarter of the day.
func (m *HeatModel) after(q int, temp, on float64) float64 {
	return temp + m.Loss*(m.Ambient-temp) + m.Gain*on - m.draw(q)
}

func (m *HeatModel) draw(q int) float64 {
	if q < len(m.Draw) {
		return m.Draw[q]
	}
	return 0
}

// quarterOf is the quarter of the day that the wall clock of loc shows.
func quarterOf(t time.Time, loc *time.Location) int {
	t = t.In(loc)
	return t.Hour()*4 + t.Minute()/15
}
