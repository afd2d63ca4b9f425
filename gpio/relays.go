package gpio

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// retryOff is how soon a relay that would not go off is tried again.
const retryOff = time.Second

// Config is what Relays are made of.
type Config struct {
	Clock  hub.Clock
	Logger *slog.Logger // nil: none
	// Report takes in what a relay does and Condition how this part is. Both
	// may be nil, and must not call back into Relays.
	Report    func(hub.Report)
	Condition func(hub.Condition, string)
	Chip      Chip // nil: the Pi's own header
	// MinOn and MinOff are how long a relay stays on and off at least; 0 means
	// no limit. A command that comes too early is carried out when the time is
	// over. The end of a lease, a removed device and Close do not wait.
	MinOn, MinOff time.Duration
}

// Relays drives the relays of the house. It is a hub.Actuator, safe for
// concurrent use.
type Relays struct {
	cfg           Config
	minOn, minOff time.Duration // on the machine's clock

	mu     sync.Mutex // guards all below; held while reporting, so that reports keep their order
	relays map[string]*relay
	said   hub.Part // the last condition
	closed bool
}

var _ hub.Actuator = (*Relays)(nil)

// New makes Relays without a device. Where there is no header it returns a
// hub.Unavailable error that names the missing device file; the hub then runs
// without relays.
func New(cfg Config) (*Relays, error) {
	if cfg.MinOn < 0 || cfg.MinOff < 0 {
		return nil, hub.Errorf(hub.Invalid, "the minimum times of a relay must not be negative")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Report == nil {
		cfg.Report = func(hub.Report) {}
	}
	if cfg.Condition == nil {
		cfg.Condition = func(hub.Condition, string) {}
	}
	if cfg.Chip == nil {
		h, err := openHeader("/dev")
		if err != nil {
			return nil, err
		}
		cfg.Chip = h
	}
	return &Relays{cfg: cfg, minOn: cfg.Clock.Real(cfg.MinOn), minOff: cfg.Clock.Real(cfg.MinOff), relays: map[string]*relay{}}, nil
}

// SetDevices takes over what devices there are: the pins of new ones are
// claimed and off, those of devices that went, or that have other pins now,
// are switched off and given back. Devices of other families, and those that
// can not be switched, are left alone. A device whose pins can not be had
// shows in the condition.
func (r *Relays) SetDevices(devices []hub.Device) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	wanted := map[string]hub.Device{}
	for _, d := range devices {
		if d.Family == hub.FamilyGPIO && d.Switched() {
			wanted[d.ID] = d
		}
	}
	// First all that goes, as a pin may pass from one device to another.
	for id, v := range r.relays {
		d, ok := wanted[id]
		if ok && d.Topic == v.device.Topic {
			v.device = d
			continue
		}
		if err := r.drop(v); err != nil {
			r.cfg.Logger.Error("giving a relay's pins back", "device", id, "err", err)
		}
	}
	for _, d := range devices {
		if _, ok := wanted[d.ID]; !ok {
			continue
		}
		v, ok := r.relays[d.ID]
		if !ok {
			v = &relay{device: d}
			r.relays[d.ID] = v
		}
		_ = r.claim(v) // the condition has it
	}
	r.tell()
}

// Actuate switches the device's pins, or remembers to when a minimum time is
// over. An on needs a lease of at most hub.MaxLease and ends with it. If a pin
// fails the error names it and all pins of the device are off, or are tried
// until they are.
func (r *Relays) Actuate(ctx context.Context, d hub.Device, c hub.Command) error {
	lease := c.Until.Sub(r.cfg.Clock.Now())
	if c.On {
		if lease <= 0 || lease > hub.MaxLease {
			return hub.FieldErrorf("until", "a lease must end within %v from now", hub.MaxLease)
		}
		// Off is carried out in any case: whoever asks for it may be leaving.
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.relays[d.ID]
	if !ok || v.device.Topic != d.Topic {
		return hub.Errorf(hub.Unavailable, "the pins of %s are not claimed", d.Name)
	}
	if err := r.claim(v); err != nil {
		r.tell()
		return err
	}
	v.want, v.cause = c.On, c.Cause
	if c.On {
		v.until = time.Now().Add(r.cfg.Clock.Real(lease))
	}
	return r.settle(v)
}

// Close switches everything off and gives all pins back. The error names every
// pin that would not follow.
func (r *Relays) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var errs []error
	for _, v := range r.relays {
		errs = append(errs, r.drop(v))
	}
	return errors.Join(errs...)
}

// claim claims the pins of a relay that has none yet.
func (r *Relays) claim(v *relay) error {
	if len(v.pins) > 0 {
		return nil
	}
	err := v.claim(r.cfg.Chip, time.Now(), func(pin string) string {
		for _, other := range r.relays {
			if other != v && slices.ContainsFunc(other.pins, func(p claimed) bool { return p.Name == pin }) {
				return other.device.Name
			}
		}
		return ""
	})
	if err != nil {
		err = r.fail(v, err)
	} else {
		v.trouble = ""
	}
	r.report(v)
	return err
}

// settle does what is due for a relay and sets its timer for the next time.
// The timer is set before anybody hears of it: if they panic, the lease ends
// all the same.
func (r *Relays) settle(v *relay) error {
	now := time.Now()
	was := v.on
	on, _ := v.due(now, r.minOn, r.minOff)
	tried := on != v.on || v.torn
	var err error
	if tried {
		err = v.set(on, now)
	}
	_, wake := v.due(now, r.minOn, r.minOff)
	if v.torn {
		wake = now.Add(retryOff)
	}
	r.arm(v, wake)
	switch {
	case err != nil:
		err = r.fail(v, err)
	case tried:
		v.trouble = ""
	}
	if v.on != was {
		r.cfg.Logger.Info("relay switched", "device", v.device.ID, "on", v.on, "cause", v.cause)
	}
	r.tell()
	r.report(v)
	return err
}

func (r *Relays) arm(v *relay, wake time.Time) {
	if v.timer != nil {
		v.timer.Stop()
	}
	if wake.IsZero() {
		return
	}
	v.timer = time.AfterFunc(time.Until(wake), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.relays[v.device.ID] != v {
			return // it went while the timer waited
		}
		if v.want && !time.Now().Before(v.until) {
			v.cause = "the lease ended"
		}
		_ = r.settle(v) // fail has said it
	})
}

// drop switches a relay off, gives its pins back and forgets it.
func (r *Relays) drop(v *relay) error {
	err := v.release()
	delete(r.relays, v.device.ID)
	r.report(v)
	return err
}

// fail remembers why a relay does not work, once per reason in the log, and
// makes an error for people of it.
func (r *Relays) fail(v *relay, err error) error {
	reason := strings.ReplaceAll(err.Error(), "\n", "; ")
	if v.trouble != reason {
		r.cfg.Logger.Warn("a relay does not work", "device", v.device.ID, "err", reason)
	}
	v.trouble = reason
	if hub.CodeOf(err) == hub.Invalid {
		return err
	}
	return hub.Errorf(hub.Unavailable, "%s: %s", v.device.Name, reason)
}

func (r *Relays) report(v *relay) {
	r.cfg.Report(hub.Report{
		Device: v.device.ID, At: r.cfg.Clock.Now(), Has: hub.ReportOnline | hub.ReportOn,
		Online: len(v.pins) > 0, On: v.on,
	})
}

// tell says how this part is when that changed: down while a relay that must
// be off is not, degraded while one does not work.
func (r *Relays) tell() {
	now := hub.Part{Condition: hub.OK}
	var reasons []string
	for _, id := range slices.Sorted(maps.Keys(r.relays)) {
		v := r.relays[id]
		if v.trouble == "" {
			continue
		}
		reasons = append(reasons, v.device.Name+": "+v.trouble)
		if v.on {
			now.Condition = hub.Down
		} else if now.Condition == hub.OK {
			now.Condition = hub.Degraded
		}
	}
	now.Reason = strings.Join(reasons, "; ")
	if now != r.said {
		r.said = now
		r.cfg.Condition(now.Condition, now.Reason)
	}
}
