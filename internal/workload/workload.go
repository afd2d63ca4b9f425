// Package workload is the standard work of the storage benchmarks: what a
// house's feeds show, one value each per 10 s. Engine tests and homehub bench
// drive the same values, so that their figures can be compared.
package workload

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Interval is the time from one step to the next, in seconds.
const Interval = 10

// Feed describes one of the feeds.
type Feed struct {
	Name     string
	Unit     string
	Counter  bool // only rises
	Decimals int  // digits after the point
}

// Source makes the values of any number of feeds: the mix of 20, over and
// over.
type Source struct {
	feeds []Feed
	mixes []*mix
}

// New makes a source of n feeds. Equal seeds give equal values.
func New(seed uint64, n int) *Source {
	s := &Source{}
	for i := 0; len(s.feeds) < n; i++ {
		s.mixes = append(s.mixes, newMix(seed+uint64(i)*1000))
		suffix := ""
		if i > 0 {
			suffix = fmt.Sprint("-", i)
		}
		for _, f := range mixFeeds() {
			f.Name += suffix
			s.feeds = append(s.feeds, f)
		}
	}
	s.feeds = s.feeds[:n]
	return s
}

// Feeds lists the feeds, in the order of the values.
func (s *Source) Feeds() []Feed { return s.feeds }

// Next overwrites out with the values of the next step.
func (s *Source) Next(out []float64) []float64 {
	out = out[:0]
	for _, m := range s.mixes {
		out = m.next(out)
	}
	return out[:len(s.feeds)]
}

// mix is 8 powers, 4 energy counters, 4 temperatures, 2 voltages and 2 plugs.
type mix struct {
	r      *rand.Rand
	houses [8]household
	meters [4]float64 // Wh, fractions too
	temps  [4]float64
	volts  [2]float64
	step   int
}

type household struct {
	fridge, burst int // steps until they change
	fridgeOn      bool
	burstW        float64
}

func newMix(seed uint64) *mix {
	m := &mix{r: rand.New(rand.NewPCG(seed, 20)), volts: [2]float64{232, 232}}
	for i := range m.temps {
		m.temps[i] = 19.5
		m.meters[i] = 12345678
	}
	return m
}

func mixFeeds() (list []Feed) {
	add := func(n int, f Feed) {
		for i := range n {
			one := f
			one.Name = fmt.Sprint(f.Name, i)
			list = append(list, one)
		}
	}
	add(8, Feed{Name: "power", Unit: "W"})
	add(4, Feed{Name: "energy", Unit: "kWh", Counter: true, Decimals: 3})
	add(4, Feed{Name: "temperature", Unit: "°C", Decimals: 1})
	add(2, Feed{Name: "voltage", Unit: "V", Decimals: 1})
	add(2, Feed{Name: "plug", Unit: "W", Decimals: 1})
	return list
}

// watts is a household's power: a base over the day, a fridge, bursts of
// appliances, and noise that grows with the load.
func (m *mix) watts(h *household) float64 {
	if h.fridge--; h.fridge <= 0 {
		h.fridgeOn = !h.fridgeOn
		h.fridge = 150 + m.r.IntN(80)
		if h.fridgeOn {
			h.fridge = 90 + m.r.IntN(43)
		}
	}
	if h.burst--; h.burst <= 0 {
		h.burstW = 0
		h.burst = 60 + m.r.IntN(700)
		if m.r.IntN(3) == 0 {
			h.burstW = [...]float64{2100, 850, 60, 140, 1900, 350}[m.r.IntN(6)]
			h.burst = 6 + m.r.IntN(180)
		}
	}
	p := 95 + 12*math.Sin(float64(m.step)*2*math.Pi/8640) + h.burstW
	if h.fridgeOn {
		p += 78
	}
	return max(0, p+m.r.NormFloat64()*(1.5+0.004*p))
}

func (m *mix) next(out []float64) []float64 {
	m.step++
	var p [8]float64
	for i := range m.houses {
		p[i] = m.watts(&m.houses[i])
		out = append(out, math.Round(p[i]))
	}
	for i := range m.meters {
		m.meters[i] += p[i] / 360
		out = append(out, math.Floor(m.meters[i])/1000)
	}
	for i := range m.temps {
		m.temps[i] += m.r.NormFloat64()*0.008 + (19.5-m.temps[i])*0.0005
		out = append(out, math.Round(m.temps[i]*10)/10)
	}
	for i := range m.volts {
		m.volts[i] += m.r.NormFloat64()*0.25 + (232-m.volts[i])*0.02
		out = append(out, math.Round(m.volts[i]*10)/10)
	}
	for i := range 2 {
		w := p[6+i] - 160
		out = append(out, math.Round(max(0, w)*10)/10)
	}
	return out
}
