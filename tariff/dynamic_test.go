package tariff_test

import (
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/tariff"
)

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestParsePricesReadsWhatPeopleDownload(t *testing.T) {
	zone := berlin(t)
	for name, text := range map[string]string{
		"JSON":               `[{"start":"2026-11-22T00:00:00+01:00","eur_per_kwh":0.0815},{"start":"2026-11-22T01:00:00+01:00","eur_per_kwh":-0.002}]`,
		"JSON per MWh":       `[{"start":"2026-11-21T23:00:00Z","eur_per_mwh":81.5},{"start":"2026-11-22T00:00:00Z","eur_per_mwh":-2}]`,
		"CSV":                "start,price\n2026-11-22 00:00,0.0815\n2026-11-22 01:00,-0.002\n",
		"CSV without a head": "2026-11-22T00:00,0.0815\n2026-11-22T01:00,-0.002",
		"CSV with semicolon": "\ufeffDatum;Preis EUR/MWh\r\n22-11-2026 00:00;81,5\r\n22-11-2026 01:00;-2,00\r\n",
		"out of order":       "2026-11-22 01:00\t-0,002\n2026-11-22 00:00\t0,0815\n",
	} {
		prices, err := tariff.ParsePrices([]byte(text), zone)
		if err != nil || len(prices) != 2 {
			t.Errorf("%s: %v, %v", name, prices, err)
			continue
		}
		first := time.Date(2026, 11, 22, 0, 0, 0, 0, zone)
		if !prices[0].At.Equal(first) || prices[0].Market != 81_500 || !prices[1].At.Equal(first.Add(time.Hour)) || prices[1].Market != -2_000 {
			t.Errorf("%s: %v", name, prices)
		}
	}
}

func TestParsePricesRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":      " \n",
		"no numbers":   "start,price\n2026-11-22 00:00,cheap\n",
		"no time":      "start,price\nsoon,0.1\n",
		"off the grid": "2026-11-22 00:07,0.1\n2026-11-22 00:22,0.1\n",
		"one column":   "2026-11-22 00:00\n",
		"twice":        "2026-11-22 00:00,0.1\n2026-11-22 00:00,0.2\n",
		"cents":        "2026-11-22 00:00,24.5\n",
		"other JSON":   `[{"start":"2026-11-22T00:00:00Z"}]`,
		"too many":     strings.Repeat("2026-11-22 00:00,0.1\n", 5000),
	} {
		prices, err := tariff.ParsePrices([]byte(text), berlin(t))
		if hub.CodeOf(err) != hub.Invalid || err == nil {
			t.Errorf("%s: %v, %v", name, prices, err)
		}
	}
}

func TestMarketPricesHoldForAnHourAtMost(t *testing.T) {
	zone := berlin(t)
	first := time.Date(2026, 11, 22, 0, 0, 0, 0, zone)
	prices := []tariff.Price{{At: first, Market: 100_000}, {At: first.Add(time.Hour), Market: -50_000}, {At: first.Add(75 * time.Minute), Market: 200_000}}
	c := tariff.Contract{Name: "spot", Dynamic: true, VAT: 21, Surcharge: 130_000, Export: -10_000}
	slots := c.Slots(first.Add(-15*time.Minute), 12, zone)
	c.Market(slots, prices)
	want := []hub.MicroEuro{-1, 251_000, 251_000, 251_000, 251_000, 69_500, 372_000, 372_000, 372_000, 372_000, -1, -1}
	for i, s := range slots {
		if s.Known != (want[i] != -1) || s.Known && s.Import != want[i] {
			t.Errorf("slot %d: %v known %v, want %v", i, s.Import, s.Known, want[i])
		}
	}
	if slots[5].Export != -60_000 {
		t.Errorf("paid for what is given: %v", slots[5].Export)
	}
}

func TestMergePricesKeepsTheNewestAndForgets(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	old := []tariff.Price{{At: now.AddDate(0, 0, -9), Market: 1}, {At: now, Market: 2}, {At: now.Add(time.Hour), Market: 3}}
	got := tariff.MergePrices(old, []tariff.Price{{At: now.Add(time.Hour), Market: 4}, {At: now.Add(2 * time.Hour), Market: 5}}, now)
	if len(got) != 3 || got[0].Market != 2 || got[1].Market != 4 || got[2].Market != 5 {
		t.Errorf("%v", got)
	}
}
