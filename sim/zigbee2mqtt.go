package sim

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// zigbeeSpeech is a Zigbee2MQTT (2.x) with one plug. Its topic is
// <base>/<friendly name>.
type zigbeeSpeech struct{ g *Gadget }

func (s *zigbeeSpeech) root() string {
	root, _, _ := strings.Cut(s.g.cfg.Login.Topic, "/")
	return root
}
func (s *zigbeeSpeech) on(key string) string { return s.g.cfg.Login.Topic + "/" + key }
func (s *zigbeeSpeech) topics() []string     { return []string{s.on("set"), s.on("get")} }
func (s *zigbeeSpeech) will() (string, string) {
	return s.root() + "/bridge/state", `{"state":"offline"}`
}

func (s *zigbeeSpeech) hello() []say {
	friendly := strings.TrimPrefix(s.g.cfg.Login.Topic, s.root()+"/")
	devices := fmt.Sprintf(`[{"disabled":false,"friendly_name":"Coordinator","ieee_address":"0x00124b0024c2a1b3","interview_completed":true,"supported":true,"type":"Coordinator"},`+
		`{"definition":{"description":"TRADFRI control outlet","exposes":[{"features":[{"access":7,"name":"state","property":"state","type":"binary","value_off":"OFF","value_on":"ON","value_toggle":"TOGGLE"}],"type":"switch"},`+
		`{"access":5,"name":"power","property":"power","type":"numeric","unit":"W"},{"access":5,"name":"energy","property":"energy","type":"numeric","unit":"kWh"},{"access":1,"name":"linkquality","property":"linkquality","type":"numeric","unit":"lqi"}],`+
		`"model":"INSPELNING","vendor":"IKEA"},"disabled":false,"friendly_name":"%s","ieee_address":"0x0c4314fffe19426e","supported":true,"type":"Router"}]`, friendly)
	return []say{
		{s.root() + "/bridge/state", `{"state":"online"}`, true},
		{s.root() + "/bridge/devices", devices, true},
		{s.on("availability"), `{"state":"online"}`, true},
	}
}

func (s *zigbeeSpeech) hear(topic, payload string) []say {
	if topic != s.on("set") {
		return s.state()
	}
	var c struct {
		State  string
		OnTime int `json:"on_time"`
	}
	if json.Unmarshal([]byte(payload), &c) != nil || c.OnTime > 0 && s.g.cfg.NoTimer {
		return nil // UNSUPPORTED_CLUSTER_COMMAND, in its log only
	}
	switch c.State {
	case "ON":
		s.g.set(true, time.Duration(c.OnTime)*time.Second)
	case "OFF":
		s.g.set(false, 0)
	}
	return s.state()
}

func (s *zigbeeSpeech) state() []say {
	return []say{{topic: s.g.cfg.Login.Topic, payload: fmt.Sprintf(`{"current":%.2f,"energy":%.3f,"linkquality":120,"power":%d,"state":"%s","voltage":230}`,
		float64(s.g.power())/230, s.g.wh()/1000, s.g.power(), s.g.word("ON", "OFF"))}}
}
