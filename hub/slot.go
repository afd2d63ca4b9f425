package hub

import "time"

// SlotLength is a quarter of an hour, the unit of prices and of plans.
const SlotLength = 15 * time.Minute

// Slot is one quarter on the UTC grid with its prices per kWh, all taxes in.
// A local day has 92, 96 or 100 of them.
type Slot struct {
	Start  time.Time
	Import MicroEuro // for a kWh taken from the grid
	Export MicroEuro // paid for a kWh given to the grid
	Known  bool      // false: nobody knows this price yet; it must not be invented
}

// End is the start of the next slot.
func (s Slot) End() time.Time { return s.Start.Add(SlotLength) }

// SlotStart is the start of the slot that holds t.
func SlotStart(t time.Time) time.Time { return t.UTC().Truncate(SlotLength) }

// Run is one uninterrupted stretch that the plan lets a device be on.
type Run struct {
	Device string    `json:"device"`
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Amps   int       `json:"amps,omitempty"` // charger only
	Power  Watt      `json:"power_w"`
}

// Planned is what the plan says of one device.
type Planned struct {
	Device   string    `json:"device"`
	Deadline time.Time `json:"deadline"`
	Need     WattHour  `json:"need_wh"` // what is still to be delivered
	Cost     MicroEuro `json:"cost_microeuro"`
	// CostNow is what starting at once would cost.
	CostNow MicroEuro `json:"cost_now_microeuro"`
	// Worth is what a kWh now is worth to the device: what its dearest planned
	// one would cost, µEUR. 0: the plan alone says when it runs.
	Worth MicroEuro `json:"worth_microeuro_kwh,omitempty"`
	When  When      `json:"when,omitempty"`
	// Short is the part of Need that does not fit before the deadline.
	Short WattHour `json:"short_wh"`
	// Expected is the temperature that the plan of a heater expects at the
	// beginning of each slot and at the end of the last, and Rise what a slot at
	// full power adds to it.
	Expected []MilliCelsius `json:"-"`
	Rise     MilliCelsius   `json:"-"`
	// Hot is when a tank last was as hot as it shall be once a week.
	Hot    time.Time `json:"-"`
	Reason string    `json:"reason"`       // one sentence for people, in English
	Why    Why       `json:"why,omitzero"` // the same as a value, for other languages
	Runs   []Run     `json:"runs"`
}

// Plan is what the scheduler means to do, from At on. It is never changed
// once it is published; a new one replaces it.
type Plan struct {
	At      time.Time `json:"at"`
	Slots   []Slot    `json:"-"`
	Devices []Planned `json:"devices"`
	// Cost of the whole house over the horizon and the proven lower bound.
	Cost  MicroEuro `json:"cost_microeuro"`
	Bound MicroEuro `json:"lower_bound_microeuro"`
	// Net is the grid power that the plan expects in each slot, + import.
	// Chosen is that part of it which the plan means to reach even if it should
	// be the month's highest: 0 where it has moved nothing into the slot.
	Net    []Watt `json:"-"`
	Chosen []Watt `json:"-"`
	// Stored is what one more kWh in the house's battery is worth after each
	// slot, µEUR; nil without a battery.
	Stored []MicroEuro `json:"-"`
}

// SlotAt is the index of the slot that holds t, -1 outside of the plan.
func (p *Plan) SlotAt(t time.Time) int {
	if p == nil || len(p.Slots) == 0 {
		return -1
	}
	i := int(t.Sub(p.Slots[0].Start) / SlotLength)
	if t.Before(p.Slots[0].Start) || i >= len(p.Slots) {
		return -1
	}
	return i
}

// Of is what the plan says of a device; ok is false if it says nothing.
func (p *Plan) Of(device string) (planned Planned, ok bool) {
	if p == nil {
		return Planned{}, false
	}
	for _, d := range p.Devices {
		if d.Device == device {
			return d, true
		}
	}
	return Planned{}, false
}

// RunAt is the run of a device that holds t; ok is false if it is to be off.
func (p *Plan) RunAt(device string, t time.Time) (run Run, ok bool) {
	d, _ := p.Of(device)
	for _, r := range d.Runs {
		if !t.Before(r.Start) && t.Before(r.End) {
			return r, true
		}
	}
	return Run{}, false
}

// Stretches are the runs for people: one that follows on another is joined to
// it, whatever the amps, since a change of current is no new run to them.
func (p Planned) Stretches() []Run {
	var joined []Run
	for _, r := range p.Runs {
		if n := len(joined); n > 0 && joined[n-1].End.Equal(r.Start) {
			joined[n-1].End = r.End
			joined[n-1].Power = max(joined[n-1].Power, r.Power)
			joined[n-1].Amps = max(joined[n-1].Amps, r.Amps)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}
