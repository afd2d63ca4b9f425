package mqtt

import (
	"strings"
	"time"

	"homehub/hub"
)

// espHome drives a switch of an ESPHome node by the topics that ESPHome gives
// its parts. The device's Topic is the node's topic prefix, or
// <prefix>/switch/<id> where a node has several switches; without it the first
// switch that speaks is the one. A node with other topics than these is adopted
// by its Home Assistant announcement instead.
type espHome struct {
	device hub.Device
	base   string
	relay  string // id of the switch; "" until known
	probe  probe
}

func newESPHome(d hub.Device) *espHome {
	e := &espHome{device: d, base: d.Topic}
	if i := strings.LastIndex(d.Topic, "/switch/"); i > 0 {
		e.base, e.relay = d.Topic[:i], d.Topic[i+len("/switch/"):]
	}
	return e
}

func (e *espHome) bases() []string { return []string{e.base} }

// hear understands status (birth and Will), the switch, and sensors by their
// names: power is in W, energy in kWh and temperature in °C, as ESPHome has it.
func (e *espHome) hear(topic string, payload []byte, _ time.Time) (hub.Report, bool) {
	parts := strings.Split(strings.TrimPrefix(topic, e.base+"/"), "/")
	switch {
	case len(parts) == 1 && parts[0] == "status":
		return onlineSaid(payload)
	case len(parts) != 3 || parts[2] != "state":
	case parts[0] == "switch" && (e.relay == "" || e.relay == parts[1]):
		r, ok := onSaid(payload)
		if ok {
			e.relay = parts[1]
		}
		return r, ok
	case parts[0] == "sensor" && namesPower(parts[1]):
		w, ok := watts(payload)
		return hub.Report{Has: hub.ReportPower, Power: w}, ok
	case parts[0] == "sensor" && strings.HasSuffix(parts[1], "energy"):
		wh, ok := wattHours(payload, 1000)
		return hub.Report{Has: hub.ReportEnergy, Energy: wh}, ok
	case parts[0] == "sensor" && namesTemperature(parts[1]):
		return e.probe.hear(parts[1], payload)
	}
	return hub.Report{}, false
}

// namesTemperature says whether a sensor of that name measures what is around
// it, and not the chip.
func namesTemperature(id string) bool {
	return strings.HasSuffix(id, "temperature") && !strings.Contains(id, "internal") && !strings.Contains(id, "esp") && !strings.Contains(id, "chip")
}

// namesPower says whether a sensor of that name measures real power.
func namesPower(id string) bool {
	return strings.HasSuffix(id, "power") && !strings.Contains(id, "apparent") && !strings.Contains(id, "reactive")
}

// tell has no lease to give: an ESPHome switch knows none.
func (e *espHome) tell(c hub.Command, _ time.Time) []message {
	if e.relay == "" {
		return nil
	}
	payload := []byte("OFF")
	if c.On {
		payload = []byte("ON")
	}
	return []message{{topic: e.base + "/switch/" + e.relay + "/command", payload: payload}}
}

// ask is nothing: a node retains its states.
func (e *espHome) ask() []message { return nil }
