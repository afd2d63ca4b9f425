package webui_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"homehub/hub"
	"homehub/webui"
)

// fakeHome keeps what is decided about the house.
type fakeHome struct {
	mu     sync.Mutex
	now    webui.HouseSettings
	prices string
}

func newFakeHome() *fakeHome {
	return &fakeHome{now: webui.HouseSettings{Language: "en", Zone: "Europe/Amsterdam", Done: true, Price: webui.Price{
		Kind: webui.PriceDayNight, Day: 290_000, Night: 230_000, Export: 60_000, NightFrom: 23 * 60, NightTo: 7 * 60, Weekend: true,
	}}}
}

func (f *fakeHome) Settings() webui.HouseSettings {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fakeHome) PutSettings(h webui.HouseSettings) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = h
	return nil
}

func (f *fakeHome) PutPrices(text []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !strings.Contains(string(text), ",") {
		return 0, hub.FieldErrorf("prices", "are not two columns")
	}
	f.prices = string(text)
	return strings.Count(f.prices, "\n"), nil
}

// fresh is a hub out of the box: nobody has a password, nothing is decided.
func fresh(c *webui.Config) {
	c.ReadOpen = false
	users := &fakeUsers{list: map[string]webui.User{}}
	c.Users = users
	home := c.House.(*fakeHome)
	home.now.Done, home.now.Price.Example = false, true
}

func setupJourneys() []journey {
	return []journey{
		{"first run to the first reading in four taps", scene{change: fresh}, func(b *tab) {
			b.open("/")
			b.wait("location.pathname === '/setup'")
			b.click("main button.main") // language and zone are right
			b.wait("location.search === '?step=password'")
			b.do(chromedp.SendKeys(chromedp.CSS("input[name=password]"), "a fresh password"))
			b.click("main button.main")
			b.wait("location.search === '?step=meter' && document.querySelector('#net')?.textContent === '432'")
			b.h.read(1234, 0)
			b.wait("document.querySelector('#net')?.textContent === '1,234'")
			if b.taps > 4 {
				b.t.Errorf("%d taps", b.taps)
			}
			b.click("main a.go")
			b.wait("location.search === '?step=price'")
			b.click("main button.main")
			b.wait("location.pathname === '/' && document.querySelector('.who')?.textContent === 'owner'")
			if h := b.h.home.Settings(); !h.Done || h.Price.Example {
				b.t.Errorf("%+v", h)
			}
		}},
		{"first run with everything put off", scene{change: fresh}, func(b *tab) {
			b.open("/")
			for _, step := range []string{"password", "meter"} {
				b.click("main a.btn")
				b.wait("location.search === '?step=" + step + "'")
			}
			b.click("main a.go")
			b.wait("location.search === '?step=price'")
			b.click("form[action='/setup/done'] button")
			b.wait("location.pathname === '/' && document.querySelector('#banners')?.textContent.includes('Nobody has chosen a password')")
			b.open("/more")
			b.click(".doors a[href='/setup?step=password']")
			b.do(chromedp.SendKeys(chromedp.CSS("input[name=password]"), "a fresh password"))
			b.click("main button.main")
			b.wait("location.pathname === '/' && document.querySelector('.who')?.textContent === 'owner'")
		}},
		{"without JavaScript: the first run in Welsh", scene{change: fresh, noScript: true}, func(b *tab) {
			b.open("/")
			b.do(chromedp.SetValue(chromedp.CSS("select[name=lang]"), "cy"), chromedp.SetValue(chromedp.CSS("input[name=zone]"), "Europe/London"))
			b.click("main button.main")
			b.wait("document.documentElement.lang === 'cy'")
			b.do(chromedp.SendKeys(chromedp.CSS("input[name=password]"), "a fresh password"))
			b.click("main button.main")
			b.wait("location.search === '?step=meter'")
			b.click("main a.go")
			b.click("main input[value=fixed]")
			b.do(chromedp.SetValue(chromedp.CSS("input[name=fixed]"), "0.31"))
			b.click("main button.main")
			b.wait("location.pathname === '/'")
			h := b.h.home.Settings()
			if h.Language != "cy" || h.Zone != "Europe/London" || h.Price.Kind != webui.PriceFixed || h.Price.Night != 310_000 {
				b.t.Errorf("%+v", h)
			}
		}},
		{"the meter that comes later shows up by itself", scene{change: fresh, empty: true}, func(b *tab) {
			b.open("/setup?step=meter")
			b.says("Looking for the meter")
			b.until("the stream is open", func() bool { return b.h.server.OpenStreams() == 1 })
			b.h.read(777, 0)
			b.wait("document.querySelector('#net')?.textContent === '777' && document.querySelector('#meter')?.textContent.includes('is found')")
		}},
		{"another price, and back", scene{role: webui.Owner}, func(b *tab) {
			b.open("/setup?step=price")
			b.click("main input[value=fixed]")
			b.do(chromedp.SetValue(chromedp.CSS("input[name=fixed]"), "0,25"))
			b.click("main button.main")
			b.flash("Saved.")
			if p := b.h.home.Settings().Price; p.Day != 250_000 || p.Night != 250_000 {
				b.t.Errorf("%+v", p)
			}
			b.click("#flash form[action='/undo'] button")
			b.flash("Taken back.")
			if p := b.h.home.Settings().Price; p.Night != 230_000 {
				b.t.Errorf("%+v", p)
			}
		}},
	}
}

func noticeJourneys() []journey {
	return []journey{
		{"a channel is switched on, tried and taken back", scene{role: webui.Owner}, func(b *tab) {
			b.open("/more")
			b.click(".doors a[href='/notices']")
			b.click(".way:nth-of-type(2) summary")
			b.do(chromedp.SendKeys(chromedp.CSS("form[action='/notices/ntfy'] input[name=url]"), "https://ntfy.sh/our-house"))
			b.click("form[action='/notices/ntfy'] button.main")
			b.flash("Saved.")
			b.click("form[action='/notices/ntfy/try'] button")
			b.flash("The test is sent.")
		}},
		{"without JavaScript: quiet hours", scene{role: webui.Owner, noScript: true}, func(b *tab) {
			b.open("/notices")
			b.click("input[name=quiet]")
			b.do(chromedp.SetValue(chromedp.CSS("input[name=quiet_from]"), "21:15"))
			b.click("form[action='/notices/rules'] button.main")
			b.flash("Saved.")
			if r := b.h.notices.Rules(); !r.Quiet || r.QuietFrom != 21*60+15 {
				b.t.Errorf("%+v", r)
			}
			b.click("#flash form[action='/undo'] button")
			b.flash("Taken back.")
		}},
		{"a notice is told on the first page until it is read", scene{role: webui.Family}, func(b *tab) {
			b.h.notices.Tell(hub.Notice{Kind: hub.NoticeRun, About: "Washing machine"})
			b.open("/")
			b.click("#banners a[href='/notices']")
			b.says("Washing machine is finished.")
			b.click("form[action='/notices/seen'] button")
			b.flash("Saved.")
			b.open("/")
			b.wait("document.querySelector('#banners') && !document.querySelector('#banners a')")
		}},
	}
}

func TestTheFirstPasswordIsChosenOnce(t *testing.T) {
	h := newHouse(t, fresh)
	one, two := h.browser(), h.browser()
	if status, to := one.post("/setup/password", "password", "short"); status != 400 || to != "" {
		t.Errorf("a short one: %d", status)
	}
	if status, to := one.post("/setup/password", "password", "correct horse"); status != 303 || to != "/setup?step=meter" {
		t.Errorf("the first: %d to %s", status, to)
	}
	for _, path := range []string{"/setup/password", "/setup/language", "/setup/price", "/setup/done"} {
		if status, _ := two.post(path, "password", "stolen horse", "lang", "en", "zone", "UTC", "kind", "fixed", "fixed", "1", "export", "1"); status != 401 {
			t.Errorf("%s by a stranger: %d", path, status)
		}
	}
	if status, _ := one.do("GET", "/api/tokens", ""); status != 200 {
		t.Errorf("the first is not the owner: %d", status)
	}
	if status, _ := two.do("GET", "/api/live", ""); status != 401 {
		t.Errorf("a stranger still looks: %d", status)
	}
	if status, to := one.post("/setup/password", "password", "another horse"); status != 409 || to != "" {
		t.Errorf("the owner again: %d", status)
	}
}

func TestTwoClaimAtOnce(t *testing.T) {
	h := newHouse(t, fresh)
	var wg sync.WaitGroup
	won := make(chan int, 4)
	for range 4 {
		b := h.browser()
		wg.Go(func() {
			status, _ := b.post("/setup/password", "password", "correct horse")
			won <- status
		})
	}
	wg.Wait()
	close(won)
	n := 0
	for status := range won {
		if status == 303 {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d own the hub", n)
	}
}

func TestAFreshHubLetsNobodySwitch(t *testing.T) {
	h := newHouse(t, fresh).furnish()
	b := h.browser()
	for path, want := range map[string]int{"/api/devices/washer/mode": 401, "/api/tokens": 401} {
		if status, _ := b.do("POST", path, `{"mode":"on","name":"x","role":"owner"}`); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestPricesAreChecked(t *testing.T) {
	h := newHouse(t)
	b := h.as(webui.Owner)
	good := map[string]string{"kind": "daynight", "day": "0,30", "night": "0.2", "export": "-0.01", "night_from": "22:00", "night_to": "6:00"}
	send := func(change ...string) int {
		fields := []string{}
		all := map[string]string{}
		for k, v := range good {
			all[k] = v
		}
		for i := 0; i+1 < len(change); i += 2 {
			all[change[i]] = change[i+1]
		}
		for k, v := range all {
			fields = append(fields, k, v)
		}
		status, _ := b.post("/setup/price", fields...)
		return status
	}
	for _, bad := range [][]string{{"kind", "free"}, {"day", ""}, {"day", "thirty"}, {"night", "30"}, {"export", "1e9"}, {"night_from", "25:00"}, {"kind", "dynamic", "vat", "21.5", "surcharge", "0.1"}} {
		if status := send(bad...); status != 400 {
			t.Errorf("%v: %d", bad, status)
		}
	}
	if h.home.Settings().Price.Day != 290_000 {
		t.Error("a price that is wrong was kept")
	}
	if status := send(); status != 303 {
		t.Errorf("a good one: %d", status)
	}
	if p := h.home.Settings().Price; p.Day != 300_000 || p.Night != 200_000 || p.Export != -10_000 || p.NightFrom != 22*60 || p.Weekend {
		t.Errorf("%+v", p)
	}
}

func TestMarketPricesComeAsAFileOrFromAProgram(t *testing.T) {
	h := newHouse(t)
	b := h.as(webui.Owner)
	body := strings.ReplaceAll(`--x
Content-Disposition: form-data; name="kind"

dynamic
--x
Content-Disposition: form-data; name="surcharge"

0.13
--x
Content-Disposition: form-data; name="vat"

21
--x
Content-Disposition: form-data; name="export"

0
--x
Content-Disposition: form-data; name="file"; filename="day.csv"

start,price
2026-11-22 00:00,0.08
--x--
`, "\n", "\r\n")
	if status, answer := b.do("POST", "/setup/price", body, "Content-Type", "multipart/form-data; boundary=x"); status != 303 {
		t.Fatalf("%d %s", status, answer)
	}
	if !strings.Contains(h.home.prices, "2026-11-22 00:00,0.08") || h.home.Settings().Price.VAT != 21 {
		t.Errorf("%q, %+v", h.home.prices, h.home.Settings().Price)
	}
	program := h.token(webui.Owner)
	if status, answer := program.do("PUT", "/api/prices", "2026-11-23 00:00,0.07\n", "Content-Type", "text/csv"); status != 200 || !strings.Contains(answer, `"prices":1`) {
		t.Errorf("%d %s", status, answer)
	}
	if status, _ := program.do("PUT", "/api/prices", "nonsense", "Content-Type", "text/csv"); status != 400 {
		t.Errorf("nonsense: %d", status)
	}
}

func TestTheIdleLogOutIsTheOwnersChoice(t *testing.T) {
	h := newHouse(t)
	b := h.as(webui.Owner)
	h.server.SetWall(time.Now().Add(59 * time.Minute))
	if status, _ := b.do("GET", "/api/tokens", ""); status != 200 {
		t.Fatalf("after 59 minutes: %d", status)
	}
	if status, _ := b.post("/setup/language", "lang", "en", "zone", "Europe/Amsterdam", "idle", "10"); status != 303 {
		t.Fatalf("setting: %d", status)
	}
	h.server.SetWall(time.Now().Add((59 + 11) * time.Minute))
	if status, _ := b.do("GET", "/api/tokens", ""); status != 401 {
		t.Errorf("11 minutes later: %d", status)
	}
	again := h.as(webui.Owner)
	for _, bad := range []string{"4", "43201", "ten"} {
		if status, _ := again.post("/setup/language", "lang", "en", "zone", "Europe/Amsterdam", "idle", bad); status != 400 {
			t.Errorf("%s minutes: %d", bad, status)
		}
	}
}
