package webui

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// PriceKind is how a contract's price is found.
type PriceKind string

// The kinds of price.
const (
	PriceFixed    PriceKind = "fixed"
	PriceDayNight PriceKind = "daynight"
	PriceDynamic  PriceKind = "dynamic"
)

// Price is what a kWh costs in this house, all taxes in.
type Price struct {
	Kind               PriceKind
	Example            bool // nobody decided yet: these are made up
	Day, Night, Export hub.MicroEuro
	NightFrom, NightTo hub.LocalTime
	Weekend            bool          // is night
	Surcharge          hub.MicroEuro // dynamic: on the market's price, all taxes in
	VAT                int           // dynamic: on the market's price, in percent
}

// DatedPrice is a price and since when it holds.
type DatedPrice struct {
	From time.Time // start of a day of the house; zero: ever since
	Price
}

// maxContracts is how many contracts the house remembers.
const maxContracts = 100

// setPrice puts a price in force from the start of a day on. What days before
// cost stays what it was; what was decided for later days is no more. The
// first price that is decided holds for all the past.
func (h *HouseSettings) setPrice(p Price, from time.Time) {
	past := slices.Clone(h.Past)
	if !h.Price.Example {
		past = append(past, DatedPrice{h.PriceFrom, h.Price})
	}
	past = slices.DeleteFunc(past, func(d DatedPrice) bool { return !d.From.Before(from) })
	past = past[max(0, len(past)-maxContracts):]
	if len(past) == 0 {
		from = time.Time{}
	}
	h.Price, h.PriceFrom, h.Past = p, from, past
}

// firstDay is the day from which a price shall hold: text like 2026-01-31, or
// today if it is empty.
func (s *Server) firstDay(text string) (time.Time, error) {
	if text = strings.TrimSpace(text); text == "" {
		return startOfDay(s.now()), nil
	}
	day, err := time.ParseInLocation(time.DateOnly, text, s.cfg.Zone)
	if err != nil || day.Year() < 2000 || day.After(s.now().AddDate(2, 0, 0)) {
		return day, hub.FieldErrorf("price_from", "%q is not a day like 2026-01-31, two years ahead at most", text)
	}
	return startOfDay(day), nil
}

// check says whether a price can be one.
func (p Price) check() error {
	for _, v := range []hub.MicroEuro{p.Day, p.Night, p.Export, p.Surcharge} {
		if v > maxPrice || v < -maxPrice {
			return hub.FieldErrorf("price", "%s is not a price per kWh like 0.29", strconv.FormatFloat(float64(v)/1e6, 'f', -1, 64))
		}
	}
	for _, at := range []hub.LocalTime{p.NightFrom, p.NightTo} {
		if at < 0 || at >= 24*60 {
			return hub.FieldErrorf("night_from", "must be a time of day like 23:00")
		}
	}
	switch {
	case p.Kind != PriceFixed && p.Kind != PriceDayNight && p.Kind != PriceDynamic:
		return hub.FieldErrorf("kind", "%q is not one of fixed, daynight, dynamic", p.Kind)
	case p.VAT < 0 || p.VAT > 50:
		return hub.FieldErrorf("vat", "must be whole percents from 0 to 50")
	}
	return nil
}

const maxPrice hub.MicroEuro = 10_000_000

// priceOf is the price of a form, on top of the one before.
func priceOf(get func(string) string, p Price) (Price, error) {
	p.Example, p.Kind = false, PriceKind(get("kind"))
	fields := map[string]*hub.MicroEuro{"export": &p.Export}
	switch p.Kind {
	case PriceFixed:
		fields["fixed"] = &p.Day
	case PriceDayNight:
		fields["day"], fields["night"] = &p.Day, &p.Night
	case PriceDynamic:
		fields["surcharge"] = &p.Surcharge
	default:
		return p, p.check()
	}
	for name, to := range fields {
		v, ok := hub.ParseDecimal(get(name), 6)
		if !ok {
			return p, hub.FieldErrorf("price", "%q is not a price per kWh like 0.29", get(name))
		}
		*to = hub.MicroEuro(v)
	}
	if p.Kind == PriceFixed {
		p.Night = p.Day
	}
	if p.Kind == PriceDayNight {
		for name, to := range map[string]*hub.LocalTime{"night_from": &p.NightFrom, "night_to": &p.NightTo} {
			if err := to.UnmarshalText([]byte(get(name))); err != nil {
				return p, hub.FieldErrorf("night_from", "must be a time of day like 23:00")
			}
		}
		p.Weekend = get("weekend") != ""
	}
	if p.Kind == PriceDynamic {
		vat, err := strconv.Atoi(strings.TrimSpace(get("vat")))
		if err != nil {
			return p, hub.FieldErrorf("vat", "must be whole percents from 0 to 50")
		}
		p.VAT = vat
	}
	return p, p.check()
}

// contracts are the prices of the house as people read them, the oldest first.
func (s *Server) contracts(l locale, h HouseSettings) (list []pair) {
	if len(h.Past) == 0 && h.PriceFrom.IsZero() {
		return nil
	}
	for _, d := range append(slices.Clone(h.Past), DatedPrice{h.PriceFrom, h.Price}) {
		since := l.T("price.ever")
		if !d.From.IsZero() {
			since = l.T("price.since", l.day(d.From.In(s.cfg.Zone)))
		}
		text := l.T("price." + string(d.Kind))
		switch d.Kind {
		case PriceFixed:
			text += ", " + l.plain(d.Day)
		case PriceDayNight:
			text += ", " + l.plain(d.Day) + " / " + l.plain(d.Night)
		case PriceDynamic:
			text += ", + " + l.plain(d.Surcharge)
		}
		list = append(list, pair{since, text + " €/kWh"})
	}
	return list
}
