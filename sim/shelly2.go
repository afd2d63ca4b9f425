package sim

import (
	"encoding/json"
	"fmt"
	"time"
)

// shelly2Speech is a Shelly Plus 1PM with notifications on. Its topic is the
// topic prefix.
type shelly2Speech struct{ g *Gadget }

const shelly2ID = "shellyplus1pm-a8032ab12345"

func (s *shelly2Speech) on(key string) string   { return s.g.cfg.Login.Topic + "/" + key }
func (s *shelly2Speech) will() (string, string) { return s.on("online"), "false" }
func (s *shelly2Speech) topics() []string       { return []string{s.on("rpc")} }

func (s *shelly2Speech) hello() []say {
	return []say{{s.on("online"), "true", true}, s.notify("NotifyFullStatus")}
}

func (s *shelly2Speech) status() string {
	timer := ""
	if !s.g.end.IsZero() {
		timer = fmt.Sprintf(`"timer_started_at":%d.00,"timer_duration":%.0f,`, s.g.at.Unix(), s.g.end.Sub(s.g.at).Seconds())
	}
	return fmt.Sprintf(`{"id":0,"source":"MQTT","output":%v,%s"apower":%d.0,"voltage":230.1,"current":%.3f,"aenergy":{"total":%.3f,"by_minute":[0.000,0.000,0.000],"minute_ts":%d},"temperature":{"tC":41.5,"tF":106.7}}`,
		s.g.on, timer, s.g.power(), float64(s.g.power())/230, s.g.wh(), s.g.at.Unix()/60*60)
}

func (s *shelly2Speech) notify(method string) say {
	return say{topic: s.on("events/rpc"), payload: fmt.Sprintf(`{"src":"%s","dst":"%s/events","method":"%s","params":{"ts":%d.00,"switch:0":%s}}`,
		shelly2ID, s.g.cfg.Login.Topic, method, s.g.at.Unix(), s.status())}
}

func (s *shelly2Speech) hear(_, payload string) []say {
	var r struct {
		ID     int
		Src    string
		Method string
		Params struct {
			ID     int
			On     bool
			Toggle int `json:"toggle_after"`
		}
	}
	if json.Unmarshal([]byte(payload), &r) != nil || r.Src == "" {
		return nil
	}
	answer := func(key, value string) say {
		return say{topic: r.Src + "/rpc", payload: fmt.Sprintf(`{"id":%d,"src":"%s","dst":"%s","%s":%s}`, r.ID, shelly2ID, r.Src, key, value)}
	}
	switch {
	case r.Params.ID != 0:
		return []say{answer("error", `{"code":-105,"message":"Argument 'id', value 1 not found!"}`)}
	case r.Method == "Switch.Set":
		was := s.g.on
		s.g.set(r.Params.On, time.Duration(r.Params.Toggle)*time.Second)
		return []say{answer("result", fmt.Sprintf(`{"was_on":%v}`, was)), s.notify("NotifyStatus")}
	case r.Method == "Switch.GetStatus":
		return []say{answer("result", s.status())}
	}
	return []say{answer("error", `{"code":404,"message":"No handler for `+r.Method+`"}`)}
}

func (s *shelly2Speech) state() []say { return []say{s.notify("NotifyStatus")} }
