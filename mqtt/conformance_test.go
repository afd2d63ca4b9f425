package mqtt

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// The cases of the Eclipse Paho interoperability suite, written anew. One by
// one, with the name there and what it asks for:
//
//	suite, v3.1.1 and v5         here                      asks for
//	basic                        basic                     QoS 0, 1, 2; a second CONNECT and a wrong protocol name end it
//	retained_message(s)          retained messages         three QoS, cleared again; v5 with user properties
//	zero_length_clientid         zero-length client id     refused with a kept session (v3.1.1), else let in
//	offline_message_queueing     offline message queueing  QoS 1 and 2 come later
//	will_message                 will message              comes after a broken connection, not after DISCONNECT
//	overlapping_subscriptions    overlapping subscriptions one message of the highest QoS, or one each
//	keepalive                    keepalive                 a silent client is cut and its Will sent
//	redelivery_on_reconnect      redelivery on reconnect   QoS 1 and 2 unacknowledged come again
//	subscribe_failure            subscribe failure         a reason from 0x80
//	dollar_topics                dollar topics             wildcards do not match them
//	unsubscribe (v5 only there)  unsubscribe               nothing more comes
//	suite, v5                    here
//	session_expiry               session expiry            0, some seconds, changed by DISCONNECT to more and to 0, run out
//	shared_subscriptions         shared subscriptions      each message once in the group
//	user_properties              user properties           forwarded at each QoS
//	payload_format               payload format            and content type, forwarded at each QoS
//	publication_expiry           publication expiry        QoS 1 and 2, run out and counted down
//	subscribe_options            subscribe options         no local, retain as published or not, retain handling 0, 1, 2
//	assigned_clientid            assigned client id        told in CONNACK
//	subscribe_identifiers        subscribe identifiers     of all subscriptions that match
//	request_response             request response          response topic and correlation data, there and back
//	client_topic_alias           client topic alias        set and used; 0 is refused
//	server_topic_alias           server topic alias        within the client's maximum
//	maximum_packet_size          maximum packet size       of the client and of the broker
//	server_keep_alive            server keep alive         told if it is another than asked for
//	flow_control1                flow control 1            more than the broker's Receive Maximum ends it
//	flow_control2                flow control 2            no more than the client's come at once
//	will_delay                   will delay                comes late, not at all if the client is back
//
// Ten of the suite are for v3.1.1 and 27 for v5; unsubscribe is asked for in
// both versions here, which makes 38.
func TestConformance(t *testing.T) {
	t.Parallel()
	both := map[string]func(*testing.T, *house, byte){
		"basic": confBasic, "retained messages": confRetained, "zero-length client id": confZeroLengthID,
		"offline message queueing": confOffline, "will message": confWill, "overlapping subscriptions": confOverlapping,
		"keepalive": confKeepalive, "redelivery on reconnect": confRedelivery, "subscribe failure": confSubscribeFailure,
		"dollar topics": confDollar, "unsubscribe": confUnsubscribe,
	}
	v5 := map[string]func(*testing.T, *house){
		"session expiry": confSessionExpiry, "shared subscriptions": confShared, "payload format": confPayloadFormat,
		"publication expiry": confPublicationExpiry, "subscribe options": confSubscribeOptions, "assigned client id": confAssignedID,
		"subscribe identifiers": confSubscribeIdentifiers, "request response": confRequestResponse,
		"client topic alias": confClientAlias, "server topic alias": confServerAlias, "maximum packet size": confMaximumPacketSize,
		"server keep alive": confServerKeepAlive, "flow control 1": confFlow1, "flow control 2": confFlow2,
		"will delay": confWillDelay, "user properties": confUserProperties,
	}
	count := 0
	run := func(name string, version byte, f func(*testing.T, *house)) {
		count++
		t.Run(fmt.Sprintf("v%d %s", version, name), func(t *testing.T) {
			t.Parallel()
			v := newVault()
			for _, id := range []string{"one", "two", "three"} {
				v.add(id, "", rw("#"))
			}
			v.add("some", "", rw("some/#"))
			// So that who is to be cut is not cut for being slow to log in.
			f(t, open(t, v, func(c *Config) { c.Limits.Connect = time.Hour }))
		})
	}
	for name, f := range both {
		for _, version := range []byte{4, 5} {
			run(name, version, func(t *testing.T, h *house) { f(t, h, version) })
		}
	}
	for name, f := range v5 {
		run(name, 5, f)
	}
	if count < 37 {
		t.Errorf("%d cases, want 37", count)
	}
}

// kept is a CONNECT that keeps its session, in either version.
func keeps(user string, version byte) hello {
	h := hello{user: user, keep: true, keepalive: 60}
	if version == 5 {
		h.props.SessionExpiryInterval, h.props.SessionExpiryIntervalFlag = 600, true
	}
	return h
}

func confBasic(t *testing.T, h *house, version byte) {
	w, ack := h.wire(t, version, hello{user: "one", keepalive: 60})
	if ack.ReasonCode != 0 || ack.SessionPresent {
		t.Errorf("CONNACK %+v", ack)
	}
	if codes := w.sub(packets.Subscription{Filter: "a/+", Qos: 2}); codes[0] != 2 {
		t.Errorf("granted %v", codes)
	}
	other, _ := h.wire(t, version, hello{user: "two"})
	for qos := range byte(3) {
		other.pub(msg("a/b", qos, false, "x"))
		if pk, ok := w.hear(patience); !ok || pk.FixedHeader.Qos != qos || pk.TopicName != "a/b" {
			t.Errorf("QoS %d: got %+v", qos, pk)
		}
	}
	w.send([]byte{0xc0, 0})
	if pk := w.get(); pk.FixedHeader.Type != packets.Pingresp {
		t.Errorf("no PINGRESP but %+v", pk)
	}
	w.send(packet(0x10, str("MQTT"), []byte{4, 2, 0, 60}, str("one"))) // a second CONNECT
	if !w.hungUp(patience) {
		t.Error("a second CONNECT is borne")
	}
	bad := h.raw(t, "")
	bad.send(packet(0x10, str("hi"), []byte{version, 2, 0, 60, 0}, str("one")))
	if !bad.hungUp(patience) {
		t.Error("another protocol name is borne")
	}
	other.bye()
}

func confRetained(t *testing.T, h *house, version byte) {
	w, _ := h.wire(t, version, hello{user: "one"})
	for qos := range byte(3) {
		pk := msg(fmt.Sprint("a/", qos), qos, true, "kept")
		pk.Properties.User = []packets.UserProperty{{Key: "a", Val: "2"}, {Key: "c", Val: "3"}}
		w.pub(pk)
	}
	w.sub(packets.Subscription{Filter: "+/+", Qos: 2})
	got := w.hearAll()
	if len(got) != 3 {
		t.Fatalf("%d retained messages, want 3", len(got))
	}
	for _, pk := range got {
		if !pk.FixedHeader.Retain {
			t.Errorf("%s came without the retain flag", pk.TopicName)
		}
		if version == 5 && fmt.Sprint(pk.Properties.User) != "[{a 2} {c 3}]" {
			t.Errorf("%s came with the properties %v", pk.TopicName, pk.Properties.User)
		}
	}
	for qos := range byte(3) {
		w.pub(msg(fmt.Sprint("a/", qos), 0, true, ""))
	}
	w.hearAll()
	again, _ := h.wire(t, version, hello{user: "two"})
	again.sub(packets.Subscription{Filter: "+/+", Qos: 2})
	if got := again.hearAll(); len(got) != 0 {
		t.Errorf("%d are left after they were cleared", len(got))
	}
}

func confZeroLengthID(t *testing.T, h *house, version byte) {
	if _, ack := h.wire(t, version, hello{user: "one", anonymous: true}); ack.ReasonCode != 0 {
		t.Errorf("refused with %x", ack.ReasonCode)
	}
	if version == 4 { // without an id there is no session to keep
		if _, ack := h.wire(t, version, hello{user: "one", anonymous: true, keep: true}); ack.ReasonCode == 0 {
			t.Error("a session is kept under no name")
		}
	}
}

func confOffline(t *testing.T, h *house, version byte) {
	w, _ := h.wire(t, version, keeps("one", version))
	w.sub(packets.Subscription{Filter: "a/#", Qos: 2})
	w.bye()
	other, _ := h.wire(t, version, hello{user: "two"})
	for qos := range byte(3) {
		other.pub(msg(fmt.Sprint("a/", qos), qos, false, "x"))
	}
	w, ack := h.wire(t, version, keeps("one", version))
	if !ack.SessionPresent {
		t.Error("the session is gone")
	}
	if got := w.hearAll(); len(got) != 2 && len(got) != 3 { // QoS 0 may be kept or not
		t.Errorf("%d messages were kept", len(got))
	}
}

func confWill(t *testing.T, h *house, version byte) {
	eye, _ := h.wire(t, version, hello{user: "two"})
	eye.sub(packets.Subscription{Filter: "will/#", Qos: 2})
	w, _ := h.wire(t, version, hello{user: "one", will: &packets.ConnectParams{WillTopic: "will/one", WillPayload: []byte("gone"), WillQos: 1}})
	_ = w.Close()
	if pk, ok := eye.hear(patience); !ok || pk.TopicName != "will/one" || string(pk.Payload) != "gone" {
		t.Errorf("got %+v", pk)
	}
	w, _ = h.wire(t, version, hello{user: "one", will: &packets.ConnectParams{WillTopic: "will/one", WillPayload: []byte("gone")}})
	w.bye()
	if got := eye.hearAll(); len(got) != 0 {
		t.Error("a Will after DISCONNECT")
	}
}

func confOverlapping(t *testing.T, h *house, version byte) {
	w, _ := h.wire(t, version, hello{user: "one"})
	w.sub(packets.Subscription{Filter: "a/#", Qos: 2}, packets.Subscription{Filter: "a/+", Qos: 1})
	other, _ := h.wire(t, version, hello{user: "two"})
	other.pub(msg("a/b", 2, false, "x"))
	got := w.hearAll()
	if len(got) != 1 && len(got) != 2 || got[0].FixedHeader.Qos != 2 {
		t.Errorf("%d messages: %+v", len(got), got)
	}
}

func confKeepalive(t *testing.T, h *house, version byte) {
	eye, _ := h.wire(t, version, hello{user: "two"})
	eye.sub(packets.Subscription{Filter: "will/#", Qos: 2})
	h.wire(t, version, hello{user: "one", keepalive: 1, will: &packets.ConnectParams{WillTopic: "will/one", WillPayload: []byte("gone")}})
	if pk, ok := eye.hear(patience); !ok || string(pk.Payload) != "gone" {
		t.Error("a client that fell silent is kept")
	}
}

func confRedelivery(t *testing.T, h *house, version byte) {
	w, _ := h.wire(t, version, keeps("one", version))
	w.sub(packets.Subscription{Filter: "a/#", Qos: 2})
	other, _ := h.wire(t, version, hello{user: "two"})
	other.pub(msg("a/1", 1, false, "x"))
	other.pub(msg("a/2", 2, false, "y"))
	for range 2 {
		if pk := w.get(); pk.FixedHeader.Type != packets.Publish || pk.FixedHeader.Dup {
			t.Errorf("got %+v", pk)
		}
	}
	_ = w.Close() // both unacknowledged
	w, _ = h.wire(t, version, keeps("one", version))
	got := w.hearAll()
	if len(got) != 2 {
		t.Fatalf("%d messages again, want 2", len(got))
	}
	for _, pk := range got {
		if !pk.FixedHeader.Dup {
			t.Errorf("%s comes again without DUP", pk.TopicName)
		}
	}
}

func confSubscribeFailure(t *testing.T, h *house, version byte) {
	w, _ := h.wire(t, version, hello{user: "some"})
	codes := w.sub(packets.Subscription{Filter: "some/x", Qos: 1}, packets.Subscription{Filter: "other", Qos: 1})
	if codes[0] != 1 || codes[1] < 0x80 {
		t.Errorf("granted %x", codes)
	}
}

func confDollar(t *testing.T, h *house, version byte) {
	w, _ := h.wire(t, version, hello{user: "one"})
	w.sub(packets.Subscription{Filter: "+/+", Qos: 2})
	w.sub(packets.Subscription{Filter: "#", Qos: 2})
	other, _ := h.wire(t, version, hello{user: "two"})
	other.pub(msg("$own/topic", 1, false, "x"))
	h.gate.carry(&publication{topic: "$SYS/topic", payload: []byte("x")})
	if got := w.hearAll(); len(got) != 0 {
		t.Errorf("wildcards match %s", got[0].TopicName)
	}
}

func confUnsubscribe(t *testing.T, h *house, version byte) {
	w, _ := h.wire(t, version, hello{user: "one"})
	w.sub(packets.Subscription{Filter: "a/1", Qos: 2}, packets.Subscription{Filter: "a/2", Qos: 2})
	w.put(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 77, Filters: packets.Subscriptions{{Filter: "a/1"}}})
	w.expect(packets.Unsuback, 77)
	other, _ := h.wire(t, version, hello{user: "two"})
	other.pub(msg("a/1", 1, false, "x"))
	other.pub(msg("a/2", 1, false, "y"))
	if got := w.hearAll(); len(got) != 1 || got[0].TopicName != "a/2" {
		t.Errorf("got %+v", got)
	}
}

func confSessionExpiry(t *testing.T, h *house) {
	in := hello{user: "one", keep: true}
	for _, tt := range []struct {
		interval uint32
		present  bool
	}{{0, false}, {600, true}} {
		in.props.SessionExpiryInterval, in.props.SessionExpiryIntervalFlag = tt.interval, true
		w, _ := h.wire(t, 5, in)
		w.bye()
		w, ack := h.wire(t, 5, in)
		if ack.SessionPresent != tt.present {
			t.Errorf("expiry %d s: session present = %v", tt.interval, ack.SessionPresent)
		}
		w.put(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, Properties: packets.Properties{SessionExpiryIntervalFlag: true}})
		w.hungUp(patience)
	}
	later := []struct {
		user                string
		connect, disconnect uint32
		present             bool
	}{{"one", 1, 600, true}, {"two", 600, 0, false}, {"three", 1, 1, false}}
	for _, tt := range later {
		in.user, in.props.SessionExpiryInterval = tt.user, tt.connect
		w, _ := h.wire(t, 5, in)
		bye := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}}
		bye.Properties.SessionExpiryInterval, bye.Properties.SessionExpiryIntervalFlag = tt.disconnect, true
		w.put(bye)
		w.hungUp(patience)
	}
	eye, _ := h.wire(t, 5, hello{user: "some"})
	eye.hungUp(3500 * time.Millisecond) // lets the time pass
	for _, tt := range later {
		in.user = tt.user
		if _, ack := h.wire(t, 5, in); ack.SessionPresent != tt.present {
			t.Errorf("%d s, at DISCONNECT %d s: session present = %v after 3 s", tt.connect, tt.disconnect, ack.SessionPresent)
		}
	}
	in.props.SessionExpiryInterval = 1 << 31
	if _, ack := h.wire(t, 5, in); ack.Properties.SessionExpiryInterval != 3600 {
		t.Errorf("a session of 68 years is answered with %d s", ack.Properties.SessionExpiryInterval)
	}
}

func confShared(t *testing.T, h *house) {
	var all []*wire
	for _, user := range []string{"one", "two"} {
		w, _ := h.wire(t, 5, hello{user: user})
		w.sub(packets.Subscription{Filter: "$share/group/a/#", Qos: 1})
		all = append(all, w)
	}
	other, _ := h.wire(t, 5, hello{user: "three"})
	const n = 10
	for range n {
		other.pub(msg("a/b", 1, false, "x"))
	}
	got := 0
	for _, w := range all {
		got += len(w.hearAll())
	}
	if got != n {
		t.Errorf("%d messages in all, want %d", got, n)
	}
}

func confPayloadFormat(t *testing.T, h *house) {
	w, _ := h.wire(t, 5, hello{user: "one"})
	w.sub(packets.Subscription{Filter: "a", Qos: 2})
	other, _ := h.wire(t, 5, hello{user: "two"})
	for qos := range byte(3) {
		pk := msg("a", qos, false, "text")
		pk.Properties.PayloadFormat, pk.Properties.PayloadFormatFlag, pk.Properties.ContentType = 1, true, "text/plain"
		other.pub(pk)
		got, ok := w.hear(patience)
		if !ok || got.FixedHeader.Qos != qos || got.Properties.PayloadFormat != 1 || got.Properties.ContentType != "text/plain" {
			t.Errorf("QoS %d: got %+v", qos, got.Properties)
		}
	}
}

func confPublicationExpiry(t *testing.T, h *house) {
	w, _ := h.wire(t, 5, keeps("one", 5))
	w.sub(packets.Subscription{Filter: "a/#", Qos: 2})
	w.bye()
	other, _ := h.wire(t, 5, hello{user: "two"})
	for topic, expiry := range map[string]uint32{"a/soon": 1, "a/later": 60, "a/never": 0} {
		for qos := byte(1); qos <= 2; qos++ {
			pk := msg(topic, qos, false, "x")
			pk.Properties.MessageExpiryInterval = expiry
			other.pub(pk)
		}
	}
	other.hungUp(3500 * time.Millisecond) // lets the time pass
	w, _ = h.wire(t, 5, keeps("one", 5))
	got, all := map[string]uint32{}, w.hearAll()
	for _, pk := range all {
		got[pk.TopicName] = pk.Properties.MessageExpiryInterval
	}
	if len(all) != 4 {
		t.Errorf("%d messages came, want 4", len(all))
	}
	if _, there := got["a/soon"]; there || len(got) != 2 || got["a/later"] < 50 || got["a/later"] > 58 || got["a/never"] != 0 {
		t.Errorf("got %v", got)
	}
}

func confSubscribeOptions(t *testing.T, h *house) {
	w, _ := h.wire(t, 5, hello{user: "one"})
	w.sub(packets.Subscription{Filter: "a/#", Qos: 2, NoLocal: true})
	w.sub(packets.Subscription{Filter: "b/#", Qos: 2, RetainAsPublished: true})
	w.pub(msg("a/own", 0, false, "x"))
	other, _ := h.wire(t, 5, hello{user: "two"})
	other.pub(msg("a/foreign", 1, true, "x")) // retained, but not shown as such
	other.pub(msg("b/not", 1, false, "y"))
	other.pub(msg("b/kept", 1, true, "y"))
	got := w.hearAll()
	if len(got) != 3 || got[0].TopicName != "a/foreign" || got[0].FixedHeader.Retain || got[1].FixedHeader.Retain || got[2].TopicName != "b/kept" || !got[2].FixedHeader.Retain {
		t.Errorf("got %+v", got)
	}
	for handling, want := range map[byte][2]int{0: {1, 1}, 1: {1, 0}, 2: {0, 0}} { // at a new subscription, at a renewed one
		third, _ := h.wire(t, 5, hello{user: "three"})
		for i := range 2 {
			third.sub(packets.Subscription{Filter: "b/#", Qos: 1, RetainHandling: handling})
			if got := len(third.hearAll()); got != want[i] {
				t.Errorf("retain handling %d, subscription %d: %d messages, want %d", handling, i+1, got, want[i])
			}
		}
		third.bye()
	}
}

func confAssignedID(t *testing.T, h *house) {
	if _, ack := h.wire(t, 5, hello{user: "one", anonymous: true}); ack.Properties.AssignedClientID != "one" {
		t.Errorf("assigned %q, want the user's name", ack.Properties.AssignedClientID)
	}
}

func confSubscribeIdentifiers(t *testing.T, h *house) {
	w, _ := h.wire(t, 5, hello{user: "one"})
	w.sub(packets.Subscription{Filter: "a/#", Qos: 1, Identifier: 456789})
	w.sub(packets.Subscription{Filter: "a/+", Qos: 1, Identifier: 2})
	other, _ := h.wire(t, 5, hello{user: "two"})
	other.pub(msg("a/b", 1, false, "x"))
	var ids []int
	for _, pk := range w.hearAll() {
		ids = append(ids, pk.Properties.SubscriptionIdentifier...)
	}
	if len(ids) != 2 || ids[0]+ids[1] != 456791 {
		t.Errorf("identifiers %v", ids)
	}
}

func confRequestResponse(t *testing.T, h *house) {
	asks, _ := h.wire(t, 5, hello{user: "one"})
	asks.sub(packets.Subscription{Filter: "answer/#", Qos: 1})
	says, _ := h.wire(t, 5, hello{user: "two"})
	says.sub(packets.Subscription{Filter: "question", Qos: 1})
	pk := msg("question", 1, false, "?")
	pk.Properties.ResponseTopic, pk.Properties.CorrelationData = "answer/one", []byte("334")
	asks.pub(pk)
	got, ok := says.hear(patience)
	if !ok || got.Properties.ResponseTopic != "answer/one" || !bytes.Equal(got.Properties.CorrelationData, []byte("334")) {
		t.Fatalf("got %+v", got.Properties)
	}
	pk = msg(got.Properties.ResponseTopic, 1, false, "!")
	pk.Properties.CorrelationData = got.Properties.CorrelationData
	says.pub(pk)
	if got, ok := asks.hear(patience); !ok || string(got.Properties.CorrelationData) != "334" {
		t.Errorf("got %+v", got)
	}
}

func confClientAlias(t *testing.T, h *house) {
	w, _ := h.wire(t, 5, hello{user: "some"}) // also: an alias is no way around the grants
	eye, _ := h.wire(t, 5, hello{user: "one"})
	eye.sub(packets.Subscription{Filter: "#", Qos: 0})
	aliased := func(topic string, alias uint16) packets.Packet {
		pk := msg(topic, 0, false, "x")
		pk.FixedHeader.Type, pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = packets.Publish, alias, true
		return pk
	}
	w.put(aliased("some/a", 1))
	w.put(aliased("", 1))
	w.put(aliased("foreign", 2))
	w.put(aliased("", 2))
	w.pub(msg("some/end", 1, false, "")) // its acknowledgement says that all were read
	if got := eye.hearAll(); len(got) != 3 || got[0].TopicName != "some/a" || got[1].TopicName != "some/a" {
		t.Errorf("got %+v", got)
	}
	w.send(packet(0x30, str("some/a"), []byte{3, 35, 0, 0}, []byte("x")))
	if !w.hungUp(patience) {
		t.Error("alias 0 is borne")
	}
}

func confServerAlias(t *testing.T, h *house) {
	w, _ := h.wire(t, 5, hello{user: "one", props: packets.Properties{TopicAliasMaximum: 1}})
	w.sub(packets.Subscription{Filter: "a/#", Qos: 2})
	other, _ := h.wire(t, 5, hello{user: "two"})
	for qos := range byte(3) {
		other.pub(msg("a/1", qos, false, "x"))
	}
	for i, pk := range w.hearAll() {
		if pk.Properties.TopicAlias != 1 || (i == 0) != (pk.TopicName == "a/1") {
			t.Errorf("message %d: topic %q alias %d", i, pk.TopicName, pk.Properties.TopicAlias)
		}
	}
	other.pub(msg("a/2", 0, false, "x")) // no alias is left
	if pk, _ := w.hear(patience); pk.TopicName != "a/2" || pk.Properties.TopicAlias != 0 {
		t.Errorf("topic %q alias %d", pk.TopicName, pk.Properties.TopicAlias)
	}
}

func confMaximumPacketSize(t *testing.T, h *house) {
	w, _ := h.wire(t, 5, hello{user: "one", props: packets.Properties{MaximumPacketSize: 64}})
	w.sub(packets.Subscription{Filter: "a", Qos: 1})
	other, _ := h.wire(t, 5, hello{user: "two"})
	other.pub(msg("a", 1, false, string(make([]byte, 100))))
	other.pub(msg("a", 1, false, "small"))
	if got := w.hearAll(); len(got) != 1 || string(got[0].Payload) != "small" {
		t.Errorf("got %d messages", len(got))
	}
	other.put(func() packets.Packet {
		pk := msg("a", 0, false, string(make([]byte, 70<<10)))
		pk.FixedHeader.Type = packets.Publish
		return pk
	}())
	if !other.hungUp(patience) {
		t.Error("a packet above the broker's maximum is borne")
	}
}

func confServerKeepAlive(t *testing.T, h *house) {
	if _, ack := h.wire(t, 5, hello{user: "one", keepalive: 65535}); !ack.Properties.ServerKeepAliveFlag || ack.Properties.ServerKeepAlive != maxKeepalive {
		t.Errorf("server keep alive %d", ack.Properties.ServerKeepAlive)
	}
	if _, ack := h.wire(t, 5, hello{user: "one", keepalive: 60}); ack.Properties.ServerKeepAliveFlag {
		t.Error("60 s was changed")
	}
}

func confFlow1(t *testing.T, h *house) {
	w, ack := h.wire(t, 5, hello{user: "one"})
	most := int(ack.Properties.ReceiveMaximum)
	if most == 0 {
		t.Fatal("no Receive Maximum")
	}
	var b bytes.Buffer
	for i := range most + 1 { // QoS 2, never released
		pk := msg("a", 2, false, "x")
		pk.FixedHeader.Type, pk.PacketID, pk.ProtocolVersion = packets.Publish, uint16(i+1), 5
		if err := pk.PublishEncode(&b); err != nil {
			t.Fatal(err)
		}
	}
	w.send(b.Bytes())
	for {
		pk := w.get()
		if pk.FixedHeader.Type == packets.Disconnect {
			if pk.ReasonCode != packets.ErrReceiveMaximum.Code {
				t.Errorf("reason %x", pk.ReasonCode)
			}
			return
		}
	}
}

func confFlow2(t *testing.T, h *house) {
	const most = 5
	w, _ := h.wire(t, 5, hello{user: "one", props: packets.Properties{ReceiveMaximum: most}})
	w.sub(packets.Subscription{Filter: "a", Qos: 2})
	other, _ := h.wire(t, 5, hello{user: "two"})
	for range 20 {
		other.pub(msg("a", 2, false, "x"))
	}
	var waiting []uint16
	seen := 0
	for seen < 20 {
		wait := patience
		if len(waiting) == most {
			wait = 200 * time.Millisecond // no more may come
		}
		pk, ok := w.take(wait)
		switch {
		case !ok && len(waiting) < most:
			t.Fatalf("only %d of %d came, %d unacknowledged", seen, 20, len(waiting))
		case !ok:
			w.r.Reset(w.Conn)
			id := waiting[0]
			waiting = waiting[1:]
			w.put(ack(packets.Pubrec, id))
			w.expect(packets.Pubrel, id)
			w.put(ack(packets.Pubcomp, id))
		default:
			seen++
			if waiting = append(waiting, pk.PacketID); len(waiting) > most {
				t.Fatalf("%d are unacknowledged", len(waiting))
			}
		}
	}
}

func confWillDelay(t *testing.T, h *house) {
	eye, _ := h.wire(t, 5, hello{user: "two"})
	eye.sub(packets.Subscription{Filter: "will/#", Qos: 2})
	in := keeps("one", 5)
	in.will = &packets.ConnectParams{WillTopic: "will/one", WillPayload: []byte("gone"), WillProperties: packets.Properties{WillDelayInterval: 2}}
	w, _ := h.wire(t, 5, in)
	_ = w.Close()
	if _, ok := eye.hear(1500 * time.Millisecond); ok {
		t.Error("it came at once")
	}
	eye.r.Reset(eye.Conn)
	if pk, ok := eye.hear(patience); !ok || string(pk.Payload) != "gone" {
		t.Error("it never came")
	}
	in.will.WillProperties.WillDelayInterval = 4
	w, _ = h.wire(t, 5, in)
	_ = w.Close()
	eventually(t, "the broker noticed", func() bool { return len(h.door.everybody()) == 1 })
	h.wire(t, 5, in) // back in time
	if _, ok := eye.hear(5500 * time.Millisecond); ok {
		t.Error("it came though the client is back")
	}
}

func confUserProperties(t *testing.T, h *house) {
	w, _ := h.wire(t, 5, hello{user: "one"})
	w.sub(packets.Subscription{Filter: "a", Qos: 2})
	other, _ := h.wire(t, 5, hello{user: "two"})
	users := []packets.UserProperty{{Key: "a", Val: "2"}, {Key: "c", Val: "3"}, {Key: "a", Val: "4"}}
	for qos := range byte(3) {
		pk := msg("a", qos, false, "x")
		pk.Properties.User = users
		other.pub(pk)
		if got, _ := w.hear(patience); got.FixedHeader.Qos != qos || fmt.Sprint(got.Properties.User) != fmt.Sprint(users) {
			t.Errorf("QoS %d: got %+v", qos, got.Properties.User)
		}
	}
	pk := msg("a", 1, false, "x")
	pk.FixedHeader.Type, pk.PacketID, pk.Properties.User = packets.Publish, 9, users
	other.put(pk)
	if ack := other.expect(packets.Puback, 9); len(ack.Properties.User) != 0 {
		t.Error("the acknowledgement repeats them")
	}
}
