package mqtt

import (
	"testing"

	"homehub/hub"
)

func TestShelly2Hears(t *testing.T) {
	const status = `{"id":0,"source":"MQTT","output":true,"apower":1999.6,"voltage":230.1,"aenergy":{"total":12345.6,"by_minute":[1,2,3],"minute_ts":1},"temperature":{"tC":41}}`
	all := &hub.Report{Has: hub.ReportOn | hub.ReportPower | hub.ReportEnergy, On: true, Power: 2000, Energy: 12346}
	hearAll(t, hub.Device{Family: hub.FamilyShelly2, Topic: "plug"}, []heard{
		{"plug/online", "true", online(true)},
		{"plug/online", "false", online(false)},
		{"plug/status/switch:0", status, all},
		{"plug/status/switch:1", status, nil},
		{"plug/events/rpc", `{"src":"x","dst":"plug/events","method":"NotifyStatus","params":{"ts":1.5,"switch:0":` + status + `}}`, all},
		{"plug/events/rpc", `{"src":"x","method":"NotifyStatus","params":{"ts":1.5,"switch:0":{"id":0,"apower":0.00}}}`, &hub.Report{Has: hub.ReportPower}},
		{"plug/events/rpc", `{"src":"x","method":"NotifyEvent","params":{"ts":1.5,"events":[]}}`, nil},
		{"plug/events/rpc", `{"params":{"switch:0":[1]}}`, nil},
		{"plug/hub/rpc", `{"id":100,"src":"x","dst":"plug/hub","result":` + status + `}`, all},
		{"plug/hub/rpc", `{"id":101,"src":"x","dst":"plug/hub","result":` + status + `}`, nil}, // of its other switch
		{"plug/hub/rpc", `{"id":1,"src":"x","dst":"plug/hub","result":{"was_on":false}}`, nil},
		{"plug/hub/rpc", `{"id":100,"src":"x","error":{"code":-105,"message":"not found"}}`, nil},
		{"plug/status/switch:0", `{"output":false,"apower":1e9,"aenergy":{"total":-5}}`, on(false)},
		{"plug/rpc", status, nil},
	})
}

func TestShelly2Tells(t *testing.T) {
	const get = `plug/rpc {"id":101,"src":"plug/hub","method":"Switch.GetStatus","params":{"id":1}}` + "\n"
	d := hub.Device{Family: hub.FamilyShelly2, Topic: "plug/switch:1"}
	if got := told(d, hub.Command{On: true}); got != `plug/rpc {"id":1,"src":"plug/hub","method":"Switch.Set","params":{"id":1,"on":true,"toggle_after":601}}`+"\n"+get {
		t.Errorf("on:\n%s", got)
	}
	if got := told(d, hub.Command{}); got != `plug/rpc {"id":1,"src":"plug/hub","method":"Switch.Set","params":{"id":1,"on":false}}`+"\n"+get {
		t.Errorf("off:\n%s", got)
	}
}

func FuzzShelly2(f *testing.F) {
	f.Add("plug/events/rpc", []byte(`{"params":{"switch:0":{"output":true}}}`), "plug/hub/rpc", []byte(`{"id":100,"result":{"aenergy":{"total":1e20}}}`))
	fuzzCodec(f, hub.Device{Family: hub.FamilyShelly2, Topic: "plug"}, "plug/rpc")
}
