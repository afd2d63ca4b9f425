package sim

import (
	"math"

	"homehub/hub"
)

// place is where the roof is, in degrees north and east.
type place struct{ latitude, longitude float64 }

// sun is what is needed on one day to tell where the sun stands: products of
// sines and cosines that do not change within the day.
type sun struct {
	height, swing           float64 // sine of the sun's height = height + swing·cos(hour angle)
	panelHeight, panelSwing float64 // the same as seen from the panels
	noon                    float64 // UTC second of the day at which it stands highest
}

const (
	panelTilt  = 35.0 // degrees from flat, facing south
	clearBeam  = 1353 // W/m² outside the atmosphere
	roofYield  = 0.80 // what inverter, cables, dirt and heat leave
	overcast   = 0.18 // part of the light that thick clouds let through
	secondTurn = 2 * math.Pi / 86400
)

// sun is the sun over the place on a day of the year (1 to 366): Cooper's
// declination and the usual equation of time, good to a minute and half a
// degree.
func (p place) sun(yearday int) sun {
	const rad = math.Pi / 180
	declination := 23.45 * rad * math.Sin(2*math.Pi*float64(284+yearday)/365)
	b := 2 * math.Pi * float64(yearday-81) / 364
	equation := 9.87*math.Sin(2*b) - 7.53*math.Cos(b) - 1.5*math.Sin(b) // minutes
	latitude := p.latitude * rad
	panel := (p.latitude - panelTilt) * rad
	return sun{
		height:      math.Sin(latitude) * math.Sin(declination),
		swing:       math.Cos(latitude) * math.Cos(declination),
		panelHeight: math.Sin(panel) * math.Sin(declination),
		panelSwing:  math.Cos(panel) * math.Cos(declination),
		noon:        43200 - p.longitude*240 - equation*60,
	}
}

// roof is what panels of the given peak power give at t (seconds since 1970).
func (d dice) roof(x *day, t int64, peak hub.Watt) hub.Watt {
	_, second := floorDiv(t, 86400)
	hour := math.Cos((float64(second) - x.sun.noon) * secondTurn)
	height := x.sun.height + x.sun.swing*hour
	if height <= 0 {
		return 0
	}
	airMass := 1 / (height + 0.02)
	beam := clearBeam * math.Pow(0.7, math.Pow(airMass, 0.678))
	diffuse := 0.11 * clearBeam * height
	onPanel := beam*max(0, x.sun.panelHeight+x.sun.panelSwing*hour) + diffuse
	light := onPanel * d.sky(x.clouds, t) * roofYield / 1000
	return min(peak, hub.Watt(float64(peak)*light))
}

// sky is the part of the light that comes through at t under the day's cover.
func (d dice) sky(cover float64, t int64) float64 {
	cloud := 0.65*d.smooth(chCloud, t, 2400) + 0.35*d.smooth(chWisp, t, 240)
	shade := min(1, max(0, (1.25*cover-cloud)/0.25))
	return 1 - (1-overcast)*shade
}
