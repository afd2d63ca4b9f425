package sim

import (
	"time"

	"homehub/hub"
)

// Reading lets the house live up to now and is what the meter then shows:
// powers of the last second, registers cut off to whole Wh, currents to whole
// amps, as a DSMR 5.0 telegram has them.
func (h *House) Reading(now time.Time) hub.Reading {
	h.Step(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reading()
}

func (h *House) reading() hub.Reading {
	at := time.Unix(h.t, 0).UTC()
	r := hub.Reading{
		At: at, Received: at,
		Has: hub.HasImport | hub.HasImportT1 | hub.HasImportT2 | hub.HasExportT1 | hub.HasExportT2 | hub.HasTariff |
			hub.HasPhasePower | hub.HasCurrent | hub.HasVoltage | hub.HasGas | hub.HasMeterClock,
		Registers:  h.registers(),
		Tariff:     h.meter.tariff,
		PhaseCount: 3,
		Gas:        h.meter.gasShown,
		GasAt:      time.Unix(h.meter.gasAt, 0).UTC(),
	}
	r.Import, r.Export = split(h.flow.net.sum())
	for i, net := range h.flow.net {
		p := &r.Phases[i]
		p.Import, p.Export = split(net)
		p.Voltage = h.voltage(i, net)
		amps := (10*(p.Import+p.Export) + hub.Watt(p.Voltage)/2) / hub.Watt(p.Voltage)
		p.Current = hub.Milliampere(1000 * amps)
	}
	return r
}

func split(net hub.Watt) (imported, exported hub.Watt) { return max(0, net), max(0, -net) }

// voltage wanders around 231 V, sags under load and rises with what is given.
func (h *House) voltage(phase int, net hub.Watt) hub.Decivolt {
	wander := h.dice.smooth(chVoltage, h.t+int64(phase)*1_000_003, 180)
	return hub.Decivolt(2290 + 40*wander - float64(net)/140)
}

func (h *House) registers() hub.Registers {
	return hub.Registers{
		ImportT1: h.meter.imported[0].wattHours(), ImportT2: h.meter.imported[1].wattHours(),
		ExportT1: h.meter.exported[0].wattHours(), ExportT2: h.meter.exported[1].wattHours(),
	}
}

// Solar is what the roof gives, and its counter.
func (h *House) Solar() (hub.Watt, hub.WattHour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.flow.solar, h.solar.wattHours()
}

// Plug is what the smart plug is doing.
func (h *House) Plug() PlugState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return PlugState{On: h.flow.plugOn, Mode: h.relay.mode, Power: h.flow.plug, Energy: h.plug.wattHours()}
}

// Car is what the car and its charger are doing.
func (h *House) Car() CarState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return CarState{
		Home: h.car.home, Active: h.flow.active, Charging: h.flow.drawing, Amps: h.flow.amps,
		Power: h.flow.car, Battery: h.car.energy.wattHours(), Energy: h.charger.total.wattHours(),
	}
}
