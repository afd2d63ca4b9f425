package hub

import (
	"sync"
	"time"
)

// Recorder stores one value of a feed. It must not block: it is called for
// every reading.
type Recorder interface {
	Append(feed string, at time.Time, v float64) error
}

// FeedSpec describes a feed that the hub fills.
type FeedSpec struct {
	Name    string
	Counter bool // differences matter, not means
	Unit    string
	Title   string // for people
}

// The feeds of the house. A device adds dev_<id>_w and dev_<id>_wh.
const (
	FeedImport   = "import_w"
	FeedExport   = "export_w"
	FeedSolar    = "solar_w"
	FeedHouse    = "house_w"
	FeedImportT1 = "import_t1_wh"
	FeedImportT2 = "import_t2_wh"
	FeedExportT1 = "export_t1_wh"
	FeedExportT2 = "export_t2_wh"
	FeedGas      = "gas_dm3"
)

var phaseFeeds = [3]struct{ imp, exp, current, voltage string }{
	{"l1_import_w", "l1_export_w", "l1_ma", "l1_dv"},
	{"l2_import_w", "l2_export_w", "l2_ma", "l2_dv"},
	{"l3_import_w", "l3_export_w", "l3_ma", "l3_dv"},
}

func houseFeeds() []FeedSpec {
	specs := []FeedSpec{
		{FeedImport, false, "W", "From the grid"},
		{FeedExport, false, "W", "To the grid"},
		{FeedSolar, false, "W", "Solar"},
		{FeedHouse, false, "W", "Used in the house"},
		{FeedImportT1, true, "Wh", "Meter: taken, tariff 1"},
		{FeedImportT2, true, "Wh", "Meter: taken, tariff 2"},
		{FeedExportT1, true, "Wh", "Meter: given, tariff 1"},
		{FeedExportT2, true, "Wh", "Meter: given, tariff 2"},
		{FeedGas, true, "dm³", "Gas meter"},
	}
	for i, f := range phaseFeeds {
		phase := " L" + string(rune('1'+i))
		specs = append(specs,
			FeedSpec{f.imp, false, "W", "From the grid" + phase}, FeedSpec{f.exp, false, "W", "To the grid" + phase},
			FeedSpec{f.current, false, "mA", "Current" + phase}, FeedSpec{f.voltage, false, "dV", "Voltage" + phase})
	}
	return specs
}

// DevicePowerFeed is the feed of a device's power.
func DevicePowerFeed(id string) string { return "dev_" + id + "_w" }

// DeviceEnergyFeed is the feed of a device's own energy counter.
func DeviceEnergyFeed(id string) string { return "dev_" + id + "_wh" }

func deviceFeeds(d Device) []FeedSpec {
	return []FeedSpec{
		{DevicePowerFeed(d.ID), false, "W", d.Name},
		{DeviceEnergyFeed(d.ID), true, "Wh", d.Name + ": energy"},
	}
}

// record turns readings and reports into values of feeds. A slot of a power
// feed holds the mean of the readings that fell into it, rounded to 1 W: the
// engine keeps the last value of a slot, so the mean so far is written over
// and over. A slot of a counter holds its first reading, which is what the
// counter showed when the slot began: so the energy between two instants is
// the difference of two values, to the Wh.
type record struct {
	recorder Recorder
	interval time.Duration
	last     func(feed string) (int64, bool)

	mu     sync.Mutex // a leaf: Recorder.Append does not call back
	means  map[string]*mean
	counts map[string]*count
	slots  map[string]int64 // counter -> slot that has its value
}

type mean struct {
	slot   int64
	sum, n int64
}

type count struct{ raw, total int64 }

func newRecord(cfg Config) *record {
	return &record{recorder: cfg.Recorder, interval: cfg.Interval, last: cfg.Last, means: map[string]*mean{}, counts: map[string]*count{}, slots: map[string]int64{}}
}

func (c *record) reading(r Reading, solar Watt, hasSolar bool, house Watt) {
	if c.recorder == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Has&HasImport != 0 {
		c.power(FeedImport, r.At, int64(r.Import))
		c.power(FeedExport, r.At, int64(r.Export))
		c.power(FeedHouse, r.At, int64(house))
	}
	if hasSolar {
		c.power(FeedSolar, r.At, int64(solar))
	}
	c.register(r, HasImportT1, FeedImportT1, int64(r.ImportT1))
	c.register(r, HasImportT2, FeedImportT2, int64(r.ImportT2))
	c.register(r, HasExportT1, FeedExportT1, int64(r.ExportT1))
	c.register(r, HasExportT2, FeedExportT2, int64(r.ExportT2))
	c.register(r, HasGas, FeedGas, r.Gas)
	for i := range min(int(r.PhaseCount), len(r.Phases)) {
		p, f := &r.Phases[i], &phaseFeeds[i]
		if r.Has&HasPhasePower != 0 {
			c.power(f.imp, r.At, int64(p.Import))
			c.power(f.exp, r.At, int64(p.Export))
		}
		if r.Has&HasCurrent != 0 {
			c.power(f.current, r.At, int64(p.Current))
		}
		if r.Has&HasVoltage != 0 {
			c.power(f.voltage, r.At, int64(p.Voltage))
		}
	}
}

func (c *record) register(r Reading, has Has, feed string, v int64) {
	if r.Has&has != 0 {
		c.first(feed, r.At, v)
	}
}

func (c *record) report(d Device, r Report) {
	if c.recorder == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Has&ReportPower != 0 {
		c.power(DevicePowerFeed(d.ID), r.At, int64(r.Power))
	}
	if r.Has&ReportEnergy != 0 {
		c.energy(DeviceEnergyFeed(d.ID), r.At, int64(r.Energy))
	}
}

func (c *record) power(feed string, at time.Time, v int64) {
	m := c.means[feed]
	if m == nil {
		m = &mean{}
		c.means[feed] = m
	}
	if slot := c.slot(at); slot != m.slot {
		*m = mean{slot: slot}
	}
	m.sum += v
	m.n++
	c.put(feed, at, (m.sum+m.n/2)/m.n)
}

// energy stores a device's counter so that it only rises: a device that
// restarts counts from 0 again, and the feed goes on from where it was.
func (c *record) energy(feed string, at time.Time, raw int64) {
	n := c.counts[feed]
	if n == nil {
		n = &count{raw: raw, total: raw}
		if c.last != nil {
			if total, ok := c.last(feed); ok && total > raw {
				n.total = total
			}
		}
		c.counts[feed] = n
	}
	if raw >= n.raw {
		n.total += raw - n.raw
	} else {
		n.total += raw
	}
	n.raw = raw
	c.first(feed, at, n.total)
}

// first stores the first value of a slot and drops the others.
func (c *record) first(feed string, at time.Time, v int64) {
	slot := c.slot(at)
	if last, ok := c.slots[feed]; ok && last == slot {
		return
	}
	c.slots[feed] = slot
	c.put(feed, at, v)
}

func (c *record) slot(at time.Time) int64 { return at.Unix() / int64(c.interval/time.Second) }

func (c *record) put(feed string, at time.Time, v int64) {
	// The engine reports what it can not store on its own status; a reading
	// must never fail because of it.
	_ = c.recorder.Append(feed, at, float64(v))
}

// FeedSpecs are all feeds that the hub fills: the house's and those of the
// devices of s.
func FeedSpecs(s Snapshot) []FeedSpec {
	specs := houseFeeds()
	for _, d := range s.Devices {
		specs = append(specs, deviceFeeds(d.Device)...)
	}
	return specs
}
