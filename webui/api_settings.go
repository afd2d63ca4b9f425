package webui

import (
	"net/http"
	"time"

	"homehub/hub"
)

// settingsJSON is what is decided about the house.
type settingsJSON struct {
	Language string      `json:"language"`
	Zone     string      `json:"zone"`
	Idle     int         `json:"idle_minutes"` // without a request for so long a log-in ends
	Price    priceJSON   `json:"price"`
	Past     []priceJSON `json:"past_prices"` // oldest first: what held until the next one
}

// priceJSON is a Price. Of a request From is the first day that it holds.
type priceJSON struct {
	Kind      PriceKind     `json:"kind"`
	From      *string       `json:"from"` // null: ever since; of a request: today
	Example   bool          `json:"example"`
	Day       hub.MicroEuro `json:"day_microeuro_kwh"`
	Night     hub.MicroEuro `json:"night_microeuro_kwh"`
	Export    hub.MicroEuro `json:"export_microeuro_kwh"`
	NightFrom hub.LocalTime `json:"night_from"`
	NightTo   hub.LocalTime `json:"night_to"`
	Weekend   bool          `json:"weekend_is_night"`
	Surcharge hub.MicroEuro `json:"surcharge_microeuro_kwh"`
	VAT       int           `json:"vat_percent"`
}

func (s *Server) priceJSON(d DatedPrice) priceJSON {
	return priceJSON{
		d.Kind, given(d.From.In(s.cfg.Zone).Format(time.DateOnly), !d.From.IsZero()), d.Example, d.Day, d.Night, d.Export,
		d.NightFrom, d.NightTo, d.Weekend, d.Surcharge, d.VAT,
	}
}

func (b priceJSON) price() Price {
	p := Price{
		Kind: b.Kind, Day: b.Day, Night: b.Night, Export: b.Export, NightFrom: b.NightFrom, NightTo: b.NightTo, Weekend: b.Weekend,
		Surcharge: b.Surcharge, VAT: b.VAT,
	}
	if p.Kind == PriceFixed {
		p.Night = p.Day
	}
	return p
}

func (s *Server) settings(w http.ResponseWriter, r *http.Request, _ viewer) error {
	if s.cfg.House == nil {
		return hub.Errorf(hub.Unavailable, "the configuration file alone says how the house is")
	}
	h := s.cfg.House.Settings()
	out := settingsJSON{h.Language, h.Zone, int(s.cfg.idle() / time.Minute), s.priceJSON(DatedPrice{h.PriceFrom, h.Price}), []priceJSON{}}
	for _, d := range h.Past {
		out.Past = append(out.Past, s.priceJSON(d))
	}
	return writeJSON(w, r, http.StatusOK, out)
}

// settingsPatch is what PATCH /api/settings takes: what is left out stays.
type settingsPatch struct {
	Language *string    `json:"language"`
	Zone     *string    `json:"zone"`
	Idle     *int       `json:"idle_minutes"`
	Price    *priceJSON `json:"price"`
}

func (s *Server) patchSettings(w http.ResponseWriter, r *http.Request, v viewer) error {
	if s.cfg.House == nil {
		return hub.Errorf(hub.Unavailable, "the configuration file alone says how the house is")
	}
	var body settingsPatch
	if err := readJSON(r, &body); err != nil {
		return err
	}
	h := s.cfg.House.Settings()
	take(&h.Language, body.Language)
	take(&h.Zone, body.Zone)
	if body.Idle != nil {
		h.Idle = time.Duration(*body.Idle) * time.Minute
	}
	if err := s.checkHouse(h); err != nil {
		return err
	}
	if body.Price != nil {
		from := ""
		take(&from, body.Price.From)
		day, err := s.firstDay(from)
		if err != nil {
			return err
		}
		p := body.Price.price()
		if err := p.check(); err != nil {
			return err
		}
		h.setPrice(p, day)
	}
	if err := s.putHouse(h); err != nil {
		return err
	}
	if body.Language != nil || body.Zone != nil || body.Idle != nil {
		s.audit(v, "house.set", h.Language, h.Zone)
	}
	if body.Price != nil {
		s.audit(v, "price.set", string(h.Price.Kind))
	}
	return s.settings(w, r, v)
}

// checkHouse checks language, zone and how long a log-in lasts.
func (s *Server) checkHouse(h HouseSettings) error {
	if _, ok := s.texts.langs[h.Language]; !ok {
		return hub.FieldErrorf("lang", "%q is not a language of the hub", h.Language)
	}
	if _, err := time.LoadLocation(h.Zone); err != nil || h.Zone == "" || h.Zone == "Local" {
		return hub.FieldErrorf("zone", "%q is not a time zone like Europe/Amsterdam", h.Zone)
	}
	if h.Idle != 0 && (h.Idle < minIdle || h.Idle > maxIdle) {
		return hub.FieldErrorf("idle", "must be 5 to 43200 minutes")
	}
	return nil
}
