package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"homehub/hub"
)

const (
	maxPending     = 1    // messages in the library's own queue of a client, which is empty: see deliver
	maxInflight    = 4096 // unacknowledged messages to a client; what is beyond is lost to it
	maxReceive     = 256  // unacknowledged messages from one
	sessionHours   = 1    // how long the session of a client that left is kept, in RAM
	drainTimeout   = 2 * time.Second
	closeLibrary   = 500 * time.Millisecond
	housekeeping   = 10 * time.Second
	never          = 1 << 31 // seconds; for the library's $SYS topics, which nobody may read
	readBufferSize = 1       // the library's; peers have their own
)

// Vault gives the credential of a user name.
type Vault interface {
	Credential(id string) (hub.Credential, bool)
}

// Config is what a Broker is made of. Addr and Vault are needed, all else may
// be left out.
type Config struct {
	Addr string // TCP address to listen on, e.g. 127.0.0.1:1883
	// SecureAddr is the address for TLS, "" for none, and TLS how it is spoken
	// there. If it is busy the broker runs without it and says so.
	SecureAddr string
	TLS        *tls.Config

	Vault  Vault
	Clock  hub.Clock
	Logger *slog.Logger
	// Report gets what devices say, one call at a time.
	Report func(hub.Report)
	// LoggedIn is told that a device logged in with its own credential; it must
	// not wait.
	LoggedIn func(device string)
	// Meter says which topics carry values of the smart meter, zero for none,
	// and Observe gets the readings that are made of them, one call at a time.
	Meter   MeterMap
	Observe func(hub.Reading)
	// Decide keeps what a program with the log-in client wants of a device; nil
	// takes no commands. FoundChanged is told that Found may have changed.
	Decide       func(client, device string, mode hub.Mode, until time.Time) error
	FoundChanged func()
	// SetLimit puts a limit from outside in force that the log-in client wants;
	// one without a source withdraws it. nil takes none.
	SetLimit func(client string, l hub.Limit) error
	// Condition gets how the broker is, with the reason for people.
	Condition func(c hub.Condition, reason string)
	StateFile string // snapshot of durable retained topics; "" = they end with the process
	Limits    Limits
}

// Broker is the MQTT broker of the house. All methods are safe for concurrent
// use.
type Broker struct {
	cfg      Config
	limits   Limits
	server   *mochi.Server
	guard    *guard
	gate     *gate
	door     *door
	shelf    *shelf
	fleet    *fleet
	meter    *meter // nil: no topic carries its values
	turns    *turns
	troubles *troubles
	ears     *ears
	written  []byte // the snapshot as it is on the card; Run's goroutine only
	pinging  chan struct{}
	births   chan struct{} // Home Assistant said that it is there
}

// New opens the address and restores the retained topics; it serves nobody
// yet. A busy address is an Unavailable error that says what to do.
func New(cfg Config) (*Broker, error) {
	if cfg.Vault == nil {
		return nil, hub.FieldErrorf("vault", "the broker lets nobody in without credentials")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Report == nil {
		cfg.Report = func(hub.Report) {}
	}
	if cfg.LoggedIn == nil {
		cfg.LoggedIn = func(string) {}
	}
	listener, err := openAddress(cfg.Addr)
	if err != nil {
		return nil, err
	}
	b := &Broker{cfg: cfg, limits: cfg.Limits.withDefaults(), turns: newTurns(), ears: &ears{open: map[string]*ear{}}, pinging: make(chan struct{}, 1), births: make(chan struct{}, 1)}
	b.troubles = newTroubles(cfg.Condition)
	b.door = newDoor(b.limits)
	b.shelf = newShelf(&b.limits)
	b.fleet = newFleet(cfg.Clock, cfg.Logger, cfg.Report, b.send)
	b.follow()
	if !cfg.Meter.IsZero() {
		b.meter = newMeter(cfg, b.notUnderstood)
	}
	b.server = mochi.New(&mochi.Options{
		Capabilities:            capabilities(b.limits),
		InlineClient:            true,
		Logger:                  slog.New(newMuffler(cfg.Logger.Handler())),
		SysTopicResendInterval:  never,
		ClientNetReadBufferSize: readBufferSize,
	})
	b.gate = &gate{
		vault: cfg.Vault, door: b.door, shelf: b.shelf, fleet: b.fleet, meter: b.meter, turns: b.turns, wills: &wills{waiting: map[string]*time.Timer{}},
		limits: &b.limits, logger: cfg.Logger, speed: cfg.Clock.Speed(), server: b.server, routes: &routes{server: b.server}, refused: b.refused, loggedIn: cfg.LoggedIn,
	}
	b.guard = &guard{
		listener: listener, limits: &b.limits, door: b.door, logger: cfg.Logger,
		attend: b.gate.serve, gone: b.gone, panicked: b.panicked, starved: b.starved, ready: make(chan struct{}), done: make(chan struct{}),
	}
	if err := b.server.AddHook(b.gate, nil); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	b.listenSecure()
	if err := b.restore(); err != nil {
		// Devices announce themselves again, so a lost snapshot is no reason
		// to leave the house without a broker.
		cfg.Logger.Warn("restoring retained messages", "err", err)
	}
	return b, nil
}

// openAddress listens on an address; see New for its errors.
func openAddress(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, hub.Errorf(hub.Unavailable, "the MQTT address %s is in use: stop the other broker (perhaps mosquitto) or give homehub another address", addr)
	}
	if err != nil {
		return nil, hub.Errorf(hub.Unavailable, "the MQTT address %s can not be opened: %v", addr, err)
	}
	return l, nil
}

// listenSecure opens the address for TLS, if there is one to open.
func (b *Broker) listenSecure() {
	if b.cfg.SecureAddr == "" || b.cfg.TLS == nil {
		return
	}
	l, err := openAddress(b.cfg.SecureAddr)
	if err != nil {
		b.cfg.Logger.Warn("listening for MQTT over TLS", "err", err)
		b.troubles.set(time.Now(), "tls", err.Error(), 100*365*24*time.Hour)
		return
	}
	b.guard.secure, b.guard.tls = l, b.cfg.TLS
}

// SecureAddr is where the broker listens for TLS, nil if it does not.
func (b *Broker) SecureAddr() net.Addr {
	if b.guard.secure == nil {
		return nil
	}
	return b.guard.secure.Addr()
}

// capabilities are the limits that the library keeps itself.
func capabilities(l Limits) *mochi.Capabilities {
	c := mochi.NewDefaultServerCapabilities()
	c.MaximumClients = int64(l.Connections)
	// Zero is for ever. The default drops retained messages after a day, or
	// when the clock of a Pi jumps (defect 12); the largest number overflows
	// and makes every unacknowledged message due again at once.
	c.MaximumMessageExpiryInterval = 0
	c.MaximumClientWritesPending = maxPending
	c.MaximumSessionExpiryInterval = sessionHours * 3600
	c.MaximumInflight = maxInflight
	c.ReceiveMaximum = maxReceive
	c.TopicAliasMaximum = maxAliases
	c.Compatibilities.NoInheritedPropertiesOnAck = true // acknowledgements carry no foreign properties
	return c
}

// Addr is where the broker listens.
func (b *Broker) Addr() net.Addr { return b.guard.listener.Addr() }

// Run serves until ctx ends, then shuts down within 3 s.
func (b *Broker) Run(ctx context.Context) error {
	hearing, stopHearing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHearing()
	var hearers sync.WaitGroup
	b.recall()
	hearers.Go(func() { b.fleet.run(hearing) })
	hearers.Go(func() { b.fleet.wishes.run(hearing) })
	hearers.Go(func() { b.fleet.limits.run(hearing) })
	if b.meter != nil {
		hearers.Go(func() { b.meter.run(hearing) })
	}
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("serving MQTT: %w", err)
	}
	b.guard.serve()
	b.troubles.tell()
	b.keepHouse(ctx)

	b.gate.closing.Store(true)
	b.gate.wills.cancelAll()
	b.guard.close()
	b.dismiss()
	clean := b.guard.wait(drainTimeout)
	if clean {
		clean = within(closeLibrary, func() { _ = b.server.Close() })
	}
	b.gate.workers.close()
	stopHearing()
	hearers.Wait()
	if !clean {
		b.cfg.Logger.Warn("some MQTT connections did not end in time")
	}
	_, err := b.save()
	return err
}

// keepHouse writes snapshots and lets old troubles go until ctx ends.
func (b *Broker) keepHouse(ctx context.Context) {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	next := time.Now().Add(snapshotEvery)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			b.troubles.expire(now)
			if now.Before(next) {
				continue
			}
			n, err := b.save()
			if err != nil {
				b.cfg.Logger.Warn("keeping retained messages", "err", err)
				b.troubles.set(now, "state", err.Error(), 2*snapshotPause(n))
			}
			next = now.Add(snapshotPause(n))
		}
	}
}

// dismiss tells every client that the broker leaves and ends its connection.
func (b *Broker) dismiss() {
	for _, cl := range b.server.Clients.GetAll() {
		if !cl.Net.Inline && !cl.Closed() && cl.Properties.ProtocolVersion == 5 {
			_ = b.server.DisconnectClient(cl, packets.ErrServerShuttingDown)
		}
	}
	for _, p := range b.door.everybody() {
		_ = p.Close()
	}
}

// Publish sends a message in the hub's name. It never blocks. A topic with
// wildcards or of the broker itself is an Invalid error.
func (b *Broker) Publish(topic string, payload []byte, retain bool) error {
	if !publishable(topic) {
		return hub.FieldErrorf("topic", "%q can not be published on", clip(topic))
	}
	b.gate.carry(&publication{topic: topic, payload: payload, retain: retain})
	return nil
}

// send publishes and logs what fails.
func (b *Broker) send(m message) {
	if err := b.Publish(m.topic, m.payload, m.retain); err != nil {
		b.cfg.Logger.Warn("telling a device", "topic", m.topic, "err", err)
	}
}

// SetDevices says which devices exist, and so which topics are whose.
func (b *Broker) SetDevices(devices []hub.Device) { b.fleet.set(devices) }

// Revoke ends everything of a client whose credential left the vault: its
// connection, its session and what it retained.
func (b *Broker) Revoke(id string) {
	for _, p := range b.door.everybody() {
		if p.known.Load() && p.cred.ID == id {
			p.revoked.Store(true)
			_ = p.Close()
		}
	}
	b.gate.wills.cancel(id)
	revoker := &peer{}
	b.turns.enter(id, revoker)
	if cl, ok := b.server.Clients.Get(id); ok && !cl.Net.Inline {
		cl.Stop(packets.ErrNotAuthorized)
		b.gate.forget(cl)
	}
	b.turns.leave(revoker)
	for _, topic := range b.shelf.owned(id) {
		b.gate.carry(&publication{topic: topic, retain: true})
	}
}

// gone follows the end of a connection. The device is told to be gone when its
// subscriptions are too, so that a command to it then fails.
func (b *Broker) gone(p *peer) {
	p.end(nil)
	p.settle()
	if p.client != nil && p.known.Load() {
		b.fleet.disconnected(p)
	}
	b.turns.leave(p)
}

// panicked cleans up after a connection that a panic ended.
func (b *Broker) panicked(p *peer, _ any) {
	b.troubles.set(time.Now(), "panic "+p.addr.String(),
		fmt.Sprintf("a malformed packet from %s broke the broker library; only that connection ended", p.addr), troubleTime)
	if !p.entered {
		return
	}
	cl := p.client
	cl.Stop(nil)
	b.turns.enter(cl.ID, p)
	b.gate.forget(cl)
	if will := cl.Properties.Will; will.Flag == 1 {
		b.gate.sendWill(p, will)
	}
}

// starved tells that connections wait for others to end.
func (b *Broker) starved(err error) {
	b.troubles.set(time.Now(), "starved", fmt.Sprintf("so many connections are open that new ones have to wait (%v)", err), troubleTime)
}

// within runs f and says whether it ended in time.
func within(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}
