package gpio

import (
	"errors"
	"fmt"
	"time"

	"homehub/hub"
)

// relay is one device: its pins, what it was told, and what it does.
type relay struct {
	device  hub.Device
	pins    []claimed // none while they could not be claimed
	trouble string    // why it does not work; "" while it does
	cause   string    // of the last command
	timer   *time.Timer
	state
}

type claimed struct {
	Pin
	line Line
}

// state is what a relay shall do and does. Its times are the machine's and
// carry a monotonic part: a Pi has no clock of its own, and when the network
// corrects the time of day no lease may grow by the difference.
type state struct {
	on    bool      // as last written; true as well when a pin refused to go off
	torn  bool      // a pin refused to go off, so the pins may differ
	since time.Time // when on changed
	want  bool      // the last command
	until time.Time // end of the last lease
}

// due says whether the relay must be on at now, and when to look again (zero:
// not before the next command). The minimum times hold a command back; the
// end of a lease is never held back.
func (s state) due(now time.Time, minOn, minOff time.Duration) (on bool, wake time.Time) {
	if !now.Before(s.until) {
		return false, time.Time{}
	}
	rested := s.since.Add(minOff)
	served := s.since.Add(minOn)
	switch {
	case s.want && !s.on && now.Before(rested):
		return false, rested
	case s.want:
		return true, s.until
	case s.on && now.Before(served):
		if served.After(s.until) {
			return true, s.until
		}
		return true, served
	}
	return false, time.Time{}
}

// claim takes the relay's pins, all off, or none of them.
func (v *relay) claim(chip Chip, now time.Time, owner func(pin string) string) error {
	pins, err := ParsePins(v.device.Topic)
	if err != nil {
		return err
	}
	for _, p := range pins {
		if name := owner(p.Name); name != "" {
			return errors.Join(hub.FieldErrorf("topic", "%s is used by %s already", p.Name, name), v.release())
		}
		line, err := chip.Claim(p.Name, p.level(false))
		if err != nil {
			return errors.Join(fmt.Errorf("claiming %s: %w", p.Name, err), v.release())
		}
		v.pins = append(v.pins, claimed{p, line})
	}
	// Nobody knows what the relay did before, so its rest begins now.
	v.state = state{since: now}
	return nil
}

// set switches all pins. If one can not be switched on, all go off again. If
// one can not be switched off, the others still do, and the relay counts as on
// and is due to go off whatever was asked of it.
func (v *relay) set(on bool, now time.Time) error {
	var failed error
	if on {
		if failed = v.raise(); failed == nil {
			v.on, v.torn, v.since = true, false, now
			return nil
		}
		v.want = false
	}
	stuck := v.clear()
	v.on, v.torn, v.since = stuck != nil, stuck != nil, now
	if v.torn {
		v.want, v.until = false, time.Time{}
	}
	return errors.Join(failed, stuck)
}

// raise writes on to every pin up to the first that fails.
func (v *relay) raise() error {
	for _, p := range v.pins {
		if err := p.line.Out(p.level(true)); err != nil {
			return fmt.Errorf("switching on %s: %w", p.Name, err)
		}
	}
	return nil
}

// clear writes off to every pin, whatever happens to the one before.
func (v *relay) clear() error {
	var errs []error
	for _, p := range v.pins {
		if err := p.line.Out(p.level(false)); err != nil {
			errs = append(errs, fmt.Errorf("switching off %s: %w", p.Name, err))
		}
	}
	return errors.Join(errs...)
}

// release switches off and gives the pins back. It can not wait for a minimum
// time, as nobody would be left to switch off afterwards.
func (v *relay) release() error {
	err := v.clear()
	for _, p := range v.pins {
		if e := p.line.Close(); e != nil {
			err = errors.Join(err, fmt.Errorf("releasing %s: %w", p.Name, e))
		}
	}
	v.pins, v.state = nil, state{}
	return err
}
