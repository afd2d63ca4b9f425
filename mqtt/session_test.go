package mqtt

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// No kind of packet is for free, whoever answers it.
func TestEveryPacketCounts(t *testing.T) {
	t.Parallel()
	const n = 500
	retained := publish(4, 1, 7, "a/x", "1")
	retained[0] |= 1
	v := newVault()
	h := open(t, v, func(c *Config) { c.Limits.MessageRate = 100 })
	var all sync.WaitGroup
	for id, one := range map[string][]byte{
		"plain": publish(4, 1, 7, "a/x", "1"), "retained": retained, "ping": {0xc0, 0}, "subscribe": subscribe(4, 1, "b/x", 0),
		"unsubscribe": packet(0xa2, []byte{0, 1}, str("b/x")),
	} {
		v.add(id, id, rw("#"))
		c := h.raw(t, "")
		c.login(4, id, v.secret(id), 60, true)
		all.Go(func() {
			began := time.Now()
			_, _ = c.Write(bytes.Repeat(one, n))
			for i := range n {
				if _, _, err := c.packet(patience); err != nil {
					t.Errorf("%s: answer %d: %v", id, i, err)
					return
				}
			}
			// 400 at once, the other 100 at 100 a second.
			if d := time.Since(began); d < 700*time.Millisecond || d > 40*time.Second {
				t.Errorf("%s: took %v, want a second", id, d)
			}
		})
	}
	all.Wait()
}

// Whoever has the right secret, but asks for what can not be, is refused; and
// a v5 client that breaks the rules later is told why it is cut.
func TestWhatCanNotBeIsRefused(t *testing.T) {
	v := newVault()
	v.add("a", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.Connect = time.Hour })
	for name, head := range map[string][]byte{
		"a session without an id": bytes.Join([][]byte{str("MQTT"), {4, 0xc0, 0, 60}, str("")}, nil),
		"another protocol":        bytes.Join([][]byte{str("MQTX"), {4, 0xc2, 0, 60}, str("a")}, nil),
		"a later version":         bytes.Join([][]byte{str("MQTT"), {6, 0xc2, 0, 60, 0}, str("a")}, nil),
		"a reserved flag":         bytes.Join([][]byte{str("MQTT"), {4, 0xc3, 0, 60}, str("a")}, nil),
	} {
		c := h.raw(t, "")
		c.send(packet(0x10, head, str("a"), str(v.secret("a"))))
		if kind, body, err := c.packet(patience); err == nil && (kind>>4 != packets.Connack || body[1] == 0) {
			t.Errorf("%s is answered with %x %x", name, kind, body)
		}
		if !c.hungUp(patience) {
			t.Errorf("%s: still connected", name)
		}
	}
	for _, version := range []byte{4, 5} {
		c := h.raw(t, "")
		c.login(version, "a", v.secret("a"), 60, true)
		c.send(packet(0x10, str("MQTT"), []byte{4, 2, 0, 60}, str("a"))) // a second CONNECT
		kind, body, err := c.packet(patience)
		if told := err == nil && kind>>4 == packets.Disconnect && body[0] == packets.ErrProtocolViolationSecondConnect.Code; told != (version == 5) {
			t.Errorf("v%d: told %x %x %v", version, kind, body, err)
		}
	}
}

// A packet that was read just before the session went to another connection
// changes nothing any more: its subscription would be the newcomer's.
func TestPacketAfterTheEndIsIgnored(t *testing.T) {
	v := newVault()
	v.add("a", "", rw("#"))
	h := open(t, v)
	c := h.raw(t, "")
	c.login(4, "a", v.secret("a"), 60, true)
	p := h.door.everybody()[0]
	c.Close()
	eventually(t, "it left", func() bool { return len(h.door.everybody()) == 0 })
	if err := h.gate.handle(p, subscribe(4, 1, "a/#", 1)); err == nil {
		t.Error("it was taken")
	}
	if subs := h.server.Topics.Subscribers("a/x").Subscriptions; len(subs) != 0 {
		t.Errorf("%d subscriptions", len(subs))
	}
}

// The time to CONNECT is over with it, also for a client that then says nothing
// at all.
func TestTimeToConnectEndsWithIt(t *testing.T) {
	t.Parallel()
	v := newVault()
	h := open(t, v, func(c *Config) { c.Limits.Connect = 3 * time.Second })
	var all sync.WaitGroup
	for _, keepalive := range []uint16{0, 60, 65535} {
		id := fmt.Sprint("a", keepalive)
		v.add(id, "", rw("#"))
		c := h.raw(t, "")
		c.login(4, id, v.secret(id), keepalive, true)
		all.Go(func() {
			if c.hungUp(4 * time.Second) {
				t.Errorf("keepalive %d: it was cut", keepalive)
			}
		})
	}
	all.Wait()
}

// A session that is taken over while messages are on their way to it keeps its
// subscriptions, and the newcomer may publish.
func TestTakenOverSessionIsWhole(t *testing.T) {
	for _, version := range []byte{4, 5} {
		v := newVault()
		v.add("a", "", rw("#"))
		h := open(t, v)
		keep := hello{user: "a", keep: true}
		if version == 5 {
			keep.props = packets.Properties{SessionExpiryInterval: 60, SessionExpiryIntervalFlag: true}
		}
		old, _ := h.wire(t, version, keep)
		old.sub(packets.Subscription{Filter: "a/#", Qos: 1})
		_ = h.Publish("a/x", []byte("zero"), false)
		h.gate.carry(&publication{topic: "a/x", payload: []byte("owed"), qos: 1})
		old.get()
		old.get() // and not acknowledged
		for round := range 3 {
			again, ack := h.wire(t, version, keep)
			if !ack.SessionPresent {
				t.Fatalf("v%d, round %d: no session", version, round)
			}
			if pk := again.get(); string(pk.Payload) != "owed" || !pk.FixedHeader.Dup {
				t.Errorf("v%d, round %d: got %q", version, round, pk.Payload)
			}
			again.next = 100
			again.pub(msg("b", 1, true, "x")) // the library's way
			if n := len(h.server.Topics.Subscribers("a/x").Subscriptions); n != 1 {
				t.Errorf("v%d, round %d: %d subscriptions", version, round, n)
			}
		}
		fresh, ack := h.wire(t, version, hello{user: "a"})
		if n := len(h.server.Topics.Subscribers("a/x").Subscriptions); ack.SessionPresent || n != 0 {
			t.Errorf("v%d: a clean start finds %d subscriptions, session %v", version, n, ack.SessionPresent)
		}
		fresh.bye()
		eventually(t, "nothing is left", func() bool { _, there := h.server.Clients.Get("a"); return !there })
	}
}

// What workers lend is bounded, a panic comes out where the work was asked for,
// and all of them go home.
func TestWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	var ws workers
	var all sync.WaitGroup
	begun, end := make(chan struct{}), make(chan struct{})
	for range 3 * maxIdleWorkers {
		all.Go(func() { _ = ws.run(func() error { begun <- struct{}{}; <-end; return nil }) })
	}
	for range 3 * maxIdleWorkers { // all at once: nobody waits for another's work
		<-begun
	}
	close(end)
	all.Wait()
	if n := ws.waiting(); n != maxIdleWorkers {
		t.Errorf("%d are kept", n)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic got lost")
			}
		}()
		_ = ws.run(func() error { panic("broken") })
	}()
	if err := ws.run(func() error { return errBye }); err != errBye {
		t.Errorf("it returned %v", err)
	}
	if n := ws.waiting(); n != maxIdleWorkers {
		t.Errorf("after a panic %d are kept", n)
	}
	ws.close()
	_ = ws.run(func() error { return nil })
	if n := ws.waiting(); n != 0 {
		t.Errorf("%d did not go home", n)
	}
	eventually(t, "their goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}
