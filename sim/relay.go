package sim

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// relay is the logic of an EmonESP smart plug. What it is told over MQTT is
// not kept over a restart. It has no lease: On stays On until somebody says
// otherwise, and it is for the hub to see to that.
type relay struct {
	mode  string // On, Off or Timer
	timer [4]int // two windows from and to, as hhmm in UTC
}

// setMode takes the payload of in/ctrlmode. Whatever is not known is Off.
func (r *relay) setMode(payload string) {
	switch payload {
	case "On", "1":
		r.mode = "On"
	case "Timer", "2":
		r.mode = "Timer"
	default:
		r.mode = "Off"
	}
}

// setTimer takes the payload of in/timer: one window of 9 bytes or two of 19.
// Other lengths are ignored, and what is no number counts as 0, as in the
// firmware.
func (r *relay) setTimer(payload string) {
	if len(payload) != 9 && len(payload) != 19 {
		return
	}
	var timer [4]int
	for i := 0; 5*i+4 <= len(payload); i++ {
		timer[i], _ = strconv.Atoi(strings.TrimSpace(payload[5*i : 5*i+4]))
	}
	r.timer = timer
}

// press is the button: it toggles, and is the only change that the plug tells
// by itself.
func (r *relay) press(on bool) {
	if on {
		r.mode = "Off"
	} else {
		r.mode = "On"
	}
}

// on says whether the relay is closed at t (seconds since 1970). A window
// whose ends are equal is never open; one whose end is before its start goes
// over midnight.
func (r *relay) on(t int64) bool {
	if r.mode != "Timer" {
		return r.mode == "On"
	}
	_, second := floorDiv(t, 86400)
	now := int(second/3600*100 + second%3600/60)
	return inWindow(now, r.timer[0], r.timer[1]) || inWindow(now, r.timer[2], r.timer[3])
}

func inWindow(now, from, to int) bool {
	if from <= to {
		return now >= from && now < to
	}
	return now >= from || now < to
}

// state is the payload of out/state: every value is a string.
func (r *relay) state(ip string) []byte {
	b, _ := json.Marshal(struct {
		IP    string `json:"ip"`
		Mode  string `json:"ctrlmode"`
		Timer string `json:"timer"`
		Vout  string `json:"vout"`
	}{ip, r.mode, fmt.Sprintf("%d %d %d %d", r.timer[0], r.timer[1], r.timer[2], r.timer[3]), "0"}) // strings always marshal
	return b
}
