package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"homehub/hub"
)

// mappedSpeech is a device that no codec knows: a load that takes the power it
// is told, as JSON on topics of its own, and ends by itself after the seconds it
// is given. Map describes it.
type mappedSpeech struct {
	g     *Gadget
	watts int
}

// Map is how the hub drives a gadget of FamilyMQTT, whose topic is base, or of
// FamilyWebhook, whose base is "".
func Map(family hub.Family, base string) *hub.TopicMap {
	if family == hub.FamilyWebhook {
		return &hub.TopicMap{
			On: hub.Order{Topic: "/relay?turn=on&for={seconds}"}, Off: hub.Order{Topic: "/relay", Payload: `{"turn":"off"}`},
			State: hub.Sign{Place: "/status#/relay/on"}, Power: "/status#/relay/kw kW", Energy: "/status#/relay/wh Wh",
		}
	}
	return &hub.TopicMap{
		On:       hub.Order{Topic: base + "/set", Payload: `{"on":true,"for":{seconds}}`},
		Off:      hub.Order{Topic: base + "/set", Payload: `{"on":false}`},
		Setpoint: hub.Order{Topic: base + "/watts/set", Payload: "{watts}"},
		Ask:      hub.Order{Topic: base + "/set", Payload: `{}`},
		State:    hub.Sign{Place: base + "/status#/on"}, Online: hub.Sign{Place: base + "/online", Yes: "yes", No: "no"},
		Power: base + "/status#/watts W", Energy: base + "/status#/kwh kWh", SoC: base + "/status#/soc",
	}
}

func (s *mappedSpeech) on(key string) string   { return s.g.cfg.Login.Topic + "/" + key }
func (s *mappedSpeech) topics() []string       { return []string{s.on("set"), s.on("watts/set")} }
func (s *mappedSpeech) will() (string, string) { return s.on("online"), "no" }
func (s *mappedSpeech) hello() []say           { return []say{{s.on("online"), "yes", true}} }

func (s *mappedSpeech) hear(topic, payload string) []say {
	if topic == s.on("watts/set") {
		s.watts, _ = strconv.Atoi(payload)
		return nil
	}
	var c struct {
		On  *bool
		For int
	}
	if json.Unmarshal([]byte(payload), &c) != nil {
		return nil
	}
	if c.On != nil {
		s.g.set(*c.On, time.Duration(c.For)*time.Second)
	}
	return s.state()
}

func (s *mappedSpeech) state() []say {
	return []say{{topic: s.on("status"), payload: fmt.Sprintf(`{"on":%v,"watts":%d,"kwh":"%.3f","soc":57}`, s.g.on, s.g.power(), s.g.wh()/1000)}}
}

// Watts is the set-point that a gadget of FamilyMQTT was last told.
func (g *Gadget) Watts() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s, ok := g.speech.(*mappedSpeech); ok {
		return s.watts
	}
	return 0
}

// webhookSpeech is a relay that knows HTTP alone.
type webhookSpeech struct{ g *Gadget }

func (s *webhookSpeech) topics() []string          { return nil }
func (s *webhookSpeech) will() (string, string)    { return "", "" }
func (s *webhookSpeech) hello() []say              { return nil }
func (s *webhookSpeech) hear(string, string) []say { return nil }
func (s *webhookSpeech) state() []say              { return nil }

// page is GET /relay?turn=on&for=900, POST /relay {"turn":"off"} and GET /status.
func (s *webhookSpeech) page(w http.ResponseWriter, r *http.Request) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	s.g.live()
	switch {
	case r.URL.Path == "/relay" && r.Method == http.MethodGet && r.FormValue("turn") == "on":
		seconds, _ := strconv.Atoi(r.FormValue("for"))
		s.g.set(true, time.Duration(seconds)*time.Second)
	case r.URL.Path == "/relay" && r.Method == http.MethodPost:
		var c struct{ Turn string }
		if json.NewDecoder(r.Body).Decode(&c) != nil || c.Turn != "off" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.g.set(false, 0)
	case r.URL.Path != "/status":
		w.WriteHeader(http.StatusNotFound)
		return
	}
	fmt.Fprintf(w, `{"relay":{"on":%v,"kw":%.3f,"wh":%.0f}}`, s.g.on, float64(s.g.power())/1000, s.g.wh())
}
