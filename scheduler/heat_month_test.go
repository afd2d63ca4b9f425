package scheduler

import (
	"bufio"
	"flag"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"homehub/hub"
)

var wholeMonth = flag.Bool("month", false, "heat for a whole month of recorded prices, not for some days")

// spotPrices are recorded Dutch prices of January 2025 as a dynamic contract
// bills them, by Unix hour. The test is skipped where the records are absent.
func spotPrices(t *testing.T) map[int64]hub.MicroEuro {
	t.Helper()
	f, err := os.Open("../../shared/data/prices/nl_dayahead_2025_hourly.csv")
	if err != nil {
		t.Skip("no recorded prices here")
	}
	defer f.Close()
	out := map[int64]hub.MicroEuro{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cells := strings.Split(lines.Text(), ",")
		at, err := strconv.ParseInt(cells[0], 10, 64)
		v, err2 := strconv.ParseFloat(cells[1], 64)
		if err == nil && err2 == nil {
			out[at/3600] = hub.MicroEuro((v/1000 + 0.0165 + 0.10154) * 1.21 * 1e6)
		}
	}
	return out
}

// keeper heats a thing minute by minute.
type keeper func(minute int, c float64) bool

// heated is what keeping a temperature for some days cost.
type heated struct {
	eur, kWh  float64
	cold      time.Duration // below the band
	low, high float64
	starts    int
}

// month lets a thing live under a keeper and adds up what it costs.
func month(x *thing, start time.Time, days int, watts float64, low float64, prices map[int64]hub.MicroEuro, keep keeper) (h heated) {
	h.low, h.high = x.temp, x.temp
	was := false
	x.heats = func(minute int, c float64) bool {
		h.low, h.high = min(h.low, c), max(h.high, c)
		if c < low-0.05 {
			h.cold += time.Minute
		}
		on := keep(minute, c)
		if on {
			kWh := watts / 60000
			h.kWh += kWh
			h.eur += kWh * float64(prices[start.Add(time.Duration(minute)*time.Minute).Unix()/3600]) / 1e6
		}
		if on && !was {
			h.starts++
		}
		was = on
		return on
	}
	x.past(start, days, 0, rand.New(rand.NewPCG(1, 1)))
	return h
}

// planned is the hub as a keeper: a plan per hour, or when the temperature has
// strayed, by prices as far as they are published, and the thermostat over it.
func planned(t *testing.T, d hub.DeviceState, model HeatModel, start time.Time, loc *time.Location, prices map[int64]hub.MicroEuro) keeper {
	t.Helper()
	k := thermostats{zone: loc}
	d.Online, d.Has = true, hub.ReportOn|hub.ReportTemp
	s := hub.Snapshot{Devices: []hub.DeviceState{d}}
	in := Inputs{
		Zone: loc, Jobs: map[string]*Job{d.ID: {}}, Heat: map[string]HeatModel{d.ID: model}, Gain: 20_000,
		Connection: Connection{Import: 17_250},
	}
	var want []hub.Command
	return func(minute int, c float64) bool {
		now := start.Add(time.Duration(minute) * time.Minute)
		state := &s.Devices[0]
		state.Temp, state.TempAt = hub.MilliCelsius(int(c*16)*1000/16), now // a DS18B20
		if minute%60 == 0 || minute%10 == 0 && strayed(&s, now) {
			in.Now, in.Devices, in.Slots = now, s.Devices, published(now, loc, prices)
			plan, solved, err := PlanHouse(in)
			if err != nil {
				t.Fatal(err)
			}
			s.Plan, in.Former, in.FormerStart = plan, solved, hub.SlotStart(now)
		}
		want = wanted(now, &s, want)
		k.step(now, &s, want)
		state.Commanded, state.On = want[0], want[0].On
		return want[0].On
	}
}

// published are the prices that are out at now: those of tomorrow from 13:00 on.
func published(now time.Time, loc *time.Location, prices map[int64]hub.MicroEuro) []hub.Slot {
	y, m, day := now.In(loc).Date()
	if now.In(loc).Hour() >= 13 {
		day++
	}
	out := time.Date(y, m, day+1, 0, 0, 0, 0, loc)
	slots := make([]hub.Slot, leastHorizon)
	for i := range slots {
		at := hub.SlotStart(now).Add(time.Duration(i) * hub.SlotLength)
		price, ok := prices[at.Unix()/3600]
		slots[i] = hub.Slot{Start: at, Import: price, Export: 50_000, Known: ok && at.Before(out)}
	}
	return slots
}

// TestHeatMonth lets a tank and a room live through recorded prices: under a
// plain thermostat, under the hub that knows nothing but watts and litres, and
// under the hub that has learned from two weeks of the thermostat.
func TestHeatMonth(t *testing.T) {
	t.Parallel()
	prices := spotPrices(t)
	loc, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	days := 2
	if *wholeMonth {
		days = 31
	}
	start := time.Date(2025, 1, 5, 23, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name      string
		thing     func(*rand.Rand) *thing
		state     hub.DeviceState
		narrow    keeper // as it is sold
		low, high float64
		least     float64 // part of the cost that must be saved
	}{
		{"tank of 150 l", tankAt, heaterState(150, 50, 65), hysteresis(52, 57), 50, 65, 0.08},
		{"room", roomAt, heaterState(0, 20, 22), hysteresis(20.2, 20.8), 20, 22, 0.02},
	} {
		t.Run(test.name, func(t *testing.T) {
			live := func(keep keeper) heated {
				x := test.thing(rand.New(rand.NewPCG(5, 6)))
				return month(x, start, days, 2000, test.low, prices, keep)
			}
			dice := rand.New(rand.NewPCG(7, 8))
			past := test.thing(dice)
			past.heats = test.narrow
			d := test.state
			learned := learnHeat(past.past(start.AddDate(0, 0, -14), 14, 0.05, dice), priorHeat(&d.Device, 2000), isTank(&d.Device), start, loc)
			if !learned.Learned {
				t.Fatal("nothing was learned of two weeks")
			}
			plain := live(test.narrow)
			wide := live(hysteresis(test.low, test.high))
			untaught := live(planned(t, d, HeatModel{}, start, loc, prices))
			taught := live(planned(t, d, learned, start, loc, prices))
			for i, h := range []heated{plain, wide, untaught, taught} {
				name := [...]string{"thermostat", "thermostat over the whole band", "hub, nothing learned", "hub"}[i]
				t.Logf("%-32s %6.2f EUR %6.1f kWh at %.1f ct, %4.1f to %4.1f °C, %5.1f h below %.0f °C, %d starts", name, h.eur, h.kWh, 100*h.eur/h.kWh, h.low, h.high, h.cold.Hours(), test.low, h.starts)
			}
			if saved := 1 - taught.eur/plain.eur; saved < test.least {
				t.Errorf("saves %.1f %% beside the thermostat, want %.0f", 100*saved, 100*test.least)
			}
			if taught.high > test.high+0.2 || taught.cold > plain.cold+time.Duration(days)*15*time.Minute {
				t.Errorf("up to %.1f °C, %v below the band, the thermostat %v", taught.high, taught.cold, plain.cold)
			}
		})
	}
}
