package sim

import (
	"testing"
	"time"
)

func TestRelayModes(t *testing.T) {
	tests := []struct {
		payload, want string
	}{
		{"On", "On"},
		{"1", "On"},
		{"Off", "Off"},
		{"0", "Off"},
		{"Timer", "Timer"},
		{"2", "Timer"},
		{"on", "Off"},
		{"ON", "Off"},
		{"", "Off"},
		{"3", "Off"},
		{"On ", "Off"},
	}
	for _, tt := range tests {
		t.Run(tt.payload, func(t *testing.T) {
			r := relay{mode: "On"}
			if r.setMode(tt.payload); r.mode != tt.want {
				t.Errorf("%q gives %s, want %s", tt.payload, r.mode, tt.want)
			}
		})
	}
}

func TestRelayTimer(t *testing.T) {
	tests := []struct {
		name, timer, state string
		on, off            []string
	}{
		{"one window", "0630 1200", "630 1200 0 0", []string{"06:30", "11:59"}, []string{"06:29", "12:00", "00:00"}},
		{"two windows", "0630 1200 1800 1830", "630 1200 1800 1830", []string{"06:30", "18:29"}, []string{"12:00", "18:30"}},
		{"over midnight", "2300 0515", "2300 515 0 0", []string{"23:00", "00:00", "05:14"}, []string{"05:15", "22:59"}},
		{"equal is never", "1200 1200", "1200 1200 0 0", nil, []string{"12:00", "11:59"}},
		{"too short", "630 1200", "100 200 0 0", []string{"01:30"}, []string{"06:30"}},
		{"too long", "0630 12000", "100 200 0 0", []string{"01:30"}, []string{"06:30"}},
		{"no numbers", "ab:d 1200", "0 1200 0 0", []string{"00:00"}, []string{"12:00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := relay{mode: "Timer", timer: [4]int{100, 200}}
			r.setTimer(tt.timer)
			want := `{"ip":"192.168.1.71","ctrlmode":"Timer","timer":"` + tt.state + `","vout":"0"}`
			if got := string(r.state("192.168.1.71")); got != want {
				t.Errorf("state %s, want %s", got, want)
			}
			check := func(clock string, want bool) {
				now := at(t, "2026-05-05T"+clock+":00Z")
				if r.on(now.Unix()) != want {
					t.Errorf("at %s UTC it is on: %v", clock, !want)
				}
			}
			for _, c := range tt.on {
				check(c, true)
			}
			for _, c := range tt.off {
				check(c, false)
			}
			r.setMode("Off")
			for _, c := range tt.on {
				check(c, false)
			}
		})
	}
}

// An On that nobody renews stays: the plug has no lease.
func TestRelayStaysOn(t *testing.T) {
	start := at(t, "2026-02-03T10:00:00Z")
	h := newHouse(t, start)
	h.tellPlug("in/ctrlmode", "On")
	h.Step(start.Add(26 * time.Hour))
	if p := h.Plug(); !p.On || p.Energy < 51_000 {
		t.Errorf("after a day it is %+v", p)
	}
}

func TestButton(t *testing.T) {
	start := at(t, "2026-02-03T10:00:00Z")
	h := newHouse(t, start)
	for i := range 10 { // more than anybody listens to
		h.PressPlug()
		if want := i%2 == 0; h.Plug().On != want {
			t.Fatalf("press %d: %+v", i, h.Plug())
		}
	}
	h.tellPlug("in/timer", "0900 1100")
	h.tellPlug("in/ctrlmode", "Timer")
	if h.PressPlug(); h.Plug().On || h.Plug().Mode != "Off" {
		t.Errorf("pressed inside its window it is %+v", h.Plug())
	}
}

func FuzzRelay(f *testing.F) {
	f.Add("in/timer", "0630 1200")
	f.Add("in/timer", "0630 1200 -1-1 9999")
	f.Add("in/ctrlmode", "Timer")
	f.Fuzz(func(t *testing.T, topic, payload string) {
		r := relay{mode: "Timer"}
		r.setTimer(payload)
		r.setMode(topic)
		_ = r.on(1_800_000_000)
		if len(r.state("")) == 0 || (r.mode != "On" && r.mode != "Off" && r.mode != "Timer") {
			t.Fatalf("%q %q gave %+v", topic, payload, r)
		}
	})
}
