package scheduler

import (
	"math"
	"time"

	"homehub/hub"
)

const (
	// blindAfter is how old a temperature may be. A heater that nobody measures
	// goes off then: one without a thermostat of its own would boil its tank,
	// one with it loses comfort at most, and frost takes days.
	blindAfter = time.Hour
	// coldEUR is what a K below the band for a quarter of an hour may cost: more
	// than the heat for it ever does, less than a missed deadline.
	coldEUR = 2
)

// heatWish is a temperature to keep, as the planner sees it.
type heatWish struct {
	model HeatModel
	tank  bool
	watts float64
	temp  float64   // now, °C
	high  float64   // °C
	low   []float64 // °C at the beginning of each slot, and at the end of the last
	quart []int     // quarter of the day of each slot
}

// heat is what a device that keeps a temperature wants now, or why nothing can
// be planned for it.
func (in *Inputs) heat(d *hub.DeviceState) (*heatWish, hub.Why) {
	temp, at, ok := hub.Warmth(in.Devices, d)
	if !ok || in.Now.Sub(at) >= blindAfter {
		return nil, hub.Why{Kind: hub.WhyBlind, From: at}
	}
	keep := d.Schedule.Keep
	w := &heatWish{
		model: in.Heat[d.ID], tank: isTank(&d.Device), watts: heatPower(d), temp: temp.Celsius(), high: keep.High.Celsius(),
		low: make([]float64, len(in.Slots)+1), quart: make([]int, len(in.Slots)),
	}
	if w.model.Odd {
		return nil, hub.Why{Kind: hub.WhyPlain, Wanted: keep.Low.Celsius(), Final: keep.High.Celsius()}
	}
	if !w.model.Learned {
		hot := w.model.Hot
		w.model = priorHeat(&d.Device, w.watts)
		w.model.Hot = hot
	}
	for i, s := range in.Slots {
		w.quart[i] = quarterOf(s.Start, in.Zone)
		w.low[i] = d.Schedule.LowAt(s.Start.In(in.Zone)).Celsius()
	}
	end := in.Slots[len(in.Slots)-1].End()
	w.low[len(in.Slots)] = d.Schedule.LowAt(end.In(in.Zone)).Celsius()
	return w, hub.Why{}
}

// margin is how far above the lower end the plan stays: the model misses a
// little.
func (w *heatWish) margin() float64 { return min(0.5, (w.high-w.most())/10) }

// most is the highest of the lower bounds.
func (w *heatWish) most() float64 {
	most := w.low[0]
	for _, v := range w.low {
		most = max(most, v)
	}
	return most
}

// shift is how far the lower bound lies below its highest, per slot. It rises
// to the next hours of warmth no faster than the heater can follow. A tank is
// planned with the highest all the time: it hardly cools in a night, and the
// whole of its band is where cheap hours are stored.
func (w *heatWish) shift() []float64 {
	out := make([]float64, len(w.low))
	if w.tank {
		return out
	}
	top := w.most()
	lift := max(0.05, 0.9*w.model.Gain-w.model.Loss*max(0, top-w.model.Ambient))
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = w.low[i] - top
		if i+1 < len(out) {
			out[i] = max(out[i], out[i+1]-lift)
		}
	}
	return out
}

// load puts the wish into the planner's terms. The planner's band is the same
// at all times, so the temperature is counted from the shifted band: what the
// shift adds in a slot is a draw.
func (w *heatWish) load(s *hub.DeviceState, j *Job, in *Inputs) Load {
	n, shift, m := len(in.Slots), w.shift(), w.model
	t := &Thermal{
		StartC: w.temp - shift[0], MinC: w.most() + w.margin(), MaxC: w.high, // the thermostat cuts what is too much
		GainKPerSlot: m.Gain, LossPerSlot: m.Loss, AmbientC: make(PerSlot, n), DrawK: make(PerSlot, n),
		ColdEURPerKSlot: coldEUR,
		EndValueEURPerK: 0.8 * in.meanImport() * w.watts * slotHours / 1000 / m.Gain,
	}
	for i := range n {
		t.AmbientC[i] = m.Ambient - shift[i]
		t.DrawK[i] = m.draw(w.quart[i]) - shift[i] + shift[i+1]
	}
	l := Load{
		ID: s.ID, Kind: KindThermal, Phases: phasesOf(s.Device, in.Connection), PowerW: w.watts, Thermal: t,
		MinOnSlots: 1, StartCostEUR: 0.005,
	}
	if s.Family == hub.FamilyHPMon {
		l.MinOnSlots = 2 // a compressor needs some minutes to be worth its start
	}
	if s.Commanded.On && !j.Started.IsZero() {
		l.RunningSlots = max(1, int(in.Now.Sub(j.Started)/hub.SlotLength))
	}
	return l
}

// plannedHeat fills in what the plan has chosen for a heater.
func plannedHeat(out *hub.Planned, in Inputs, w *wish, solved *Plan, grid grid) {
	h, on := w.heat, solved.Loads[w.state.ID].On
	d := w.state.Device
	d.Power = hub.Watt(h.watts)
	power := powers(d, w, solved.Loads[d.ID], len(in.Slots))
	out.Runs = runsOf(d, in.Slots, power)
	out.Cost = grid.cost(power, power)
	out.CostNow = out.Cost
	out.Need = hub.WattHour(max(0, h.high-h.temp) / h.model.Gain * h.watts * slotHours)
	out.Worth = max(worthOf(in, power, solved.LoadValue, false), in.cheapest())
	out.Rise = hub.MilliCelsius(math.Round(h.model.Gain * 1000))
	out.Expected = h.expected(on)
	out.Hot = h.model.Hot
	out.Deadline = h.coldAt(in.Slots)
	out.Why = h.why(on, out.Expected, in.Slots)
}

// expected is the temperature at the beginning of each slot, and at the end of
// the last, under a plan.
func (w *heatWish) expected(on []int) []hub.MilliCelsius {
	out := make([]hub.MilliCelsius, len(w.low))
	temp := w.temp
	out[0] = hub.MilliCelsius(math.Round(temp * 1000))
	for i, q := range w.quart {
		duty := 0.
		if i < len(on) {
			duty = float64(on[i])
		}
		temp = w.model.after(q, temp, duty)
		out[i+1] = hub.MilliCelsius(math.Round(temp * 1000))
	}
	return out
}

// coldAt is when the temperature would leave the band if nobody heated; the end
// of the plan if it does not.
func (w *heatWish) coldAt(slots []hub.Slot) time.Time {
	for i, temp := range w.expected(nil) {
		if temp.Celsius() < w.low[i] {
			return slots[max(0, i-1)].Start
		}
	}
	return slots[len(slots)-1].End()
}

func (w *heatWish) why(on []int, expected []hub.MilliCelsius, slots []hub.Slot) hub.Why {
	why := hub.Why{Kind: hub.WhyWarm, Coldest: w.temp, From: slots[0].Start, Wanted: w.low[0], Final: expected[len(expected)-1].Celsius()}
	for i, at := range expected[1:] {
		temp, heats := at.Celsius(), i < len(on) && on[i] != 0
		if heats {
			why.Takes += hub.SlotLength
		}
		if temp < why.Coldest {
			why.Coldest, why.From, why.Wanted = temp, slots[i].End(), w.low[i+1]
		}
		if temp < w.low[i+1]-0.2 && !heats {
			why.Kind = hub.WhyTooCold
		}
	}
	return why
}

// cheapest is the lowest known import price to come, 0 if none is known.
func (in *Inputs) cheapest() (price hub.MicroEuro) {
	known := false
	for _, s := range in.Slots {
		if s.Known && (!known || s.Import < price) {
			price, known = s.Import, true
		}
	}
	return price
}

// strayed says whether a heater's temperature is off its plan by a fifth of the
// band, and at least 1 K: somebody has taken a bath.
func strayed(s *hub.Snapshot, now time.Time) bool {
	slot := s.Plan.SlotAt(now)
	for i := range s.Devices {
		d := &s.Devices[i]
		p, _ := s.Plan.Of(d.ID)
		temp, at, ok := hub.Warmth(s.Devices, d)
		if !d.Schedule.Keeps() || !ok || now.Sub(at) >= blindAfter || slot < 0 || slot+1 >= len(p.Expected) {
			continue
		}
		keep := d.Schedule.Keep
		lo, hi := min(p.Expected[slot], p.Expected[slot+1]), max(p.Expected[slot], p.Expected[slot+1])
		if by := max(1000, (keep.High-keep.Low)/5); temp < lo-by || temp > hi+by {
			return true
		}
	}
	return false
}
