package main

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
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
