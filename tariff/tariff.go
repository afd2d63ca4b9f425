// Package tariff turns a contract into prices per slot. It knows clock
// windows and money, not devices. Only cmd/homehub imports it.
package tariff

import (
	"time"

	"homehub/hub"
)

// Contract is a two-rate contract: one price for the night hours and one for
// the rest, all taxes in, and one price for what is given to the grid. A
// single-rate contract has Day == Night.
type Contract struct {
	Name   string        `json:"name"`
	Day    hub.MicroEuro `json:"day_microeuro_per_kwh"`
	Night  hub.MicroEuro `json:"night_microeuro_per_kwh"`
	Export hub.MicroEuro `json:"export_microeuro_per_kwh"`
	// The night lasts from NightFrom to NightTo on the house's wall clock.
	NightFrom hub.LocalTime `json:"night_from"`
	NightTo   hub.LocalTime `json:"night_to"`
	// Weekend counts Saturday and Sunday as night.
	Weekend bool `json:"weekend"`

	// Dynamic prices follow the market (see Market): Day and Night do not
	// count, and Export is added to what the market pays.
	Dynamic   bool          `json:"dynamic,omitempty"`
	VAT       int           `json:"vat_percent,omitempty"`
	Surcharge hub.MicroEuro `json:"surcharge_microeuro_per_kwh,omitempty"` // taxes and margin, VAT in
}

const most = 10_000_000 // 10 EUR/kWh: beyond it somebody typed cents

// BuiltIn is the contract that holds until the owner enters a real one: a
// Dutch day/night contract with a low rate from 23:00 to 07:00 and at the
// weekend. Its prices are an example, and the pages say so.
func BuiltIn() Contract {
	return Contract{
		Name: "example day/night contract",
		Day:  290_000, Night: 230_000, Export: 60_000,
		NightFrom: 23 * 60, NightTo: 7 * 60, Weekend: true,
	}
}

// Validate checks a contract from outside.
func (c Contract) Validate() error {
	for _, p := range []struct {
		field string
		price hub.MicroEuro
	}{{"day_microeuro_per_kwh", c.Day}, {"night_microeuro_per_kwh", c.Night}, {"export_microeuro_per_kwh", c.Export}, {"surcharge_microeuro_per_kwh", c.Surcharge}} {
		if p.price < -most || p.price > most {
			return hub.FieldErrorf(p.field, "must lie between -10 and 10 EUR per kWh, in micro-euro")
		}
	}
	if c.NightFrom < 0 || c.NightFrom >= 24*60 || c.NightTo < 0 || c.NightTo >= 24*60 {
		return hub.FieldErrorf("night_from", "must be a time of day like 23:00")
	}
	if c.VAT < 0 || c.VAT > 50 {
		return hub.FieldErrorf("vat_percent", "must be 0 to 50")
	}
	_, err := hub.CleanName("name", c.Name)
	return err
}

// Slots are n slots from the one that holds from, with the contract's prices
// in the zone loc. All prices of a fixed contract are known.
func (c Contract) Slots(from time.Time, n int, loc *time.Location) []hub.Slot {
	slots := make([]hub.Slot, n)
	at := hub.SlotStart(from)
	for i := range slots {
		slots[i] = hub.Slot{Start: at, Import: c.priceAt(at.In(loc)), Export: c.Export, Known: true}
		at = at.Add(hub.SlotLength)
	}
	return slots
}

func (c Contract) priceAt(local time.Time) hub.MicroEuro {
	if day := local.Weekday(); c.Weekend && (day == time.Saturday || day == time.Sunday) {
		return c.Night
	}
	at := hub.LocalTime(local.Hour()*60 + local.Minute())
	night := at >= c.NightFrom && at < c.NightTo
	if c.NightFrom > c.NightTo { // over midnight
		night = at >= c.NightFrom || at < c.NightTo
	}
	if night {
		return c.Night
	}
	return c.Day
}
