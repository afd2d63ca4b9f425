package webui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// What the pages of settings, notices and people do, programs do over the API.
func TestSettingsOverTheAPI(t *testing.T) {
	h := newHouse(t)
	b := h.token(webui.Owner)
	for _, c := range []struct{ body, field string }{
		{`{"language":"xx"}`, "lang"},
		{`{"zone":"Local"}`, "zone"},
		{`{"zone":""}`, "zone"},
		{`{"idle_minutes":4}`, "idle"},
		{`{"price":{"kind":"cheap"}}`, "kind"},
		{`{"price":{"kind":"fixed","day_microeuro_kwh":10000001}}`, "price"},
		{`{"price":{"kind":"fixed","from":"soon"}}`, "price_from"},
		{`{"price":{"kind":"fixed","from":"2999-01-01"}}`, "price_from"},
		{`{"price":{"kind":"dynamic","vat_percent":51}}`, "vat"},
		{`{"price":{"kind":"daynight","night_from":"25:00"}}`, ""},
		{`{"prize":{}}`, "prize"},
	} {
		status, answer := b.do("PATCH", "/api/settings", c.body)
		if status != 400 || !strings.Contains(answer, c.field) {
			t.Errorf("%s: %d %s", c.body, status, answer)
		}
	}
	if got := h.home.Settings(); got.Language != "en" || got.Price.Kind != webui.PriceDayNight {
		t.Errorf("what was refused was kept: %+v", got)
	}
	if status, answer := b.do("PATCH", "/api/settings", `{"language":"fr","zone":"Europe/Paris","idle_minutes":60,"price":{"kind":"fixed","day_microeuro_kwh":310000,"export_microeuro_kwh":40000}}`); status != 200 || !strings.Contains(answer, `"language":"fr"`) {
		t.Fatalf("%d %s", status, answer)
	}
	got := h.home.Settings()
	if got.Zone != "Europe/Paris" || got.Idle != time.Hour || got.Price.Day != 310_000 || got.Price.Night != 310_000 || len(got.Past) != 1 || got.Past[0].Kind != webui.PriceDayNight {
		t.Errorf("%+v", got)
	}
	if day := got.PriceFrom.In(amsterdam()); day.Hour() != 0 || day.Day() != h.now.Day() {
		t.Errorf("a price without a day holds from %v", day)
	}
	if log := strings.Join(h.audited(), "\n"); !strings.Contains(log, "set the house to fr and Europe/Paris") || !strings.Contains(log, "set the price: One price") {
		t.Errorf("the audit log says\n%s", log)
	}
}

func TestNoticesOverTheAPI(t *testing.T) {
	h := newHouse(t)
	b := h.token(webui.Owner)
	h.notices.Tell(hub.Notice{Kind: hub.NoticeRun, About: "Washer", At: h.now})
	h.notices.Tell(hub.Notice{Kind: hub.NoticeLogin, About: "jan", Detail: "192.168.1.9", At: h.now})
	if _, body := b.do("GET", "/api/notices", ""); !strings.Contains(body, "Washer is finished.") || !strings.Contains(body, "jan logged in") {
		t.Errorf("the owner reads %s", body)
	}
	if _, body := h.token(webui.Family).do("GET", "/api/notices", ""); !strings.Contains(body, "Washer") || strings.Contains(body, "jan") {
		t.Errorf("the family reads %s", body)
	}
	if status, body := b.do("PUT", "/api/notices/rules", `{"mail":{"server":"mail.example.org"}}`); status != 400 || !strings.Contains(body, "mail_server") {
		t.Errorf("%d %s", status, body)
	}
	set := `{"off":["run"],"mail":{"server":"mail.example.org:587","user":"me","password":"geheim","from":"a@b.example","to":"c@d.example"}}`
	if status, body := b.do("PUT", "/api/notices/rules", set); status != 200 || strings.Contains(body, "geheim") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := b.do("PUT", "/api/notices/rules", strings.Replace(set, "geheim", "", 1)); status != 200 || h.notices.Rules().Mail.Password != "geheim" {
		t.Errorf("an empty secret took the old one away: %d %+v", status, h.notices.Rules())
	}
	if status, _ := b.do("PUT", "/api/notices/rules", strings.Replace(strings.Replace(set, "geheim", "", 1), "mail.example.org", "evil.example.org", 1)); status != 200 || h.notices.Rules().Mail.Password != "" {
		t.Errorf("a secret followed to another place: %d", status)
	}
	if _, body := b.do("GET", "/api/notices/rules", ""); strings.Contains(body, "geheim") || !strings.Contains(body, `"channel":"mail","used":true`) {
		t.Errorf("%s", body)
	}
	if status, _ := b.do("POST", "/api/notices/mail/try", ""); status != 204 {
		t.Errorf("try: %d", status)
	}
	if status, _ := b.do("POST", "/api/notices/ntfy/try", ""); status != 404 {
		t.Errorf("a channel that is not in use: %d", status)
	}
}

func TestPeopleOverTheAPI(t *testing.T) {
	h := newHouse(t)
	b := h.token(webui.Owner)
	if status, body := b.do("PATCH", "/api/users/family", `{"role":"owner"}`); status != 200 || !strings.Contains(body, `"role":"owner"`) {
		t.Errorf("%d %s", status, body)
	}
	for path, want := range map[string]int{"/api/users/owner": 409, "/api/users/installer": 400, "/api/users/nobody": 404} {
		if status, _ := b.do("PATCH", path, `{"role":"family"}`); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	_, body := b.do("POST", "/api/users/family/password", "")
	_, rest, _ := strings.Cut(body, `"password":"`)
	fresh, _, _ := strings.Cut(rest, `"`)
	login := func(pw string) (*browser, int) {
		other := h.browser()
		status, _ := other.do("POST", "/api/login", `{"user":"family","password":"`+pw+`"}`)
		return other, status
	}
	if _, status := login(password); status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", status)
	}
	anna, status := login(fresh)
	if status != 200 {
		t.Fatalf("the fresh password %q: %d", fresh, status)
	}
	second, _ := login(fresh)
	for sent, want := range map[string]int{`{"old":"wrong","new":"a longer secret"}`: 400, `{"old":"` + fresh + `","new":"short"}`: 400, `{"old":"` + fresh + `","new":"a longer secret"}`: 204} {
		if want == 204 {
			continue // last, below
		}
		if status, _ := anna.do("POST", "/api/password", sent); status != want {
			t.Errorf("%s: %d", sent, status)
		}
	}
	if status, _ := anna.do("POST", "/api/password", `{"old":"`+fresh+`","new":"a longer secret"}`); status != 204 {
		t.Errorf("changing it: %d", status)
	}
	if status, _ := second.do("GET", "/api/audit", ""); status != 401 {
		t.Errorf("another log-in goes on: %d", status)
	}
	if status, _ := anna.do("GET", "/api/audit", ""); status != 200 {
		t.Errorf("the one that changed it has ended: %d", status)
	}
	if status, _ := b.do("POST", "/api/password", `{"old":"x","new":"a longer secret"}`); status != 401 {
		t.Errorf("a token has no password: %d", status)
	}
}

// A price that is changed holds from its day on, and what was before stays.
func TestPricesHaveTheirDays(t *testing.T) {
	h := newHouseAt(t, time.Date(2026, 6, 15, 12, 0, 0, 0, amsterdam()))
	b := h.as(webui.Owner)
	fixed := func(price, from string) (int, string) {
		return b.post("/setup/price", "kind", "fixed", "fixed", price, "export", "0.05", "price_from", from)
	}
	show := func() string {
		s := h.home.Settings()
		text := ""
		for _, d := range append(s.Past, webui.DatedPrice{From: s.PriceFrom, Price: s.Price}) {
			day := "ever"
			if !d.From.IsZero() {
				day = d.From.In(amsterdam()).Format("01-02 15:04")
			}
			text += day + " " + string(d.Kind) + " " + time.Duration(d.Day/1000).String() + "|"
		}
		return text
	}
	for _, c := range []struct{ price, from, want string }{
		{"0.30", "2026-06-15", "ever daynight 290ns|06-15 00:00 fixed 300ns|"},
		{"0.31", "2026-07-01", "ever daynight 290ns|06-15 00:00 fixed 300ns|07-01 00:00 fixed 310ns|"},
		{"0.32", "2026-03-01", "ever daynight 290ns|03-01 00:00 fixed 320ns|"},
		{"0.33", "", "ever daynight 290ns|03-01 00:00 fixed 320ns|06-15 00:00 fixed 330ns|"},
		{"0.34", "2026-06-15", "ever daynight 290ns|03-01 00:00 fixed 320ns|06-15 00:00 fixed 340ns|"},
		{"0.34", "2026-06-15", "ever daynight 290ns|03-01 00:00 fixed 320ns|06-15 00:00 fixed 340ns|"}, // nothing new
	} {
		if status, to := fixed(c.price, c.from); status != 303 {
			t.Fatalf("%s: %d %s", c.from, status, to)
		}
		if got := show(); got != c.want {
			t.Errorf("%s from %q: %s, want %s", c.price, c.from, got, c.want)
		}
	}
	before := show()
	_, to := fixed("0.50", "2026-06-01")
	if b.undo(to, "/setup") != 303 || show() != before {
		t.Errorf("after the undo: %s", show())
	}
	if status, _ := fixed("0.50", "yesterday"); status != 400 || show() != before {
		t.Errorf("no day: %d %s", status, show())
	}
	_, page := b.do("GET", "/setup?step=price", "")
	for _, want := range []string{`name="price_from" value="2026-06-15"`, "At first", "Day and night, 0.29 / 0.23", "One price, 0.34"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// The first price that somebody decides holds for all the past: what was
// before was an example.
func TestTheFirstPriceHoldsForEver(t *testing.T) {
	h := newHouse(t)
	h.home.now.Price.Example = true
	b := h.as(webui.Owner)
	if _, page := b.do("GET", "/setup?step=price", ""); strings.Contains(page, "price_from") {
		t.Error("the first price is asked for its day")
	}
	b.post("/setup/price", "kind", "fixed", "fixed", "0.3", "export", "0")
	if s := h.home.Settings(); len(s.Past) != 0 || !s.PriceFrom.IsZero() || s.Price.Day != 300_000 {
		t.Errorf("%+v", s)
	}
}
