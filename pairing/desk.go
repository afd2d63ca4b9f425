package pairing

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// The times of the protocol, in machine time: people and devices are waited
// for, not the house.
const (
	windowTime  = 120 * time.Second // how long devices may ask
	fetchTime   = 60 * time.Second  // how long an allowed device may take to fetch
	connectTime = 5 * time.Minute   // how long it may take to log in after that
	maxRequests = 8                 // devices that are shown at once

	identifyTime = 3 * time.Second // for a device to say what it is
)

// Phase is how far a pairing has come.
type Phase string

// The phases, in their order.
const (
	Closed    Phase = "closed"    // nobody may ask
	Open      Phase = "open"      // devices may ask
	Allowed   Phase = "allowed"   // the owner tapped; that device may fetch, once
	Granted   Phase = "granted"   // it has its credential and did not log in yet
	Connected Phase = "connected" // it logged in with it
	Failed    Phase = "failed"    // it took too long; State.Reason says what to do
)

// Request is a device that asks to be let in.
type Request struct {
	Addr   netip.Addr `json:"addr"`
	MAC    string     `json:"mac,omitempty"`
	Vendor string     `json:"vendor,omitempty"` // who made its network chip, when known
	Kind   string     `json:"kind,omitempty"`   // what it says it is
	First  time.Time  `json:"first"`
	Last   time.Time  `json:"last"`
}

// State is what pages show of a pairing.
type State struct {
	Phase    Phase     `json:"phase"`
	Until    time.Time `json:"until,omitzero"` // when the phase ends by itself
	Requests []Request `json:"requests"`
	Device   string    `json:"device,omitempty"` // id of the device that is let in
	Reason   string    `json:"reason,omitempty"`
}

// Deed is a kind of thing that happens at a desk. The pages have words for it.
type Deed string

// The deeds.
const (
	WindowOpened Deed = "opened"   // the window, by Who
	WindowClosed Deed = "closed"   // the window, by Who
	Asked        Deed = "asked"    // a device asks to be let in
	LetIn        Deed = "letin"    // by Who
	SetUp        Deed = "setup"    // over HTTP, by Who
	Fetched      Deed = "fetched"  // the device has its credential
	LoggedIn     Deed = "loggedin" // with it, for the first time
	// Somebody asked for a credential: once more, too late, or from elsewhere.
	RefusedAgain     Deed = "refused.again"
	RefusedLate      Deed = "refused.late"
	RefusedElsewhere Deed = "refused.elsewhere"
)

// Event is one line of the audit log.
type Event struct {
	At     time.Time  `json:"at"`            // house time
	Who    string     `json:"who,omitempty"` // who did it, "" for the device at Addr
	What   Deed       `json:"what"`
	Addr   netip.Addr `json:"addr,omitzero"`
	Device string     `json:"device,omitempty"`
}

// Config is what a Desk is made of. Port, Grants and Keep are needed.
type Config struct {
	Clock  hub.Clock
	Logger *slog.Logger
	Port   int // of the broker, as devices reach it
	// Grants are the topics that a device's credential may use.
	Grants func(hub.Device) []hub.Grant
	// Keep keeps a device with its credential, in place of any earlier one of
	// that id, which no longer opens anything. It returns only when that is
	// durable: the device gets no second chance.
	Keep func(hub.Device, hub.Credential) error
	// Changed is told that State changed; it may call State; may be nil.
	Changed func()
	// Audit writes a line of the audit log; may be nil.
	Audit func(Event)
	// Identify asks a device that wants to be let in what it is, for people to
	// know which one it is; nil: nobody asks.
	Identify func(ctx context.Context, addr netip.Addr) (kind string)
	// Announce tells the network where the hub is; nil broadcasts by UDP.
	Announce func() error
	// Neighbours is the file with the kernel's table of addresses,
	// /proc/self/net/arp if "".
	Neighbours string
}

// Desk pairs one device at a time. All methods are safe for concurrent use.
type Desk struct {
	cfg  Config
	wake chan struct{} // the phase changed; Run's timer has to

	fetching sync.Mutex // one fetch at a time; taken before mu

	mu      sync.Mutex // given back by unlock
	changed bool       // and nobody was told yet
	state   State
	addr    netip.Addr // that may fetch
	device  hub.Device // that it becomes
	granted netip.Addr // that fetched last, for the log
	late    netip.Addr // that was allowed and did not fetch in time, for the log
	refused map[refusal]time.Time
}

// New makes a desk that is closed.
func New(cfg Config) (*Desk, error) {
	if cfg.Port < 1 || cfg.Port > 65535 || cfg.Grants == nil || cfg.Keep == nil {
		return nil, hub.Errorf(hub.Internal, "pairing needs the broker's port, grants and a place to keep credentials")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	if cfg.Audit == nil {
		cfg.Audit = func(Event) {}
	}
	if cfg.Announce == nil {
		cfg.Announce = broadcast
	}
	if cfg.Neighbours == "" {
		cfg.Neighbours = "/proc/self/net/arp"
	}
	return &Desk{cfg: cfg, wake: make(chan struct{}, 1), state: State{Phase: Closed}, refused: map[refusal]time.Time{}}, nil
}

// State is how far the pairing has come.
func (d *Desk) State() State {
	d.mu.Lock()
	defer d.unlock()
	d.expire(time.Now())
	s := d.state
	s.Requests = slices.Clone(s.Requests)
	if s.Requests == nil {
		s.Requests = []Request{}
	}
	return s
}

// Open opens the window anew, for one device. Who asked before has to ask
// again.
func (d *Desk) Open(who string) State {
	d.mu.Lock()
	d.addr, d.device = netip.Addr{}, hub.Device{}
	d.turn(State{Phase: Open, Until: time.Now().Add(windowTime)})
	d.unlock()
	d.audit(who, WindowOpened, netip.Addr{}, "")
	return d.State()
}

// Cancel closes the window, and forgets how the last pairing ended. What was
// granted stays granted.
func (d *Desk) Cancel(who string) {
	d.mu.Lock()
	was := d.state.Phase
	d.addr, d.device = netip.Addr{}, hub.Device{}
	d.turn(State{Phase: Closed})
	d.unlock()
	if was == Open || was == Allowed {
		d.audit(who, WindowClosed, netip.Addr{}, "")
	}
}

// Allow lets the device that asked from addr fetch the credential of device,
// whose id and topic must be set. It is a Conflict error unless the window is
// open, and NotFound if nobody asked from there.
func (d *Desk) Allow(who string, addr netip.Addr, device hub.Device) error {
	if device.ID == "" || device.Topic == "" || strings.ContainsAny(device.ID+device.Topic, ":\r\n") {
		return hub.FieldErrorf("device", "needs an id and a topic without colons")
	}
	d.mu.Lock()
	d.expire(time.Now())
	if d.state.Phase != Open {
		d.unlock()
		return hub.Errorf(hub.Conflict, "the pairing window is not open: open it again")
	}
	if !slices.ContainsFunc(d.state.Requests, func(r Request) bool { return r.Addr == addr }) {
		d.unlock()
		return hub.Errorf(hub.NotFound, "no device at %s has asked", addr)
	}
	d.addr, d.device = addr, device
	d.turn(State{Phase: Allowed, Until: time.Now().Add(fetchTime), Requests: d.state.Requests, Device: device.ID})
	d.unlock()
	d.audit(who, LetIn, addr, device.ID)
	return nil
}

// Online says that a device logged in at the broker with its own credential.
// Only that makes a pairing complete.
func (d *Desk) Online(device string) {
	d.mu.Lock()
	if d.state.Phase != Granted || d.state.Device != device {
		d.unlock()
		return
	}
	addr := d.granted
	d.turn(State{Phase: Connected, Until: time.Now().Add(windowTime), Device: device, Requests: d.state.Requests})
	d.unlock()
	d.audit("", LoggedIn, addr, device)
}

// Run announces the hub while the window is open and ends phases in time,
// until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	const every = 5 * time.Second // EmonESP listens all the time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		case <-timer.C:
		}
		switch phase := d.State().Phase; phase {
		case Open:
			if err := d.cfg.Announce(); err != nil {
				d.cfg.Logger.Warn("announcing the hub", "err", err)
			}
			timer.Reset(every)
		case Allowed, Granted, Connected:
			timer.Reset(time.Second)
		}
	}
}

// turn goes to another state; mu is held.
func (d *Desk) turn(s State) {
	d.state, d.changed = s, true
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// unlock gives mu back and tells of a change, without it: who is told may look
// at the state at once.
func (d *Desk) unlock() {
	changed := d.changed
	d.changed = false
	d.mu.Unlock()
	if changed {
		d.cfg.Changed()
	}
}

// expire ends a phase whose time is over; mu is held.
func (d *Desk) expire(now time.Time) {
	if d.state.Until.IsZero() || now.Before(d.state.Until) {
		return
	}
	reason := ""
	switch d.state.Phase {
	case Allowed:
		d.late = d.addr
		reason = "the device did not fetch its credential in time: open the window again"
	case Granted:
		reason = "the device has its credential but never logged in: check its Wi-Fi, then pair it again"
	}
	next := State{Phase: Closed}
	if reason != "" {
		next = State{Phase: Failed, Device: d.state.Device, Reason: reason}
	}
	d.addr, d.device = netip.Addr{}, hub.Device{}
	d.turn(next)
}

func (d *Desk) audit(who string, what Deed, addr netip.Addr, device string) {
	d.cfg.Logger.Info("pairing", "who", who, "what", what, "addr", addr, "device", device)
	d.cfg.Audit(Event{At: d.cfg.Clock.Now(), Who: who, What: what, Addr: addr, Device: device})
}

// ask notes that a device at addr asks. It is false while nobody may.
func (d *Desk) ask(addr netip.Addr, now time.Time) bool {
	d.mu.Lock()
	d.expire(now)
	if d.state.Phase != Open {
		d.unlock()
		return false
	}
	requests := slices.Clone(d.state.Requests)
	i := slices.IndexFunc(requests, func(r Request) bool { return r.Addr == addr })
	isNew := i < 0
	if isNew && len(requests) >= maxRequests {
		d.unlock()
		return true // whoever comes first is shown; a crowd can not push a device off the page
	}
	if isNew {
		mac := neighbour(d.cfg.Neighbours, addr)
		d.identify(addr)
		requests = append(requests, Request{Addr: addr, MAC: mac, Vendor: vendorOf(mac), First: now})
		i = len(requests) - 1
	}
	requests[i].Last = now
	d.state.Requests = requests
	d.changed = d.changed || isNew
	d.unlock()
	if isNew {
		d.audit("", Asked, addr, "")
	}
	return true
}

// identify asks a device what it is and adds that to its request. The device
// is waiting for an answer of ours meanwhile, so this must not.
func (d *Desk) identify(addr netip.Addr) {
	if d.cfg.Identify == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), identifyTime)
		defer cancel()
		kind := d.cfg.Identify(ctx, addr)
		d.mu.Lock()
		defer d.unlock()
		requests := slices.Clone(d.state.Requests)
		if i := slices.IndexFunc(requests, func(r Request) bool { return r.Addr == addr }); i >= 0 && kind != "" {
			requests[i].Kind = kind
			d.state.Requests, d.changed = requests, true
		}
	}()
}

var errNotYours = errors.New("no credential for this address")

// fetch makes the credential of the allowed device and keeps it. It succeeds
// once, and for the address alone that was allowed.
func (d *Desk) fetch(addr netip.Addr, now time.Time) (cred hub.Credential, secret string, device hub.Device, err error) {
	d.fetching.Lock()
	defer d.fetching.Unlock()
	d.mu.Lock()
	d.expire(now)
	device = d.device
	if d.state.Phase != Allowed || addr != d.addr {
		d.unlock()
		return cred, "", device, errNotYours
	}
	d.unlock()

	cred, secret = hub.NewCredential(device.ID, device.ID, d.cfg.Grants(device), d.cfg.Clock.Now())
	if err := d.cfg.Keep(device, cred); err != nil {
		return cred, "", device, err
	}
	d.mu.Lock()
	d.granted, d.addr, d.device = addr, netip.Addr{}, hub.Device{}
	d.turn(State{Phase: Granted, Until: now.Add(connectTime), Requests: d.state.Requests, Device: device.ID})
	d.unlock()
	d.audit("", Fetched, addr, device.ID)
	return cred, secret, device, nil
}
