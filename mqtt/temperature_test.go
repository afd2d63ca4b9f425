package mqtt

import (
	"strings"
	"testing"

	"homehub/hub"
)

func warmth(milli hub.MilliCelsius) *hub.Report {
	return &hub.Report{Has: hub.ReportTemp, Temp: milli}
}

// TestTemperatures hears thermometers in the words of each family. What a chip
// says of itself, and what no thermometer can say, is no temperature.
func TestTemperatures(t *testing.T) {
	tasmota := hub.Device{Family: hub.FamilyTasmota, Topic: "tank"}
	hearAll(t, tasmota, []heard{
		{"tele/tank/SENSOR", `{"Time":"x","DS18B20":{"Id":"0316","Temperature":54.4},"TempUnit":"C"}`, warmth(54_400)},
		{"tele/tank/SENSOR", `{"AM2301":{"Temperature":-5.5,"Humidity":60},"ESP32":{"Temperature":48.3},"TempUnit":"C"}`, warmth(-5_500)},
		{"tele/tank/SENSOR", `{"DS18B20-2":{"Temperature":20},"DS18B20-1":{"Temperature":60}}`, warmth(60_000)},
		{"tele/tank/SENSOR", `{"DS18B20":{"Temperature":131},"TempUnit":"F"}`, warmth(55_000)},
		{"tele/tank/SENSOR", `{"ENERGY":{"Total":1,"Power":2000},"DS18B20":{"Temperature":54.4}}`, &hub.Report{Has: hub.ReportTemp | hub.ReportPower | hub.ReportEnergy, Temp: 54_400, Power: 2000, Energy: 1000}},
		{"stat/tank/STATUS10", `{"StatusSNS":{"DS18B20":{"Temperature":21.06}}}`, warmth(21_060)},
		{"tele/tank/SENSOR", `{"ESP32":{"Temperature":48.3}}`, nil},
		{"tele/tank/SENSOR", `{"DS18B20":{"Temperature":null}}`, nil},
		{"tele/tank/SENSOR", `{"DS18B20":{"Temperature":-127}}`, nil},
		{"tele/tank/SENSOR", `{"DS18B20":{"Temperature":1e12}}`, nil},
		{"tele/tank/SENSOR", `{"DS18B20":"Temperature"}`, nil},
	})
	hearAll(t, hub.Device{Family: hub.FamilyShelly1, Topic: "shellies/shelly1-A4"}, []heard{
		{"shellies/shelly1-A4/ext_temperature/1", "31.25", warmth(31_250)}, // as nobody speaks for 0 yet
		{"shellies/shelly1-A4/ext_temperature/0", "54.4", warmth(54_400)},
		{"shellies/shelly1-A4/ext_temperature/1", "31.25", nil},
		{"shellies/shelly1-A4/ext_temperature/0", "999", nil},
		{"shellies/shelly1-A4/temperature", "41", nil},
	})
	hearAll(t, hub.Device{Family: hub.FamilyShelly1, Topic: "shellies/shellyht-1"}, []heard{{"shellies/shellyht-1/sensor/temperature", "20.5", warmth(20_500)}})
	hearAll(t, hub.Device{Family: hub.FamilyShelly2, Topic: "plug"}, []heard{
		{"plug/events/rpc", `{"method":"NotifyStatus","params":{"ts":1,"temperature:101":{"id":101,"tC":20},"temperature:100":{"id":100,"tC":54.4,"tF":129.9}}}`, warmth(54_400)},
		{"plug/events/rpc", `{"method":"NotifyStatus","params":{"temperature:101":{"id":101,"tC":20}}}`, nil},
		{"plug/events/rpc", `{"method":"NotifyStatus","params":{"temperature:100":{"id":100,"tC":null}}}`, nil},
		{"plug/events/rpc", `{"method":"NotifyStatus","params":{"switch:0":{"output":true},"temperature:100":{"tC":55}}}`, &hub.Report{Has: hub.ReportOn | hub.ReportTemp, On: true, Temp: 55_000}},
		{"plug/status/temperature:100", `{"id":100,"tC":56.1,"tF":133}`, warmth(56_100)},
	})
	hearAll(t, hub.Device{Family: hub.FamilyZigbee2MQTT, Topic: "zigbee2mqtt/Tank"}, []heard{
		{"zigbee2mqtt/Tank", `{"temperature":54.4,"humidity":40,"battery":100}`, warmth(54_400)},
		{"zigbee2mqtt/Tank", `{"local_temperature":20.5,"occupied_heating_setpoint":21}`, warmth(20_500)},
		{"zigbee2mqtt/Tank", `{"state":"ON","device_temperature":31}`, on(true)},
		{"zigbee2mqtt/Tank", `{"temperature":null}`, nil},
	})
	hearAll(t, hub.Device{Family: hub.FamilyESPHome, Topic: "tank"}, []heard{
		{"tank/sensor/tank_temperature/state", "54.4", warmth(54_400)},
		{"tank/sensor/water_temperature/state", "20", nil}, // there is another before it
		{"tank/sensor/a_temperature/state", "20", warmth(20_000)},
		{"tank/sensor/esp_temperature/state", "48", nil},
		{"tank/sensor/internal_temperature/state", "48", nil},
		{"tank/sensor/a_temperature/state", "nan", nil},
	})
	hearAll(t, hub.Device{Family: hub.FamilyEmonESP, Topic: "emon/tank"}, []heard{
		{"emon/tank/temp1", "54.4", warmth(54_400)},
		{"emon/tank/temperature", "20", nil},
		{"emon/tank/temp1", "warm", nil},
	})
	hearAll(t, hub.Device{Family: hub.FamilyHPMon, Topic: "emon/hp"}, []heard{{"emon/hp/temp", "31.5", warmth(31_500)}})
	hearAll(t, mapped(hub.TopicMap{Temp: "tank/all#/top", State: hub.Sign{Place: "tank/on"}}), []heard{
		{"tank/all", `{"top":54.4}`, warmth(54_400)},
		{"tank/all", `{"top":"54.4 °C"}`, warmth(54_400)},
		{"tank/all", `{"top":"54.4 K"}`, nil},
		{"tank/all", `{"top":true}`, nil},
	})
}

// TestTemperatureMap: a map says °C or nothing.
func TestTemperatureMap(t *testing.T) {
	for place, want := range map[string]string{"tank/t": "", "tank/t °C": "", "tank/t K": "no unit here"} {
		d := mapped(hub.TopicMap{On: hub.Order{Topic: "tank/set", Payload: "1"}, Off: hub.Order{Topic: "tank/set", Payload: "0"}, Temp: place})
		err := CheckDevice(d)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", place, err)
		}
	}
}

// A thermometer behind Zigbee2MQTT or in a Home Assistant announcement is found
// as a device that measures.
func TestThermometersAreFound(t *testing.T) {
	list := `[{"friendly_name":"Tank","ieee_address":"0x1","type":"EndDevice","supported":true,"definition":{"model":"WSDCGQ11LM","vendor":"Aqara","exposes":[{"type":"numeric","name":"temperature","property":"temperature","unit":"°C"}]}}]`
	found := foundZigbee("zigbee2mqtt", []byte(list))
	if len(found) != 1 || found[0].Role != hub.RoleMeter || len(found[0].Can) != 1 || found[0].Can[0] != hub.CanTemp {
		t.Errorf("found %+v", found)
	}
	var raw any
	raw, _ = decodeJSON([]byte(`{"name":"Top","uniq_id":"1","stat_t":"tank/top","dev_cla":"temperature","unit_of_meas":"°C","dev":{"ids":["t"],"name":"Tank"}}`))
	p, ok := haDoc(unfold(raw).(map[string]any)).part("sensor")
	if !ok {
		t.Fatal("the sensor is left out")
	}
	n := hub.Found{Map: &hub.TopicMap{}, Role: hub.RoleMeter}
	p.into(&n)
	if n.Map.Temp != "tank/top" || n.Topic != "tank/top" {
		t.Errorf("found %+v with %+v", n, n.Map)
	}
}

// TestTemperatureMirror: what a thermometer says is on the broker for programs,
// and described for Home Assistant.
func TestTemperatureMirror(t *testing.T) {
	s := hub.Snapshot{Devices: []hub.DeviceState{{Device: hub.Device{ID: "tank", Name: "Tank", Role: hub.RolePlug}, Has: hub.ReportTemp, Temp: 54_400}}}
	topics := mirrored(s)
	if got := topics["homehub/dev_tank_c"]; got != "54.4" {
		t.Errorf("homehub/dev_tank_c is %q", got)
	}
	if got := topics["homehub/tank/state"]; !strings.Contains(got, `"temp_c":54.4`) {
		t.Errorf("the state is %s", got)
	}
	if got := topics[discoveryTopic]; !strings.Contains(got, `"name":"Tank: temperature"`) || !strings.Contains(got, `"dev_cla":"temperature"`) {
		t.Errorf("Home Assistant is told %s", got)
	}
}
