package mqtt

import (
	"fmt"
	"math"
	"strings"
	"time"

	"homehub/hub"
)

const shellyAnnounce = "shellies/announce"

// shelly1 drives one relay of a Shelly of the first generation. The device's
// Topic is shellies/<id>, or shellies/<id>/relay/1 for its second relay.
type shelly1 struct {
	device hub.Device
	base   string // shellies/<id>
	relay  string // relay/0
	probe  probe
}

func newShelly1(d hub.Device) *shelly1 {
	s := &shelly1{device: d, base: d.Topic, relay: "relay/0"}
	if i := strings.LastIndex(d.Topic, "/relay/"); i > 0 {
		s.base, s.relay = d.Topic[:i], d.Topic[i+1:]
	}
	return s
}

func (s *shelly1) bases() []string { return []string{s.base} }

// hear understands online (its Will), the relay and its measurements.
func (s *shelly1) hear(topic string, payload []byte, _ time.Time) (hub.Report, bool) {
	switch key := strings.TrimPrefix(topic, s.base+"/"); key {
	case "ext_temperature/0", "ext_temperature/1", "ext_temperature/2", "sensor/temperature":
		return s.probe.hear(key, payload) // on its wires; "temperature" is its own inside
	case "online":
		return onlineSaid(payload)
	case s.relay:
		if string(payload) == "overpower" {
			return hub.Report{Has: hub.ReportOn}, true
		}
		return onSaid(payload)
	case s.relay + "/power":
		w, ok := watts(payload)
		return hub.Report{Has: hub.ReportPower, Power: w}, ok
	case s.relay + "/energy":
		wh, ok := wattHours(payload, 1.0/60) // watt-minutes, from 0 at each reboot
		return hub.Report{Has: hub.ReportEnergy, Energy: wh}, ok
	}
	return hub.Report{}, false
}

// tell goes over HTTP, as a timer can not be set over MQTT: it is the lease. A
// Shelly whose pages are locked with a password answers MQTT alone, and has no
// lease then.
func (s *shelly1) tell(c hub.Command, now time.Time) []message {
	m := message{topic: s.base + "/" + s.relay + "/command", payload: []byte("off"), path: "/" + s.relay + "?turn=off"}
	if c.On {
		m.payload, m.path = []byte("on"), fmt.Sprintf("/%s?turn=on&timer=%d", s.relay, seconds(c, now))
	}
	return []message{m}
}

func (s *shelly1) ask() []message {
	return []message{{topic: s.base + "/command", payload: []byte("update")}}
}

// seconds is the rest of a lease in whole seconds, rounded up.
func seconds(c hub.Command, now time.Time) int {
	return max(1, int(math.Ceil(c.Until.Sub(now).Seconds())))
}
