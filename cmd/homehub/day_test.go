package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
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
	start, cpu := time.Now(), cpuTime(t)
	err = dsmr.Run(t.Context(), dsmr.RunConfig{Source: dsmr.Source{Kind: dsmr.Replay, Address: file}, Observe: h.Observe})
	took, worked := time.Since(start), cpuTime(t)-cpu
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d telegrams in %v, %v of CPU", n, took, worked)
	points, err := db.Query(hub.FeedImport, tsdb.Query{Start: begun, End: begun.Add(24 * time.Hour)})
	if err != nil || len(points) != n/10 {
		t.Errorf("%d points of %d telegrams (%v)", len(points), n, err)
	}
	limit := 3 * time.Second // some 0.6 s are usual
	if raceDetector {
		limit = 2 * time.Minute
	}
	if worked > limit {
		t.Errorf("%v of CPU, want at most %v", worked, limit)
	}
}

// cpuTime is what this process has worked so far.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
