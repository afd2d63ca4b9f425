package mqtt

import (
	"testing"

	"homehub/hub"
)

func TestTemplates(t *testing.T) {
	for _, tt := range []struct {
		topic, template, want string
		ok                    bool
	}{
		{"a", "", "a", true},
		{"a", "{{ value }}", "a", true},
		{"a", "{{value_json.power}}", "a#/power", true},
		{"a", "{{ value_json.ENERGY.Power | float(0) }}", "a#/ENERGY/Power", true},
		{"a", "{{ value_json['ENERGY'][\"Power\"][0] | round(1) | int }}", "a#/ENERGY/Power/0", true},
		{"a", "{{ value_json['a/b'].c }}", "a#/a~1b/c", true},
		{"a", "{{ value_json }}", "a#", true},
		{"", "{{ value_json.x }}", "", true},
		{"a", "{{ value_json.power * 1000 }}", "", false},
		{"a", "{% if value %}1{% endif %}", "", false},
		{"a", "{{ value_json.power | is_defined }}", "a#/power", true},
		{"a", "{{ states('x') }}", "", false},
	} {
		if got, ok := placeOf(tt.topic, tt.template); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %q %v", tt.template, got, ok)
		}
	}
}

// foundBy is what a program's announcements make.
func foundBy(t *testing.T, announcements map[string]string) []hub.Found {
	t.Helper()
	f := newFinder()
	for topic, payload := range announcements {
		announcement(f, hub.Credential{ID: "o", Grants: []hub.Grant{rw("#")}}, topic, payload)
	}
	return f.list()
}

// A device is put together from its parts, however it abbreviates them.
func TestHomeAssistantParts(t *testing.T) {
	const device = `"device":{"identifiers":["dev1"],"name":"Pump","model":"P1"}`
	all := foundBy(t, map[string]string{
		"homeassistant/switch/node/pump/config": `{"~":"pump/1","name":"Relay","cmd_t":"~/set","stat_t":"~/state","pl_on":"1","pl_off":"0","avty":[{"t":"~/lwt","pl_avail":"up","pl_not_avail":"down"}],` + device + `}`,
		"homeassistant/sensor/node/w/config":    `{"name":"W","state_topic":"pump/1/em","value_template":"{{ value_json.w }}","unit_of_measurement":"kW",` + device + `}`,
		"homeassistant/sensor/wh/config":        `{"stat_t":"pump/1/em","val_tpl":"{{ value_json.wh }}","unit_of_meas":"Wh",` + device + `}`,
		"homeassistant/sensor/t/config":         `{"stat_t":"pump/1/t","unit_of_meas":"°C",` + device + `}`,
		"homeassistant/light/x/config":          `{"cmd_t":"x","stat_t":"y",` + device + `}`,
		"homeassistant/switch/bad/config":       `{"cmd_t":"x"`,
		"homeassistant/switch/config":           `{"uniq_id":"q","cmd_t":"x","stat_t":"y"}`,
	})
	if len(all) != 2 {
		t.Fatalf("found %+v", all)
	}
	n := all[0]
	if n.Name != "Pump" || n.Model != "P1" || n.Role != hub.RolePlug || n.Topic != "pump/1/state" {
		t.Errorf("found %+v", n)
	}
	d := n.Device("pump", "")
	if got := told(d, hub.Command{On: true}); got != "pump/1/set 1\n" {
		t.Errorf("on: %s", got)
	}
	hearAll(t, d, []heard{
		{"pump/1/state", "1", on(true)},
		{"pump/1/lwt", "down", online(false)},
		{"pump/1/em", `{"w":1.5,"wh":1234}`, measured(1500, 1234)},
		{"pump/1/t", "20", nil},
	})
}

// One message for a whole device, with a charger's current and a battery's
// set-point among them.
func TestHomeAssistantDevices(t *testing.T) {
	all := foundBy(t, map[string]string{
		"homeassistant/device/evse/config": `{"dev":{"ids":["e"],"name":"Wallbox"},"o":{"name":"x"},"~":"wb","cmps":{
			"s":{"p":"switch","cmd_t":"~/on","stat_t":"~/state"},
			"a":{"p":"number","cmd_t":"~/amps","cmd_tpl":"{\"amps\": {{ value | int }} }","unit_of_meas":"A","min":6,"max":32},
			"x":{"p":"number","cmd_t":"~/odd","cmd_tpl":"{{ value * 2 }}","unit_of_meas":"W"}}}`,
		"homeassistant/device/bat/config": `{"dev":{"ids":"b","name":"Battery"},"cmps":{
			"w":{"p":"number","command_topic":"bat/w","state_topic":"bat/w/now","unit_of_measurement":"W","min":-5000,"max":5000},
			"soc":{"p":"sensor","state_topic":"bat/soc","device_class":"battery","unit_of_measurement":"%"}}}`,
	})
	if len(all) != 2 || all[0].Role != hub.RoleBattery || all[1].Role != hub.RoleCharger {
		t.Fatalf("found %+v", all)
	}
	if got := told(all[0].Device("b", ""), hub.Command{On: true, Setpoint: -700}); got != "bat/w -700\n" {
		t.Errorf("the battery is told\n%s", got)
	}
	hearAll(t, all[0].Device("b", ""), []heard{{"bat/soc", "80", &hub.Report{Has: hub.ReportSoC, SoC: 80}}})
	d, err := all[1].Device("c", "").Validate()
	if err != nil || d.MinAmps != 6 || d.MaxAmps != 32 {
		t.Fatalf("%+v %v", d, err)
	}
	if got := told(d, hub.Command{On: true, Amps: 13}); got != "wb/amps {\"amps\": 13 }\nwb/on ON\n" {
		t.Errorf("the charger is told\n%s", got)
	}
}

// Several switches of one device are several devices, each by its own name, and
// go when their announcement is taken back.
func TestHomeAssistantSeveralSwitches(t *testing.T) {
	f := newFinder()
	cred := hub.Credential{ID: "o", Grants: []hub.Grant{rw("#")}}
	for _, id := range []string{"one", "two"} {
		announcement(f, cred, "homeassistant/switch/"+id+"/config", `{"name":"`+id+`","cmd_t":"x/`+id+`/set","stat_t":"x/`+id+`","dev":{"ids":["x"],"name":"Strip"}}`)
	}
	if all := f.list(); len(all) != 2 || all[0].Name != "Strip one" || all[1].Name != "Strip two" || all[0].Key == all[1].Key {
		t.Fatalf("found %+v", all)
	}
	announcement(f, cred, "homeassistant/switch/one/config", "")
	if all := f.list(); len(all) != 1 {
		t.Errorf("found %+v", all)
	}
}

// A third party's device from its announcement to its confirmation.
func TestHomeAssistantAdoption(t *testing.T) {
	t.Parallel()
	f := familyOf(hub.FamilyESPHome) // an ESPHome node, as Home Assistant would see it
	s := f.stand(t, 60)
	s.plug()
	var n hub.Found
	eventually(t, "it is found with its sensors", func() bool {
		all := s.Found()
		if len(all) == 1 {
			n = all[0]
		}
		return len(all) == 1 && len(n.Can) == 3
	})
	if n.Family != hub.FamilyMQTT || n.Name != "Boiler plug" || n.Model != "esp32dev" {
		t.Errorf("found %+v", n)
	}
	d, err := s.Adopt(n.Key, "it", "Boiler")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.hub.PutDevice(d); err != nil {
		t.Fatal(err)
	}
	s.SetDevices([]hub.Device{d})
	eventually(t, "it says how it is", func() bool { return s.state().Online && s.state().Has&hub.ReportOn != 0 })
	s.do(t, hub.Command{On: true})
	eventually(t, "it is on, says so and measures", func() bool { return s.gadget.On() && s.state().Confirmed() && s.state().Watts == 1000 })
	if all := s.Found(); len(all) != 0 {
		t.Errorf("still found: %+v", all)
	}
	grants := Grants(d)
	if !mayRead(grants, "boiler-plug/switch/relay/command") || mayRead(grants, "other-plug/switch/relay/command") || mayWrite(grants, "homehub/plug/set") {
		t.Errorf("its log-in may %+v", grants)
	}
}

// A Zigbee2MQTT that also announces its devices to Home Assistant shows each of
// them once.
func TestHomeAssistantTwin(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("bridge", "", rw("zigbee2mqtt/#"), rw("homeassistant/#"))
	h := open(t, v)
	c := h.dial(t, "bridge")
	say(t, c, "zigbee2mqtt/bridge/devices", 1, true, `[{"friendly_name":"fan","ieee_address":"0x1","supported":true,"definition":{"exposes":[{"type":"switch","features":[{"name":"state","property":"state"}]}]}}]`)
	say(t, c, "homeassistant/switch/0x1/switch/config", 1, true, `{"uniq_id":"0x1_switch","cmd_t":"zigbee2mqtt/fan/set","stat_t":"zigbee2mqtt/fan","val_tpl":"{{ value_json.state }}","dev":{"ids":["zigbee2mqtt_0x1"],"name":"fan"}}`)
	eventually(t, "both are announced", func() bool { return len(h.fleet.finder.list()) == 2 })
	all := h.Found()
	if len(all) != 1 || all[0].Family != hub.FamilyZigbee2MQTT {
		t.Fatalf("found %+v", all)
	}
	d, err := h.Adopt(all[0].Key, "fan", "")
	if err != nil {
		t.Fatal(err)
	}
	h.SetDevices([]hub.Device{d})
	if all := h.Found(); len(all) != 0 {
		t.Errorf("after it was adopted, found %+v", all)
	}
}
