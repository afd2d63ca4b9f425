package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"homehub/dsmr"
	"homehub/hub"
	"homehub/tsdb"
)

// TestADayOfTelegramsTakesASecond replays 86,400 telegrams through the whole
// path of a reading: port, parser, live state, engine.
func TestADayOfTelegramsTakesASecond(t *testing.T) {
	const n = 24 * 60 * 60
	begun := time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC)
	file := filepath.Join(t.TempDir(), "day.txt")
	writeDay(t, file, begun, n)
	db, err := tsdb.Open(tsdb.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h, err := hub.New(hub.Config{Logger: slog.New(slog.DiscardHandler), Recorder: db, Ensure: func(s hub.FeedSpec) error {
		return db.Create(tsdb.FeedConfig{Name: s.Name, Interval: 10 * time.Second})
	}})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	err = dsmr.Run(t.Context(), dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.Replay, Address: file}, Observe: h.Observe})
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d telegrams in %v", n, took)
	points, err := db.Query(hub.FeedImport, tsdb.Query{Start: begun, End: begun.Add(24 * time.Hour)})
	if err != nil || len(points) != n/10 {
		t.Errorf("%d points of %d telegrams (%v)", len(points), n, err)
	}
	if limit := 10 * time.Second; took > limit { // one on a quiet machine without the race detector
		t.Errorf("took %v, want at most %v", took, limit)
	}
}

func writeDay(t *testing.T, file string, begun time.Time, n int) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b []byte
	r := hub.Reading{
		Has: hub.HasImport | hub.HasImportT1 | hub.HasImportT2 | hub.HasExportT1 | hub.HasExportT2 | hub.HasTariff |
			hub.HasPhasePower | hub.HasCurrent | hub.HasVoltage | hub.HasMeterClock,
		PhaseCount: 3, Tariff: 1,
	}
	zone := time.FixedZone("", 3600)
	for i := range n {
		r.At = begun.Add(time.Duration(i) * time.Second)
		r.Import, r.ImportT1 = hub.Watt(200+i%3000), hub.WattHour(1_000_000+i)
		b = dsmr.Encode(b[:0], dsmr.Encoding{Standard: dsmr.DSMR50, Reading: r, EquipmentID: "TEST", Zone: zone})
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}
