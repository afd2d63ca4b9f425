package main

import (
	"errors"
	"os"
	"slices"
	"time"

	"homehub/tariff"
	"homehub/webui"
)

// houseKey is the setting that holds what the first run asked.
const houseKey = "house"

// keptHouse is that setting. What is empty is as the configuration says.
type keptHouse struct {
	Language string `json:"language,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Idle     int    `json:"idle_minutes,omitempty"`
	Done     bool   `json:"set_up,omitempty"`
	// Reset is the time of the last file that took the owner's password away.
	Reset time.Time `json:"reset,omitzero"`
}

// chooseHouse lets what people decided on the pages win over the file.
func (i *installation) chooseHouse() error {
	var kept keptHouse
	i.store.Setting(houseKey, &kept)
	if kept.Zone != "" {
		zone, err := time.LoadLocation(kept.Zone)
		if err == nil {
			i.zone, i.cfg.House.Zone = zone, kept.Zone
		} else { // the machine knew it once
			i.logger.Warn("the zone of the house is not known any more", "zone", kept.Zone, "err", err)
		}
	}
	if kept.Language != "" {
		i.cfg.House.Language = kept.Language
	}
	return i.resetOwner(kept)
}

// resetOwner takes the owner's password away if there is a reset file that is
// newer than the last one: only who has the card, or the machine, in hand can
// put it there. The pages then ask for a new password, as at the first run.
func (i *installation) resetOwner(kept keptHouse) error {
	if i.cfg.House.ResetFile == "" {
		return nil
	}
	info, err := os.Stat(i.cfg.House.ResetFile)
	if err != nil || info.ModTime().Equal(kept.Reset) {
		return nil // no file is the rule; one that can not be read does nothing
	}
	kept.Reset = info.ModTime().UTC()
	if err := i.store.DeleteUser(string(webui.Owner)); err != nil {
		return err
	}
	i.logger.Warn("the owner's password is taken away because of a reset file", "file", i.cfg.House.ResetFile)
	return errors.Join(i.store.PutSetting(houseKey, kept), i.store.Audit("reset file", "owner.reset"))
}

// houseDesk gives the pages what is decided about the house.
type houseDesk struct{ i *installation }

// Settings are what holds now, whoever decided it.
func (d houseDesk) Settings() webui.HouseSettings {
	var kept keptHouse
	d.i.store.Setting(houseKey, &kept)
	h := webui.HouseSettings{Language: kept.Language, Zone: kept.Zone, Idle: time.Duration(kept.Idle) * time.Minute, Done: kept.Done}
	if h.Language == "" {
		h.Language = d.i.cfg.House.Language
	}
	if h.Zone == "" {
		h.Zone = d.i.cfg.House.Zone
	}
	list, decided := contracts(d.i.store)
	for _, c := range list {
		h.Past = append(h.Past, webui.DatedPrice{From: c.From, Price: priceOf(c.Contract)})
	}
	last := len(h.Past) - 1
	h.Price, h.PriceFrom, h.Past = h.Past[last].Price, h.Past[last].From, h.Past[:last]
	h.Price.Example = !decided
	return h
}

// PutSettings keeps what is new, durably. Another zone is everywhere in the
// hub, so it starts again with it.
func (d houseDesk) PutSettings(h webui.HouseSettings) error {
	before := d.Settings()
	if h.Price != before.Price || !h.PriceFrom.Equal(before.PriceFrom) || len(h.Past) != len(before.Past) {
		if err := d.putContracts(h); err != nil {
			return err
		}
	}
	var kept keptHouse
	d.i.store.Setting(houseKey, &kept)
	fresh := kept
	fresh.Language, fresh.Zone, fresh.Idle, fresh.Done = h.Language, h.Zone, int(h.Idle/time.Minute), h.Done
	if fresh != kept {
		if err := d.i.store.PutSetting(houseKey, fresh); err != nil {
			return err
		}
	}
	if h.Zone != before.Zone {
		select {
		case d.i.again <- struct{}{}:
		default: // asked for already
		}
	}
	return nil
}

func (d houseDesk) putContracts(h webui.HouseSettings) error {
	var list []datedContract
	for _, p := range append(slices.Clone(h.Past), webui.DatedPrice{From: h.PriceFrom, Price: h.Price}) {
		c := contractOf(p.Price)
		if err := c.Validate(); err != nil {
			return err
		}
		list = append(list, datedContract{p.From.UTC(), c})
	}
	return d.i.store.PutSetting(contractsKey, list)
}

// PutPrices keeps market prices beside those of the last days, durably.
func (d houseDesk) PutPrices(text []byte) (int, error) {
	fresh, err := tariff.ParsePrices(text, d.i.zone)
	if err != nil {
		return 0, err
	}
	var kept []tariff.Price
	d.i.store.Setting(pricesKey, &kept)
	return len(fresh), d.i.store.PutSetting(pricesKey, tariff.MergePrices(kept, fresh, d.i.opt.clock.Now()))
}

func priceOf(c tariff.Contract) webui.Price {
	p := webui.Price{
		Kind: webui.PriceDayNight, Day: c.Day, Night: c.Night, Export: c.Export, NightFrom: c.NightFrom, NightTo: c.NightTo, Weekend: c.Weekend,
		Surcharge: c.Surcharge, VAT: c.VAT,
	}
	if c.Dynamic {
		p.Kind = webui.PriceDynamic
	} else if c.Day == c.Night {
		p.Kind = webui.PriceFixed
	}
	return p
}

func contractOf(p webui.Price) tariff.Contract {
	return tariff.Contract{
		Name: "the house's contract", Day: p.Day, Night: p.Night, Export: p.Export, NightFrom: p.NightFrom, NightTo: p.NightTo, Weekend: p.Weekend,
		Dynamic: p.Kind == webui.PriceDynamic, Surcharge: p.Surcharge, VAT: p.VAT,
	}
}
