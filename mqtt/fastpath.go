package mqtt

import (
	"encoding/binary"
	"runtime"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// The fast path takes past the library the messages that a house is full of:
// a PUBLISH of QoS 0 or 1, not retained, without v5 properties, on a topic
// that the client may write. The library spends kilobytes of copies, a dozen
// allocations, two goroutines and one write per subscriber on each; here it is
// read in place, and each subscriber is written to once per burst.
//
// Everything else is the library's: CONNECT, sessions, subscriptions, QoS 2,
// messages that are retained or have properties, all that is malformed and all
// that is denied. It decodes, checks and answers them. What it would then send
// to subscribers is taken from it in OnPublish, so that all messages leave the
// same way (see deliver) and none overtakes another.

// fast takes a packet that is its own, and returns false if it is not.
func (g *gate) fast(p *peer, frame []byte) bool {
	if p.stage.Load() != stageLive || p.revoked.Load() {
		return false
	}
	if frame[0] == typePingreq<<4 && len(frame) == 2 {
		p.throttle(p.in.now)
		p.answer(typePingresp<<4, 0)
		return true
	}
	if frame[0]>>4 != typePublish || p.exact {
		return false
	}
	topic, id, payload, ok := plainPublish(frame, p.client.Properties.ProtocolVersion)
	if !ok {
		return false
	}
	r := g.routes.find(topic)
	if r == nil || r != p.lastRoute { // else it was checked for the message before
		name := string(topic)
		if !mayWrite(p.cred.Grants, name) {
			return false
		}
		if r == nil {
			r = g.routes.to(name)
		}
		p.lastRoute = r
	}
	p.throttle(p.in.now)
	qos := frame[0] >> 1 & 3
	if qos == 1 {
		p.answer(typePuback<<4, 2, byte(id>>8), byte(id)) // without a reason v5 reads as v3.1.1
	}
	m := &p.scratch
	*m = publication{topic: r.topic, payload: payload, qos: qos, origin: p.client.ID, borrowed: true}
	p.outbox.pass(m, r)
	g.overheard(p, m)
	return true
}

// plainPublish takes a PUBLISH apart (MQTT 5.0 §3.3), and returns false if the
// library has to.
func plainPublish(frame []byte, version byte) (topic []byte, id uint16, payload []byte, ok bool) {
	flags := frame[0] & 0x0f
	if flags&^0x0a != 0 { // retained or QoS 2; a repeated one (0x08) is like any other
		return nil, 0, nil, false
	}
	body := frame[2:]
	for i := 1; frame[i]&0x80 != 0; i++ {
		body = frame[i+2:]
	}
	if len(body) < 2 {
		return nil, 0, nil, false
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	if n == 0 || n > len(body) {
		return nil, 0, nil, false
	}
	topic, body = body[:n], body[n:]
	switch {
	case flags&0x02 == 0 && flags != 0: // DUP with QoS 0 is malformed (MQTT 5.0 §3.3.1.1)
		return nil, 0, nil, false
	case flags != 0:
		if len(body) < 2 {
			return nil, 0, nil, false
		}
		if id = binary.BigEndian.Uint16(body); id == 0 {
			return nil, 0, nil, false
		}
		body = body[2:]
	}
	if version == 5 {
		if len(body) == 0 || body[0] != 0 {
			return nil, 0, nil, false
		}
		body = body[1:]
	}
	return topic, id, body, true
}

// answer queues a short packet, which settle writes.
func (p *peer) answer(packet ...byte) {
	p.mu.Lock()
	if !p.closed && p.makeRoom(len(packet)) {
		p.out = append(p.out, packet...)
	}
	push := !p.flushing && len(p.out) > 0
	p.flushing = p.flushing || push
	p.mu.Unlock()
	if push {
		p.outbox = append(p.outbox, p)
	}
}

// settle writes what the packets since the last call were answered with and
// put into others. Before that it lets the readers run that have packets too:
// the busier the broker, the more messages go out in one write.
func (p *peer) settle() {
	p.in.unsettled = 0
	if len(p.outbox) > 0 {
		runtime.Gosched()
		p.outbox.push()
	}
}

// carry publishes a message that does not come by the fast path: from the
// library, as a Will, or from the hub itself.
func (g *gate) carry(m *publication) {
	var out outbox
	if m.retain {
		g.retain(m, &out)
	} else {
		out.pass(m, g.routes.to(m.topic))
	}
	out.push()
}

// overheard tells the fleet and the meter what a client said on a topic that
// it may write. They copy what they keep.
func (g *gate) overheard(p *peer, m *publication) {
	g.fleet.heard(p, m.topic, m.payload)
	if g.meter != nil {
		g.meter.heard(m.topic, m.payload)
	}
}

// OnPublish decides on a message that the library read, and takes it from the
// library, which goes on to acknowledge it. A refused QoS 1 or 2 message is
// acknowledged too, as the client would else repeat it for ever. The retain
// flag is taken off those that would exceed the shelf.
func (g *gate) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	p := peerOf(cl)
	if p == nil {
		return pk, nil
	}
	p.exact = p.exact || pk.FixedHeader.Qos == 2
	p.carried = nil
	if !g.mayPublish(p, pk.TopicName) {
		return pk, packets.CodeSuccessIgnore
	}
	if pk.FixedHeader.Retain && len(pk.Payload) > 0 && !g.shelf.room(p.cred, pk.TopicName, len(pk.Payload)) {
		pk.FixedHeader.Retain = false
		if p.denied.Add(1) == 1 {
			g.logger.Warn("a client has too many retained topics", "client", p.cred.ID, "topic", clip(pk.TopicName))
		}
	}
	p.carried = messageOf(pk)
	return pk, packets.CodeSuccessIgnore
}

// OnPublished sends on what OnPublish took.
func (g *gate) OnPublished(cl *mochi.Client, _ packets.Packet) {
	p := peerOf(cl)
	if p == nil || p.carried == nil {
		return
	}
	m := p.carried
	p.carried = nil
	g.carry(m)
	g.overheard(p, m)
}
