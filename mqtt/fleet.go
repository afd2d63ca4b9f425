package mqtt

import (
	"bytes"
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

// fleet knows the devices and which connection each speaks through, and turns
// what they say into reports, in one goroutine and in the order it was said.
type fleet struct {
	clock  hub.Clock
	logger *slog.Logger
	report func(hub.Report)
	send   func(message)
	wake   chan struct{}
	finder *finder
	wishes *wishes
	limits *limitWishes
	caller caller

	mu      sync.Mutex
	members []*member
	bases   map[string][]*member // several relays of one device share a base
	peers   map[string]*peer     // device -> connection that logged in with its credential
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

// speaks notes the connection that a device speaks through. A program's message
// on its topics does not displace the device's own log-in.
func (m *member) speaks(p *peer) {
	if m.peer == nil || m.peer.cred.Device != m.device.ID || p.cred.Device == m.device.ID {
		m.peer = p
	}
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
		finder: newFinder(), wishes: newWishes(clock), limits: newLimitWishes(), caller: caller{lanClient(), 80, newCouriers()},
		bases: map[string][]*member{}, peers: map[string]*peer{},
	}
}

// set replaces the devices. One that stays keeps what its driver learned.
func (f *fleet) set(devices []hub.Device) {
	f.wishes.set(devices)
	f.mu.Lock()
	defer f.mu.Unlock()
	old := map[string]*member{}
	for _, m := range f.members {
		old[m.device.ID] = m
	}
	f.members, f.bases = nil, map[string][]*member{}
	for _, d := range devices {
		m := old[d.ID]
		if m == nil || !sameDriver(m.device, d) {
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
		for _, base := range m.driver.bases() {
			f.bases[base] = append(f.bases[base], m)
		}
	}
}

// sameDriver says whether a device that was changed keeps its driver, and what
// that has learned.
func sameDriver(old, d hub.Device) bool {
	sameMap := old.Map == d.Map || old.Map != nil && d.Map != nil && *old.Map == *d.Map
	return sameMap && old.Topic == d.Topic && old.Family == d.Family && old.Role == d.Role && old.Phases == d.Phases &&
		old.FlowC == d.FlowC && old.MaxAmps == d.MaxAmps
}

// tell is what to publish for a command, and the connection that the device
// speaks through: nil while it is not there.
func (f *fleet) tell(d hub.Device, c hub.Command) ([]message, *peer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		if m.device.ID == d.ID {
			return m.driver.tell(c, f.clock.Now()), m.peer, nil
		}
	}
	// Not set yet, or just removed, which sends a last off.
	if driver := newDriver(d); driver != nil {
		return driver.tell(c, f.clock.Now()), f.peers[d.ID], nil
	}
	return nil, nil, hub.Errorf(hub.Invalid, "devices of the family %s are not driven over MQTT", d.Family)
}

// heard, connected, subscribed and disconnected take in what happened on a
// connection. They never wait: the library calls them while it serves others.
func (f *fleet) heard(p *peer, topic string, payload []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.at(topic)) == 0 && !announces(topic) && !isSet(topic) {
		return // nobody's: most of what programs tell each other
	}
	if len(f.queue) >= maxQueue {
		f.lost++
		return
	}
	f.push(event{peer: p, kind: eventHeard, topic: topic, payload: bytes.Clone(payload)}) // it lies in a read buffer
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
	defer f.caller.couriers.close()
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
	if e.kind == eventHeard && f.elsewhere(e) {
		return
	}
	now := f.clock.Now()
	f.mu.Lock()
	var reports []hub.Report
	var questions []message
	switch e.kind {
	case eventHeard:
		reports, questions = f.understand(e, now)
	case eventSubscribed:
		for _, m := range f.members {
			if m.peer == e.peer || m.peer == nil && bridges(e.peer, m) {
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

// elsewhere hands a message on that is not about the state of a device. No
// device is set under the name limit.
func (f *fleet) elsewhere(e event) bool {
	if e.topic == limitSetTopic {
		f.limits.heard(e)
		return true
	}
	if isSet(e.topic) {
		f.wishes.heard(e)
		return true
	}
	if announces(e.topic) {
		f.finder.heard(e, f.clock.Now())
	}
	return false
}

// bridges says whether a program that is no device itself may speak for a
// device that nobody speaks for yet: after a restart of the hub or the bridge
// its devices are asked how they are.
func bridges(p *peer, m *member) bool {
	return p.cred.Device == "" && mayWrite(p.cred.Grants, m.driver.bases()[0])
}

// understand is what a message says, and what to answer. A device's own
// credential speaks for that device alone outside of its base, so that none
// announces another's end.
func (f *fleet) understand(e event, now time.Time) (reports []hub.Report, answers []message) {
	members := f.at(e.topic)
	below := len(members) > 0
	if !below {
		members = f.members
	}
	for _, m := range members {
		if owner := e.peer.cred.Device; !below && owner != "" && owner != m.device.ID {
			continue
		}
		r, ok := m.driver.hear(e.topic, e.payload, now)
		if ok {
			m.speaks(e.peer)
			r.Device = m.device.ID
			reports = append(reports, r)
		}
		if d, is := m.driver.(follower); is {
			answers = append(answers, d.follow(now)...)
		}
	}
	return reports, answers
}

// at are the devices with the longest base that topic is or lies below.
func (f *fleet) at(topic string) []*member {
	for {
		if m := f.bases[topic]; len(m) > 0 {
			return m
		}
		i := strings.LastIndexByte(topic, '/')
		if i < 0 {
			return nil
		}
		topic = topic[:i]
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
