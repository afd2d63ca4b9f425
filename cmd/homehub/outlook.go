package main

import (
	"sync"
	"time"

	"homehub/hub"
	"homehub/scheduler"
	"homehub/tariff"
	"homehub/tsdb"
)

// The settings that hold the owner's contracts, and what the market asked or
// will ask, as far as it is known.
const (
	contractsKey = "contracts"
	contractKey  = "contract" // of a hub that remembered one
	pricesKey    = "prices"
)

// datedContract is a contract and since when it holds, zero for ever since.
type datedContract struct {
	From     time.Time       `json:"from,omitzero"`
	Contract tariff.Contract `json:"contract"`
}

// contracts are those of the owner, the oldest first; the built-in one if
// nothing is decided.
func contracts(settings scheduler.Keeper) (list []datedContract, decided bool) {
	if settings.Setting(contractsKey, &list) && len(list) > 0 {
		return list, true
	}
	c := tariff.BuiltIn()
	decided = settings.Setting(contractKey, &c)
	return []datedContract{{Contract: c}}, decided
}

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

// Prices are those of the contract that holds in each slot.
func (o *outlook) Prices(from time.Time, n int) []hub.Slot {
	list, _ := contracts(o.settings)
	var market []tariff.Price
	all := make([]hub.Slot, 0, n)
	at := hub.SlotStart(from)
	for i, c := range list {
		rest := n - len(all)
		if i+1 < len(list) { // until the next one
			rest = min(rest, max(0, int(list[i+1].From.Sub(at)/hub.SlotLength)))
		}
		if rest == 0 {
			continue
		}
		slots := c.Contract.Slots(at, rest, o.zone)
		if c.Contract.Dynamic {
			if market == nil {
				o.settings.Setting(pricesKey, &market)
			}
			c.Contract.Market(slots, market)
		}
		all = append(all, slots...)
		at = at.Add(time.Duration(rest) * hub.SlotLength)
	}
	return all
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
