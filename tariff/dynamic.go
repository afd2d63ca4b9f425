package tariff

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"homehub/hub"
)

// Price is what a kWh costs on the market from a moment on.
type Price struct {
	At     time.Time     `json:"at"`
	Market hub.MicroEuro `json:"market_microeuro_per_kwh"`
}

const (
	maxPrices = 4000 // a month of quarters, and more than anybody publishes ahead
	// KeepPrices is how long prices that are over are kept, for what devices
	// cost.
	KeepPrices = 8 * 24 * time.Hour
)

// ParsePrices reads market prices that somebody downloaded: JSON, a list of
// {"start", "eur_per_kwh"} or {"start", "eur_per_mwh"}, or CSV with two
// columns, the start and EUR per kWh. The first line of a CSV may be a head, and
// one that names MWh or EUR/MWh has prices per MWh. Starts are RFC 3339, or the
// house's wall clock like 2026-11-21 17:00. The prices come back by time, each
// start once.
func ParsePrices(text []byte, zone *time.Location) ([]Price, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if len(text) == 0 {
		return nil, hub.FieldErrorf("prices", "are empty")
	}
	var prices []Price
	var err error
	if text[0] == '[' {
		prices, err = parseJSON(text, zone)
	} else {
		prices, err = parseCSV(text, zone)
	}
	if err != nil {
		return nil, err
	}
	if len(prices) == 0 || len(prices) > maxPrices {
		return nil, hub.FieldErrorf("prices", "must be 1 to %d lines", maxPrices)
	}
	slices.SortStableFunc(prices, func(a, b Price) int { return a.At.Compare(b.At) })
	for i, p := range prices {
		if p.Market < -most || p.Market > most {
			return nil, hub.FieldErrorf("prices", "at %s are not between -10 and 10 EUR per kWh: is the unit right?", p.At.Format(time.RFC3339))
		}
		if i > 0 && p.At.Equal(prices[i-1].At) {
			return nil, hub.FieldErrorf("prices", "name %s twice", p.At.Format(time.RFC3339))
		}
	}
	return prices, nil
}

func parseJSON(text []byte, zone *time.Location) ([]Price, error) {
	var rows []struct {
		Start string       `json:"start"`
		KWh   *json.Number `json:"eur_per_kwh"`
		MWh   *json.Number `json:"eur_per_mwh"`
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, hub.FieldErrorf("prices", "are not a JSON list of start and eur_per_kwh")
	}
	var prices []Price
	for _, row := range rows {
		number, perMWh := row.KWh, false
		if number == nil {
			number, perMWh = row.MWh, true
		}
		if number == nil {
			return nil, hub.FieldErrorf("prices", "at %s lack eur_per_kwh", row.Start)
		}
		p, err := price(row.Start, number.String(), perMWh, zone)
		if err != nil {
			return nil, err
		}
		prices = append(prices, p)
	}
	return prices, nil
}

func parseCSV(text []byte, zone *time.Location) ([]Price, error) {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.ReuseRecord = -1, true, true
	switch { // where commas are decimal points, columns are parted by something else
	case bytes.ContainsRune(first, ';'):
		r.Comma = ';'
	case bytes.ContainsRune(first, '\t'):
		r.Comma = '\t'
	}
	perMWh := strings.Contains(strings.ToLower(string(first)), "mwh")
	var prices []Price
	for line := 1; ; line++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return prices, nil
		}
		if err != nil || len(row) < 2 {
			return nil, hub.FieldErrorf("prices", "line %d is not a start and a price", line)
		}
		p, err := price(row[0], row[1], perMWh, zone)
		if err != nil && line == 1 {
			continue // the head
		}
		if err != nil {
			return nil, err
		}
		prices = append(prices, p)
		if len(prices) > maxPrices {
			return nil, hub.FieldErrorf("prices", "must be 1 to %d lines", maxPrices)
		}
	}
}

var startLayouts = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", "02-01-2006 15:04"}

func price(start, number string, perMWh bool, zone *time.Location) (Price, error) {
	start = strings.TrimSpace(start)
	at, err := time.Parse(time.RFC3339, start)
	for i := 0; err != nil && i < len(startLayouts); i++ {
		at, err = time.ParseInLocation(startLayouts[i], start, zone)
	}
	if err != nil || !at.Equal(at.Truncate(hub.SlotLength)) {
		return Price{}, hub.FieldErrorf("prices", "%.40q is not the start of a quarter of an hour", start)
	}
	digits := 6
	if perMWh {
		digits = 3
	}
	market, ok := hub.ParseDecimal(number, digits)
	if !ok {
		return Price{}, hub.FieldErrorf("prices", "%.40q is not a price", number)
	}
	return Price{at.UTC(), hub.MicroEuro(market)}, nil
}

// MergePrices puts new prices into old ones and drops what is over for long.
func MergePrices(old, fresh []Price, now time.Time) []Price {
	all := map[time.Time]Price{}
	for _, p := range append(slices.Clone(old), fresh...) {
		if now.Sub(p.At) < KeepPrices {
			all[p.At.UTC()] = p
		}
	}
	merged := make([]Price, 0, len(all))
	for _, p := range all {
		merged = append(merged, p)
	}
	slices.SortFunc(merged, func(a, b Price) int { return a.At.Compare(b.At) })
	return merged
}

// Market puts the market's prices into the contract's slots: a kWh costs the
// market's price, VAT on it, and the surcharge. A price holds until the next
// one, for an hour at most. Where there is none the slot's price is not known.
func (c Contract) Market(slots []hub.Slot, prices []Price) {
	for i := range slots {
		s := &slots[i]
		at, found := slices.BinarySearchFunc(prices, s.Start, func(p Price, t time.Time) int { return p.At.Compare(t) })
		if !found {
			at--
		}
		if at < 0 || s.Start.Sub(prices[at].At) >= time.Hour {
			s.Import, s.Export, s.Known = 0, 0, false
			continue
		}
		market := prices[at].Market
		s.Import = market + market*hub.MicroEuro(c.VAT)/100 + c.Surcharge
		s.Export, s.Known = market+c.Export, true
	}
}
