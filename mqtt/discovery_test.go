package mqtt

import (
	"encoding/json"
	"testing"

	"homehub/hub"
)

func TestHomeAssistantDiscovery(t *testing.T) {
	s := hub.Snapshot{HasReading: true, HasSolar: true, Solar: 100}
	s.Reading = hub.Reading{Has: hub.HasImport | hub.HasImportT1 | hub.HasGas | hub.HasVoltage, PhaseCount: 1}
	plug := hub.DeviceState{Device: plugDevice("plug"), Has: hub.ReportPower | hub.ReportEnergy}
	plug.Name = `Boiler "2"`
	s.Devices = []hub.DeviceState{plug}
	raw := mirrored(s)[discoveryTopic]
	var d struct {
		Dev struct {
			IDs  []string
			Name string
		}
		O    struct{ Name string }
		Cmps map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(raw), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Dev.IDs) != 1 || d.O.Name != "homehub" {
		t.Errorf("device %+v, origin %+v", d.Dev, d.O)
	}
	for feed, want := range map[string][5]string{
		"import_w":     {"From the grid", "power", "measurement", "W", "homehub/import_w"},
		"import_t1_wh": {"import t1", "energy", "total_increasing", "Wh", "homehub/import_t1_wh"},
		"gas_dm3":      {"Gas meter", "gas", "total_increasing", "L", "homehub/gas_dm3"},
		"solar_w":      {"Solar", "power", "measurement", "W", "homehub/solar_w"},
		"dev_plug_w":   {`Boiler "2": power`, "power", "measurement", "W", "homehub/dev_plug_w"},
		"dev_plug_wh":  {`Boiler "2": energy`, "energy", "total_increasing", "Wh", "homehub/dev_plug_wh"},
	} {
		c := d.Cmps[feed]
		if got := [5]any{c["name"], c["dev_cla"], c["stat_cla"], c["unit_of_meas"], c["stat_t"]}; got != [5]any{want[0], want[1], want[2], want[3], want[4]} || c["p"] != "sensor" || c["uniq_id"] != "homehub_"+feed {
			t.Errorf("%s: %v", feed, c)
		}
	}
	onOff, mode := d.Cmps["plug_switch"], d.Cmps["plug_mode"]
	if onOff["p"] != "switch" || onOff["cmd_t"] != "homehub/plug/set" || onOff["stat_t"] != "homehub/plug/state" || mode["p"] != "select" || len(mode["options"].([]any)) != 3 {
		t.Errorf("the plug is %v and %v", onOff, mode)
	}
	if _, ok := d.Cmps["l1_dv"]; ok {
		t.Error("a feed in dV is offered, which Home Assistant does not know")
	}
	if _, ok := d.Cmps["live"]; ok {
		t.Error("the JSON is offered as a sensor")
	}
	if durable(discoveryTopic) {
		t.Error("it is written to the card, though it is made anew at each start")
	}
	if again := mirrored(s)[discoveryTopic]; again != raw {
		t.Error("it differs each time, so it would be sent each time")
	}
	if empty := mirrored(hub.Snapshot{}); empty[discoveryTopic] != "" {
		t.Error("it is announced before there is a feed")
	}
}
