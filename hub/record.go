package hub

import (
	"math"
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

// celsius is the unit of temperatures.
const celsius = "°C"

// Decimals is how many digits behind the point the feed's values have.
func (s FeedSpec) Decimals() int {
	if s.Unit == celsius {
		return 2 // what a heater adds in a minute is a few hundredths
	}
	return 0
}

// The feeds of the house. A device adds dev_<id>_w and dev_<id>_wh, one with a
// thermometer dev_<id>_c, and one that keeps a temperature without measuring its
// power dev_<id>_on.
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

// DeviceTempFeed is the feed of what a device's thermometer shows.
func DeviceTempFeed(id string) string { return "dev_" + id + "_c" }

// DeviceDutyFeed is the feed of how much of the time a heater was on, in %.
func DeviceDutyFeed(id string) string { return "dev_" + id + "_on" }

// warmFeeds are the feeds that a device has because of what it says or keeps:
// most devices have none of them.
func warmFeeds(s DeviceState) (specs []FeedSpec) {
	if s.Has&ReportTemp != 0 {
		specs = append(specs, FeedSpec{DeviceTempFeed(s.ID), false, celsius, s.Name + ": temperature"})
	}
	if s.dutied() {
		specs = append(specs, FeedSpec{DeviceDutyFeed(s.ID), false, "%", s.Name + ": on"})
	}
	return specs
}

// dutied says whether how much a device is on is recorded: of a heater that
// says whether it is on, but not what it draws.
func (s *DeviceState) dutied() bool {
	return s.Schedule.Keeps() && s.Has&ReportOn != 0 && s.Has&ReportPower == 0
}

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
	made   map[string]bool  // feeds of warmFeeds that exist
}

type mean struct {
	slot   int64
	sum, n int64
}

type count struct{ raw, total int64 }

func newRecord(cfg Config) *record {
	return &record{recorder: cfg.Recorder, interval: cfg.Interval, last: cfg.Last, means: map[string]*mean{}, counts: map[string]*count{}, slots: map[string]int64{}, made: map[string]bool{}}
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
	if feed := DeviceTempFeed(d.ID); r.Has&ReportTemp != 0 && c.made[feed] {
		c.putDecimal(feed, r.At, math.Round(float64(c.mean(feed, r.At, int64(r.Temp)))/10)/100)
	}
}

// warm makes the feeds that devices of s need by what they said, and records
// how much heaters are on. It is called every second.
func (c *record) warm(s Snapshot, now time.Time, ensure func(FeedSpec) error) error {
	if c.recorder == nil {
		return nil
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		if d.Has&ReportTemp == 0 && !d.dutied() {
			continue
		}
		for _, spec := range warmFeeds(*d) {
			if err := c.make(spec, ensure); err != nil {
				return err
			}
		}
		if d.dutied() && d.Online {
			c.duty(d, now)
		}
	}
	return nil
}

// make makes a feed once. The lock is not held while it is made, as that may
// wait for the card.
func (c *record) make(spec FeedSpec, ensure func(FeedSpec) error) error {
	c.mu.Lock()
	made := c.made[spec.Name]
	c.mu.Unlock()
	if made {
		return nil
	}
	if err := ensure(spec); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[spec.Name] = true
	return nil
}

func (c *record) duty(d *DeviceState, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	on := int64(0)
	if d.On {
		on = 100
	}
	c.power(DeviceDutyFeed(d.ID), now, on)
}

func (c *record) power(feed string, at time.Time, v int64) { c.put(feed, at, c.mean(feed, at, v)) }

// mean is the mean of what fell into the slot so far, v included.
func (c *record) mean(feed string, at time.Time, v int64) int64 {
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
	return (m.sum + m.n/2) / m.n
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

func (c *record) put(feed string, at time.Time, v int64) { c.putDecimal(feed, at, float64(v)) }

func (c *record) putDecimal(feed string, at time.Time, v float64) {
	// The engine reports what it can not store on its own status; a reading
	// must never fail because of it.
	_ = c.recorder.Append(feed, at, v)
}

// FeedSpecs are all feeds that the hub fills: the house's and those of the
// devices of s.
func FeedSpecs(s Snapshot) []FeedSpec {
	specs := houseFeeds()
	for _, d := range s.Devices {
		specs = append(specs, deviceFeeds(d.Device)...)
		specs = append(specs, warmFeeds(d)...)
	}
	return specs
}
