package webui_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"homehub/hub"
	"homehub/webui"
)

// What people do, in a real browser. Waiting is always for something that the
// page shows; nothing waits for time alone.

func TestJourneyLiveNumber(t *testing.T) {
	h := newHouse(t).furnish()
	b := newTab(t, h)
	b.watch()
	b.open("/")
	if got := b.text("#net"); got != "432" {
		t.Fatalf("the page begins with %s W", got)
	}
	if eval[bool](b, "isSecureContext") {
		t.Fatal("the test would not see what a phone sees: this is a secure context")
	}
	b.wait("performance.getEntriesByType('resource').some(e => e.name.endsWith('app.js'))")
	h.read(1234, 0)
	b.wait("document.getElementById('net').textContent === '1,234'")
	if got := eval[string](b, "getComputedStyle(document.querySelector('.from')).display"); got == "none" {
		t.Error("the page does not say that it comes from the grid")
	}
	h.read(0, 890)
	b.wait("document.getElementById('net').textContent === '890' && document.getElementById('hero').dataset.dir === 'to'")
	b.wait("document.querySelector('[data-w=grid_w]').textContent === '890 W' && document.querySelector('[data-w=house_w]').textContent === '1,820 W'")
	b.wait("document.querySelector('.sun-grid').classList.contains('on') && !document.querySelector('.grid-house').classList.contains('on')")
	b.wait("document.getElementById('share-sun').textContent === '100 %'")
	h.hub.Tick(t.Context(), time.Now().Add(time.Hour))
	b.wait("document.getElementById('hero').dataset.dir === 'none' && document.querySelector('.none').textContent.startsWith('No meter since')")
	h.read(7, 0)
	b.wait("document.getElementById('hero').dataset.dir === 'from' && document.getElementById('net').textContent === '7'")
}

func TestJourneyStreamComesBack(t *testing.T) {
	h := newHouse(t).furnish()
	b := newTab(t, h)
	b.open("/")
	h.read(1, 0)
	b.wait("document.getElementById('net').textContent === '1'")
	h.web.CloseClientConnections()
	h.read(2, 0)
	b.wait("document.getElementById('net').textContent === '2' && document.getElementById('lost').hidden")
}

func TestJourneyDeviceEventRedraws(t *testing.T) {
	h := newHouse(t).furnish()
	b := newTab(t, h)
	b.open("/plan")
	b.wait("document.querySelector('#dev-washer .state').textContent.includes('off')")
	h.report(hub.Report{Device: "washer", Has: hub.ReportOn | hub.ReportPower, On: true, Power: 2044})
	b.wait("document.querySelector('#dev-washer .state').textContent.includes('2,044 W')")
}

func TestJourneySchedule(t *testing.T) {
	for _, script := range []bool{true, false} {
		name := map[bool]string{true: "with JavaScript", false: "without JavaScript"}[script]
		t.Run(name, func(t *testing.T) {
			h := newHouse(t).furnish()
			b := newTab(t, h)
			b.watch()
			b.scripts(script)
			b.logIn(webui.Family)
			b.open("/plan")
			if script {
				b.do(chromedp.Evaluate[chromedp.Void]("window.stays = true; undefined"))
			}
			b.click("#dev-boiler summary")
			b.do(chromedp.WaitVisible(chromedp.CSS("#dev-boiler input[name=amount]")))
			b.set("#dev-boiler input[name=ready_by]", "06:15")
			b.set("#dev-boiler input[name=amount]", "1.5")
			b.click("#dev-boiler .days label:nth-of-type(1) span")
			if script {
				b.wait("document.getElementById('pre-boiler')?.textContent.includes('Preview for 06:15.')")
			} else {
				b.click("#dev-boiler button[formmethod=get]")
				b.wait("document.getElementById('pre-boiler')?.textContent.includes('Preview for 06:15.')")
			}
			b.click("#dev-boiler button.main")
			b.wait("document.getElementById('flash').textContent.includes('Saved.')")
			d, _ := h.hub.Device("boiler")
			if s := d.Schedule; s == nil || s.ReadyBy != 6*60+15 || s.Minutes != 90 || s.Days != 1<<time.Monday {
				t.Errorf("the schedule is %+v", d.Schedule)
			}
			b.wait("document.querySelector('#dev-boiler .wish').textContent.includes('1 h 30 min, ready by 06:15, Mon')")
			if script && !eval[bool](b, "window.stays === true") {
				t.Error("the page was left")
			}
		})
	}
}

func TestJourneyBadScheduleIsExplained(t *testing.T) {
	h := newHouse(t).furnish()
	b := newTab(t, h)
	b.logIn(webui.Owner)
	b.open("/plan")
	b.click("#dev-boiler summary")
	b.set("#dev-boiler input[name=amount]", "a lot")
	b.click("#dev-boiler button.main")
	b.wait("document.querySelector('#flash [role=alert]')?.textContent.includes('is not a number')")
	if got := eval[string](b, "document.querySelector('#dev-boiler input[name=amount]').value"); got != "a lot" {
		t.Errorf("what was typed is now %q", got)
	}
	if got := eval[string](b, "document.activeElement.id"); got != "flash" {
		t.Errorf("the focus is on %q, not on the message", got)
	}
}

func TestJourneyOnAndOff(t *testing.T) {
	for _, script := range []bool{true, false} {
		h := newHouse(t).furnish()
		b := newTab(t, h)
		b.scripts(script)
		b.logIn(webui.Family)
		b.open("/plan")
		for _, mode := range []hub.Mode{hub.ModeOn, hub.ModeOff, hub.ModeAuto} {
			b.click("#dev-washer button[value=" + string(mode) + "]")
			b.wait("document.querySelector('#dev-washer [aria-pressed=true]')?.value === '" + string(mode) + "'")
			if d, _ := h.hub.Device("washer"); d.Mode != mode {
				t.Errorf("after %s the mode is %s", mode, d.Mode)
			}
		}
	}
}

func TestJourneyLogInAndOut(t *testing.T) {
	h := newHouse(t, func(c *webui.Config) { c.ReadOpen = false }).furnish()
	b := newTab(t, h)
	b.open("/history?view=week")
	b.wait("location.pathname === '/login'")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=password]"), "wrong"))
	b.click("main button.main")
	b.wait("document.querySelector('#flash [role=alert]')?.textContent.includes('Wrong name or password')")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=password]"), password))
	b.click("main button.main")
	b.wait("location.pathname + location.search === '/history?view=week'")
	b.open("/more")
	b.wait("document.querySelector('main').textContent.includes('Logged in as owner')")
	b.click("form[action='/logout'] button")
	b.wait("location.pathname === '/login' && document.querySelector('#flash')?.textContent.includes('logged out')")
	b.open("/")
	b.wait("location.pathname === '/login'")
}

func TestJourneyHistory(t *testing.T) {
	h := newHouse(t).furnish()
	b := newTab(t, h)
	b.watch()
	b.open("/history?view=day&date=2026-06-12")
	steps := []struct{ click, span string }{
		{"a[rel=prev]", "Thu 11 Jun 2026"},
		{"a[rel=next]", "Fri 12 Jun 2026"},
		{".links a:nth-child(2)", "Week 24: Mon 8 Jun – Sun 14 Jun 2026"},
		{"a[rel=prev]", "Week 23: Mon 1 Jun – Sun 7 Jun 2026"},
		{".links a:nth-child(3)", "June 2026"},
		{".links a:nth-child(4)", "2026"},
		{"a[rel=prev]", "2025"},
	}
	for _, step := range steps {
		b.click(step.click)
		b.wait("document.getElementById('span')?.textContent === " + quote(step.span))
		if h.server.HasChart() {
			b.wait("document.getElementById('chart').dataset.drawn")
		}
	}
	b.open("/history?view=day&date=2026-03-29")
	if rows := eval[int](b, "document.querySelectorAll('tbody tr').length"); rows != 23 {
		t.Errorf("the day of the spring change has %d hours", rows)
	}
	if !h.server.HasChart() {
		return
	}
	b.wait("document.getElementById('chart').dataset.drawn === '276'")
	b.do(chromedp.Focus(chromedp.CSS("#chart")))
	// The house's zone, not the browser's: the first point is midnight.
	b.do(chromedp.Evaluate[chromedp.Void](`document.getElementById('chart').dispatchEvent(new KeyboardEvent('keydown', {key: 'Home'})); undefined`))
	b.wait("document.getElementById('chart-read').textContent.startsWith('00:00: From the grid 400 W')")
	b.click("#table summary")
	b.do(chromedp.WaitVisible(chromedp.CSS("#table table")))
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func TestJourneyAddTestRemoveDevice(t *testing.T) {
	h := newHouse(t)
	b := newTab(t, h)
	b.watch()
	b.logIn(webui.Installer)
	b.open("/devices")
	b.click("section[aria-labelledby=add-h] summary")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=name]"), "Heat pump"), chromedp.SetValue(chromedp.CSS("select[name=family]"), "gpio"), chromedp.SendKeys(chromedp.CSS("input[name=topic]"), "GPIO17"))
	b.click("form[action='/devices'] button.main")
	b.wait("document.getElementById('dev-heat-pump') && document.getElementById('flash').textContent.includes('Added.')")
	b.click("#dev-heat-pump button[value=on]")
	b.wait("document.getElementById('flash').textContent.includes('Switched for a minute.')")
	b.click("#dev-heat-pump summary")
	b.click("#dev-heat-pump button.danger")
	b.wait("!document.getElementById('dev-heat-pump') && document.getElementById('flash').textContent.includes('Removed.')")
}

func TestJourneySecret(t *testing.T) {
	h := newHouse(t)
	b := newTab(t, h)
	b.logIn(webui.Owner)
	b.open("/more")
	b.click("section[aria-labelledby=mqtt-h] summary")
	b.do(chromedp.SendKeys(chromedp.CSS("form[action='/more/clients'] input[name=name]"), "Grafana"), chromedp.SendKeys(chromedp.CSS("input[name=read]"), "hub/#"))
	b.click("form[action='/more/clients'] button.main")
	b.wait("document.querySelector('.secret')")
	if !h.clients.List()[0].Check(b.text(".secret")) {
		t.Error("the secret on the page does not fit")
	}
}

// Every page at 320 px: nothing makes it scroll sideways, every target is
// big enough, and nothing lies under the bar at the bottom.
func TestNarrow(t *testing.T) {
	h := newHouse(t).furnish()
	b := newTab(t, h)
	b.logIn(webui.Owner)
	b.do(chromedp.EmulateViewport(320, 640))
	for _, page := range pagesOf {
		b.open(page.path)
		b.do(chromedp.Evaluate[chromedp.Void]("for (const d of document.querySelectorAll('details')) d.open = true; undefined"))
		if w := eval[int](b, "document.documentElement.scrollWidth"); w != 320 {
			t.Errorf("%s is %d px wide at 320: %s", page.path, w, eval[string](b, `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 321 && !e.closest('.wide, .log')).map(e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 20)).slice(0, 5).join('; ')`))
		}
		small := eval[string](b, `[...document.querySelectorAll('button, .btn, summary, nav a, input:not([type=hidden]):not([hidden]), select')].filter(e => {
			const r = (e.type === 'checkbox' ? e.closest('label') : e).getBoundingClientRect();
			return r.width > 0 && (r.height < 43.5 || r.width < (e.closest('.days') ? 24 : 43.5));
		}).map(e => e.tagName + ' ' + (e.name || e.textContent.trim()) + ' ' + e.getBoundingClientRect().width + 'x' + e.getBoundingClientRect().height).join('; ')`)
		if small != "" {
			t.Errorf("%s has small targets: %s", page.path, small)
		}
		clipped := eval[string](b, `[...document.querySelectorAll('button, .btn, summary, nav a, h1:not(.hidden), h2, dd, dt, .note')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).display !== 'inline').map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 30)).join('; ')`)
		if clipped != "" {
			t.Errorf("%s clips %s", page.path, clipped)
		}
		b.do(chromedp.Evaluate[chromedp.Void]("scrollTo(0, document.body.scrollHeight); undefined"))
		if under := eval[float64](b, "document.querySelector('main').lastElementChild.getBoundingClientRect().bottom - document.querySelector('.places').getBoundingClientRect().top"); under > 0 {
			t.Errorf("%s ends %v px under the bar", page.path, under)
		}
	}
}

// axe-core finds nothing to complain about: WCAG 2.2 A and AA and its best
// practices, on every page, in light and dark.
func TestAccessible(t *testing.T) {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("axe-core is missing: run npm ci in webui")
		}
		t.Skip("axe-core is missing: run npm ci in webui")
	}
	h := newHouse(t).furnish()
	b := newTab(t, h)
	b.logIn(webui.Owner)
	b.wait("document.readyState === 'complete'")
	for _, page := range pagesOf {
		b.open(page.path)
		b.do(chromedp.Evaluate[chromedp.Void]("for (const d of document.querySelectorAll('details')) d.open = true; undefined"),
			chromedp.Evaluate[chromedp.Void](string(axe)+"; undefined"))
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			found := eval[string](b, `axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(r =>
				r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120) + ' ' + n.failureSummary).join(' | ')).join('\n'))`)
			if found != "" {
				t.Errorf("%s in %s:\n%s", page.path, scheme, found)
			}
		}
	}
}

// The policy holds and scripts run clean with the worst of names.
func TestHostileNamesInTheBrowser(t *testing.T) {
	h := newHouse(t).furnish()
	for i, name := range []string{`<script>document.title='hacked'</script>`, `"><img src=x onerror="document.title='hacked'">`, `</script><script>document.title='hacked'//`} {
		d := hub.Device{ID: "evil-" + string(rune('a'+i)), Name: name, Family: hub.FamilyGPIO, Role: hub.RolePlug, Topic: "GPIO" + string(rune('1'+i))}
		if err := h.hub.PutDevice(d); err != nil {
			t.Fatal(err)
		}
	}
	b := newTab(t, h)
	b.watch()
	b.logIn(webui.Owner)
	for _, path := range []string{"/", "/plan", "/devices"} {
		b.open(path)
		h.report(hub.Report{Device: "evil-a", Has: hub.ReportOn | hub.ReportPower, On: true, Power: 5})
		b.wait("document.querySelector('main').textContent.includes('<script>')")
		if title := eval[string](b, "document.title"); strings.Contains(title, "hacked") {
			t.Errorf("%s ran a name", path)
		}
	}
}

func (b *tab) scripts(on bool) {
	b.t.Helper()
	if on {
		return
	}
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}
