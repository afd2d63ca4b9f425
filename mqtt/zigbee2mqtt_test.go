package mqtt

import (
	"slices"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/sim"
)

func TestZigbee2MQTTHears(t *testing.T) {
	hearAll(t, hub.Device{Family: hub.FamilyZigbee2MQTT, Topic: "z/Attic/Fan plug"}, []heard{
		{"z/Attic/Fan plug", `{"current":1.5,"energy":12.3456,"linkquality":120,"power":345,"state":"ON","voltage":230}`, &hub.Report{Has: hub.ReportOn | hub.ReportPower | hub.ReportEnergy, On: true, Power: 345, Energy: 12346}},
		{"z/Attic/Fan plug", `{"state":"OFF","power":null}`, on(false)},
		{"z/Attic/Fan plug", `{"linkquality":120}`, nil},
		{"z/Attic/Fan plug", `[]`, nil},
		{"z/Attic/Fan plug/availability", "online", online(true)},
		{"z/Attic/Fan plug/availability", `{"state":"offline"}`, online(false)},
		{"z/Attic/Fan plug/set", `{"state":"ON"}`, nil},
	})
}

func TestZigbee2MQTTTells(t *testing.T) {
	d := hub.Device{Family: hub.FamilyZigbee2MQTT, Topic: "z/plug"}
	if got := told(d, hub.Command{On: true}); got != `z/plug/set {"state":"ON","on_time":601,"off_wait_time":0}`+"\n" {
		t.Errorf("on:\n%s", got)
	}
	if got := told(d, hub.Command{}); got != `z/plug/set {"state":"OFF"}`+"\n" {
		t.Errorf("off:\n%s", got)
	}
	// Lease after lease of a plug that does what it is told keeps the time.
	z, now := newDriver(d), at("2026-06-01 12:00:00")
	for range 3 {
		if got := lines(z.tell(hub.Command{On: true, Until: now.Add(time.Second)}, now)); got != `z/plug/set {"state":"ON","on_time":1,"off_wait_time":0}`+"\n" {
			t.Errorf("a renewed lease: %s", got)
		}
		z.hear("z/plug", []byte(`{"state":"ON"}`), now)
	}
}

// A plug that does not know on_time does nothing at all; the retry tells it
// without.
func TestZigbee2MQTTWithoutTimer(t *testing.T) {
	t.Parallel()
	f := familyOf(hub.FamilyZigbee2MQTT)
	s := f.stand(t, 60)
	g, err := sim.NewGadget(sim.GadgetConfig{
		Family: f.family, Clock: s.clock, Broker: s.addr, NoTimer: true,
		Login: sim.Credentials{ClientID: "bridge", Username: "bridge", Password: s.vault.secret("bridge"), Topic: f.topic},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.gadget = g
	d := f.device()
	if err := s.hub.PutDevice(d); err != nil {
		t.Fatal(err)
	}
	s.SetDevices([]hub.Device{d})
	s.plug()
	eventually(t, "it says how it is", func() bool { return s.state().Has&hub.ReportOn != 0 })
	s.do(t, hub.Command{On: true})
	eventually(t, "it is on at last", func() bool { return s.gadget.On() && s.state().Confirmed() })
}

// The list of a Zigbee2MQTT: plugs, meters, several relays in one, and what is
// none of the hub's business.
func TestZigbee2MQTTAnnounces(t *testing.T) {
	list := `[{"friendly_name":"Coordinator","type":"Coordinator","supported":true},
	{"friendly_name":"lamp","ieee_address":"0x1","type":"Router","supported":true,"definition":{"exposes":[{"type":"light","features":[{"name":"state","property":"state"}]}]}},
	{"friendly_name":"new","ieee_address":"0x2","type":"Router","supported":false},
	{"friendly_name":"meter","ieee_address":"0x3","type":"Router","supported":true,"definition":{"vendor":"V","model":"M","exposes":[{"type":"numeric","name":"power","property":"power"}]}},
	{"friendly_name":"two","ieee_address":"0x4","type":"Router","supported":true,"definition":{"exposes":[
	{"type":"switch","features":[{"name":"state","property":"state_l1"}]},{"type":"switch","features":[{"name":"state","property":"state_l2"}]}]}}]`
	all := foundZigbee("z", []byte(list))
	if len(all) != 3 {
		t.Fatalf("found %+v", all)
	}
	if n := all[0]; n.Role != hub.RoleMeter || n.Topic != "z/meter" || n.Model != "V M" {
		t.Errorf("the meter is %+v", n)
	}
	second := all[2]
	if second.Family != hub.FamilyMQTT || second.Name != "two l2" {
		t.Errorf("the second relay is %+v", second)
	}
	d := second.Device("two", "")
	hearAll(t, d, []heard{
		{"z/two", `{"state_l1":"ON","state_l2":"OFF"}`, on(false)},
		{"z/two", `{"state_l2":"ON"}`, on(true)},
		{"z/two", `{"state_l1":"ON"}`, nil},
	})
	if got := told(d, hub.Command{On: true}); got != `z/two/set {"state_l2":"ON"}`+"\n" {
		t.Errorf("on:\n%s", got)
	}
	if foundZigbee("z", []byte(`{"not":"a list"}`)) != nil {
		t.Error("found something in nothing")
	}
}

// Tuya's plugs take on_time for a countdown that toggles: they get none.
func TestZigbee2MQTTWithoutACountdown(t *testing.T) {
	for maker, timed := range map[string]bool{"_TZ3000_okaz9tjs": false, "_TYZB01_iuepbmpv": false, "SONOFF": true, "": true} {
		all := foundZigbee("z", []byte(`[{"friendly_name":"fan","ieee_address":"0x1","supported":true,"manufacturer":"`+maker+`","definition":{"vendor":"Nous","model":"A1Z","exposes":[
			{"type":"switch","features":[{"name":"state","property":"state"}]},{"type":"numeric","property":"power"},{"type":"numeric","property":"energy"}]}}]`))
		if len(all) != 1 || all[0].Name != "fan" || all[0].Topic != "z/fan" {
			t.Fatalf("%s: found %+v", maker, all)
		}
		d := all[0].Device("fan", "")
		if got := told(d, hub.Command{On: true}); strings.Contains(got, "on_time") != timed {
			t.Errorf("%s is told %s", maker, got)
		}
		hearAll(t, d, []heard{{"z/fan", `{"state":"ON","power":5,"energy":1.5}`, &hub.Report{Has: hub.ReportOn | hub.ReportPower | hub.ReportEnergy, On: true, Power: 5, Energy: 1500}}})
		if got := slices.Contains(TraitsOf(d).Can, hub.CanEnd); got != timed {
			t.Errorf("%s: ends by itself: %v", maker, got)
		}
	}
}

func FuzzZigbee2MQTT(f *testing.F) {
	f.Add("z/plug", []byte(`{"state":"ON","power":1e9,"energy":-1}`), "z/plug/availability", []byte(`{"state":"online"}`))
	fuzzCodec(f, hub.Device{Family: hub.FamilyZigbee2MQTT, Topic: "z/plug"}, "z/plug/")
}
