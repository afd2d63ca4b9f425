package mqtt

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"homehub/hub"
)

// Whatever the fast path takes, the library would have understood the same.
func FuzzPlainPublish(f *testing.F) {
	f.Add(publish(4, 0, 0, "a/x", "payload"), byte(4))
	f.Add(publish(5, 1, 7, "a/x", ""), byte(5))
	f.Add([]byte{0x33, 5, 0, 1, 'x', 0, 1}, byte(4)) // retained
	f.Add([]byte{0x3a, 5, 0, 1, 'x', 0, 1}, byte(4))
	f.Add(publish(4, 0, 0, "a", string(make([]byte, 300))), byte(5))
	f.Fuzz(func(t *testing.T, frame []byte, version byte) {
		version = 4 + version&1
		head, body, ok := frameLength(frame)
		if !ok || head == 0 || head+body != len(frame) || frame[0]>>4 != typePublish {
			return
		}
		topic, id, payload, ok := plainPublish(frame, version)
		if !ok || !publishable(string(topic)) { // nobody may write it
			return
		}
		pk := packets.Packet{ProtocolVersion: version}
		if err := pk.FixedHeader.Decode(frame[0]); err != nil {
			t.Fatalf("the library refuses the header: %v", err)
		}
		if err := pk.PublishDecode(frame[head:]); err != nil {
			t.Fatalf("the library refuses it: %v", err)
		}
		if code := pk.PublishValidate(maxAliases); code != packets.CodeSuccess {
			t.Fatalf("the library finds it invalid: %v", code)
		}
		if pk.FixedHeader.Retain || pk.FixedHeader.Qos > 1 || pk.Properties.TopicAliasFlag || hasProperties(&pk.Properties) {
			t.Fatalf("that is none for the fast path: %+v", pk)
		}
		if pk.TopicName != string(topic) || pk.PacketID != id || !bytes.Equal(pk.Payload, payload) {
			t.Errorf("%q %d %q, the library reads %q %d %q", topic, id, payload, pk.TopicName, pk.PacketID, pk.Payload)
		}
	})
}

// librarySaw is how many messages did not take the fast path. The library
// counts one after it has answered it.
func librarySaw(h *house) int64 { return atomic.LoadInt64(&h.server.Info.MessagesReceived) }

// A subscriber gets the same packets whether the fast path or the library took
// the message in.
func TestFastPathSendsWhatTheLibraryWould(t *testing.T) {
	for _, version := range []byte{4, 5} {
		t.Run(fmt.Sprint("v", version), func(t *testing.T) {
			v := newVault()
			for _, id := range []string{"pub", "exact", "four", "five", "ids"} {
				v.add(id, "", rw("#"))
			}
			h := open(t, v)
			four, _ := h.wire(t, 4, hello{user: "four"})
			five, _ := h.wire(t, 5, hello{user: "five"})
			ids, _ := h.wire(t, 5, hello{user: "ids", props: packets.Properties{MaximumPacketSize: 200, TopicAliasMaximum: 4}})
			four.sub(packets.Subscription{Filter: "a/#", Qos: 1})
			five.sub(packets.Subscription{Filter: "a/+", Qos: 0}, packets.Subscription{Filter: "a/#", Qos: 1})
			ids.sub(packets.Subscription{Filter: "a/x", Qos: 1, Identifier: 9})
			fast, _ := h.wire(t, version, hello{user: "pub"})
			slow, _ := h.wire(t, version, hello{user: "exact"})
			slow.pub(msg("b", 2, false, "from now on the library's"))

			var got [2][]string
			for i, pub := range []*wire{fast, slow} {
				before := librarySaw(h)
				pub.pub(msg("a/x", 0, false, "zero"))
				pub.pub(msg("a/x", 0, false, ""))
				pub.pub(msg("a/x", 1, false, "one"))
				pub.pub(msg("a/x", 1, false, string(make([]byte, 300)))) // too long for one of them
				eventually(t, "the library has seen all of them or none", func() bool { return librarySaw(h)-before >= int64(4*i) })
				if saw := librarySaw(h) - before; saw != int64(4*i) {
					t.Errorf("the library saw %d of 4 messages", saw)
				}
				for _, sub := range []*wire{four, five, ids} {
					for _, pk := range sub.hearAll() {
						got[i] = append(got[i], fmt.Sprintf("%s: %s %d %v alias %d %v %d", sub.user(), pk.TopicName, pk.FixedHeader.Qos, pk.FixedHeader.Retain,
							pk.Properties.TopicAlias, pk.Properties.SubscriptionIdentifier, len(pk.Payload)))
					}
				}
			}
			got[0][8] = got[1][8] // the first one with the alias has the topic as well
			if fmt.Sprint(got[0]) != fmt.Sprint(got[1]) || len(got[0]) != 11 {
				t.Errorf("fast %q\nlibrary %q", got[0], got[1])
			}
		})
	}
}

func (w *wire) user() string { return fmt.Sprint("v", w.version) }

// Messages of one client reach a subscriber in order, whichever way each of
// them takes through the broker (MQTT 5.0 §4.6).
func TestOrderIsKeptAcrossTheFastPathAndTheLibrary(t *testing.T) {
	v := newVault()
	v.add("pub", "", rw("#"))
	v.add("sub", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.MessageRate = 100_000 })
	for _, version := range []byte{4, 5} {
		sub, _ := h.wire(t, version, hello{user: "sub"})
		topic := fmt.Sprint("v", version)
		sub.sub(packets.Subscription{Filter: topic, Qos: 0})
		pub, _ := h.wire(t, 5, hello{user: "pub"})
		before := librarySaw(h)
		const n = 600
		var b bytes.Buffer
		for i := range n {
			pk := msg(topic, byte(i%2), i%5 == 0, fmt.Sprint(i))
			pk.FixedHeader.Type, pk.PacketID, pk.ProtocolVersion = packets.Publish, uint16(i%2*(i+1)), 5
			if i%7 == 0 {
				pk.Properties.ContentType = "text/plain"
			}
			if err := pk.PublishEncode(&b); err != nil {
				t.Fatal(err)
			}
		}
		pub.send(b.Bytes())
		for i := range n {
			if pk := sub.get(); string(pk.Payload) != fmt.Sprint(i) {
				t.Fatalf("v%d: message %q came in place of %d", version, pk.Payload, i)
			}
		}
		if saw := librarySaw(h) - before; saw < n/5 || saw > n/2 {
			t.Errorf("the library saw %d of %d messages", saw, n)
		}
		sub.bye()
		pub.bye()
	}
}

// What a client has not acknowledged when its connection ends comes again,
// with the identifier it had (MQTT 5.0 §4.4), and before what came meanwhile.
// The library mixes up messages of one second (defect 11).
func TestDefect11OfflineMessagesComeInOrder(t *testing.T) {
	v := newVault()
	v.add("pub", "", rw("#"))
	v.add("sub", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.MessageRate = 100_000 })
	login := func() *raw {
		c := h.raw(t, "")
		if code := c.login(4, "sub", v.secret("sub"), 60, false); code != 0 {
			t.Fatalf("refused with %d", code)
		}
		return c
	}
	sub := login()
	sub.send(subscribe(4, 1, "a/#", 1))
	sub.receive()
	pub := h.raw(t, "")
	pub.login(4, "pub", v.secret("pub"), 60, true)
	say := func(from, to int) {
		var b []byte
		for i := from; i < to; i++ {
			b = append(b, publish(4, 1, uint16(i+1), "a/x", fmt.Sprintf("number %d", i))...)
		}
		pub.send(b)
		for range to - from {
			pub.receive()
		}
	}
	ids := map[string]string{}
	say(0, 100)
	for i := range 100 {
		kind, body := sub.receive()
		ids[string(body[7:])] = string(body[5:7])
		if kind != 0x32 || string(body[7:]) != fmt.Sprintf("number %d", i) {
			t.Fatalf("got %x %q, want number %d", kind, body, i)
		}
	}
	sub.Close()
	eventually(t, "it left", func() bool { return len(h.door.everybody()) == 1 })
	say(100, 300)
	sub = login()
	for i := range 300 {
		kind, body := sub.receive()
		if kind&0xf6 != 0x32 || string(body[7:]) != fmt.Sprintf("number %d", i) {
			t.Fatalf("got %x %q, want number %d", kind, body, i)
		}
		if i < 100 && (kind&8 == 0 || ids[string(body[7:])] != string(body[5:7])) {
			t.Fatalf("message %d comes again as %x, identifier %x, which was %x", i, kind, body[5:7], ids[string(body[7:])])
		}
		sub.send(packet(0x40, body[5:7]))
	}
	say(300, 301)
	if _, body := sub.receive(); string(body[7:]) != "number 300" {
		t.Errorf("then came %q", body)
	}
	cl, _ := h.server.Clients.Get("sub")
	eventually(t, "nothing is owed", func() bool { return cl.State.Inflight.Len() == 0 })
}

// A subscriber that keeps its session loses no message of QoS 1, however often
// its connection is cut or taken over.
func TestTakeoverLosesNothing(t *testing.T) {
	v := newVault()
	v.add("pub", "", rw("#"))
	v.add("sub", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.MessageRate, c.Limits.ConnectRate = 100_000, 10_000 })
	const n = 1000
	pub := h.raw(t, "")
	pub.login(4, "pub", v.secret("pub"), 60, true)
	enter := func() *raw {
		c := h.raw(t, "")
		if code := c.login(4, "sub", v.secret("sub"), 60, false); code != 0 {
			t.Fatalf("refused with %d", code)
		}
		return c
	}
	sub := enter()
	sub.send(subscribe(4, 1, "a/#", 1))
	sub.receive()
	go func() {
		for i := range n {
			_, _ = pub.Write(publish(4, 1, uint16(i+1), "a/x", fmt.Sprint(i)))
			if i%10 == 9 {
				for range 10 {
					_, _, _ = pub.packet(patience)
				}
			}
		}
	}()
	next := 0
	for round := 0; next < n; round++ {
		for range 50 {
			kind, body, err := sub.packet(patience)
			if err != nil {
				t.Fatalf("after %d messages: %v", next, err)
			}
			number := 0
			if _, err := fmt.Sscan(string(body[7:]), &number); err != nil || number > next {
				t.Fatalf("round %d: got %q (%x), want %d", round, body[7:], kind, next)
			}
			next = max(next, number+1)
			_, _ = sub.Write(packet(0x40, body[5:7]))
			if next == n {
				return
			}
		}
		if old := sub; round%2 == 0 {
			sub = enter() // takes over
			old.Close()
		} else {
			old.Close()
			sub = enter()
		}
	}
}

// A subscription counts for the first message after its acknowledgement, and
// not for the first after it ended.
func TestRoutesFollowSubscriptions(t *testing.T) {
	v := newVault()
	v.add("pub", "", rw("#"))
	v.add("sub", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.MessageRate = 10_000 })
	pub, _ := h.wire(t, 4, hello{user: "pub"})
	sub, _ := h.wire(t, 4, hello{user: "sub"})
	for i := range 50 {
		pub.pub(msg("a/x", 1, false, "nobody hears"))
		sub.sub(packets.Subscription{Filter: "a/+", Qos: 0})
		pub.pub(msg("a/x", 1, false, fmt.Sprint(i)))
		if pk := sub.get(); string(pk.Payload) != fmt.Sprint(i) {
			t.Fatalf("round %d: got %q", i, pk.Payload)
		}
		sub.put(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 900, Filters: packets.Subscriptions{{Filter: "a/+"}}})
		sub.expect(packets.Unsuback, 900)
	}
	if n := remembered(h); n > maxRoutes {
		t.Errorf("%d routes", n)
	}
}

func remembered(h *house) int {
	h.gate.routes.mu.RLock()
	defer h.gate.routes.mu.RUnlock()
	return len(h.gate.routes.known)
}

// Topics that are made up cost the hub no memory.
func TestRoutesAreBounded(t *testing.T) {
	v := newVault()
	v.add("pub", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.MessageRate = 1_000_000 })
	pub := h.raw(t, "")
	pub.login(4, "pub", v.secret("pub"), 60, true)
	var b []byte
	for i := range 3 * maxRoutes {
		b = append(b, publish(4, 0, 0, fmt.Sprint("a/", i), "x")...)
	}
	b = append(b, publish(4, 1, 1, "a/x", "x")...)
	pub.send(b)
	pub.receive()
	if n := remembered(h); n == 0 || n > maxRoutes {
		t.Errorf("%d routes are remembered", n)
	}
}

// A client that reads but does not acknowledge is cut, and neither its
// connection nor its session grows without bounds.
func TestWhatAClientIsOwedIsBounded(t *testing.T) {
	v := newVault()
	v.add("pub", "", rw("#"))
	v.add("sub", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.MessageRate = 100_000 })
	sub := h.raw(t, "")
	sub.login(4, "sub", v.secret("sub"), 60, false)
	sub.send(subscribe(4, 1, "a/#", 1))
	sub.receive()
	cut := make(chan bool, 1)
	go func() { cut <- sub.hungUp(patience) }()
	pub, _ := h.wire(t, 4, hello{user: "pub"})
	payload := string(make([]byte, 20_000))
	for range 200 { // 4 MB
		pub.pub(msg("a/x", 1, false, payload))
	}
	if !<-cut {
		t.Error("it is still connected")
	}
	cl, _ := h.server.Clients.Get("sub")
	if n := cl.State.Inflight.Len(); n < 40 || n > maxOwed/20_000 {
		t.Errorf("%d messages are kept for it", n)
	}
}

// Only messages on the fast path count as signs of life, too.
func TestKeepaliveOnTheFastPath(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("pub", "", rw("#"))
	h := open(t, v)
	var pub *raw
	eventually(t, "a client that speaks all the time is kept", func() bool {
		pub = h.raw(t, "")
		pub.login(4, "pub", v.secret("pub"), 2, true) // 3 s
		return speaks(t, pub, 8, 500*time.Millisecond, 2*time.Second)
	})
	began := time.Now()
	if !pub.hungUp(patience) {
		t.Error("it fell silent and is kept")
	}
	if d := time.Since(began); d < 1500*time.Millisecond {
		t.Errorf("it was cut after %v", d)
	}
}

// speaks publishes n times with a pause. It returns false if the machine made a
// pause longer than most; if the client is cut for less the test fails.
func speaks(t *testing.T, pub *raw, n int, pause, most time.Duration) bool {
	t.Helper()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	last := time.Now()
	for i := range n {
		_, failed := pub.Write(publish(4, 1, uint16(i+1), "a/x", "x"))
		if failed == nil {
			_, _, failed = pub.packet(patience)
		}
		if time.Since(last) > most {
			return false
		}
		if failed != nil {
			t.Fatalf("message %d: %v", i, failed)
		}
		last = <-tick.C
	}
	return true
}

// What fleet and meter hear outlives the buffer that it was read into.
func TestWhatIsOverheardIsCopied(t *testing.T) {
	b := []byte("1500")
	f := newFleet(hub.Clock{}, discard0(), func(hub.Report) {}, nil)
	f.set([]hub.Device{{ID: "plug", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/plug"}})
	f.heard(&peer{}, "emon/plug/power", b)
	m := newMeter(Config{Meter: mustMap(t, map[string]string{"net": "emon/plug/net"}), Logger: discard0()}, nil)
	m.heard("emon/plug/net", b)
	copy(b, "zzzz")
	if got := string(f.queue[len(f.queue)-1].payload); got != "1500" {
		t.Errorf("the fleet heard %q", got)
	}
	if got := string(m.queue[0].payload); got != "1500" {
		t.Errorf("the meter heard %q", got)
	}
}
