package mqtt

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"homehub/hub"
)

func TestPassesMessagesOn(t *testing.T) {
	for _, qos := range []byte{0, 1, 2} {
		v := newVault()
		v.add("a", "", rw("a/#"))
		v.add("b", "", rw("a/#"))
		h := open(t, v)
		got := listen(t, h.dial(t, "b"), "a/+", qos)
		a := h.dial(t, "a")
		for _, payload := range []string{"1", "2", "3"} {
			say(t, a, "a/x", qos, false, payload)
			want(t, got, "a/x", payload)
		}
	}
}

func TestBusyAddressSaysWhatToDo(t *testing.T) {
	h := open(t, newVault())
	_, err := New(Config{Addr: h.addr, Vault: newVault()})
	if hub.CodeOf(err) != hub.Unavailable {
		t.Fatalf("code %s, want unavailable (%v)", hub.CodeOf(err), err)
	}
	for _, part := range []string{h.addr, "mosquitto", "another address"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not mention %q", err, part)
		}
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("plug", "plug", rw("emon/plug/#"))
	v.add("other", "other", rw("emon/other/#"))
	v.add("inline", "", rw("#"))
	v.add("prog", "", rw("#"))
	h := open(t, v)
	for _, tt := range []struct {
		name, id, user, secret string
		ok                     bool
	}{
		{"its own credential", "plug", "plug", v.secret("plug"), true},
		{"wrong secret", "plug", "plug", "00112233445566778899aabbccddeeff", false},
		{"no secret", "plug", "plug", "", false},
		{"secret of another", "plug", "plug", v.secret("other"), false},
		{"a device's own client id: EmonESP calls itself by its chip's number", "1272354", "plug", v.secret("plug"), true},
		{"another's client id", "other", "prog", v.secret("prog"), false},
		{"anonymous", "plug", "", "", false},
		{"default of EmonESP", "emonpi", "emonpi", "emonpimqtt2016", false},
		{"default of OpenEVSE", "openevse", "emonpi", "emonpimqtt2016", false},
		{"default of Tasmota", "DVES_1", "DVES_USER", "DVES_PASS", false},
		{"what people choose", "plug", "admin", "admin", false},
		{"the broker's own id", "inline", "inline", v.secret("inline"), false},
		{"client id in other case", "PROG", "prog", v.secret("prog"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := h.try(tt.id, tt.secret, func(o *paho.ClientOptions) { o.SetUsername(tt.user) })
			if (err == nil) != tt.ok {
				t.Errorf("error %v, want ok = %v", err, tt.ok)
			}
			c.Disconnect(0)
		})
	}
	eventually(t, "the refusal is on the status page", func() bool {
		return strings.HasPrefix(h.last(), "degraded a device at 127.0.0.1")
	})
	c, err := h.try("plug", "emonpimqtt2016", func(o *paho.ClientOptions) { o.SetUsername("emonpi") })
	c.Disconnect(0)
	if err == nil {
		t.Error("a well-known log-in is let in")
	}
	eventually(t, "it says that the device was never paired", func() bool {
		return strings.Contains(h.last(), `127.0.0.1 tried to log in with the name "emonpi" (a device that was never paired)`)
	})
}

// Whatever a device calls itself, its session is that of its user name: it
// can neither take another's over nor have two.
func TestDeviceSessionGoesByItsUserName(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("plug", "plug", rw("emon/plug/#"))
	v.add("other", "other", rw("emon/other/#"))
	logins := make(chan string, 10)
	h := open(t, v, func(c *Config) { c.LoggedIn = func(device string) { logins <- device } })
	v.add("prog", "", rw("#"))
	h.dial(t, "prog")
	other := h.dial(t, "other")
	if got := <-logins; got != "other" {
		t.Fatalf("%s logged in", got)
	}
	c, err := h.try("other", v.secret("plug"), func(o *paho.ClientOptions) { o.SetUsername("plug") })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Disconnect(0)
	if got := <-logins; got != "plug" {
		t.Errorf("%s logged in", got)
	}
	if !other.IsConnectionOpen() {
		t.Error("a device took over the session of another")
	}
	got := listen(t, other, "emon/other/in", 0)
	say(t, c, "emon/other/in", 0, false, "foreign")
	say(t, other, "emon/other/in", 0, false, "own")
	want(t, got, "emon/other/in", "own")
}

func TestEmptyClientIDIsTheUserName(t *testing.T) {
	v := newVault()
	v.add("prog", "", rw("a/#"))
	h := open(t, v)
	c := h.raw(t, "")
	c.send(packet(0x10, str("MQTT"), []byte{4, 0xc2, 0, 60}, str(""), str("prog"), str(v.secret("prog"))))
	if _, body := c.receive(); body[1] != 0 {
		t.Fatalf("refused with %d", body[1])
	}
	h.Revoke("prog") // finds it under its user name
	if !c.hungUp(patience) {
		t.Error("it is still connected")
	}
}

func TestUnpairedDeviceIsForgottenAfterAWhile(t *testing.T) {
	var said []string
	tr := newTroubles(func(c hub.Condition, reason string) { said = append(said, string(c)+": "+reason) })
	at := time.Now()
	if !tr.set(at, "k", "one", time.Minute) || tr.set(at, "k", "one", time.Minute) {
		t.Error("the first is new, the second is not")
	}
	tr.set(at, "l", "two", 2*time.Minute)
	tr.expire(at.Add(61 * time.Second))
	tr.expire(at.Add(62 * time.Second))
	tr.expire(at.Add(121 * time.Second))
	want := "degraded: one|degraded: one; two|degraded: two|ok: "
	if got := strings.Join(said, "|"); got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	for i := range 20 {
		tr.set(at, "login "+name(i), "x", time.Minute)
	}
	if len(tr.list) != maxTroubles {
		t.Errorf("%d troubles, want at most %d", len(tr.list), maxTroubles)
	}
	tr.set(at, "state", "the card is full", time.Minute)
	if !strings.Contains(said[len(said)-1], "the card is full") {
		t.Error("guesses at passwords hide that the card is full")
	}
}

func TestRevoke(t *testing.T) {
	v := newVault()
	v.add("plug", "", rw("emon/plug/#"))
	v.add("eye", "", rw("#"))
	h := open(t, v)
	eye := h.dial(t, "eye")
	got := listen(t, eye, "emon/#", 1)

	lost := make(chan struct{})
	plug := h.dial(t, "plug", func(o *paho.ClientOptions) {
		o.SetCleanSession(false).SetWill("emon/plug/will", "gone", 1, true).
			SetConnectionLostHandler(func(paho.Client, error) { close(lost) })
	})
	listen(t, plug, "emon/plug/in/#", 1)
	say(t, plug, "emon/plug/config", 1, true, "kept")
	want(t, got, "emon/plug/config", "kept")

	v.remove("plug")
	h.Revoke("plug")
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatal("it is still connected")
	}
	want(t, got, "emon/plug/config", "") // cleared, and no Will
	if _, ok := h.server.Clients.Get("plug"); ok {
		t.Error("its session is still there")
	}
	if subs := h.server.Topics.Subscribers("emon/plug/in/x").Subscriptions; len(subs) != 1 {
		t.Errorf("%d subscriptions, want the eye's alone", len(subs))
	}
	if _, err := h.try("plug", v.secret("plug")); err == nil {
		t.Error("it could log in again")
	}
	say(t, eye, "emon/end", 1, false, "")
	want(t, got, "emon/end", "")
}

// A credential that was replaced ends what the old one began, as when a plug
// was reset and paired again.
func TestReplacedCredential(t *testing.T) {
	v := newVault()
	v.add("plug", "", rw("emon/plug/#"), rw("old/#"))
	v.add("eye", "", rw("#"))
	h := open(t, v)
	got := listen(t, h.dial(t, "eye"), "old/#", 1)
	lost := make(chan struct{})
	keep := func(o *paho.ClientOptions) {
		o.SetCleanSession(false).SetConnectionLostHandler(func(paho.Client, error) { close(lost) })
	}
	plug := h.dial(t, "plug", keep)
	listen(t, plug, "old/#", 1)
	say(t, plug, "old/config", 1, true, "kept")
	want(t, got, "old/config", "kept")

	before := v.secret("plug")
	v.add("plug", "", rw("emon/plug/#"))
	h.Revoke("plug")
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatal("the old connection lives on")
	}
	want(t, got, "old/config", "") // cleared
	if c, err := h.try("plug", before); err == nil {
		c.Disconnect(0)
		t.Error("the old secret opens")
	}
	again, ack := h.wire(t, 4, hello{user: "plug", keep: true})
	if ack.SessionPresent {
		t.Error("the old session is taken over")
	}
	_ = h.Publish("old/x", []byte("x"), false)
	if _, ok := again.hear(100 * time.Millisecond); ok {
		t.Error("it hears what only the old credential may")
	}
}

func TestShutdownIsQuickAndSendsNoWills(t *testing.T) {
	v := newVault()
	for i := range 20 {
		v.add(name(i), "", rw("x/#"))
	}
	file := t.TempDir() + "/retained"
	h := open(t, v, func(c *Config) { c.StateFile = file })
	for i := range 20 {
		h.dial(t, name(i), func(o *paho.ClientOptions) { o.SetWill("x/will", "gone", 1, true) })
	}
	for range 20 {
		h.raw(t, "") // silent
	}
	began := time.Now()
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("took %v", d)
	}
	if _, err := New(Config{Addr: h.addr, Vault: v}); err != nil {
		t.Errorf("the address is not free: %v", err)
	}
	b, err := New(Config{Addr: "127.0.0.1:0", Vault: v, StateFile: file})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(b.server.Topics.Messages("x/#")); n != 0 {
		t.Errorf("%d Wills were kept", n)
	}
}

func TestCheck(t *testing.T) {
	h := open(t, newVault())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.Check(ctx); err != nil {
		t.Fatal(err)
	}

	// Something inside the broker that never returns, as a lock in the library.
	jam := make(chan struct{})
	_ = h.server.Subscribe(pingTopic, 77, func(*mochi.Client, packets.Subscription, packets.Packet) { <-jam })
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 { // the second one finds the first still stuck
		if err := h.Check(short); hub.CodeOf(err) != hub.Unavailable {
			t.Errorf("a stuck broker checks as %v", err)
		}
	}
	close(jam)
	eventually(t, "it recovers", func() bool { return h.Check(ctx) == nil })
}

func TestCheckNoticesThatNobodyAccepts(t *testing.T) {
	b, err := New(Config{Addr: "127.0.0.1:0", Vault: newVault()}) // and no Run
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Check(ctx); hub.CodeOf(err) != hub.Unavailable {
		t.Errorf("a broker that serves nobody checks as %v", err)
	}
}

func TestPublishRefusesWildcards(t *testing.T) {
	h := open(t, newVault())
	for _, topic := range []string{"", "a/+", "#", "$SYS/x", strings.Repeat("a/", 20), "a\x00b"} {
		if err := h.Publish(topic, nil, false); hub.CodeOf(err) != hub.Invalid {
			t.Errorf("%q: %v, want invalid", topic, err)
		}
	}
}

func TestLibraryLogIsMuffled(t *testing.T) {
	var b strings.Builder
	log := slog.New(newMuffler(slog.NewTextHandler(&b, nil)))
	log.Info("chatter")
	for range 3 {
		log.Warn("error processing packet", "error", "bad", "client", "c", "pk", "password=hunter2")
	}
	log.With("hook", "x").WithGroup("g").Error("other", "packet", "secret")
	out := b.String()
	if strings.Count(out, "\n") != 2 || strings.Contains(out, "hunter2") || strings.Contains(out, "secret") || !strings.Contains(out, "client=c") {
		t.Errorf("log is\n%s", out)
	}
}
