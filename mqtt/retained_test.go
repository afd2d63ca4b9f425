package mqtt

import (
	"fmt"
	"sync"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

// The library writes where a retained message is while it looks through the
// tree for one who subscribes to everything. Only the race detector sees it.
func TestRetainingRacesWithNobody(t *testing.T) {
	v := newVault()
	for i := range 3 {
		v.add(name(i), "", rw("#"))
	}
	h := open(t, v, func(c *Config) { c.Limits.MessageRate = 100_000 })
	var wg sync.WaitGroup
	for i := range 2 {
		pub, _ := h.wire(t, 4, hello{user: name(i)})
		wg.Go(func() {
			for n := range 100 {
				pub.pub(msg(fmt.Sprint("a/", i, "/", n%10), 1, true, []string{"x", ""}[n/10%2]))
				_ = h.Publish("a/hub", []byte(fmt.Sprint(n%2)), true)
			}
		})
	}
	sub, _ := h.wire(t, 4, hello{user: name(2)})
	for range 30 {
		sub.sub(packets.Subscription{Filter: "#", Qos: 0})
		sub.early = nil
	}
	wg.Wait()
}

// Whoever subscribes while a retained topic changes never takes an old value
// for the present one.
func TestRetainedNeverComesAfterANewerOne(t *testing.T) {
	v := newVault()
	v.add("pub", "", rw("#"))
	v.add("sub", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.MessageRate, c.Limits.ConnectRate = 100_000, 10_000 })
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
				_ = h.Publish("a/x", []byte(fmt.Sprint(n)), true)
			}
		}
	}()
	eventually(t, "there is one", func() bool { return len(h.server.Topics.Messages("a/x")) == 1 })
	for range 100 {
		sub, _ := h.wire(t, 4, hello{user: "sub"})
		sub.sub(packets.Subscription{Filter: "a/#", Qos: 0})
		last := 0
		for range 20 {
			pk, ok := sub.take(patience)
			n := 0
			if _, err := fmt.Sscan(string(pk.Payload), &n); err != nil || !ok {
				t.Fatalf("got %+v", pk)
			}
			if n < last {
				t.Fatalf("%d came after %d", n, last)
			}
			last = n
		}
		sub.Close()
	}
	close(stop)
	<-stopped
}

// A message that is retained just as somebody subscribes comes once: as it was
// published, or as what is kept.
func TestRetainedComesOnce(t *testing.T) {
	v := newVault()
	v.add("pub", "", rw("#"))
	v.add("sub", "", rw("#"))
	h := open(t, v, func(c *Config) {
		c.Limits.MessageRate, c.Limits.Subscriptions, c.Limits.Retained = 100_000, 10_000, 10_000
	})
	pub, _ := h.wire(t, 4, hello{user: "pub"})
	sub, _ := h.wire(t, 4, hello{user: "sub"})
	for i := range 3000 {
		topic := fmt.Sprint("a/", i)
		done := make(chan struct{})
		go func() { defer close(done); pub.pub(msg(topic, 1, true, "x")) }()
		sub.sub(packets.Subscription{Filter: topic, Qos: 0})
		<-done
		pub.pub(msg("end", 1, false, "")) // it has gone to everybody
		sub.send([]byte{0xc0, 0})         // and the SUBSCRIBE is over
		came := 0
		for pk := sub.get(); pk.FixedHeader.Type != packets.Pingresp; pk = sub.get() {
			came++
		}
		if came != 1 {
			t.Fatalf("round %d: it came %d times", i, came)
		}
	}
}
