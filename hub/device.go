package hub

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Family is the kind of firmware or hardware a device speaks, which decides
// the codec that drives it.
type Family string

// The families whose codecs exist. A new one adds its name here.
const (
	FamilyEmonESP     Family = "emonesp" // EmonESP smart plug, WiFi relay, sensor
	FamilyHPMon       Family = "hpmon"   // EmonESP heat pump monitor: flow temperature by a control voltage
	FamilyOpenEVSE    Family = "openevse"
	FamilyTasmota     Family = "tasmota"
	FamilyShelly1     Family = "shelly1" // Shelly's first generation
	FamilyShelly2     Family = "shelly2" // Shelly's second generation and later (RPC)
	FamilyZigbee2MQTT Family = "zigbee2mqtt"
	FamilyESPHome     Family = "esphome"
	FamilyMQTT        Family = "mqtt"    // anything on the broker, by Device.Map
	FamilyWebhook     Family = "webhook" // anything with HTTP in the house's network, by Device.Map
	FamilyGPIO        Family = "gpio"    // relays on the Pi's own header
)

// Families are all families, in the order in which pages offer them.
func Families() []Family {
	return []Family{
		FamilyEmonESP, FamilyHPMon, FamilyOpenEVSE, FamilyTasmota, FamilyShelly1, FamilyShelly2,
		FamilyZigbee2MQTT, FamilyESPHome, FamilyMQTT, FamilyWebhook, FamilyGPIO,
	}
}

// Role is what a device is for the house.
type Role string

// The roles.
const (
	RolePlug    Role = "plug"    // something that is switched on and off
	RoleCharger Role = "charger" // a car charger, in whole amps
	RoleSolar   Role = "solar"   // measures what the roof gives
	RoleMeter   Role = "meter"   // measures, switches nothing
	RoleBattery Role = "battery" // the house's storage: takes or gives the power it is told
)

// Mode is what the owner wants of a device.
type Mode string

// The modes. On and Off may end by themselves (Device.ModeUntil), after which
// the device is on Auto again.
const (
	ModeAuto Mode = "auto" // follows the plan
	ModeOn   Mode = "on"
	ModeOff  Mode = "off"
)

// Device is a thing in the house as people decided it: what it is, how to
// reach it, what it shall do. What it is doing is a DeviceState.
type Device struct {
	ID     string `json:"id"`             // lower-case letters, digits and dashes; never changes
	Name   string `json:"name"`           // what people call it
	Room   string `json:"room,omitempty"` // where it is, in the people's words
	Family Family `json:"family"`
	Role   Role   `json:"role"`
	// Topic is the base of the device's MQTT topics, e.g. emon/smartplug1272.
	// For FamilyGPIO it names the pins instead, e.g. GPIO17 or GPIO17,GPIO27, or
	// an analog input, and for FamilyWebhook the address, e.g. http://192.168.1.50. The codecs in
	// package mqtt say what else may be in it.
	Topic string    `json:"topic"`
	Map   *TopicMap `json:"map,omitempty"` // FamilyMQTT and FamilyWebhook: how it is told and heard

	Power   Watt `json:"power_w,omitempty"`  // a plug's or relay's draw when on, as far as known
	MinAmps int  `json:"min_amps,omitempty"` // charger: lowest current it can charge with, 6 by IEC 61851
	MaxAmps int  `json:"max_amps,omitempty"`
	Phases  int  `json:"phases,omitempty"` // charger: 1 or 3
	FlowC   int  `json:"flow_c,omitempty"` // FamilyHPMon: flow temperature when on, in °C; 35 if 0

	// TempOf is the device whose thermometer measures what this one heats, such
	// as a sensor on the tank behind a relay; empty: its own.
	TempOf string `json:"temperature_of,omitempty"`
	// Litres is how much water it heats; 0: not known, or a room.
	Litres int `json:"litres,omitempty"`

	// Line is the phase that a single-phase device hangs on, 1 to 3; 0: not
	// known, so the guards take it to be on the fullest.
	Line int `json:"line,omitempty"`
	// SwitchPhases: a charger wired to three phases can charge on one.
	SwitchPhases bool `json:"switch_phases,omitempty"`
	// Essential devices are never switched off by a guard.
	Essential bool     `json:"essential,omitempty"`
	Battery   *Battery `json:"battery,omitempty"` // a battery's, or the car's at a charger

	Mode      Mode      `json:"mode"`
	ModeUntil time.Time `json:"mode_until,omitzero"` // zero: until changed
	Schedule  *Schedule `json:"schedule,omitempty"`  // nil: none
}

// Switched says whether the device can be told to turn on and off.
func (d Device) Switched() bool { return d.Role == RolePlug || d.Role == RoleCharger }

// Driven says whether the hub commands the device: those that are switched,
// and batteries, which are told a power.
func (d Device) Driven() bool { return d.Switched() || d.Role == RoleBattery }

// ModeAt is the mode in force at now: On and Off end at ModeUntil.
func (d Device) ModeAt(now time.Time) Mode {
	if d.Mode == "" || d.Mode != ModeAuto && !d.ModeUntil.IsZero() && !now.Before(d.ModeUntil) {
		return ModeAuto
	}
	return d.Mode
}

// OnPower is what the device draws when it is on with the given amps (which a
// plug ignores).
func (d Device) OnPower(amps int) Watt {
	if d.Role == RoleCharger {
		return Watt(230 * max(1, d.Phases) * amps)
	}
	return d.Power
}

// MaxNameRunes is the longest name of a device or a person.
const MaxNameRunes = 64

// CleanName checks a name that a person or a device chose: printable text of
// 1 to 64 runes, or an Invalid error for field. Names end up on pages and in
// logs, so control characters are refused rather than escaped everywhere.
func CleanName(field, name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", FieldErrorf(field, "must not be empty")
	}
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxNameRunes {
		return "", FieldErrorf(field, "must be text of at most %d characters", MaxNameRunes)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return "", FieldErrorf(field, "must hold printable characters only")
		}
	}
	return name, nil
}

// Validate checks a device as the API or a file brings it, and fills what is
// left out. It returns the device to keep, or an Invalid error that names the
// field.
func (d Device) Validate() (Device, error) {
	if !validID(d.ID) {
		return d, FieldErrorf("id", "must be 1 to 32 lower-case letters, digits or dashes, and begin with a letter")
	}
	var err error
	if d.Name, err = CleanName("name", d.Name); err != nil {
		return d, err
	}
	if d.Room != "" {
		if d.Room, err = CleanName("room", d.Room); err != nil {
			return d, err
		}
	}
	if !slices.Contains(Families(), d.Family) {
		return d, FieldErrorf("family", "%q is not known: use one of %v", d.Family, Families())
	}
	if !validTopic(d.Topic) {
		return d, FieldErrorf("topic", "must be the base of the device's topics, without wildcards, outer spaces or outer slashes")
	}
	if d.Role == RoleCharger {
		d.fillCharger()
	}
	if err := d.validateRole(); err != nil {
		return d, err
	}
	if err := d.validateMap(); err != nil {
		return d, err
	}
	if err := d.validateElectrical(); err != nil {
		return d, err
	}
	switch d.Mode {
	case "":
		d.Mode = ModeAuto
	case ModeAuto, ModeOn, ModeOff:
	default:
		return d, FieldErrorf("mode", "%q is not one of on, off, auto", d.Mode)
	}
	if d.Schedule != nil {
		if !d.Switched() {
			return d, FieldErrorf("schedule", "a %s can not be switched, so it can not have a schedule", d.Role)
		}
		if err := d.Schedule.Validate(); err != nil {
			return d, err
		}
		if d.Schedule.Keeps() && d.Role != RolePlug {
			return d, FieldErrorf("keep", "a %s has no temperature to keep", d.Role)
		}
		if d.Schedule.SoC > 0 && d.Battery == nil && d.Schedule.Energy == 0 {
			return d, FieldErrorf("until_soc", "needs the capacity of the battery; or give energy_wh beside it")
		}
	}
	return d, nil
}

func (d *Device) fillCharger() {
	if d.MinAmps == 0 {
		d.MinAmps = 6
	}
	if d.MaxAmps == 0 {
		d.MaxAmps = 16
	}
	if d.Phases == 0 {
		d.Phases = 1
	}
}

func (d Device) validateRole() error {
	switch d.Role {
	case RolePlug, RoleSolar, RoleMeter, RoleBattery:
		if d.Power < 0 || d.Power > 25_000 {
			return FieldErrorf("power_w", "must be 0 to 25000")
		}
	case RoleCharger:
		if d.MinAmps < 6 || d.MaxAmps < d.MinAmps || d.MaxAmps > 80 {
			return FieldErrorf("max_amps", "amps must be 6 or more at least (IEC 61851) and 80 at most, min_amps not above max_amps")
		}
		if d.Phases != 1 && d.Phases != 3 {
			return FieldErrorf("phases", "must be 1 or 3")
		}
	default:
		return FieldErrorf("role", "%q is not one of plug, charger, solar, meter, battery", d.Role)
	}
	return nil
}

// validateMap checks that those families have a map that live by it, and no
// other.
func (d Device) validateMap() error {
	if d.FlowC != 0 && (d.Family != FamilyHPMon || d.FlowC < 20 || d.FlowC > 70) {
		return FieldErrorf("flow_c", "is 20 to 70 °C, and of heat pumps only")
	}
	mapped := d.Family == FamilyMQTT || d.Family == FamilyWebhook
	switch {
	case mapped && d.Map == nil:
		return FieldErrorf("map", "is needed: say how the device is switched and where it says how it is")
	case !mapped && d.Map != nil:
		return FieldErrorf("map", "is of the families mqtt and webhook only")
	case mapped:
		return d.Map.validate(d.Role)
	}
	return nil
}

// validateElectrical checks how the device is wired and what it stores.
func (d Device) validateElectrical() error {
	switch {
	case d.Line < 0 || d.Line > 3:
		return FieldErrorf("line", "must be 1, 2 or 3, or 0 if it is not known")
	case d.SwitchPhases && (d.Role != RoleCharger || d.Phases != 3):
		return FieldErrorf("switch_phases", "is for chargers that are wired to three phases")
	case d.TempOf != "" && (!validID(d.TempOf) || d.TempOf == d.ID || d.Role != RolePlug):
		return FieldErrorf("temperature_of", "must be the id of another device, and is for what is switched on and off")
	case d.Litres < 0 || d.Litres > 20_000:
		return FieldErrorf("litres", "must be 0 to 20000")
	case d.Battery != nil:
		return d.Battery.Validate(d.Role)
	}
	return nil
}

// validTopic allows spaces within: a Zigbee2MQTT has what its owner typed.
func validTopic(topic string) bool {
	return topic != "" && len(topic) <= 128 && strings.TrimSpace(topic) == topic && !strings.ContainsAny(topic, "+#$") &&
		strings.IndexFunc(topic, unicode.IsControl) < 0 && !strings.HasPrefix(topic, "/") && !strings.HasSuffix(topic, "/")
}

func validID(id string) bool {
	if id == "" || len(id) > 32 || id[0] < 'a' || id[0] > 'z' {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
