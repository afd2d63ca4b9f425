package scheduler

import (
	"math"
	"slices"
	"time"

	"homehub/hub"
)

// HeatSample is one quarter of an hour of a heater's past: the temperature at
// its beginning, and for what part of it the heater was on.
type HeatSample struct {
	Start time.Time
	Temp  float64 // °C; NaN: not known
	Duty  float64 // 0 to 1; NaN: not known
}

const (
	// heatDays is how far back the past counts, and heatHalf how fast it fades:
	// a room's outside, and a family's habits, change with the season.
	heatDays = 28
	heatHalf = 10 * 24 * time.Hour
	// heatNoise is by how much a quarter misses any model, K: what little is
	// known weighs against what is assumed by it.
	heatNoise = 0.1
	// A day and two hours of heating are the least to learn from; after three
	// days and a good night's heating there must be something to learn.
	leastSamples, leastHeated = 96, 8
	sureSamples, sureHeated   = 288, 24
)

// learnHeat fits a model to a heater's past by least squares. Water that is
// drawn, a sensor's slips and whatever else does not follow the heater are left
// out of the fit one after the other, and then make up Draw. prior holds where
// the past says nothing, and bounds what it may say.
func learnHeat(past []HeatSample, prior HeatModel, tank bool, now time.Time, loc *time.Location) HeatModel {
	past, known, slips := withoutSlips(past)
	f := heatFit{prior: prior, rows: heatRows(past, now, loc)}
	heated := 0.
	for _, r := range f.rows {
		heated += r.on
	}
	prior.At, prior.Learned, prior.Odd = now, false, known >= sureSamples && slips > known/8
	if prior.Odd {
		return prior
	}
	if len(f.rows) < leastSamples || heated < leastHeated {
		return prior
	}
	f.solve()
	m, ok := f.model(tank)
	if !ok {
		prior.Odd = len(f.rows) >= sureSamples && heated >= sureHeated
		return prior
	}
	m.At, m.Learned, m.Hot = now, true, prior.Hot
	return m
}

// heatRow is one step of the temperature.
type heatRow struct {
	quarter  int
	temp, on float64 // in its middle; how much of it the heater was on
	rise     float64 // K
	weight   float64 // of its age
	used     bool    // in the fit
}

func heatRows(past []HeatSample, now time.Time, loc *time.Location) (rows []heatRow) {
	for i := 0; i+1 < len(past); i++ {
		a, b := past[i], past[i+1]
		if math.IsNaN(a.Temp) || math.IsNaN(b.Temp) || math.IsNaN(a.Duty) || b.Start.Sub(a.Start) != hub.SlotLength {
			continue
		}
		age := max(0, now.Sub(a.Start))
		rows = append(rows, heatRow{
			quarter: quarterOf(a.Start, loc), temp: (a.Temp + b.Temp) / 2, on: min(max(a.Duty, 0), 1), rise: b.Temp - a.Temp,
			weight: math.Exp2(-float64(age) / float64(heatHalf)), used: true,
		})
	}
	return rows
}

// slip is how far a temperature must stand out from those before and after it
// to be none, K: water that is drawn does not come back.
const slip = 3

// withoutSlips is the past without temperatures that stand out, how many it has
// and how many of them slipped.
func withoutSlips(past []HeatSample) (out []HeatSample, known, slips int) {
	out = slices.Clone(past)
	before := math.NaN()
	for i := range past {
		temp := past[i].Temp
		if math.IsNaN(temp) {
			continue
		}
		known++
		after := math.NaN()
		for k := i + 1; k < len(past) && math.IsNaN(after); k++ {
			after = past[k].Temp
		}
		if temp-before > slip && temp-after > slip || before-temp > slip && after-temp > slip {
			out[i].Temp = math.NaN()
			slips++
			continue // what comes next is compared with what came before
		}
		before = temp
	}
	return out, known, slips
}

// heatFit fits rise = gain·on − loss·(temp − mean) + drift. The three hardly
// depend on each other that way, however narrow the band is. The temperature is
// that of the middle: with that of the beginning the noise of the thermometer
// would count on both sides, as a loss that nothing has.
type heatFit struct {
	prior             HeatModel
	rows              []heatRow
	mean              float64 // of the temperatures
	gain, loss, drift float64
	spread            float64                 // K, of the rows that are used
	usual             [quartersPerDay]float64 // rise that comes with the time of day, K: a heater that runs more in cold nights must not count for the cold
}

func (f *heatFit) solve() {
	sum, weights := 0., 0.
	var idle []float64
	for _, r := range f.rows {
		sum, weights = sum+r.weight*r.temp, weights+r.weight
		if r.on < 0.05 {
			idle = append(idle, r.rise)
		}
	}
	f.mean = sum / weights
	f.gain, f.loss = f.prior.Gain, f.prior.Loss
	f.drift = f.loss * (f.prior.Ambient - f.mean)
	// Medians are a good beginning: no draw is so long as to move them.
	if len(idle) > 0 {
		f.drift = median(idle)
	}
	var heating []float64
	for _, r := range f.rows {
		if r.on > 0.9 {
			heating = append(heating, r.rise-f.drift)
		}
	}
	if len(heating) > 0 {
		f.gain = median(heating)
	}
	for range 12 {
		f.choose()
		f.least()
		f.timeOfDay()
	}
	f.choose()
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func (f *heatFit) off(r *heatRow) float64 {
	return r.rise - f.usual[r.quarter] - (f.gain*r.on - f.loss*(r.temp-f.mean) + f.drift)
}

// timeOfDay finds what comes with the time of day. Its mean is 0: that is drift.
func (f *heatFit) timeOfDay() {
	var sum, weight [quartersPerDay]float64
	for i := range f.rows {
		if r := &f.rows[i]; r.used {
			sum[r.quarter] += r.weight * (f.off(r) + f.usual[r.quarter])
			weight[r.quarter] += r.weight
		}
	}
	mean := 0.
	for q := range f.usual { // over an hour and a half: weather has no quarters
		s, w := 0., 1.
		for by := -3; by <= 3; by++ {
			k := (q + by + quartersPerDay) % quartersPerDay
			s, w = s+sum[k], w+weight[k]
		}
		f.usual[q] = s / w
		mean += f.usual[q] / quartersPerDay
	}
	for q := range f.usual {
		f.usual[q] -= mean
	}
}

// choose leaves out what lies far off: far below is drawn water, far above
// somebody else's warmth.
func (f *heatFit) choose() {
	sizes := make([]float64, len(f.rows))
	for i := range f.rows {
		sizes[i] = math.Abs(f.off(&f.rows[i]))
	}
	f.spread = max(0.02, 1.4826*median(sizes)) // as that of a normal distribution
	for i := range f.rows {
		off := f.off(&f.rows[i])
		f.rows[i].used = off > -2.5*f.spread && off < 4*f.spread
	}
}

// least solves the normal equations, with the prior as three rows more.
func (f *heatFit) least() {
	var a [3][4]float64
	p := f.prior
	drift := p.Loss * (p.Ambient - f.mean)
	for i, v := range [3]struct{ mean, spread float64 }{{p.Gain, p.Gain}, {p.Loss, p.Loss}, {drift, math.Abs(drift) + 0.1}} {
		w := heatNoise * heatNoise / (v.spread * v.spread)
		a[i][i], a[i][3] = w, w*v.mean
	}
	for _, r := range f.rows {
		if !r.used {
			continue
		}
		x := [4]float64{r.on, f.mean - r.temp, 1, r.rise - f.usual[r.quarter]}
		for i := range a {
			for j := range x {
				a[i][j] += r.weight * x[i] * x[j]
			}
		}
	}
	x := eliminate(a)
	f.gain, f.loss, f.drift = x[0], x[1], x[2]
}

// eliminate solves three equations. The prior keeps the pivots above 0.
func eliminate(a [3][4]float64) (x [3]float64) {
	for i := range a {
		for k := i + 1; k < 3; k++ {
			q := a[k][i] / a[i][i]
			for j := i; j < 4; j++ {
				a[k][j] -= q * a[i][j]
			}
		}
	}
	for i := 2; i >= 0; i-- {
		x[i] = a[i][3]
		for j := i + 1; j < 3; j++ {
			x[i] -= a[i][j] * x[j]
		}
		x[i] /= a[i][i]
	}
	return x
}

// model makes a model of the fit, unless it is none that anything in a house
// obeys: a heater that does not heat, one that would boil a tank in minutes, a
// temperature that follows everything but the heater.
func (f *heatFit) model(tank bool) (m HeatModel, ok bool) {
	used := 0
	for i := range f.rows {
		if f.rows[i].used {
			used++
		}
	}
	switch {
	case f.gain < f.prior.Gain/8 || f.gain > f.prior.Gain*8,
		f.loss > 0.2, f.gain+f.drift <= 0,
		f.spread > max(0.3, f.gain/3), used < len(f.rows)*6/10:
		return m, false
	}
	half := 1 + f.loss/2 // from the middle to the beginning
	m = HeatModel{Gain: f.gain / half, Loss: max(f.loss/half, 1e-4), Error: f.spread}
	drift := f.drift / half
	m.Ambient = min(max(f.mean+drift/m.Loss, -25), 60)
	if d := m.Ambient - f.mean; math.Abs(d) > 1 {
		m.Loss = min(max(drift/d, 1e-4), 0.2) // what it loses at the usual temperature counts
	}
	m.Draw = f.draws(&m, tank)
	for _, v := range []*float64{&m.Gain, &m.Loss, &m.Ambient, &m.Error} {
		*v = math.Round(*v*1e6) / 1e6
	}
	return m, true
}

// draws is what the model does not explain, by quarter of the day: a mean that
// is pulled to 0 where few days speak for it, spread a little, since nobody
// takes a shower at the same minute every day.
func (f *heatFit) draws(m *HeatModel, tank bool) []float64 {
	var sum, weight [quartersPerDay]float64
	for _, r := range f.rows {
		sum[r.quarter] += r.weight * (m.after(r.quarter, r.temp-r.rise/2, r.on) - (r.temp + r.rise/2))
		weight[r.quarter] += r.weight
	}
	least := -m.Gain
	if tank {
		least = 0
	}
	out := make([]float64, quartersPerDay)
	for q := range out {
		v := 0.
		for i, share := range [3]float64{0.25, 0.5, 0.25} {
			k := (q + i - 1 + quartersPerDay) % quartersPerDay
			v += share * sum[k] / (weight[k] + 1)
		}
		out[q] = math.Round(min(max(v, least), 20)*1e3) / 1e3
	}
	return out
}
