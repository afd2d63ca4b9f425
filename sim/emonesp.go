package sim

import (
	"fmt"

	"homehub/hub"
)

// emonSpeech is EmonESP as runPlug has it, for a plug or a heat pump monitor
// that stands beside the house. It has no Will and no lease.
type emonSpeech struct {
	g     *Gadget
	relay relay
	vout  string
}

func (s *emonSpeech) base() string           { return s.g.cfg.Login.Topic }
func (s *emonSpeech) topics() []string       { return []string{s.base() + "/in/#"} }
func (s *emonSpeech) will() (string, string) { return "", "" }

func (s *emonSpeech) hello() []say {
	kind := "smartplug"
	if s.g.cfg.Family == hub.FamilyHPMon {
		kind = "hpmon"
	}
	return []say{{topic: s.base() + "/describe", payload: kind}}
}

func (s *emonSpeech) hear(topic, payload string) []say {
	switch topic {
	case s.base() + "/in/ctrlmode":
		s.relay.setMode(payload)
		s.g.set(s.relay.on(s.g.at.Unix()), 0)
	case s.base() + "/in/timer":
		s.relay.setTimer(payload)
	case s.base() + "/in/vout":
		s.vout = payload
	case s.base() + "/in/state":
		return []say{{topic: s.base() + "/out/state", payload: string(s.relay.state(plugIP))}}
	}
	return nil
}

func (s *emonSpeech) state() []say {
	if s.g.cfg.Family == hub.FamilyHPMon {
		return nil
	}
	return []say{
		{topic: s.base() + "/power", payload: fmt.Sprint(s.g.power())},
		{topic: s.base() + "/energy", payload: fmt.Sprintf("%.0f", s.g.wh())},
	}
}

// Vout is the control voltage that a heat pump monitor was last told, as counts
// of its converter.
func (g *Gadget) Vout() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s, ok := g.speech.(*emonSpeech); ok {
		return s.vout
	}
	return ""
}
