package scheduler

import (
	"time"

	"homehub/hub"
)

const (
	// batteryQuiet is how little a battery's set-point may move without being
	// sent: a battery that is told every watt never rests.
	batteryQuiet = 25
	// batteryGain is the part of the error at the meter that a set-point takes
	// up per telegram: below 1, since battery and meter lag by a second or two.
	batteryGain = 0.7
)

// batteryControl keeps the house's battery on the right side of the price of
// what it stores: charge below, give above, and in between take what would go
// to the grid and give what would come from it.
type batteryControl struct {
	told hub.Watt
	at   time.Time // reading by which it was told
}

// step sets the set-point of the battery d.
func (k *batteryControl) step(now time.Time, s *hub.Snapshot, d *hub.DeviceState, slot int, want *hub.Command) {
	b := d.Battery
	if b == nil || slot < 0 || slot >= len(s.Plan.Stored) || !s.Plan.Slots[slot].Known {
		return // it goes on as it does by itself
	}
	if !s.Reading.Received.Equal(k.at) || !d.Commanded.On {
		now := int(d.Commanded.Setpoint)
		if d.Has&hub.ReportPower != 0 {
			now = int(d.Watts)
		}
		to := setpoint(b, s.Plan.Slots[slot], s.Plan.Stored[slot], now, int(s.Reading.Net()))
		if d.Has&hub.ReportSoC != 0 && (to < 0 && d.SoC <= b.Reserve || to > 0 && d.SoC >= 100) {
			to = 0
		}
		if to == 0 || max(to-k.told, k.told-to) >= batteryQuiet {
			k.told = to
		}
		k.at = s.Reading.Received
	}
	*want = hub.Command{Device: d.ID, On: true, Setpoint: k.told, Until: now.Add(hub.MaxLease), Cause: batteryCause(k.told)}
}

// setpoint is the power that costs least for a house that takes net from the
// grid while its battery takes now: the least of slot cost − stored · change of
// content, which is piecewise linear in the power.
func setpoint(b *hub.Battery, slot hub.Slot, stored hub.MicroEuro, now, net int) hub.Watt {
	in, out := b.Efficiencies()
	gain, loss := float64(stored)*in, float64(stored)/out // worth of an AC kWh taken, of one given
	buy, sell, wear := float64(slot.Import), float64(slot.Export), float64(b.Wear)
	bare := net - now // the grid's power without the battery
	// What would bring the meter to nought, approached with batteryGain.
	zero := now - int(batteryGain*float64(net))
	switch {
	case gain > buy+wear:
		return b.MaxCharge
	case sell-wear > loss:
		return -b.MaxDischarge
	case bare < 0 && gain > sell+wear:
		return hub.Watt(min(max(zero, 0), int(b.MaxCharge)))
	case bare > 0 && buy-wear > loss:
		return hub.Watt(max(min(zero, 0), -int(b.MaxDischarge)))
	}
	return 0
}

func batteryCause(w hub.Watt) string {
	switch {
	case w > 0:
		return "a kWh is worth more later than it costs now"
	case w < 0:
		return "a kWh costs more now than it is worth later"
	}
	return "neither taking nor giving pays now"
}
