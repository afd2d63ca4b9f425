package webui_test

import (
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"

	"homehub/hub"
	"homehub/webui"
)

// checkSizes looks at a page of 320 px: nothing makes it scroll sideways,
// every target is big enough, nothing is clipped, and nothing ends under the
// bar at the bottom.
const checkSizes = `(() => {
	const bad = [], seen = e => e.textContent.trim().slice(0, 40);
	if (document.documentElement.scrollWidth > 320) {
		bad.push('it is ' + document.documentElement.scrollWidth + ' px wide: ' + [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 321 && !e.closest('.wide, .log')).map(e => e.tagName + '.' + e.className + ' ' + seen(e)).slice(0, 5).join('; '));
	}
	for (const e of document.querySelectorAll('button, .btn, summary, nav a, input:not([type=hidden]):not([hidden]), select')) {
		const r = (e.type === 'checkbox' || e.type === 'radio' ? e.closest('label') : e).getBoundingClientRect();
		if (r.width > 0 && (r.height < 43.5 || r.width < (e.closest('.days') ? 24 : 43.5))) bad.push('small: ' + e.tagName + ' ' + (e.name || seen(e)) + ' ' + r.width + 'x' + r.height);
	}
	for (const e of document.querySelectorAll('button, .btn, summary, nav a, h1:not(.hidden), h2, dd, dt, .note, .days span, td, th, .seg > *')) {
		if (e.clientWidth > 0 && getComputedStyle(e).display !== 'inline' && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 3 && getComputedStyle(e).overflowY !== 'visible')) bad.push('clipped: ' + e.tagName + ' ' + seen(e));
	}
	for (const e of document.querySelectorAll('.flow text')) {
		const c = e.closest('g').querySelector('circle').getBoundingClientRect(), r = e.getBoundingClientRect();
		if (r.left < c.left - 2 || r.right > c.right + 2) bad.push('out of its circle: ' + seen(e));
	}
	scrollTo(0, document.body.scrollHeight);
	const nav = document.querySelector('.places');
	const under = !nav ? 0 : document.querySelector('main').lastElementChild.getBoundingClientRect().bottom - nav.getBoundingClientRect().top;
	if (under > 0) bad.push('it ends ' + under + ' px under the bar');
	scrollTo(0, 0);
	return bad.join('\n');
})()`

// checkTranslated finds words that are in no bracket of the pseudo-locale and
// not the house's own.
const checkTranslated = `(() => {
	const bad = [], own = new RegExp(OWN, 'g');
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	const texts = [...document.querySelectorAll('[aria-label]')].map(e => e.getAttribute('aria-label'));
	while (walk.nextNode()) if (!walk.currentNode.parentElement.closest('script, pre, option[lang]')) texts.push(walk.currentNode.data);
	for (let text of texts) {
		const whole = text.trim();
		for (let before = ''; before !== text;) { before = text; text = text.replace(/\[[^\[\]]*\]/g, ' '); }
		text = text.replace(own, ' ');
		if (/\p{L}{2}/u.test(text)) bad.push(whole.slice(0, 80));
	}
	return [...new Set(bad)].join('\n');
})()`

// own are the words on the pages that are no texts of ours: units, names that
// people gave, and what other parts of the hub say in English.
var own = strings.Join([]string{
	"homehub", "test-1", "kWh", "Wh", "CSV", "OpenAPI", "Apache-2.0", "uPlot", "MIT",
	"Washing machine", "Boiler in the cellar with a rather long name", "Car", "Roof",
	"Title of [a-z0-9_]+", "[a-z]+(_[a-z0-9]+)+", "emon/[a-z0-9]+", "openevse-[0-9a-z]+", "GPIO[0-9]+", "empty",
	"These are the cheapest 3 hours before 07:00.", "The cheapest quarters before 07:00, 16 A at most.", "Preview for 07:00.",
	"smartplug", "Espressif", "5c(:[0-9a-f]{2})+", "Fridge", "Tasmota", "Nous A1T", "shellyplus1pm-[0-9a-z]+", "shelly",
	"iPhone, iPad", "Android", "Windows", "Mac", "Firefox", "Chrome \\(Linux\\)", "[0-9A-F: ]{95}", "sudo", "authority show",
	"family", "installer", "logged in", "https?://[a-z0-9.:-]+",
	"meter", "storage", "broker", "forecast", "the price server did not answer: next try in 10 min", "owner", "There is nothing at /nothing.",
}, "|")

// Every page in every language and a made-up one with longer words, at 320
// px: the sizes are right, axe-core finds nothing to complain about (WCAG 2.2
// A and AA and its best practices) in light and dark, and in the made-up
// language every word is translated. Pages of the same template are shown to
// axe in one language only.
func TestAccessible(t *testing.T) {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("axe-core is missing: run npm ci in webui")
		}
		t.Skip("axe-core is missing: run npm ci in webui")
	}
	languages := make(chan string)
	var stages sync.WaitGroup
	for range 2 {
		s := newStage(t)
		stages.Go(func() {
			for lang := range languages {
				t.Run(lang, func(t *testing.T) {
					b := s.set(t, scene{role: webui.Owner, lang: lang, narrow: true, long: true, change: func(c *webui.Config) { c.Prices = flatPrices }})
					b.lookAtAll(string(axe))
				})
			}
		})
	}
	for _, lang := range append([]string{pseudo}, webui.Languages()...) {
		languages <- lang
	}
	close(languages)
	stages.Wait()
}

// lookAtAll checks every page in the tab's language.
func (b *tab) lookAtAll(axe string) {
	b.t.Helper()
	b.h.server.AddPseudo(pseudo)
	for _, page := range pagesOf {
		b.scheme("light")
		b.h.stage(page.name)
		b.open(page.path)
		b.js("for (const d of document.querySelectorAll('details')) d.open = true")
		if found := eval[string](b, checkSizes); found != "" {
			b.t.Errorf("%s: %s", page.path, found)
		}
		lang := eval[string](b, "document.documentElement.lang")
		if lang == pseudo {
			if found := eval[string](b, strings.Replace(checkTranslated, "OWN", quote(own), 1)); found != "" {
				b.t.Errorf("%s is not translated:\n%s", page.path, found)
			}
		}
		if lang == pseudo || lang != "en" && page.again {
			continue
		}
		b.js(axe)
		b.axe(page.path+" in light", "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}")
		b.scheme("dark")
		b.axe(page.path+" in dark", "{runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']}}")
	}
}

func (b *tab) axe(what, options string) {
	b.t.Helper()
	found := eval[string](b, "axe.run({resultTypes: ['violations'], performanceTimer: false, iframes: false, preload: false, ...("+options+`)}).then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120) + ' ' + n.failureSummary).join(' | ')).join('\n'))`)
	if found != "" {
		b.t.Errorf("%s:\n%s", what, found)
	}
}

// pseudo is the tag of a made-up language.
const pseudo = "qps"

// The policy holds and scripts run clean with the worst of names.
func TestHostileNamesInTheBrowser(t *testing.T) {
	s := newStage(t)
	b := s.set(t, scene{role: webui.Owner})
	for i, name := range []string{`<script>document.title='hacked'</script>`, `"><img src=x onerror="document.title='hacked'">`, `</script><script>document.title='hacked'//`} {
		d := hub.Device{ID: "evil-" + string(rune('a'+i)), Name: name, Family: hub.FamilyGPIO, Role: hub.RolePlug, Topic: "GPIO" + string(rune('1'+i))}
		if err := b.h.hub.PutDevice(d); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/", "/plan", "/devices", "/history"} {
		b.open(path)
		b.h.report(hub.Report{Device: "evil-a", Has: hub.ReportOn | hub.ReportPower, On: true, Power: 5})
		if path != "/history" {
			b.wait("document.querySelector('main').textContent.includes('<script>')")
		}
		if title := eval[string](b, "document.title"); strings.Contains(title, "hacked") {
			t.Errorf("%s ran a name", path)
		}
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
