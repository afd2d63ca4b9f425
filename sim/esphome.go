package sim

import "fmt"

// espHomeSpeech is an ESPHome node with a switch, a power and an energy sensor,
// and its announcements for Home Assistant. It has no lease.
type espHomeSpeech struct{ g *Gadget }

func (s *espHomeSpeech) on(key string) string   { return s.g.cfg.Login.Topic + "/" + key }
func (s *espHomeSpeech) topics() []string       { return []string{s.on("switch/relay/command")} }
func (s *espHomeSpeech) will() (string, string) { return s.on("status"), "offline" }

func (s *espHomeSpeech) hello() []say {
	node := s.g.cfg.Login.Topic
	device := `"dev":{"ids":"30aea4b3c4d5","name":"Boiler plug","sw":"2026.5.0","mdl":"esp32dev","mf":"Espressif"}`
	avty := fmt.Sprintf(`"avty_t":"%s/status"`, node)
	config := func(kind, id, body string) say {
		return say{
			"homeassistant/" + kind + "/" + node + "/" + id + "/config",
			fmt.Sprintf(`{"name":"%s","stat_t":"%s/%s/%s/state",%s,%s,"uniq_id":"30aea4b3c4d5-%s-%s",%s}`, id, node, kind, id, body, avty, kind, id, device), true,
		}
	}
	return []say{
		{s.on("status"), "online", true},
		config("switch", "relay", fmt.Sprintf(`"cmd_t":"%s/switch/relay/command"`, node)),
		config("sensor", "plug_power", `"dev_cla":"power","unit_of_meas":"W","stat_cla":"measurement"`),
		config("sensor", "plug_energy", `"dev_cla":"energy","unit_of_meas":"kWh","stat_cla":"total_increasing"`),
	}
}

func (s *espHomeSpeech) hear(_, payload string) []say {
	switch payload {
	case "ON":
		s.g.set(true, 0)
	case "OFF":
		s.g.set(false, 0)
	}
	return s.state()
}

func (s *espHomeSpeech) state() []say {
	return []say{
		{s.on("switch/relay/state"), s.g.word("ON", "OFF"), true},
		{s.on("sensor/plug_power/state"), fmt.Sprintf("%d.0", s.g.power()), true},
		{s.on("sensor/plug_energy/state"), fmt.Sprintf("%.3f", s.g.wh()/1000), true},
	}
}
