package webui_test

import (
	"github.com/chromedp/chromedp"

	"homehub/webui"
)

func accountJourneys() []journey {
	closed := func(c *webui.Config) { c.ReadOpen = false }
	typed := func(b *tab, word string) {
		b.do(chromedp.SendKeys(chromedp.CSS("input[name=password]"), word))
		b.click("main button.main")
	}
	return []journey{
		{"a wrong password, then the right one, and on to where one was going", scene{change: closed}, func(b *tab) {
			b.open("/history?view=week")
			b.wait("location.pathname === '/login'")
			typed(b, "wrong")
			b.wait("document.querySelector('#flash [role=alert]')?.textContent.includes('Wrong name or password')")
			typed(b, password)
			b.wait("location.pathname + location.search === '/history?view=week'")
		}},
		{"log out", scene{role: webui.Owner, change: closed}, func(b *tab) {
			b.open("/more")
			b.says("Logged in as owner")
			b.click("form[action='/logout'] button")
			b.wait("location.pathname === '/login' && document.querySelector('#flash')?.textContent.includes('logged out')")
			b.open("/")
			b.wait("location.pathname === '/login'")
		}},
		{"logged out elsewhere while a page is open", scene{change: closed}, func(b *tab) {
			other := b.enter(webui.Owner)
			b.open("/plan")
			b.until("the stream is open", func() bool { return b.h.server.OpenStreams() == 1 })
			if status, _ := other.do("POST", "/api/logout", ""); status >= 300 {
				b.t.Fatalf("log out: %d", status)
			}
			b.wait("location.pathname === '/login' && new URLSearchParams(location.search).get('next') === '/plan'")
		}},
		{"logged out elsewhere where looking is free", scene{}, func(b *tab) {
			other := b.enter(webui.Owner)
			b.open("/plan")
			b.until("the stream is open", func() bool { return b.h.server.OpenStreams() == 1 })
			other.do("POST", "/api/logout", "")
			b.click("#dev-washer button[value=on]")
			b.wait("document.querySelector('#flash [role=alert]')")
			if d, _ := b.h.hub.Device("washer"); d.Mode == "on" {
				b.t.Error("it was switched after the log-out")
			}
		}},
		{"a new password ends the other log-ins", scene{role: webui.Owner}, func(b *tab) {
			other := b.h.as(webui.Owner)
			b.open("/more")
			b.click("section[aria-labelledby=account-h] summary")
			b.do(chromedp.SendKeys(chromedp.CSS("input[name=old]"), password), chromedp.SendKeys(chromedp.CSS("input[name=new]"), "another horse"))
			b.click("form[action='/more/password'] button.main")
			b.flash("The password is changed.")
			if status, _ := other.do("GET", "/api/tokens", ""); status != 401 {
				b.t.Errorf("the other log-in is answered %d", status)
			}
		}},
		{"another language", scene{lang: "de"}, func(b *tab) {
			b.open("/more")
			b.wait("document.documentElement.lang === 'de'")
			b.do(chromedp.SetValue(chromedp.CSS("select[name=lang]"), "cy"))
			b.click("form[action='/language'] button")
			b.wait("document.documentElement.lang === 'cy'")
			b.open("/plan")
			b.says("barod erbyn 07:00")
		}},
		{"a family member looks and plans, but sets nothing up", scene{role: webui.Family}, func(b *tab) {
			b.open("/devices")
			b.wait("!document.querySelector('form[action$=\"/remove\"]')")
			b.open("/plan")
			b.wait("document.querySelector('#dev-washer button[value=on]')")
		}},
		{"a guest looks and can not change", scene{}, func(b *tab) {
			b.open("/plan")
			b.says("Log in to change things")
			if n := eval[int](b, "document.querySelectorAll('main form').length"); n != 0 {
				b.t.Errorf("%d forms for a guest", n)
			}
		}},
		{"a secret is shown once", scene{role: webui.Owner}, func(b *tab) {
			b.open("/more")
			b.click("section[aria-labelledby=mqtt-h] summary")
			b.do(chromedp.SendKeys(chromedp.CSS("form[action='/more/clients'] input[name=name]"), "Grafana"), chromedp.SendKeys(chromedp.CSS("input[name=read]"), "hub/#"))
			b.click("form[action='/more/clients'] button.main")
			b.wait("document.querySelector('.secret')")
			if !b.h.clients.List()[0].Check(b.text(".secret")) {
				b.t.Error("the secret on the page does not fit")
			}
		}},
	}
}
