package webui

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// mapPage is the form for a device that no codec of the hub's knows: it says
// what the device is told, and where it says how it is.
type mapPage struct {
	view
	ID, Family         string // of the device; no ID: a new one
	Samples            []choice
	Filled             bool // there is a form; else a sample is chosen first
	Name, Room, Topic  string
	Power              string
	Roles              []choice
	Common, Rare       []mapField
	RareOpen           bool
	Tried              bool
	Heard              []heardRow
	BadName, BadTopic  string
	TopicText, TopicAs string // label and example of the topic or the address
}

// mapField is one order, sign or place of the map.
type mapField struct {
	Name, Label string
	Order, Sign bool
	Topic, Text string // of an order: topic and payload; else Topic is the place
	Yes, No     string
	// Help, YesText and NoText are the labels of the smaller fields.
	Help, YesText, NoText string
	Bad                   string // what is wrong with it
}

// heardRow is what was heard in one place.
type heardRow struct{ Label, Topic, Payload, Value, At string }

// mapOrders and mapPlaces are the fields of a map, in the order of the page.
// Those after the first few are for few devices.
var (
	mapOrders = []string{"on", "off", "amps", "phases", "setpoint", "ask"}
	mapPlaces = []string{"state", "power", "energy", "online", "plugged", "current", "in_use", "soc", "temp"}
	mapCommon = []string{"on", "off", "state", "power", "energy"}
)

func isSign(name string) bool { return name == "state" || name == "online" || name == "plugged" }

// mapSample is a map that many devices have, to begin with. {base} stands for
// the device's own topic.
type mapSample struct {
	key    string
	family hub.Family
	role   hub.Role
	fields map[string]string
}

// mapSamples are plain texts on topics of their own, JSON on one topic as
// Zigbee bridges have it, Z-Wave JS UI by node with its named topics, what only
// measures, a battery, and relays that are told by HTTP.
var mapSamples = []mapSample{
	{"plain", hub.FamilyMQTT, hub.RolePlug, map[string]string{
		"on.topic": "{base}/set", "on.payload": "ON", "off.topic": "{base}/set", "off.payload": "OFF", "state": "{base}/state", "power": "{base}/power W",
	}},
	{"json", hub.FamilyMQTT, hub.RolePlug, map[string]string{
		"on.topic": "{base}/set", "on.payload": `{"state":"ON"}`, "off.topic": "{base}/set", "off.payload": `{"state":"OFF"}`,
		"ask.topic": "{base}/get", "ask.payload": `{"state":""}`, "state": "{base}#/state", "power": "{base}#/power W", "energy": "{base}#/energy kWh",
	}},
	{"zwave", hub.FamilyMQTT, hub.RolePlug, map[string]string{
		"on.topic": "{base}/switch_binary/endpoint_0/targetValue/set", "on.payload": "true", "off.topic": "{base}/switch_binary/endpoint_0/targetValue/set", "off.payload": "false",
		"state": "{base}/switch_binary/endpoint_0/currentValue#/value", "power": "{base}/meter/endpoint_0/value/66049#/value W", "energy": "{base}/meter/endpoint_0/value/65537#/value kWh",
	}},
	{"meter", hub.FamilyMQTT, hub.RoleMeter, map[string]string{"power": "{base}/power W", "energy": "{base}/energy kWh"}},
	{"battery", hub.FamilyMQTT, hub.RoleBattery, map[string]string{
		"setpoint.topic": "{base}/watts/set", "setpoint.payload": "{watts}", "power": "{base}/power W", "soc": "{base}/soc",
	}},
	{"http", hub.FamilyWebhook, hub.RolePlug, map[string]string{
		"on.topic": "/relay/0?turn=on&timer={seconds}", "off.topic": "/relay/0?turn=off", "state": "/relay/0#/ison", "power": "/meter/0#/power W",
	}},
	{"httpplain", hub.FamilyWebhook, hub.RolePlug, map[string]string{"on.topic": "/on", "off.topic": "/off", "state": "/state"}},
}

// pageMap is the form of a device that is there, a sample that somebody chose,
// or the choice of one.
func (s *Server) pageMap(w http.ResponseWriter, r *http.Request, v viewer) error {
	q := r.URL.Query()
	p := s.mapPage(r, v)
	switch {
	case q.Has("id"):
		d, err := s.find(q.Get("id"))
		if err != nil || d.Map == nil {
			return hub.Errorf(hub.NotFound, "there is no device %q with a map", q.Get("id"))
		}
		p.fill(fieldsOf(d.Device))
	case q.Has("sample"):
		i := slices.IndexFunc(mapSamples, func(m mapSample) bool { return m.key == q.Get("sample") })
		if i < 0 {
			return hub.Errorf(hub.NotFound, "there is no sample %q", q.Get("sample"))
		}
		p.fill(mapSamples[i].fieldsAt(strings.TrimSpace(q.Get("topic"))))
	default:
		for _, m := range mapSamples {
			p.Samples = append(p.Samples, choice{m.key, p.T("sample." + m.key), false})
		}
	}
	return s.show(w, r, http.StatusOK, "map.html", p)
}

func (s *Server) mapPage(r *http.Request, v viewer) mapPage {
	p := mapPage{view: s.view(r, v, "devices", "map")}
	p.Path = "/devices"
	return p
}

// fieldsAt are the fields of a sample for a device whose topic is base.
func (m mapSample) fieldsAt(base string) url.Values {
	if base == "" && m.family == hub.FamilyMQTT {
		base = "house/device"
	} else if base == "" {
		base = "http://192.168.1.50"
	}
	base = strings.TrimSuffix(base, "/")
	f := url.Values{"family": {string(m.family)}, "role": {string(m.role)}, "topic": {base}}
	for name, text := range m.fields {
		f.Set(name, strings.ReplaceAll(text, "{base}", base))
	}
	return f
}

// fieldsOf are the fields of a device that is there.
func fieldsOf(d hub.Device) url.Values {
	f := url.Values{
		"id": {d.ID}, "family": {string(d.Family)}, "role": {string(d.Role)}, "name": {d.Name}, "room": {d.Room}, "topic": {d.Topic}, "power_w": {unlessZero(int(d.Power))},
	}
	m := *d.Map
	for name, o := range m.NamedOrders() {
		f.Set(name+".topic", o.Topic)
		f.Set(name+".payload", o.Payload)
	}
	for name, place := range m.Places() {
		f.Set(name, place)
	}
	for name, sign := range map[string]hub.Sign{"state": m.State, "online": m.Online, "plugged": m.Plugged} {
		f.Set(name+".yes", sign.Yes)
		f.Set(name+".no", sign.No)
	}
	return f
}

// mapOf is the map that a form says.
func mapOf(f url.Values) *hub.TopicMap {
	order := func(name string) hub.Order {
		return hub.Order{Topic: strings.TrimSpace(f.Get(name + ".topic")), Payload: f.Get(name + ".payload")}
	}
	place := func(name string) string { return strings.TrimSpace(f.Get(name)) }
	sign := func(name string) hub.Sign {
		s := hub.Sign{Place: place(name)}
		if s.Place != "" {
			s.Yes, s.No = f.Get(name+".yes"), f.Get(name+".no")
		}
		return s
	}
	return &hub.TopicMap{
		On: order("on"), Off: order("off"), Amps: order("amps"), Phases: order("phases"), Setpoint: order("setpoint"), Ask: order("ask"),
		State: sign("state"), Online: sign("online"), Plugged: sign("plugged"),
		Power: place("power"), Energy: place("energy"), Current: place("current"), InUse: place("in_use"), SoC: place("soc"), Temp: place("temp"),
	}
}

// fill puts fields into the form.
func (p *mapPage) fill(f url.Values) {
	p.Filled, p.ID, p.Family = true, f.Get("id"), f.Get("family")
	p.Name, p.Room, p.Topic, p.Power = f.Get("name"), f.Get("room"), f.Get("topic"), f.Get("power_w")
	for _, role := range roles {
		p.Roles = append(p.Roles, choice{string(role), p.T("device." + string(role)), f.Get("role") == string(role)})
	}
	p.TopicText, p.TopicAs = p.T("map.topic"), "house/device"
	if p.Family == string(hub.FamilyWebhook) {
		p.TopicText, p.TopicAs = p.T("map.address"), "http://192.168.1.50"
	}
	add := func(m mapField) {
		if slices.Contains(mapCommon, m.Name) {
			p.Common = append(p.Common, m)
			return
		}
		p.Rare = append(p.Rare, m)
		p.RareOpen = p.RareOpen || m.Topic != ""
	}
	for _, name := range mapOrders {
		if name == "ask" && p.Family == string(hub.FamilyWebhook) {
			continue // it is asked all the time
		}
		add(mapField{Name: name, Order: true, Label: p.T("map.tell." + name), Help: p.T("map.payload"), Topic: f.Get(name + ".topic"), Text: f.Get(name + ".payload")})
	}
	for _, name := range mapPlaces {
		add(mapField{Name: name, Label: p.T("map.says." + name), Sign: isSign(name), Topic: f.Get(name), Yes: f.Get(name + ".yes"), No: f.Get(name + ".no"), YesText: p.T("map.yes"), NoText: p.T("map.no")})
	}
}

// blame puts what is wrong at its field.
func (p *mapPage) blame(field string) {
	switch field {
	case "name":
		p.BadName = p.Problem
	case "topic":
		p.BadTopic = p.Problem
	}
	for _, list := range [][]mapField{p.Common, p.Rare} {
		for i := range list {
			if "map."+list[i].Name == field {
				list[i].Bad = p.Problem
				p.RareOpen = p.RareOpen || !slices.Contains(mapCommon, list[i].Name)
			}
		}
	}
}

// formMap keeps the device, or tries what its topics say.
func (s *Server) formMap(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	f := r.PostForm
	p := s.mapPage(r, v)
	p.fill(f)
	if f.Get("do") == "try" {
		return s.tryMap(w, r, &p)
	}
	d, err := s.putMapped(f, v)
	if err != nil {
		status := s.trouble(r, &p.view, err)
		_, text := s.explain(r, err)
		p.blame(text.Field)
		return s.show(w, r, status, "map.html", p)
	}
	if f.Get("id") == "" && s.cfg.LogIn != nil && onBroker(d.Family) {
		return s.showLogin(w, r, v, d.ID) // it needs one, and the owner has to type it in there
	}
	done := "added"
	if f.Get("id") != "" {
		done = "saved"
	}
	return goTo(w, r, "/devices", done)
}

// putMapped keeps what a form says of a device with a map.
func (s *Server) putMapped(f url.Values, v viewer) (hub.DeviceState, error) {
	m := mapOf(f)
	if id := f.Get("id"); id != "" {
		return s.change(id, v, "device.changed", func(d *hub.Device) error {
			d.Role, d.Map = hub.Role(f.Get("role")), m
			return readDevice(f, d)
		})
	}
	var d hub.Device
	if err := readDevice(f, &d); err != nil {
		return hub.DeviceState{}, err
	}
	return s.addDevice(newDevice{
		Name: d.Name, Room: d.Room, Topic: d.Topic, Power: d.Power, Family: hub.Family(f.Get("family")), Role: hub.Role(f.Get("role")), Map: m,
	}, v)
}

// listenFor is how long a try waits for topics that have not said anything.
const listenFor = 3 * time.Second

// tryMap shows what was heard last in the places of the form. Nothing is kept.
func (s *Server) tryMap(w http.ResponseWriter, r *http.Request, p *mapPage) error {
	f := r.PostForm
	d := hub.Device{ID: "try", Name: "try", Family: hub.Family(f.Get("family")), Role: hub.RoleMeter, Topic: strings.TrimSpace(f.Get("topic")), Map: mapOf(f)}
	var heard []hub.Heard
	err := error(hub.Errorf(hub.Unavailable, "nobody listens here"))
	if s.cfg.Listen != nil {
		ctx, stop := context.WithTimeout(r.Context(), listenFor)
		defer stop()
		heard, err = s.cfg.Listen(ctx, d)
	}
	if err != nil {
		status := s.trouble(r, &p.view, err)
		_, text := s.explain(r, err)
		p.blame(text.Field)
		return s.show(w, r, status, "map.html", p)
	}
	p.Tried = true
	for _, h := range heard {
		row := heardRow{Label: p.T("map.says." + h.Name), Topic: h.Topic, Payload: h.Payload, Value: p.said(h), At: h.Problem}
		if !h.At.IsZero() {
			row.At = p.ago(s.wall.Now().Sub(h.At))
		}
		p.Heard = append(p.Heard, row)
	}
	return s.show(w, r, http.StatusOK, "map.html", p)
}

// said is what the hub understood.
func (l locale) said(h hub.Heard) string {
	yesNo := func(yes bool, a, b string) string {
		if yes {
			return l.T(a)
		}
		return l.T(b)
	}
	r := h.Said
	switch {
	case h.At.IsZero():
		return l.T("map.silent")
	case r.Has&hub.ReportOn != 0:
		return yesNo(r.On, "on", "off")
	case r.Has&hub.ReportOnline != 0:
		return yesNo(r.Online, "state.there", "offline")
	case r.Has&hub.ReportPlugged != 0:
		return yesNo(r.Plugged, "plugged", "unplugged")
	case r.Has&hub.ReportPower != 0:
		return l.number(float64(r.Power), 0) + " W"
	case r.Has&hub.ReportEnergy != 0:
		return l.kwh(float64(r.Energy)/1000) + " kWh"
	case r.Has&hub.ReportAmps != 0:
		return strconv.Itoa(r.Amps) + " A"
	case r.Has&hub.ReportPhases != 0:
		return strconv.Itoa(r.Phases)
	case r.Has&hub.ReportTemp != 0:
		return l.number(float64(r.Temp)/1000, 1) + " °C"
	case r.Has&hub.ReportSoC != 0:
		return l.T("percent", r.SoC)
	}
	return l.T("map.notunderstood")
}
