package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"homehub/hub"
)

const (
	evseInterval = 30 * time.Second // of a full status
	evseGap      = 500 * time.Millisecond
	evsePoll     = time.Second // how often it looks for a change
	evsePollGap  = 50 * time.Millisecond
)

// runEVSE is an OpenEVSE with the ESP32 firmware. It announces itself with a
// retained message that its last will takes back, publishes a full status
// every 30 s of house time and what people look at on every change.
func runEVSE(ctx context.Context, cfg Config) {
	e := evse{house: cfg.House, name: cfg.Car.Topic[strings.LastIndexByte(cfg.Car.Topic, '/')+1:], base: cfg.Car.Topic}
	e.announce = "openevse/announce/" + e.name[max(0, len(e.name)-4):]
	fresh := make(chan struct{}, 1)
	c := connect(cfg.Broker, cfg.Car, cfg.Logger.With("device", "car"), behaviour{
		subscribe: []string{"claim/set", "override/set", "limit/set"},
		heard: func(_ *client, topic string, payload []byte) {
			cfg.House.tellCharger(topic, payload)
		},
		connected: func(c *client) {
			c.mqtt.Publish(e.announce, fireForget, true, e.hello())
			select {
			case fresh <- struct{}{}:
			default:
			}
		},
		will: &will{e.announce, e.goodbye()},
	})
	// A clean DISCONNECT makes the broker forget the will, so say it.
	defer c.close()
	defer func() {
		c.mqtt.Publish(e.announce, fireForget, true, e.goodbye()).WaitTimeout(farewell * time.Millisecond)
	}()
	status, poll := pace(cfg.Clock, evseInterval, evseGap), pace(cfg.Clock, evsePoll, evsePollGap)
	defer status.Stop()
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-fresh:
			e.told = chargerStatus{}
			e.news(c, cfg.House.charging(), true)
		case <-status.C:
			e.news(c, cfg.House.charging(), true)
		case <-poll.C:
			e.news(c, cfg.House.charging(), false)
		}
	}
}

type evse struct {
	house                *House
	name, base, announce string
	told                 chargerStatus
}

// chargerStatus is one look at the charger.
type chargerStatus struct {
	state                     int
	plugged                   bool
	pilot                     int // A offered
	power                     hub.Watt
	voltage                   hub.Decivolt
	phases                    int
	session, total            joule
	elapsed                   int64
	claims, overrides, limits int
	claim, override, limit    []byte
}

// news publishes what changed since it was last told, and all of it if full.
func (e *evse) news(c *client, s chargerStatus, full bool) {
	if !c.heeds.Load() {
		return
	}
	put := func(key string, value []byte) { c.publish(key, false, value) }
	if full || s.state != e.told.state || s.plugged != e.told.plugged || s.pilot != e.told.pilot {
		put("state", number(int64(s.state)))
		put("vehicle", number(int64(b2i(s.plugged))))
		put("pilot", number(int64(s.pilot)))
		put("amp", number(milliamps(s)))
		put("power", number(int64(s.power)))
		put("wh", number(int64(s.total.wattHours())))
		put("total_energy", fmt.Appendf(nil, "%.3f", float64(s.total)/3_600_000)) // kWh
		put("session_elapsed", number(s.elapsed))
	}
	if full {
		put("voltage", number(int64(s.voltage/10)))
		put("session_energy", number(int64(s.session.wattHours())))
		put("temp1", number(230+int64(s.power)/60)) // 0.1 °C
	}
	if s.claims != e.told.claims {
		c.publish("claim", true, s.claim)
	}
	if s.overrides != e.told.overrides {
		c.publish("override", true, s.override)
	}
	if s.limits != e.told.limits {
		c.publish("limit", true, s.limit)
	}
	e.told = s
}

// milliamps is the current per phase.
func milliamps(s chargerStatus) int64 {
	return int64(s.power) * 1000 / int64(230*s.phases)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (e *evse) hello() []byte {
	b, _ := json.Marshal(struct {
		State string `json:"state"`
		ID    string `json:"id"`
		Name  string `json:"name"`
		MQTT  string `json:"mqtt"`
		HTTP  string `json:"http"`
	}{"connected", e.name, e.name, e.base, "http://192.168.1.72/"}) // texts always marshal
	return b
}

func (e *evse) goodbye() []byte {
	b, _ := json.Marshal(struct {
		State string `json:"state"`
		ID    string `json:"id"`
		Name  string `json:"name"`
	}{"disconnected", e.name, e.name}) // texts always marshal
	return b
}

// tellCharger hands a message to the charger; topic is below its base.
func (h *House) tellCharger(topic string, payload []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch topic {
	case "claim/set":
		h.charger.setClaim(payload)
	case "override/set":
		h.charger.setOverride(payload)
	case "limit/set":
		h.charger.setLimit(payload)
	}
	h.look()
}

func (h *House) charging() chargerStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := &h.charger
	_, amps := ch.allowed() // the pilot setting stays when charging is disabled
	s := chargerStatus{
		state: stateCode(h.flow.active, h.car.home, h.flow.drawing), plugged: h.car.home,
		pilot: amps, power: h.flow.car, voltage: h.voltage(2, h.flow.net[2]), phases: h.cfg.CarPhases,
		session: ch.session, total: ch.total, elapsed: ch.elapsed,
		claims: ch.claims, overrides: ch.overrides, limits: ch.limits,
		claim: ch.claim.echo(ch.claimed), override: ch.manual.echo(ch.override),
	}
	s.limit, _ = json.Marshal(ch.limit) // a struct of texts and numbers always marshals
	return s
}
