package mqtt

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"homehub/hub"
)

const (
	// maxKeepalive is the longest Keep Alive in seconds, which is told to a v5
	// client that wants a longer one. Others can not be told and keep theirs.
	maxKeepalive = 12 * 3600
	// maxAliases bounds the topic names kept for a client that announces 65,535.
	maxAliases = 64
	// refusalStep is how long each failed log-in of an address delays the answer.
	refusalStep = 100 * time.Millisecond
	maxRefusal  = 2 * time.Second
	maxThrottle = time.Second
)

// gate is the hook through which the library asks what clients may do. It is
// the only one: the library grants what any of several hooks grants.
type gate struct {
	mochi.HookBase
	vault   Vault
	door    *door
	shelf   *shelf
	fleet   *fleet
	meter   *meter // nil: none
	turns   *turns
	wills   *wills
	limits  *Limits
	logger  *slog.Logger
	speed   int
	server  *mochi.Server
	routes  *routes
	workers workers
	refused func(addr netip.Addr, user, why string)
	// loggedIn is told that a device did, with its own credential.
	loggedIn func(device string)
	closing  atomic.Bool
}

// ID names the hook within the library.
func (g *gate) ID() string { return "gate" }

// Provides lists the methods below.
func (g *gate) Provides(b byte) bool {
	switch b {
	case mochi.OnACLCheck, mochi.OnPacketProcessed, mochi.OnSubscribe, mochi.OnSubscribed, mochi.OnUnsubscribed,
		mochi.OnPublish, mochi.OnPublished, mochi.OnPublishDropped, mochi.OnClientExpired, mochi.OnRetainedExpired:
		return true
	}
	return false
}

// prepare fits a client to what we know of its user and do ourselves, before
// its log-in is checked.
func (g *gate) prepare(p *peer, pk packets.Packet) {
	cl := p.client
	p.gate = g
	if cred, ok := g.vault.Credential(string(pk.Connect.Username)); ok && cred.Device != "" {
		// A device's firmware chooses its own client id (EmonESP the chip's
		// number, OpenEVSE its host name) and can not be told another. So its
		// session goes by its user name, whatever it calls itself.
		cl.ID = cred.ID
	}
	if pk.Connect.ClientIdentifier == "" {
		cl.ID = string(pk.Connect.Username) // the id is bound to the user, so that is the one to assign
		cl.Properties.Props.AssignedClientID = cl.ID
	}
	if cl.Properties.ProtocolVersion == 5 && cl.State.Keepalive > maxKeepalive {
		cl.State.Keepalive, cl.State.ServerKeepalive = maxKeepalive, true
	}
	// See flow: the library's own counting deadlocks.
	if window := int(pk.Properties.ReceiveMaximum); window > 0 {
		p.limitFlow(window)
	}
	cl.Properties.Props.ReceiveMaximum = 0
	g.countInflight(cl)
	if cl.Properties.Props.TopicAliasMaximum > maxAliases {
		cl.Properties.Props.TopicAliasMaximum = maxAliases
		cl.State.TopicAliases.Outbound = mochi.NewOutboundTopicAliases(maxAliases)
	}
}

// authenticate lets a client in that knows the secret of its own id,
// and whose Will stays within its grants (the library does not check it,
// defect 7).
func (g *gate) authenticate(p *peer, pk packets.Packet) bool {
	cl, user := p.client, string(pk.Connect.Username)
	cred, ok := g.vault.Credential(user)
	secret := cred.Check(string(pk.Connect.Password)) // checked for unknown users too: same time for both
	why := ""
	switch {
	case !ok || cl.ID == mochi.InlineClientId:
		why = "nobody of that name is paired"
	case !secret:
		why = "wrong secret"
	case cl.ID != cred.ID || user != cred.ID:
		why = "the client id is not the user name"
	case pk.Connect.WillFlag && !mayWrite(cred.Grants, pk.Connect.WillTopic):
		why = "its Will is on a foreign topic"
	}
	if why != "" || g.closing.Load() {
		n := g.door.refused(p.addr, time.Now())
		g.refused(p.addr, user, why)
		time.Sleep(min(maxRefusal, time.Duration(n)*refusalStep))
		return false
	}
	p.cred = cred
	p.budget = g.budget(cred)
	p.known.Store(true)
	return true
}

// budget is how much a client may send. A scaled house says as much per house
// second as a real one.
func (g *gate) budget(cred hub.Credential) bucket {
	rate := g.limits.MessageRate * min(g.speed, 20)
	if cred.Device == "" {
		rate *= localFactor // the owner's programs: a bridge speaks for many devices
	}
	return newBucket(rate, 4*rate, time.Now())
}

// OnClientExpired takes the subscriptions of a forgotten session along, which
// the library leaves behind for the next client of that id (defect 9).
func (g *gate) OnClientExpired(cl *mochi.Client) { g.server.UnsubscribeClient(cl) }

// OnACLCheck is asked for a filter at SUBSCRIBE, for the topic at each
// delivery, and for the topic of a message that comes in. The last is decided
// in OnPublish, for two reasons: a topic alias is not resolved yet here, and a
// v3.1.1 client that is refused here is cut and comes back at once (defect
// 17). Only v5 clients can be told here.
func (g *gate) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	p := peerOf(cl)
	if p == nil {
		return cl.Net.Inline
	}
	if p.revoked.Load() {
		return false
	}
	if !write {
		return mayRead(p.cred.Grants, topic)
	}
	if cl.Properties.ProtocolVersion < 5 || topic == "" {
		return true
	}
	return g.mayPublish(p, topic)
}

func (g *gate) mayPublish(p *peer, topic string) bool {
	if !p.revoked.Load() && mayWrite(p.cred.Grants, topic) {
		return true
	}
	if p.denied.Add(1) == 1 {
		g.logger.Warn("a client may not publish there", "client", p.cred.ID, "topic", clip(topic))
	}
	return false
}

// OnPublishDropped cuts a client whose queue is full: it would miss messages
// without knowing, and with topic aliases take later ones for others.
func (g *gate) OnPublishDropped(cl *mochi.Client, _ packets.Packet) {
	if p := peerOf(cl); p != nil {
		_ = p.Close()
	}
}

// OnRetainedExpired does so for a message whose own expiry passed.
func (g *gate) OnRetainedExpired(topic string) { g.shelf.put(topic, "", 0) }

// clip shortens what a client chose, for a log line.
func clip(s string) string {
	const most = 48
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
