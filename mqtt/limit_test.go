package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/hub"
)

func TestParseLimit(t *testing.T) {
	for _, tt := range []struct {
		payload string
		want    hub.Limit
		field   string // of the error
	}{
		{`{"watts":4200,"source":"grid operator"}`, hub.Limit{Watts: 4200, Source: "grid operator"}, ""},
		{"\n{\"watts\":0,\"until\":\"2026-06-01T16:00:00+02:00\",\"source\":\"x\"} ", hub.Limit{Source: "x", Until: at("2026-06-01 14:00:00")}, ""},
		{" null\n", hub.Limit{}, ""},
		{`{"watts":4200}`, hub.Limit{}, "source"},
		{`{"watts":4200,"source":""}`, hub.Limit{}, "source"},
		{`{"source":"grid operator"}`, hub.Limit{}, "watts"},
		{`{}`, hub.Limit{}, "watts"},
		{`{"watts":"4200","source":"x"}`, hub.Limit{}, "limit"},
		{`{"watts":4200.5,"source":"x"}`, hub.Limit{}, "limit"},
		{`{"watts":4200,"source":"x","until":"tomorrow"}`, hub.Limit{}, "limit"},
		{`{"watts":4200,"source":"x","kw":4}`, hub.Limit{}, "limit"},
		{`{"watts":4200,"source":"x"} {}`, hub.Limit{}, "limit"},
		{"4200", hub.Limit{}, "limit"},
		{"off", hub.Limit{}, "limit"},
		{`{"watts":4200,"source":"` + strings.Repeat("x", maxWish) + `"}`, hub.Limit{}, "limit"},
	} {
		got, err := parseLimit([]byte(tt.payload))
		var e *hub.Error
		switch {
		case tt.field == "":
			if err != nil || got != tt.want {
				t.Errorf("%s: %+v %v", tt.payload, got, err)
			}
		case !errors.As(err, &e) || e.Field != tt.field || e.Code != hub.Invalid:
			t.Errorf("%s: %v, want an error about %s", tt.payload, err, tt.field)
		}
	}
}

func FuzzLimit(f *testing.F) {
	f.Add([]byte(`{"watts":4200,"until":"2026-06-01T16:00:00+02:00","source":"grid operator"}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		l, err := parseLimit(payload)
		if err == nil && l.Source == "" && strings.TrimSpace(string(payload)) != "null" {
			t.Errorf("%q withdraws the limit", payload)
		}
	})
}

// A program that was granted it sets the limit from outside and withdraws it;
// what is wrong is answered, and changes nothing.
func TestLimitOverTheWire(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("grid", "", hub.Grant{Filter: "homehub/limit/set", Write: true}, hub.Grant{Filter: "homehub/#", Read: true})
	v.add("guest", "", hub.Grant{Filter: "homehub/#", Read: true})
	v.add("plug", "plug", Grants(plugDevice("plug"))...)
	var mu sync.Mutex
	var kept []string
	var fails error
	h := open(t, v, func(c *Config) {
		c.SetLimit = func(client string, l hub.Limit) error {
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, fmt.Sprint(client, " ", l.Watts, " ", l.Source))
			return fails
		}
	})
	h.SetDevices([]hub.Device{plugDevice("plug"), plugDevice("limit")}) // a device of that name is not set by it
	list := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), kept...)
	}
	grid := h.dial(t, "grid")
	errs := listen(t, grid, "homehub/limit/error", 0)
	refused := func(payload, why, code string) {
		t.Helper()
		say(t, grid, "homehub/limit/set", 0, false, payload)
		var m paho.Message
		select {
		case m = <-errs:
		case <-time.After(patience):
			t.Fatalf("%s: nothing is wrong with it", payload)
		}
		var e struct{ Error, Code string }
		if err := json.Unmarshal(m.Payload(), &e); err != nil || !strings.Contains(e.Error, why) || e.Code != code {
			t.Errorf("%s: %s", payload, m.Payload())
		}
	}
	refused("on", "must be like", "invalid")
	refused(`{"watts":4200}`, "source", "invalid")
	for _, id := range []string{"guest", "plug"} { // neither may
		say(t, h.dial(t, id), "homehub/limit/set", 1, false, "null")
	}
	say(t, grid, "homehub/limit/set", 1, true, "") // clears a retained one
	say(t, grid, "homehub/limit/set", 1, false, `{"watts":4200,"source":"grid operator"}`)
	eventually(t, "it is in force", func() bool { return len(list()) == 1 })
	if got := list(); got[0] != "grid 4200 grid operator" {
		t.Errorf("kept %q", got)
	}
	// Faster than limits are kept: the last one counts.
	began := time.Now()
	for i := range 20 {
		say(t, grid, "homehub/limit/set", 1, false, fmt.Sprintf(`{"watts":%d,"source":"x"}`, i))
	}
	say(t, grid, "homehub/limit/set", 1, false, "null")
	eventually(t, "the last one is in force", func() bool { got := list(); return got[len(got)-1] == "grid 0 " })
	if got, most := list(), 3+int(time.Since(began)/wishPause); len(got) > most {
		t.Errorf("kept %d in %v", len(got), time.Since(began))
	}
	mu.Lock()
	fails = hub.Errorf(hub.Unavailable, "the card is full")
	mu.Unlock()
	refused("null", "the card is full", "unavailable")
}

// A broker that was told of nobody who keeps limits says so.
func TestLimitIsNotTaken(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("grid", "", rw("homehub/limit/#"))
	h := open(t, v)
	grid := h.dial(t, "grid")
	errs := listen(t, grid, "homehub/limit/error", 0)
	say(t, grid, "homehub/limit/set", 0, false, "null")
	want(t, errs, "homehub/limit/error", `{"code":"unavailable","error":"limits are not taken here"}`)
}

// The limit in force is retained, and is gone when it is over, though the meter
// is silent and nothing else happens.
func TestLimitIsMirrored(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("grid", "", hub.Grant{Filter: "homehub/#", Read: true})
	clock := hub.ScaledClock(at("2026-06-01 12:00:00"), 60)
	h := open(t, v, func(c *Config) { c.Clock = clock })
	live, err := hub.New(hub.Config{Clock: clock, Logger: discard0()})
	if err != nil {
		t.Fatal(err)
	}
	start(t, func(ctx context.Context) error { return h.Mirror(ctx, live) })
	got := listen(t, h.dial(t, "grid"), "homehub/limit", 0)
	want(t, got, "homehub/limit", "null")
	until := clock.Now().Add(time.Minute) // a second
	if err := live.SetLimit(hub.Limit{Watts: 4200, Source: "grid operator", Until: until}); err != nil {
		t.Fatal(err)
	}
	m := <-got
	var l hub.Limit
	if err := json.Unmarshal(m.Payload(), &l); err != nil || l.Watts != 4200 || l.Source != "grid operator" || !l.Until.Equal(until) || l.SetAt.IsZero() {
		t.Errorf("in force is %s (%v)", m.Payload(), err)
	}
	want(t, got, "homehub/limit", "null")
	if clock.Now().Before(until) {
		t.Error("it was over too early")
	}
}
