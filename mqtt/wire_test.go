package mqtt

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// wire is a client of one protocol version that sees every packet.
type wire struct {
	*raw
	version byte
	next    uint16
	early   []packets.Packet // messages that came in between an exchange
}

// hello is a CONNECT with what matters to a test.
type hello struct {
	user      string
	keep      bool // keep the session
	keepalive uint16
	props     packets.Properties
	will      *packets.ConnectParams
	anonymous bool // send an empty client id
}

func (h *house) wire(t testing.TB, version byte, in hello) (*wire, packets.Packet) {
	t.Helper()
	w := &wire{raw: h.raw(t, ""), version: version}
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: version, Properties: in.props}
	if in.will != nil {
		pk.Connect = *in.will
		pk.Connect.WillFlag = true
	}
	pk.Connect.ProtocolName, pk.Connect.Clean, pk.Connect.Keepalive = []byte("MQTT"), !in.keep, in.keepalive
	if pk.Connect.ClientIdentifier = in.user; in.anonymous {
		pk.Connect.ClientIdentifier = ""
	}
	pk.Connect.UsernameFlag, pk.Connect.PasswordFlag = true, true
	pk.Connect.Username, pk.Connect.Password = []byte(in.user), []byte(h.vault.secret(in.user))
	w.put(pk)
	ack := w.get()
	if ack.FixedHeader.Type != packets.Connack {
		t.Fatalf("%s: no CONNACK but %+v", in.user, ack)
	}
	return w, ack
}

func (w *wire) put(pk packets.Packet) {
	w.t.Helper()
	pk.ProtocolVersion = w.version
	pk.Mods.AllowResponseInfo = true
	var b bytes.Buffer
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectEncode(&b)
	case packets.Publish:
		err = pk.PublishEncode(&b)
	case packets.Puback:
		err = pk.PubackEncode(&b)
	case packets.Pubrec:
		err = pk.PubrecEncode(&b)
	case packets.Pubrel:
		err = pk.PubrelEncode(&b)
	case packets.Pubcomp:
		err = pk.PubcompEncode(&b)
	case packets.Subscribe:
		err = pk.SubscribeEncode(&b)
	case packets.Unsubscribe:
		err = pk.UnsubscribeEncode(&b)
	case packets.Disconnect:
		err = pk.DisconnectEncode(&b)
	default:
		err = errors.New("unknown packet")
	}
	if err != nil {
		w.t.Fatalf("encoding: %v", err)
	}
	w.send(b.Bytes())
}

// take is the next packet within d; ok is false if none came.
func (w *wire) take(d time.Duration) (pk packets.Packet, ok bool) {
	w.t.Helper()
	if len(w.early) > 0 {
		pk, w.early = w.early[0], w.early[1:]
		return pk, true
	}
	return w.read(d)
}

func (w *wire) read(d time.Duration) (pk packets.Packet, ok bool) {
	w.t.Helper()
	kind, body, err := w.packet(d)
	if err != nil {
		return pk, false
	}
	pk.ProtocolVersion = w.version
	if err = pk.FixedHeader.Decode(kind); err != nil {
		w.t.Fatalf("header %x: %v", kind, err)
	}
	pk.FixedHeader.Remaining = len(body)
	switch pk.FixedHeader.Type {
	case packets.Connack:
		err = pk.ConnackDecode(body)
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Puback:
		err = pk.PubackDecode(body)
	case packets.Pubrec:
		err = pk.PubrecDecode(body)
	case packets.Pubrel:
		err = pk.PubrelDecode(body)
	case packets.Pubcomp:
		err = pk.PubcompDecode(body)
	case packets.Suback:
		err = pk.SubackDecode(body)
	case packets.Unsuback:
		err = pk.UnsubackDecode(body)
	case packets.Disconnect:
		err = pk.DisconnectDecode(body)
	}
	if err != nil {
		w.t.Fatalf("decoding %x %x: %v", kind, body, err)
	}
	return pk, true
}

func (w *wire) get() packets.Packet {
	w.t.Helper()
	pk, ok := w.take(patience)
	if !ok {
		w.t.Fatal("nothing came")
	}
	return pk
}

func ack(kind byte, id uint16) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id}
	if kind == packets.Pubrel {
		pk.FixedHeader.Qos = 1
	}
	return pk
}

// sub subscribes and returns the reason codes.
func (w *wire) sub(s ...packets.Subscription) []byte {
	w.t.Helper()
	w.next++
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: w.next, Filters: s}
	if s[0].Identifier > 0 {
		pk.Properties.SubscriptionIdentifier = []int{s[0].Identifier}
	}
	w.put(pk)
	return w.expect(packets.Suback, w.next).ReasonCodes
}

// pub publishes and goes through the exchange of its QoS.
func (w *wire) pub(pk packets.Packet) {
	w.t.Helper()
	pk.FixedHeader.Type = packets.Publish
	if pk.FixedHeader.Qos > 0 {
		w.next++
		pk.PacketID = w.next
	}
	w.put(pk)
	switch pk.FixedHeader.Qos {
	case 1:
		w.expect(packets.Puback, pk.PacketID)
	case 2:
		w.expect(packets.Pubrec, pk.PacketID)
		w.put(ack(packets.Pubrel, pk.PacketID))
		w.expect(packets.Pubcomp, pk.PacketID)
	}
}

func (w *wire) expect(kind byte, id uint16) packets.Packet {
	w.t.Helper()
	got, _ := w.read(patience)
	for got.FixedHeader.Type == packets.Publish {
		w.early = append(w.early, got)
		got, _ = w.read(patience)
	}
	if got.FixedHeader.Type != kind || got.PacketID != id {
		w.t.Fatalf("want packet type %d id %d, got %+v", kind, id, got)
	}
	return got
}

// msg is a message to publish.
func msg(topic string, qos byte, retain bool, payload string) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Qos: qos, Retain: retain}, TopicName: topic, Payload: []byte(payload)}
}

// hear is the next message, acknowledged; ok is false if none comes.
func (w *wire) hear(d time.Duration) (packets.Packet, bool) {
	w.t.Helper()
	pk, ok := w.take(d)
	if !ok {
		return pk, false
	}
	if pk.FixedHeader.Type != packets.Publish {
		w.t.Fatalf("no message but %+v", pk)
	}
	switch pk.FixedHeader.Qos {
	case 1:
		w.put(ack(packets.Puback, pk.PacketID))
	case 2:
		w.put(ack(packets.Pubrec, pk.PacketID))
		w.expect(packets.Pubrel, pk.PacketID)
		w.put(ack(packets.Pubcomp, pk.PacketID))
	}
	return pk, true
}

// hearAll is all messages until none comes for a while, in which the broker
// was not too busy to answer a ping.
func (w *wire) hearAll() (all []packets.Packet) {
	w.t.Helper()
	for {
		pk, ok := w.hear(150 * time.Millisecond)
		if ok {
			all = append(all, pk)
			continue
		}
		w.r.Reset(w.Conn) // a deadline is no end
		w.send([]byte{0xc0, 0})
		for pk, ok = w.read(patience); ok && pk.FixedHeader.Type != packets.Pingresp; pk, ok = w.read(patience) {
			w.early = append(w.early, pk)
		}
		if len(w.early) == 0 {
			return all
		}
	}
}

func (w *wire) bye() {
	w.t.Helper()
	w.put(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	if !w.hungUp(patience) {
		w.t.Error("the broker does not hang up after DISCONNECT")
	}
}
