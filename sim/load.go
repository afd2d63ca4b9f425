package sim

import "homehub/hub"

// phases are powers on L1, L2 and L3; positive is taken from the grid.
type phases [3]hub.Watt

func (p phases) sum() hub.Watt { return p[0] + p[1] + p[2] }

// washLength is how long a wash takes, in seconds.
const washLength = 100 * 60

// habits are the loads that no plan controls, at t: base load, fridge,
// evening, cooking and the washing machine. All of it follows from the dice.
func (d dice) habits(x *day, t, second int64) phases {
	return phases{
		d.base(t) + d.fridge(t) + d.cooking(x, t, second),
		d.evening(t, second) + d.wash(x, t, second),
		25 + hub.Watt(20*d.smooth(chBase, t+7_000_000, 1800)),
	}
}

func (d dice) base(t int64) hub.Watt {
	return 80 + hub.Watt(60*d.smooth(chBase, t, 1200)+14*d.unit(chFlicker, t/5))
}

// fridge runs its compressor for a third of every 45 minutes or so.
func (d dice) fridge(t int64) hub.Watt {
	const cycle = 2700
	n, rest := floorDiv(t+int64(d.bits(chFridge, -1)%cycle), cycle)
	if rest >= d.between(chFridge, n, 720, 1140) {
		return 0
	}
	if rest < 4 {
		return 310 // the compressor starts
	}
	return 85
}

// evening is light and screens: some in the morning, more from 17 to 23.
func (d dice) evening(t, second int64) hub.Watt {
	wander := d.smooth(chEvening, t, 900)
	switch hour := second / 3600; {
	case hour >= 17 && hour < 23:
		return 120 + hub.Watt(230*wander)
	case hour >= 6 && hour < 9:
		return 40 + hub.Watt(160*wander)
	case hour >= 9 && hour < 17:
		return 20 + hub.Watt(90*wander)
	}
	return 12
}

// cooking is a stove whose thermostat switches every 20 seconds.
func (d dice) cooking(x *day, t, second int64) hub.Watt {
	if second < x.cooking || second >= x.cooking+x.cookingFor {
		return 0
	}
	if (second-x.cooking) > 300 && d.unit(chCooking, -1-t/20) < 0.45 {
		return 60
	}
	return hub.Watt(x.cookingWatt)
}

// wash heats for 20 minutes, tumbles, and spins at the end.
func (d dice) wash(x *day, t, second int64) hub.Watt {
	if x.wash < 0 || second < x.wash || second >= x.wash+washLength {
		return 0
	}
	switch since := second - x.wash; {
	case since < 240:
		return 60 // water comes in
	case since < 1440:
		return 2050
	case since >= washLength-600:
		return 380 + hub.Watt(120*d.unit(chWash, -1-t/3))
	case since%40 < 26:
		return 190
	}
	return 30
}

// appliance is what hangs on the plug, when the plug is on.
func (d dice) appliance(t int64, rated hub.Watt) hub.Watt {
	return rated + hub.Watt(float64(rated)*0.02*(d.smooth(chAppliance, t, 120)-0.5))
}
