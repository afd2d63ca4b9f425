package sim

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// A script is what is said to the charger, one "topic payload" per line, and
// "tick N" for N seconds in which the car charges if it is allowed to.
func play(c *charger, script string) {
	for line := range strings.Lines(script) {
		topic, payload, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch topic {
		case "claim":
			c.setClaim([]byte(payload))
		case "override":
			c.setOverride([]byte(payload))
		case "limit":
			c.setLimit([]byte(payload))
		case "leave":
			c.leave()
		case "tick":
			n, _ := time.ParseDuration(payload)
			for range int(n / time.Second) {
				active, amps := c.allowed()
				power := joule(0)
				if active {
					power = joule(230 * amps)
				}
				c.tick(active, 1, power)
			}
		case "":
		default:
			panic("no such line: " + line)
		}
	}
}

func TestChargerClaims(t *testing.T) {
	tests := []struct {
		name     string
		disabled bool // by default
		script   string
		active   bool
		amps     int
	}{
		{"active by default", false, ``, true, 16},
		{"disabled by default", true, ``, false, 16},
		{"claim", true, `claim {"state":"active","charge_current":10}`, true, 10},
		{"claim is merged: the current stays", true, `claim {"state":"active","charge_current":10}
			claim {"state":"active"}`, true, 10},
		{"claim is merged: the state stays", true, `claim {"state":"active"}
			claim {"charge_current":8}`, true, 8},
		{"a current is cleared", true, `claim {"state":"active","charge_current":10}
			claim {"charge_current":"clear"}`, true, 16},
		{"state clear does nothing", true, `claim {"state":"active"}
			claim {"state":"clear"}`, true, 16},
		{"release", true, `claim {"state":"active","charge_current":10}
			claim release`, false, 16},
		{"release forgets", true, `claim {"state":"active","charge_current":10}
			claim release
			claim {"state":"active"}`, true, 16},
		{"max_current bounds", true, `claim {"state":"active","charge_current":16,"max_current":9}`, true, 9},
		{"never below 6 A", true, `claim {"state":"active","charge_current":2}`, true, 6},
		{"never above the hardware", true, `claim {"state":"active","charge_current":80,"max_current":80}`, true, 16},
		{"broken JSON", true, `claim {"state":"active"`, false, 16},
		{"wrong types", true, `claim {"state":7}`, false, 16},
		{"current of the wrong type is left out", true, `claim {"state":"active","charge_current":"ten"}`, true, 16},

		{"override beats claim", true, `claim {"state":"active"}
			override {"state":"disabled"}`, false, 16},
		{"override without state leaves the claim's", true, `claim {"state":"active","charge_current":8}
			override {"charge_current":12}`, true, 12},
		{"override cleared", true, `claim {"state":"active","charge_current":8}
			override {"state":"disabled"}
			override clear`, true, 8},
		{"toggle stops", false, `override toggle`, false, 16},
		{"toggle starts", true, `override toggle`, true, 16},
		{"toggle twice", true, `override toggle
			override toggle`, false, 16},

		{"session end drops a claim with auto_release", true, `claim {"state":"active","auto_release":true}
			leave`, false, 16},
		{"session end keeps a claim without", true, `claim {"state":"active","auto_release":false}
			leave`, true, 16},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCharger(16, tt.disabled)
			play(&c, tt.script)
			if active, amps := c.allowed(); active != tt.active || amps != tt.amps {
				t.Errorf("active %v with %d A, want %v with %d A", active, amps, tt.active, tt.amps)
			}
		})
	}
}

func TestChargerLimits(t *testing.T) {
	tests := []struct {
		name     string
		disabled bool
		script   string
		active   bool
		limit    string
	}{
		{"not reached", true, `claim {"state":"active"}
			limit {"type":"time","value":15,"auto_release":false}
			tick 14m59s`, true, `{"type":"time","value":15,"auto_release":false}`},
		{"time reached", true, `claim {"state":"active"}
			limit {"type":"time","value":15,"auto_release":false}
			tick 15m0s`, false, `{"type":"time","value":15,"auto_release":false}`},
		{"counts from the session, not from the message", true, `claim {"state":"active"}
			tick 10m
			limit {"type":"time","value":15,"auto_release":false}
			tick 5m`, false, `{"type":"time","value":15,"auto_release":false}`},
		{"renewed in time", true, `claim {"state":"active"}
			limit {"type":"time","value":15,"auto_release":false}
			tick 10m
			limit {"type":"time","value":25,"auto_release":false}
			tick 14m`, true, `{"type":"time","value":25,"auto_release":false}`},
		{"renewed too late does not help", true, `claim {"state":"active"}
			limit {"type":"time","value":5,"auto_release":false}
			tick 6m
			limit {"type":"time","value":60,"auto_release":false}
			tick 1s`, false, `{"type":"time","value":60,"auto_release":false}`},
		{"clear and renew at once does not help", true, `claim {"state":"active"}
			limit {"type":"time","value":5,"auto_release":false}
			tick 6m
			limit clear
			limit {"type":"time","value":60,"auto_release":false}
			tick 1s`, false, `{"type":"time","value":60,"auto_release":false}`},
		{"clear, a second, renew", true, `claim {"state":"active"}
			limit {"type":"time","value":5,"auto_release":false}
			tick 6m
			limit clear
			tick 1s
			limit {"type":"time","value":60,"auto_release":false}
			tick 1s`, true, `{"type":"time","value":60,"auto_release":false}`},
		{"reached beats override", true, `override {"state":"active"}
			limit {"type":"time","value":5,"auto_release":false}
			tick 6m`, false, `{"type":"time","value":5,"auto_release":false}`},
		{"reached ends with the session", true, `claim {"state":"active"}
			limit {"type":"time","value":5}
			tick 6m
			leave`, true, `{"type":"none","value":0,"auto_release":true}`},
		{"auto_release starts a charger that is disabled by default", true, `limit {"type":"time","value":15}
			tick 1s`, true, `{"type":"time","value":15,"auto_release":true}`},
		{"and beats the owner's override", true, `override {"state":"disabled"}
			limit {"type":"time","value":15}
			tick 1s`, true, `{"type":"time","value":15,"auto_release":true}`},
		{"but not one that is active by default", false, `override {"state":"disabled"}
			limit {"type":"time","value":15}
			tick 1s`, false, `{"type":"time","value":15,"auto_release":true}`},
		{"energy", true, `claim {"state":"active","charge_current":10}
			limit {"type":"energy","value":1000,"auto_release":false}
			tick 30m`, false, `{"type":"energy","value":1000,"auto_release":false}`},
		{"first letter decides", true, `limit {"type":"tomorrow","value":15,"auto_release":false}`, false, `{"type":"time","value":15,"auto_release":false}`},
		{"no value", true, `limit {"type":"time","value":0}`, false, `{"type":"none","value":0,"auto_release":true}`},
		{"no kind", true, `limit {"type":"","value":5}`, false, `{"type":"none","value":0,"auto_release":true}`},
		{"unknown kind", true, `limit {"type":"hours","value":5}`, false, `{"type":"none","value":0,"auto_release":true}`},
		{"broken", true, `limit {`, false, `{"type":"none","value":0,"auto_release":true}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCharger(16, tt.disabled)
			play(&c, tt.script)
			if active, _ := c.allowed(); active != tt.active {
				t.Errorf("active %v, want %v", active, tt.active)
			}
			if got, _ := json.Marshal(c.limit); string(got) != tt.limit {
				t.Errorf("limit %s, want %s", got, tt.limit)
			}
		})
	}
}

func TestChargerEchoes(t *testing.T) {
	c := newCharger(16, true)
	if got := string(c.claim.echo(c.claimed)); got != `{"state":"null"}` {
		t.Errorf("no claim: %s", got)
	}
	before := c.claims
	play(&c, `claim {"state":"active","charge_current":10}`)
	if got := string(c.claim.echo(c.claimed)); got != `{"state":"active","charge_current":10,"auto_release":false}` || c.claims == before {
		t.Errorf("a claim: %s, version %d after %d", got, c.claims, before)
	}
	before = c.claims
	play(&c, `claim release
		claim release`)
	if c.claims != before+1 {
		t.Errorf("releasing nothing changed something")
	}
}

func TestStateCode(t *testing.T) {
	tests := []struct {
		name                      string
		active, plugged, charging bool
		want                      int
	}{
		{"no car", true, false, false, 1},
		{"car, full", true, true, false, 2},
		{"charging", true, true, true, 3},
		{"disabled with a car", false, true, false, 254},
		{"disabled without", false, false, false, 255},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := stateCode(tt.active, tt.plugged, tt.charging); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

func FuzzCharger(f *testing.F) {
	f.Add([]byte(`{"state":"active","charge_current":16,"max_current":10,"auto_release":true}`))
	f.Add([]byte(`{"type":"time","value":15}`))
	f.Add([]byte(`release`))
	f.Add([]byte(`toggle`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c := newCharger(16, true)
		c.setClaim(payload)
		c.setOverride(payload)
		c.setLimit(payload)
		c.tick(true, 1, 2300)
		if _, amps := c.allowed(); amps < 6 || amps > 16 {
			t.Fatalf("%q offers %d A", payload, amps)
		}
		if !json.Valid(c.claim.echo(true)) || !json.Valid(c.manual.echo(true)) {
			t.Fatalf("%q echoes badly", payload)
		}
		c.leave()
	})
}
