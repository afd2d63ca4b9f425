package scheduler

import (
	"fmt"
	"time"

	"homehub/hub"
)

// thermostats keep heaters in their bands, whatever the plan means and the sun
// gives: below the band they heat, above it they do not, and without a
// temperature they are off. Where there is no plan they are all there is. They
// stand between control and guards, and are pure but for their memory.
type thermostats struct {
	zone    *time.Location
	heaters []heater
}

// heater is what is remembered of one device.
type heater struct {
	device string
	cold   bool // was below the band, and is not far enough inside yet
	warm   bool // the same at the top
	heats  bool // without a plan: on its way from the bottom to the top
	weekly bool // on its way to the temperature of once a week

	low    hub.MilliCelsius // the band's lower end at the last look
	at     time.Time        // of the last report
	seen   time.Time        // of the last look
	gained float64          // since the report, by what the heater should have added, m°C
}

// step bends want to what the temperatures ask for at now.
func (k *thermostats) step(now time.Time, s *hub.Snapshot, want []hub.Command) {
	for i := range want {
		d := &s.Devices[i]
		mode := d.ModeAt(now)
		if want[i].Device == "" || !d.Schedule.Keeps() || mode == hub.ModeOff || mode == hub.ModeAuto && d.Schedule.PausedUntil.After(now) {
			continue
		}
		temp, at, ok := hub.Warmth(s.Devices, d)
		ok = ok && now.Sub(at) < blindAfter
		planned, _ := s.Plan.Of(d.ID)
		h := k.heater(d.ID)
		if ok {
			h.look(d, h.reckon(d, temp, at, now, planned.Rise), d.Schedule.LowAt(now.In(k.zone)))
			h.weekly = temp < d.Schedule.Keep.Weekly && (h.weekly || weeklyDue(now, d, s.Plan, planned.Hot))
		}
		switch {
		case mode == hub.ModeOn:
			if ok && h.warm {
				want[i] = hub.Command{Device: d.ID, Cause: fmt.Sprintf("warm enough: %s °C", shown(temp))}
			}
		case !ok:
			*h = heater{device: d.ID}
			want[i] = hub.Command{Device: d.ID, Cause: "its temperature is not known"}
		default:
			k.keep(now, h, d, temp, len(planned.Expected) > 0 && s.Plan.SlotAt(now) >= 0, &want[i])
		}
	}
}

// keep is step for a device on Auto whose temperature is known.
func (k *thermostats) keep(now time.Time, h *heater, d *hub.DeviceState, temp hub.MilliCelsius, planned bool, want *hub.Command) {
	on := func(cause string) {
		*want = hub.Command{Device: d.ID, On: true, Until: now.Add(hub.MaxLease), Cause: cause}
	}
	switch {
	case h.warm:
		*want = hub.Command{Device: d.ID, Cause: fmt.Sprintf("warm enough: %s °C", shown(temp))}
	case h.cold:
		on(fmt.Sprintf("too cold: %s °C", shown(temp)))
	case h.weekly:
		on(fmt.Sprintf("once a week up to %s °C", d.Schedule.Keep.Weekly))
	case planned:
	case h.heats:
		on(fmt.Sprintf("heats up to %s °C, without a plan", d.Schedule.Keep.High))
	default:
		*want = hub.Command{Device: d.ID, Cause: "warm enough until it is too cold, without a plan"}
	}
}

func (k *thermostats) heater(device string) *heater {
	for i := range k.heaters {
		if k.heaters[i].device == device {
			return &k.heaters[i]
		}
	}
	k.heaters = append(k.heaters, heater{device: device})
	return &k.heaters[len(k.heaters)-1]
}

// look moves the thermostat on. It switches back a fifth of the band later, at
// most 1 K, so that a relay does not chatter at the edge.
func (h *heater) look(d *hub.DeviceState, temp, low hub.MilliCelsius) {
	high := d.Schedule.Keep.High
	back := min(1000, (high-low)/5)
	h.cold = temp < low || h.cold && temp < low+back
	h.warm = temp >= high || h.warm && temp > high-back
	h.heats = temp < low || h.heats && temp < high && low >= h.low // at the end of the day nobody needs the rest
	h.low = low
}

// reckon is the temperature now, if it was temp at at and the heater has added
// since what it adds: a thermometer that reports every half an hour must not
// let it overshoot.
func (h *heater) reckon(d *hub.DeviceState, temp hub.MilliCelsius, at, now time.Time, rise hub.MilliCelsius) hub.MilliCelsius {
	switch {
	case !at.Equal(h.at):
		h.at, h.gained = at, 0
	case d.On && d.Online:
		h.gained += float64(rise) * now.Sub(h.seen).Minutes() / hub.SlotLength.Minutes()
	}
	h.seen = now
	return temp + hub.MilliCelsius(h.gained)
}

// shown is a temperature with one digit.
func shown(m hub.MilliCelsius) string { return fmt.Sprintf("%.1f", m.Celsius()) }
