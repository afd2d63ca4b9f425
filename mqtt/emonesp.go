package mqtt

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// emonESP drives OpenEnergyMonitor's EmonESP firmware (3a41aec): smart plug,
// WiFi relay, heat pump monitor, sensor. Its control topics lie below
// <base>/<node>, its measurements below <base>; a device's topic may be either
// and the node is learned from what it says.
type emonESP struct {
	device hub.Device
	node   string // "" or "/<node>", between the topic and in/ and out/
	probe  probe
}

func (e *emonESP) bases() []string { return []string{e.device.Topic} }

// hear understands describe, out/state, out/ctrlmode and the inputs.
func (e *emonESP) hear(topic string, payload []byte, now time.Time) (hub.Report, bool) {
	rest, ok := strings.CutPrefix(topic, e.device.Topic+"/")
	if !ok {
		return hub.Report{}, false
	}
	key := rest
	if node, below, ok := strings.Cut(rest, "/"); ok && node != "in" && node != "out" {
		if below != "describe" && below != "out/state" && below != "out/ctrlmode" {
			return hub.Report{}, false
		}
		e.node, key = "/"+node, below
	} else if rest == "describe" || node == "out" {
		e.node = ""
	}
	switch key {
	case "describe":
		return hub.Report{Has: hub.ReportOnline, Online: true}, true
	case "out/state":
		var state struct{ Ctrlmode, Timer string }
		if json.Unmarshal(payload, &state) != nil {
			return hub.Report{}, false
		}
		return emonMode(state.Ctrlmode, state.Timer, now)
	case "out/ctrlmode": // somebody pressed the button
		return emonMode(string(payload), "", now)
	case "power", "power1":
		w, ok := watts(payload)
		if e.device.Role == hub.RoleSolar {
			w = max(0, w) // a roof at night reads a little below zero
		}
		return hub.Report{Has: hub.ReportPower, Power: w}, ok
	case "energy", "energy1":
		wh, ok := wattHours(payload, 1)
		return hub.Report{Has: hub.ReportEnergy, Energy: wh}, ok
	case "temp", "temp1", "temperature", "temperature1":
		return e.probe.hear(key, payload)
	}
	return hub.Report{}, false
}

// emonMode says whether a plug in the given mode is on.
func emonMode(mode, timer string, now time.Time) (hub.Report, bool) {
	r := hub.Report{Has: hub.ReportOn}
	switch mode {
	case "On", "1":
		r.On = true
	case "Off", "0":
	case "Timer", "2":
		r.On = emonTimerOn(timer, now)
	default:
		return hub.Report{}, false
	}
	return r, true
}

// emonTimerOn says whether now lies in one of the windows of a timer such as
// "630 1200 0 0": start and stop as hours and minutes without leading zeros.
// A window may wrap around midnight; start equal to stop is never on.
func emonTimerOn(timer string, now time.Time) bool {
	fields := strings.Fields(timer)
	t := now.UTC().Hour()*100 + now.UTC().Minute()
	for len(fields) >= 2 {
		start, err1 := strconv.Atoi(fields[0])
		stop, err2 := strconv.Atoi(fields[1])
		fields = fields[2:]
		if err1 != nil || err2 != nil {
			continue
		}
		if start < stop && start <= t && t < stop || start > stop && (t >= start || t < stop) {
			return true
		}
	}
	return false
}

// tell drives the plug by its mode, as its timer runs on a clock that needs
// the internet. The timer is loaded as well, so that a plug that falls back to
// Timer mode ends with the lease. The last message asks for the state, which
// confirms.
func (e *emonESP) tell(c hub.Command, now time.Time) []message {
	base := e.device.Topic + e.node
	if !c.On {
		return []message{
			{topic: base + "/in/ctrlmode", payload: []byte("Off")},
			{topic: base + "/in/timer", payload: []byte("0000 0000")},
			{topic: base + "/in/state"},
		}
	}
	return []message{
		{topic: base + "/in/timer", payload: []byte(emonTimer(now, c.Until))},
		{topic: base + "/in/ctrlmode", payload: []byte("On")},
		{topic: base + "/in/state"},
	}
}

// emonTimer is the window of a lease in UTC as "HHMM HHMM": whole minutes, so
// the start is rounded down and the end up.
func emonTimer(from, until time.Time) string {
	from = from.UTC().Truncate(time.Minute)
	until = until.UTC().Add(time.Minute - time.Nanosecond).Truncate(time.Minute)
	return fmt.Sprintf("%s %s", from.Format("1504"), until.Format("1504"))
}

func (e *emonESP) ask() []message {
	if !e.device.Switched() {
		return nil
	}
	return []message{{topic: e.device.Topic + e.node + "/in/state"}}
}
