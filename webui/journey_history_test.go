package webui_test

import (
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"homehub/hub"
	"homehub/webui"
)

// drawn waits for the page of a span and its chart.
func (b *tab) drawn(span string) {
	b.t.Helper()
	b.wait("document.getElementById('span')?.textContent === " + quote(span))
	if b.h.server.HasChart() {
		b.wait("document.getElementById('chart')?.dataset.drawn")
	}
}

func historyJourneys() []journey {
	list := []journey{
		{"through the calendar", scene{}, func(b *tab) {
			b.open("/history?view=day&date=2026-06-12")
			for _, step := range []struct{ click, span string }{
				{"a[rel=prev]", "Thu 11 Jun 2026"},
				{"a[rel=next]", "Fri 12 Jun 2026"},
				{".links a:nth-child(2)", "Week 24: Mon 8 Jun – Sun 14 Jun 2026"},
				{"a[rel=prev]", "Week 23: Mon 1 Jun – Sun 7 Jun 2026"},
				{".links a:nth-child(3)", "June 2026"},
				{".links a:nth-child(4)", "2026"},
				{"a[rel=prev]", "2025"},
			} {
				b.click(step.click)
				b.drawn(step.span)
			}
		}},
		{"any span, one back, and to today", scene{}, func(b *tab) {
			b.open("/history?view=span&from=2026-06-03&to=2026-06-09")
			b.drawn("Wed 3 Jun 2026 – Tue 9 Jun 2026 (7\u00a0days)")
			b.click("a[rel=prev]")
			b.drawn("Wed 27 May 2026 – Tue 2 Jun 2026 (7\u00a0days)")
			b.click(".choose summary")
			b.click(".choose a.btn")
			b.wait("document.querySelector('.step .off') && new URLSearchParams(location.search).get('to') === " + quote(b.h.now.Format("2006-01-02")))
		}},
		{"compared with the day before", scene{}, func(b *tab) {
			b.open("/history?view=day&date=2026-06-12")
			b.click(".choose summary")
			b.do(chromedp.SetValue(chromedp.CSS("select[name=with]"), "prev"))
			b.click(".choose form:nth-of-type(3) button")
			b.drawn("Fri 12 Jun 2026")
			b.wait("document.querySelector('.compare thead').textContent.includes('Thu 11 Jun 2026') && document.querySelector('.compare tbody tr td:last-child').textContent === '0%'")
			b.click("a[rel=next]")
			b.drawn("Sat 13 Jun 2026")
			b.wait("document.querySelector('.compare thead').textContent.includes('Fri 12 Jun 2026')")
		}},
		{"compared with any other month", scene{}, func(b *tab) {
			b.open("/history?view=month&date=2026-06-12")
			b.click(".choose summary")
			b.do(chromedp.SetValue(chromedp.CSS("select[name=with]"), "date"))
			b.set("input[name=other]", "2026-02-14")
			b.click(".choose form:nth-of-type(3) button")
			b.drawn("June 2026")
			b.wait("document.querySelector('.compare thead').textContent.includes('February 2026') && document.querySelector('.compare tbody tr td:last-child').textContent === '+7%'")
		}},
		{"a swipe goes a day back, another one on", scene{}, func(b *tab) {
			b.open("/history?view=day&date=2026-06-12")
			b.drawn("Fri 12 Jun 2026")
			b.swipe(160)
			b.drawn("Thu 11 Jun 2026")
			b.swipe(-160)
			b.drawn("Fri 12 Jun 2026")
		}},
		{"the chart by keyboard, in the house's zone", scene{}, func(b *tab) {
			b.open("/history?view=day&date=2026-06-12")
			if !b.h.server.HasChart() {
				return
			}
			b.drawn("Fri 12 Jun 2026")
			b.tabTo("#chart")
			b.press(kb.Home)
			b.wait("document.getElementById('chart-read').textContent.startsWith('00:00: From the grid 400 W')")
			b.press(kb.ArrowRight)
			b.wait("document.getElementById('chart-read').textContent.startsWith('00:05: ')")
			b.press(kb.End, "+", "-")
			b.wait("document.getElementById('chart-read').textContent.startsWith('23:55: ')")
		}},
		{"the table holds what the chart shows", scene{}, func(b *tab) {
			b.open("/history?view=week&date=2026-06-12")
			b.click("#table summary")
			b.do(chromedp.WaitVisible(chromedp.CSS("#table table")))
			if n := eval[int](b, "document.querySelectorAll('#table tbody tr').length"); n != 7 {
				b.t.Errorf("the week has %d rows", n)
			}
		}},
		{"the table as a file", scene{}, func(b *tab) {
			b.open("/history?view=span&from=2026-06-03&to=2026-06-09")
			got := eval[string](b, "fetch(document.querySelector('a[download]').href).then(r => r.text())")
			if lines := strings.Split(strings.TrimSpace(got), "\r\n"); len(lines) != 8 || !strings.HasPrefix(lines[1], "2026-06-03T00:00:00+02:00,2026-06-04T00:00:00+02:00,") {
				b.t.Errorf("the file is %q", got)
			}
		}},
		{"the day of the spring change", scene{}, func(b *tab) {
			b.open("/history?view=day&date=2026-03-29")
			b.wait("document.querySelectorAll('#table tbody tr, .wide:not(#table .wide) tbody tr').length === 23")
			if b.h.server.HasChart() {
				b.wait("document.getElementById('chart')?.dataset.drawn === '276'")
			}
		}},
		{"the day of the autumn change", scene{}, func(b *tab) {
			b.open("/history?view=day&date=2026-10-25")
			if b.h.server.HasChart() {
				b.wait("document.getElementById('chart')?.dataset.drawn === '300'")
			}
		}},
		{"who used it", scene{change: func(c *webui.Config) {
			c.Prices = flatPrices
		}}, func(b *tab) {
			b.open("/history?view=day&date=2026-06-12")
			b.wait("document.querySelector('.rank li:first-child span').textContent === 'Washing machine'")
			if got := b.text(".rank li:first-child b"); got != "6.00 kWh €1.50" {
				b.t.Errorf("the washing machine used %s", got)
			}
			b.says("Everything else")
		}},
		{"a date that is none", scene{}, func(b *tab) {
			b.open("/history?date=2026-02-30")
			b.wait("document.querySelector('#flash [role=alert]')?.textContent.includes('not a date of the calendar')")
		}},
		{"an installer sees no history", scene{role: webui.Installer, change: func(c *webui.Config) { c.ReadOpen = false }}, func(b *tab) {
			b.open("/history")
			b.wait("document.querySelector('#flash [role=alert]') && !document.getElementById('span')")
		}},
	}
	for lang, want := range map[string]string{"nl": "week 24", "fr": "Semaine 24", "de": "Woche 24", "cy": "Wythnos 24"} {
		list = append(list, journey{"a week in " + lang, scene{lang: lang}, func(b *tab) {
			b.open("/history?view=week&date=2026-06-12")
			b.wait("document.getElementById('span').textContent.toLowerCase().startsWith(" + quote(strings.ToLower(want)) + ")")
			if b.h.server.HasChart() {
				b.wait("document.getElementById('chart')?.dataset.drawn === '7'")
			}
		}})
	}
	return list
}

// keyboardJourneys use nothing but keys.
func keyboardJourneys() []journey {
	family := scene{role: webui.Family}
	return []journey{
		{"by keys: plan the car", family, func(b *tab) {
			b.replan("car", nil)
			b.open("/")
			b.tabTo("#quick summary")
			b.press(kb.Enter)
			b.wait("document.querySelector('#quick details').open")
			b.tabTo("#quick .edit button.main")
			b.press(kb.Enter)
			b.flash("Saved.")
			if s := b.schedule("car"); s == nil || s.Days != hub.Workdays {
				b.t.Errorf("the plan is %+v", s)
			}
		}},
		{"by keys: switch off, and undo", family, func(b *tab) {
			b.open("/plan")
			b.tabTo("#dev-washer button[value=off]")
			b.press(kb.Enter)
			b.flash("Done.")
			b.tabTo("#flash button")
			b.press(kb.Enter)
			b.flash("Taken back.")
		}},
		{"by keys: choose days", family, func(b *tab) {
			b.open("/plan")
			b.tabTo("#dev-boiler .editor summary")
			b.press(kb.Enter)
			b.tabTo("#dev-boiler input[value=wed]")
			b.press(" ")
			b.tabTo("#dev-boiler .editor button.main")
			b.press(kb.Enter)
			b.flash("Saved.")
			if s := b.schedule("boiler"); s == nil || s.Days != 1<<3 {
				b.t.Errorf("the plan is %+v", s)
			}
		}},
		{"by keys: over the bars to the content", scene{}, func(b *tab) {
			b.open("/plan")
			b.press(kb.Tab)
			b.wait("document.activeElement.matches('.skip')")
			b.press(kb.Enter)
			b.wait("document.activeElement.id === 'main'")
		}},
		{"by keys: to history and a day back", scene{}, func(b *tab) {
			b.open("/")
			b.tabTo(".places a[href='/history']")
			b.press(kb.Enter)
			b.wait("location.pathname === '/history' && document.getElementById('span')")
			b.tabTo("a[rel=prev]")
			b.press(kb.Enter)
			b.wait("location.search.includes('date=') && document.querySelector('a[rel=next]')")
		}},
		{"by keys: what has the focus is never under the bar", family, func(b *tab) {
			b.do(chromedp.EmulateViewport(320, 500))
			b.open("/plan")
			b.js("for (const d of document.querySelectorAll('details')) d.open = true")
			for range 60 {
				b.press(kb.Tab)
				under := eval[string](b, `(() => { const e = document.activeElement, r = e.getBoundingClientRect(), bar = document.querySelector('.places').getBoundingClientRect();
					return e.closest('.places') || e === document.body || r.height > 300 || r.bottom <= bar.top + 1 ? '' : e.tagName + ' ' + (e.name || e.textContent) + ' ' + r.bottom + ' > ' + bar.top })()`)
				if under != "" {
					b.t.Errorf("under the bar: %s", under)
				}
			}
		}},
	}
}
