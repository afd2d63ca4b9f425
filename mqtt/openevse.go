package mqtt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
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
// wins by itself. The old ESP8266 firmware knows no claims: it is known by
// answering RAPI and nothing else, and driven by RAPI, without a lease.
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

	claims bool      // it said something that only a firmware with claims says
	rapi   bool      // it answered RAPI
	lifted time.Time // end of a lease whose limit was cleared and not set again yet
}

func (o *openEVSE) bases() []string { return []string{o.device.Topic} }

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
	case "config", "claim", "override", "limit":
		o.claims = true
		return hub.Report{}, false
	case "rapi/out":
		return o.hearRAPI(string(payload))
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
	return o.inState(int(v)), true
}

// inState is what an EVSE state says.
func (o *openEVSE) inState(state int) hub.Report {
	o.charging = state == evseCharging
	r := hub.Report{Has: hub.ReportOn, On: o.charging}
	if state >= evseNotConnected && state <= evseCharging {
		r.Has |= hub.ReportPlugged
		r.Plugged = state >= evseConnected
	}
	return r
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
		o.announce, o.claims = topic, true
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
	o.lifted = time.Time{}
	repeated := c.On && o.asked && !o.charging
	o.asked = c.On && !repeated && !o.charging
	amps := c.Amps
	if amps == 0 {
		amps = o.device.MaxAmps
	}
	switch {
	case o.rapi && !o.claims:
		return o.tellRAPI(c.On, amps)
	case !c.On:
		return []message{
			{topic: base + "/claim/set", payload: encode(evseClaim{State: "disabled"})},
			{topic: base + "/limit/set", payload: []byte("clear")},
		}
	}
	claim := message{topic: base + "/claim/set", payload: encode(evseClaim{State: "active", ChargeCurrent: amps, MaxCurrent: amps, AutoRelease: true})}
	if repeated {
		// A limit that was reached while the hub was away holds until it is
		// cleared, and neither a higher one nor one set in the same breath
		// lifts it. Once it charges, follow sets a new one.
		o.lifted = c.Until
		return []message{{topic: base + "/limit/set", payload: []byte("clear")}, claim}
	}
	return []message{o.limit(c.Until, now), claim}
}

// limit is the time limit that ends a lease.
func (o *openEVSE) limit(until, now time.Time) message {
	minutes := math.Ceil((o.session(now) + until.Sub(now)).Minutes())
	return message{topic: o.device.Topic + "/limit/set", payload: encode(evseLimit{Type: "time", Value: max(1, int(minutes))})}
}

// follow gives a charger its lease as soon as it charges after its old limit
// was lifted.
func (o *openEVSE) follow(now time.Time) []message {
	if o.lifted.IsZero() || !o.charging {
		return nil
	}
	until := o.lifted
	o.lifted = time.Time{}
	return []message{o.limit(until, now)}
}

// session is how long the charging session has lasted, as far as known.
func (o *openEVSE) session(now time.Time) time.Duration {
	if o.charging && now.After(o.elapsedAt) && !o.elapsedAt.IsZero() {
		return o.elapsed + now.Sub(o.elapsedAt)
	}
	return o.elapsed
}

// ask probes for the old firmware. One with claims says everything by itself,
// each 30 s and on every change.
func (o *openEVSE) ask() []message {
	if o.claims {
		return nil
	}
	return []message{{topic: o.device.Topic + "/rapi/in/$GS"}}
}

// tellRAPI sets the current and enables or sleeps, and asks for the state,
// which confirms. $ST, the timer, counts on a clock that nobody sets, so it is
// no lease.
func (o *openEVSE) tellRAPI(on bool, amps int) []message {
	in := o.device.Topic + "/rapi/in/"
	if !on {
		return []message{{topic: in + "$FS"}, {topic: in + "$GS"}}
	}
	return []message{{topic: in + "$SC", payload: []byte(strconv.Itoa(amps))}, {topic: in + "$FE"}, {topic: in + "$GS"}}
}

// hearRAPI understands the answer to $GS, "$OK state seconds^checksum". Newer
// controllers write the state in hexadecimal.
func (o *openEVSE) hearRAPI(answer string) (hub.Report, bool) {
	answer, _, _ = strings.Cut(answer, "^")
	fields := strings.Fields(answer)
	o.rapi = o.rapi || len(fields) > 0 && fields[0] == "$OK"
	if len(fields) < 3 || fields[0] != "$OK" {
		return hub.Report{}, false
	}
	if _, err := strconv.ParseUint(fields[2], 10, 32); err != nil {
		return hub.Report{}, false
	}
	base := 16
	if len(fields[1]) == 3 { // 254, 255
		base = 10
	}
	state, err := strconv.ParseUint(fields[1], base, 8)
	if err != nil {
		return hub.Report{}, false
	}
	return o.inState(int(state)), true
}

// encode is v as JSON; the types above can not fail.
func encode(v any) []byte {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err))
	}
	return bytes.TrimSpace(b.Bytes())
}
