package mqtt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"homehub/hub"
)

const (
	announcePrefix = "openevse/announce/"
	// evseCharging is the EVSE state in which current flows; 1 is not
	// connected, 2 connected, 254 sleeping, 255 disabled.
	evseNotConnected = 1
	evseConnected    = 2
	evseCharging     = 3
)

// openEVSE drives an OpenEVSE charger with the ESP32 firmware (1797b7a) by
// claims of priority 500, so that a person at the charger (override, 1000)
// wins by itself.
type openEVSE struct {
	device hub.Device

	elapsed   time.Duration // of the charging session, as last reported
	elapsedAt time.Time
	charging  bool
	milliamps float64
	volts     float64
	hasPower  bool   // it reports power; else it is derived from amp and voltage
	hasTotal  bool   // it reports total_energy; else wh of the session counts
	announce  string // topic of its announcement, once known
	asked     bool   // the last command was to be on, and nothing charged since
}

// announceFilter is where a charger announces itself: the last part of its
// default name, which also ends its default base topic.
func announceFilter(base string) string {
	name := base[strings.LastIndexByte(base, '/')+1:]
	if id, ok := strings.CutPrefix(name, "openevse-"); ok && id != "" {
		return announcePrefix + id
	}
	return announcePrefix + "+"
}

// hear understands the announcement and the status topics, each of which
// carries one number.
func (o *openEVSE) hear(topic string, payload []byte, now time.Time) (hub.Report, bool) {
	if strings.HasPrefix(topic, announcePrefix) {
		return o.hearAnnounce(topic, payload)
	}
	key, ok := strings.CutPrefix(topic, o.device.Topic+"/")
	if !ok {
		return hub.Report{}, false
	}
	switch key {
	case "state":
		return o.hearState(payload)
	case "vehicle":
		v, ok := number(payload)
		return hub.Report{Has: hub.ReportPlugged, Plugged: v != 0}, ok
	case "amp":
		v, ok := number(payload)
		if !ok || v < 0 || v > 1e6 {
			return hub.Report{}, false
		}
		o.milliamps = v
		r := hub.Report{Has: hub.ReportAmps, Amps: int(math.Round(v / 1000))}
		return o.derivePower(r), true
	case "voltage":
		v, ok := number(payload)
		if !ok || v < 0 || v > 1000 {
			return hub.Report{}, false
		}
		o.volts = v
		return o.derivePower(hub.Report{}), true
	case "power":
		w, ok := watts(payload)
		o.hasPower = o.hasPower || ok
		return hub.Report{Has: hub.ReportPower, Power: w}, ok
	case "total_energy":
		wh, ok := wattHours(payload, 1000)
		o.hasTotal = o.hasTotal || ok
		return hub.Report{Has: hub.ReportEnergy, Energy: wh}, ok
	case "wh":
		wh, ok := wattHours(payload, 1)
		return hub.Report{Has: hub.ReportEnergy, Energy: wh}, ok && !o.hasTotal
	case "session_elapsed":
		v, ok := number(payload)
		if ok && v >= 0 && v < 1e7 {
			o.elapsed, o.elapsedAt = time.Duration(v)*time.Second, now
		}
		return hub.Report{}, false
	}
	return hub.Report{}, false
}

func (o *openEVSE) hearState(payload []byte) (hub.Report, bool) {
	v, ok := number(payload)
	if !ok {
		return hub.Report{}, false
	}
	state := int(v)
	o.charging = state == evseCharging
	r := hub.Report{Has: hub.ReportOn, On: o.charging}
	if state >= evseNotConnected && state <= evseCharging {
		r.Has |= hub.ReportPlugged
		r.Plugged = state >= evseConnected
	}
	return r, true
}

// derivePower adds power to a report of a firmware that sends none.
func (o *openEVSE) derivePower(r hub.Report) hub.Report {
	if !o.hasPower && o.volts > 0 {
		r.Has |= hub.ReportPower
		r.Power = hub.Watt(math.Round(o.milliamps * o.volts / 1000 * float64(max(1, o.device.Phases))))
	}
	return r
}

// hearAnnounce understands the retained announcement and the Will that
// replaces it. Only the former names the base topic.
func (o *openEVSE) hearAnnounce(topic string, payload []byte) (hub.Report, bool) {
	var a struct{ State, Name, MQTT string }
	if json.Unmarshal(payload, &a) != nil {
		return hub.Report{}, false
	}
	if a.MQTT == o.device.Topic {
		o.announce = topic
	} else if topic != o.announce && a.Name != o.device.Topic {
		return hub.Report{}, false
	}
	switch a.State {
	case "connected", "disconnected":
		return hub.Report{Has: hub.ReportOnline, Online: a.State == "connected"}, true
	}
	return hub.Report{}, false
}

// evseClaim is a claim or its part that matters. Properties are merged with
// those of the claim before, so all of them are sent each time.
type evseClaim struct {
	State         string `json:"state"`
	ChargeCurrent int    `json:"charge_current,omitempty"`
	MaxCurrent    int    `json:"max_current,omitempty"`
	AutoRelease   bool   `json:"auto_release"`
}

// evseLimit ends charging on the charger's own clock. It is not released with
// the session: the firmware lets such a limit start a waiting car by itself,
// at a priority above a person's override.
type evseLimit struct {
	Type        string `json:"type"`
	Value       int    `json:"value"`
	AutoRelease bool   `json:"auto_release"`
}

// tell claims the charger. The lease is a time limit, which counts from the
// beginning of the session and not from the message; it goes first, so that no
// claim is ever active without one.
func (o *openEVSE) tell(c hub.Command, now time.Time) []message {
	base := o.device.Topic
	repeated := c.On && o.asked && !o.charging
	o.asked = c.On && !repeated && !o.charging
	if !c.On {
		return []message{
			{base + "/claim/set", encode(evseClaim{State: "disabled"})},
			{base + "/limit/set", []byte("clear")},
		}
	}
	amps := c.Amps
	if amps == 0 {
		amps = o.device.MaxAmps
	}
	claim := message{base + "/claim/set", encode(evseClaim{State: "active", ChargeCurrent: amps, MaxCurrent: amps, AutoRelease: true})}
	if repeated {
		// A limit that was reached while the hub was away holds until it is
		// cleared, and neither a higher one nor one set in the same breath
		// lifts it. The next command sets a new one.
		return []message{{base + "/limit/set", []byte("clear")}, claim}
	}
	limit := o.session(now) + c.Until.Sub(now)
	return []message{
		{base + "/limit/set", encode(evseLimit{Type: "time", Value: max(1, int(math.Ceil(limit.Minutes())))})},
		claim,
	}
}

// session is how long the charging session has lasted, as far as known.
func (o *openEVSE) session(now time.Time) time.Duration {
	if o.charging && now.After(o.elapsedAt) && !o.elapsedAt.IsZero() {
		return o.elapsed + now.Sub(o.elapsedAt)
	}
	return o.elapsed
}

// ask is nothing: the charger says everything each 30 s and on every change.
func (o *openEVSE) ask() []message { return nil }

// encode is v as JSON; the types above can not fail.
func encode(v any) []byte {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err))
	}
	return bytes.TrimSpace(b.Bytes())
}
