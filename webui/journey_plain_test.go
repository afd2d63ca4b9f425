package webui_test

import (
	"time"

	"github.com/chromedp/chromedp"

	"homehub/hub"
	"homehub/webui"
)

// plainJourneys go through every form without JavaScript.
func plainJourneys() []journey {
	var list []journey
	plain := func(name string, role webui.Role, path string, do func(b *tab)) {
		list = append(list, journey{"without JavaScript: " + name, scene{role: role, noScript: true}, func(b *tab) {
			b.open(path)
			do(b)
		}})
	}
	typed := func(b *tab, sel, text string) { b.do(chromedp.SetValue(chromedp.CSS(sel), text)) }
	family, owner := webui.Family, webui.Owner

	plain("on for an hour", family, "/plan", func(b *tab) {
		typed(b, "#dev-washer select[name=for]", "60")
		b.click("#dev-washer button[value=on]")
		b.flash("Done.")
		if d, _ := b.h.hub.Device("washer"); d.Mode != hub.ModeOn || time.Until(d.ModeUntil) < 58*time.Minute {
			b.t.Errorf("%s until %v", d.Mode, d.ModeUntil)
		}
	})
	plain("preview, then save", family, "/plan", func(b *tab) {
		b.click("#dev-boiler .editor summary")
		typed(b, "#dev-boiler input[name=ready_by]", "05:30")
		b.click("#dev-boiler button[formmethod=get]")
		b.wait("document.getElementById('pre-boiler')?.textContent.includes('Preview for 05:30.')")
		b.click("#dev-boiler .editor button.main")
		b.flash("Saved.")
		if s := b.schedule("boiler"); s == nil || s.ReadyBy != 5*60+30 {
			b.t.Errorf("the plan is %+v", s)
		}
	})
	plain("a plan that can not be", family, "/plan", func(b *tab) {
		b.click("#dev-boiler .editor summary")
		typed(b, "#dev-boiler input[name=amount]", "-1")
		b.click("#dev-boiler .editor button.main")
		b.wait("document.querySelector('#flash [role=alert]') && document.querySelector('#dev-boiler .editor[open]')")
	})
	plain("undo", family, "/plan", func(b *tab) {
		b.click("#dev-washer button[value=off]")
		b.flash("Done.")
		b.click("#flash form[action='/undo'] button")
		b.flash("Taken back.")
		if d, _ := b.h.hub.Device("washer"); d.Mode != hub.ModeAuto {
			b.t.Errorf("the mode is %s", d.Mode)
		}
	})
	plain("skip", family, "/plan", func(b *tab) {
		b.click("#dev-washer .hold summary")
		b.click("#dev-washer button[formaction$='/skip']")
		b.flash("Noted")
	})
	plain("pause and resume", family, "/plan", func(b *tab) {
		b.click("#dev-washer .hold summary")
		typed(b, "#dev-washer input[name=until]", b.h.now.AddDate(0, 0, 3).Format("2006-01-02"))
		b.click("#dev-washer form[action$='/pause'] button")
		b.flash("Paused.")
		b.click("#dev-washer .hold summary")
		b.click("#dev-washer button[name=resume]")
		b.flash("Goes on.")
	})
	plain("remove and repeat", family, "/plan", func(b *tab) {
		b.click("#dev-car .hold summary")
		b.click("#dev-car .hold button.danger")
		b.flash("Removed.")
		b.click("#dev-car form[action$='/repeat'] button")
		b.flash("Saved.")
	})
	plain("plan from the first page", family, "/", func(b *tab) {
		b.click("#quick summary")
		b.click("#quick .edit button.main")
		b.flash("Saved.")
		if b.schedule("boiler") == nil || eval[string](b, "location.pathname") != "/" {
			b.t.Error("nothing is planned, or the page is another")
		}
	})
	plain("the language", "", "/more", func(b *tab) {
		typed(b, "select[name=lang]", "fr")
		b.click("form[action='/language'] button")
		b.wait("document.documentElement.lang === 'fr'")
	})
	plain("log in", "", "/login", func(b *tab) {
		b.do(chromedp.SendKeys(chromedp.CSS("input[name=password]"), password))
		b.click("main button.main")
		b.wait("location.pathname === '/' && document.querySelector('.who')?.textContent === 'owner'")
	})
	plain("log out", owner, "/more", func(b *tab) {
		b.click("form[action='/logout'] button")
		b.flash("You are logged out.")
	})
	plain("the password", owner, "/more", func(b *tab) {
		b.click("section[aria-labelledby=account-h] summary")
		typed(b, "input[name=old]", password)
		typed(b, "input[name=new]", "a longer secret")
		b.click("form[action='/more/password'] button.main")
		b.flash("The password is changed.")
	})
	plain("a date in history", "", "/history", func(b *tab) {
		b.click(".choose summary")
		typed(b, "input[name=date][type=date]", "2026-03-29")
		b.click(".choose form:nth-of-type(1) button")
		b.wait("document.getElementById('span')?.textContent === 'Sun 29 Mar 2026' && document.querySelectorAll('#table tbody tr').length === 23")
	})
	plain("a span in history", "", "/history", func(b *tab) {
		b.click(".choose summary")
		typed(b, "input[name=from]", "2026-06-01")
		typed(b, "input[name=to]", "2026-06-10")
		b.click(".choose form:nth-of-type(2) button")
		b.wait("document.getElementById('span')?.textContent.includes('10\u00a0days')")
	})
	plain("a comparison in history", "", "/history?view=month&date=2026-06-12", func(b *tab) {
		b.click(".choose summary")
		typed(b, "select[name=with]", "year")
		b.click(".choose form:nth-of-type(3) button")
		b.wait("document.querySelector('.compare thead')?.textContent.includes('June 2025')")
	})
	plain("add, rename, test and remove a device", webui.Installer, "/devices", func(b *tab) {
		b.click("section[aria-labelledby=add-h] summary")
		typed(b, "form[action='/devices'] input[name=name]", "Pump")
		typed(b, "form[action='/devices'] input[name=topic]", "emon/pump")
		b.click("form[action='/devices'] button.main")
		b.wait("document.querySelectorAll('code.secret').length === 4") // its log-in, this once
		b.open("/devices")
		b.click("#dev-pump summary")
		typed(b, "#dev-pump input[name=name]", "Well pump")
		b.click("form[action='/devices/pump/change'] button.main")
		b.flash("Saved.")
		b.click("form[action='/devices/pump/test'] button[value=on]")
		b.flash("Switched for a minute.")
		b.click("#dev-pump summary")
		b.click("form[action='/devices/pump/remove'] button")
		b.flash("Removed.")
	})
	plain("a program on MQTT", owner, "/more", func(b *tab) {
		b.click("section[aria-labelledby=mqtt-h] summary")
		typed(b, "form[action='/more/clients'] input[name=name]", "Node")
		typed(b, "form[action='/more/clients'] input[name=read]", "hub/#")
		b.click("form[action='/more/clients'] button.main")
		b.wait("document.querySelector('.secret')")
		b.click("form[action='/more/clients/node/remove'] button")
		b.flash("Removed.")
	})
	plain("a token", owner, "/more", func(b *tab) {
		b.click("section[aria-labelledby=tokens-h] summary")
		typed(b, "form[action='/more/tokens'] input[name=name]", "Script")
		b.click("form[action='/more/tokens'] button.main")
		b.wait("document.querySelector('.secret')")
		b.click("section[aria-labelledby=tokens-h] button.danger")
		b.flash("Removed.")
	})
	return list
}
