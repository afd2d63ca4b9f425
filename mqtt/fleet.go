package mqtt

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// maxQueue bounds the messages that wait to be understood. A house says some
// hundred a second; beyond that the newest are dropped, as the device says
// them again.
const maxQueue = 4096

// keepQueue is the longest queue whose memory is kept for the next messages.
const keepQueue = 256

// message is something to publish.
type message struct {
	topic   string
	payload []byte
}

// driver speaks the language of a family to one device. It is called with the
// fleet's lock held, so it needs none and must not wait.
type driver interface {
	// hear understands a message on one of the device's topics, false if it
	// is none of its own. At and Device of the report are filled in later.
	hear(topic string, payload []byte, now time.Time) (hub.Report, bool)
	// tell is what to publish so that the device does c.
	tell(c hub.Command, now time.Time) []message
	// ask is what to publish so that the device says how it is.
	ask() []message
}

// Grants are the topics that a device of the family needs: those below its own
// base and, where the family fixes them, its announcement.
func Grants(d hub.Device) []hub.Grant {
	grants := []hub.Grant{{Filter: d.Topic + "/#", Read: true, Write: true}}
	if d.Family == hub.FamilyOpenEVSE {
		grants = append(grants, hub.Grant{Filter: announceFilter(d.Topic), Write: true})
	}
	return grants
}

// newDriver is the driver of a device, nil if its family does not speak MQTT.
func newDriver(d hub.Device) driver {
	switch d.Family {
	case hub.FamilyEmonESP:
		return &emonESP{device: d}
	case hub.FamilyOpenEVSE:
		return &openEVSE{device: d}
	}
	return nil
}

// fleet knows the devices and which connection each speaks through, and turns
// what they say into reports, in one goroutine and in the order it was said.
type fleet struct {
	clock  hub.Clock
	logger *slog.Logger
	report func(hub.Report)
	send   func(message)
	wake   chan struct{}

	mu      sync.Mutex
	members []*member
	bases   map[string]*member
	peers   map[string]*peer // device -> connection that logged in with its credential
	queue   []event
	spare   []event // the queue before, to be used again
	lost    int
}

// member is one device and the connection it speaks through.
type member struct {
	device hub.Device
	driver driver
	peer   *peer
}

// event is something that happened on a connection.
type event struct {
	peer    *peer
	kind    eventKind
	topic   string
	payload []byte
}

type eventKind uint8

const (
	eventHeard eventKind = iota
	eventConnected
	eventSubscribed
	eventDisconnected
)

func newFleet(clock hub.Clock, logger *slog.Logger, report func(hub.Report), send func(message)) *fleet {
	return &fleet{
		clock: clock, logger: logger, report: report, send: send, wake: make(chan struct{}, 1),
		bases: map[string]*member{}, peers: map[string]*peer{},
	}
}

// set replaces the devices. One that stays keeps what its driver learned.
func (f *fleet) set(devices []hub.Device) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := map[string]*member{}
	for _, m := range f.members {
		old[m.device.ID] = m
	}
	f.members, f.bases = nil, map[string]*member{}
	for _, d := range devices {
		m := old[d.ID]
		if m == nil || m.device.Topic != d.Topic || m.device.Family != d.Family || m.device.Role != d.Role || m.device.Phases != d.Phases {
			m = &member{driver: newDriver(d)}
			if m.peer = f.peers[d.ID]; m.peer != nil {
				f.push(event{peer: m.peer, kind: eventConnected})
				f.push(event{peer: m.peer, kind: eventSubscribed})
			}
		}
		if m.driver == nil {
			continue
		}
		m.device = d
		f.members = append(f.members, m)
		f.bases[d.Topic] = m
	}
}

// tell is what to publish for a command.
func (f *fleet) tell(d hub.Device, c hub.Command) ([]message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		if m.device.ID == d.ID {
			return m.driver.tell(c, f.clock.Now()), nil
		}
	}
	// Not set yet, or just removed, which sends a last off.
	if driver := newDriver(d); driver != nil {
		return driver.tell(c, f.clock.Now()), nil
	}
	return nil, hub.Errorf(hub.Invalid, "devices of the family %s are not driven over MQTT", d.Family)
}

// heard, connected, subscribed and disconnected take in what happened on a
// connection. They never wait: the library calls them while it serves others.
func (f *fleet) heard(p *peer, topic string, payload []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at(topic) == nil && !strings.HasPrefix(topic, announcePrefix) {
		return // nobody's: most of what programs tell each other
	}
	if len(f.queue) >= maxQueue {
		f.lost++
		return
	}
	f.push(event{peer: p, kind: eventHeard, topic: topic, payload: payload})
}

func (f *fleet) connected(p *peer)    { f.happened(p, eventConnected) }
func (f *fleet) subscribed(p *peer)   { f.happened(p, eventSubscribed) }
func (f *fleet) disconnected(p *peer) { f.happened(p, eventDisconnected) }

func (f *fleet) happened(p *peer, kind eventKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.push(event{peer: p, kind: kind})
}

func (f *fleet) push(e event) {
	f.queue = append(f.queue, e)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run handles events until ctx ends, and then what is left of them.
func (f *fleet) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			f.drain()
			return
		case <-f.wake:
			f.drain()
		}
	}
}

func (f *fleet) drain() {
	for {
		f.mu.Lock()
		events, lost := f.queue, f.lost
		f.queue, f.spare, f.lost = f.spare[:0], nil, 0
		f.mu.Unlock()
		if lost > 0 {
			f.logger.Warn("devices said more than could be understood in time", "lost", lost)
		}
		if len(events) == 0 {
			return
		}
		for i, e := range events {
			events[i] = event{} // its payload is not kept
			f.handle(e)
		}
		if cap(events) <= keepQueue {
			f.mu.Lock()
			f.spare = events
			f.mu.Unlock()
		}
	}
}

// handle turns one event into reports and questions. What it calls may take
// locks of its own, so it is called without the fleet's.
func (f *fleet) handle(e event) {
	now := f.clock.Now()
	f.mu.Lock()
	var reports []hub.Report
	var questions []message
	switch e.kind {
	case eventHeard:
		reports = f.understand(e, now)
	case eventSubscribed:
		for _, m := range f.members {
			if m.peer == e.peer {
				questions = append(questions, m.driver.ask()...)
			}
		}
	case eventConnected, eventDisconnected:
		reports = f.presence(e)
	}
	f.mu.Unlock()
	for _, r := range reports {
		r.At = now
		f.report(r)
	}
	for _, m := range questions {
		f.send(m)
	}
}

// understand is what a message says. A device's own credential speaks for that
// device alone outside of its base, so that none announces another's end.
func (f *fleet) understand(e event, now time.Time) (reports []hub.Report) {
	if m := f.at(e.topic); m != nil {
		m.peer = e.peer
		if r, ok := m.driver.hear(e.topic, e.payload, now); ok {
			r.Device = m.device.ID
			return []hub.Report{r}
		}
		return nil
	}
	for _, m := range f.members {
		if owner := e.peer.cred.Device; owner != "" && owner != m.device.ID {
			continue
		}
		if r, ok := m.driver.hear(e.topic, e.payload, now); ok {
			m.peer = e.peer
			r.Device = m.device.ID
			reports = append(reports, r)
		}
	}
	return reports
}

// at is the device with the longest base above topic.
func (f *fleet) at(topic string) *member {
	for {
		i := strings.LastIndexByte(topic, '/')
		if i < 0 {
			return nil
		}
		topic = topic[:i]
		if m := f.bases[topic]; m != nil {
			return m
		}
	}
}

// presence is who came or went with a connection.
func (f *fleet) presence(e event) (reports []hub.Report) {
	here, id := e.kind == eventConnected, e.peer.cred.Device
	switch {
	case here && id != "":
		f.peers[id] = e.peer
	case !here && f.peers[id] == e.peer:
		delete(f.peers, id)
	}
	for _, m := range f.members {
		if here && m.device.ID == id {
			m.peer = e.peer
		} else if here || m.peer != e.peer {
			continue
		}
		if !here {
			m.peer = nil
		}
		reports = append(reports, hub.Report{Device: m.device.ID, Has: hub.ReportOnline, Online: here})
	}
	return reports
}
