package pairing

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"homehub/hub"
)

// settings are what a device is told of the broker.
type settings struct {
	hub          netip.Addr // as the device reaches it: never a name, as few of them resolve .local
	port         int
	user, secret string
	topic        string // base, as in Probed.Topic
}

// Provision makes a device of what was probed, and writes the broker's address
// and a log-in of its own into it over HTTP. The device's password is used and
// not kept. Where writing fails, nothing is left behind: drop forgets what
// Config.Keep has kept.
func (d *Desk) Provision(ctx context.Context, who string, p Probed, device hub.Device, password string, drop func(id string)) error {
	local, err := towards(p.Addr)
	if err != nil {
		return err
	}
	d.fetching.Lock()
	defer d.fetching.Unlock()
	cred, secret := hub.NewCredential(device.ID, device.ID, d.cfg.Grants(device), d.cfg.Clock.Now())
	if err := d.cfg.Keep(device, cred); err != nil {
		return err
	}
	// It may log in before its answer has arrived here.
	d.mu.Lock()
	before := d.state
	d.granted = p.Addr.Addr()
	d.turn(State{Phase: Granted, Until: time.Now().Add(connectTime), Device: device.ID})
	d.unlock()
	s := settings{hub: local, port: d.cfg.Port, user: cred.ID, secret: secret, topic: p.Topic}
	if err := write(ctx, &caller{at: p.Addr, password: password}, p.Family, s); err != nil {
		d.mu.Lock()
		d.turn(before)
		d.unlock()
		drop(device.ID)
		return err
	}
	d.audit(who, SetUp, p.Addr.Addr(), device.ID)
	return nil
}

// towards is the hub's own address as a device sees it.
func towards(at netip.AddrPort) (netip.Addr, error) {
	c, err := net.Dial("udp", at.String()) // sends nothing
	if err != nil {
		return netip.Addr{}, hub.Errorf(hub.Unavailable, "there is no way to %s from here", at.Addr())
	}
	defer c.Close()
	local, err := netip.ParseAddrPort(c.LocalAddr().String())
	return local.Addr().Unmap().WithZone(""), err
}

// write tells a device of a family its settings, in the words of its firmware.
func write(ctx context.Context, c *caller, family hub.Family, s settings) error {
	switch family {
	case hub.FamilyShelly1:
		return c.writeShelly1(ctx, s)
	case hub.FamilyShelly2:
		return c.writeShelly2(ctx, s)
	case hub.FamilyTasmota:
		return c.writeTasmota(ctx, s)
	case hub.FamilyOpenEVSE:
		return c.writeOpenEVSE(ctx, s)
	case hub.FamilyEmonESP:
		return c.writeEmonESP(ctx, s)
	}
	return hub.Errorf(hub.Invalid, "devices of the family %s are not set up over HTTP", family)
}

const (
	formKind = "application/x-www-form-urlencoded"
	jsonKind = "application/json"
)

// writeShelly1 is the API of the first generation. Its cloud ends with MQTT.
func (c *caller) writeShelly1(ctx context.Context, s settings) error {
	form := url.Values{
		"mqtt_enable": {"true"}, "mqtt_server": {s.server()}, "mqtt_user": {s.user}, "mqtt_pass": {s.secret},
		"mqtt_id": {strings.TrimPrefix(s.topic, "shellies/")}, "mqtt_clean_session": {"true"}, "mqtt_retain": {"false"}, "mqtt_update_period": {"30"},
	}
	if _, err := c.call(ctx, http.MethodPost, "/settings", formKind, []byte(form.Encode())); err != nil {
		return err
	}
	_, err := c.call(ctx, http.MethodPost, "/reboot", formKind, nil)
	return err
}

// writeShelly2 is the RPC of the second generation and later. status_ntf makes
// it say its whole state by itself.
func (c *caller) writeShelly2(ctx context.Context, s settings) error {
	config := map[string]any{"config": map[string]any{
		"enable": true, "server": s.server(), "client_id": s.user, "user": s.user, "pass": s.secret,
		"topic_prefix": s.topic, "rpc_ntf": true, "status_ntf": true, "enable_rpc": true, "enable_control": true,
	}}
	if _, err := c.call(ctx, http.MethodPost, "/rpc/MQTT.SetConfig", jsonKind, raw(config)); err != nil {
		return err
	}
	_, err := c.call(ctx, http.MethodPost, "/rpc/Shelly.Reboot", jsonKind, []byte("{}"))
	return err
}

// writeTasmota sends everything as one backlog: each of these commands alone
// would restart it. SetOption3 turns MQTT on.
func (c *caller) writeTasmota(ctx context.Context, s settings) error {
	commands := []string{
		"SetOption3 1", "MqttHost " + s.hub.String(), "MqttPort " + s.portText(), "MqttUser " + s.user, "MqttPassword " + s.secret,
		"MqttClient " + s.user, "Topic " + s.topic, "TelePeriod 30",
	}
	_, err := c.call(ctx, http.MethodGet, c.tasmota("Backlog "+strings.Join(commands, "; ")), "", nil)
	return err
}

// writeOpenEVSE is the configuration of the ESP32 firmware (1797b7a).
func (c *caller) writeOpenEVSE(ctx context.Context, s settings) error {
	_, err := c.call(ctx, http.MethodPost, "/config", jsonKind, raw(map[string]any{
		"mqtt_enabled": true, "mqtt_protocol": "mqtt", "mqtt_server": s.hub.String(), "mqtt_port": s.port, "mqtt_topic": s.topic, "mqtt_user": s.user, "mqtt_pass": s.secret,
	}))
	return err
}

// writeEmonESP is for a plug that does not ask: one that has the hub's address
// already never does.
func (c *caller) writeEmonESP(ctx context.Context, s settings) error {
	form := url.Values{
		"server": {s.hub.String()}, "port": {s.portText()}, "topic": {s.topic}, "prefix": {""}, "user": {s.user}, "pass": {s.secret},
	}
	_, err := c.call(ctx, http.MethodPost, "/savemqtt", formKind, []byte(form.Encode()))
	return err
}
