package webui_test

import (
	"fmt"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"homehub/hub"
	"homehub/webui"
)

// live waits until the page's stream is open.
func (b *tab) live() {
	b.t.Helper()
	b.h.read(1, 0)
	b.wait("document.getElementById('net').textContent === '1'")
}

// checkWall looks whether a page fills its screen: no more, hardly less, and
// nothing over anything else.
const checkWall = `(() => {
	const bad = [], boxes = [...document.querySelectorAll('.hero, .card')].map(e => ({name: e.id, r: e.getBoundingClientRect()}));
	const root = document.documentElement, low = Math.max(...boxes.map(b => b.r.bottom));
	if (root.scrollHeight > innerHeight || root.scrollWidth > innerWidth) bad.push('it is ' + root.scrollWidth + ' by ' + root.scrollHeight);
	if (low < innerHeight * .95) bad.push('it ends at ' + low);
	for (const a of boxes) for (const b of boxes) {
		if (a.name < b.name && a.r.left < b.r.right && b.r.left < a.r.right && a.r.top < b.r.bottom && b.r.top < a.r.bottom) bad.push(a.name + ' is over ' + b.name);
	}
	return bad.join('; ');
})()`

func nowJourneys() []journey {
	owner, closed := webui.Owner, func(c *webui.Config) { c.ReadOpen = false }
	list := []journey{
		{"the number follows the meter", scene{}, func(b *tab) {
			b.open("/")
			if got := b.text("#net"); got != "432" {
				b.t.Errorf("the page begins with %s W", got)
			}
			if eval[bool](b, "isSecureContext") {
				b.t.Error("the test would not see what a phone sees: this is a secure context")
			}
			b.live()
			b.h.read(1234, 0)
			b.wait("document.getElementById('net').textContent === '1,234'")
			if eval[string](b, "getComputedStyle(document.querySelector('.from')).display") == "none" {
				b.t.Error("the page does not say that it comes from the grid")
			}
		}},
		{"what goes to the grid is named", scene{}, func(b *tab) {
			b.open("/")
			b.live()
			b.h.read(0, 890)
			b.wait("document.getElementById('hero').dataset.dir === 'to' && document.getElementById('net').textContent === '890'")
			b.wait("document.querySelector('[data-w=grid]').textContent === '890 W' && document.querySelector('[data-w=house]').textContent === '440 W'")
			b.wait("document.querySelector('[data-wire=grid]').dataset.dir === 'out' && document.querySelector('[data-part=sun]').textContent === '100%'")
		}},
		{"at rest", scene{}, func(b *tab) {
			b.open("/")
			b.live()
			b.h.read(0, 0)
			b.wait("document.getElementById('hero').dataset.dir === 'even'")
			b.says("Nothing from or to the grid")
		}},
		{"a meter that falls silent and speaks again", scene{}, func(b *tab) {
			b.open("/")
			b.live()
			b.h.hub.Tick(b.t.Context(), time.Now().Add(time.Hour))
			b.wait("document.getElementById('hero').dataset.dir === 'none' && document.querySelector('.none').textContent.startsWith('No meter since')")
			b.h.read(7, 0)
			b.wait("document.getElementById('hero').dataset.dir === 'from' && document.getElementById('net').textContent === '7'")
		}},
		{"no meter yet", scene{empty: true}, func(b *tab) {
			b.open("/")
			b.says("No meter since")
			b.h.read(12, 0)
			b.wait("document.getElementById('net').textContent === '12'")
		}},
		{"the stream breaks and comes back", scene{}, func(b *tab) {
			b.open("/")
			b.live()
			b.h.web.CloseClientConnections()
			b.h.read(2, 0)
			b.wait("document.getElementById('net').textContent === '2' && document.getElementById('lost').hidden")
		}},
		{"offline and back", scene{}, func(b *tab) {
			b.open("/")
			b.live()
			offline := func(is bool) {
				call(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}}})
				call(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: is, DownloadThroughput: -1, UploadThroughput: -1})
			}
			offline(true)
			defer offline(false)
			b.h.web.CloseClientConnections()
			b.wait("!document.getElementById('lost').hidden && document.getElementById('lost').textContent.includes('No connection')")
			b.h.read(77, 0)
			offline(false)
			b.wait("document.getElementById('lost').hidden && document.getElementById('net').textContent === '77'")
		}},
		{"a hidden page holds no stream", scene{}, func(b *tab) {
			b.open("/")
			b.live()
			hide := func(is string) {
				b.js("Object.defineProperty(document, 'hidden', {get: () => " + is + ", configurable: true}); document.dispatchEvent(new Event('visibilitychange'))")
			}
			hide("true")
			b.until("the stream is closed", func() bool { return b.h.server.OpenStreams() == 0 })
			b.h.read(55, 0)
			hide("false")
			b.wait("document.getElementById('net').textContent === '55'")
		}},
		{"the hub was updated", scene{}, func(b *tab) {
			b.open("/")
			b.live()
			b.js("document.documentElement.dataset.version = 'older'")
			b.h.web.CloseClientConnections()
			b.wait("!document.getElementById('newer').hidden")
		}},
		{"a new plan shows by itself", scene{}, func(b *tab) {
			b.open("/")
			b.says("Washing machine")
			p := b.h.plan()
			p.Devices = p.Devices[:1]
			p.Devices[0].Reason = "A wholly new reason."
			b.h.hub.SetPlan(p)
			b.wait("document.getElementById('next').textContent.includes('A wholly new reason.')")
		}},
		{"a battery joins the picture", scene{}, func(b *tab) {
			b.open("/")
			if err := b.h.hub.PutDevice(hub.Device{ID: "cell", Name: "Home battery", Family: hub.FamilyEmonESP, Role: hub.RoleBattery, Topic: "emon/cell"}); err != nil {
				b.t.Fatal(err)
			}
			b.h.report(hub.Report{Device: "cell", Has: hub.ReportOnline | hub.ReportPower, Online: true, Power: -800})
			b.wait("document.querySelector('[data-wire=battery]')?.dataset.dir === 'in' && document.querySelector('[data-part=battery]')?.textContent === '20%'")
			b.h.report(hub.Report{Device: "cell", Has: hub.ReportPower, Power: 900})
			b.wait("document.querySelector('[data-wire=battery]').dataset.dir === 'out' && document.querySelector('[data-w=battery]').textContent === '900 W'")
		}},
		{"the storage's trouble is on top", scene{}, func(b *tab) {
			b.h.health.Set("storage", hub.Down, "the card is read-only")
			b.open("/")
			b.wait("document.getElementById('banners').textContent.includes('the card is read-only')")
		}},
		{"on a wall", scene{role: owner}, func(b *tab) {
			b.open("/?kiosk")
			if n := eval[int](b, "document.querySelectorAll('header, nav, form').length"); n != 0 {
				b.t.Errorf("the wall has %d bars and forms", n)
			}
			if size := eval[float64](b, "parseFloat(getComputedStyle(document.querySelector('.big')).fontSize)"); size < 75 {
				b.t.Errorf("the number is %v px high", size)
			}
			b.live()
			b.h.hub.SetPlan(b.h.plan())
			b.wait("document.body.classList.contains('kiosk') && document.getElementById('next').textContent.includes('Washing machine')")
		}},
		{"a wall needs the log-in that the house wants", scene{change: closed}, func(b *tab) {
			b.open("/?kiosk")
			b.wait("location.pathname === '/login' && new URLSearchParams(location.search).get('next') === '/?kiosk'")
		}},
		{"midnight passes", scene{at: "2026-06-12T23:59:59+02:00"}, func(b *tab) {
			b.open("/")
			b.wait("document.getElementById('next').textContent.includes('02:15–05:15') && !document.getElementById('next').textContent.includes('tomorrow')")
		}},
		{"the night before spring", scene{at: "2026-03-28T20:00:00+01:00"}, func(b *tab) {
			b.open("/")
			b.says("tomorrow 03:00–06:00")
		}},
		{"the night before autumn", scene{at: "2026-10-24T20:00:00+02:00"}, func(b *tab) {
			b.open("/")
			b.says("tomorrow 02:15–04:15")
		}},
		{"at 320 px", scene{narrow: true, role: owner}, func(b *tab) {
			b.open("/")
			if w := eval[int](b, "document.documentElement.scrollWidth"); w != 320 {
				b.t.Errorf("the page is %d px wide", w)
			}
		}},
		{"nothing moves for whom motion hurts", scene{}, func(b *tab) {
			motion := func(value string) {
				call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: value}}})
			}
			motion("no-preference")
			b.open("/")
			b.wait("document.getAnimations().length > 0")
			motion("reduce")
			b.wait("document.getAnimations().length === 0")
			if n := eval[int](b, "document.getAnimations().length"); n != 0 {
				b.t.Errorf("%d things move", n)
			}
			if eval[string](b, "getComputedStyle(document.querySelector('[data-wire=sun] .in')).display") == "none" {
				b.t.Error("nothing but motion shows where power goes")
			}
		}},
	}
	for _, wall := range [][2]int64{{1024, 600}, {1280, 800}, {1920, 1080}, {800, 1280}} {
		list = append(list, journey{fmt.Sprintf("on a wall of %d by %d", wall[0], wall[1]), scene{}, func(b *tab) {
			b.do(chromedp.EmulateViewport(wall[0], wall[1]))
			b.open("/?kiosk")
			if found := eval[string](b, checkWall); found != "" {
				b.t.Error(found)
			}
		}})
	}
	for lang, want := range map[string][2]string{
		"en": {"From the grid now", "2,710 W"}, "nl": {"Nu van het net", "2.710 W"}, "fr": {"Du réseau en ce moment", "2\u202f710 W"},
		"de": {"Jetzt vom Netz", "2.710 W"}, "cy": {"O’r grid nawr", "2,710 W"},
	} {
		list = append(list, journey{"live in " + lang, scene{lang: lang}, func(b *tab) {
			b.open("/")
			b.says(want[0])
			b.live()
			if got := b.text("[data-w=sun]"); got != want[1] {
				b.t.Errorf("the script writes %q, want %q as the server", got, want[1])
			}
		}})
	}
	return list
}

// until waits for what the hub, not the page, has to do.
func (b *tab) until(what string, is func() bool) {
	b.t.Helper()
	for !is() {
		select {
		case <-b.ctx.Done():
			b.t.Fatalf("waiting until %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
