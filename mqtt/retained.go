package mqtt

import (
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// neverRetained is the Retain Handling that keeps the library from sending
// retained messages to a new subscription (MQTT 5.0 §3.8.3.1).
const neverRetained = 2

// wanted is a filter of the SUBSCRIBE that the library is at, as the client
// wrote it.
type wanted struct {
	subscription packets.Subscription
	existed      bool
}

// retain passes a message on and keeps it for later subscribers, or clears what
// was kept. A SUBSCRIBE comes before or after both, so that nobody gets the
// message twice, or an older one after it. The library also writes the path of
// a retained message while it looks through the tree for a subscription with a
// wildcard; that is all under one lock here.
func (g *gate) retain(m *publication, out *outbox) {
	pk := m.packet(m.qos, true, 0)
	g.shelf.index.Lock()
	defer g.shelf.index.Unlock()
	g.server.Topics.RetainMessage(pk)
	g.shelf.put(m.topic, m.origin, len(m.payload))
	out.pass(m, g.routes.to(m.topic))
}

// subscribe has the library handle a SUBSCRIBE; see retain.
func (g *gate) subscribe(cl *mochi.Client, pk packets.Packet) error {
	g.shelf.index.RLock()
	defer g.shelf.index.RUnlock()
	return g.server.InjectPacket(cl, pk)
}

// OnSubscribe makes filters that are too many or too long invalid, so that the
// library refuses them, and keeps it from sending retained messages.
func (g *gate) OnSubscribe(cl *mochi.Client, pk packets.Packet) packets.Packet {
	p := peerOf(cl)
	if p == nil {
		return pk
	}
	p.wanted = p.wanted[:0]
	room := g.limits.Subscriptions - cl.State.Subscriptions.Len()
	for i := range pk.Filters {
		f := &pk.Filters[i]
		_, known := cl.State.Subscriptions.Get(f.Filter)
		if !known {
			room--
		}
		if room < 0 || len(f.Filter) > 2*maxTopicBytes {
			f.Filter = ""
		}
		p.wanted = append(p.wanted, wanted{*f, known})
		f.RetainHandling = neverRetained
	}
	return pk
}

// OnSubscribed notes which filters were granted, and tells the fleet that the
// device hears us now.
func (g *gate) OnSubscribed(cl *mochi.Client, _ packets.Packet, codes []byte) {
	g.routes.forget()
	p := peerOf(cl)
	if p == nil {
		return
	}
	for i := range p.wanted {
		if i >= len(codes) || codes[i] > 2 {
			p.wanted[i].subscription.RetainHandling = neverRetained
		}
	}
	g.fleet.subscribed(p)
}

// OnUnsubscribed forgets who gets what.
func (g *gate) OnUnsubscribed(*mochi.Client, packets.Packet) { g.routes.forget() }

// OnPacketProcessed sends the retained messages of a SUBSCRIBE after its
// SUBACK.
func (g *gate) OnPacketProcessed(cl *mochi.Client, pk packets.Packet, err error) {
	p := peerOf(cl)
	if p == nil || pk.FixedHeader.Type != packets.Subscribe {
		return
	}
	asked := p.wanted
	p.wanted = nil
	if err != nil {
		return
	}
	var out outbox
	for _, w := range asked {
		g.sendRetained(p, w, &out)
	}
	out.push()
}

func (g *gate) sendRetained(p *peer, w wanted, out *outbox) {
	_, shared := cutShare(w.subscription.Filter)
	handling := w.subscription.RetainHandling
	if shared || handling == neverRetained || handling == 1 && w.existed {
		return
	}
	t := targetOf(p, w.subscription)
	if id := w.subscription.Identifier; id > 0 {
		t.ids = []int{id}
	}
	for _, kept := range g.server.Topics.Messages(w.subscription.Filter) {
		if !mayRead(p.cred.Grants, kept.TopicName) {
			continue
		}
		m := messageOf(kept)
		if w.subscription.NoLocal && m.origin == p.client.ID {
			continue
		}
		if got := p.deliver(m, &t, true); got != nil {
			*out = append(*out, got)
		}
	}
}
