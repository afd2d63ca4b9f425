package hub

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Keeper keeps what people decided. Both calls return only when the change is
// durable.
type Keeper interface {
	PutDevice(d Device) error
	DeleteDevice(id string) error
}

// Config is what a Hub is made of.
type Config struct {
	Clock     Clock
	Logger    *slog.Logger
	Recorder  Recorder                        // where values of feeds go
	Interval  time.Duration                   // of the feeds; power feeds hold the mean over it; 10 s if 0
	Keeper    Keeper                          // where devices are kept
	Devices   []Device                        // those kept already
	Actuators map[Family]Actuator             // who drives which family
	Ensure    func(FeedSpec) error            // makes a feed if it is new; nil: they exist already
	Last      func(feed string) (int64, bool) // last stored value of a counter; nil: none
	Limit     Limit                           // the limit from outside as it was kept
	KeepLimit func(Limit) error               // keeps a limit, durably; nil: it is forgotten at a restart
}

// Hub is the live state of the house. All methods are safe for concurrent
// use and none of them touches the disk, except PutDevice and DeleteDevice,
// which wait for the Keeper.
type Hub struct {
	cfg  Config
	rec  *record
	edit sync.Mutex // one change of devices at a time

	mu    sync.Mutex // guards all below; never held while calling out
	live  Snapshot
	gap   time.Duration // between the last two readings
	subs  []*Subscription
	asked map[string]time.Time // device -> when its command was last sent
}

// New makes a hub that knows the devices of cfg and no reading yet.
func New(cfg Config) (*Hub, error) {
	if cfg.Interval == 0 {
		cfg.Interval = 10 * time.Second
	}
	h := &Hub{cfg: cfg, rec: newRecord(cfg), asked: map[string]time.Time{}}
	h.live.StaleSince, h.live.Limit = cfg.Clock.Now(), cfg.Limit
	for _, spec := range houseFeeds() {
		if err := h.ensure(spec); err != nil {
			return nil, err
		}
	}
	for _, d := range cfg.Devices {
		if err := h.ensureDevice(d); err != nil {
			return nil, err
		}
		h.live.Devices = append(h.live.Devices, DeviceState{Device: d})
	}
	return h, nil
}

// Snapshot is what is true now.
func (h *Hub) Snapshot() Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.live
	s.At = h.cfg.Clock.Now()
	return s
}

// Observe takes in a reading of the meter. It never blocks and, once every
// feed exists, allocates nothing.
func (h *Hub) Observe(r Reading) {
	if r.At.IsZero() {
		r.At = r.Received
	}
	h.mu.Lock()
	if h.live.HasReading {
		h.gap = r.Received.Sub(h.live.Reading.Received)
	}
	h.live.Reading, h.live.HasReading = r, true
	h.live.Stale, h.live.StaleSince = false, time.Time{}
	h.live.Seq++
	h.live.balance()
	solar, hasSolar, house := h.live.Solar, h.live.HasSolar, h.live.House
	h.wake()
	h.mu.Unlock()
	h.rec.reading(r, solar, hasSolar, house)
}

// Report takes in what a device says of itself. A report about a device that
// is not known is dropped.
func (h *Hub) Report(r Report) {
	h.mu.Lock()
	i := h.index(r.Device)
	if i < 0 {
		h.mu.Unlock()
		return
	}
	// Copy on write: snapshots share the slice.
	devices := slices.Clone(h.live.Devices)
	was := devices[i].Online
	devices[i].merge(r)
	if !was && devices[i].Online {
		// What it missed is sent again with the next tick.
		delete(h.asked, r.Device)
		devices[i].Mismatch, devices[i].Tries = false, min(devices[i].Tries, 1)
	}
	h.live.Devices = devices
	h.live.DevicesSeq++
	h.live.Seq++
	h.live.balance()
	d := devices[i].Device
	h.wake()
	h.mu.Unlock()
	h.rec.report(d, r)
}

// Do gives a command to a device. Switching on needs a lease of at most
// MaxLease. The state shows the command at once and its confirmation when the
// device reports it.
func (h *Hub) Do(ctx context.Context, c Command) error {
	now := h.cfg.Clock.Now()
	c.At = now
	if c.On && (!c.Until.After(now) || c.Until.Sub(now) > MaxLease) {
		return FieldErrorf("until", "a lease must end within %v from now", MaxLease)
	}
	h.mu.Lock()
	i := h.index(c.Device)
	if i < 0 {
		h.mu.Unlock()
		return Errorf(NotFound, "there is no device %q", c.Device)
	}
	d := h.live.Devices[i].Device
	if !d.Driven() {
		h.mu.Unlock()
		return Errorf(Invalid, "%s can not be switched", d.Name)
	}
	h.update(i, func(s *DeviceState) {
		if !s.Commanded.Same(c) {
			s.Tries, s.Mismatch = 0, false
		} else if !s.Commanded.At.IsZero() {
			c.At = s.Commanded.At // a renewed lease is no new command
			if s.Confirmed() {
				s.Tries = 0
			}
		}
		s.Commanded = c
		s.Tries++
	})
	h.asked[c.Device] = now
	h.mu.Unlock()
	return h.actuate(ctx, d, c)
}

func (h *Hub) actuate(ctx context.Context, d Device, c Command) error {
	a, ok := h.cfg.Actuators[d.Family]
	if !ok {
		return Errorf(Unavailable, "nothing drives devices of the family %s here", d.Family)
	}
	return a.Actuate(ctx, d, c)
}

// SetPlan publishes the plan in force. It must not be changed afterwards.
func (h *Hub) SetPlan(p *Plan) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live.Plan = p
	h.live.PlanSeq++
	h.live.Seq++
	h.wake()
}

// PutDevice adds a device or changes what people decided about one. It
// returns when the decision is durable.
func (h *Hub) PutDevice(d Device) error {
	d, err := d.Validate()
	if err != nil {
		return err
	}
	h.edit.Lock()
	defer h.edit.Unlock()
	for _, s := range h.Snapshot().Devices {
		if s.ID != d.ID && s.Family == d.Family && s.Topic == d.Topic {
			return &Error{Code: Conflict, Field: "topic", Message: "is used by " + s.Name + " already"}
		}
	}
	if err := h.ensureDevice(d); err != nil {
		return err
	}
	if h.cfg.Keeper != nil {
		if err := h.cfg.Keeper.PutDevice(d); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := h.index(d.ID); i >= 0 {
		h.update(i, func(s *DeviceState) { s.Device = d })
		return nil
	}
	h.live.Devices = append(slices.Clip(h.live.Devices), DeviceState{Device: d})
	h.changed()
	return nil
}

// DeleteDevice forgets a device. What it measured stays. A device that is on
// is switched off first, as nobody would watch its lease any more.
func (h *Hub) DeleteDevice(ctx context.Context, id string) error {
	h.edit.Lock()
	defer h.edit.Unlock()
	s, ok := h.Device(id)
	if !ok {
		return Errorf(NotFound, "there is no device %q", id)
	}
	if s.Commanded.On {
		if err := h.Do(ctx, Command{Device: id, Cause: "removed"}); err != nil {
			h.cfg.Logger.Warn("switching off a device that is removed", "device", id, "err", err)
		}
	}
	if h.cfg.Keeper != nil {
		if err := h.cfg.Keeper.DeleteDevice(id); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := h.index(id); i >= 0 {
		h.live.Devices = slices.Delete(slices.Clone(h.live.Devices), i, i+1)
		h.live.balance()
		h.changed()
	}
	return nil
}

// Device is the state of one device.
func (h *Hub) Device(id string) (DeviceState, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := h.index(id); i >= 0 {
		return h.live.Devices[i], true
	}
	return DeviceState{}, false
}

func (h *Hub) index(id string) int {
	return slices.IndexFunc(h.live.Devices, func(s DeviceState) bool { return s.ID == id })
}

// update changes one device's state in a copy that later snapshots share.
func (h *Hub) update(i int, change func(*DeviceState)) {
	h.live.Devices = slices.Clone(h.live.Devices)
	change(&h.live.Devices[i])
	h.changed()
}

func (h *Hub) changed() {
	h.live.DevicesSeq++
	h.live.Seq++
	h.wake()
}

func (h *Hub) ensure(spec FeedSpec) error {
	if h.cfg.Ensure == nil {
		return nil
	}
	return h.cfg.Ensure(spec)
}

func (h *Hub) ensureDevice(d Device) error {
	var errs []error
	for _, spec := range deviceFeeds(d) {
		errs = append(errs, h.ensure(spec))
	}
	return errors.Join(errs...)
}
