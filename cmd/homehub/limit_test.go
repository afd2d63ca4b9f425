package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"homehub/hub"
	"homehub/store"
)

// TestALimitOverMQTTIsObeyed has the grid operator's program set a limit on the
// broker: what the house can do without is off within 2 s, and on again when
// the limit is withdrawn.
func TestALimitOverMQTTIsObeyed(t *testing.T) {
	file, secret, plugIn := houseOfPlugs(t, "kettle")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(string(text), "[meter]\n", "[meter]\nkind = \"mqtt\"\ntopics = { import = \"p1/power W\" }\n", 1)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveFile(t, file)
	plugIn("kettle", p.mqtt)
	w := watchBroker(t, p.mqtt, secret)
	var told atomic.Bool
	stop := make(chan struct{})
	metered := make(chan struct{})
	go func() { // a house that takes 300 W without the kettle, as its meter sees it
		defer close(metered)
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			watts := 300
			if w.state("kettle").On {
				watts += 2000
			}
			w.client.Publish("p1/power", 0, false, fmt.Sprint(watts))
			told.Store(true)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	defer func() { close(stop); <-metered }()
	p.until("the kettle is there", 20*time.Second, func() bool { return told.Load() && w.state("kettle").Online })
	p.until("no limit is in force", 10*time.Second, func() bool { return w.last("homehub/limit") == "null" })
	w.say("homehub/kettle/set", "on")
	p.until("it is on and metered", 20*time.Second, func() bool { return w.state("kettle").On && p.live().ImportW == 2300 })

	w.say("homehub/limit/set", `{"watts":1000}`)
	p.until("what is wrong is answered", 20*time.Second, func() bool { return strings.Contains(w.last("homehub/limit/error"), "source") })
	w.say("homehub/limit/set", `{"watts":1000,"source":"grid operator","until":"2001-01-01T00:00:00Z"}`)
	p.until("and what the hub finds wrong", 20*time.Second, func() bool { return strings.Contains(w.last("homehub/limit/error"), "over already") })

	began := time.Now()
	w.say("homehub/limit/set", `{"watts":1000,"source":"grid operator"}`)
	p.until("the kettle is off", 20*time.Second, func() bool { return w.last("cmnd/kettle/POWER") == "OFF" && !w.state("kettle").On })
	took := time.Since(began)
	t.Logf("obeyed after %v", took.Round(10*time.Millisecond))
	if took > 2*time.Second && !raceDetector {
		t.Errorf("the limit was obeyed after %v", took)
	}
	p.until("it is shown", 10*time.Second, func() bool { return strings.Contains(w.last("homehub/limit"), `"source":"grid operator"`) })
	var answer struct {
		Limit    struct{ Watts int }
		Guarding struct{ Cause string }
	}
	if p.get("/api/limit", &answer); answer.Limit.Watts != 1000 || !strings.Contains(answer.Guarding.Cause, "grid operator allows") {
		t.Errorf("GET /api/limit says %+v", answer)
	}
	w.say("homehub/limit/set", "null")
	p.until("it is withdrawn", 10*time.Second, func() bool { return w.last("homehub/limit") == "null" })
}

// A program may say the same limit as often as it likes: it is kept once. One
// that is over is not taken for the one in force.
func TestTheSameLimitIsKeptOnce(t *testing.T) {
	s, err := store.Open(store.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := 0
	live, err := hub.New(hub.Config{Logger: slog.New(slog.DiscardHandler), KeepLimit: func(hub.Limit) error { kept++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	i := &installation{hub: live, store: s}
	until := time.Now().Add(time.Hour)
	for n, step := range []struct {
		limit hub.Limit
		kept  int
	}{
		{hub.Limit{}, 0}, // there is none to withdraw
		{hub.Limit{Watts: 4200, Source: "grid", Until: until}, 1},
		{hub.Limit{Watts: 4200, Source: " grid ", Until: until}, 1},
		{hub.Limit{Watts: 4300, Source: "grid", Until: until}, 2},
		{hub.Limit{Watts: 4300, Source: "grid"}, 3},
		{hub.Limit{Watts: 4300, Source: "community"}, 4},
		{hub.Limit{}, 5},
		{hub.Limit{}, 5},
	} {
		if err := i.setLimit("prog", step.limit); err != nil || kept != step.kept {
			t.Errorf("step %d: kept %d times, want %d (%v)", n, kept, step.kept, err)
		}
	}
	short := hub.Limit{Watts: 1, Source: "grid", Until: time.Now().Add(time.Second)}
	if err := i.setLimit("prog", short); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(short.Until))
	if err := i.setLimit("prog", short); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("one that is over: %v", err)
	}
}
