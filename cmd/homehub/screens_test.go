package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

var screens = flag.String("screens", "", "folder for pictures of the pages")

// picture is one page in one state. The page is pictured as a whole unless it
// has a height.
type picture struct {
	name, path string
	tall, wide int64  // of the screen; 0 is a phone's
	before     string // script that brings the page to its state
	until      string // condition for it
	theme      string // "" is both
}

// demoPictures are pages of the demo, its owner logged in.
var demoPictures = []picture{
	{name: "now", path: "/"},
	{name: "kiosk-phone", path: "/?kiosk", wide: 390, tall: 844},
	{name: "kiosk-7in", path: "/?kiosk", wide: 1024, tall: 600, theme: "dark"},
	{name: "kiosk-10in", path: "/?kiosk", wide: 1280, tall: 800},
	{name: "kiosk-upright", path: "/?kiosk", wide: 800, tall: 1280},
	{name: "plan", path: "/plan"},
	{name: "editor", path: "/plan?edit=plug&ready_by=07:00&amount=3&unit=h&day=mon&day=tue&day=wed&day=thu&day=fri&may_pause=1"},
	{name: "day", path: "/history?view=day&date=2026-06-17"},
	{name: "month", path: "/history?view=month&date=2026-05-17"},
	{name: "year", path: "/history?view=year&date=2026-06-17"},
	{name: "compare", path: "/history?view=day&date=2026-06-17&with=prev"},
	{name: "table", path: "/history?view=week&date=2026-06-10", before: "document.getElementById('table').open = true"},
	{name: "devices", path: "/devices"},
	{name: "device", path: "/devices", before: "for (const d of document.querySelectorAll('#dev-plug details')) d.open = true; for (const e of document.querySelectorAll('main > *, .cols > *')) if (!e.contains(document.getElementById('dev-plug')) && !e.matches('h1')) e.remove()"},
	{name: "more", path: "/more"},
	{name: "people", path: "/more", before: "for (const d of document.querySelectorAll('[aria-labelledby=people-h] details')) d.open = true"},
	{name: "notices", path: "/notices"},
	{name: "status", path: "/status"},
	{name: "data", path: "/data"},
	{name: "map", path: "/devices/map?sample=plain"},
	{name: "inspector", path: "/status?kind=audit&q=logged"},
	{name: "settings", path: "/setup?step=language"},
	{name: "price", path: "/setup?step=price"},
	{name: "error", path: "/nothing"},
}

// TestScreens takes pictures of the pages, on a phone in light and dark: make
// screenshots. Every hub in them is a real one.
func TestScreens(t *testing.T) {
	if *screens == "" {
		t.Skip("only with -screens")
	}
	for name, take := range map[string]func(*testing.T, *studio){"demo": demoScreens, "fresh": freshScreens, "pairing": pairingScreens} {
		t.Run(name, func(t *testing.T) { take(t, newStudio(t)) })
	}
	list, err := os.ReadDir(*screens)
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, f := range list {
		if info, err := f.Info(); err == nil {
			sum += info.Size()
		}
	}
	if t.Logf("%d pictures, %d bytes", len(list), sum); sum > 3_000_000 {
		t.Errorf("the pictures weigh %d bytes, at most 3 MB", sum)
	}
}

func demoScreens(t *testing.T, s *studio) {
	p := launch(t, "demo", "--history", "400d", "--interval", "60s", "--start", "2026-06-18T13:20", "--listen", "{web}", "--mqtt", "{mqtt}")
	p.until("everything has spoken", 2*time.Minute, func() bool {
		c, _ := p.condition("scheduler")
		l := p.live()
		return c == "ok" && !l.At.IsZero() && l.SolarW != nil && *l.SolarW > 0 && l.AgeS < 5
	})
	s.take(p, picture{name: "login", path: "/login"})
	p.login()
	p.form("/setup/done")
	p.form("/notices/seen")
	s.enter(p)
	for _, pic := range demoPictures {
		s.take(p, pic)
	}
}

// freshScreens are the first run, and a meter that never spoke or fell silent.
func freshScreens(t *testing.T, s *studio) {
	m := newTestMeter(t)
	m.begun = time.Now().Truncate(time.Second)
	p := m.serve()
	s.take(p, picture{name: "first-language", path: "/setup"})
	s.take(p, picture{name: "first-password", path: "/setup?step=password"})
	s.take(p, picture{name: "first-meter-none", path: "/setup?step=meter"})
	s.take(p, picture{name: "first-price", path: "/setup?step=price"})
	m.send()
	s.take(p, picture{name: "first-meter", path: "/setup?step=meter", until: "document.getElementById('hero').dataset.dir === 'from'"})
	p.form("/setup/password", "password", "correct horse")
	p.form("/setup/done")
	s.enter(p)
	s.take(p, picture{name: "now-stale", path: "/", until: "document.getElementById('hero').dataset.dir === 'none'"})
}

// pairingScreens are a window with a device that asks, from both sides.
func pairingScreens(t *testing.T, s *studio) {
	p, _ := launchHub(t)
	p.login()
	s.enter(p)
	if code, out := p.send(http.MethodPost, "/api/pairing", map[string]any{}); code != 200 {
		t.Fatalf("opening: %d %s", code, out)
	}
	s.take(p, picture{name: "secure", path: "/secure"})
	guide := picture{name: "guide", path: "/pairing", before: "document.querySelector('#pairing details').open = true", until: "document.querySelector('#pairing svg.qr')"}
	s.take(p, guide)
	p.newPlug(mayListenOn80())
	s.take(p, picture{name: "pairing", path: "/devices", until: "document.querySelector('#pairing form.asks')"})
	s.take(p, picture{name: "asked", path: "/more", wide: 390, tall: 844, until: "document.querySelector('#ask form')"})
}

// studio is a browser that takes pictures.
type studio struct {
	t   *testing.T
	ctx context.Context
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	return &studio{t, newTab(t, 10*time.Minute)}
}

// enter shows the browser the log-in of p's client.
func (s *studio) enter(p *process) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range p.http.Jar.Cookies(req.URL) {
		_, err := call(s.ctx, network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: p.url, HTTPOnly: new(true), SameSite: network.CookieSameSiteStrict})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// take takes a picture in light and dark.
func (s *studio) take(p *process, pic picture) {
	s.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		if pic.theme != "" && pic.theme != scheme {
			continue
		}
		img, err := s.expose(p, pic, scheme)
		if err == nil {
			img, err = small(img)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(*screens, pic.name+"-"+scheme+".png"), img, 0o644)
		}
		if err != nil {
			s.t.Fatalf("%s in %s: %v", pic.path, scheme, err)
		}
	}
}

func (s *studio) expose(p *process, pic picture, scheme string) ([]byte, error) {
	if pic.wide == 0 {
		pic.wide = 390
	}
	_, err := call(s.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		return nil, err
	}
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(pic.wide, cmp.Or(pic.tall, 844)), chromedp.Navigate(p.url+pic.path)); err != nil {
		return nil, err
	}
	drawn := "document.readyState === 'complete' && (!document.getElementById('chart') || !!document.getElementById('chart').dataset.drawn)"
	if pic.until != "" {
		drawn += " && !!(" + pic.until + ")"
	}
	if pic.before != "" {
		if err := chromedp.Do(s.ctx, chromedp.Evaluate[chromedp.Void](pic.before+"; undefined")); err != nil {
			return nil, err
		}
	}
	if _, err := chromedp.Run(s.ctx, chromedp.Poll[bool](drawn, chromedp.WithPollingTimeout(time.Minute))); err != nil {
		return nil, fmt.Errorf("waiting for %s: %w", drawn, err)
	}
	if pic.tall > 0 {
		return chromedp.Run(s.ctx, chromedp.CaptureScreenshot())
	}
	tall, err := chromedp.Run(s.ctx, chromedp.Evaluate[int64]("document.documentElement.scrollHeight"))
	if err != nil {
		return nil, err
	}
	if err := chromedp.Do(s.ctx, chromedp.EmulateViewport(pic.wide, tall)); err != nil {
		return nil, err
	}
	return chromedp.Run(s.ctx, chromedp.FullScreenshot(100))
}

func call[P, R any](ctx context.Context, cmd cdp.Command[P, R], params P) (out R, err error) {
	err = chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) (err error) {
		out, err = chromedp.Call(ctx, cmd, params)
		return err
	}))
	return out, err
}
