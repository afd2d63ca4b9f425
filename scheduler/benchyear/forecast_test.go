package benchyear

import "math"

// The forecasts know nothing but the past.
//
// Base load: the mean of the same quarter over the last seven days; what the last hour was above or below it lasts on and fades within some hours.
// Roof: for each quarter of the day the highest of the last two weeks is a clear sky; how much of it is to be expected is the mean of the last three
// days, and for today what the day has shown so far. Where the owner's provider had a forecast, it counts half, corrected by how much it was
// out over the last two weeks.

const (
	loadDays = 7
	skyDays  = 14
	sunDays  = 3
	blur     = 1 // quarters on either side: nobody cooks to the minute
)

// forecast is what a hub at slot s expects of the n slots from s on.
func (w *nature) forecast(s, n int) (base, pv []float64) {
	return w.loadForecast(s, n), w.sunForecast(s, n)
}

func (w *nature) usual(s, now int) float64 {
	for s >= now {
		s -= perDay
	}
	sum := 0.
	for d := range loadDays {
		for k := -blur; k <= blur; k++ {
			sum += w.base[min(s-d*perDay+k, now-1)]
		}
	}
	return sum / loadDays / (2*blur + 1)
}

func (w *nature) loadForecast(s, n int) []float64 {
	out := make([]float64, n)
	above := 0.
	for k := 1; k <= perHour; k++ {
		above += (w.base[s-k] - w.usual(s-k, s-k)) / perHour
	}
	for k := range out {
		out[k] = max(50, w.usual(s+k, s)+0.5*above*math.Exp(-float64(k)/6))
	}
	return out
}

// clear is the highest production of a quarter of the day and its neighbours in the two weeks before now.
func (w *nature) clear(s, now int) float64 {
	for s >= now {
		s -= perDay
	}
	top := 0.
	for d := range skyDays {
		for k := -1; k <= 1; k++ {
			if at := s - d*perDay + k; at >= 0 && at < now {
				top = max(top, w.pv[at])
			}
		}
	}
	return top
}

// clearness is the part of a clear sky that slots a..b had.
func (w *nature) clearness(a, b int) (part, sky float64) {
	sun := 0.
	for s := a; s < b; s++ {
		sun += w.pv[s]
		sky += w.clear(s, b)
	}
	return sun / max(1, sky), sky
}

func (w *nature) sunForecast(s, n int) []float64 {
	usual, _ := w.clearness(s-sunDays*perDay, s)
	today, seen := w.clearness(s-6*perHour, s)
	trust := min(0.8, seen/8000) // a few hours of daylight say something of the rest of the day
	sun, said := 0., 0.
	for k := s - skyDays*perDay; k < s; k++ {
		if w.guess[k] > 0 {
			sun, said = sun+w.pv[k], said+w.guess[k]
		}
	}
	fix := 1.
	if said > 1000 {
		fix = min(max(sun/said, 0.5), 2)
	}
	out := make([]float64, n)
	for k := range out {
		part := usual
		if k < 10*perHour {
			part = trust*today + (1-trust)*usual
		}
		out[k] = part * w.clear(s+k, s)
		if g := w.guess[min(s+k, len(w.guess)-1)]; g > 0 {
			out[k] = (out[k] + g*fix) / 2
		}
	}
	return out
}

// prices are the published ones, and beyond them those of the same time on the last day that is known.
func (m *market) prices(s, n int) (pi, pe []float64) {
	known := m.known(s)
	pi, pe = make([]float64, n), make([]float64, n)
	for k := range n {
		at := s + k
		for at >= known {
			at -= perDay
		}
		pi[k], pe[k] = m.pi[at], m.pe[at]
	}
	return pi, pe
}
