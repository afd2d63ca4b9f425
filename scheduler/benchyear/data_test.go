package benchyear

import (
	"bufio"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// data is the folder of recorded prices, loads and roofs; it is not part of the project.
const data = "../../../shared/data"

const (
	slot       = 15 * time.Minute
	perHour    = 4
	perDay     = 96
	slotHours  = 0.25
	slotMins   = 15
	blockMins  = 30 // resolution of the house's load
	textureTop = 4  // no minute is more than so many times its half-hour's mean
)

// first is slot 0 of every series: two weeks before the year begins, for the forecasts to learn from.
var first = time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)

func slotAt(t time.Time) int { return int(t.Sub(first) / slot) }
func timeOf(s int) time.Time { return first.Add(time.Duration(s) * slot) }

// recorded reads one column of a CSV file by its start times; the test is skipped where the data is absent and `make bench-year` fails.
func recorded(t *testing.T, name, column string) map[int64]float64 {
	t.Helper()
	f, err := os.Open(filepath.Join(data, name))
	if os.IsNotExist(err) {
		if *year {
			t.Fatalf("%s is missing: the year needs the recorded prices, loads and roofs in %s", name, data)
		}
		t.Skipf("no recorded data here (%s)", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[int64]float64{}
	at := -1
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cells := strings.Split(lines.Text(), ",")
		if at < 0 {
			for i, head := range cells {
				if head == column {
					at = i
				}
			}
			if at < 0 {
				t.Fatalf("%s has no column %s", name, column)
			}
			continue
		}
		start, err := strconv.ParseInt(cells[0], 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v, err := strconv.ParseFloat(cells[at], 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[start] = v
	}
	return out
}

// quarters lays records of the given length out in slots; a gap takes the value before it.
func quarters(rec map[int64]float64, length time.Duration, n int) []float64 {
	out := make([]float64, n)
	last := 0.
	for s := range out {
		if v, ok := rec[timeOf(s).Truncate(length).Unix()]; ok {
			last = v
		}
		out[s] = last
	}
	return out
}

// market is what a kWh costs and earns in each slot, EUR, and what a kW of month peak costs.
type market struct {
	name     string
	zone     *time.Location
	spot     []float64 // EUR per kWh
	pi, pe   []float64
	capEUR   float64 // per kW; 0: no capacity tariff
	floorW   float64
	from, to int // slots of the year
}

func dutch(t *testing.T, n int) *market {
	rec := recorded(t, "prices/nl_dayahead_2024_hourly.csv", "price_eur_mwh")
	for at, v := range recorded(t, "prices/nl_dayahead_2025_hourly.csv", "price_eur_mwh") {
		rec[at] = v
	}
	m := &market{name: "Dutch dynamic prices", zone: zone(t, "Europe/Amsterdam"), spot: quarters(rec, time.Hour, n)}
	for _, v := range m.spot {
		m.pi, m.pe = append(m.pi, (v/1000+0.0165+0.10154)*1.21), append(m.pe, v/1000)
	}
	m.from, m.to = slotAt(time.Date(2024, 3, 15, 0, 0, 0, 0, m.zone)), slotAt(time.Date(2025, 2, 25, 0, 0, 0, 0, m.zone))
	return m
}

func belgian(t *testing.T, n int) *market {
	rec := recorded(t, "prices/be_dayahead_2024_15min.csv", "price_eur_mwh")
	m := &market{name: "Belgian dynamic prices with capacity tariff", zone: zone(t, "Europe/Brussels"), spot: quarters(rec, slot, n), capEUR: 53. / 12, floorW: 2500}
	for _, v := range m.spot {
		m.pi, m.pe = append(m.pi, (v/1000*1.03+0.015+0.115)*1.06), append(m.pe, v/1000*0.97-0.01)
	}
	m.from, m.to = slotAt(time.Date(2024, 4, 1, 0, 0, 0, 0, m.zone)), slotAt(time.Date(2024, 12, 29, 0, 0, 0, 0, m.zone))
	return m
}

func zone(t *testing.T, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// known is the first slot whose price is not published at slot s: tomorrow's prices come at 13:00 local time.
func (m *market) known(s int) int {
	at := timeOf(s).In(m.zone)
	days := 1
	if at.Hour() >= 13 {
		days = 2
	}
	return slotAt(time.Date(at.Year(), at.Month(), at.Day()+days, 0, 0, 0, 0, m.zone))
}

// nature is what nobody controls: the house's load by the minute and the roof by the slot.
type nature struct {
	minute []float64 // W, fifteen a slot
	base   []float64 // mean of each slot
	pv     []float64
	guess  []float64 // the roof's production as its owner's provider foresaw it; 0 where he had none
}

// recordedNature is a year of a real house by half-hours, with the restlessness of another real house's minutes laid on it.
func recordedNature(t *testing.T, n int) *nature {
	const name = "fr_emhass_2024_30min.csv"
	load := quarters(recorded(t, "load/"+name, "load_w"), 2*slot, n)
	w := &nature{
		pv:     quarters(recorded(t, "pv/"+name, "pv_w"), 2*slot, n),
		guess:  quarters(recorded(t, "pv/"+name, "pv_forecast_w"), 2*slot, n),
		minute: make([]float64, n*slotMins), base: make([]float64, n),
	}
	shape := texture(recorded(t, "load/fr_uci_2006-12_1min.csv", "load_w"))
	for m := range w.minute {
		w.minute[m] = load[m/slotMins] * shape[m%len(shape)]
		w.base[m/slotMins] += w.minute[m] / slotMins
	}
	return w
}

// texture is each minute's part of its half-hour's mean, by whole days.
func texture(rec map[int64]float64) []float64 {
	var start int64 = math.MaxInt64
	var end int64
	for at := range rec {
		start, end = min(start, at), max(end, at)
	}
	start = (start/86400 + 1) * 86400
	out := make([]float64, (end-start)/86400*1440)
	for b := 0; b < len(out); b += blockMins {
		sum := 0.
		for k := range blockMins {
			out[b+k] = rec[start+int64(b+k)*60]
			sum += out[b+k]
		}
		top := 0.
		for k := range blockMins {
			out[b+k] = min(out[b+k]/max(1, sum/blockMins), textureTop)
			top += out[b+k] / blockMins
		}
		for k := range blockMins {
			out[b+k] /= max(0.1, top)
		}
	}
	return out
}

// job is something that the house must have done: a car to be charged, a tank to be heated, an appliance to be run.
type job struct {
	id       string
	kind     string
	from, to int       // slots: not before, ready by
	needWh   float64   // car and boiler
	profile  []float64 // appliance
	phase    int       // 1..3
}

// life is what the people of the house ask for, the same for every policy.
func life(m *market, n int) []job {
	rng := rand.New(rand.NewPCG(6, 2024))
	var jobs []job
	at := func(day time.Time, hour, quarter int) int {
		return slotAt(time.Date(day.Year(), day.Month(), day.Day(), hour, 15*quarter, 0, 0, m.zone))
	}
	for day := timeOf(m.from).In(m.zone); slotAt(day) < min(n, m.to+4*perDay); day = day.AddDate(0, 0, 1) {
		next := day.AddDate(0, 0, 1)
		arrive, leave, need := at(day, 17, rng.IntN(7)), at(next, 7, rng.IntN(4)), 7000+8000*rng.Float64()
		if w := next.Weekday(); w == time.Saturday || w == time.Sunday {
			leave = at(next, 9, 2)
		}
		if rng.IntN(8) > 0 {
			jobs = append(jobs, job{id: "car", kind: "car", from: arrive, to: leave, needWh: need})
		}
		jobs = append(jobs,
			job{id: "boiler", kind: "boiler", from: at(day, 20, 0), to: at(next, 6, 2), needWh: 4500, phase: 2},
			job{id: "dishwasher", kind: "appliance", from: at(day, 20, 0), to: at(next, 7, 0), profile: dishwasher, phase: 1})
		if w := day.Weekday(); w == time.Monday || w == time.Wednesday || w == time.Saturday {
			jobs = append(jobs, job{id: "washer", kind: "appliance", from: at(day, 8, 0), to: at(day, 18, 0), profile: washer, phase: 3})
		}
	}
	for i := range jobs {
		jobs[i].id += strconv.Itoa(jobs[i].from)
	}
	return jobs
}

var (
	dishwasher = []float64{100, 1900, 300, 100, 1800, 1200, 100}
	washer     = []float64{150, 2100, 2000, 400, 200, 250, 500, 300}
)
