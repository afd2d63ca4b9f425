package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/hub"
)

func TestParseWish(t *testing.T) {
	now := at("2026-06-01 12:00:00")
	for _, tt := range []struct {
		payload string
		mode    hub.Mode
		until   string
		field   string // of the error
	}{
		{"on", hub.ModeOn, "", ""},
		{" OFF\n", hub.ModeOff, "", ""},
		{"auto", hub.ModeAuto, "", ""},
		{`{"mode":"on"}`, hub.ModeOn, "", ""},
		{`{"mode":"off","until":"2026-06-01T16:00:00+02:00"}`, hub.ModeOff, "2026-06-01 14:00:00", ""},
		{`{"mode":"on","until":"2026-06-01T12:00:00Z"}`, "", "", "until"},
		{`{"mode":"on","until":"2028-06-01T12:00:00Z"}`, "", "", "until"},
		{`{"mode":"auto","until":"2026-06-01T14:00:00Z"}`, "", "", "until"},
		{`{"mode":"on","until":"tomorrow"}`, "", "", "mode"},
		{`{"mode":"on","for":5}`, "", "", "mode"},
		{`{"mode":"on"} {}`, "", "", "mode"},
		{`{"until":"2026-06-01T14:00:00Z"}`, "", "", "mode"},
		{`{"mode":"toggle"}`, "", "", "mode"},
		{"toggle", "", "", "mode"},
		{"{", "", "", "mode"},
		{strings.Repeat("x", 300), "", "", "mode"},
	} {
		mode, until, err := parseWish([]byte(tt.payload), now)
		var e *hub.Error
		switch {
		case tt.field == "":
			if err != nil || mode != tt.mode || tt.until == "" != until.IsZero() || tt.until != "" && !until.Equal(at(tt.until)) {
				t.Errorf("%s: %v %v %v", tt.payload, mode, until, err)
			}
		case !errors.As(err, &e) || e.Field != tt.field || e.Code != hub.Invalid:
			t.Errorf("%s: %v, want an error about %s", tt.payload, err, tt.field)
		}
	}
}

func FuzzWish(f *testing.F) {
	f.Add([]byte(`{"mode":"on","until":"2026-06-01T16:00:00+02:00"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		mode, until, err := parseWish(payload, time.Unix(1e9, 0))
		if err == nil && (mode == "" || !until.IsZero() && !until.After(time.Unix(1e9, 0))) {
			t.Errorf("%q: %v %v", payload, mode, until)
		}
	})
}

// decisions are what a broker was asked to decide.
type decisions struct {
	mu  sync.Mutex
	all []string
	err error
}

func (d *decisions) decide(client, device string, mode hub.Mode, until time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, strings.TrimSpace(client+" "+device+" "+string(mode)+" "+until.Format(time.RFC3339)))
	return d.err
}

func (d *decisions) list() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.all...)
}

// A program with the right to it sets a device's mode; what is wrong is
// answered on the error topic and changes nothing.
func TestSetOverTheWire(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("app", "", hub.Grant{Filter: "homehub/+/set", Write: true}, hub.Grant{Filter: "homehub/#", Read: true})
	v.add("guest", "", hub.Grant{Filter: "homehub/#", Read: true})
	v.add("plug", "plug", Grants(plugDevice("plug"))...)
	var d decisions
	h := open(t, v, func(c *Config) { c.Decide = d.decide })
	roof := plugDevice("roof")
	roof.Role = hub.RoleSolar
	h.SetDevices([]hub.Device{plugDevice("plug"), roof})
	app := h.dial(t, "app")
	errs := listen(t, app, "homehub/+/error", 0)
	refused := func(id, payload, why string) {
		t.Helper()
		say(t, app, "homehub/"+id+"/set", 0, false, payload)
		var m paho.Message
		select {
		case m = <-errs:
		case <-time.After(patience):
			t.Fatalf("%s: nothing is wrong with it", payload)
		}
		var e struct{ Error, Code string }
		if err := json.Unmarshal(m.Payload(), &e); err != nil || m.Topic() != "homehub/"+id+"/error" || !strings.Contains(e.Error, why) || e.Code == "" {
			t.Errorf("%s: %s on %s", payload, m.Payload(), m.Topic())
		}
	}
	refused("plug", "toggle", "on, off, auto")
	refused("nobody", "on", "no device")
	refused("roof", "on", "can not be switched")
	for _, id := range []string{"guest", "plug"} { // neither may
		c := h.dial(t, id)
		say(t, c, "homehub/plug/set", 1, false, "on")
	}
	say(t, app, "homehub/plug/set", 1, false, "on")
	eventually(t, "it is decided", func() bool { return len(d.list()) == 1 })
	if all := d.list(); all[0] != "app plug on 0001-01-01T00:00:00Z" {
		t.Errorf("decided %q", all)
	}
	// Faster than decisions are kept: the last one counts.
	began := time.Now()
	for i := range 21 {
		say(t, app, "homehub/plug/set", 1, false, []string{"off", "on"}[i%2])
	}
	say(t, app, "homehub/plug/set", 1, false, "auto")
	eventually(t, "the last one is decided", func() bool { all := d.list(); return all[len(all)-1] == "app plug auto 0001-01-01T00:00:00Z" })
	if n, most := len(d.list()), 3+int(time.Since(began)/wishPause); n > most {
		t.Errorf("decided %d times in %v", n, time.Since(began))
	}
	d.mu.Lock()
	d.err = hub.Errorf(hub.Unavailable, "the card is full")
	d.mu.Unlock()
	refused("plug", "on", "the card is full")
}

// The state of a device is retained beside the mirror, and cleared when the
// device goes.
func TestDeviceStateIsMirrored(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("app", "", hub.Grant{Filter: "#", Read: true}, hub.Grant{Filter: "homeassistant/status", Write: true})
	h := open(t, v)
	live := liveHub(t)
	stop := start(t, func(ctx context.Context) error { return h.Mirror(ctx, live) })
	app := h.dial(t, "app")
	status, states := listen(t, app, "homehub/status", 0), listen(t, app, "homehub/plug/state", 0)
	want(t, status, "homehub/status", "online")
	next := func(what string, ok func(map[string]any) bool) {
		t.Helper()
		eventually(t, what, func() bool {
			select {
			case m := <-states:
				var s map[string]any
				return json.Unmarshal(m.Payload(), &s) == nil && ok(s)
			default:
				return false
			}
		})
	}
	next("it is not there yet", func(s map[string]any) bool { return s["online"] == false && s["mode"] == "auto" && s["power_w"] == nil })
	live.Report(hub.Report{Device: "plug", Has: hub.ReportOn | hub.ReportPower, On: true, Power: 42})
	next("it is on", func(s map[string]any) bool { return s["online"] == true && s["on"] == true && s["power_w"] == 42.0 })

	configs := listen(t, app, discoveryTopic, 0)
	<-configs // the retained one
	say(t, app, haBirth, 0, false, "online")
	select {
	case <-configs:
	case <-time.After(patience):
		t.Error("the description was not sent again to a Home Assistant that just started")
	}
	if err := live.DeleteDevice(t.Context(), "plug"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its state is cleared", func() bool {
		_, kept := h.server.Topics.Retained.Get("homehub/plug/state")
		return !kept
	})
	stop()
	want(t, status, "homehub/status", "offline")
}
