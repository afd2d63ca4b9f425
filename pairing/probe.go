package pairing

import (
	"context"
	"encoding/json"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// Probed is what a device with a web page of its own turned out to be.
type Probed struct {
	Addr   netip.AddrPort
	Family hub.Family
	Role   hub.Role
	Name   string // what it calls itself; ends in part of its MAC, so it is its own
	Model  string // "" if it does not say
	Topic  string // base of the topics that it uses, or will use
}

// probeTime is how long a device may take for one answer. Cheap Wi-Fi chips
// need seconds when they have just joined.
const probeTime = 5 * time.Second

var notInTopic = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// ParseTarget reads the address of a device in the house: an IP address, with
// a port where it is not 80. Anything else is an Invalid error, so that nobody
// sends the hub out into the world or to a name that changes its mind.
func ParseTarget(text string) (netip.AddrPort, error) {
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "http://"), "/")
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if err != nil {
			return at, hub.FieldErrorf("addr", "must be the device's address, such as 192.168.1.50: your router's page lists it")
		}
		at = netip.AddrPortFrom(addr, 80)
	}
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	if !inHouse(at.Addr()) {
		return at, hub.FieldErrorf("addr", "%s is not an address in the house", at.Addr())
	}
	return at, nil
}

// Probe finds out what answers at an address. NotFound: nothing that the hub
// can set up; Unauthorized: it wants its password, or another one.
func Probe(ctx context.Context, at netip.AddrPort, password string) (Probed, error) {
	c := &caller{at: at, password: password}
	for _, look := range []func(context.Context, *caller) (Probed, bool, error){probeShelly, probeConfig, probeTasmota} {
		p, ok, err := look(ctx, c)
		if err != nil {
			return Probed{}, err
		}
		if ok {
			p.Addr = at
			p.Name = clean(p.Name, string(p.Family))
			if p.Topic == "" {
				p.Topic = p.Name
			}
			return p, nil
		}
	}
	if !c.answered {
		return Probed{}, hub.Errorf(hub.NotFound, "nothing answers at %s: is it on, and in the same network?", at.Addr())
	}
	return Probed{}, hub.Errorf(hub.NotFound, "what answers at %s is no device that the hub can set up", at.Addr())
}

// clean is a name that may be a topic.
func clean(name, otherwise string) string {
	name = strings.Trim(notInTopic.ReplaceAllString(name, "-"), "-")
	if name == "" {
		return otherwise
	}
	return name[:min(len(name), 48)]
}

// probeShelly asks what every Shelly answers without a password. The first
// generation names itself in its settings alone.
func probeShelly(ctx context.Context, c *caller) (p Probed, ok bool, err error) {
	var s struct {
		Type  string // first generation
		ID    string // later ones
		Gen   int
		App   string
		Model string
	}
	if c.get(ctx, "/shelly", &s) != nil {
		return p, false, nil
	}
	switch {
	case s.Gen >= 2 && s.ID != "":
		return Probed{Family: hub.FamilyShelly2, Role: hub.RolePlug, Name: s.ID, Model: s.App}, true, nil
	case s.Type == "":
		return p, false, nil
	}
	var settings struct {
		Device struct{ Hostname string }
		MQTT   struct{ ID string }
	}
	if err := c.get(ctx, "/settings", &settings); err != nil {
		return p, false, err
	}
	id := clean(settings.MQTT.ID, clean(settings.Device.Hostname, "shelly"))
	return Probed{Family: hub.FamilyShelly1, Role: hub.RolePlug, Name: id, Model: s.Type, Topic: "shellies/" + id}, true, nil
}

// probeConfig asks what OpenEVSE and EmonESP answer; one grew out of the other.
func probeConfig(ctx context.Context, c *caller) (p Probed, ok bool, err error) {
	var s struct {
		NodeType string `json:"node_type"`
		NodeName string `json:"node_name"`
		Hostname string `json:"hostname"`
		Firmware string `json:"firmware"`
		BuildEnv string `json:"buildenv"`
		Topic    string `json:"mqtt_topic"`
	}
	err = c.get(ctx, "/config", &s)
	if isUnauthorized(err) {
		return p, false, err
	}
	switch {
	case err != nil:
		return p, false, nil
	case s.NodeType != "":
		return Probed{Family: hub.FamilyEmonESP, Role: RoleOf(s.NodeType), Name: s.NodeName, Model: clean(s.NodeType, "")}, true, nil
	case s.Hostname != "" && (s.Firmware != "" || s.BuildEnv != ""):
		return Probed{Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Name: s.Hostname, Model: clean(s.BuildEnv, "")}, true, nil
	}
	return p, false, nil
}

// RoleOf is what an EmonESP device of a kind is for the house, as far as its
// kind says.
func RoleOf(kind string) hub.Role {
	if kind == "espwifi" || kind == "emonesp" || kind == "emontx" {
		return hub.RoleMeter
	}
	return hub.RolePlug
}

// probeTasmota asks for everything: the short answers do not name the host.
func probeTasmota(ctx context.Context, c *caller) (p Probed, ok bool, err error) {
	var s struct {
		Warning string `json:"WARNING"`
		Status  struct {
			DeviceName string
			Topic      string
		}
		StatusNET struct{ Hostname string }
	}
	err = c.get(ctx, c.tasmota("Status 0"), &s)
	switch {
	case isUnauthorized(err), s.Warning != "":
		return p, false, errPassword(c.at)
	case err != nil, s.Status.Topic == "":
		return p, false, nil
	}
	return Probed{Family: hub.FamilyTasmota, Role: hub.RolePlug, Name: clean(s.StatusNET.Hostname, s.Status.Topic), Model: clean(s.Status.DeviceName, "")}, true, nil
}

func errPassword(at netip.AddrPort) error {
	return &hub.Error{Code: hub.Invalid, Field: "password", Message: "of the device at " + at.Addr().String() + " is missing or wrong: it is the one of its own page"}
}

// tasmota is the path of a command. Tasmota takes its password in the query
// and nowhere else.
func (c *caller) tasmota(command string) string {
	q := url.Values{"cmnd": {command}}
	if c.password != "" {
		q.Set("user", adminUser)
		q.Set("password", c.password)
	}
	return "/cm?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// server is how a device reaches the broker, as host:port.
func (s settings) server() string { return netip.AddrPortFrom(s.hub, uint16(s.port)).String() }

func (s settings) portText() string { return strconv.Itoa(s.port) }

// raw is a JSON body.
func raw(v any) []byte {
	b, _ := json.Marshal(v) // of strings, numbers and bools: never fails
	return b
}
