package sim

import (
	"sync"
	"time"

	"homehub/hub"
)

// joule is energy in watt-seconds. All powers are whole watts that hold for
// whole seconds, so energy in it is exact, and a register is the sum of what
// the telegrams showed.
type joule int64

func wattHours(n int64) joule           { return joule(3600 * n) }
func (e joule) wattHours() hub.WattHour { return hub.WattHour(e / 3600) }
func over(w hub.Watt, seconds int64) joule {
	return joule(int64(w) * seconds)
}

// HouseConfig describes a house. What is zero takes its default.
type HouseConfig struct {
	Seed  uint64    // of everything that is left to chance
	Start time.Time // when the house begins to live
	Zone  *time.Location

	Latitude, Longitude float64  // degrees north and east; 52.1, 5.1 if both are 0
	RoofPeak            hub.Watt // 6000
	PlugPower           hub.Watt // of the appliance on the plug; 2000
	TankLitres          int      // of an electric boiler; none if 0
	TankPower           hub.Watt // of its heater; 2000

	CarCapacity hub.WattHour // 50000
	CarAmps     int          // the most that charger and car can do; 16
	CarPhases   int          // 1 or 3; 1
	// DefaultDisabled makes the charger wait for a claim; else it charges
	// whatever is plugged in.
	DefaultDisabled bool

	Registers hub.Registers // where the meter begins; some thousands of kWh if all are 0
}

// House is the physics: loads, roof, car and the meter that sees their sum.
// It lives in whole seconds and is the same for the same seed and the same
// switching. All methods are safe for concurrent use.
type House struct {
	cfg   HouseConfig
	dice  dice
	where place

	mu      sync.Mutex
	t       int64 // seconds since 1970 up to which the house has lived
	cal     calendar
	day     day
	second  int64 // of the local day, at t
	fresh   bool  // has not lived yet
	habit   bool  // before the hub: appliance and car start when people come home
	flow    flow
	relay   relay
	charger charger
	car     car
	tank    tank
	meter   meterCounters
	solar   joule
	plug    joule
	used    joule // by all loads, plug and car included
	truth   truth
	button  chan string // modes set by the plug's button, for the plug to publish
}

// flow is what went on in the last second.
type flow struct {
	net     phases // at the meter; negative is given to the grid
	solar   hub.Watt
	plug    hub.Watt
	car     hub.Watt
	plugOn  bool
	active  bool // the charger lets the car charge
	amps    int
	drawing bool // the car takes energy
}

type meterCounters struct {
	imported, exported [2]joule // by tariff
	tariff             uint8
	gas                int64 // cm³·s/h, see burn
	gasAt              int64
	gasShown           int64
}

type car struct {
	home   bool
	full   bool
	energy joule
}

// PlugState is what the plug is doing.
type PlugState struct {
	On     bool
	Mode   string // On, Off or Timer
	Power  hub.Watt
	Energy hub.WattHour // counter of the appliance
}

// CarState is what the car and its charger are doing.
type CarState struct {
	Home     bool
	Active   bool // the charger lets it charge
	Charging bool // and it does
	Amps     int  // offered
	Power    hub.Watt
	Battery  hub.WattHour
	Energy   hub.WattHour // counter of the charger
}

// New makes a house that is about to live from cfg.Start on.
func New(cfg HouseConfig) (*House, error) {
	if cfg.Start.IsZero() {
		return nil, hub.FieldErrorf("Start", "a house needs a time to begin at")
	}
	if cfg.CarPhases != 0 && cfg.CarPhases != 1 && cfg.CarPhases != 3 {
		return nil, hub.FieldErrorf("CarPhases", "must be 1 or 3")
	}
	cfg.fill()
	h := &House{cfg: cfg, dice: dice(cfg.Seed), where: place{cfg.Latitude, cfg.Longitude}, fresh: true, button: make(chan string, 4)}
	h.cal.zone = cfg.Zone
	h.relay.mode = "Off"
	h.tank = tank{litres: float64(cfg.TankLitres), power: cfg.TankPower, temp: 55}
	h.charger = newCharger(cfg.CarAmps, cfg.DefaultDisabled)
	h.meter.imported = [2]joule{wattHours(int64(cfg.Registers.ImportT1)), wattHours(int64(cfg.Registers.ImportT2))}
	h.meter.exported = [2]joule{wattHours(int64(cfg.Registers.ExportT1)), wattHours(int64(cfg.Registers.ExportT2))}
	h.meter.gas = int64(h.dice.between(chStart, 0, 2_000_000, 9_000_000)) * gasUnit
	h.car.energy = wattHours(int64(cfg.CarCapacity)) * joule(h.dice.between(chStart, 1, 40, 60)) / 100
	h.begin(cfg.Start)
	return h, nil
}

func (cfg *HouseConfig) fill() {
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if cfg.Latitude == 0 && cfg.Longitude == 0 {
		cfg.Latitude, cfg.Longitude = 52.1, 5.1
	}
	if cfg.RoofPeak == 0 {
		cfg.RoofPeak = 6000
	}
	if cfg.PlugPower == 0 {
		cfg.PlugPower = 2000
	}
	if cfg.TankPower == 0 {
		cfg.TankPower = 2000
	}
	if cfg.CarCapacity == 0 {
		cfg.CarCapacity = 50_000
	}
	if cfg.CarAmps == 0 {
		cfg.CarAmps = 16
	}
	if cfg.CarPhases == 0 {
		cfg.CarPhases = 1
	}
	if cfg.Registers == (hub.Registers{}) {
		cfg.Registers = hub.Registers{ImportT1: 4_312_650, ImportT2: 3_871_204, ExportT1: 1_204_377, ExportT2: 2_905_118}
	}
}

// begin moves a house that has not lived yet to another time.
func (h *House) begin(at time.Time) {
	h.t = at.Unix()
	number, second := h.cal.local(h.t)
	h.day, h.second = newDay(h.dice, number, h.where), second
	h.car.home = !h.day.away(second)
	h.meter.tariff = h.day.tariff(second)
	h.meter.gasAt, h.meter.gasShown = h.t-h.t%gasPeriod, h.meter.gas/gasUnit
	h.look()
}

// Now is the time up to which the house has lived.
func (h *House) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Unix(h.t, 0).UTC()
}

// Step lets the house live up to now, in whole seconds. A now that is past
// does nothing.
func (h *House) Step(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for end := now.Unix(); h.t < end; {
		h.step(1)
	}
}

// step lives on for some seconds under what holds at h.t.
func (h *House) step(seconds int64) {
	h.fresh = false
	h.look()
	h.flow.plug, h.flow.solar = 0, h.dice.roof(&h.day, h.t, h.cfg.RoofPeak)
	if h.flow.plugOn {
		h.flow.plug = h.dice.appliance(h.t, h.cfg.PlugPower)
	}
	h.flow.car = h.charge(seconds)
	load := h.dice.habits(&h.day, h.t, h.second)
	load[0] += h.flow.plug
	load[1] += h.boil(seconds)
	if h.cfg.CarPhases == 3 {
		load.add(spread(h.flow.car))
	} else {
		load[2] += h.flow.car
	}
	given := spread(h.flow.solar)
	for i := range load {
		h.flow.net[i] = load[i] - given[i]
	}
	h.used += over(load.sum(), seconds)
	h.solar += over(h.flow.solar, seconds)
	h.plug += over(h.flow.plug, seconds)
	h.count(seconds)
	h.burn(seconds)
	h.advance(seconds)
}

// count moves the meter's registers. A Dutch meter adds the phases up first:
// what one phase gives, another may take (Welmec; DSMR P1 5.0.2 has one
// register each for the sum).
func (h *House) count(seconds int64) {
	i := h.meter.tariff - 1
	if net := h.flow.net.sum(); net >= 0 {
		h.meter.imported[i] += over(net, seconds)
	} else {
		h.meter.exported[i] += over(-net, seconds)
	}
}

// advance moves the clock and what follows from it: day, tariff, the car's
// coming and going.
func (h *House) advance(seconds int64) {
	h.t += seconds
	number, second := h.cal.local(h.t)
	h.second = second
	if number != h.day.number {
		h.day = newDay(h.dice, number, h.where)
	}
	h.meter.tariff = h.day.tariff(second)
	switch away := h.day.away(second); {
	case away && h.car.home:
		h.car.home = false
		h.charger.leave()
	case !away && !h.car.home:
		h.car.home, h.car.full = true, false
		// Somebody who runs low on the way charges there.
		h.car.energy = max(h.car.energy-h.day.trip, h.capacity()/20)
	}
	h.look()
	h.truth.minute(h)
}

// look finds out what is switched on from h.t on, and notes what changed.
func (h *House) look() {
	on, active, amps := h.relay.on(h.t), false, 0
	if active, amps = h.charger.allowed(); !active {
		amps = 0
	}
	if h.habit {
		on = h.day.habit >= 0 && h.second >= h.day.habit && h.second < h.day.habit+2*3600
		active, amps = true, h.cfg.CarAmps
	}
	if on != h.flow.plugOn {
		h.flow.plugOn = on
		h.truth.switched(h.t, "plug", on, 0)
	}
	if active != h.flow.active || amps != h.flow.amps {
		h.flow.active, h.flow.amps = active, amps
		h.truth.switched(h.t, "car", active, amps)
	}
	h.flow.drawing = active && h.car.home && !h.car.full
}

func (h *House) capacity() joule { return wattHours(int64(h.cfg.CarCapacity)) }

// charge is what the car draws; a tenth of it is lost on the way into the
// battery.
func (h *House) charge(seconds int64) hub.Watt {
	var power hub.Watt
	if h.flow.drawing {
		power = hub.Watt(230 * h.cfg.CarPhases * h.flow.amps)
		room := (h.capacity() - h.car.energy) * 10 / 9
		if over(power, seconds) >= room {
			power = hub.Watt(room / joule(seconds))
			h.car.full = true
		}
		h.car.energy += over(power, seconds) * 9 / 10
	}
	h.charger.tick(h.flow.drawing, seconds, over(power, seconds))
	return power
}

// boil is what the boiler draws. Before the hub its own thermostat switched it.
func (h *House) boil(seconds int64) hub.Watt {
	k := &h.tank
	if h.cfg.TankLitres == 0 {
		return 0
	}
	if h.habit {
		k.on = k.temp < 55 || k.on && k.temp < 60
	}
	power := k.draws()
	k.live(seconds, h.dice.hotWater(h.t, h.second)*float64(seconds))
	return power
}

// spread divides a power over three phases; L1 has what is left over.
func spread(w hub.Watt) phases { return phases{w - w/3*2, w / 3, w / 3} }

func (p *phases) add(q phases) {
	for i := range p {
		p[i] += q[i]
	}
}

// Gas burns in cm³·s/h, so that a rate in cm³ per hour adds up without
// rounding.
const (
	gasUnit   = 3600 * 1000 // of them in a dm³
	gasPeriod = 300         // a DSMR 5 meter reads the gas meter every 5 minutes
)

// burn moves the gas meter: heating by the day's cold, less at night, and a
// shower in the morning.
func (h *House) burn(seconds int64) {
	rate := 20_000 + h.day.cold*110_000
	switch hour := h.second / 3600; {
	case hour < 6 || hour >= 23:
		rate *= 0.2
	case hour == 7:
		rate += 700_000
	}
	h.meter.gas += int64(rate) * seconds
	if at := h.t + seconds; at-h.meter.gasAt >= gasPeriod {
		h.meter.gasAt, h.meter.gasShown = at-at%gasPeriod, h.meter.gas/gasUnit
	}
}
