package mqtt

import (
	"testing"

	"homehub/hub"
)

func TestTasmotaHears(t *testing.T) {
	const sensor = `{"Time":"2026-06-01T12:00:00","ENERGY":{"TotalStartTime":"2025-01-01T00:00:00","Total":12.3456,"Yesterday":1,"Today":0.5,"Power":1999.6,"Voltage":230}}`
	hearAll(t, hub.Device{Family: hub.FamilyTasmota, Topic: "kettle"}, []heard{
		{"tele/kettle/LWT", "Online", online(true)},
		{"tele/kettle/LWT", "Offline", online(false)},
		{"tele/kettle/STATE", `{"Time":"x","POWER":"ON","Wifi":{"AP":1}}`, on(true)},
		{"tele/kettle/SENSOR", sensor, measured(2000, 12346)},
		{"tele/kettle/SENSOR", `{"ENERGY":{"Total":[1,2],"Power":[5,6]}}`, nil},
		{"tele/kettle/SENSOR", `{"ENERGY":{"Total":"nan","Power":5}}`, &hub.Report{Has: hub.ReportPower, Power: 5}},
		{"tele/kettle/SENSOR", `{"DS18B20":{"Temperature":20}}`, warmth(20_000)},
		{"stat/kettle/RESULT", `{"POWER":"OFF"}`, on(false)},
		{"stat/kettle/RESULT", `{"POWER1":"ON"}`, on(true)},
		{"stat/kettle/RESULT", `{"POWER2":"ON"}`, nil},
		{"stat/kettle/RESULT", `{"PulseTime1":{"Set":1000,"Remaining":0}}`, nil},
		{"stat/kettle/RESULT", `{"POWER":`, nil},
		{"stat/kettle/POWER", "ON", on(true)},
		{"stat/kettle/POWER2", "ON", nil},
		{"stat/kettle/STATUS11", `{"StatusSTS":{"POWER":"OFF"}}`, on(false)},
		{"stat/kettle/STATUS10", `{"StatusSNS":` + sensor + `}`, measured(2000, 12346)},
		{"stat/kettle/STATUS10", `{}`, nil},
	})
	hearAll(t, hub.Device{Family: hub.FamilyTasmota, Topic: "strip/POWER2"}, []heard{
		{"stat/strip/RESULT", `{"POWER1":"ON"}`, nil},
		{"stat/strip/RESULT", `{"POWER2":"ON"}`, on(true)},
		{"tele/strip/STATE", `{"POWER1":"ON","POWER2":"OFF"}`, on(false)},
	})
}

func TestTasmotaTells(t *testing.T) {
	for _, tt := range []struct{ topic, on, off string }{
		{"kettle", "cmnd/kettle/PulseTime1 1000\ncmnd/kettle/POWER ON\n", "cmnd/kettle/POWER OFF\ncmnd/kettle/PulseTime1 0\n"},
		{"strip/POWER2", "cmnd/strip/PulseTime2 1000\ncmnd/strip/POWER2 ON\n", "cmnd/strip/POWER2 OFF\ncmnd/strip/PulseTime2 0\n"},
		{"house/%prefix%/k", "house/cmnd/k/PulseTime1 1000\nhouse/cmnd/k/POWER ON\n", "house/cmnd/k/POWER OFF\nhouse/cmnd/k/PulseTime1 0\n"},
		{"k/%c,s,t%", "k/c/PulseTime1 1000\nk/c/POWER ON\n", "k/c/POWER OFF\nk/c/PulseTime1 0\n"},
	} {
		d := hub.Device{Family: hub.FamilyTasmota, Topic: tt.topic}
		if got := told(d, hub.Command{On: true}); got != tt.on {
			t.Errorf("%s on:\n%s", tt.topic, got)
		}
		if got := told(d, hub.Command{}); got != tt.off {
			t.Errorf("%s off:\n%s", tt.topic, got)
		}
	}
}

// Topics are built from what the device says it has: a full topic and prefixes
// of its own, and several relays.
func TestTasmotaAnnounces(t *testing.T) {
	const head = `{"ip":"192.168.1.73","dn":"Strip","fn":["Lamp","Fan",null],"md":"Strip 2","t":"strip",`
	for _, tt := range []struct {
		rest string
		want []string
	}{
		{`"ft":"%prefix%/%topic%/","tp":["cmnd","stat","tele"],"rl":[1,0]}`, []string{"Strip strip"}},
		{`"ft":"%prefix%/%topic%/","tp":["cmnd","stat","tele"],"rl":[1,1,3]}`, []string{"Lamp strip/POWER1", "Fan strip/POWER2"}},
		{`"ft":"house/%topic%/%prefix%/","tp":["cmnd","stat","tele"],"rl":[1]}`, []string{"Strip house/strip/%prefix%"}},
		{`"ft":"%prefix%/%topic%/","tp":["c","s","t"],"rl":[1]}`, []string{"Strip %c,s,t%/strip"}},
		{`"ft":"%prefix%/%topic%/","tp":["c"],"rl":[1]}`, nil},
		{`"ft":"%prefix%/%topic%/","tp":["cmnd","stat","tele"],"rl":[0,2]}`, nil},
		{`"rl":`, nil},
	} {
		var got []string
		for _, n := range foundTasmota([]byte(head + tt.rest)) {
			got = append(got, n.Name+" "+n.Topic)
			if n.Addr != "192.168.1.73" || n.Model != "Strip 2" {
				t.Errorf("found %+v", n)
			}
			if err := CheckDevice(n.Device("x", "")); err != nil {
				t.Error(err)
			}
		}
		if len(got) != len(tt.want) {
			t.Fatalf("%s: %v", tt.rest, got)
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: %v", tt.rest, got)
			}
		}
	}
}

func FuzzTasmota(f *testing.F) {
	f.Add("tele/k/SENSOR", []byte(`{"ENERGY":{"Total":1,"Power":2}}`), "stat/k/RESULT", []byte(`{"POWER":"ON"}`))
	f.Add("stat/k/STATUS10", []byte(`{"StatusSNS":{"ENERGY":{"Total":1e99}}}`), "tele/k/LWT", []byte("Online"))
	fuzzCodec(f, hub.Device{Family: hub.FamilyTasmota, Topic: "k"}, "cmnd/k/")
}
