package webui_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"homehub/hub"
	"homehub/webui"
)

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

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
