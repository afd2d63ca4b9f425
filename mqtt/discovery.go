package mqtt

import (
	"encoding/json"
	"strings"

	"homehub/hub"
)

// discoveryTopic is where Home Assistant looks for the hub's sensors: one
// retained message for the whole device (its format since 2024.11). It needs
// no availability topic, as the sensors' broker is the hub itself.
const discoveryTopic = "homeassistant/device/homehub/config"

// discovery is the message, in Home Assistant's abbreviations.
type discovery struct {
	Device     discoveryDevice            `json:"dev"`
	Origin     discoveryOrigin            `json:"o"`
	Components map[string]discoverySensor `json:"cmps"`
}

type discoveryDevice struct {
	IDs  []string `json:"ids"`
	Name string   `json:"name"`
}

type discoveryOrigin struct {
	Name string `json:"name"`
}

// discoverySensor is one sensor of the hub.
type discoverySensor struct {
	Platform   string `json:"p"`
	Name       string `json:"name"`
	UniqueID   string `json:"uniq_id"`
	StateTopic string `json:"stat_t"`
	Class      string `json:"dev_cla"`
	StateClass string `json:"stat_cla"`
	Unit       string `json:"unit_of_meas"`
}

// discovered describes every mirrored feed that has a unit Home Assistant
// knows. It changes only when a feed or a device's name does.
func discovered(topics map[string]string, devices []hub.DeviceState) (string, error) {
	d := discovery{
		Device:     discoveryDevice{IDs: []string{"homehub"}, Name: "homehub"},
		Origin:     discoveryOrigin{Name: "homehub"},
		Components: map[string]discoverySensor{},
	}
	names := map[string]string{}
	for _, s := range devices {
		names[hub.DevicePowerFeed(s.ID)] = s.Name + ": power"
		names[hub.DeviceEnergyFeed(s.ID)] = s.Name + ": energy"
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
	raw, err := json.Marshal(d)
	return string(raw), err
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
