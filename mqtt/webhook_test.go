package mqtt

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"homehub/hub"
	"homehub/sim"
)

func webhook(topic string) hub.Device {
	return hub.Device{ID: "it", Name: "It", Family: hub.FamilyWebhook, Role: hub.RolePlug, Topic: topic, Map: sim.Map(hub.FamilyWebhook, ""), Mode: hub.ModeAuto}
}

// hooked is a hub that drives a device over HTTP.
func hooked(t *testing.T, d hub.Device, speed int) (*hub.Hub, *Webhooks) {
	t.Helper()
	var w *Webhooks
	clock := hub.ScaledClock(at("2026-06-01 12:00:00"), speed)
	actuate := actuator(func(ctx context.Context, d hub.Device, c hub.Command) error { return w.Actuate(ctx, d, c) })
	live, err := hub.New(hub.Config{Clock: clock, Logger: discard0(), Devices: []hub.Device{d}, Actuators: map[hub.Family]hub.Actuator{hub.FamilyWebhook: actuate}})
	if err != nil {
		t.Fatal(err)
	}
	w = NewWebhooks(WebhookConfig{Clock: clock, Report: live.Report})
	w.SetDevices([]hub.Device{d})
	start(t, w.Run)
	start(t, live.Run)
	return live, w
}

func TestWebhookFamily(t *testing.T) {
	t.Parallel()
	const speed = 60
	g, err := sim.NewGadget(sim.GadgetConfig{Family: hub.FamilyWebhook, Clock: hub.ScaledClock(at("2026-06-01 12:00:00"), speed)})
	if err != nil {
		t.Fatal(err)
	}
	pull := start(t, g.Run)
	live, w := hooked(t, webhook("http://"+g.Address()), speed)
	state := func() hub.DeviceState { s, _ := live.Device("it"); return s }
	eventually(t, "it says how it is", func() bool { return state().Online && state().Has&hub.ReportOn != 0 })
	clock := w.cfg.Clock
	if err := live.Do(t.Context(), hub.Command{Device: "it", On: true, Until: clock.Now().Add(hub.MaxLease)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is on, confirms and measures", func() bool { return g.On() && state().Confirmed() && state().Watts == 1000 })
	if err := live.Do(t.Context(), hub.Command{Device: "it"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is off and confirms", func() bool { return !g.On() && state().Confirmed() })
	// The hub dies: the device was told the seconds.
	if err := live.Do(t.Context(), hub.Command{Device: "it", On: true, Until: clock.Now().Add(hub.MaxLease / 3)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is on again", g.On)
	w.SetDevices(nil)
	eventually(t, "its lease is over", func() bool { return !g.On() })
	w.SetDevices([]hub.Device{webhook("http://" + g.Address())})
	pull()
	eventually(t, "it is missed", func() bool { return !state().Online })
}

// Requests go to the house's network alone, whatever a device answers.
func TestWebhookStaysInTheHouse(t *testing.T) {
	t.Parallel()
	for topic, ok := range map[string]bool{
		"http://192.168.1.50": true, "http://10.0.0.1:8080/api": true, "http://[fd00::1]": true, "http://plug.local": true, "http://plug": true,
		"https://127.0.0.1": true, "http://8.8.8.8": false, "http://example.com": false, "http://[2001:4860:4860::8888]": false,
		"ftp://192.168.1.50": false, "http://user:pw@192.168.1.50": false, "192.168.1.50": false, "http://192.168.1.50?x=1": false, "http://": false,
		"http://169.254.1.1": true, "http://0.0.0.0": false, "http://224.0.0.1": false,
	} {
		if err := CheckDevice(webhook(topic)); (err == nil) != ok {
			t.Errorf("%s: %v", topic, err)
		}
	}
	for _, path := range []string{"relay", "//evil.example/x", "http://evil.example/"} {
		d := webhook("http://192.168.1.50")
		m := *d.Map
		m.On.Topic = path
		d.Map = &m
		if CheckDevice(d) == nil {
			t.Errorf("%s is taken for a path", path)
		}
	}
	var reached atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer other.Close()
	device := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer device.Close()
	if _, err := fetch(t.Context(), lanClient(), device.URL, ""); err == nil || reached.Load() != 0 {
		t.Errorf("a redirection was followed: %v", err)
	}
	if _, err := fetch(t.Context(), lanClient(), "http://192.0.2.1/", ""); err == nil || !strings.Contains(err.Error(), errNotLAN.Error()) {
		t.Errorf("an address outside of the house was connected to: %v", err)
	}
}

// Of the orders that wait for a slow device only the last is carried out.
func TestCouriersKeepTheLastWish(t *testing.T) {
	c := newCouriers()
	var done []int
	begun, goOn := make(chan bool), make(chan bool)
	c.send("slow", func(context.Context) { close(begun); <-goOn; done = append(done, 1) })
	<-begun
	for i := 2; i < 5; i++ {
		c.send("slow", func(context.Context) { done = append(done, i) })
	}
	close(goOn)
	c.going.Wait()
	if len(done) != 2 || done[0] != 1 || done[1] != 4 {
		t.Errorf("carried out %v", done)
	}
	if len(c.waiting) != 0 {
		t.Errorf("%d couriers are left", len(c.waiting))
	}
	c.close()
	c.send("slow", func(context.Context) { t.Error("an order after the end") })
	c.going.Wait()
}
