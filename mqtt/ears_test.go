package mqtt

import (
	"context"
	"testing"
	"time"

	"homehub/hub"
	"homehub/sim"
)

// ended is a context that is over: what was not heard by now is not waited for.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// What was retained is heard at once, and what comes later when it is asked
// for again; a topic that says nothing is waited for as long as ctx allows.
func TestEarsHearWhatATopicSays(t *testing.T) {
	t.Parallel()
	b := open(t, newVault()).Broker
	if err := b.Publish("house/pump/online", []byte("yes"), true); err != nil {
		t.Fatal(err)
	}
	d := hub.Device{ID: "try", Name: "Try", Family: hub.FamilyMQTT, Role: hub.RolePlug, Topic: "house/pump", Map: sim.Map(hub.FamilyMQTT, "house/pump")}
	heard := listenTo(t, b, ended(), d)
	if h := heard["online"]; h.Payload != "yes" || !h.Said.Online || h.At.IsZero() {
		t.Errorf("retained: %+v", h)
	}
	if h := heard["power"]; !h.At.IsZero() || h.Said.Has != 0 || h.Topic != "house/pump/status" {
		t.Errorf("nothing was said of the power: %+v", h)
	}
	waiting := make(chan map[string]hub.Heard)
	go func() { waiting <- listenTo(t, b, t.Context(), d) }()
	if err := b.Publish("house/pump/status", []byte(`{"on":true,"watts":1200,"kwh":"3.5","soc":57}`), false); err != nil {
		t.Fatal(err)
	}
	heard = <-waiting
	if heard["state"].Said.Has != hub.ReportOn || !heard["state"].Said.On || heard["power"].Said.Power != 1200 || heard["energy"].Said.Energy != 3500 || heard["soc"].Said.SoC != 57 {
		t.Errorf("heard %+v", heard)
	}
	if err := b.Publish("house/pump/status", []byte("no JSON"), false); err != nil {
		t.Fatal(err)
	}
	if h := listenTo(t, b, ended(), d)["power"]; h.Payload != "no JSON" || h.Said.Has != 0 {
		t.Errorf("not understood: %+v", h)
	}
	d.Map = &hub.TopicMap{Power: "homehub/live#/import_w"}
	if _, err := b.Listen(ended(), d); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("the hub's own topic is listened to: %v", err)
	}
}

func listenTo(t *testing.T, b *Broker, ctx context.Context, d hub.Device) map[string]hub.Heard {
	list, err := b.Listen(ctx, d)
	if err != nil {
		t.Error(err)
	}
	heard := map[string]hub.Heard{}
	for _, h := range list {
		heard[h.Name] = h
	}
	return heard
}

// Ears are few, and close after their time.
func TestEarsClose(t *testing.T) {
	t.Parallel()
	b := open(t, newVault()).Broker
	for i := range maxEars + 10 {
		if err := b.lend("house/" + string(rune('A'+i))); err != nil {
			t.Fatal(err)
		}
	}
	b.ears.mu.Lock()
	if n := len(b.ears.open); n != maxEars {
		t.Errorf("%d ears", n)
	}
	if b.ears.open["house/A"] != nil {
		t.Error("the oldest is still open")
	}
	b.closeEars(time.Now().Add(earTime + time.Second))
	n := len(b.ears.open)
	b.ears.mu.Unlock()
	if n != 0 {
		t.Errorf("%d ears are open after their time", n)
	}
	if got := b.server.Topics.Subscribers("house/Z"); len(got.InlineSubscriptions) != 0 {
		t.Error("the library still delivers")
	}
}

func TestWebhooksListen(t *testing.T) {
	t.Parallel()
	g, err := sim.NewGadget(sim.GadgetConfig{Family: hub.FamilyWebhook})
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, g.Run)
	w := NewWebhooks(WebhookConfig{})
	heard := func() map[string]hub.Heard {
		list, err := w.Listen(t.Context(), webhook("http://"+g.Address()))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]hub.Heard{}
		for _, h := range list {
			all[h.Name] = h
		}
		return all
	}
	eventually(t, "it answers", func() bool { return heard()["state"].Problem == "" })
	if h := heard()["state"]; h.Said.Has != hub.ReportOn || h.Said.On || h.Payload == "" {
		t.Errorf("%+v", h)
	}
	stop()
	if h := heard()["power"]; h.Problem == "" || h.Said.Has != 0 || !h.At.IsZero() {
		t.Errorf("a device that is gone: %+v", h)
	}
	if _, err := w.Listen(t.Context(), webhook("http://example.com")); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("an address outside of the house is asked: %v", err)
	}
}
