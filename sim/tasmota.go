package sim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const tasmotaMAC = "A4CF12B3C4D5"

// tasmotaSpeech is a plug with one relay and a power meter.
type tasmotaSpeech struct {
	g     *Gadget
	pulse int // PulseTime1
}

func (s *tasmotaSpeech) on(prefix, key string) string {
	return prefix + "/" + s.g.cfg.Login.Topic + "/" + key
}
func (s *tasmotaSpeech) topics() []string       { return []string{s.on("cmnd", "#")} }
func (s *tasmotaSpeech) will() (string, string) { return s.on("tele", "LWT"), "Offline" }

func (s *tasmotaSpeech) hello() []say {
	topic := s.g.cfg.Login.Topic
	relays := "1" + strings.Repeat(",0", 31)
	config := fmt.Sprintf(`{"ip":"192.168.1.73","dn":"Kettle","fn":["Kettle",null,null,null,null,null,null,null],"hn":"%s-5077","mac":"%s","md":"Sonoff S31","ty":0,"if":0,"ofln":"Offline","onln":"Online","state":["OFF","ON","TOGGLE","HOLD"],"sw":"14.1.0","t":"%s","ft":"%%prefix%%/%%topic%%/","tp":["cmnd","stat","tele"],"rl":[%s],"so":{"4":0,"11":0},"lk":0,"lt_st":0,"bat":0,"dslp":0,"ver":1}`,
		topic, tasmotaMAC, topic, relays)
	return []say{
		{s.on("tele", "LWT"), "Online", true},
		{"tasmota/discovery/" + tasmotaMAC + "/config", config, true},
		{"tasmota/discovery/" + tasmotaMAC + "/sensors", `{"sn":{"Time":"2026-06-01T12:00:00","ENERGY":{"TotalStartTime":"2025-01-01T00:00:00","Total":0,"Power":0}},"ver":1}`, true},
		{topic: s.on("tele", "STATE"), payload: s.status()},
	}
}

func (s *tasmotaSpeech) status() string {
	return fmt.Sprintf(`{"Time":"%s","Uptime":"0T00:10:00","Heap":25,"POWER":"%s","Wifi":{"AP":1,"RSSI":70}}`, s.time(), s.g.word("ON", "OFF"))
}

func (s *tasmotaSpeech) time() string { return s.g.at.Format("2006-01-02T15:04:05") }

func (s *tasmotaSpeech) sensor() string {
	w := s.g.power()
	return fmt.Sprintf(`{"Time":"%s","ENERGY":{"TotalStartTime":"2025-01-01T00:00:00","Total":%.3f,"Yesterday":0.000,"Today":%.3f,"Period":0,"Power":%d,"ApparentPower":%d,"ReactivePower":0,"Factor":1.00,"Voltage":230,"Current":%.3f}%s}`,
		s.time(), s.g.wh()/1000, s.g.wh()/1000, w, w, float64(w)/230, s.thermometer())
}

// thermometer is that of a DS18B20, which counts in sixteenths of a degree.
func (s *tasmotaSpeech) thermometer() string {
	if s.g.cfg.Appliance == nil {
		return ""
	}
	c := math.Round(s.g.cfg.Appliance.Celsius()*16) / 16
	return fmt.Sprintf(`,"DS18B20":{"Id":"0316A2798FE1","Temperature":%.1f},"TempUnit":"C"`, c)
}

func (s *tasmotaSpeech) hear(topic, payload string) []say {
	switch topic {
	case s.on("cmnd", "PulseTime1"):
		if n, err := strconv.Atoi(payload); err == nil {
			s.pulse = n
		}
		return []say{{topic: s.on("stat", "RESULT"), payload: fmt.Sprintf(`{"PulseTime1":{"Set":%d,"Remaining":%d}}`, s.pulse, s.pulse)}}
	case s.on("cmnd", "POWER"), s.on("cmnd", "POWER1"):
		switch payload {
		case "ON":
			s.g.set(true, s.lease())
		case "OFF":
			s.g.set(false, 0)
		case "TOGGLE":
			s.g.set(!s.g.on, s.lease())
		default:
			s.g.end = time.Time{} // asking cancels a pulse that is running
		}
		return s.result()
	case s.on("cmnd", "STATUS"):
		switch payload {
		case "10":
			return []say{{topic: s.on("stat", "STATUS10"), payload: `{"StatusSNS":` + s.sensor() + `}`}}
		case "11":
			return []say{{topic: s.on("stat", "STATUS11"), payload: `{"StatusSTS":` + s.status() + `}`}}
		}
	}
	return nil
}

func (s *tasmotaSpeech) result() []say {
	state := s.g.word("ON", "OFF")
	return []say{{topic: s.on("stat", "RESULT"), payload: `{"POWER":"` + state + `"}`}, {topic: s.on("stat", "POWER"), payload: state}}
}

// lease is PulseTime as time: tenths of a second up to 111, seconds plus 100
// above.
func (s *tasmotaSpeech) lease() time.Duration {
	if s.pulse < 112 {
		return time.Duration(s.pulse) * 100 * time.Millisecond
	}
	return time.Duration(s.pulse-100) * time.Second
}

func (s *tasmotaSpeech) state() []say {
	messages := []say{{topic: s.on("tele", "SENSOR"), payload: s.sensor()}, {topic: s.on("tele", "STATE"), payload: s.status()}}
	if s.g.on != s.g.told {
		messages = append(messages, s.result()...)
	}
	return messages
}
