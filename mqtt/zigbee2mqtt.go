package mqtt

import (
	"encoding/json"
	"strings"
	"time"

	"homehub/hub"
)

// zigbee2MQTT drives a plug behind Zigbee2MQTT. The device's Topic is
// <base>/<friendly name>, which may have slashes in it.
type zigbee2MQTT struct {
	device hub.Device
	asked  bool // the last command was on, and the device did not say so since
	plain  bool // it did not obey a command with a time: it gets none any more
}

func (z *zigbee2MQTT) bases() []string { return []string{z.device.Topic} }

// hear understands the state, which is one JSON object on the topic itself,
// and the availability: plain in version 1, JSON in version 2.
func (z *zigbee2MQTT) hear(topic string, payload []byte, _ time.Time) (hub.Report, bool) {
	if topic == z.device.Topic+"/availability" {
		var a struct{ State string }
		if json.Unmarshal(payload, &a) == nil {
			payload = []byte(a.State)
		}
		return onlineSaid(payload)
	}
	var s struct {
		State, Power, Energy, Temperature json.RawMessage
		Local                             json.RawMessage `json:"local_temperature"` // of a room, as a thermostat says it
	}
	if topic != z.device.Topic || json.Unmarshal(payload, &s) != nil {
		return hub.Report{}, false
	}
	var r hub.Report
	if on, ok := onSaid([]byte(strings.Trim(string(s.State), `"`))); ok {
		r = on
		z.asked = z.asked && !r.On
	}
	if w, ok := watts(s.Power); ok {
		r.Has, r.Power = r.Has|hub.ReportPower, w
	}
	if wh, ok := wattHours(s.Energy, 1000); ok {
		r.Has, r.Energy = r.Has|hub.ReportEnergy, wh
	}
	for _, text := range [...]json.RawMessage{s.Local, s.Temperature} {
		if v, ok := celsius(text); ok {
			r.Has, r.Temp = r.Has|hub.ReportTemp, v
		}
	}
	return r, r.Has != 0
}

// zigbeeOn is an on command. on_time is in seconds; off_wait_time 0 lets the
// next command in at once.
type zigbeeOn struct {
	State       string `json:"state"`
	OnTime      int    `json:"on_time,omitempty"`
	OffWaitTime *int   `json:"off_wait_time,omitempty"`
}

// tell gives on_time as the lease. A device that does not know it refuses the
// whole command, so one that did not obey is told without.
func (z *zigbee2MQTT) tell(c hub.Command, now time.Time) []message {
	topic := z.device.Topic + "/set"
	if !c.On {
		z.asked = false
		return []message{{topic: topic, payload: []byte(`{"state":"OFF"}`)}}
	}
	z.plain = z.plain || z.asked
	z.asked = true
	on := zigbeeOn{State: "ON"}
	if !z.plain {
		on.OnTime, on.OffWaitTime = seconds(c, now), new(int)
	}
	return []message{{topic: topic, payload: encode(on)}}
}

// ask reads the state from the device, as Zigbee2MQTT retains it only where
// its owner said so.
func (z *zigbee2MQTT) ask() []message {
	return []message{{topic: z.device.Topic + "/get", payload: []byte(`{"state":""}`)}}
}
