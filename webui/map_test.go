package webui_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"homehub/hub"
	"homehub/webui"
)

// ear hears 1.2 kW on every topic that a map names for the power.
func ear(_ context.Context, d hub.Device) (list []hub.Heard, err error) {
	for name, place := range d.Map.Places() {
		if strings.HasPrefix(place, "homehub/") {
			return nil, hub.FieldErrorf("map."+name, "is the hub's own")
		}
		h := hub.Heard{Name: name, Topic: place}
		if name == "power" {
			h.Payload, h.At, h.Said = `{"power":1.2,"x":"<b>"}`, time.Now().Add(-5*time.Second), hub.Report{Has: hub.ReportPower, Power: 1200}
		}
		list = append(list, h)
	}
	return list, nil
}

func hearing(c *webui.Config) { c.Listen = ear }

// field is the value of a field of the form on a page.
func field(page, name string) string {
	_, rest, _ := strings.Cut(page, `name="`+name+`" value="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// Every sample makes a form that, as it is, makes a device that can be kept.
func TestEverySampleIsADevice(t *testing.T) {
	h := newHouse(t, hearing)
	b := h.as(webui.Installer)
	_, first := b.do("GET", "/devices/map", "")
	keys := strings.Split(first, `name="sample" value="`)[1:]
	if len(keys) < 7 {
		t.Fatalf("%d samples", len(keys))
	}
	for _, rest := range keys {
		key, _, _ := strings.Cut(rest, `"`)
		topic := "barn/" + key
		if strings.HasPrefix(key, "http") {
			topic = "http://192.168.1.77/" + key
		}
		_, page := b.do("GET", "/devices/map?sample="+key+"&topic="+url.QueryEscape(topic), "")
		form := url.Values{"do": {"save"}, "name": {"It " + key}}
		for _, part := range strings.Split(page, `name="`)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			if name != "do" && name != "name" && name != "role" && strings.HasPrefix(part, name+`" value="`) {
				form.Set(name, unescape(field(page, name)))
			}
		}
		before, _, _ := strings.Cut(page, `" selected>`)
		form.Set("role", before[strings.LastIndexByte(before, '"')+1:])
		status, answer := b.do("POST", "/devices/map", form.Encode())
		if status/100 == 4 {
			t.Errorf("%s: %d\n%s", key, status, answer)
			continue
		}
		d, ok := h.hub.Device("it-" + key)
		if !ok || d.Map == nil || d.Topic != topic || string(d.Role) != form.Get("role") {
			t.Errorf("%s became %+v", key, d.Device)
		}
	}
}

func unescape(text string) string {
	return strings.NewReplacer("&#34;", `"`, "&amp;", "&", "&#43;", "+", "&lt;", "<").Replace(text)
}

// A map is changed where it stands, and everything of it comes back into the
// form.
func TestMapOfADeviceIsChanged(t *testing.T) {
	h := newHouse(t, hearing)
	m := &hub.TopicMap{
		On: hub.Order{Topic: "a/on", Payload: `{"a":{amps}}`}, Off: hub.Order{Topic: "a/off", Payload: "0"}, Amps: hub.Order{Topic: "a/amps", Payload: "{amps}"},
		State: hub.Sign{Place: "a/state#/on", Yes: "ja", No: "nee"}, Power: "a/p kW", SoC: "a/soc",
	}
	if err := h.hub.PutDevice(hub.Device{ID: "box", Name: "Box", Family: hub.FamilyMQTT, Role: hub.RoleCharger, Topic: "a", Map: m, Essential: true}); err != nil {
		t.Fatal(err)
	}
	b := h.as(webui.Owner)
	_, page := b.do("GET", "/devices/map?id=box", "")
	for name, want := range map[string]string{"on.payload": `{"a":{amps}}`, "amps.topic": "a/amps", "state": "a/state#/on", "state.yes": "ja", "power": "a/p kW", "soc": "a/soc", "energy": ""} {
		if got := unescape(field(page, name)); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(page, "<details open>") {
		t.Error("the fields of a charger are closed")
	}
	status, to := b.post("/devices/map", "do", "save", "id", "box", "family", "mqtt", "role", "charger", "name", "Wall box", "topic", "a",
		"on.topic", "a/on", "on.payload", "1", "off.topic", "a/off", "off.payload", "0", "power", "a/p kW")
	d, _ := h.hub.Device("box")
	if status != 303 || to != "/devices?done=saved" || d.Name != "Wall box" || d.Map.On.Payload != "1" || d.Map.SoC != "" || !d.Essential {
		t.Errorf("%d %s: %+v", status, to, d.Map)
	}
	if *m != (hub.TopicMap{On: m.On, Off: m.Off, Amps: m.Amps, State: m.State, Power: m.Power, SoC: m.SoC}) {
		t.Error("what others share was written to")
	}
	if status, _ := b.do("GET", "/devices/map?id=nothing", ""); status != 404 {
		t.Errorf("no such device: %d", status)
	}
}

// What is wrong stands at its field, and nothing that was typed is lost.
func TestMapSaysWhatIsWrongAtItsField(t *testing.T) {
	h := newHouse(t, hearing)
	b := h.as(webui.Owner)
	good := url.Values{"do": {"save"}, "family": {"mqtt"}, "role": {"plug"}, "name": {"It"}, "topic": {"it"}, "on.topic": {"it/on"}, "on.payload": {"1"}, "off.topic": {"it/off"}, "off.payload": {"0"}}
	for name, c := range map[string]struct{ field, value, bad string }{
		"no off":        {"off.topic", "", "bad-off"},
		"nothing":       {"name", " ", "bad-name"},
		"bad topic":     {"topic", "it/#", "bad-topic"},
		"the same":      {"off.topic", "it/on", "bad-off"},
		"try the hub's": {"power", "homehub/live#/import_w", "bad-power"},
	} {
		form := url.Values{}
		for k, v := range good {
			form[k] = v
		}
		form.Set(c.field, c.value)
		if strings.HasPrefix(name, "try") {
			form.Set("do", "try")
		}
		if name == "the same" {
			form.Set("off.payload", "1")
		}
		status, page := b.do("POST", "/devices/map", form.Encode())
		if status != 400 || !strings.Contains(page, `aria-describedby="`+c.bad+`"`) || !strings.Contains(page, `id="`+c.bad+`"`) || field(page, "on.topic") != "it/on" {
			t.Errorf("%s: %d, %s is not on the page", name, status, c.bad)
		}
	}
	if n := len(h.hub.Snapshot().Devices); n != 0 {
		t.Errorf("%d devices were kept", n)
	}
}

// A try shows what was heard and understood, as text, and keeps nothing.
func TestTryAMap(t *testing.T) {
	h := newHouse(t, hearing)
	b := h.as(webui.Installer)
	form := url.Values{"do": {"try"}, "family": {"mqtt"}, "role": {"plug"}, "topic": {"it"}, "power": {"it#/power kW"}, "energy": {"it#/kwh"}}
	status, page := b.do("POST", "/devices/map", form.Encode())
	if status != 200 || !strings.Contains(page, "1,200 W") || !strings.Contains(page, "5 s ago") || !strings.Contains(page, "nothing heard yet") || strings.Contains(page, "<b>\"") || field(page, "power") != "it#/power kW" {
		t.Errorf("%d %s", status, page)
	}
	if len(h.hub.Snapshot().Devices) != 0 {
		t.Error("a try kept something")
	}
	deaf := newHouse(t).as(webui.Owner)
	if status, _ := deaf.do("POST", "/devices/map", form.Encode()); status != 503 {
		t.Errorf("nobody listens: %d", status)
	}
}

func mapJourneys() []journey {
	return []journey{{"without JavaScript: a device by its topics", scene{role: webui.Installer, noScript: true, narrow: true, change: hearing}, func(b *tab) {
		b.open("/devices")
		b.click("a[href='/devices/map']")
		b.wait("document.querySelector('input[name=sample]')")
		b.do(chromedp.Click(chromedp.CSS("input[name=sample][value=json]")), chromedp.SetValue(chromedp.CSS("input[name=topic]"), "barn/pump"))
		b.click("main button.main")
		b.wait("document.querySelector('input[name=\"on.topic\"]')?.value === 'barn/pump/set'")
		b.do(chromedp.SetValue(chromedp.CSS("input[name=name]"), "Pump"))
		b.click("button[value=try]")
		b.says("1,200 W")
		b.click("button[value=save]")
		b.wait("document.querySelectorAll('code.secret').length === 4")
		if d, ok := b.h.hub.Device("pump"); !ok || d.Map.Power != "barn/pump#/power W" {
			b.t.Errorf("the device is %+v", d.Device)
		}
	}}}
}
