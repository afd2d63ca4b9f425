package mqtt

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

const (
	haPrefix = "homeassistant/"
	// haBirth is where Home Assistant says that it is there.
	haBirth = haPrefix + "status"
)

// haPart is one switch, number or sensor that somebody announced the way Home
// Assistant wants it (its documentation "MQTT discovery").
type haPart struct {
	cred      hub.Credential // of who announced it
	since     time.Time
	component string // switch, number, sensor
	name      string
	device    string // what is the same for all parts of a device
	title     string // of the device
	model     string

	command, template string // topic and payload of a number's command
	on, off           string // payloads of a switch
	state             string // place of the state or the value
	yes, no           string // texts of the state
	online            hub.Sign
	unit, class       string
	min, max          float64
}

// haShort are the abbreviations of the keys that matter here.
var haShort = map[string]string{
	"uniq_id": "unique_id", "dev": "device", "ids": "identifiers", "mdl": "model", "mf": "manufacturer",
	"cmd_t": "command_topic", "cmd_tpl": "command_template", "stat_t": "state_topic", "val_tpl": "value_template",
	"pl_on": "payload_on", "pl_off": "payload_off", "stat_on": "state_on", "stat_off": "state_off",
	"unit_of_meas": "unit_of_measurement", "dev_cla": "device_class",
	"avty": "availability", "avty_t": "availability_topic", "avty_tpl": "availability_template", "t": "topic",
	"pl_avail": "payload_available", "pl_not_avail": "payload_not_available", "p": "platform", "cmps": "components",
}

// haDoc is an announcement with the long names of its keys.
type haDoc map[string]any

// unfold gives all keys of a document their long names.
func unfold(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[cmp.Or(haShort[key], key)] = unfold(value)
		}
		return out
	case []any:
		for i := range v {
			v[i] = unfold(v[i])
		}
	}
	return v
}

func (d haDoc) text(key string) string {
	switch v := d[key].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func (d haDoc) number(key string, byDefault float64) float64 {
	if v, ok := d[key].(float64); ok {
		return v
	}
	return byDefault
}

// topic is a topic in which ~ stands for the base.
func (d haDoc) topic(key string) string {
	base, topic := d.text("~"), d.text(key)
	if base != "" && strings.HasPrefix(topic, "~") {
		return base + topic[1:]
	}
	if base != "" && strings.HasSuffix(topic, "~") {
		return topic[:len(topic)-1] + base
	}
	return topic
}

// announcedPart brings the parts up to an announcement; the finder's lock is
// held. An empty one takes a part away, or all parts of a device.
func (f *finder) announcedPart(e event, now time.Time) bool {
	levels := strings.Split(strings.TrimPrefix(e.topic, haPrefix), "/")
	if len(levels) < 2 || len(levels) > 4 || levels[len(levels)-1] != "config" {
		return false
	}
	parts := map[string]haPart{}
	var raw map[string]any
	if json.Unmarshal(e.payload, &raw) == nil {
		doc := haDoc(unfold(raw).(map[string]any))
		if levels[0] == "device" {
			parts = doc.parts(e.topic)
		} else if p, ok := doc.part(levels[0]); ok {
			parts[e.topic] = p
		}
	}
	changed := false
	for key, old := range f.parts {
		mine := key == e.topic || strings.HasPrefix(key, e.topic+" ")
		if _, stays := parts[key]; mine && !stays && (old.cred.ID == e.peer.cred.ID || e.peer.cred.Device == "") {
			delete(f.parts, key)
			changed = true
		}
	}
	for key, p := range parts {
		old, known := f.parts[key]
		if !known && (len(f.parts) >= maxParts || !f.partFor(e.peer.cred)) || known && old.cred.ID != e.peer.cred.ID && e.peer.cred.Device != "" {
			continue
		}
		p.cred, p.since = e.peer.cred, now
		if known {
			p.since = old.since
		}
		f.parts[key] = p
		changed = true
	}
	return changed
}

// partFor says whether a log-in may announce one more part.
func (f *finder) partFor(cred hub.Credential) bool {
	n := 0
	for _, p := range f.parts {
		if p.cred.ID == cred.ID {
			n++
		}
	}
	return cred.Device == "" || n < 4*maxFoundEach
}

// parts are the components of an announcement for a whole device.
func (d haDoc) parts(topic string) map[string]haPart {
	all := map[string]haPart{}
	components, _ := d["components"].(map[string]any)
	for id, c := range components {
		doc, ok := c.(map[string]any)
		if !ok {
			continue
		}
		whole := maps.Clone(d)
		delete(whole, "components")
		maps.Copy(whole, doc)
		if p, ok := whole.part(whole.text("platform")); ok {
			all[topic+" "+id] = p
		}
	}
	return all
}

// part is one component, false if it is none that the hub can use.
func (d haDoc) part(component string) (haPart, bool) {
	p := haPart{
		component: component, name: shown(d.text("name")), command: d.topic("command_topic"),
		unit: d.text("unit_of_measurement"), class: d.text("device_class"),
		min: d.number("min", 0), max: d.number("max", 0),
	}
	device, _ := d["device"].(map[string]any)
	p.title, p.model = shown(haDoc(device).text("name")), shown(haDoc(device).text("model"))
	if p.device = firstText(device["identifiers"]); p.device == "" {
		p.device = d.text("unique_id")
	}
	if p.device == "" || len(p.device) > 128 {
		return p, false
	}
	state, ok := placeOf(d.topic("state_topic"), d.text("value_template"))
	if !ok {
		return p, false
	}
	p.state, p.online = state, d.online()
	switch component {
	case "switch":
		p.on, p.off = cmp.Or(d.text("payload_on"), "ON"), cmp.Or(d.text("payload_off"), "OFF")
		p.yes, p.no = cmp.Or(d.text("state_on"), p.on), cmp.Or(d.text("state_off"), p.off)
		return p, p.command != ""
	case "number":
		p.template = cmp.Or(d.text("command_template"), "{{ value }}")
		return p, p.command != "" && (p.unit == "A" || p.unit == "W")
	case "sensor":
		return p, state != "" && (p.unit == "W" || p.unit == "kW" || p.unit == "kWh" || p.unit == "Wh" || p.class == "battery" || p.thermometer())
	}
	return p, false
}

func firstText(v any) string {
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	text, _ := v.(string)
	return text
}

// online is the first availability of a component.
func (d haDoc) online() hub.Sign {
	topic, template := d.topic("availability_topic"), d.text("availability_template")
	yes, no := cmp.Or(d.text("payload_available"), "online"), cmp.Or(d.text("payload_not_available"), "offline")
	if list, ok := d["availability"].([]any); ok && len(list) > 0 {
		if one, ok := list[0].(map[string]any); ok {
			a := haDoc(one)
			a["~"] = d["~"]
			topic, template = a.topic("topic"), a.text("value_template")
			yes, no = cmp.Or(a.text("payload_available"), yes), cmp.Or(a.text("payload_not_available"), no)
		}
	}
	place, ok := placeOf(topic, template)
	if !ok || place == "" {
		return hub.Sign{}
	}
	return hub.Sign{Place: place, Yes: yes, No: no}
}

var (
	// haValue is a template that only picks a value, with filters that do not
	// change what it says: everything else would need Jinja.
	haValue = regexp.MustCompile(`^\{\{\s*value(_json((?:\.\w+|\['[^'\]]+'\]|\["[^"\]]+"\]|\[\d+\])*))?\s*(?:\|\s*(?:int|float|round|is_defined)\s*(?:\([^)]*\))?\s*)*\}\}$`)
	haKey   = regexp.MustCompile(`\.(\w+)|\['([^']+)'\]|\["([^"]+)"\]|\[(\d+)\]`)
	haSlot  = regexp.MustCompile(`\{\{\s*value\s*(?:\|\s*(?:int|float|round)\s*(?:\([^)]*\))?\s*)*\}\}`)
)

// placeOf is a topic and a value template as a place of a hub.TopicMap, false
// if the template does more than pick a value. Without a topic it is "".
func placeOf(topic, template string) (string, bool) {
	template = strings.TrimSpace(template)
	if topic == "" || template == "" {
		return topic, true
	}
	m := haValue.FindStringSubmatch(template)
	if m == nil {
		return "", false
	}
	if m[1] == "" {
		return topic, true
	}
	var pointer strings.Builder
	for _, key := range haKey.FindAllStringSubmatch(m[2], -1) {
		pointer.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(cmp.Or(key[1], key[2], key[3], key[4])))
	}
	return topic + "#" + pointer.String(), true
}

// assemble puts the parts of each device together. A device with several
// switches is one found device for each of them.
func assemble(parts map[string]haPart) (all []hub.Found) {
	devices := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		p := parts[key]
		id := p.cred.ID + " " + p.device
		devices[id] = append(devices[id], key)
	}
	for _, id := range slices.Sorted(maps.Keys(devices)) {
		var switches, others []haPart
		var keys []string
		for _, key := range devices[id] {
			if p := parts[key]; p.component == "switch" {
				switches, keys = append(switches, p), append(keys, key)
			} else {
				others = append(others, p)
			}
		}
		switch len(switches) {
		case 0:
			all = appendPart(all, "ha "+id, others)
		case 1:
			all = appendPart(all, "ha "+id, append(switches, others...))
		default:
			for i, p := range switches {
				p.title = shown(p.title + " " + p.name)
				all = appendPart(all, fmt.Sprintf("ha %s %s", id, keys[i]), []haPart{p})
			}
		}
	}
	return all
}

// appendPart adds the device that some parts make, if they make one and whoever
// announced them speaks for it.
func appendPart(all []hub.Found, key string, parts []haPart) []hub.Found {
	first := parts[0]
	n := hub.Found{
		Key: key, Name: cmp.Or(first.title, first.name, "device"), Model: first.model, Family: hub.FamilyMQTT,
		Role: hub.RoleMeter, Client: first.cred.ID, Since: first.since, Map: &hub.TopicMap{},
	}
	for _, p := range parts {
		p.into(&n)
	}
	if n.Topic == "" {
		return all
	}
	n.Can = n.Map.Can()
	if !speaksFor(first.cred, n.Device("found", "found")) {
		return all
	}
	return append(all, n)
}

// into puts a part into the map of its device.
func (p haPart) into(n *hub.Found) {
	m := n.Map
	topic, _, _ := strings.Cut(p.state, "#")
	n.Topic = cmp.Or(n.Topic, topic, p.command)
	if m.Online.Place == "" {
		m.Online = p.online
	}
	switch p.component {
	case "switch":
		n.Role = hub.RolePlug
		m.On, m.Off = hub.Order{Topic: p.command, Payload: p.on}, hub.Order{Topic: p.command, Payload: p.off}
		m.State = hub.Sign{Place: p.state, Yes: p.yes, No: p.no}
	case "number":
		p.numberInto(n)
	case "sensor":
		switch {
		case p.class == "battery":
			m.SoC = cmp.Or(m.SoC, p.state)
		case p.thermometer():
			m.Temp = cmp.Or(m.Temp, p.state)
		case strings.HasSuffix(p.unit, "Wh"):
			m.Energy = cmp.Or(m.Energy, p.state+" "+p.unit)
		default:
			m.Power = cmp.Or(m.Power, p.state+" "+p.unit)
		}
	}
}

func (p haPart) thermometer() bool { return p.class == "temperature" && p.unit == "°C" }

// numberInto makes a number in A a charger's current and one in W a set-point.
// A template that does more than place the value is left out.
func (p haPart) numberInto(n *hub.Found) {
	slot := "{watts}"
	if p.unit == "A" {
		slot = "{amps}"
	}
	payload := haSlot.ReplaceAllString(p.template, slot)
	if strings.Contains(payload, "{{") || strings.Contains(payload, "{%") {
		return
	}
	order := hub.Order{Topic: p.command, Payload: payload}
	switch {
	case p.unit == "W":
		n.Map.Setpoint = order
		if n.Role == hub.RoleMeter {
			n.Role = hub.RoleBattery
		}
	case n.Role == hub.RolePlug && p.max >= 6 && p.max <= 80:
		n.Role, n.Map.Amps = hub.RoleCharger, order
		n.MinAmps, n.MaxAmps = max(6, int(p.min)), int(p.max)
	}
}
