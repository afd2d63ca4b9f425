package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// shelly1Speech is a Shelly 1PM. Its topic is shellies/<id>.
type shelly1Speech struct{ g *Gadget }

func (s *shelly1Speech) on(key string) string   { return s.g.cfg.Login.Topic + "/" + key }
func (s *shelly1Speech) will() (string, string) { return s.on("online"), "false" }

func (s *shelly1Speech) topics() []string {
	return []string{s.on("relay/0/command"), s.on("command"), "shellies/command"}
}

func (s *shelly1Speech) hello() []say {
	return append(s.announce(), say{s.on("online"), "true", true})
}

func (s *shelly1Speech) announce() []say {
	id := strings.TrimPrefix(s.g.cfg.Login.Topic, "shellies/")
	return []say{{topic: "shellies/announce", payload: fmt.Sprintf(
		`{"id":"%s","model":"SHSW-PM","mac":"98F4ABB3C4D5","ip":"192.168.1.74","new_fw":false,"fw_ver":"20230913-112234/v1.14.0-gcb84623"}`, id)}}
}

func (s *shelly1Speech) hear(topic, payload string) []say {
	switch topic {
	case s.on("relay/0/command"):
		switch payload {
		case "on":
			s.g.set(true, 0)
		case "off":
			s.g.set(false, 0)
		case "toggle":
			s.g.set(!s.g.on, 0)
		}
	case s.on("command"), "shellies/command":
		if payload == "announce" {
			return s.announce()
		}
	}
	return s.state()
}

func (s *shelly1Speech) state() []say {
	return []say{
		{s.on("relay/0"), s.g.word("on", "off"), true},
		{topic: s.on("relay/0/power"), payload: fmt.Sprintf("%d.00", s.g.power())},
		{topic: s.on("relay/0/energy"), payload: fmt.Sprintf("%.0f", s.g.wh()*60)}, // watt-minutes
	}
}

// page is GET /relay/0?turn=on&timer=900.
func (s *shelly1Speech) page(w http.ResponseWriter, r *http.Request) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	s.g.live()
	timer, _ := strconv.Atoi(r.FormValue("timer"))
	switch r.FormValue("turn") {
	case "on":
		s.g.set(true, time.Duration(timer)*time.Second)
	case "off":
		s.g.set(false, 0)
	}
	fmt.Fprintf(w, `{"ison":%v,"has_timer":%v,"timer_duration":%d,"source":"http"}`, s.g.on, !s.g.end.IsZero(), timer)
}
