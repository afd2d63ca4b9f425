package mqtt

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// publication is an application message (MQTT 5.0 §1.2) on its way from whoever published it to
// those who subscribed.
type publication struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
	origin  string              // client id of the publisher, "" for the hub itself
	props   *packets.Properties // of a v5 publisher, nil if there are none
	expiry  int64               // Unix time in seconds, 0 for never

	borrowed bool         // the payload lies in a read buffer and changes with the next read
	own      *publication // the copy that may be kept, once there is one
}

// keep is the message as it may be kept after the read that brought it. All
// that keep it share one copy.
func (m *publication) keep() *publication {
	if !m.borrowed {
		return m
	}
	if m.own == nil {
		m.own = &publication{topic: m.topic, payload: bytes.Clone(m.payload), qos: m.qos, retain: m.retain, origin: m.origin, props: m.props, expiry: m.expiry}
	}
	return m.own
}

// bytes is what keeping the message costs, about.
func (m *publication) bytes() int { return len(m.topic) + len(m.payload) + 64 }

// packet is the message in the library's words.
func (m *publication) packet(qos byte, retain bool, id uint16) packets.Packet {
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos, Retain: retain},
		TopicName:   m.topic, Payload: m.payload, PacketID: id, Origin: m.origin, Created: time.Now().Unix(), Expiry: m.expiry,
	}
	if m.props != nil {
		pk.Properties = m.props.Copy(false)
	}
	if m.expiry > 0 {
		pk.ProtocolVersion = 5 // the library lets messages of v5 expire only
	}
	return pk
}

// messageOf is a PUBLISH that the library decoded.
func messageOf(pk packets.Packet) *publication {
	m := &publication{topic: pk.TopicName, payload: pk.Payload, qos: pk.FixedHeader.Qos, retain: pk.FixedHeader.Retain, origin: pk.Origin, expiry: pk.Expiry}
	if hasProperties(&pk.Properties) {
		props := pk.Properties.Copy(false)
		m.props = &props
	}
	return m
}

// hasProperties says whether there is anything to forward (MQTT 5.0 §3.3.2.3).
func hasProperties(p *packets.Properties) bool {
	return p.PayloadFormatFlag || p.ContentType != "" || p.ResponseTopic != "" || len(p.CorrelationData) > 0 || len(p.User) > 0
}

// appendPublish appends a PUBLISH without properties (MQTT 5.0 §3.3).
func appendPublish(out []byte, m *publication, version, qos byte, retain bool, id uint16) []byte {
	length := publishLength(m, version, qos)
	first := byte(typePublish<<4) | qos<<1
	if retain {
		first |= 1
	}
	out = append(out, first)
	for ; length >= 0x80; length >>= 7 {
		out = append(out, byte(length)|0x80)
	}
	out = append(out, byte(length))
	out = binary.BigEndian.AppendUint16(out, uint16(len(m.topic)))
	out = append(out, m.topic...)
	if qos > 0 {
		out = binary.BigEndian.AppendUint16(out, id)
	}
	if version == 5 {
		out = append(out, 0)
	}
	return append(out, m.payload...)
}

// publishLength is the Remaining Length of what appendPublish appends.
func publishLength(m *publication, version, qos byte) int {
	n := 2 + len(m.topic) + len(m.payload)
	if qos > 0 {
		n += 2
	}
	if version == 5 {
		n++
	}
	return n
}

// encode is the PUBLISH for a v5 client with all that may come with it; nil if
// it is larger than the client takes (MQTT 5.0 §3.1.2.11.4). p.mu is held.
func (p *peer) encode(m *publication, t *target, qos byte, retain bool, id uint16) []byte {
	pk := m.packet(qos, retain, id)
	props := &p.client.Properties.Props
	pk.ProtocolVersion = p.client.Properties.ProtocolVersion
	pk.Properties.SubscriptionIdentifier = t.ids
	if m.expiry > 0 {
		pk.Properties.MessageExpiryInterval = uint32(max(1, m.expiry-time.Now().Unix()))
	}
	if props.TopicAliasMaximum > 0 {
		var known bool
		pk.Properties.TopicAlias, known = p.client.State.TopicAliases.Outbound.Set(m.topic)
		pk.Properties.TopicAliasFlag = pk.Properties.TopicAlias > 0
		if pk.Properties.TopicAliasFlag && known {
			pk.TopicName = ""
		}
	}
	pk.Mods.MaxSize = props.MaximumPacketSize
	pk.Mods.AllowResponseInfo = true
	var b bytes.Buffer
	if err := pk.PublishEncode(&b); err != nil || pk.Mods.MaxSize > 0 && b.Len() > int(pk.Mods.MaxSize) {
		return nil
	}
	return b.Bytes()
}
