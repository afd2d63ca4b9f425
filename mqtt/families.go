package mqtt

import (
	"slices"
	"strings"
	"time"

	"homehub/hub"
)

// message is something to publish or, with a path, to fetch over HTTP from the
// address that the device's own connection comes from; what is to publish is
// then for a device that does not answer.
type message struct {
	topic   string
	payload []byte
	path    string
	retain  bool
}

// driver speaks the language of a family to one device. It is called with the
// fleet's lock held, so it needs none and must not wait.
type driver interface {
	// bases are the topics at and below which the device speaks.
	bases() []string
	// hear understands a message on one of the device's topics, false if it
	// is none of its own. At and Device of the report are filled in later.
	hear(topic string, payload []byte, now time.Time) (hub.Report, bool)
	// tell is what to publish so that the device does c.
	tell(c hub.Command, now time.Time) []message
	// ask is what to publish so that the device says how it is.
	ask() []message
}

// follower is a driver that answers what it just heard.
type follower interface {
	follow(now time.Time) []message
}

// newDriver is the driver of a device, nil if its family does not speak MQTT.
// A device that CheckDevice refuses has none either.
func newDriver(d hub.Device) driver {
	switch d.Family {
	case hub.FamilyEmonESP:
		return &emonESP{device: d}
	case hub.FamilyHPMon:
		return &hpMon{emonESP{device: d}}
	case hub.FamilyOpenEVSE:
		return &openEVSE{device: d}
	case hub.FamilyTasmota:
		return newTasmota(d)
	case hub.FamilyShelly1:
		return newShelly1(d)
	case hub.FamilyShelly2:
		return newShelly2(d)
	case hub.FamilyZigbee2MQTT:
		return &zigbee2MQTT{device: d}
	case hub.FamilyESPHome:
		return newESPHome(d)
	case hub.FamilyMQTT:
		if g, err := newGeneric(d); err == nil {
			return g
		}
	}
	return nil
}

// CheckDevice checks of a device what only its codec can tell: the form of its
// topic and its map. It is an Invalid error that names the field.
func CheckDevice(d hub.Device) error {
	switch d.Family {
	case hub.FamilyGPIO:
		return nil
	case hub.FamilyWebhook:
		_, err := newHook(d)
		return err
	case hub.FamilyMQTT:
		if _, err := newGeneric(d); err != nil {
			return err
		}
	}
	if d.Family == hub.FamilyTasmota && strings.Count(d.Topic, "%")%2 != 0 {
		return hub.FieldErrorf("topic", "must be the device's own topic, or its full topic such as house/%%prefix%%/boiler")
	}
	if strings.HasPrefix(d.Topic+"/", mirrorPrefix) || strings.HasPrefix(d.Topic+"/", haPrefix) {
		return hub.FieldErrorf("topic", "topics below %s and %s are no device's", mirrorPrefix, haPrefix)
	}
	for _, base := range newDriver(d).bases() {
		if !publishable(base) {
			return hub.FieldErrorf("topic", "%q is no topic that a device can use", clip(base))
		}
	}
	return nil
}

// Grants are the topics that a device of the family needs: its own and, where
// the family fixes them, its announcement.
func Grants(d hub.Device) []hub.Grant {
	read := func(filter string) hub.Grant { return hub.Grant{Filter: filter, Read: true} }
	write := func(filter string) hub.Grant { return hub.Grant{Filter: filter, Write: true} }
	below := hub.Grant{Filter: d.Topic + "/#", Read: true, Write: true}
	switch d.Family {
	case hub.FamilyOpenEVSE:
		return []hub.Grant{below, write(announceFilter(d.Topic))}
	case hub.FamilyTasmota:
		t := newTasmota(d)
		return []hub.Grant{
			read(t.cmnd + "/#"), write(t.stat + "/#"), write(t.tele + "/#"),
			write(tasmotaDiscovery + "+/config"), write(tasmotaDiscovery + "+/sensors"),
		}
	case hub.FamilyShelly1:
		return []hub.Grant{{Filter: newShelly1(d).base + "/#", Read: true, Write: true}, read("shellies/command"), write(shellyAnnounce)}
	case hub.FamilyShelly2:
		return []hub.Grant{{Filter: newShelly2(d).base + "/#", Read: true, Write: true}}
	case hub.FamilyESPHome:
		e := newESPHome(d)
		node := e.base[strings.LastIndexByte(e.base, '/')+1:]
		return []hub.Grant{{Filter: e.base + "/#", Read: true, Write: true}, write(haPrefix + "+/" + node + "/+/config"), read(haBirth)}
	case hub.FamilyMQTT:
		if g, err := newGeneric(d); err == nil {
			return g.grants()
		}
	case hub.FamilyGPIO, hub.FamilyWebhook:
		return nil
	}
	return []hub.Grant{below}
}

// Traits are what is true of a device by its family: what it can do, and what
// it does when the hub is gone.
type Traits struct {
	Can []hub.Ability `json:"can"`
	// Alone says, for people, what becomes of a device that is on when the
	// hub or the network dies.
	Alone string `json:"alone"`
}

// TraitsOf are the traits of a device.
func TraitsOf(d hub.Device) Traits {
	t := Traits{Can: []hub.Ability{hub.CanSwitch, hub.CanPower, hub.CanEnergy}, Alone: "stays on: this device has no timer that the hub can use"}
	ends := "goes off by itself within 15 minutes"
	switch d.Family {
	case hub.FamilyEmonESP:
		t.Alone = "stays on until its own timer or somebody switches it off: its mode On has no end"
	case hub.FamilyHPMon:
		t.Can = []hub.Ability{hub.CanSwitch}
		t.Alone = "keeps its flow temperature: its mode On has no end"
	case hub.FamilyOpenEVSE:
		t.Can = append(t.Can, hub.CanAmps, hub.CanEnd)
		t.Alone = "stops charging by its own time limit within 16 minutes; with the old ESP8266 firmware it goes on"
	case hub.FamilyTasmota, hub.FamilyShelly1, hub.FamilyShelly2:
		t.Can = append(t.Can, hub.CanEnd)
		t.Alone = ends
	case hub.FamilyZigbee2MQTT:
		t.Can = append(t.Can, hub.CanEnd)
		t.Alone = ends + ", if the device knows on_time; else it stays on"
	case hub.FamilyMQTT, hub.FamilyWebhook:
		t.Can = nil
		if d.Map != nil {
			t.Can = d.Map.Can()
		}
		if slices.Contains(t.Can, hub.CanEnd) {
			t.Alone = ends
		}
	case hub.FamilyGPIO:
		t.Can = []hub.Ability{hub.CanSwitch, hub.CanEnd}
		t.Alone = "goes off when the hub ends; a killed hub leaves it until it is started again, unless config.txt has dtparam=strict_gpiod"
	}
	if !d.Switched() && d.Role != hub.RoleBattery {
		t.Can = slices.DeleteFunc(t.Can, func(a hub.Ability) bool {
			return a != hub.CanPower && a != hub.CanEnergy && a != hub.CanSoC && a != hub.CanTemp
		})
		t.Alone = "measures only"
	}
	return t
}

// NewLogin makes the broker log-in of a device, with the topics of its family
// and no others. The secret is shown this once and never kept.
func NewLogin(d hub.Device, now time.Time) (hub.Credential, string) {
	return hub.NewCredential(d.ID, d.ID, Grants(d), now)
}
