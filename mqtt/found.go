package mqtt

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// Bounds of what announcements may cost the hub's memory.
const (
	maxFound     = 128      // devices
	maxFoundEach = 8        // devices that the log-in of one device announces
	maxParts     = 256      // parts of devices that Home Assistant's discovery announces
	maxKey       = 256      // bytes of a key
	maxAnnounce  = 16 << 10 // bytes of one announcement; the list of a Zigbee2MQTT is longer
)

// announces says whether a topic may carry an announcement.
func announces(topic string) bool {
	switch {
	case strings.HasPrefix(topic, announcePrefix), strings.HasPrefix(topic, tasmotaDiscovery),
		strings.HasPrefix(topic, "shellies/"), strings.HasPrefix(topic, haPrefix):
		return true
	}
	return strings.HasSuffix(topic, "/describe") || strings.HasSuffix(topic, "/events/rpc") || strings.HasSuffix(topic, zigbeeDevices)
}

// finder lists the devices that announce themselves.
type finder struct {
	changed func() // the list may have changed
	birth   func() // Home Assistant says that it is there

	mu    sync.Mutex
	found map[string]hub.Found // by Key
	parts map[string]haPart    // by the topic of the announcement
}

func newFinder() *finder {
	return &finder{changed: func() {}, birth: func() {}, found: map[string]hub.Found{}, parts: map[string]haPart{}}
}

// heard takes in a message on one of the topics of announcements.
func (f *finder) heard(e event, now time.Time) {
	if e.topic == haBirth {
		if string(e.payload) == "online" {
			f.birth()
		}
		return
	}
	if len(e.payload) > maxAnnounce && !strings.HasSuffix(e.topic, zigbeeDevices) {
		return
	}
	f.mu.Lock()
	var changed bool
	if strings.HasPrefix(e.topic, haPrefix) {
		changed = f.announcedPart(e, now)
	} else {
		changed = f.announced(e, now)
	}
	f.mu.Unlock()
	if changed {
		f.changed()
	}
}

// announced brings the list up to an announcement; f.mu is held.
func (f *finder) announced(e event, now time.Time) bool {
	var all []hub.Found
	prefix := "" // of the keys that this announcement is the whole truth about
	switch {
	case strings.HasPrefix(e.topic, announcePrefix):
		prefix = "openevse " + strings.TrimPrefix(e.topic, announcePrefix) + " "
		all = foundEVSE(e.payload)
	case strings.HasPrefix(e.topic, tasmotaDiscovery):
		return f.announcedTasmota(e, now)
	case strings.HasPrefix(e.topic, "shellies/"):
		return f.announcedShelly(e, now)
	case strings.HasSuffix(e.topic, "/describe"):
		all = foundEmon(strings.TrimSuffix(e.topic, "/describe"), string(e.payload))
	case strings.HasSuffix(e.topic, "/events/rpc"):
		all = foundShelly2(strings.TrimSuffix(e.topic, "/events/rpc"), e.payload)
	default:
		root := strings.TrimSuffix(e.topic, zigbeeDevices)
		prefix = "zigbee2mqtt " + root + "/ "
		all = foundZigbee(root, e.payload)
	}
	changed := false
	if prefix != "" {
		for key := range f.found {
			if rest, ok := strings.CutPrefix(key, prefix); ok && !slices.ContainsFunc(all, func(n hub.Found) bool { return n.Key == rest }) {
				delete(f.found, key)
				changed = true
			}
		}
	}
	for _, n := range all {
		n.Key = prefix + n.Key
		changed = f.put(n, e, now) || changed
	}
	return changed
}

// put lists a device if whoever announces it speaks for it; f.mu is held.
func (f *finder) put(n hub.Found, e event, now time.Time) bool {
	old, known := f.found[n.Key]
	switch {
	case len(n.Key) > maxKey:
		return false
	case known && old.Client != e.peer.cred.ID && e.peer.cred.Device != "":
		return false // one device does not take another's place
	case !known && len(f.found) >= maxFound, !known && !f.roomFor(e.peer.cred):
		return false
	case !speaksFor(e.peer.cred, n.Device("found", "found")):
		return false
	}
	n.Client, n.Since = e.peer.cred.ID, now
	n.Name, n.Model = cmp.Or(shown(n.Name), string(n.Family)), shown(n.Model)
	if known {
		n.Since = old.Since
		n.Can = merged(old.Can, n.Can)
		n.Model, n.Addr = cmp.Or(n.Model, old.Model), cmp.Or(n.Addr, old.Addr)
	}
	f.found[n.Key] = n
	return !known || !same(old, n)
}

// roomFor says whether a log-in may announce one more; f.mu is held.
func (f *finder) roomFor(cred hub.Credential) bool {
	n := 0
	for _, other := range f.found {
		if other.Client == cred.ID {
			n++
		}
	}
	return cred.Device == "" || n < maxFoundEach
}

func same(a, b hub.Found) bool {
	return a.Name == b.Name && a.Model == b.Model && a.Topic == b.Topic && a.Addr == b.Addr && slices.Equal(a.Can, b.Can)
}

// merged is what a device can do by several announcements, in a fixed order.
func merged(a, b []hub.Ability) []hub.Ability {
	set := map[hub.Ability]bool{}
	for _, can := range append(slices.Clone(a), b...) {
		set[can] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// shown is a text that a device chose as pages can show it, "" if it is none.
func shown(text string) string {
	if runes := []rune(text); len(runes) > hub.MaxNameRunes {
		text = string(runes[:hub.MaxNameRunes])
	}
	text, err := hub.CleanName("name", text)
	if err != nil {
		return ""
	}
	return text
}

// speaksFor says whether a log-in may say what the device would say, and hear
// what it would be told: else it announces what belongs to another.
func speaksFor(cred hub.Credential, d hub.Device) bool {
	if d, err := d.Validate(); err != nil || CheckDevice(d) != nil {
		return false
	}
	driver := newDriver(d)
	for _, base := range driver.bases() {
		topic := base + "/state"
		if d.Family == hub.FamilyMQTT {
			topic = base
		}
		if !mayWrite(cred.Grants, topic) {
			return false
		}
	}
	for _, m := range driver.tell(hub.Command{On: true}, time.Time{}) {
		if !mayRead(cred.Grants, m.topic) {
			return false
		}
	}
	return true
}

// list is all devices that were found, by name.
func (f *finder) list() []hub.Found {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Collect(maps.Values(f.found))
	all = append(all, assemble(f.parts)...)
	slices.SortFunc(all, func(a, b hub.Found) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key)) })
	return all
}

// forget drops what a client announced that is gone for good.
func (f *finder) forget(client string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.found, func(_ string, n hub.Found) bool { return n.Client == client })
	maps.DeleteFunc(f.parts, func(_ string, p haPart) bool { return p.cred.ID == client })
}

// foundEVSE understands a charger's announcement. Its Will is none.
func foundEVSE(payload []byte) []hub.Found {
	var a struct{ State, Name, MQTT, HTTP string }
	if json.Unmarshal(payload, &a) != nil || a.MQTT == "" || a.State != "connected" {
		return nil
	}
	n := hub.Found{
		Key: a.MQTT, Name: a.Name, Model: "OpenEVSE", Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Topic: a.MQTT,
		Can: []hub.Ability{hub.CanAmps, hub.CanEnd, hub.CanEnergy, hub.CanPower, hub.CanSwitch},
	}
	if u, err := url.Parse(a.HTTP); err == nil {
		n.Addr = address(u.Hostname())
	}
	return []hub.Found{n}
}

// foundEmon understands what an EmonESP says of itself once per connection.
func foundEmon(base, kind string) []hub.Found {
	n := hub.Found{
		Key: "emonesp " + base, Name: base[strings.LastIndexByte(base, '/')+1:], Model: kind,
		Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: base, Can: []hub.Ability{hub.CanSwitch},
	}
	switch kind {
	case "smartplug", "wifirelay":
	case "hpmon":
		n.Family = hub.FamilyHPMon
	case "espwifi":
		n.Role, n.Can = hub.RoleMeter, []hub.Ability{hub.CanEnergy, hub.CanPower}
	default:
		return nil
	}
	return []hub.Found{n}
}

// address is an IP address as a device wrote it, "" if it is none.
func address(text string) string {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	return a.String()
}

// announcedTasmota understands the two messages of a Tasmota's discovery; f.mu
// is held.
func (f *finder) announcedTasmota(e event, now time.Time) bool {
	mac, kind, _ := strings.Cut(strings.TrimPrefix(e.topic, tasmotaDiscovery), "/")
	prefix := "tasmota " + mac + " "
	switch {
	case kind == "sensors":
		return f.measures(prefix, e)
	case kind != "config":
		return false
	}
	all := foundTasmota(e.payload)
	changed := false
	for key := range f.found {
		if rest, ok := strings.CutPrefix(key, prefix); ok && !slices.ContainsFunc(all, func(n hub.Found) bool { return n.Key == rest }) {
			delete(f.found, key)
			changed = true
		}
	}
	for _, n := range all {
		n.Key = prefix + n.Key
		changed = f.put(n, e, now) || changed
	}
	return changed
}

// measures notes that a Tasmota measures energy; f.mu is held.
func (f *finder) measures(prefix string, e event) bool {
	var s struct {
		Sensors map[string]json.RawMessage `json:"sn"`
	}
	if json.Unmarshal(e.payload, &s) != nil || s.Sensors["ENERGY"] == nil {
		return false
	}
	changed := false
	for key, n := range f.found {
		if strings.HasPrefix(key, prefix) && n.Client == e.peer.cred.ID && !slices.Contains(n.Can, hub.CanPower) {
			n.Can = merged(n.Can, []hub.Ability{hub.CanPower, hub.CanEnergy})
			f.found[key], changed = n, true
		}
	}
	return changed
}

// foundTasmota is one device per relay. Topics are built from the full topic
// and the prefixes that the device says it has.
func foundTasmota(payload []byte) (all []hub.Found) {
	var a struct {
		IP       string   `json:"ip"`
		Name     string   `json:"dn"`
		Names    []string `json:"fn"`
		Model    string   `json:"md"`
		Topic    string   `json:"t"`
		Full     string   `json:"ft"`
		Prefixes []string `json:"tp"`
		Relays   []int    `json:"rl"`
	}
	if json.Unmarshal(payload, &a) != nil || len(a.Prefixes) != 3 || a.Topic == "" {
		return nil
	}
	topic := strings.TrimSuffix(strings.ReplaceAll(a.Full, "%topic%", a.Topic), "/")
	if prefixes := strings.Join(a.Prefixes, ","); prefixes != "cmnd,stat,tele" {
		topic = strings.ReplaceAll(topic, "%prefix%", "%"+prefixes+"%")
	}
	if topic == "%prefix%/"+a.Topic {
		topic = a.Topic
	}
	var relays []int
	for i, kind := range a.Relays {
		if kind == 1 {
			relays = append(relays, i+1)
		}
	}
	for _, relay := range relays {
		n := hub.Found{
			Key: strconv.Itoa(relay), Name: a.Name, Model: a.Model, Family: hub.FamilyTasmota, Role: hub.RolePlug, Topic: topic,
			Addr: address(a.IP), Can: []hub.Ability{hub.CanEnd, hub.CanSwitch},
		}
		if len(relays) > 1 {
			n.Topic += "/POWER" + strconv.Itoa(relay)
			if relay <= len(a.Names) && a.Names[relay-1] != "" {
				n.Name = a.Names[relay-1]
			}
		}
		all = append(all, n)
	}
	return all
}

// announcedShelly understands what a Shelly of the first generation says: a
// relay that speaks is a device, its announcement adds model and address; f.mu
// is held.
func (f *finder) announcedShelly(e event, now time.Time) bool {
	if e.topic == shellyAnnounce {
		var a struct{ ID, Model, IP string }
		if json.Unmarshal(e.payload, &a) != nil || a.ID == "" {
			return false
		}
		changed := f.put(shellyRelay(a.ID, "0"), e, now)
		for key, n := range f.found {
			if strings.HasPrefix(key, "shelly1 "+a.ID+" ") && n.Client == e.peer.cred.ID {
				n.Model, n.Addr = shown(a.Model), address(a.IP)
				f.found[key] = n
			}
		}
		return changed
	}
	parts := strings.Split(e.topic, "/")
	if len(parts) < 4 || parts[2] != "relay" || len(parts) > 5 {
		return false
	}
	n := shellyRelay(parts[1], parts[3])
	if len(parts) == 5 {
		if _, known := f.found[n.Key]; !known || parts[4] != "power" {
			return false
		}
		n.Can = append(n.Can, hub.CanPower, hub.CanEnergy)
	}
	return f.put(n, e, now)
}

func shellyRelay(id, relay string) hub.Found {
	n := hub.Found{
		Key: "shelly1 " + id + " " + relay, Name: id, Family: hub.FamilyShelly1, Role: hub.RolePlug, Topic: "shellies/" + id,
		Can: []hub.Ability{hub.CanEnd, hub.CanSwitch},
	}
	if relay != "0" {
		n.Topic += "/relay/" + relay
	}
	return n
}

// foundShelly2 is one device per switch of a notification.
func foundShelly2(prefix string, payload []byte) (all []hub.Found) {
	var a struct {
		Source string                     `json:"src"`
		Params map[string]json.RawMessage `json:"params"`
	}
	if json.Unmarshal(payload, &a) != nil || a.Source == "" {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(a.Params)) {
		id, ok := strings.CutPrefix(key, "switch:")
		var w shellySwitch
		if n, err := strconv.Atoi(id); !ok || err != nil || n < 0 || n > 15 || json.Unmarshal(a.Params[key], &w) != nil {
			continue
		}
		n := hub.Found{
			Key: "shelly2 " + prefix + " " + id, Name: a.Source, Family: hub.FamilyShelly2, Role: hub.RolePlug, Topic: prefix,
			Can: []hub.Ability{hub.CanEnd, hub.CanSwitch},
		}
		n.Model, _, _ = strings.Cut(a.Source, "-")
		if id != "0" {
			n.Topic += "/" + key
		}
		if w.Power != nil {
			n.Can = append(n.Can, hub.CanPower, hub.CanEnergy)
		}
		all = append(all, n)
	}
	return all
}
