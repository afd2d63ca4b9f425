package dsmr_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homehub/dsmr"
	"homehub/hub"
)

// received is when the telegrams of these tests came in.
var received = time.Date(2025, 12, 31, 12, 0, 0, 0, time.UTC)

func utc(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		panic(err)
	}
	return t
}

func parseFile(t *testing.T, name string, cfg dsmr.Config) *dsmr.Telegram {
	t.Helper()
	telegram, err := dsmr.Parse(readFile(t, filepath.Join("testdata", name)), cfg)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return telegram
}

func TestReading(t *testing.T) {
	const registers = hub.HasImportT1 | hub.HasImportT2 | hub.HasExportT1 | hub.HasExportT2
	for _, tt := range []struct {
		name, file, zone string
		want             hub.Reading
	}{
		{
			name: "Belgium: second pass of the repeated hour, gas on the live channel, quarter and peak",
			file: "belgium-full.txt",
			want: hub.Reading{
				At: utc("2025-10-26 01:30:00"),
				Has: hub.HasImport | registers | hub.HasTariff | hub.HasPhasePower | hub.HasCurrent | hub.HasVoltage |
					hub.HasQuarter | hub.HasMonthPeak | hub.HasGas | hub.HasMeterClock,
				Export:    1150,
				Registers: hub.Registers{ImportT1: 100_001, ImportT2: 200_002, ExportT1: 3_003, ExportT2: 4_004},
				Tariff:    2, PhaseCount: 1,
				Phases:  [3]hub.Phase{{Export: 1150, Current: 5010, Voltage: 2299}},
				Quarter: 2351, MonthPeak: 5250, MonthPeakAt: utc("2025-10-05 15:45:00"),
				Gas: 12_345, GasAt: utc("2025-10-26 01:25:00"),
			},
		},
		{
			name: "a clock that was never set is no clock, a gas meter that was never read no gas",
			file: "dsmr42-fresh.txt",
			want: hub.Reading{
				At: received, Has: hub.HasImport | registers | hub.HasTariff | hub.HasPhasePower | hub.HasCurrent,
				Import:    4,
				Registers: hub.Registers{ImportT1: 24_487, ImportT2: 30_536, ExportT1: 528},
				Tariff:    2, PhaseCount: 3, Phases: [3]hub.Phase{{Import: 4}},
			},
		},
		{
			name: "Germany: net power with a sign, seven decimals, no clock",
			file: "germany.txt",
			want: hub.Reading{
				At: received, Has: hub.HasImport | hub.HasImportT1 | hub.HasExportT1 | hub.HasPhasePower,
				Import:    150,
				Registers: hub.Registers{ImportT1: 12_345_679, ExportT1: 1_234_568},
				Phases:    [3]hub.Phase{{Export: 101}, {Import: 200}, {Import: 50}}, PhaseCount: 3,
			},
		},
		{
			name: "Lithuania: its own zone, and four tariffs whose sum is kept",
			file: "lithuania.txt", zone: "Europe/Vilnius",
			want: hub.Reading{
				At:     utc("2025-09-18 11:30:05"),
				Has:    hub.HasImport | hub.HasImportT1 | hub.HasImportT2 | hub.HasExportT1 | hub.HasPhasePower | hub.HasCurrent | hub.HasVoltage | hub.HasMeterClock,
				Import: 1500, Registers: hub.Registers{ImportT1: 700_000, ImportT2: 300_000, ExportT1: 10_000},
				PhaseCount: 3,
				Phases:     [3]hub.Phase{{Import: 500, Current: 2200, Voltage: 2310}, {Import: 500, Current: 2200, Voltage: 2311}, {Import: 500, Current: 2200, Voltage: 2312}},
			},
		},
		{
			name: "Ireland: an hour behind",
			file: "ireland.txt", zone: "Europe/Dublin",
			want: hub.Reading{
				At:     utc("2025-07-02 09:00:00"),
				Has:    hub.HasImport | registers | hub.HasTariff | hub.HasPhasePower | hub.HasCurrent | hub.HasVoltage | hub.HasMeterClock,
				Import: 300, Tariff: 1, PhaseCount: 1,
				Registers: hub.Registers{ImportT1: 10_001, ImportT2: 20_002, ExportT1: 1_003, ExportT2: 2_004},
				Phases:    [3]hub.Phase{{Import: 300, Current: 1000, Voltage: 2425}},
			},
		},
		{
			name: "Hungary: 98.1.0 is no history of peaks",
			file: "hungary.txt",
			want: hub.Reading{
				At:     utc("2025-03-01 11:00:00"),
				Has:    hub.HasImport | registers | hub.HasTariff | hub.HasCurrent | hub.HasVoltage | hub.HasMeterClock,
				Import: 1234, Tariff: 2, PhaseCount: 3,
				Registers: hub.Registers{ImportT1: 100_250, ImportT2: 200_250, ExportT1: 20_000, ExportT2: 30_000},
				Phases:    [3]hub.Phase{{Current: 1000, Voltage: 2301}, {Current: 2000, Voltage: 2312}, {Current: 3000, Voltage: 2323}},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var cfg dsmr.Config
			if tt.zone != "" {
				cfg.Zone = mustZone(t, tt.zone)
			}
			tt.want.Received = received
			got := parseFile(t, tt.file, cfg).Reading(received)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// wrap makes a DSMR 5 telegram of lines, with its checksum.
func wrap(lines ...string) []byte {
	body := "/HUB5TEST\r\n\r\n1-3:0.2.8(50)\r\n" + strings.Join(lines, "\r\n") + "\r\n!"
	return fmt.Appendf(nil, "%s%04X\r\n", body, dsmr.CRC([]byte(body)))
}

func TestReadingOddities(t *testing.T) {
	gas := func(r hub.Reading) string { return fmt.Sprint(r.Has&hub.HasGas != 0, " ", r.Gas) }
	clock := func(r hub.Reading) string {
		return fmt.Sprint(r.Has&hub.HasMeterClock != 0, " ", r.At.Format("2006-01-02T15:04"))
	}
	power := func(r hub.Reading) string {
		return fmt.Sprint(r.Has&hub.HasImport != 0, " ", r.Import, " ", r.Export)
	}
	phases := func(r hub.Reading) string { return fmt.Sprint(r.PhaseCount) }
	peak := func(r hub.Reading) string {
		return fmt.Sprint(r.Has&hub.HasMonthPeak != 0, " ", r.MonthPeak, " ", r.MonthPeakAt.Unix() > 0)
	}
	for _, tt := range []struct {
		name  string
		lines []string
		show  func(hub.Reading) string
		want  string
	}{
		{"clock of 2063", []string{"0-0:1.0.0(632525252525W)"}, clock, "false 2025-12-31T12:00"},
		{"clock of zeros", []string{"0-0:1.0.0(000000000000W)"}, clock, "false 2025-12-31T12:00"},
		{"clock of 1970", []string{"0-0:1.0.0(700101010000W)"}, clock, "false 2025-12-31T12:00"},
		{"clock of 2000", []string{"0-0:1.0.0(000101010000W)"}, clock, "false 2025-12-31T12:00"},
		{"clock with month 0", []string{"0-0:1.0.0(250000000000W)"}, clock, "false 2025-12-31T12:00"},
		{"clock with month 0 and a day", []string{"0-0:1.0.0(250005000000W)"}, clock, "false 2025-12-31T12:00"},
		{"clock of the last second of 2009", []string{"0-0:1.0.0(091231235959W)"}, clock, "false 2025-12-31T12:00"},
		{"clock of 2010", []string{"0-0:1.0.0(100101000000W)"}, clock, "true 2009-12-31T23:00"},
		{"clock of 2059", []string{"0-0:1.0.0(591231235959W)"}, clock, "true 2059-12-31T22:59"},
		{"clock of 2060", []string{"0-0:1.0.0(600101000000W)"}, clock, "false 2025-12-31T12:00"},
		{"clock of 29 February", []string{"0-0:1.0.0(240229235959W)"}, clock, "true 2024-02-29T22:59"},
		{"clock of 29 February in no leap year", []string{"0-0:1.0.0(250229235959W)"}, clock, "false 2025-12-31T12:00"},
		{"clock empty", []string{"0-0:1.0.0()"}, clock, "false 2025-12-31T12:00"},
		{"winter time in summer, as in Sweden", []string{"0-0:1.0.0(250701120000W)"}, clock, "true 2025-07-01T11:00"},
		{"gas without unit but with a time", []string{"0-1:24.1.0(003)", "0-1:24.2.1(250101120000W)(00001.500)"}, gas, "true 1500"},
		{"gas without time", []string{"0-1:24.1.0(003)", "0-1:24.2.1(632525252525S)(00001.500*m3)"}, gas, "false 0"},
		{"water is no gas", []string{"0-1:24.1.0(007)", "0-1:24.2.1(250101120000W)(00001.500*m3)"}, gas, "false 0"},
		{"heat is no gas", []string{"0-1:24.1.0(004)", "0-1:24.2.1(250101120000W)(00001.500*GJ)"}, gas, "false 0"},
		{"gas by its code alone", []string{"0-1:24.2.3(250101120000W)(00001.500*m3)"}, gas, "true 1500"},
		{"value before type", []string{"0-1:24.2.1(250101120000W)(00001.500*m3)", "0-1:24.1.0(003)"}, gas, "true 1500"},
		{"replaced gas meter", []string{
			"0-1:24.1.0(003)", "0-1:24.2.1(240101120000W)(09999.000*m3)",
			"0-2:24.1.0(003)", "0-2:24.2.1(250101120000W)(00001.500*m3)",
		}, gas, "true 1500"},
		{"replaced gas meter that comes last", []string{
			"0-2:24.1.0(003)", "0-2:24.2.1(250101120000W)(00001.500*m3)",
			"0-1:24.1.0(003)", "0-1:24.2.1(240101120000W)(09999.000*m3)",
		}, gas, "true 1500"},
		{"two live gas meters, the second a little newer", []string{
			"0-1:24.1.0(003)", "0-1:24.2.1(250101120000W)(00002.000*m3)",
			"0-2:24.1.0(003)", "0-2:24.2.1(250101121500W)(00001.500*m3)",
		}, gas, "true 2000"},
		{"two live gas meters in the other order", []string{
			"0-2:24.1.0(003)", "0-2:24.2.1(250101121500W)(00001.500*m3)",
			"0-1:24.1.0(003)", "0-1:24.2.1(250101120000W)(00002.000*m3)",
		}, gas, "true 2000"},
		{"large gas meter, two decimals", []string{"0-1:24.1.0(003)", "0-1:24.2.1(250101120000W)(123456.78*m3)"}, gas, "true 123456780"},
		{"power in W", []string{"1-0:1.7.0(000001234*W)", "1-0:2.7.0(000000000*W)"}, power, "true 1234 0"},
		{"no power but those of the phases", []string{"1-0:21.7.0(01.000*kW)", "1-0:42.7.0(00.250*kW)"}, power, "true 750 0"},
		{"more out than in", []string{"1-0:21.7.0(01.000*kW)", "1-0:42.7.0(01.250*kW)"}, power, "true 0 250"},
		{"power in an unknown unit", []string{"1-0:1.7.0(01.000*hp)"}, power, "false 0 0"},
		{"power beyond all measure", []string{"1-0:1.7.0(99999999999.000*kW)"}, power, "false 0 0"},
		{"digits beyond all measure", []string{"1-0:1.7.0(99999999999999999999999999.000*kW)"}, power, "false 0 0"},
		{"peak without a time", []string{"1-0:1.6.0(632525252525W)(02.500*kW)"}, peak, "true 2500 false"},
		{"peak that is no pair", []string{"1-0:1.6.0(02.500*kW)", "1-0:1.7.0(01.000*kW)"}, peak, "false 0 false"},
		{"one phase", []string{"1-0:31.7.0(001*A)"}, phases, "1"},
		{"two phases are a three-phase meter", []string{"1-0:31.7.0(001*A)", "1-0:51.7.0(001*A)"}, phases, "3"},
		{"no phase", []string{"1-0:1.8.0(1*kWh)"}, phases, "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			telegram, err := dsmr.Parse(wrap(tt.lines...), dsmr.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.show(telegram.Reading(received)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestGasWithoutSuffix: DSMR 2 leaves out S and W, so that the zone must be
// asked.
func TestGasWithoutSuffix(t *testing.T) {
	for _, tt := range []struct{ stamp, want string }{
		{"250115120000", "2025-01-15 11:00:00"},
		{"250715120000", "2025-07-15 10:00:00"},
		{"000101010000", "0001-01-01 00:00:00"},
	} {
		b := "/ISk5\\2TEST\r\n\r\n1-0:1.8.1(00001.001*kWh)\r\n0-1:24.1.0(3)\r\n0-1:24.3.0(" + tt.stamp +
			")(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00012.345)\r\n!\r\n"
		telegram, err := dsmr.Parse([]byte(b), dsmr.Config{})
		if err != nil {
			t.Fatal(err)
		}
		r := telegram.Reading(received)
		if r.Gas != 12_345 || !r.GasAt.Equal(utc(tt.want)) {
			t.Errorf("%s: gas %d at %v, want 12345 at %s", tt.stamp, r.Gas, r.GasAt, tt.want)
		}
	}
}

func TestLowTariff(t *testing.T) {
	for _, tt := range []struct {
		version, tariff string
		low, known      bool
	}{
		{"1-3:0.2.8(50)", "0001", true, true},
		{"1-3:0.2.8(50)", "0002", false, true},
		{"0-0:96.1.4(50217)", "0001", false, true},
		{"0-0:96.1.4(50217)", "0002", true, true},
		{"0-0:96.1.4(50217)", "0004", false, false},
	} {
		body := "/HUB5TEST\r\n\r\n" + tt.version + "\r\n0-0:96.14.0(" + tt.tariff + ")\r\n!"
		telegram, err := dsmr.Parse(fmt.Appendf(nil, "%s%04X\r\n", body, dsmr.CRC([]byte(body))), dsmr.Config{})
		if err != nil {
			t.Fatal(err)
		}
		s := telegram.Summary()
		if low, known := s.LowTariff(); low != tt.low || known != tt.known {
			t.Errorf("%s tariff %s: low %v, known %v", tt.version, tt.tariff, low, known)
		}
	}
}

func TestSummary(t *testing.T) {
	s := parseFile(t, "dsmr42-fresh.txt", dsmr.Config{}).Summary()
	got := fmt.Sprint(s.Failures, s.LongFailures, s.Sags[0], s.Sags[1], s.Sags[2], s.Swells[0], " ", s.Breaker, " ", s.Limiter, s.LimiterUnit,
		" ", dsmr.Unlimited(s.Limiter), " ", s.Text, " ", s.NumericCode)
	if want := "116 3 11 28 <nil> 2 1 999.9kW true Café & <b> 012"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := len(s.FailureLog); n != 3 || s.FailureLog[1].Seconds != 2_317_482_647 {
		t.Errorf("failure log %v", s.FailureLog)
	}
	s = parseFile(t, "belgium-full.txt", dsmr.Config{}).Summary()
	if len(s.History) != 4 || s.History[0].At != nil || s.History[1].Watts.Round(0) != 4329 ||
		!s.History[3].At.UTC.Equal(utc("2025-09-30 06:00:00")) {
		t.Errorf("history %v", s.History)
	}
	if s.EAN == "" || s.Fuse != "999.99" || len(s.MBus) != 4 || s.MBus[3].Valid() || !s.MBus[2].Valid() {
		t.Errorf("EAN %q, fuse %q, devices %v", s.EAN, s.Fuse, s.MBus)
	}
}

// TestGolden holds our own telegrams to the JSON that was checked by eye.
// HOMEHUB_UPDATE=1 writes it anew.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) < 15 {
		t.Fatalf("%d telegrams, %v", len(names), err)
	}
	zones := map[string]string{"ireland.txt": "Europe/Dublin", "lithuania.txt": "Europe/Vilnius"}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			var cfg dsmr.Config
			if z := zones[filepath.Base(name)]; z != "" {
				cfg.Zone = mustZone(t, z)
			}
			got, err := dsmr.MarshalSidecar(parseFile(t, filepath.Base(name), cfg))
			if err != nil {
				t.Fatal(err)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, got, "", " "); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(name, ".txt") + ".json"
			if os.Getenv("HOMEHUB_UPDATE") != "" {
				if err := os.WriteFile(golden, indented.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(readFile(t, golden)), indented.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
