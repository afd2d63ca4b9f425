package sim

import (
	"context"
	"sync"

	"homehub/hub"
)

// Appliance is what hangs behind a gadget's relay. Without one a gadget draws
// its power whenever it is on.
type Appliance interface {
	// Switch is the relay: it is called whenever it moves.
	Switch(on bool)
	// Draws is the power in W now.
	Draws() hub.Watt
	// Celsius is what its thermometer shows.
	Celsius() float64
}

const (
	litreKelvin = 4187 // W·s that warm a litre of water by 1 K
	tankLeak    = 1.3  // W per K that a tank of 150 litres loses
	tankAir     = 17   // °C around it
	tankMost    = 82   // °C at which its own limiter opens
)

// tank is hot water and the heater in it.
type tank struct {
	litres float64
	power  hub.Watt // of the heater
	temp   float64  // °C
	on     bool     // the relay
}

// live lets seconds pass: what the heater gives, what leaks, and what is drawn,
// in litres.
func (k *tank) live(seconds int64, drawn float64) {
	joules := float64(over(k.draws(), seconds)) - tankLeak*k.litres/150*(k.temp-tankAir)*float64(seconds)
	k.temp += joules / (k.litres * litreKelvin)
	if drawn > 0 { // cold water comes in below
		k.temp -= min(drawn/k.litres, 1) * (k.temp - 11)
	}
}

func (k *tank) draws() hub.Watt {
	if k.on && k.temp < tankMost {
		return k.power
	}
	return 0
}

// hotWater is how much hot water a household draws at t, in litres per second:
// a shower or two in the morning, dishes and a bath in the evening.
func (d dice) hotWater(t, second int64) float64 {
	day := t / 86400
	for i, use := range [...]struct {
		from, to int64 // of its beginning, seconds of the day
		length   int64
		litres   float64
	}{
		{6*3600 + 1800, 7*3600 + 900, 480, 24},
		{7*3600 + 1800, 8 * 3600, 300, 15},
		{18*3600 + 1800, 19*3600 + 1800, 420, 8},
		{19*3600 + 2700, 21*3600 + 1800, 600, 35},
	} {
		begin := d.between(chHotWater, 8*day+int64(i), use.from, use.to)
		if second >= begin && second < begin+use.length {
			return use.litres / float64(use.length)
		}
	}
	return 0
}

// Tank is the house's boiler as an appliance behind a relay, nil if it has
// none.
func (h *House) Tank() Appliance {
	if h.cfg.TankLitres == 0 {
		return nil
	}
	return houseTank{h}
}

type houseTank struct{ h *House }

func (k houseTank) Switch(on bool) {
	k.h.mu.Lock()
	defer k.h.mu.Unlock()
	k.h.tank.on = on
}

func (k houseTank) Draws() hub.Watt {
	k.h.mu.Lock()
	defer k.h.mu.Unlock()
	return k.h.tank.draws()
}

func (k houseTank) Celsius() float64 {
	k.h.mu.Lock()
	defer k.h.mu.Unlock()
	return k.h.tank.temp
}

// runTank is the Tasmota at the house's boiler: a relay, a power meter and a
// DS18B20 at the tank.
func runTank(ctx context.Context, cfg Config) {
	g, err := NewGadget(GadgetConfig{
		Family: hub.FamilyTasmota, Clock: cfg.Clock, Logger: cfg.Logger.With("device", "boiler"), Broker: cfg.Broker, Login: cfg.Boiler,
		Power: cfg.House.cfg.TankPower, Appliance: cfg.House.Tank(),
	})
	if err == nil {
		err = g.Run(ctx)
	}
	if err != nil {
		cfg.Logger.Warn("running the boiler", "err", err)
	}
}

// LoneTank is a boiler without a house around it, which lives by a clock.
type LoneTank struct {
	clock hub.Clock

	mu   sync.Mutex
	tank tank
	t    int64 // seconds since 1970 up to which it has lived
}

// NewLoneTank makes a boiler of some litres and watts at a temperature. Nobody
// draws its water.
func NewLoneTank(clock hub.Clock, litres int, power hub.Watt, celsius float64) *LoneTank {
	return &LoneTank{clock: clock, tank: tank{litres: float64(litres), power: power, temp: celsius}, t: clock.Now().Unix()}
}

func (k *LoneTank) live() {
	now := k.clock.Now().Unix()
	for ; k.t < now; k.t++ {
		k.tank.live(1, 0)
	}
}

// Switch is the relay.
func (k *LoneTank) Switch(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.live()
	k.tank.on = on
}

// Draws is the power in W now.
func (k *LoneTank) Draws() hub.Watt {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.live()
	return k.tank.draws()
}

// Celsius is what its thermometer shows.
func (k *LoneTank) Celsius() float64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.live()
	return k.tank.temp
}
