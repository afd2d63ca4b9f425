package mqtt

import (
	"context"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"homehub/hub"
)

// The tests in this file are named after the defects of the library
// (mochi-mqtt v2.7.9) that the guard counters. Each fails with -bare.

func TestDefect1AcceptOutlivesErrors(t *testing.T) {
	if *bare {
		t.Skip("the same listener is shown to end in the library's own Serve")
	}
	v := newVault()
	v.add("a", "", rw("a/#"))
	b, err := New(Config{Addr: "127.0.0.1:0", Vault: v})
	if err != nil {
		t.Fatal(err)
	}
	b.guard.listener = &faulty{Listener: b.guard.listener, faults: 3}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	h := &house{Broker: b, vault: v, addr: b.Addr().String()}
	h.dial(t, "a")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The real thing: a process that may open few files, and whoever wants holding
// connections that say nothing. Who has a credential comes in all the same.
func TestDefect1NoDescriptorsLeft(t *testing.T) {
	t.Parallel()
	if *bare {
		t.Skip("see above")
	}
	cmd, addr := startOurs(t, "HOMEHUB_BROKER_FEW=30")
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	h := &house{vault: newVault(), addr: addr}
	device := func(id string) paho.Client {
		h.vault.secrets[id] = id
		return h.dial(t, id)
	}
	got := listen(t, device("before"), "a/#", 1)
	var silent []*raw
	for range 200 {
		silent = append(silent, h.raw(t, "")) // the kernel takes them, the broker can not
	}
	during := device("during")
	say(t, during, "a/x", 1, false, "through")
	want(t, got, "a/x", "through")
	for _, c := range silent {
		c.Close()
	}
	say(t, device("after"), "a/x", 1, false, "later")
	want(t, got, "a/x", "later")
}

// faulty fails to accept as if there were no file descriptors left.
type faulty struct {
	net.Listener
	faults int
}

func (f *faulty) Accept() (net.Conn, error) {
	if f.faults--; f.faults >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

func TestDefect2SilentConnectionsAreClosed(t *testing.T) {
	v := newVault()
	v.add("a", "", rw("a/#"))
	h := open(t, v, func(c *Config) { c.Limits.Connect = 500 * time.Millisecond })
	var all []*raw
	for range 20 {
		all = append(all, h.raw(t, ""))
	}
	slow := h.raw(t, "")
	slow.send([]byte{0x10, 20, 0, 4}) // begins a CONNECT and never ends it
	for i, c := range append(all, slow) {
		if !c.hungUp(patience) {
			t.Fatalf("connection %d is still open", i)
		}
	}
	eventually(t, "who is quick enough comes in", func() bool {
		c, err := h.try("a", v.secret("a"))
		c.Disconnect(0)
		return err == nil
	})
}

func TestDefect3SilentConnectionsDoNotHoldUpTheEnd(t *testing.T) {
	if *bare {
		s := mochi.New(&mochi.Options{})
		a, b := net.Pipe()
		go func() { _ = s.EstablishConnection("x", a) }()
		_, _ = b.Write([]byte{0x10}) // returns when it is read
		if !within(3*time.Second, func() { _ = s.Close() }) {
			t.Fatal("Close waits for ever")
		}
		return
	}
	h := open(t, newVault(), func(c *Config) { c.Limits.Connect = time.Hour })
	for range 5 {
		h.raw(t, "").send([]byte{0x10})
	}
	eventually(t, "they are all in", func() bool { return len(h.door.everybody()) == 5 })
	h.endsCleanly(t)
}

func TestDefect4GiantHeadersCostNothing(t *testing.T) {
	h := open(t, newVault(), func(c *Config) { c.Limits.Connect = time.Hour })
	before := heap()
	var all []*raw
	for range 4 {
		c := h.raw(t, "")
		c.send([]byte{0x10, 0xff, 0xff, 0xff, 0x7f}) // CONNECT of 256 MiB
		all = append(all, c)
	}
	for _, c := range all {
		if !c.hungUp(patience) {
			t.Error("still open")
		}
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("%d MiB allocated for 20 bytes", grown>>20)
	}
}

// heap is all that was ever allocated.
func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestDefect4PacketsAreBoundedAfterLogin(t *testing.T) {
	v := newVault()
	v.add("a", "", rw("a/#"))
	h := open(t, v)
	c := h.raw(t, "")
	c.login(4, "a", v.secret("a"), 60, true)
	before := heap()
	c.send([]byte{0x30, 0xff, 0xff, 0xff, 0x7f})
	if !c.hungUp(patience) {
		t.Error("still open")
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("%d MiB allocated for 5 bytes", grown>>20)
	}
}

func TestDefect5StalledSubscriberBlocksNobody(t *testing.T) {
	v := newVault()
	v.add("stalled", "", rw("a/#"))
	v.add("pub", "", rw("a/#"))
	h := open(t, v)
	stalled := h.raw(t, "")
	_ = stalled.Conn.(*net.TCPConn).SetReadBuffer(4096)
	stalled.login(4, "stalled", v.secret("stalled"), 0, true)
	stalled.send(subscribe(4, 1, "a/#", 1))
	stalled.receive()

	pub := h.dial(t, "pub", func(o *paho.ClientOptions) { o.SetMaxResumePubInFlight(100) })
	payload := string(make([]byte, 20_000))
	for i := range 1000 { // 20 MB: more than any kernel buffers
		tok := pub.Publish("a/x", 1, false, payload)
		if !tok.WaitTimeout(patience) {
			t.Fatalf("message %d is not acknowledged: the publisher is blocked", i)
		}
	}
	if !*bare {
		eventually(t, "the stalled client is cut", func() bool { return len(h.door.everybody()) == 1 })
	}
}

func TestDefect6NoDeadlockUnderReceiveMaximum(t *testing.T) {
	if *bare { // the deadlock itself, without the luck a broker needs for it
		i := mochi.NewInflights()
		if !within(patience, func() {
			var wg sync.WaitGroup
			wg.Go(func() {
				for n := range 200_000 {
					i.Set(packets.Packet{PacketID: uint16(n % 8)})
				}
			})
			wg.Go(func() {
				for range 200_000 {
					i.NextImmediate()
				}
			})
			wg.Wait()
		}) {
			t.Fatal("deadlock")
		}
		return
	}
	v := newVault()
	v.add("sub", "", rw("a/#"))
	h := open(t, v)
	c := h.raw(t, "")
	c.login(5, "sub", v.secret("sub"), 60, true, 33, 0, 2) // Receive Maximum 2
	c.send(subscribe(5, 1, "a/#", 1))
	c.receive()
	cl, _ := h.server.Clients.Get("sub")
	for i := range 10 {
		h.gate.carry(&publication{topic: "a/x", payload: []byte{byte('0' + i)}, qos: 1})
	}
	// Each is sent exactly once, in order, never more than two unacknowledged;
	// and the library never looks for messages that wait (NextImmediate).
	next := byte('0')
	var open [][]byte
	for next < '0'+10 {
		for len(open) < 2 && next < '0'+10 {
			kind, body := c.receive()
			if kind>>4 != typePublish || body[len(body)-1] != next {
				t.Fatalf("got %x %q, want message %c", kind, body, next)
			}
			open = append(open, body[5:7])
			next++
		}
		if kind, body, err := c.packet(20 * time.Millisecond); err == nil {
			t.Fatalf("a third message %x %q came before an acknowledgement", kind, body)
		}
		c.send(packet(0x40, open[0]))
		open = open[1:]
	}
	if _, waiting := cl.State.Inflight.NextImmediate(); waiting {
		t.Error("the library counts messages itself")
	}
}

func TestDefect7WillStaysWithinTheGrants(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("mallory", "", rw("dev/mallory/#"))
	v.add("eye", "", rw("#"))
	h := open(t, v)
	got := listen(t, h.dial(t, "eye"), "#", 0)
	for _, topic := range []string{"hub/cmd/relay", "$SYS/x", "dev/other"} {
		c := h.raw(t, "127.0.0.1")
		c.send(packet(0x10, str("MQTT"), []byte{4, 0xc6, 0, 60}, str("mallory"), str(topic), str("on"), str("mallory"), str(v.secret("mallory"))))
		_, body, err := c.packet(patience)
		if err == nil && body[1] == 0 {
			t.Errorf("a Will on %s was accepted", topic)
		}
		c.Close()
	}
	c := h.raw(t, "")
	c.send(packet(0x10, str("MQTT"), []byte{4, 0xc6, 0, 60}, str("mallory"), str("dev/mallory/gone"), str("1"), str("mallory"), str(v.secret("mallory"))))
	c.receive()
	c.Close()
	want(t, got, "dev/mallory/gone", "1") // its own Will comes, and no other did before
}

func TestDefect8SessionIsNotInheritedByName(t *testing.T) {
	v := newVault()
	v.add("victim", "", rw("victim/#"))
	v.add("mallory", "", rw("mallory/#"))
	h := open(t, v)
	c := h.dial(t, "victim", func(o *paho.ClientOptions) { o.SetCleanSession(false) })
	listen(t, c, "victim/#", 1)
	c.Disconnect(0)
	m, err := h.try("victim", v.secret("mallory"), func(o *paho.ClientOptions) { o.SetUsername("mallory").SetCleanSession(false) })
	if err == nil {
		m.Disconnect(0)
		t.Error("mallory took the session over")
	}
}

func TestDefect9ExpiredSessionTakesItsSubscriptionsAlong(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("a", "", rw("a/#"))
	h := open(t, v)
	c := h.raw(t, "")
	c.login(5, "a", v.secret("a"), 60, true, 17, 0, 0, 0, 1) // session expires after 1 s
	c.send(subscribe(5, 1, "a/#", 0))
	c.receive()
	c.Close()
	if *bare {
		<-time.After(4 * time.Second)
		next := h.raw(t, "")
		next.login(5, "a", v.secret("a"), 60, true)
		next.send(publish(5, 0, 0, "a/x", "ghost"))
		if kind, body, err := next.packet(time.Second); err == nil {
			t.Fatalf("got %x %q without asking for it", kind, body)
		}
		return
	}
	eventually(t, "the session expires with its subscription", func() bool {
		_, there := h.server.Clients.Get("a")
		return !there && len(h.server.Topics.Subscribers("a/x").Subscriptions) == 0
	})
}

func TestDefect12RetainedOutlivesAClockStep(t *testing.T) {
	t.Parallel()
	if *bare {
		c := mochi.NewDefaultServerCapabilities()
		if c.MaximumMessageExpiryInterval != 0 {
			t.Fatalf("retained messages end after %d s", c.MaximumMessageExpiryInterval)
		}
		return
	}
	h := open(t, newVault())
	h.server.Topics.RetainMessage(packets.Packet{TopicName: "a/x", Payload: []byte("1"), Created: 0}) // 1970
	ticked := make(chan struct{})
	time.AfterFunc(2500*time.Millisecond, func() { close(ticked) }) // the library looks every second
	<-ticked
	if len(h.server.Topics.Messages("a/x")) != 1 {
		t.Error("it was dropped")
	}
}

func TestDefect13LongKeepalives(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("a", "", rw("a/#"))
	for _, keepalive := range []uint16{0, 43690, 43691, 65535} {
		h := open(t, v)
		c := h.raw(t, "")
		if code := c.login(4, "a", v.secret("a"), keepalive, true); code != 0 {
			t.Fatalf("refused with %d", code)
		}
		if c.hungUp(200 * time.Millisecond) {
			t.Errorf("keepalive %d: cut at once", keepalive)
		}
		if !*bare { // a v3.1.1 client can not be told to be quicker
			if cl, _ := h.server.Clients.Get("a"); cl.State.Keepalive != keepalive {
				t.Errorf("keepalive %d counts as %d", keepalive, cl.State.Keepalive)
			}
		}
	}
}

func TestDefect14NothingIsGrantedByDefault(t *testing.T) {
	if *bare {
		t.Skip("the library's own rules are a hook of their own that is not built in here")
	}
	v := newVault()
	v.add("none", "")
	v.add("dev", "", rw("dev/1"))
	v.add("eye", "", rw("#"))
	h := open(t, v)
	for _, tt := range []struct{ id, filter string }{{"none", "a"}, {"none", "#"}, {"dev", "dev/1/secret"}, {"dev", "dev/+"}, {"dev", "$share/g/#"}, {"eye", "$SYS/#"}} {
		c := h.raw(t, "")
		c.login(4, tt.id, v.secret(tt.id), 60, true)
		c.send(subscribe(4, 1, tt.filter, 0))
		if _, body := c.receive(); body[2] != 0x80 {
			t.Errorf("%s may read %s", tt.id, tt.filter)
		}
	}
	got := listen(t, h.dial(t, "eye"), "#", 0)
	dev := h.dial(t, "dev")
	say(t, dev, "dev/1/secret", 0, false, "x")
	say(t, dev, "dev/1", 0, false, "y")
	want(t, got, "dev/1", "y")
}

func TestDefect16FloodIsSlowedDownNotLost(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("flood", "flood", rw("a/#"))
	v.add("eye", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.MessageRate = 200 })
	got := listen(t, h.dial(t, "eye"), "#", 0)
	c := h.raw(t, "")
	c.login(4, "flood", v.secret("flood"), 60, true)
	const n = 1200
	began := time.Now()
	for range n {
		c.send(publish(4, 0, 0, "a/x", "1"))
	}
	for i := range n {
		select {
		case <-got:
		case <-time.After(patience):
			t.Fatalf("%d of %d messages came", i, n)
		}
	}
	// 800 at once, the other 400 at 200 a second.
	if d := time.Since(began); d < 1500*time.Millisecond {
		t.Errorf("took %v: it was not slowed down", d)
	}
}

func TestDefect17DeniedPublishIsNoReasonToReconnect(t *testing.T) {
	v := newVault()
	v.add("dev", "", rw("dev/1/#"))
	v.add("eye", "", rw("#"))
	h := open(t, v)
	got := listen(t, h.dial(t, "eye"), "#", 0)
	dev := h.dial(t, "dev")
	for qos := range byte(3) {
		say(t, dev, "foreign/topic", qos, true, "x") // acknowledged and dropped
	}
	say(t, dev, "dev/1/x", 1, false, "y")
	want(t, got, "dev/1/x", "y")
	if !*bare && len(h.server.Topics.Messages("foreign/#")) != 0 {
		t.Error("it was retained")
	}

	c := h.raw(t, "") // a v5 client is told
	c.login(5, "dev", v.secret("dev"), 60, true)
	c.send(publish(5, 1, 7, "foreign/topic", "x"))
	if kind, body := c.receive(); kind != 0x40 || len(body) < 3 || body[2] != 0x87 {
		t.Errorf("got %x %x, want PUBACK with reason 87", kind, body)
	}
}

func TestDefect501PanicCostsOneConnection(t *testing.T) {
	if *bare {
		t.Skip("it would end the test process; that is the defect")
	}
	v := newVault()
	v.add("bad", "bad", rw("bad/#"))
	v.add("eye", "", rw("#"))
	h := open(t, v)
	h.SetDevices([]hub.Device{{ID: "bad", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "bad"}})
	eye := h.dial(t, "eye")
	got := listen(t, eye, "bad/will", 0)
	before := h.goroutines()
	for range 20 {
		c := h.raw(t, "")
		c.send(packet(0x10, str("MQTT"), []byte{5, 0xc6, 0, 60, 0}, str("bad"), []byte{0}, str("bad/will"), str("gone"), str("bad"), str(v.secret("bad"))))
		c.receive()
		c.send(subscribe(5, 1, "bad/in", 0))
		c.receive()
		c.send([]byte{0x82, 6, 0, 1, 0, 0, 1, 'x'})
		if !c.hungUp(patience) {
			t.Fatal("still open")
		}
		want(t, got, "bad/will", "gone")
	}
	h.next(t, "the device is offline", func(r hub.Report) bool { return r.Has&hub.ReportOnline != 0 && !r.Online })
	eventually(t, "goroutines are back", func() bool { return h.goroutines() <= before+1 })
	if subs := h.server.Topics.Subscribers("bad/in").Subscriptions; len(subs) != 0 {
		t.Errorf("%d subscriptions are left", len(subs))
	}
	if _, ok := h.server.Clients.Get("bad"); ok {
		t.Error("its session is still there")
	}
	say(t, eye, "bad/will", 1, false, "alive")
	want(t, got, "bad/will", "alive")
}

// goroutines is how many there are without the workers that wait.
func (h *house) goroutines() int {
	if *bare {
		return runtime.NumGoroutine()
	}
	return runtime.NumGoroutine() - h.gate.workers.waiting()
}

// A connection that ends while another takes its session over used to delete
// the newcomer from the library's table of clients.
func TestTakeoverKeepsTheNewcomer(t *testing.T) {
	v := newVault()
	v.add("a", "", rw("a/#"))
	h := open(t, v, func(c *Config) { c.Limits.ConnectRate = 10_000 })
	rounds := 150
	if *bare {
		rounds = 5000
	}
	old := h.raw(t, "")
	old.login(4, "a", v.secret("a"), 60, true)
	for i := range rounds {
		next := h.raw(t, "")
		go old.Close() // ends by itself just as it is taken over
		next.login(4, "a", v.secret("a"), 60, true)
		next.send(subscribe(4, 1, "a/#", 0))
		next.receive()
		next.send(publish(4, 0, 0, "a/x", "1"))
		if kind, _, err := next.packet(patience); err != nil || kind>>4 != typePublish {
			t.Fatalf("round %d: the newcomer gets nothing (%v)", i, err)
		}
		old = next
	}
}

func TestManyClientsComeAndGo(t *testing.T) {
	v := newVault()
	for i := range 8 {
		v.add(name(i), name(i), rw("a/#"))
	}
	h := open(t, v, func(c *Config) { c.Limits.ConnectRate = 10_000 })
	h.dial(t, name(0)).Disconnect(0) // so that everything of the broker's own runs
	eventually(t, "it left", func() bool { return len(h.door.everybody()) == 0 })
	before := h.goroutines()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 15 {
				c, err := h.try(name(i), v.secret(name(i)))
				if err != nil {
					t.Errorf("connecting: %v", err)
					return
				}
				_ = settle(c.Subscribe("a/#", 1, func(paho.Client, paho.Message) {}))
				c.Publish("a/"+name(i), 1, false, "x")
				c.Disconnect(1)
			}
		})
	}
	wg.Wait()
	eventually(t, "all is as it was", func() bool {
		return h.goroutines() <= before+2 && len(h.door.everybody()) == 0 && h.server.Clients.Len() == 1 &&
			len(h.server.Topics.Subscribers("a/x").Subscriptions) == 0
	})
}
