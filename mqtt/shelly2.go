package mqtt

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// shelly2 drives one switch of a Shelly of the second generation or later by
// RPC. The device's Topic is its topic prefix, or <prefix>/switch:1 for its
// second switch. Answers are asked for below the device's own prefix, so that
// its log-in needs no other topic.
type shelly2 struct {
	device hub.Device
	base   string // the topic prefix
	key    string // switch:0
	id     int    // 0
	probe  probe
}

// Ids of requests, so that an answer is known by what was asked.
const (
	rpcSet = 1
	rpcGet = 100 // + the switch
)

func newShelly2(d hub.Device) *shelly2 {
	s := &shelly2{device: d, base: d.Topic, key: "switch:0"}
	if i := strings.LastIndex(d.Topic, "/switch:"); i > 0 {
		if n, err := strconv.Atoi(d.Topic[i+len("/switch:"):]); err == nil && n >= 0 && n < 16 {
			s.base, s.key, s.id = d.Topic[:i], d.Topic[i+1:], n
		}
	}
	return s
}

func (s *shelly2) bases() []string { return []string{s.base} }

// shellySwitch is the status of a switch, of which a notification has only
// what changed.
type shellySwitch struct {
	Output *bool    `json:"output"`
	Power  *float64 `json:"apower"`
	Energy struct {
		Total *float64 `json:"total"` // Wh
	} `json:"aenergy"`
}

func (w shellySwitch) report() (hub.Report, bool) {
	var r hub.Report
	if w.Output != nil {
		r.Has, r.On = hub.ReportOn, *w.Output
	}
	if w.Power != nil && math.Abs(*w.Power) <= 1e6 {
		r.Has, r.Power = r.Has|hub.ReportPower, hub.Watt(math.Round(*w.Power))
	}
	if e := w.Energy.Total; e != nil && *e >= 0 && *e <= 1e12 {
		r.Has, r.Energy = r.Has|hub.ReportEnergy, hub.WattHour(math.Round(*e))
	}
	return r, r.Has != 0
}

// hear understands online (its Will), notifications, answers, and the full
// status that it sends where status_ntf is on.
func (s *shelly2) hear(topic string, payload []byte, _ time.Time) (hub.Report, bool) {
	key := strings.TrimPrefix(topic, s.base+"/")
	if name, ok := strings.CutPrefix(key, "status/"); ok && strings.HasPrefix(name, shellyThermometer) {
		return s.hearThermometer(name, payload)
	}
	switch key {
	case "online":
		return onlineSaid(payload)
	case "status/" + s.key:
		return hearSwitch(payload)
	case "events/rpc":
		var n struct {
			Params map[string]json.RawMessage `json:"params"`
		}
		if json.Unmarshal(payload, &n) != nil {
			return hub.Report{}, false
		}
		r, _ := hearSwitch(n.Params[s.key])
		for name, status := range n.Params {
			if t, ok := s.hearThermometer(name, status); ok {
				r.Has, r.Temp = r.Has|t.Has, t.Temp
			}
		}
		return r, r.Has != 0
	case "hub/rpc":
		var answer struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
		}
		if json.Unmarshal(payload, &answer) != nil || answer.ID != rpcGet+s.id {
			return hub.Report{}, false
		}
		return hearSwitch(answer.Result)
	}
	return hub.Report{}, false
}

// shellyThermometer begins the name of a thermometer: temperature:100 and on
// for those on its wires, temperature:0 for that of a sensor. The temperature
// within a switch is its own inside.
const shellyThermometer = "temperature:"

func (s *shelly2) hearThermometer(name string, payload []byte) (hub.Report, bool) {
	var status struct {
		Celsius json.RawMessage `json:"tC"`
	}
	if !strings.HasPrefix(name, shellyThermometer) || json.Unmarshal(payload, &status) != nil {
		return hub.Report{}, false
	}
	return s.probe.hear(name, status.Celsius)
}

func hearSwitch(payload []byte) (hub.Report, bool) {
	var w shellySwitch
	if len(payload) == 0 || json.Unmarshal(payload, &w) != nil {
		return hub.Report{}, false
	}
	return w.report()
}

// rpc is a request.
type rpc struct {
	ID     int       `json:"id"`
	Source string    `json:"src"`
	Method string    `json:"method"`
	Params rpcSwitch `json:"params"`
}

type rpcSwitch struct {
	ID          int   `json:"id"`
	On          *bool `json:"on,omitempty"`
	ToggleAfter int   `json:"toggle_after,omitempty"` // s
}

func (s *shelly2) call(id int, method string, p rpcSwitch) message {
	return message{topic: s.base + "/rpc", payload: encode(rpc{id, s.base + "/hub", method, p})}
}

// tell switches with toggle_after, which is the lease, and asks for the state,
// which confirms also where notifications are off.
func (s *shelly2) tell(c hub.Command, now time.Time) []message {
	p := rpcSwitch{ID: s.id, On: &c.On}
	if c.On {
		p.ToggleAfter = seconds(c, now)
	}
	return append([]message{s.call(rpcSet, "Switch.Set", p)}, s.ask()...)
}

func (s *shelly2) ask() []message {
	return []message{s.call(rpcGet+s.id, "Switch.GetStatus", rpcSwitch{ID: s.id})}
}
