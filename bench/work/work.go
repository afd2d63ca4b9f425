// Package work makes the standard work that storage engines are compared on:
// 20 feeds of a house, one value each per 10 s.
package work

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Interval is the distance of two rows in seconds.
const Interval = 10

// Feed says what a column of the work is.
type Feed struct {
	Name     string
	Counter  bool // a total that only rises
	Decimals int  // digits after the point its values have
}

// Source makes rows, the same for the same seed.
type Source struct {
	r      *rand.Rand
	houses [8]household
	meters [4]float64 // Wh, fractions too
	temps  [4]float64
	volts  [2]float64
	step   int
}

type household struct {
	fridge, burst int // rows until they change
	fridgeOn      bool
	burstW        float64
}

// New starts the work.
func New(seed uint64) *Source {
	s := &Source{r: rand.New(rand.NewPCG(seed, 20))}
	for i := range s.temps {
		s.temps[i] = 19.5
		s.meters[i] = 12345678
	}
	s.volts = [2]float64{232, 232}
	return s
}

// Feeds are the columns of a row: 8 powers, 4 energy counters, 4
// temperatures, 2 voltages, 2 plugs.
func Feeds() (list []Feed) {
	add := func(n int, name string, counter bool, decimals int) {
		for i := range n {
			list = append(list, Feed{fmt.Sprint(name, i), counter, decimals})
		}
	}
	add(8, "power", false, 0)
	add(4, "energy", true, 3)
	add(4, "temperature", false, 1)
	add(2, "voltage", false, 1)
	add(2, "plug", false, 1)
	return list
}

// watts is a household's power: a base over the day, a fridge, bursts of
// appliances, and noise that grows with the load.
func (s *Source) watts(h *household) float64 {
	if h.fridge--; h.fridge <= 0 {
		h.fridgeOn = !h.fridgeOn
		h.fridge = 150 + s.r.IntN(80)
		if h.fridgeOn {
			h.fridge = 90 + s.r.IntN(43)
		}
	}
	if h.burst--; h.burst <= 0 {
		h.burstW = 0
		h.burst = 60 + s.r.IntN(700)
		if s.r.IntN(3) == 0 {
			h.burstW = [...]float64{2100, 850, 60, 140, 1900, 350}[s.r.IntN(6)]
			h.burst = 6 + s.r.IntN(180)
		}
	}
	p := 95 + 12*math.Sin(float64(s.step)*2*math.Pi/8640) + h.burstW
	if h.fridgeOn {
		p += 78
	}
	return max(0, p+s.r.NormFloat64()*(1.5+0.004*p))
}

// House is the next value of the first household alone, in watts.
func (s *Source) House() float64 {
	s.step++
	return math.Round(s.watts(&s.houses[0]))
}

// Next fills out with the next row.
func (s *Source) Next(out []float64) []float64 {
	s.step++
	out = out[:0]
	var p [8]float64
	for i := range s.houses {
		p[i] = s.watts(&s.houses[i])
		out = append(out, math.Round(p[i]))
	}
	for i := range s.meters {
		s.meters[i] += p[i] / 360
		out = append(out, math.Floor(s.meters[i])/1000)
	}
	for i := range s.temps {
		s.temps[i] += s.r.NormFloat64()*0.008 + (19.5-s.temps[i])*0.0005
		out = append(out, math.Round(s.temps[i]*10)/10)
	}
	for i := range s.volts {
		s.volts[i] += s.r.NormFloat64()*0.25 + (232-s.volts[i])*0.02
		out = append(out, math.Round(s.volts[i]*10)/10)
	}
	for i := range 2 {
		out = append(out, math.Round(max(0, p[6+i]-160)*10)/10)
	}
	return out
}
