package mqtt

import (
	"cmp"
	"maps"
	"slices"

	"github.com/mochi-mqtt/server/v2/packets"
)

// The life of a peer, as far as messages to it are concerned.
const (
	stageOpening int32 = iota // the library sends it what its session kept
	stageLive                 // it gets messages as they come
	stageEnded                // what is for it goes to its session
)

// maxOwed bounds the bytes of messages that a client has not acknowledged, on
// its connection and in its session. What is beyond is lost to it.
const maxOwed = 1 << 20

// flight is a message of QoS 1 that was sent and not acknowledged yet.
type flight struct {
	message *publication
	retain  bool
	number  uint64 // in the order they were sent
}

// early is a message that came while the client was still opening.
type early struct {
	message *publication
	target  target
	retain  bool
}

// deliver puts a message into what a subscriber has to be sent. It never
// waits. It returns the peer that the caller has to push afterwards, if any.
//
// QoS 1 is counted here as long as the connection lives, as the library copies
// a kilobyte for each message; what is unacknowledged at its end is given to
// the library's session, which sends it again when the client is back. QoS 2
// is the library's from the begin.
func (p *peer) deliver(m *publication, t *target, retain bool) *peer {
	p.mu.Lock()
	if heir := p.heir; heir != nil {
		p.mu.Unlock()
		return heir.deliver(m, t, retain)
	}
	defer p.mu.Unlock()
	qos := min(m.qos, t.qos)
	if p.revoked.Load() || qos == 0 && p.closed {
		return nil
	}
	switch p.stage.Load() {
	case stageOpening:
		// The library may be exchanging the session's messages right now.
		if qos > 0 && len(p.early) < maxInflight && p.owed+m.bytes() <= maxOwed {
			p.early = append(p.early, early{m.keep(), *t, retain})
			p.owed += m.bytes()
		}
		return nil
	case stageEnded:
		if qos > 0 && p.affords(m) {
			p.store(m.keep(), p.nextID(), qos, retain)
		}
		return nil
	}
	return p.send(m, t, qos, retain)
}

// send queues a message to a live peer; mu is held.
func (p *peer) send(m *publication, t *target, qos byte, retain bool) *peer {
	version := p.client.Properties.ProtocolVersion
	plain := version < 5 || m.props == nil && m.expiry == 0 && len(t.ids) == 0 && p.plain
	var id uint16
	if qos > 0 {
		if !p.affords(m) {
			p.cut() // it reads, but does not acknowledge
			return nil
		}
		id = p.nextID()
	}
	var full []byte
	if !plain {
		if full = p.encode(m, t, qos, retain, id); full == nil {
			return nil // it would refuse a packet of that size
		}
	}
	switch qos {
	case 1:
		p.owe(m.keep(), id, retain)
	case 2:
		p.client.State.Inflight.Set(m.keep().packet(2, retain, id))
	}
	if p.closed || !p.makeRoom(max(len(full), 5+publishLength(m, version, qos))) {
		return nil
	}
	switch {
	case p.flow.window > 0 && qos > 0:
		if plain {
			full = appendPublish(nil, m, version, qos, retain, id)
		}
		p.out = p.flow.admit(p.out, full)
	case plain:
		p.out = appendPublish(p.out, m, version, qos, retain, id)
	default:
		p.out = append(p.out, full...)
	}
	if p.flushing || len(p.out) == 0 {
		return nil
	}
	p.flushing = true // whoever is told so pushes
	return p
}

// owe notes a message of QoS 1.
func (p *peer) owe(m *publication, id uint16, retain bool) {
	if p.flights == nil {
		p.flights = map[uint16]flight{}
	}
	p.sent++
	p.flights[id] = flight{m, retain, p.sent}
	p.owed += m.bytes()
}

// affords says whether the client may be owed one more message.
func (p *peer) affords(m *publication) bool {
	inflight := p.client.State.Inflight
	kept := inflight.Len()
	if kept == 0 {
		p.inherited = 0
	}
	if len(p.flights)+kept < maxInflight && p.owed+p.inherited+m.bytes() <= maxOwed {
		return true
	}
	if p.lost++; p.lost == 1 {
		p.gate.logger.Warn("a client does not acknowledge what it gets; messages are lost to it", "client", p.client.ID)
	}
	return false
}

// nextID is a packet identifier that is not in use (MQTT 5.0 §2.2.1).
func (p *peer) nextID() uint16 {
	for {
		p.lastID++
		if _, used := p.flights[p.lastID]; used || p.lastID == 0 {
			continue
		}
		if _, used := p.client.State.Inflight.Get(p.lastID); !used {
			return p.lastID
		}
	}
}

// acknowledged takes a packet that ends the exchange of a message. It returns
// false if the library has to see it too.
func (p *peer) acknowledged(frame []byte) bool {
	if !acknowledges(frame) || len(frame) < 4 {
		return false
	}
	p.mu.Lock()
	id := uint16(frame[2])<<8 | uint16(frame[3])
	f, ours := p.flights[id]
	ours = ours && frame[0]>>4 == typePuback
	if ours {
		delete(p.flights, id)
		p.owed -= f.message.bytes()
	}
	push := false
	if p.flow.window > 0 {
		p.out = p.flow.release(p.out, 1)
		push = !p.flushing && len(p.out) > 0
		p.flushing = p.flushing || push
	}
	p.mu.Unlock()
	if push {
		p.outbox = append(p.outbox, p)
	}
	return ours
}

// store puts a message into the session, where the library finds it when the
// client is back; mu is held.
func (p *peer) store(m *publication, id uint16, qos byte, retain bool) {
	pk := m.packet(qos, retain, id)
	// The library sends by the time of creation, of which it looks at 16 bits:
	// messages of one second come in any order (defect 11). It uses it for
	// nothing else, so it is made a number.
	p.stored++
	pk.Created = p.stored
	p.client.State.Inflight.Set(pk)
	p.owed += m.bytes()
}

// live begins the delivery of messages as they come, with those that came
// meanwhile.
func (p *peer) live() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pk := range p.client.State.Inflight.GetAll(false) {
		p.inherited += len(pk.TopicName) + len(pk.Payload) + 64
	}
	props := &p.client.Properties.Props
	p.plain = props.TopicAliasMaximum == 0 && props.MaximumPacketSize == 0
	p.stage.Store(stageLive)
	waited := p.early
	p.early, p.owed = nil, 0
	for _, e := range waited {
		if got := p.send(e.message, &e.target, min(e.message.qos, e.target.qos), e.retain); got != nil {
			go got.push()
		}
	}
}

// end ends the delivery and gives what is unacknowledged to the session. From
// then on heir gets what is for it, or the session while heir is nil.
func (p *peer) end(heir *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heir == nil {
		p.heir = heir
	}
	if p.client == nil || p.stage.Swap(stageEnded) == stageEnded {
		return
	}
	p.stored = 0
	for _, pk := range p.client.State.Inflight.GetAll(false) {
		if pk.FixedHeader.Type == packets.Publish {
			p.stored = max(p.stored, pk.Created&0xffff)
		}
	}
	p.owed = 0
	flights := slices.SortedFunc(maps.Keys(p.flights), func(a, b uint16) int { return cmp.Compare(p.flights[a].number, p.flights[b].number) })
	for _, id := range flights {
		f := p.flights[id]
		delete(p.flights, id)
		p.store(f.message, id, 1, f.retain) // with the same identifier (MQTT 5.0 §4.4)
	}
	for _, e := range p.early {
		p.store(e.message, p.nextID(), min(e.message.qos, e.target.qos), e.retain)
	}
	p.flights, p.early = nil, nil
}
