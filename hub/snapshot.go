package hub

import "time"

// Snapshot is what is true at one moment. It is a value: what it points to is
// never changed, only replaced.
type Snapshot struct {
	Seq uint64    // rises with every change
	At  time.Time // when the snapshot was taken

	HasReading bool
	Reading    Reading
	Stale      bool      // there were readings, but they stopped
	StaleSince time.Time // since when there is no reading; zero while there is

	Solar    Watt // sum of the solar devices
	HasSolar bool
	House    Watt // what the house uses: import - export + solar - what batteries take, never negative

	Devices    []DeviceState
	DevicesSeq uint64 // rises when Devices changes
	Plan       *Plan  // nil before the first
	PlanSeq    uint64

	Limit    Limit     // from outside; see Limit.ActiveAt
	Guarding *Guarding // what the guards hold back; nil: nothing
}

// Age is how old the reading is.
func (s Snapshot) Age() time.Duration { return s.At.Sub(s.Reading.Received) }

// balance recomputes what follows from the reading and the devices.
func (s *Snapshot) balance() {
	s.Solar, s.HasSolar = 0, false
	var stored Watt // what goes into batteries; negative: comes out of them
	for i := range s.Devices {
		d := &s.Devices[i]
		if !d.Online || d.Has&ReportPower == 0 {
			continue
		}
		switch d.Role {
		case RoleSolar:
			s.Solar += d.Watts
			s.HasSolar = true
		case RoleBattery:
			stored += d.Watts
		}
	}
	// Meter, inverter and battery are not read at the same instant, so the sum
	// can dip below zero for a moment; a house never does.
	s.House = max(0, s.Reading.Net()+s.Solar-stored)
}

// merge takes over what a report says and leaves the rest.
func (s *DeviceState) merge(r Report) {
	s.Has |= r.Has
	if r.Has&ReportOnline != 0 {
		s.Online = r.Online
	} else {
		s.Online = true // whoever speaks is there
	}
	if r.Has&ReportOn != 0 {
		s.On = r.On
		if s.On == s.Commanded.On {
			s.Mismatch = false
		}
	}
	if r.Has&ReportAmps != 0 {
		s.Amps = r.Amps
	}
	if r.Has&ReportPower != 0 {
		s.Watts = r.Power
	}
	if r.Has&ReportEnergy != 0 {
		s.Counter = r.Energy
	}
	if r.Has&ReportPlugged != 0 {
		s.Plugged = r.Plugged
	}
	if r.Has&ReportPhases != 0 {
		s.PhasesOn = r.Phases
	}
	if r.Has&ReportSoC != 0 {
		s.SoC = r.SoC
	}
	if r.Has&ReportTemp != 0 {
		s.Temp, s.TempAt = r.Temp, r.At
	}
	s.Seen = r.At
}

// Subscription wakes its owner when something changed. It never blocks the
// hub: several changes before the owner looks are one wake-up, and Snapshot
// then has the latest.
type Subscription struct {
	hub *Hub
	c   chan struct{}
}

// Subscribe starts a subscription; its owner must Close it.
func (h *Hub) Subscribe() *Subscription {
	s := &Subscription{hub: h, c: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs = append(h.subs, s)
	return s
}

// C receives a value when there is something new.
func (s *Subscription) C() <-chan struct{} { return s.c }

// Close ends the subscription.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for i, other := range s.hub.subs {
		if other == s {
			s.hub.subs = append(s.hub.subs[:i:i], s.hub.subs[i+1:]...)
			return
		}
	}
}

// wake tells every subscriber; h.mu is held.
func (h *Hub) wake() {
	for _, s := range h.subs {
		select {
		case s.c <- struct{}{}:
		default:
		}
	}
}
