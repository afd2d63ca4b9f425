package mqtt

import (
	"bytes"
	"fmt"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// The begin and the end of a session. The library does both in one function
// that lasts as long as the connection and that begins a second goroutine,
// whose queue is always empty here (see deliver): together 37 kB for each
// client that says nothing. So its steps are taken one by one, in its order.

// enter answers a CONNECT (MQTT 5.0 §3.1).
func (g *gate) enter(p *peer, frame []byte) error {
	pk, err := decode(frame, 0)
	if err != nil {
		return err
	}
	cl := g.server.NewClient(p, "", "", false)
	p.client = cl
	cl.ParseConnect("", pk)
	code := pk.ConnectValidate()
	if code == packets.CodeSuccess && pk.ProtocolVersion < 5 && !pk.Connect.Clean && pk.Connect.ClientIdentifier == "" {
		code = packets.ErrUnspecifiedError // a session that nobody could find again
	}
	if code != packets.CodeSuccess {
		return g.refuse(cl, code)
	}
	g.prepare(p, pk)
	p.keepAlive(time.Now())
	if !g.authenticate(p, pk) {
		return g.refuse(cl, packets.ErrBadUsernameOrPassword)
	}
	g.turns.enter(cl.ID, p) // b.gone leaves it if something fails
	present := g.takeOver(p, pk)
	p.entered = true
	g.server.Clients.Add(cl)
	if err := g.server.SendConnack(cl, packets.CodeSuccess, present, nil); err != nil {
		return fmt.Errorf("answering a CONNECT: %w", err)
	}
	if present {
		if err := cl.ResendInflightMessages(true); err != nil {
			return fmt.Errorf("sending what the session kept: %w", err)
		}
	}
	g.established(p)
	return nil
}

// refuse answers a CONNECT that is not accepted.
func (g *gate) refuse(cl *mochi.Client, code packets.Code) error {
	if err := g.server.SendConnack(cl, code, false, nil); err != nil {
		return fmt.Errorf("refusing a CONNECT: %w", err)
	}
	return code
}

// takeOver gives a client the session of its id, and says whether there was
// one to keep (MQTT 5.0 §3.1.2.4). Whoever had it is disconnected. The caller
// has the turn of the id.
func (g *gate) takeOver(p *peer, pk packets.Packet) bool {
	cl := p.client
	old, ok := g.server.Clients.Get(cl.ID)
	if !ok {
		return false
	}
	keep := !pk.Connect.Clean && !endsWithConnection(old)
	if keep {
		peerOf(old).end(p)
	} else {
		peerOf(old).end(nil)
	}
	_ = g.server.DisconnectClient(old, packets.ErrSessionTakenOver)
	if !keep {
		g.server.UnsubscribeClient(old)
		old.ClearInflights()
		return false
	}
	if old.State.Inflight.Len() > 0 {
		cl.State.Inflight = old.State.Inflight.Clone()
		g.countInflight(cl)
	}
	// The tree of topics knows subscribers by their id: it needs no change.
	for filter, sub := range old.State.Subscriptions.GetAll() {
		cl.State.Subscriptions.Add(filter, sub)
	}
	old.ClearInflights()
	return true
}

// countInflight sets how many messages the library lets a client have on their
// way to us. It is not to count those to the client: see flow.
func (g *gate) countInflight(cl *mochi.Client) {
	cl.State.Inflight.ResetReceiveQuota(maxReceive)
	cl.State.Inflight.ResetSendQuota(0)
}

// established begins the delivery of messages and ends the hand-over.
func (g *gate) established(p *peer) {
	g.wills.cancel(p.client.ID)
	p.live()
	g.routes.forget()
	g.turns.leave(p)
	if current, ok := g.vault.Credential(p.cred.ID); !ok || g.closing.Load() || !bytes.Equal(current.Hash, p.cred.Hash) {
		// Revoked while it logged in, too early for Revoke to see it.
		p.revoked.Store(true)
		_ = p.Close()
		return
	}
	g.fleet.connected(p)
	if p.cred.Device != "" {
		g.loggedIn(p.cred.Device)
	}
}

// finish ends the session of a connection, or leaves it to the next one of
// that id. It takes the turn, which guard.host leaves.
func (g *gate) finish(p *peer, why error) {
	cl := p.client
	if !p.entered {
		return
	}
	if why != errBye {
		g.sendLastWill(p)
	}
	cl.Stop(why)
	g.turns.enter(cl.ID, p)
	p.end(nil)
	if endsWithConnection(cl) {
		g.forget(cl)
	}
}

// endsWithConnection says whether a session does (MQTT 5.0 §3.1.2.11.2). Its
// next connection may come before the end of this one is through.
func endsWithConnection(cl *mochi.Client) bool {
	if cl.Properties.ProtocolVersion == 5 {
		return cl.Properties.Props.SessionExpiryInterval == 0
	}
	return cl.Properties.Clean
}

// forget drops the session of a client, unless another has taken it over. The
// caller has the turn of the id.
func (g *gate) forget(cl *mochi.Client) {
	if current, ok := g.server.Clients.Get(cl.ID); !ok || current != cl {
		return
	}
	cl.ClearInflights()
	g.server.UnsubscribeClient(cl)
	g.server.Clients.Delete(cl.ID)
}

// sendLastWill sends the Will of a client that vanished, or has it wait for its
// delay. That of a client that was revoked or that the hub itself leaves is not
// sent, nor one with a delay if the client is back already (MQTT 5.0 §3.1.3.2.2).
func (g *gate) sendLastWill(p *peer) {
	cl := p.client
	will := cl.Properties.Will
	switch {
	case will.Flag == 0 || p.revoked.Load() || g.closing.Load():
	case will.WillDelayInterval == 0:
		g.sendWill(p, will)
	default:
		g.turns.enter(cl.ID, p)
		if current, ok := g.server.Clients.Get(cl.ID); ok && current == cl {
			g.wills.later(cl.ID, time.Duration(will.WillDelayInterval)*time.Second, func() { g.sendWill(p, will) })
		}
	}
}
