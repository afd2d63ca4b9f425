package scheduler

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata"

	"homehub/hub"
)

// thing is something that is warmed, minute by minute: a tank or a room.
type thing struct {
	gain, loss float64                          // K and part of the difference, per quarter of an hour
	outside    func(minute int) float64         // °C
	draw       func(minute int) float64         // K taken out in this minute
	heats      func(minute int, c float64) bool // the heater; it hears its own hysteresis
	temp       float64
}

// past lets it live for days and is what a thermometer with noise saw of it.
func (x *thing) past(start time.Time, days int, noise float64, dice *rand.Rand) []HeatSample {
	var past []HeatSample
	on := 0
	for minute := range days * 24 * 60 {
		if minute%15 == 0 {
			past = append(past, HeatSample{Start: start.Add(time.Duration(minute) * time.Minute), Temp: x.temp + noise*dice.NormFloat64()})
			on = 0
		}
		heat := 0.
		if x.heats(minute, x.temp) {
			heat = 1
			on++
		}
		x.temp += (x.loss*(x.outside(minute)-x.temp) + x.gain*heat) / 15
		x.temp -= x.draw(minute)
		past[len(past)-1].Duty = float64(on) / 15
	}
	return past
}

// hysteresis heats from low to high.
func hysteresis(low, high float64) func(int, float64) bool {
	on := false
	return func(_ int, c float64) bool {
		on = c < low || on && c < high
		return on
	}
}

// showers takes hot water at about seven and seven, some minutes earlier or
// later every day.
func showers(dice *rand.Rand, kelvin float64) func(int) float64 {
	at := map[int]int{}
	return func(minute int) float64 {
		day := minute / 1440
		for i, hour := range []int{7, 19} {
			key := day*2 + i
			if _, ok := at[key]; !ok {
				at[key] = day*1440 + hour*60 + dice.IntN(30) - 15
			}
			if from := at[key]; minute >= from && minute < from+12 {
				return kelvin / 12
			}
		}
		return 0
	}
}

func tankAt(dice *rand.Rand) *thing {
	return &thing{
		gain: 2000 * 0.25 / (150 * heatPerLitre), loss: 0.0025, temp: 55,
		outside: func(int) float64 { return 16 }, draw: showers(dice, 9), heats: hysteresis(50, 60),
	}
}

func roomAt(*rand.Rand) *thing {
	return &thing{
		gain: 0.35, loss: 0.012, temp: 20,
		outside: func(m int) float64 { return 4 + 3*math.Sin(2*math.Pi*float64(m)/1440-2) }, // coldest before dawn
		draw:    func(int) float64 { return 0 }, heats: hysteresis(20.2, 20.8),
	}
}

func heaterState(litres int, low, high int) hub.DeviceState {
	return hub.DeviceState{Device: hub.Device{
		ID: "heater", Role: hub.RolePlug, Power: 2000, Litres: litres, Mode: hub.ModeAuto,
		Schedule: &hub.Schedule{Keep: hub.Band{Low: hub.Degrees(low), High: hub.Degrees(high)}},
	}}
}

// TestLearnHeat fits models to the simulated past of tanks and rooms: with
// noise, with holes, with drawn water, with slips of the sensor.
func TestLearnHeat(t *testing.T) {
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		thing func(*rand.Rand) *thing
		state hub.DeviceState
		noise float64
		spoil func(past []HeatSample, dice *rand.Rand)
		near  float64 // part by which gain and drift may be off
	}{
		{"a tank", tankAt, heaterState(120, 50, 60), 0.03, nil, 0.1},
		{"a tank of which nothing is known", tankAt, heaterState(0, 50, 60), 0.03, nil, 0.1},
		{"a tank whose volume is wrong", tankAt, heaterState(300, 50, 60), 0.03, nil, 0.1},
		{"a tank with a bad sensor", tankAt, heaterState(120, 50, 60), 0.25, nil, 0.25},
		{"a tank with holes and slips", tankAt, heaterState(120, 50, 60), 0.05, func(past []HeatSample, dice *rand.Rand) {
			for i := range past {
				switch dice.IntN(30) {
				case 0:
					past[i].Temp = math.NaN()
				case 1:
					past[i].Temp = 85
				case 2:
					past[i].Duty = math.NaN()
				}
			}
		}, 0.15},
		{"a room", roomAt, heaterState(0, 20, 21), 0.05, nil, 0.02},
		{"a room with a coarse sensor", roomAt, heaterState(0, 20, 21), 0, func(past []HeatSample, _ *rand.Rand) {
			for i := range past {
				past[i].Temp = math.Round(past[i].Temp*5) / 5
			}
		}, 0.25},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(1, 2))
			x := test.thing(dice)
			const days = 21
			past := x.past(start, days, test.noise, dice)
			mean := 0.
			for _, s := range past {
				mean += s.Temp / float64(len(past))
			}
			if test.spoil != nil {
				test.spoil(past, dice)
			}
			d := test.state
			m := learnHeat(past, priorHeat(&d.Device, heatPower(&d)), isTank(&d.Device), start.AddDate(0, 0, days), time.UTC)
			if !m.Learned || m.Odd {
				t.Fatalf("learned %v, odd %v: %+v", m.Learned, m.Odd, m)
			}
			outside := 0.
			for minute := range 1440 {
				outside += x.outside(minute) / 1440
			}
			// What a day costs without heating is what a plan needs to know.
			want, got := 0., 0.
			for q := range quartersPerDay {
				want -= x.loss * (outside - mean)
				got -= m.Loss*(m.Ambient-mean) - m.draw(q)
			}
			if isTank(&d.Device) {
				want += 18
			}
			t.Logf("gain %.3f of %.3f K, a day cools by %.1f of %.1f K, off by %.2f K", m.Gain, x.gain, got, want, m.Error)
			if off := math.Abs(m.Gain/x.gain - 1); off > test.near {
				t.Errorf("gain %.3f, not %.3f", m.Gain, x.gain)
			}
			if off := math.Abs(got/want - 1); off > test.near {
				t.Errorf("a day cools by %.1f K, not %.1f", got, want)
			}
			if !isTank(&d.Device) && test.noise > 0 && (m.Loss < x.loss/2 || m.Loss > x.loss*1.6) {
				t.Errorf("loses %.4f a quarter, not %.4f: noise or the night was taken for a loss", m.Loss, x.loss)
			}
			if isTank(&d.Device) && m.draw(7*4)+m.draw(7*4-1) < 3*m.draw(12*4)+1 {
				t.Errorf("draws of the morning were not found: %v", m.Draw)
			}
		})
	}
}

// TestLearnHeatRefuses: what is no heater's past makes no model. A short past
// leaves the prior; a long one that contradicts every model is odd.
func TestLearnHeatRefuses(t *testing.T) {
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	d := heaterState(120, 50, 60)
	tests := []struct {
		name string
		days int
		odd  bool
		past func(past []HeatSample, dice *rand.Rand)
	}{
		{"half a day", 0, false, func(past []HeatSample, _ *rand.Rand) {
			for i := 40; i < len(past); i++ {
				past[i].Temp = math.NaN()
			}
		}},
		{"never on", 10, false, func(past []HeatSample, _ *rand.Rand) {
			for i := range past {
				past[i].Duty = 0
			}
		}},
		{"the sensor hangs somewhere else", 10, true, func(past []HeatSample, dice *rand.Rand) {
			for i := range past {
				past[i].Temp = 18 + dice.NormFloat64()*0.05
			}
		}},
		{"it cools when it is on", 10, true, func(past []HeatSample, _ *rand.Rand) {
			for i := range past {
				past[i].Temp = 100 - past[i].Temp
			}
		}},
		{"a kettle, not a tank", 10, true, func(past []HeatSample, _ *rand.Rand) {
			for i := range past {
				past[i].Temp = 55 + 12*(past[i].Temp-55)
			}
		}},
		{"noise", 10, true, func(past []HeatSample, dice *rand.Rand) {
			for i := range past {
				past[i].Temp = 50 + 20*dice.NormFloat64()
			}
		}},
		{"nothing at all", 10, false, func(past []HeatSample, _ *rand.Rand) {
			for i := range past {
				past[i].Temp = math.NaN()
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(3, 4))
			past := tankAt(dice).past(start, max(1, test.days), 0.03, dice)
			test.past(past, dice)
			prior := priorHeat(&d.Device, 2000)
			m := learnHeat(past, prior, true, start.AddDate(0, 0, test.days), time.UTC)
			if m.Learned || m.Odd != test.odd {
				t.Errorf("learned %v, odd %v: %+v", m.Learned, m.Odd, m)
			}
			if m.Gain != prior.Gain || m.Loss != prior.Loss {
				t.Errorf("the prior did not stay: %+v", m)
			}
		})
	}
}

// Draws follow the wall clock: over a clock change they stay at seven.
func TestLearnHeatWallClock(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := quarterOf(time.Date(2026, 3, 28, 6, 15, 0, 0, time.UTC), loc), quarterOf(time.Date(2026, 3, 29, 5, 15, 0, 0, time.UTC), loc); a != 29 || b != 29 {
		t.Errorf("07:15 is quarter %d in winter and %d in summer, want 29", a, b)
	}
}
