package main

import (
	"sync"
	"time"

	"homehub/hub"
	"homehub/scheduler"
	"homehub/tariff"
	"homehub/tsdb"
)

// The settings that hold the owner's contract, and what the market asked or
// will ask, as far as it is known.
const (
	contractKey = "contract"
	pricesKey   = "prices"
)

// outlook is what the scheduler knows of the future: the contract's prices,
// and the last week's mean day as the forecast.
type outlook struct {
	db       *tsdb.DB
	settings scheduler.Keeper
	zone     *time.Location
	live     interface{ Snapshot() hub.Snapshot }

	mu       sync.Mutex
	at       time.Time            // slot for which the means were made
	base, pv [slotsPerDay]float64 // mean W by quarter of the UTC day
}

const (
	slotsPerDay  = int(24 * time.Hour / hub.SlotLength)
	forecastDays = 7
)

// Prices are those of the owner's contract, or of the built-in one.
func (o *outlook) Prices(from time.Time, n int) []hub.Slot {
	contract := tariff.BuiltIn()
	o.settings.Setting(contractKey, &contract)
	slots := contract.Slots(from, n, o.zone)
	if contract.Dynamic {
		var prices []tariff.Price
		o.settings.Setting(pricesKey, &prices)
		contract.Market(slots, prices)
	}
	return slots
}

// Forecast is the mean of the same quarter over the last week: what the house
// used apart from the devices that the plan moves, and what the roof gave.
func (o *outlook) Forecast(from time.Time, n int) (base, pv []float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	slot := hub.SlotStart(from)
	if slot.Sub(o.at).Abs() >= time.Hour {
		o.learn(slot)
		o.at = slot
	}
	base, pv = make([]float64, n), make([]float64, n)
	for i := range n {
		q := quarter(slot.Add(time.Duration(i) * hub.SlotLength))
		base[i], pv[i] = o.base[q], o.pv[q]
	}
	return base, pv
}

func quarter(t time.Time) int { return int(t.Unix()/int64(hub.SlotLength/time.Second)) % slotsPerDay }

func (o *outlook) learn(now time.Time) {
	o.pv = o.meanDay(hub.FeedSolar, now)
	o.base = o.meanDay(hub.FeedHouse, now)
	for _, d := range o.live.Snapshot().Devices {
		if !d.Switched() {
			continue
		}
		moved := o.meanDay(hub.DevicePowerFeed(d.ID), now)
		for q := range o.base {
			o.base[q] = max(0, o.base[q]-moved[q])
		}
	}
}

func (o *outlook) meanDay(feed string, now time.Time) (day [slotsPerDay]float64) {
	points, err := o.db.Query(feed, tsdb.Query{
		Start: now.AddDate(0, 0, -forecastDays), End: now, Step: hub.SlotLength, Of: tsdb.Mean,
	})
	if err != nil {
		return day // a feed without values forecasts nothing
	}
	var n [slotsPerDay]int
	for _, p := range points {
		if p.OK {
			q := quarter(p.At)
			day[q] += p.Value
			n[q]++
		}
	}
	for q := range day {
		day[q] /= float64(max(1, n[q]))
	}
	return day
}
