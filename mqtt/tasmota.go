package mqtt

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

const (
	tasmotaDiscovery = "tasmota/discovery/"
	// tasmotaPulse is hub.MaxLease as PulseTime counts: seconds plus 100. It
	// is always the whole lease, as a Tasmota writes each new value of a
	// setting to its flash; a renewal with the same value writes nothing.
	tasmotaPulse = "1000"
)

// tasmota drives one relay of a device with Tasmota (080cdb4). The device's
// Topic is its own topic, or its full topic with %prefix% in it, or with the
// three names of its prefixes (%cmnd,stat,tele%) if they were changed; /POWER2
// after it is its second relay.
type tasmota struct {
	device           hub.Device
	cmnd, stat, tele string // its topics, by prefix
	relay            string // POWER, POWER2, …
}

func newTasmota(d hub.Device) *tasmota {
	t := &tasmota{device: d, relay: "POWER"}
	full := d.Topic
	if i := strings.LastIndexByte(full, '/'); i > 0 && isTasmotaRelay(full[i+1:]) {
		full, t.relay = full[:i], full[i+1:]
	}
	prefixes := []string{"cmnd", "stat", "tele"}
	before, rest, marked := strings.Cut(full, "%")
	names, after, closed := strings.Cut(rest, "%")
	if !marked || !closed {
		before, after = "", "/"+full
	} else if own := strings.Split(names, ","); len(own) == 3 {
		prefixes = own
	}
	t.cmnd, t.stat, t.tele = before+prefixes[0]+after, before+prefixes[1]+after, before+prefixes[2]+after
	return t
}

// isTasmotaRelay says whether name is POWER1 to POWER32.
func isTasmotaRelay(name string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "POWER"))
	return strings.HasPrefix(name, "POWER") && err == nil && n >= 1 && n <= 32
}

func (t *tasmota) bases() []string { return []string{t.stat, t.tele} }

// hear understands what a command is answered with (stat), and what comes by
// itself (tele).
func (t *tasmota) hear(topic string, payload []byte, _ time.Time) (hub.Report, bool) {
	if key, ok := strings.CutPrefix(topic, t.tele+"/"); ok {
		switch key {
		case "LWT":
			return onlineSaid(payload)
		case "STATE":
			return t.hearState(payload)
		case "SENSOR":
			return hearSensors(payload)
		}
		return hub.Report{}, false
	}
	switch key := strings.TrimPrefix(topic, t.stat+"/"); key {
	case "RESULT":
		return t.hearState(payload)
	case "STATUS11":
		var s struct{ StatusSTS json.RawMessage }
		if json.Unmarshal(payload, &s) != nil {
			return hub.Report{}, false
		}
		return t.hearState(s.StatusSTS)
	case "STATUS10", "STATUS8":
		var s struct{ StatusSNS json.RawMessage }
		if json.Unmarshal(payload, &s) != nil {
			return hub.Report{}, false
		}
		return hearSensors(s.StatusSNS)
	default:
		if key == t.relay || key == t.alias() {
			return onSaid(payload)
		}
	}
	return hub.Report{}, false
}

// alias is the other name of the first relay: POWER on a device that has one,
// POWER1 on one that has several or SetOption26.
func (t *tasmota) alias() string {
	switch t.relay {
	case "POWER":
		return "POWER1"
	case "POWER1":
		return "POWER"
	}
	return t.relay
}

func (t *tasmota) hearState(payload []byte) (hub.Report, bool) {
	var s map[string]any
	if json.Unmarshal(payload, &s) != nil {
		return hub.Report{}, false
	}
	for _, key := range []string{t.relay, t.alias()} {
		if on, ok := s[key].(string); ok {
			return onSaid([]byte(on))
		}
	}
	return hub.Report{}, false
}

// hearSensors understands a SENSOR message.
func hearSensors(payload []byte) (hub.Report, bool) {
	r, _ := hearEnergy(payload)
	if temp, ok := hearThermometer(payload); ok {
		r.Has, r.Temp = r.Has|hub.ReportTemp, temp
	}
	return r, r.Has != 0
}

// hearThermometer is what the first of the thermometers by name says, such as
// DS18B20 or AM2301. The chip's own is none of the house's.
func hearThermometer(payload []byte) (hub.MilliCelsius, bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal(payload, &all) != nil {
		return 0, false
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var s struct{ Temperature json.RawMessage }
		if strings.HasPrefix(name, "ESP32") || json.Unmarshal(all[name], &s) != nil {
			continue
		}
		v, ok := celsius(s.Temperature)
		if !ok {
			continue
		}
		if string(all["TempUnit"]) == `"F"` {
			v = (v - 32_000) * 5 / 9
		}
		return v, true
	}
	return 0, false
}

// hearEnergy understands ENERGY of a SENSOR message. A device with several
// channels sends arrays, which are left alone: which relay they belong to is
// not said.
func hearEnergy(payload []byte) (hub.Report, bool) {
	var s struct {
		Energy struct{ Total, Power json.RawMessage } `json:"ENERGY"`
	}
	if json.Unmarshal(payload, &s) != nil {
		return hub.Report{}, false
	}
	var r hub.Report
	if w, ok := watts(s.Energy.Power); ok {
		r.Has, r.Power = hub.ReportPower, w
	}
	if wh, ok := wattHours(s.Energy.Total, 1000); ok {
		r.Has, r.Energy = r.Has|hub.ReportEnergy, wh
	}
	return r, r.Has != 0
}

// tell gives the relay a pulse time, which starts anew with each On: the lease.
// Off takes it away again, so that a person's hand on the button is not ended
// by it.
func (t *tasmota) tell(c hub.Command, _ time.Time) []message {
	pulse := message{topic: t.cmnd + "/PulseTime" + t.number(), payload: []byte(tasmotaPulse)}
	if !c.On {
		pulse.payload = []byte("0")
		return []message{{topic: t.cmnd + "/" + t.relay, payload: []byte("OFF")}, pulse}
	}
	return []message{pulse, {topic: t.cmnd + "/" + t.relay, payload: []byte("ON")}}
}

func (t *tasmota) number() string {
	if n := strings.TrimPrefix(t.relay, "POWER"); n != "" {
		return n
	}
	return "1"
}

// ask wants the state (11) and what the sensors say (10). It does not ask with
// an empty POWER: that cancels a pulse time that is running
// (arendst/Tasmota#9325).
func (t *tasmota) ask() []message {
	return []message{
		{topic: t.cmnd + "/STATUS", payload: []byte("11")},
		{topic: t.cmnd + "/STATUS", payload: []byte("10")},
	}
}
