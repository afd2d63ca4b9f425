package mqtt

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// generic drives a device by its hub.TopicMap: zwave-js-ui, OpenMQTTGateway, a
// battery's inverter, whatever says what it does on topics.
type generic struct {
	device hub.Device
	reader
}

func newGeneric(d hub.Device) (*generic, error) {
	r, err := newReader(d.Map, func(topic string) bool {
		return publishable(topic) && !strings.HasPrefix(topic, mirrorPrefix)
	})
	if err != nil {
		return nil, err
	}
	for _, o := range d.Map.Orders() {
		if !publishable(o.Topic) || strings.HasPrefix(o.Topic, mirrorPrefix) || strings.HasPrefix(o.Topic, haPrefix) {
			return nil, hub.FieldErrorf("map."+d.Map.OrderName(o), "%q is no topic of a device", clip(o.Topic))
		}
	}
	return &generic{device: d, reader: r}, nil
}

func (g *generic) bases() []string {
	if len(g.places) == 0 {
		return []string{g.device.Topic}
	}
	return slices.Sorted(maps.Keys(g.places))
}

// grants are what is below the device's own topic, and the topics of its map.
func (g *generic) grants() []hub.Grant {
	grants := []hub.Grant{{Filter: g.device.Topic + "/#", Read: true, Write: true}}
	for _, o := range g.device.Map.Orders() {
		grants = append(grants, hub.Grant{Filter: o.Topic, Read: true})
	}
	for _, topic := range g.bases() {
		grants = append(grants, hub.Grant{Filter: topic, Write: true})
	}
	return grants
}

func (g *generic) hear(topic string, payload []byte, _ time.Time) (hub.Report, bool) {
	return g.read(topic, payload)
}

func (g *generic) tell(c hub.Command, now time.Time) (messages []message) {
	for _, o := range orders(g.device, c) {
		messages = append(messages, message{topic: o.Topic, payload: []byte(fill(o.Payload, g.device, c, now))})
	}
	return messages
}

func (g *generic) ask() []message {
	if o := g.device.Map.Ask; o.Topic != "" {
		return []message{{topic: o.Topic, payload: []byte(o.Payload)}}
	}
	return nil
}

// orders are the orders of a map for a command, in the order they are given: a
// current before there is one, a set-point of zero before the end.
func orders(d hub.Device, c hub.Command) (all []hub.Order) {
	m := d.Map
	var list []hub.Order
	switch {
	case c.On:
		list = append(list, m.Amps)
		if c.Phases > 0 {
			list = append(list, m.Phases)
		}
		list = append(list, m.On, m.Setpoint)
	default:
		list = append(list, m.Setpoint, m.Off)
	}
	for _, o := range list {
		if o.Topic != "" {
			all = append(all, o)
		}
	}
	return all
}

// fill puts what a command says into the text of an order.
func fill(text string, d hub.Device, c hub.Command, now time.Time) string {
	if !strings.Contains(text, "{") {
		return text
	}
	amps, rest := c.Amps, 0
	if amps == 0 {
		amps = d.MaxAmps
	}
	if c.On {
		rest = seconds(c, now)
	} else {
		c.Setpoint = 0
	}
	return strings.NewReplacer(
		"{amps}", strconv.Itoa(amps), "{phases}", strconv.Itoa(c.Phases),
		"{watts}", strconv.Itoa(int(c.Setpoint)), "{seconds}", strconv.Itoa(rest),
	).Replace(text)
}

// reader understands messages by the places of a map.
type reader struct {
	places map[string][]place // by topic
	signs  map[string]hub.Sign
}

// place is where one value is.
type place struct {
	name    string
	pointer *pointer // nil: the payload is the value
	shift   int      // of its unit
}

// measures are the values of a map that have a unit.
var measures = map[string]quantity{"power": quantityPower, "energy": quantityEnergy, "current": quantityCurrent, "temp": quantityTemp}

// newReader reads the places of a map. allowed says which topics it may name.
func newReader(m *hub.TopicMap, allowed func(topic string) bool) (reader, error) {
	r := reader{places: map[string][]place{}}
	if m == nil {
		return r, hub.FieldErrorf("map", "is needed: say how the device is switched and where it says how it is")
	}
	r.signs = map[string]hub.Sign{"state": m.State, "online": m.Online, "plugged": m.Plugged}
	all := m.Places()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		topic, p, err := parsePlace(name, all[name])
		if err != nil {
			return r, err
		}
		if !allowed(topic) {
			return r, hub.FieldErrorf("map."+name, "%q is no topic of a device", clip(topic))
		}
		r.places[topic] = append(r.places[topic], p)
	}
	return r, nil
}

// parsePlace takes "topic#/pointer unit" apart.
func parsePlace(name, text string) (topic string, p place, err error) {
	p.name = name
	topic = strings.TrimSpace(text)
	if q, ok := measures[name]; ok {
		unit := quantities[q].units[0].name
		if i := strings.LastIndexByte(topic, ' '); i >= 0 {
			topic, unit = strings.TrimSpace(topic[:i]), topic[i+1:]
		}
		if p.shift, ok = q.unit(unit); !ok {
			return "", p, hub.FieldErrorf("map."+name, "%q is no unit here: it is %s", unit, quantities[q].what)
		}
	}
	topic, path, isJSON := strings.Cut(topic, "#")
	if isJSON {
		var ok bool
		if p.pointer, ok = parsePointer(path); !ok {
			return "", p, hub.FieldErrorf("map."+name, "%q is no JSON pointer such as /power", path)
		}
	}
	return topic, p, nil
}

// read is what a payload says of the device.
func (r reader) read(topic string, payload []byte) (hub.Report, bool) {
	var said hub.Report
	var doc any
	var valid, decoded bool
	if len(payload) > maxMeterPayload {
		return said, false
	}
	for _, p := range r.places[topic] {
		text := payload
		if p.pointer != nil {
			if !decoded {
				doc, valid = decodeJSON(payload)
				decoded = true
			}
			v, ok := p.pointer.find(doc)
			if !valid || !ok {
				continue
			}
			if text = plain(v); text == nil {
				continue
			}
		}
		r.put(&said, p, text)
	}
	return said, said.Has != 0
}

// plain is a JSON value as text, nil for one that is none.
func plain(v any) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case json.Number:
		return []byte(v)
	case bool:
		return strconv.AppendBool(nil, v)
	}
	return nil
}

func (r reader) put(said *hub.Report, p place, text []byte) {
	if sign, ok := r.signs[p.name]; ok {
		r.putSign(said, p.name, sign, text)
		return
	}
	if q, ok := measures[p.name]; ok {
		v, ok := q.amount(text, p.shift)
		if !ok {
			return
		}
		switch p.name {
		case "power":
			said.Has, said.Power = said.Has|hub.ReportPower, hub.Watt(v)
		case "energy":
			said.Has, said.Energy = said.Has|hub.ReportEnergy, hub.WattHour(v)
		case "current":
			said.Has, said.Amps = said.Has|hub.ReportAmps, int(max(v, -v)+500)/1000
		case "temp":
			said.Has, said.Temp = said.Has|hub.ReportTemp, hub.MilliCelsius(v)
		}
		return
	}
	v, ok := number(text)
	switch {
	case !ok:
	case p.name == "in_use" && (v == 1 || v == 2 || v == 3):
		said.Has, said.Phases = said.Has|hub.ReportPhases, int(v)
	case p.name == "soc" && v >= 0 && v <= 100:
		said.Has, said.SoC = said.Has|hub.ReportSoC, int(v+0.5)
	}
}

func (r reader) putSign(said *hub.Report, name string, sign hub.Sign, text []byte) {
	yes, ok := signSaid(sign, string(text))
	if !ok {
		return
	}
	switch name {
	case "state":
		said.Has, said.On = said.Has|hub.ReportOn, yes
	case "online":
		said.Has, said.Online = said.Has|hub.ReportOnline, yes
	case "plugged":
		said.Has, said.Plugged = said.Has|hub.ReportPlugged, yes
	}
}

// signSaid is what a text says: by the sign's own words, else by the usual ones.
func signSaid(sign hub.Sign, text string) (yes, ok bool) {
	switch {
	case text == "":
		return false, false
	case sign.Yes != "" && text == sign.Yes:
		return true, true
	case sign.No != "" && text == sign.No:
		return false, true
	case sign.Yes != "" && sign.No == "", sign.Yes == "" && sign.No != "":
		return sign.Yes == "", true // the other word was given, and this is not it
	}
	if r, ok := onSaid([]byte(text)); ok {
		return r.On, true
	}
	r, ok := onlineSaid([]byte(text))
	return r.Online, ok
}
