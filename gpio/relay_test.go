package gpio

import (
	"testing"
	"time"

	"homehub/hub"
)

func TestDue(t *testing.T) {
	start := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	const minOn, minOff = 60 * time.Second, 30 * time.Second
	tests := []struct {
		name  string
		state state
		now   int
		on    bool
		wake  int // -1: never
	}{
		{"nothing asked", state{since: at(0)}, 10, false, -1},
		{"on after its rest", state{since: at(0), want: true, until: at(300)}, 30, true, 300},
		{"on during its rest", state{since: at(0), want: true, until: at(300)}, 29, false, 30},
		{"on, leased", state{on: true, since: at(0), want: true, until: at(300)}, 299, true, 300},
		{"on, lease ended", state{on: true, since: at(0), want: true, until: at(300)}, 300, false, -1},
		{"on, lease ended before the minimum", state{on: true, since: at(0), want: true, until: at(20)}, 20, false, -1},
		{"off asked too early", state{on: true, since: at(0), until: at(300)}, 59, true, 60},
		{"off asked too early, lease shorter", state{on: true, since: at(0), until: at(40)}, 20, true, 40},
		{"off asked in time", state{on: true, since: at(0), until: at(300)}, 60, false, -1},
		{"a pin is stuck", state{on: true, torn: true, since: at(0)}, 5, false, -1},
		{"on asked, lease ended during the rest", state{since: at(0), want: true, until: at(20)}, 30, false, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			on, wake := tt.state.due(at(tt.now), minOn, minOff)
			want := time.Time{}
			if tt.wake >= 0 {
				want = at(tt.wake)
			}
			if on != tt.on || !wake.Equal(want) {
				t.Errorf("got %v, %v, want %v, %v", on, wake, tt.on, want)
			}
		})
	}
}

// A lease must not grow when the time of day is set back, so its end must be
// a monotonic one.
func TestALeaseIgnoresTheTimeOfDay(t *testing.T) {
	h := &header{find: func(string) output { return &driverLine{t: t} }}
	r, err := New(Config{Chip: h})
	if err != nil {
		t.Fatal(err)
	}
	d := relayOn("GPIO17")
	r.SetDevices(d)
	if err := r.Actuate(t.Context(), d[0], commandOn(time.Now().UTC().Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	v := r.relays[d[0].ID]
	for name, at := range map[string]time.Time{"until": v.until, "since": v.since} {
		if at == at.Round(0) { // Round strips the monotonic part
			t.Errorf("%s has no monotonic part", name)
		}
	}
}

func relayOn(topic string) []hub.Device {
	return []hub.Device{{ID: "boiler", Name: "Boiler", Family: hub.FamilyGPIO, Role: hub.RolePlug, Topic: topic}}
}

func commandOn(until time.Time) hub.Command { return hub.Command{On: true, Until: until} }
