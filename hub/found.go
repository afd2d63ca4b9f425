package hub

import (
	"strings"
	"time"
)

// Ability is one thing that a device can do or say.
type Ability string

// The abilities.
const (
	CanSwitch   Ability = "switch"   // be turned on and off
	CanAmps     Ability = "amps"     // charge with a current it is told
	CanPhases   Ability = "phases"   // charge on one or three phases, as it is told
	CanSetpoint Ability = "setpoint" // take or give a power it is told
	CanPower    Ability = "power"    // say what it draws
	CanEnergy   Ability = "energy"   // count what it drew
	CanSoC      Ability = "soc"      // say how full its battery is
	CanTemp     Ability = "temp"     // say how warm it is
	// CanEnd says that the device itself ends what it was switched on for, so
	// that nothing stays on if the hub is gone.
	CanEnd Ability = "end"
)

// Found is a device that announced itself at the broker and is none of the
// house's yet.
type Found struct {
	Key    string    `json:"key"` // what adopts it; the same for as long as the device announces itself
	Name   string    `json:"name"`
	Model  string    `json:"model,omitempty"`
	Family Family    `json:"family"`
	Role   Role      `json:"role"`   // the role that suits it; the owner may choose another
	Topic  string    `json:"topic"`  // Device.Topic
	Client string    `json:"client"` // broker log-in that it announced itself with
	Addr   string    `json:"addr,omitempty"`
	Can    []Ability `json:"can"`
	// MinAmps and MaxAmps are a charger's, 0 if it does not say.
	MinAmps int       `json:"min_amps,omitempty"`
	MaxAmps int       `json:"max_amps,omitempty"`
	Map     *TopicMap `json:"map,omitempty"` // of FamilyMQTT
	Since   time.Time `json:"since"`         // first announcement
}

// Device is the device that a found one becomes under the given id, as
// Validate accepts it. An empty name takes its own.
func (f Found) Device(id, name string) Device {
	if name == "" {
		name = f.Name
	}
	return Device{
		ID: id, Name: name, Family: f.Family, Role: f.Role, Topic: f.Topic,
		MinAmps: f.MinAmps, MaxAmps: f.MaxAmps, Map: f.Map, Mode: ModeAuto,
	}
}

// TopicMap is how a device is told and heard that no codec of its own knows:
// FamilyMQTT, whose topics are whole, and FamilyWebhook, whose topics are paths
// below the address in Device.Topic. What is empty the device has not.
//
// A place is "topic", or "topic#/pointer" with a JSON pointer (RFC 6901) into a
// JSON payload, and after a space the unit: W (default) or kW, kWh (default) or
// Wh, A (default) or mA, °C (default).
type TopicMap struct {
	On       Order `json:"on,omitzero"`
	Off      Order `json:"off,omitzero"`
	Amps     Order `json:"amps,omitzero"`     // sent before On
	Phases   Order `json:"phases,omitzero"`   // sent before On
	Setpoint Order `json:"setpoint,omitzero"` // sent after On, and as 0 before Off
	Ask      Order `json:"ask,omitzero"`      // makes it say how it is

	State   Sign   `json:"state,omitzero"`   // whether it is on
	Online  Sign   `json:"online,omitzero"`  // whether it is there
	Plugged Sign   `json:"plugged,omitzero"` // whether a car is connected
	Power   string `json:"power,omitempty"`
	Energy  string `json:"energy,omitempty"`
	Current string `json:"current,omitempty"` // in use, of a charger
	InUse   string `json:"in_use,omitempty"`  // phases in use
	SoC     string `json:"soc,omitempty"`     // state of charge in %
	Temp    string `json:"temp,omitempty"`    // what its thermometer shows
}

// Heard is what was heard last in one place of a TopicMap.
type Heard struct {
	Name    string    // of the place: a key of TopicMap.Places
	Topic   string    // FamilyWebhook: the path
	Payload string    // "" if nothing was heard, cut off where it is long
	At      time.Time // when; zero if nothing was heard
	Problem string    // why nothing can be heard there, for people; "" if it can
	// Said is what the payload says in this place; its Has is 0 if nothing was
	// understood.
	Said Report
}

// Order is a message that tells a device something. In the payload, and in a
// webhook's path, {amps}, {phases} and {watts} stand for what the command says,
// and {seconds} for the rest of its lease: a device that is told {seconds} ends
// by itself.
type Order struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
}

// Sign is a value that says yes or no.
type Sign struct {
	Place string `json:"place"`
	Yes   string `json:"yes,omitempty"` // also understood: on, true, 1, online
	No    string `json:"no,omitempty"`  // also understood: off, false, 0, offline
}

// Orders are all orders of the map that are not empty.
func (m TopicMap) Orders() (all []Order) {
	for _, o := range [...]Order{m.On, m.Off, m.Amps, m.Phases, m.Setpoint, m.Ask} {
		if o.Topic != "" {
			all = append(all, o)
		}
	}
	return all
}

// NamedOrders are all orders of the map by name, those that are empty too.
func (m TopicMap) NamedOrders() map[string]Order {
	return map[string]Order{"on": m.On, "off": m.Off, "amps": m.Amps, "phases": m.Phases, "setpoint": m.Setpoint, "ask": m.Ask}
}

// OrderName is what an order of the map is called, "" if it is none of it.
func (m TopicMap) OrderName(o Order) string {
	for _, name := range [...]string{"on", "off", "amps", "phases", "setpoint", "ask"} {
		if m.NamedOrders()[name] == o {
			return name
		}
	}
	return ""
}

// Places are the names and places of all values of the map that are not empty.
func (m TopicMap) Places() map[string]string {
	all := map[string]string{
		"state": m.State.Place, "online": m.Online.Place, "plugged": m.Plugged.Place, "power": m.Power,
		"energy": m.Energy, "current": m.Current, "in_use": m.InUse, "soc": m.SoC,
		"temp": m.Temp,
	}
	for name, place := range all {
		if place == "" {
			delete(all, name)
		}
	}
	return all
}

// Can is what a device with this map can do.
func (m TopicMap) Can() (all []Ability) {
	for _, a := range [...]struct {
		can Ability
		has bool
	}{
		{CanSwitch, m.On.Topic != "" && m.Off.Topic != ""},
		{CanAmps, m.Amps.Topic != "" || strings.Contains(m.On.Payload+m.On.Topic, "{amps}")},
		{CanPhases, m.Phases.Topic != "" || strings.Contains(m.On.Payload+m.On.Topic, "{phases}")},
		{CanSetpoint, m.Setpoint.Topic != "" || strings.Contains(m.On.Payload+m.On.Topic, "{watts}")},
		{CanPower, m.Power != ""},
		{CanEnergy, m.Energy != ""},
		{CanSoC, m.SoC != ""},
		{CanTemp, m.Temp != ""},
		{CanEnd, strings.Contains(m.On.Payload+m.On.Topic, "{seconds}")},
	} {
		if a.has {
			all = append(all, a.can)
		}
	}
	return all
}

const maxMapText = 512 // bytes of one topic, payload or place

// validate checks what can be said of a map without knowing topics.
func (m TopicMap) validate(role Role) error {
	if (m.On.Topic == "") != (m.Off.Topic == "") {
		return FieldErrorf("map.off", "a device that is switched on must be switched off as well: give both")
	}
	if m.On.Topic == "" && (role == RolePlug || role == RoleCharger) {
		return FieldErrorf("map.on", "a %s needs what switches it on and off", role)
	}
	if m.On == m.Off && m.On.Topic != "" {
		return FieldErrorf("map.off", "the same message can not switch it on and off")
	}
	places := m.Places()
	if len(places) == 0 && m.On.Topic == "" {
		return FieldErrorf("map", "says nothing of the device")
	}
	texts := []string{m.State.Yes, m.State.No, m.Online.Yes, m.Online.No, m.Plugged.Yes, m.Plugged.No}
	for _, o := range m.Orders() {
		texts = append(texts, o.Topic, o.Payload)
	}
	for _, place := range places {
		texts = append(texts, place)
	}
	for _, text := range texts {
		if len(text) > maxMapText || strings.ContainsAny(text, "\x00\r\n") {
			return FieldErrorf("map", "each text must be one line of at most %d characters", maxMapText)
		}
	}
	return nil
}
