package mqtt

import (
	"strings"
	"testing"

	"homehub/hub"
)

func mapped(m hub.TopicMap) hub.Device {
	return hub.Device{ID: "it", Name: "It", Family: hub.FamilyMQTT, Role: hub.RolePlug, Topic: "car/port", MinAmps: 6, MaxAmps: 16, Map: &m}
}

func TestGenericHears(t *testing.T) {
	d := mapped(hub.TopicMap{
		State: hub.Sign{Place: "car/port#/state", Yes: "Charging"}, Plugged: hub.Sign{Place: "car/port#/cable"},
		Online: hub.Sign{Place: "car/lwt", Yes: "up", No: "down"}, Power: "car/port#/power kW", Energy: "car/meter",
		Current: "car/port#/currents/0 mA", InUse: "car/port#/phases", SoC: "car/soc",
	})
	hearAll(t, d, []heard{
		{"car/port", `{"state":"Charging","cable":true,"power":"3.6804","currents":[15600],"phases":3}`, &hub.Report{
			Has: hub.ReportOn | hub.ReportPlugged | hub.ReportPower | hub.ReportAmps | hub.ReportPhases,
			On:  true, Plugged: true, Power: 3680, Amps: 16, Phases: 3,
		}},
		{"car/port", `{"state":"Waiting"}`, on(false)},
		{"car/port", `{"state":null,"cable":{},"power":"much","phases":4}`, nil},
		{"car/port", `{"power":1e9}`, nil},
		{"car/port", `not JSON`, nil},
		{"car/port", ``, nil},
		{"car/lwt", "up", online(true)},
		{"car/lwt", "down", online(false)},
		{"car/lwt", "", nil},
		{"car/meter", "1234.5678", &hub.Report{Has: hub.ReportEnergy, Energy: 1234568}},
		{"car/meter", "12 Wh", &hub.Report{Has: hub.ReportEnergy, Energy: 12}},
		{"car/soc", "57.6", &hub.Report{Has: hub.ReportSoC, SoC: 58}},
		{"car/soc", "101", nil},
		{"car/port/state", "Charging", nil},
		{"car/port", `{"state":"` + strings.Repeat("x", maxMeterPayload) + `"}`, nil},
	})
}

// A map whose value is on or off in one of many words needs none of its own.
func TestSigns(t *testing.T) {
	for _, tt := range []struct {
		sign    hub.Sign
		text    string
		yes, ok bool
	}{
		{hub.Sign{}, "on", true, true},
		{hub.Sign{}, "True", true, true},
		{hub.Sign{}, "offline", false, true},
		{hub.Sign{}, "maybe", false, false},
		{hub.Sign{Yes: "7"}, "7", true, true},
		{hub.Sign{Yes: "7"}, "8", false, true},
		{hub.Sign{No: "idle"}, "idle", false, true},
		{hub.Sign{No: "idle"}, "heating", true, true},
		{hub.Sign{Yes: "A", No: "B"}, "C", false, false},
		{hub.Sign{Yes: "A"}, "", false, false},
	} {
		if yes, ok := signSaid(tt.sign, tt.text); yes != tt.yes || ok != tt.ok {
			t.Errorf("%+v %q: %v %v", tt.sign, tt.text, yes, ok)
		}
	}
}

func TestGenericTells(t *testing.T) {
	charger := mapped(hub.TopicMap{
		On: hub.Order{Topic: "c/on", Payload: `{"for":{seconds}}`}, Off: hub.Order{Topic: "c/off", Payload: "{seconds}"},
		Amps: hub.Order{Topic: "c/amps", Payload: "{amps}"}, Phases: hub.Order{Topic: "c/phases", Payload: "{phases}"},
	})
	battery := mapped(hub.TopicMap{
		On: hub.Order{Topic: "b/mode", Payload: "remote"}, Off: hub.Order{Topic: "b/mode", Payload: "auto"},
		Setpoint: hub.Order{Topic: "b/watts", Payload: `{"w":{watts}}`},
	})
	for _, tt := range []struct {
		name string
		d    hub.Device
		c    hub.Command
		want string
	}{
		{"charger", charger, hub.Command{On: true, Amps: 10, Phases: 1}, "c/amps 10\nc/phases 1\nc/on {\"for\":601}\n"},
		{"charger as it is", charger, hub.Command{On: true}, "c/amps 16\nc/on {\"for\":601}\n"},
		{"charger off", charger, hub.Command{}, "c/off 0\n"},
		{"battery gives", battery, hub.Command{On: true, Setpoint: -800}, "b/mode remote\nb/watts {\"w\":-800}\n"},
		{"battery off", battery, hub.Command{Setpoint: 500}, "b/watts {\"w\":0}\nb/mode auto\n"},
	} {
		if got := told(tt.d, tt.c); got != tt.want {
			t.Errorf("%s:\n%s", tt.name, got)
		}
	}
}

func TestGenericIsChecked(t *testing.T) {
	good := hub.TopicMap{On: hub.Order{Topic: "a/set", Payload: "1"}, Off: hub.Order{Topic: "a/set", Payload: "0"}, State: hub.Sign{Place: "a/state"}}
	for _, tt := range []struct {
		name   string
		change func(*hub.TopicMap)
		ok     bool
	}{
		{"good", func(*hub.TopicMap) {}, true},
		{"on without off", func(m *hub.TopicMap) { m.Off = hub.Order{} }, false},
		{"on like off", func(m *hub.TopicMap) { m.Off = m.On }, false},
		{"wildcard", func(m *hub.TopicMap) { m.On.Topic = "a/+" }, false},
		{"the hub's own", func(m *hub.TopicMap) { m.On.Topic = "homehub/plug/set" }, false},
		{"the hub's own state", func(m *hub.TopicMap) { m.State.Place = "homehub/plug/state#/on" }, false},
		{"an announcement", func(m *hub.TopicMap) { m.On.Topic = "homeassistant/switch/x/config" }, false},
		{"the broker's own", func(m *hub.TopicMap) { m.Power = "$SYS/x" }, false},
		{"unit", func(m *hub.TopicMap) { m.Power = "a/power MW" }, false},
		{"pointer", func(m *hub.TopicMap) { m.Power = "a/power#power" }, false},
		{"too long", func(m *hub.TopicMap) { m.On.Payload = strings.Repeat("x", 600) }, false},
		{"two lines", func(m *hub.TopicMap) { m.State.Yes = "a\nb" }, false},
	} {
		m := good
		tt.change(&m)
		d, err := mapped(m).Validate()
		if err == nil {
			err = CheckDevice(d)
		}
		if (err == nil) != tt.ok || err != nil && hub.CodeOf(err) != hub.Invalid {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := (hub.Device{ID: "x", Name: "x", Family: hub.FamilyMQTT, Role: hub.RolePlug, Topic: "a"}).Validate(); err == nil {
		t.Error("a device without a map is valid")
	}
	withMap := plugDevice("plug")
	withMap.Map = &good
	if _, err := withMap.Validate(); err == nil {
		t.Error("a plug with a codec may have a map")
	}
}

func FuzzGeneric(f *testing.F) {
	f.Add("car/port", []byte(`{"p":1,"s":"on"}`), "car/e", []byte("5"))
	fuzzCodec(f, mapped(hub.TopicMap{
		On: hub.Order{Topic: "car/set", Payload: "1"}, Off: hub.Order{Topic: "car/set", Payload: "0"},
		State: hub.Sign{Place: "car/port#/s"}, Power: "car/port#/p", Energy: "car/e", Current: "car/port#/c", SoC: "car/soc",
	}), "car/set")
}
