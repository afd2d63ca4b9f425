package mqtt

import (
	"encoding/json"
	"slices"
	"strings"

	"homehub/hub"
)

// zigbeeDevices ends the topic on which a Zigbee2MQTT lists its devices.
const zigbeeDevices = "/bridge/devices"

// zigbeeDevice is one entry of the list.
type zigbeeDevice struct {
	Name       string `json:"friendly_name"`
	Address    string `json:"ieee_address"`
	Type       string `json:"type"`
	Supported  bool   `json:"supported"`
	Disabled   bool   `json:"disabled"`
	Maker      string `json:"manufacturer"` // as the chip has it, whoever sells it
	Definition struct {
		Model, Vendor, Description string
		Exposes                    []zigbeeExpose
	} `json:"definition"`
}

// zigbeeExpose is one thing that a device has, or a group of them.
type zigbeeExpose struct {
	Type, Name, Property, Unit string
	Features                   []zigbeeExpose
}

// foundZigbee are the devices of a list that switch or measure. A device with
// several relays is driven by a map for each, as their properties have names of
// their own.
func foundZigbee(root string, payload []byte) (all []hub.Found) {
	var list []zigbeeDevice
	if json.Unmarshal(payload, &list) != nil {
		return nil
	}
	for _, d := range list {
		if d.Name == "" || d.Type == "Coordinator" || !d.Supported || d.Disabled {
			continue
		}
		all = append(all, d.found(root)...)
	}
	return all
}

func (d zigbeeDevice) found(root string) (all []hub.Found) {
	var states []string
	has := map[string]bool{}
	for _, e := range d.Definition.Exposes {
		if e.Type == "switch" {
			for _, feature := range e.Features {
				if feature.Name == "state" {
					states = append(states, feature.Property)
				}
			}
		}
		has[e.Property] = has[e.Property] || e.Type == "numeric"
	}
	n := hub.Found{
		Key: d.Address, Name: d.Name, Family: hub.FamilyZigbee2MQTT, Role: hub.RolePlug, Topic: root + "/" + d.Name,
		Model: strings.TrimSpace(d.Definition.Vendor + " " + d.Definition.Model),
	}
	if has["power"] {
		n.Can = append(n.Can, hub.CanPower)
	}
	if has["energy"] {
		n.Can = append(n.Can, hub.CanEnergy)
	}
	if has["temperature"] || has["local_temperature"] {
		n.Can = append(n.Can, hub.CanTemp)
	}
	switch {
	case len(states) == 0 && len(n.Can) == 0:
		return nil
	case len(states) == 0:
		n.Role = hub.RoleMeter
	case len(states) == 1 && states[0] == "state" && d.togglesLate():
		return []hub.Found{zigbeePlain(n)}
	case len(states) == 1 && states[0] == "state":
		n.Can = merged(n.Can, []hub.Ability{hub.CanEnd, hub.CanSwitch})
	default:
		for _, property := range states {
			all = append(all, zigbeeRelay(n, property))
		}
		return all
	}
	return []hub.Found{n}
}

// togglesLate says whether on_time is no lease for this device but dangerous:
// Tuya's firmware takes it for a countdown to the opposite of what is
// (Koenkk/zigbee2mqtt#22182), so a plug that is off would go on by itself.
func (d zigbeeDevice) togglesLate() bool {
	return strings.HasPrefix(d.Maker, "_T") || strings.EqualFold(d.Definition.Vendor, "tuya")
}

// zigbeePlain is a plug that is driven by a map, which gives it no time.
func zigbeePlain(n hub.Found) hub.Found {
	topic, has := n.Topic, n.Can
	n = zigbeeRelay(n, "state")
	n.Name, n.Topic = strings.TrimSuffix(n.Name, " state"), topic
	if slices.Contains(has, hub.CanPower) {
		n.Map.Power = topic + "#/power"
	}
	if slices.Contains(has, hub.CanEnergy) {
		n.Map.Energy = topic + "#/energy"
	}
	if slices.Contains(has, hub.CanTemp) {
		n.Map.Temp = topic + "#/temperature"
	}
	n.Can = n.Map.Can()
	return n
}

// zigbeeRelay is one of several relays of a device.
func zigbeeRelay(n hub.Found, property string) hub.Found {
	topic := n.Topic
	order := func(state string) hub.Order {
		return hub.Order{Topic: topic + "/set", Payload: string(encode(map[string]string{property: state}))}
	}
	escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(property)
	n.Map = &hub.TopicMap{
		On: order("ON"), Off: order("OFF"), State: hub.Sign{Place: topic + "#/" + escaped, Yes: "ON", No: "OFF"},
		Online: hub.Sign{Place: topic + "/availability#/state"},
		Ask:    hub.Order{Topic: topic + "/get", Payload: string(encode(map[string]string{property: ""}))},
	}
	n.Key += " " + property
	n.Name += " " + strings.TrimPrefix(property, "state_")
	n.Family, n.Topic, n.Can = hub.FamilyMQTT, topic+"/"+property, n.Map.Can()
	return n
}
