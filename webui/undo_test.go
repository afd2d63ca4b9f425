package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// posted sends a form and returns where it leads and the token to undo it.
func (b *browser) posted(t *testing.T, path, form string) (to *url.URL, token string) {
	t.Helper()
	res := b.send("POST", path, form)
	res.Body.Close()
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("POST %s: %d", path, res.StatusCode)
	}
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return to, to.Query().Get("undo")
}

func TestUndo(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Family)
	before, _ := h.hub.Device("washer")
	to, token := b.posted(t, "/devices/washer/schedule", "ready_by=05:00&amount=1&unit=h&back=/")
	if to.Path != "/" || token == "" {
		t.Fatalf("the form leads to %s", to)
	}
	page := func(who *browser, query string) string {
		_, body := who.do("GET", "/plan?"+query, "")
		return body
	}
	if !strings.Contains(page(b, to.RawQuery), `action="/undo"`) {
		t.Error("the next page has no way back")
	}
	if strings.Contains(page(h.as(webui.Owner), to.RawQuery), `action="/undo"`) {
		t.Error("somebody else may undo it")
	}
	if strings.Contains(page(b, "done=saved&undo=xyz"), `action="/undo"`) {
		t.Error("a made-up token is offered")
	}
	if status, _ := h.as(webui.Owner).do("POST", "/undo", "token="+token); status != 404 {
		t.Errorf("somebody else's undo: %d", status)
	}
	if status, _ := b.do("GET", "/undo?token="+token, ""); status != 405 && status != 404 {
		t.Errorf("a GET that undoes: %d", status)
	}
	if d, _ := h.hub.Device("washer"); d.Schedule.Minutes != 60 {
		t.Fatal("it is undone already")
	}
	b.posted(t, "/undo", "token="+token)
	if d, _ := h.hub.Device("washer"); *d.Schedule != *before.Schedule {
		t.Errorf("the plan is %+v, was %+v", d.Schedule, before.Schedule)
	}
	if status, _ := b.do("POST", "/undo", "token="+token); status != 404 {
		t.Errorf("the same undo again: %d", status)
	}
	_, late := b.posted(t, "/devices/washer/mode", "mode=on")
	h.as(webui.Owner).posted(t, "/devices/washer/mode", "mode=off")
	if status, body := b.do("POST", "/undo", "token="+late); status != 409 || !strings.Contains(body, "was changed since") {
		t.Errorf("an undo of what somebody changed since: %d", status)
	}
	_, old := b.posted(t, "/devices/washer/mode", "mode=on")
	for range webui.UndosKept {
		b.posted(t, "/devices/boiler/mode", "mode=on&for=30")
	}
	if status, _ := b.do("POST", "/undo", "token="+old); status != 404 {
		t.Errorf("the oldest of too many undos: %d", status)
	}
	if n := len(h.audited()); n < 3 || !strings.Contains(strings.Join(h.audited(), "\n"), "family: undid the last change of washer") {
		t.Errorf("the audit log says %q", h.audited())
	}
}

// The last plan can be repeated when it is over or was removed, and there is
// nothing to repeat before.
func TestRepeat(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Family)
	if status, _ := b.do("POST", "/devices/boiler/repeat", ""); status != 409 {
		t.Errorf("nothing to repeat: %d", status)
	}
	b.posted(t, "/devices/car/unschedule", "")
	b.posted(t, "/devices/car/repeat", "")
	if d, _ := h.hub.Device("car"); d.Schedule == nil || d.Schedule.Energy != 20_000 || d.Schedule.Days != hub.Workdays {
		t.Errorf("repeated: %+v", d.Schedule)
	}
}

// What is over can be planned anew from the first page, what is not can not.
func TestOver(t *testing.T) {
	now := time.Date(2026, 6, 12, 10, 0, 0, 0, amsterdam())
	at := func(text string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", text, amsterdam())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, test := range []struct {
		name string
		s    hub.Schedule
		want bool
	}{
		{"tomorrow's", hub.Schedule{ReadyBy: 7 * 60, SetAt: at("2026-06-12 09:00")}, false},
		{"tonight's", hub.Schedule{ReadyBy: 23 * 60, SetAt: at("2026-06-12 09:00")}, false},
		{"this morning's", hub.Schedule{ReadyBy: 7 * 60, SetAt: at("2026-06-11 22:00")}, true},
		{"due this moment", hub.Schedule{ReadyBy: 10 * 60, SetAt: at("2026-06-11 22:00")}, true},
		{"every day", hub.Schedule{ReadyBy: 7 * 60, SetAt: at("2026-01-01 00:00"), Days: hub.EveryDay}, false},
		{"now, an hour ago", hub.Schedule{When: hub.WhenNow, SetAt: at("2026-06-12 09:00")}, false},
		{"now, last week", hub.Schedule{When: hub.WhenNow, SetAt: at("2026-06-05 09:00")}, true},
	} {
		if got := webui.Over(&test.s, now); got != test.want {
			t.Errorf("%s is over: %v", test.name, got)
		}
	}
}

// The editor takes every kind of run, and says what is wrong with the rest.
func TestKindsOfRuns(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Family)
	d, _ := h.hub.Device("car")
	d.Device.Battery = &hub.Battery{Capacity: 58_000}
	if err := h.hub.PutDevice(d.Device); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		form string
		want hub.Schedule
		text string
	}{
		{"ready_by=07:00&amount=80&unit=soc&day=mon", hub.Schedule{ReadyBy: 420, SoC: 80, Days: 1 << time.Monday}, "80%, ready by 07:00, Mon"},
		{"when=surplus&ready_by=18:00&amount=&unit=kwh", hub.Schedule{When: hub.WhenSurplus, ReadyBy: 1080}, "What there is from surplus sun until 18:00, once"},
		{"when=surplus&ready_by=18:00&amount=4&unit=kwh&day=sun", hub.Schedule{When: hub.WhenSurplus, ReadyBy: 1080, Energy: 4000, Days: 1 << time.Sunday}, "4.00 kWh from surplus sun until 18:00, Sun"},
		{"when=now&ready_by=07:00&amount=1&unit=h&day=mon", hub.Schedule{When: hub.WhenNow, ReadyBy: 420, Minutes: 60}, "1\u00a0h, now"},
	} {
		b.posted(t, "/devices/car/schedule", test.form)
		d, _ := h.hub.Device("car")
		got := *d.Schedule
		got.SetAt = time.Time{}
		if got != test.want {
			t.Errorf("%s is %+v", test.form, got)
		}
		if _, page := b.do("GET", "/plan", ""); !strings.Contains(page, `<p class="wish">`+test.text) {
			t.Errorf("%s is not told as %q", test.form, test.text)
		}
	}
	for _, bad := range []string{"when=soon&ready_by=07:00&amount=1&unit=h", "ready_by=07:00&amount=101&unit=soc", "ready_by=07:00&amount=&unit=kwh", "when=now&ready_by=07:00&amount=&unit=h"} {
		if status, _ := b.do("POST", "/devices/car/schedule", bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	if status, _ := b.do("POST", "/devices/boiler/schedule", "ready_by=07:00&amount=80&unit=soc"); status != 400 {
		t.Errorf("a state of charge without a battery: %d", status)
	}
}

// What the guards hold back is said on every page, in the reader's language.
func TestGuardIsShown(t *testing.T) {
	h := newHouse(t).furnish()
	h.hub.SetGuarding(&hub.Guarding{Kind: hub.GuardFuse, Cause: "phase 1 would carry 27 A", Devices: []string{"car"}})
	for lang, want := range map[string]string{"en": "<b>The main fuse is nearly full. Held back:</b> Car", "de": "<b>Die Hauptsicherung ist fast ausgelastet. Gebremst:</b> Car"} {
		if _, page := h.browser().do("GET", "/plan", "", "Accept-Language", lang); !strings.Contains(page, want) {
			t.Errorf("in %s the page does not say %s", lang, want)
		}
	}
}

func TestPauseForm(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Family)
	for _, bad := range []string{"until=" + h.now.Format("2006-01-02"), "until=2020-01-01", "until=soon"} {
		if status, _ := b.do("POST", "/devices/car/pause", bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	day := h.now.AddDate(0, 0, 30)
	b.posted(t, "/devices/car/pause", "until="+day.Format("2006-01-02"))
	// A plan that is changed in the holidays stays paused.
	b.posted(t, "/devices/car/schedule", "ready_by=06:00&amount=9&unit=kwh&day=mon")
	d, _ := h.hub.Device("car")
	if got := d.Schedule.PausedUntil.In(amsterdam()).Format("2006-01-02 15:04"); got != day.Format("2006-01-02")+" 00:00" || d.Schedule.Energy != 9000 {
		t.Errorf("paused until %s", got)
	}
	if status, _ := b.do("POST", "/devices/boiler/pause", "until="+day.Format("2006-01-02")); status != 409 {
		t.Errorf("no plan to pause: %d", status)
	}
}
