package sim

import (
	"encoding/json"
	"strings"

	"homehub/hub"
)

// charger is the logic of an OpenEVSE with the ESP32 firmware: clients claim
// it, and for each property the claim with the highest priority counts. From
// the top: limit 1100, manual (override) 1000, claim over MQTT 500, default 10.
type charger struct {
	defaultDisabled bool
	maxAmps         int

	claim    properties // what claim/set gathered; claimed says whether it counts
	claimed  bool
	manual   properties
	override bool
	limit    limit
	limited  limitClaim

	elapsed int64 // seconds charged in this session
	session joule
	total   joule

	claims, overrides, limits int // versions: rise with each change
}

// properties are those of a claim. Zero is: not said.
type properties struct {
	State         string `json:"state,omitempty"` // active or disabled
	ChargeCurrent int    `json:"charge_current,omitempty"`
	MaxCurrent    int    `json:"max_current,omitempty"`
	AutoRelease   bool   `json:"auto_release"`
}

// limit ends a session. Only the time limit (minutes charged since the session
// began) and the energy limit (Wh) can be reached here, as the charger does
// not know the car's battery.
type limit struct {
	Kind        string `json:"type"` // none, time, energy, soc or range
	Value       int    `json:"value"`
	AutoRelease bool   `json:"auto_release"`
}

type limitClaim uint8

const (
	limitSilent  limitClaim = iota // no claim
	limitAllows                    // keeps an idle charger active, see tickLimit
	limitForbids                   // reached
)

const minAmps = 6 // least current that a charger can offer, IEC 61851-1

func newCharger(maxAmps int, defaultDisabled bool) charger {
	return charger{maxAmps: maxAmps, defaultDisabled: defaultDisabled, limit: limit{Kind: "none", AutoRelease: true}, claims: 1, overrides: 1, limits: 1}
}

// merge takes over what a JSON object says and leaves the rest as it was: the
// firmware never starts from nothing. A state that is neither active nor
// disabled changes nothing, and the text "clear" takes a current back.
func (p *properties) merge(payload []byte) bool {
	var in struct {
		State         *string         `json:"state"`
		ChargeCurrent json.RawMessage `json:"charge_current"`
		MaxCurrent    json.RawMessage `json:"max_current"`
		AutoRelease   *bool           `json:"auto_release"`
	}
	if err := json.Unmarshal(payload, &in); err != nil {
		return false
	}
	if in.State != nil {
		switch {
		case strings.HasPrefix(*in.State, "a"):
			p.State = "active"
		case strings.HasPrefix(*in.State, "d"):
			p.State = "disabled"
		}
	}
	mergeAmps(&p.ChargeCurrent, in.ChargeCurrent)
	mergeAmps(&p.MaxCurrent, in.MaxCurrent)
	if in.AutoRelease != nil {
		p.AutoRelease = *in.AutoRelease
	}
	return true
}

func mergeAmps(amps *int, raw json.RawMessage) {
	if string(raw) == `"clear"` {
		*amps = 0
		return
	}
	var n int
	if len(raw) > 0 && json.Unmarshal(raw, &n) == nil && n >= 0 {
		*amps = n
	}
}

// setClaim takes the payload of claim/set.
func (c *charger) setClaim(payload []byte) {
	if string(payload) == "release" {
		if c.claimed {
			c.claim, c.claimed = properties{}, false
			c.claims++
		}
		return
	}
	if c.claim.merge(payload) {
		c.claimed = true
		c.claims++
	}
}

// setOverride takes the payload of override/set.
func (c *charger) setOverride(payload []byte) {
	switch string(payload) {
	case "clear":
		c.manual, c.override = properties{}, false
	case "toggle":
		active, _ := c.allowed()
		if c.override {
			c.manual, c.override = properties{}, false
		} else if c.override = true; active {
			c.manual = properties{State: "disabled"}
		} else {
			c.manual = properties{State: "active"}
		}
	default:
		if !c.manual.merge(payload) {
			return
		}
		c.override = true
	}
	c.overrides++
}

// setLimit takes the payload of limit/set. The kind goes by its first letter;
// a limit without kind or value is refused.
func (c *charger) setLimit(payload []byte) {
	if string(payload) == "clear" {
		c.clearLimit()
		return
	}
	in := c.limit
	if json.Unmarshal(payload, &in) != nil || in.Kind == "" || in.Value <= 0 {
		return
	}
	i := strings.IndexByte("tesr", in.Kind[0])
	if i < 0 {
		return
	}
	in.Kind = [...]string{"time", "energy", "soc", "range"}[i]
	c.limit = in
	c.limits++
}

func (c *charger) clearLimit() {
	c.limit = limit{Kind: "none", AutoRelease: true}
	c.limits++
}

// allowed says whether the charger lets the car charge, and with how much.
func (c *charger) allowed() (active bool, amps int) {
	active, amps = !c.defaultDisabled, c.maxAmps
	most := c.maxAmps
	apply := func(p properties) {
		if p.State != "" {
			active = p.State == "active"
		}
		if p.ChargeCurrent > 0 {
			amps = p.ChargeCurrent
		}
		if p.MaxCurrent > 0 {
			most = min(c.maxAmps, p.MaxCurrent)
		}
	}
	if c.claimed {
		apply(c.claim)
	}
	if c.override {
		apply(c.manual)
	}
	switch c.limited {
	case limitAllows:
		active = true
	case limitForbids:
		active = false
	}
	return active, max(minAmps, min(amps, most))
}

// tick counts seconds of charging and watches the limit, once per second. Two
// traps of the firmware are here on purpose, as a hub has to live with them
// (limit.cpp): a limit with auto_release, which is the default, starts a
// charger whose default is disabled; and a limit that was reached holds until
// it is cleared for a second or the car leaves: a higher value does not lift it.
func (c *charger) tick(charging bool, seconds int64, used joule) {
	if charging {
		c.elapsed += seconds
		c.session += used
		c.total += used
	}
	if c.limit.Kind == "none" {
		c.limited = limitSilent
		return
	}
	switch {
	case charging && c.reached():
		c.limited = limitForbids
	case !charging && c.limit.AutoRelease && c.defaultDisabled && c.limited == limitSilent:
		c.limited = limitAllows
	}
}

func (c *charger) reached() bool {
	switch c.limit.Kind {
	case "time":
		return c.elapsed/60 >= int64(c.limit.Value)
	case "energy":
		return c.session.wattHours() >= hub.WattHour(c.limit.Value)
	}
	return false
}

// leave ends the session: the car was unplugged. Claims with auto_release go
// with it.
func (c *charger) leave() {
	c.elapsed, c.session, c.limited = 0, 0, limitSilent
	if c.limit.Kind != "none" && c.limit.AutoRelease {
		c.clearLimit()
	}
	if c.claimed && c.claim.AutoRelease {
		c.claimed = false // the firmware keeps the properties to merge the next into
		c.claims++
	}
	if c.override && c.manual.AutoRelease {
		c.manual, c.override = properties{}, false
		c.overrides++
	}
}

// echo is what the firmware publishes of a claim.
func (p properties) echo(there bool) []byte {
	if !there {
		return []byte(`{"state":"null"}`)
	}
	b, _ := json.Marshal(p) // a struct of texts and numbers always marshals
	return b
}

// The states of an OpenEVSE that occur here.
const (
	evseUnplugged = 1
	evseConnected = 2
	evseCharging  = 3
	evseSleeping  = 254 // disabled with a car
	evseDisabled  = 255
)

// stateCode is the status of the controller as the firmware numbers it.
func stateCode(active, plugged, charging bool) int {
	switch {
	case charging:
		return evseCharging
	case active && plugged:
		return evseConnected
	case active:
		return evseUnplugged
	case plugged:
		return evseSleeping
	}
	return evseDisabled
}
