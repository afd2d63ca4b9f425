package mqtt

import (
	"slices"
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	maxRoutes       = 1024 // topics whose subscribers are remembered
	maxRouteTargets = 16 << 10
)

// route is who gets the messages on one topic.
type route struct {
	topic   string
	targets []target
	inline  []mochi.InlineSubscription // the hub's own
	once    bool                       // a shared subscription: another member the next time
}

// target is one subscriber of a topic, with all its subscriptions taken
// together (MQTT 5.0 §3.3.4).
type target struct {
	peer        *peer
	qos         byte
	noLocal     bool
	asPublished bool
	ids         []int
}

// routes remembers what the library's topic tree answers, which costs it a
// map for each level and for each subscriber. The tree stays the only table of
// subscriptions: whenever it changes, all that is remembered is forgotten,
// before the client gets its SUBACK or UNSUBACK.
type routes struct {
	server *mochi.Server

	mu      sync.RWMutex
	known   map[string]*route
	targets int    // in known
	version uint64 // counts what was forgotten
}

// find is the route of a topic that is remembered, nil otherwise. It does not
// allocate.
func (r *routes) find(topic []byte) *route {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.known[string(topic)]
}

// to is the route of a topic.
func (r *routes) to(topic string) *route {
	r.mu.RLock()
	found, version := r.known[topic], r.version
	r.mu.RUnlock()
	if found != nil {
		return found
	}
	made := r.make(topic)
	if made.once {
		return made
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.version != version {
		return made // the tree changed meanwhile: good for this message, not for later ones
	}
	if len(r.known) >= maxRoutes || r.targets+len(made.targets) > maxRouteTargets {
		r.known, r.targets = nil, 0
	}
	if r.known == nil {
		r.known = map[string]*route{}
	}
	r.known[topic] = made
	r.targets += len(made.targets)
	return made
}

// forget is called whenever subscriptions or connections changed.
func (r *routes) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known, r.targets = nil, 0
	r.version++
}

// make asks the library's tree.
func (r *routes) make(topic string) *route {
	found := r.server.Topics.Subscribers(topic)
	made := &route{topic: topic}
	if len(found.Shared) > 0 {
		made.once = true
		found.SelectShared()
		found.MergeSharedSelected()
	}
	for _, s := range found.InlineSubscriptions {
		made.inline = append(made.inline, s)
	}
	for id, s := range found.Subscriptions {
		cl, ok := r.server.Clients.Get(id)
		if !ok {
			continue
		}
		p := peerOf(cl)
		if p == nil || !mayRead(p.cred.Grants, topic) {
			continue
		}
		made.targets = append(made.targets, targetOf(p, s))
	}
	return made
}

func targetOf(p *peer, s packets.Subscription) target {
	t := target{peer: p, qos: s.Qos, noLocal: s.NoLocal, asPublished: s.RetainAsPublished && p.client.Properties.ProtocolVersion == 5}
	for _, id := range s.Identifiers {
		if id > 0 {
			t.ids = append(t.ids, id)
		}
	}
	slices.Sort(t.ids)
	return t
}

// outbox is the peers that have something to write and that its owner has to
// push, each once for all that a burst of messages put into it.
type outbox []*peer

// pass hands a message to everybody on the route.
func (o *outbox) pass(m *publication, r *route) {
	for _, s := range r.inline {
		s.Handler(nil, s.Subscription, m.keep().packet(m.qos, m.retain, 0))
	}
	for i := range r.targets {
		t := &r.targets[i]
		if t.noLocal && t.peer.client.ID == m.origin {
			continue // MQTT 5.0 §3.8.3.1
		}
		if p := t.peer.deliver(m, t, m.retain && t.asPublished); p != nil {
			*o = append(*o, p)
		}
	}
}

// push writes to all of them.
func (o *outbox) push() {
	for i, p := range *o {
		p.push()
		(*o)[i] = nil
	}
	*o = (*o)[:0]
}
