package mqtt

import (
	"encoding/json"
	"strings"

	"homehub/hub"
)

// discoveryTopic is where Home Assistant looks for the hub's sensors and
// devices: one retained message for the whole hub (its format since 2024.11),
// sent again when Home Assistant says that it is there.
const discoveryTopic = "homeassistant/device/homehub/config"

// discovery is the message, in Home Assistant's abbreviations.
type discovery struct {
	Device       discoveryDevice            `json:"dev"`
	Origin       discoveryOrigin            `json:"o"`
	Availability string                     `json:"avty_t"`
	Components   map[string]discoverySensor `json:"cmps"`
}

type discoveryDevice struct {
	IDs  []string `json:"ids"`
	Name string   `json:"name"`
}

type discoveryOrigin struct {
	Name string `json:"name"`
}

// discoverySensor is one sensor of the hub, or a switch or choice of one device.
type discoverySensor struct {
	Platform   string   `json:"p"`
	Name       string   `json:"name"`
	UniqueID   string   `json:"uniq_id"`
	StateTopic string   `json:"stat_t"`
	Class      string   `json:"dev_cla,omitempty"`
	StateClass string   `json:"stat_cla,omitempty"`
	Unit       string   `json:"unit_of_meas,omitempty"`
	Template   string   `json:"val_tpl,omitempty"`
	Command    string   `json:"cmd_t,omitempty"`
	On         string   `json:"pl_on,omitempty"`
	Off        string   `json:"pl_off,omitempty"`
	StateOn    string   `json:"stat_on,omitempty"`
	StateOff   string   `json:"stat_off,omitempty"`
	Options    []string `json:"options,omitempty"`

	Availability []discoveryOnline `json:"avty,omitempty"` // all of them must say so
	AllOf        string            `json:"avty_mode,omitempty"`
}

// discoveryOnline is a topic that says whether a control works.
type discoveryOnline struct {
	Topic    string `json:"t"`
	Template string `json:"val_tpl,omitempty"`
}

// discovered describes every mirrored feed that has a unit Home Assistant
// knows. It changes only when a feed or a device's name does.
func discovered(topics map[string]string, devices []hub.DeviceState) (string, error) {
	d := discovery{
		Device: discoveryDevice{IDs: []string{"homehub"}, Name: "homehub"},
		Origin: discoveryOrigin{Name: "homehub"}, Availability: statusTopic,
		Components: map[string]discoverySensor{},
	}
	names := map[string]string{}
	for _, s := range devices {
		names[hub.DevicePowerFeed(s.ID)] = s.Name + ": power"
		names[hub.DeviceEnergyFeed(s.ID)] = s.Name + ": energy"
		names[hub.DeviceTempFeed(s.ID)] = s.Name + ": temperature"
	}
	for topic := range topics {
		feed := strings.TrimPrefix(topic, mirrorPrefix)
		sensor, ok := sensorOf(feed)
		if !ok {
			continue
		}
		if sensor.Name = names[feed]; sensor.Name == "" {
			sensor.Name = houseName(feed)
		}
		sensor.Platform, sensor.UniqueID, sensor.StateTopic = "sensor", "homehub_"+feed, topic
		d.Components[feed] = sensor
	}
	for _, s := range devices {
		if s.Switched() {
			d.Components[s.ID+"_switch"], d.Components[s.ID+"_mode"] = controls(s.Device)
		}
	}
	raw, err := json.Marshal(d)
	return string(raw), err
}

// controls are a device's switch, which is on when the device says so, and the
// choice of its mode, which alone leads back to the plan.
func controls(d hub.Device) (onOff, mode discoverySensor) {
	state, command := mirrorPrefix+d.ID+stateSuffix, mirrorPrefix+d.ID+setSuffix
	onOff = discoverySensor{
		Platform: "switch", Name: d.Name, UniqueID: "homehub_" + d.ID + "_switch", StateTopic: state, Command: command,
		Template: "{{ 'on' if value_json.on else 'off' }}", On: "on", Off: "off", StateOn: "on", StateOff: "off",
	}
	mode = discoverySensor{
		Platform: "select", Name: d.Name + ": mode", UniqueID: "homehub_" + d.ID + "_mode", StateTopic: state, Command: command,
		Template: "{{ value_json.mode }}", Options: []string{"auto", "on", "off"},
	}
	onOff.AllOf = "all"
	onOff.Availability = []discoveryOnline{{Topic: statusTopic}, {state, "{{ 'online' if value_json.online else 'offline' }}"}}
	return onOff, mode
}

// sensorOf is the kind of sensor that a feed is, by the unit its name ends in.
func sensorOf(feed string) (discoverySensor, bool) {
	switch feed[strings.LastIndexByte(feed, '_')+1:] {
	case "w":
		return discoverySensor{Class: "power", StateClass: "measurement", Unit: "W"}, true
	case "wh":
		return discoverySensor{Class: "energy", StateClass: "total_increasing", Unit: "Wh"}, true
	case "ma":
		return discoverySensor{Class: "current", StateClass: "measurement", Unit: "mA"}, true
	case "c":
		return discoverySensor{Class: "temperature", StateClass: "measurement", Unit: "°C"}, true
	case "dm3":
		return discoverySensor{Class: "gas", StateClass: "total_increasing", Unit: "L"}, true
	}
	return discoverySensor{}, false
}

// houseName is a feed of the house for people.
func houseName(feed string) string {
	switch feed {
	case hub.FeedImport:
		return "From the grid"
	case hub.FeedExport:
		return "To the grid"
	case hub.FeedHouse:
		return "Used in the house"
	case hub.FeedSolar:
		return "Solar"
	case hub.FeedGas:
		return "Gas meter"
	}
	return strings.ReplaceAll(feed[:strings.LastIndexByte(feed, '_')], "_", " ")
}
