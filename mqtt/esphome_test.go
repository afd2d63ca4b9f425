package mqtt

import (
	"testing"

	"homehub/hub"
)

func TestESPHomeHears(t *testing.T) {
	d := hub.Device{Family: hub.FamilyESPHome, Topic: "boiler"}
	hearAll(t, d, []heard{
		{"boiler/status", "online", online(true)},
		{"boiler/status", "offline", online(false)},
		{"boiler/switch/relay/state", "ON", on(true)},
		{"boiler/switch/led/state", "OFF", nil}, // the first that spoke is the one
		{"boiler/switch/relay/state", "OFF", on(false)},
		{"boiler/sensor/plug_power/state", "1999.6", &hub.Report{Has: hub.ReportPower, Power: 2000}},
		{"boiler/sensor/apparent_power/state", "5", nil},
		{"boiler/sensor/total_energy/state", "1.2345", &hub.Report{Has: hub.ReportEnergy, Energy: 1235}},
		{"boiler/sensor/plug_power/state", "nan", nil},
		{"boiler/sensor/temperature/state", "20", warmth(20_000)},
		{"boiler/switch/relay/command", "ON", nil},
	})
	d.Topic = "boiler/switch/led"
	hearAll(t, d, []heard{{"boiler/switch/relay/state", "ON", nil}, {"boiler/switch/led/state", "ON", on(true)}})
	if got := told(d, hub.Command{On: true}); got != "boiler/switch/led/command ON\n" {
		t.Errorf("on: %s", got)
	}
	if got := told(d, hub.Command{}); got != "boiler/switch/led/command OFF\n" {
		t.Errorf("off: %s", got)
	}
	d.Topic = "boiler"
	if got := told(d, hub.Command{On: true}); got != "" {
		t.Errorf("before any switch spoke it tells %s", got)
	}
}

func FuzzESPHome(f *testing.F) {
	f.Add("boiler/switch/relay/state", []byte("ON"), "boiler/sensor/power/state", []byte("1e9"))
	fuzzCodec(f, hub.Device{Family: hub.FamilyESPHome, Topic: "boiler"}, "boiler/switch/")
}
