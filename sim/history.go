package sim

import (
	"time"

	"homehub/hub"
)

// History lets the house live through a stretch of the past in steps of
// interval, and hands out what the meter and the roof show at the end of each.
// Nobody plans in that time: car and appliance start when people come home.
// Afterwards the house goes on living from to on, with its counters where they
// are. A house that has not lived yet is moved to from; one that has must
// stand there. An error of emit ends it and is returned as it is.
func (h *House) History(from, to time.Time, interval time.Duration, emit func(r hub.Reading, solar hub.Watt, solarEnergy hub.WattHour) error) error {
	if interval < time.Second || interval%time.Second != 0 {
		return hub.FieldErrorf("interval", "must be whole seconds")
	}
	if err := h.beginHistory(from); err != nil {
		return err
	}
	defer h.endHistory()
	seconds, end := int64(interval/time.Second), to.Unix()
	for {
		h.mu.Lock()
		if h.t >= end {
			h.mu.Unlock()
			return nil
		}
		h.step(min(seconds, end-h.t))
		r, solar, energy := h.reading(), h.flow.solar, h.solar.wattHours()
		h.mu.Unlock()
		if err := emit(r, solar, energy); err != nil {
			return err
		}
	}
}

func (h *House) beginHistory(from time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.t != from.Unix() {
		if !h.fresh {
			return hub.FieldErrorf("from", "the house has lived up to %s already", time.Unix(h.t, 0).UTC().Format(time.RFC3339))
		}
		h.begin(from)
	}
	h.habit = true
	h.look()
	return nil
}

func (h *House) endHistory() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.habit, h.tank.on = false, false
	h.look()
}
