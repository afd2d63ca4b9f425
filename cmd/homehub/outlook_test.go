package main

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"homehub/hub"
	"homehub/store"
	"homehub/tariff"
	"homehub/webui"
)

// What a kWh cost on a day is the contract of that day, and a hub that knew one
// contract only goes on with it.
func TestPricesOfThePastStay(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(store.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.PutSetting(contractKey, tariff.Contract{Name: "old", Day: 200_000, Night: 200_000}); err != nil {
		t.Fatal(err)
	}
	o := &outlook{settings: s, zone: zone}
	day := func(month, day int) time.Time { return time.Date(2026, time.Month(month), day, 0, 0, 0, 0, zone) }
	price := func(at time.Time) hub.MicroEuro { return o.Prices(at, 1)[0].Import }
	if got := price(day(1, 1)); got != 200_000 {
		t.Errorf("the contract of an old hub: %d", got)
	}
	desk := houseDesk{&installation{store: s, cfg: defaults(), again: make(chan struct{}, 1)}}
	h := desk.Settings()
	if h.Price.Day != 200_000 || !h.PriceFrom.IsZero() || len(h.Past) != 0 || h.Price.Example {
		t.Fatalf("%+v", h)
	}
	h.Past = []webui.DatedPrice{{Price: h.Price}}
	h.Price, h.PriceFrom = webui.Price{Kind: webui.PriceFixed, Day: 300_000, Night: 300_000}, day(3, 29)
	if err := desk.PutSettings(h); err != nil {
		t.Fatal(err)
	}
	again := desk.Settings()
	if len(again.Past) != 1 || !again.PriceFrom.Equal(day(3, 29)) || again.Price.Day != 300_000 {
		t.Fatalf("%+v", again)
	}
	for at, want := range map[time.Time]hub.MicroEuro{day(1, 1): 200_000, day(3, 29).Add(-time.Minute): 200_000, day(3, 29): 300_000, day(7, 1): 300_000} {
		if got := price(at); got != want {
			t.Errorf("at %v: %d, want %d", at, got, want)
		}
	}
	// Across the change in one question, on a day of 23 hours.
	slots := o.Prices(day(3, 28), 4*(24+23))
	for i, slot := range slots {
		want := hub.MicroEuro(200_000)
		if !slot.Start.Before(day(3, 29)) {
			want = 300_000
		}
		if slot.Import != want || !slot.Start.Equal(day(3, 28).Add(time.Duration(i)*hub.SlotLength)) || !slot.Known {
			t.Fatalf("slot %d is %+v, want %d", i, slot, want)
		}
	}
	if end := slots[len(slots)-1].Start; !end.Equal(day(3, 30).Add(-hub.SlotLength)) {
		t.Errorf("the last slot is %v", end)
	}
	// Old and new share their prices of the market where both are dynamic.
	h = again
	h.Past = append(h.Past, webui.DatedPrice{From: h.PriceFrom, Price: h.Price})
	h.Price, h.PriceFrom = webui.Price{Kind: webui.PriceDynamic, Surcharge: 100_000}, day(4, 1)
	if err := desk.PutSettings(h); err != nil {
		t.Fatal(err)
	}
	if err := s.PutSetting(pricesKey, []tariff.Price{{At: day(4, 1), Market: 50_000}}); err != nil {
		t.Fatal(err)
	}
	if slots := o.Prices(day(4, 1).Add(-hub.SlotLength), 2); slots[0].Import != 300_000 || slots[1].Import != 150_000 {
		t.Errorf("%+v", slots)
	}
	// The same over the file that takes everything away.
	var b jsonBuffer
	if err := (archiveDesk{&installation{store: s}}).ExportSettings(&b); err != nil {
		t.Fatal(err)
	}
	var out exported
	if err := json.Unmarshal(b, &out); err != nil || len(out.Contracts) != 3 {
		t.Errorf("%v %+v", err, out.Contracts)
	}
}

type jsonBuffer []byte

func (b *jsonBuffer) Write(p []byte) (int, error) { *b = append(*b, p...); return len(p), nil }
