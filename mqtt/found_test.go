package mqtt

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"homehub/hub"
)

const tasmotaHello = `{"ip":"192.168.1.73","dn":"Kettle","fn":["Kettle"],"md":"S31","t":"%s","ft":"%%prefix%%/%%topic%%/","tp":["cmnd","stat","tele"],"rl":[1]}`

// announcement is what a log-in says on a topic, to a finder alone.
func announcement(f *finder, cred hub.Credential, topic, payload string) {
	f.heard(event{peer: &peer{cred: cred}, topic: topic, payload: []byte(payload)}, time.Unix(1e9, 0))
}

func keys(all []hub.Found) (names []string) {
	for _, n := range all {
		names = append(names, n.Key)
	}
	return names
}

// Whoever announces a device must be allowed to say what it says and to hear
// what it is told: else it would have the hub talk to what belongs to another.
func TestFoundKeepsToItsOwnTopics(t *testing.T) {
	owner := hub.Credential{ID: "owner", Grants: []hub.Grant{rw("#")}}
	kettle := hub.Device{ID: "kettle", Family: hub.FamilyTasmota, Topic: "kettle"}
	own := hub.Credential{ID: "kettle", Device: "kettle", Grants: Grants(kettle)}
	for _, tt := range []struct {
		name, topic, payload string
		cred                 hub.Credential
		want                 string
	}{
		{"owner's program", "tasmota/discovery/A1/config", fmt.Sprintf(tasmotaHello, "any"), owner, "tasmota A1 1"},
		{"its own", "tasmota/discovery/A1/config", fmt.Sprintf(tasmotaHello, "kettle"), own, "tasmota A1 1"},
		{"another's", "tasmota/discovery/A1/config", fmt.Sprintf(tasmotaHello, "heater"), own, ""},
		{"another charger", "openevse/announce/1", `{"state":"connected","name":"x","mqtt":"garage"}`, own, ""},
		{"charger", "openevse/announce/1", `{"state":"connected","name":"x","mqtt":"garage","http":"http://192.168.1.9/"}`, owner, "openevse 1 garage"},
		{"the hub itself", "openevse/announce/1", `{"state":"connected","mqtt":"homehub/plug"}`, owner, ""},
		{"wildcards", "openevse/announce/1", `{"state":"connected","mqtt":"+/#"}`, owner, ""},
		{"a foreign switch", "homeassistant/switch/x/config", `{"uniq_id":"1","cmd_t":"cmnd/heater/POWER","stat_t":"stat/kettle/POWER"}`, own, ""},
		{"a foreign state", "homeassistant/switch/x/config", `{"uniq_id":"1","cmd_t":"cmnd/kettle/POWER","stat_t":"stat/heater/POWER"}`, own, ""},
		{"a switch", "homeassistant/switch/x/config", `{"uniq_id":"1","cmd_t":"cmnd/kettle/POWER","stat_t":"stat/kettle/POWER"}`, own, "ha kettle 1"},
	} {
		f := newFinder()
		announcement(f, tt.cred, tt.topic, tt.payload)
		if got := strings.Join(keys(f.list()), ","); got != tt.want {
			t.Errorf("%s: found %q", tt.name, got)
		}
	}
	// A device does not take the place of one that is found already.
	f := newFinder()
	announcement(f, owner, "tasmota/discovery/A1/config", fmt.Sprintf(tasmotaHello, "boiler"))
	announcement(f, own, "tasmota/discovery/A1/config", fmt.Sprintf(tasmotaHello, "kettle"))
	if all := f.list(); len(all) != 1 || all[0].Topic != "boiler" {
		t.Errorf("found %+v", all)
	}
}

// However much is announced, the lists stay short, and one device's log-in can
// not fill them.
func TestFoundIsBounded(t *testing.T) {
	owner := hub.Credential{ID: "owner", Grants: []hub.Grant{rw("#")}}
	one := hub.Credential{ID: "one", Device: "one", Grants: []hub.Grant{rw("one/#"), {Filter: "homeassistant/#", Write: true}}}
	notify := `{"src":"shelly-x","params":{"switch:0":{"output":true}}}`
	f := newFinder()
	for i := range 500 {
		announcement(f, one, fmt.Sprintf("one/%d/events/rpc", i), notify)
		announcement(f, one, fmt.Sprintf("homeassistant/switch/%d/config", i), fmt.Sprintf(`{"uniq_id":"%d","cmd_t":"one/c","stat_t":"one/s"}`, i))
	}
	if len(f.found) != maxFoundEach || len(f.parts) != 4*maxFoundEach {
		t.Errorf("one device made %d devices and %d parts", len(f.found), len(f.parts))
	}
	for i := range 1000 {
		announcement(f, owner, fmt.Sprintf("s%d/events/rpc", i), notify)
		announcement(f, owner, fmt.Sprintf("homeassistant/switch/o%d/config", i), fmt.Sprintf(`{"uniq_id":"o%d","cmd_t":"c","stat_t":"s"}`, i))
	}
	if len(f.found) != maxFound || len(f.parts) != maxParts {
		t.Errorf("%d devices, %d parts", len(f.found), len(f.parts))
	}
	announcement(f, owner, "s0/events/rpc", strings.Repeat(" ", maxAnnounce)+notify)
	f.forget("owner")
	f.forget("one")
	if len(f.found) != 0 || len(f.parts) != 0 {
		t.Error("a forgotten log-in leaves something")
	}
}

// What is announced may change and be taken back.
func TestFoundFollowsTheAnnouncement(t *testing.T) {
	owner := hub.Credential{ID: "owner", Grants: []hub.Grant{rw("#")}}
	changes := 0
	f := newFinder()
	f.changed = func() { changes++ }
	for _, step := range []struct {
		topic, payload string
		changed        bool
		want           string
	}{
		{"tasmota/discovery/A1/config", fmt.Sprintf(tasmotaHello, "kettle"), true, "tasmota A1 1"},
		{"tasmota/discovery/A1/config", fmt.Sprintf(tasmotaHello, "kettle"), false, "tasmota A1 1"},
		{"tasmota/discovery/A1/sensors", `{"sn":{"ENERGY":{"Power":0}}}`, true, "tasmota A1 1"},
		{"tasmota/discovery/A1/config", fmt.Sprintf(tasmotaHello, "kettle"), false, "tasmota A1 1"}, // and still measures
		{"tasmota/discovery/A1/config", "", true, ""},
		{"shellies/announce", `{"id":"pm","model":"SHSW-PM","ip":"192.168.1.4"}`, true, "shelly1 pm 0"},
		{"shellies/pm/relay/1", "off", true, "shelly1 pm 0,shelly1 pm 1"},
		{"shellies/pm/relay/1/power", "5", true, "shelly1 pm 0,shelly1 pm 1"},
		{"shellies/pm/relay/9/power", "5", false, "shelly1 pm 0,shelly1 pm 1"},
		{"z/bridge/devices", `[{"friendly_name":"a","ieee_address":"0x1","supported":true,"definition":{"exposes":[{"type":"numeric","property":"power"}]}}]`, true, "zigbee2mqtt z/ 0x1,shelly1 pm 0,shelly1 pm 1"},
		{"z/bridge/devices", `[]`, true, "shelly1 pm 0,shelly1 pm 1"},
		{"emon/sp1/describe", "smartplug", true, "shelly1 pm 0,shelly1 pm 1,emonesp emon/sp1"},
		{"emon/sp2/describe", "toaster", false, "shelly1 pm 0,shelly1 pm 1,emonesp emon/sp1"},
	} {
		before := changes
		announcement(f, owner, step.topic, step.payload)
		if got := strings.Join(keys(f.list()), ","); got != step.want || changes > before != step.changed {
			t.Errorf("%s %.30s: %q, changed: %v", step.topic, step.payload, got, changes > before)
		}
	}
	if n := f.list()[1]; !slices.Contains(n.Can, hub.CanPower) || n.Topic != "shellies/pm/relay/1" {
		t.Errorf("the second relay is %+v", n)
	}
}

// The list over the wire: told of changes, kept over a restart of the hub, and
// without what was revoked.
func TestFoundOverTheWire(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("bridge", "", rw("cmnd/#"), rw("stat/#"), rw("tele/#"), rw("tasmota/#"))
	file := t.TempDir() + "/retained.bin"
	var changes atomic.Int32
	set := func(c *Config) { c.StateFile, c.FoundChanged = file, func() { changes.Add(1) } }
	h := open(t, v, set)
	c := h.dial(t, "bridge")
	say(t, c, "tasmota/discovery/A1/config", 1, true, fmt.Sprintf(tasmotaHello, "kettle"))
	eventually(t, "it is found", func() bool { return len(h.Found()) == 1 })
	if changes.Load() == 0 {
		t.Error("nobody was told")
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	again := open(t, v, set)
	eventually(t, "it is found again", func() bool { return len(again.Found()) == 1 })
	if _, err := again.Adopt("no such thing", "x", ""); hub.CodeOf(err) != hub.NotFound {
		t.Errorf("adopting what is not there: %v", err)
	}
	if _, err := again.Adopt("tasmota A1 1", "Not An Id", ""); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("adopting under a wrong id: %v", err)
	}
	v.remove("bridge")
	again.Revoke("bridge")
	if all := again.Found(); len(all) != 0 {
		t.Errorf("a revoked log-in still announces %+v", all)
	}
}

// A command counts as heard by the device's own connection alone: the owner's
// log-in that listens to everything is none.
func TestWhoHearsACommand(t *testing.T) {
	t.Parallel()
	v := newVault()
	d := plugDevice("plug")
	v.add("plug", "plug", Grants(d)...)
	v.add("owner", "", rw("#"))
	h := open(t, v)
	h.SetDevices([]hub.Device{d, plugDevice("other")})
	owner := h.dial(t, "owner")
	listen(t, owner, "#", 0)
	say(t, owner, "emon/plug/in/ctrlmode", 1, false, "Off") // a program that talks to the plug is not the plug
	say(t, owner, "emon/other/power", 1, false, "1")
	h.next(t, "power of the other, so the former is understood", has(hub.ReportPower))
	try := func() error { return h.Actuate(t.Context(), d, hub.Command{}) }
	if err := try(); hub.CodeOf(err) != hub.Unavailable {
		t.Errorf("nobody but the owner listens: %v", err)
	}
	c := h.dial(t, "plug")
	h.next(t, "online", has(hub.ReportOnline))
	if err := try(); hub.CodeOf(err) != hub.Unavailable {
		t.Errorf("the plug has not subscribed yet: %v", err)
	}
	listen(t, c, "emon/plug/in/#", 0)
	if err := try(); err != nil {
		t.Errorf("the plug listens: %v", err)
	}
	say(t, owner, "emon/plug/power", 1, false, "7") // nor does speaking for it make it so
	h.next(t, "power", has(hub.ReportPower))
	c.Disconnect(10)
	eventually(t, "the plug is gone", func() bool { return hub.CodeOf(try()) == hub.Unavailable })
}

// A bridge that comes, or that was there before the hub, is asked for the
// devices that nobody speaks for yet; another device's log-in is not.
func TestBridgeIsAsked(t *testing.T) {
	t.Parallel()
	v := newVault()
	d := hub.Device{ID: "fan", Name: "Fan", Family: hub.FamilyZigbee2MQTT, Role: hub.RolePlug, Topic: "z/fan"}
	v.add("bridge", "", rw("z/#"))
	v.add("plug", "plug", rw("emon/plug/#"))
	h := open(t, v)
	h.SetDevices([]hub.Device{d, plugDevice("plug")})
	bridge := h.dial(t, "bridge")
	got := listen(t, bridge, "z/fan/get", 0)
	want(t, got, "z/fan/get", `{"state":""}`)
	say(t, bridge, "z/fan", 1, false, `{"state":"ON"}`)
	h.next(t, "the fan", has(hub.ReportOn))
	if err := h.Actuate(t.Context(), d, hub.Command{}); hub.CodeOf(err) != hub.Unavailable {
		t.Errorf("the bridge did not subscribe to its commands: %v", err)
	}
	listen(t, bridge, "z/+/set", 0)
	if err := h.Actuate(t.Context(), d, hub.Command{}); err != nil {
		t.Errorf("the bridge listens: %v", err)
	}
}

func FuzzFound(f *testing.F) {
	f.Add("tasmota/discovery/A1/config", []byte(fmt.Sprintf(tasmotaHello, "k")))
	f.Add("z/bridge/devices", []byte(`[{"friendly_name":"a","supported":true,"definition":{"exposes":[{"type":"switch","features":[{"name":"state","property":"state"}]}]}}]`))
	f.Add("homeassistant/device/x/config", []byte(`{"dev":{"ids":["1"]},"cmps":{"a":{"p":"switch","cmd_t":"c","stat_t":"s","val_tpl":"{{ value_json.x }}"}}}`))
	f.Add("shellies/x/relay/0", []byte("on"))
	f.Add("p/events/rpc", []byte(`{"src":"a","params":{"switch:0":{}}}`))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		if !publishable(topic) || !announces(topic) {
			return
		}
		finder := newFinder()
		announcement(finder, hub.Credential{ID: "o", Grants: []hub.Grant{rw("#")}}, topic, string(payload))
		for _, n := range finder.list() {
			d, err := n.Device("found", "").Validate()
			if err != nil {
				t.Fatalf("found %+v: %v", n, err)
			}
			if err := CheckDevice(d); err != nil {
				t.Errorf("found %+v: %v", n, err)
			}
			for _, m := range newDriver(d).tell(hub.Command{On: true, Until: time.Unix(900, 0)}, time.Unix(0, 0)) {
				if !publishable(m.topic) || strings.HasPrefix(m.topic, mirrorPrefix) {
					t.Errorf("is told on %q", m.topic)
				}
			}
		}
	})
}
