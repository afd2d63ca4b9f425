package webui_test

import (
	"strconv"
	"time"

	"github.com/chromedp/chromedp"

	"homehub/hub"
	"homehub/webui"
)

// replan gives a device of the house another schedule.
func (b *tab) replan(id string, s *hub.Schedule) {
	b.t.Helper()
	d, _ := b.h.hub.Device(id)
	d.Device.Schedule = s
	if err := b.h.hub.PutDevice(d.Device); err != nil {
		b.t.Fatal(err)
	}
}

// lastWeek is a plan for one time that is over.
func lastWeek(b *tab) *hub.Schedule {
	return &hub.Schedule{ReadyBy: 6 * 60, Energy: 12_000, MayPause: true, SetAt: b.h.now.AddDate(0, 0, -7)}
}

func planJourneys() []journey {
	family := scene{role: webui.Family}
	return []journey{
		{"full by 07:00 on workdays, in two taps", family, func(b *tab) {
			b.replan("car", nil)
			b.open("/")
			b.taps = 0
			b.click("#quick details:has(#pre-car) summary")
			b.wait("document.getElementById('pre-car').textContent.includes('Preview for 07:00.')")
			b.click("#quick form[action='/devices/car/schedule'] button.main")
			b.flash("Saved.")
			if s := b.schedule("car"); s == nil || s.ReadyBy != 7*60 || s.Days != hub.Workdays || s.Energy != 20_000 || !s.MayPause {
				b.t.Errorf("the plan is %+v", s)
			}
			if b.taps != 2 || eval[string](b, "location.pathname") != "/" {
				b.t.Errorf("%d taps", b.taps)
			}
		}},
		{"the last plan again, in one tap", family, func(b *tab) {
			b.replan("car", lastWeek(b))
			b.open("/")
			b.taps = 0
			b.click("#quick form[action='/devices/car/repeat'] button")
			b.flash("Saved.")
			if s := b.schedule("car"); s == nil || s.Energy != 12_000 || time.Since(s.SetAt) > time.Minute || b.taps != 1 {
				b.t.Errorf("after %d taps the plan is %+v", b.taps, s)
			}
		}},
		{"a plan in hours", family, func(b *tab) {
			b.open("/plan")
			b.js("window.stays = true")
			b.click("#dev-boiler .editor summary")
			b.set("#dev-boiler input[name=ready_by]", "06:15")
			b.set("#dev-boiler input[name=amount]", "1.5")
			b.click("#dev-boiler .days label:nth-of-type(1) span")
			b.wait("document.getElementById('pre-boiler').textContent.includes('Preview for 06:15.')")
			b.tap("#dev-boiler .editor button.main")
			b.flash("Saved.")
			if s := b.schedule("boiler"); s == nil || s.ReadyBy != 6*60+15 || s.Minutes != 90 || s.Days != 1<<time.Monday {
				b.t.Errorf("the plan is %+v", s)
			}
			b.wait("document.querySelector('#dev-boiler .wish').textContent.includes('ready by 06:15, Mon')")
			if !eval[bool](b, "window.stays === true") {
				b.t.Error("the page was left")
			}
		}},
		{"a plan in kWh, with a comma", scene{role: webui.Family, lang: "nl"}, func(b *tab) {
			b.open("/plan")
			b.click("#dev-boiler .editor summary")
			b.set("#dev-boiler input[name=amount]", "2,5")
			b.do(chromedp.SetValue(chromedp.CSS("#dev-boiler select[name=unit]"), "kwh"))
			b.tap("#dev-boiler .editor button.main")
			b.flash("Opgeslagen.")
			if s := b.schedule("boiler"); s == nil || s.Energy != 2500 || s.Days != 0 {
				b.t.Errorf("the plan is %+v", s)
			}
			b.wait("document.querySelector('#dev-boiler .wish').textContent.startsWith('2,50 kWh, klaar om 07:00, eenmalig')")
		}},
		{"a temperature to keep", family, func(b *tab) {
			b.h.withThermometer(54_400)
			b.open("/plan")
			b.click("#dev-boiler .editor summary")
			b.do(chromedp.SetValue(chromedp.CSS("#dev-boiler select[name=when]"), "keep"))
			b.wait("document.querySelector('#dev-boiler input[name=amount]').offsetParent === null") // what it has no use for is gone
			b.set("#dev-boiler input[name=low]", "48")
			b.set("#dev-boiler input[name=high]", "62.5")
			b.do(chromedp.SetValue(chromedp.CSS("#dev-boiler select[name=temperature_of]"), "probe"))
			b.tap("#dev-boiler .editor button.main")
			b.flash("Saved.")
			if s := b.schedule("boiler"); s == nil || s.Keep != (hub.Band{Low: 48_000, High: 62_500}) {
				b.t.Errorf("the plan is %+v", s)
			}
			b.wait("document.querySelector('#dev-boiler .wish').textContent.includes('Between 48 and 62.5 °C')")
			b.wait("document.querySelector('#dev-boiler').textContent.includes('54.4 °C, measured at')")
			if !eval[bool](b, "document.querySelector('#dev-car input[name=low]') === null") {
				b.t.Error("a car has a temperature to keep")
			}
		}},
		{"opening the editor shows what would happen", family, func(b *tab) {
			b.open("/plan")
			b.click("#dev-car .editor summary")
			b.wait("document.querySelector('#pre-car .strip') && document.getElementById('pre-car').textContent.includes('Starting now would cost')")
		}},
		{"a plan that can not be is explained", family, func(b *tab) {
			b.open("/plan")
			b.click("#dev-boiler .editor summary")
			b.set("#dev-boiler input[name=amount]", "a lot")
			b.tap("#dev-boiler .editor button.main")
			b.wait("document.querySelector('#flash [role=alert]')?.textContent.includes('give a number above 0')")
			if got := eval[string](b, "document.querySelector('#dev-boiler input[name=amount]').value"); got != "a lot" {
				b.t.Errorf("what was typed is now %q", got)
			}
			if got := eval[string](b, "document.activeElement.id"); got != "flash" {
				b.t.Errorf("the focus is on %q, not on the message", got)
			}
		}},
		{"saved, and taken back", family, func(b *tab) {
			before := *b.schedule("washer")
			b.open("/plan")
			b.click("#dev-washer .editor summary")
			b.set("#dev-washer input[name=amount]", "5")
			b.tap("#dev-washer .editor button.main")
			b.flash("Saved.")
			if b.schedule("washer").Minutes != 300 {
				b.t.Fatal("it was not saved")
			}
			b.click("#flash form[action='/undo'] button")
			b.flash("Taken back.")
			if got := *b.schedule("washer"); got != before {
				b.t.Errorf("the plan is %+v, was %+v", got, before)
			}
		}},
		{"removed, and taken back", family, func(b *tab) {
			before := *b.schedule("car")
			b.open("/plan")
			b.click("#dev-car .hold summary")
			b.click("#dev-car .hold button.danger")
			b.flash("Removed.")
			if b.schedule("car") != nil {
				b.t.Fatal("it was not removed")
			}
			b.click("#flash form[action='/undo'] button")
			b.flash("Taken back.")
			if got := b.schedule("car"); got == nil || *got != before {
				b.t.Errorf("the plan is %+v, was %+v", got, before)
			}
		}},
		{"removed, and repeated", family, func(b *tab) {
			b.open("/plan")
			b.click("#dev-washer .hold summary")
			b.click("#dev-washer .hold button.danger")
			b.flash("Removed.")
			b.click("#dev-washer form[action$='/repeat'] button")
			b.flash("Saved.")
			if s := b.schedule("washer"); s == nil || s.Minutes != 180 || s.Days != hub.EveryDay {
				b.t.Errorf("the plan is %+v", s)
			}
		}},
		{"what somebody else changed since is not taken back", family, func(b *tab) {
			b.open("/plan")
			b.click("#dev-washer button[value=on]")
			b.flash("Done.")
			d, _ := b.h.hub.Device("washer")
			d.Device.Mode = hub.ModeOff
			if err := b.h.hub.PutDevice(d.Device); err != nil {
				b.t.Fatal(err)
			}
			b.click("#flash form[action='/undo'] button")
			b.wait("document.querySelector('#flash [role=alert]')?.textContent.includes('was changed since')")
		}},
		{"on, off and auto", family, func(b *tab) {
			b.open("/plan")
			for _, mode := range []hub.Mode{hub.ModeOn, hub.ModeOff, hub.ModeAuto} {
				b.click("#dev-washer button[value=" + string(mode) + "]")
				b.wait("document.querySelector('#dev-washer [aria-pressed=true]')?.value === '" + string(mode) + "'")
				if d, _ := b.h.hub.Device("washer"); d.Mode != mode {
					b.t.Errorf("after %s the mode is %s", mode, d.Mode)
				}
			}
		}},
		{"on for half an hour", family, func(b *tab) {
			b.open("/plan")
			b.do(chromedp.SetValue(chromedp.CSS("#dev-washer select[name=for]"), "30"))
			b.click("#dev-washer button[value=on]")
			b.flash("Done.")
			d, _ := b.h.hub.Device("washer")
			if left := time.Until(d.ModeUntil); left < 28*time.Minute || left > 31*time.Minute {
				b.t.Errorf("on for %v", left)
			}
			b.wait("document.querySelector('#dev-washer .state').textContent.includes('until " + d.ModeUntil.In(amsterdam()).Format("15:04") + "')")
		}},
		{"skip the next run, and not after all", family, func(b *tab) {
			b.open("/plan")
			for _, skipped := range []bool{true, false} {
				b.click("#dev-washer .hold summary")
				b.click("#dev-washer button[formaction$='/skip']")
				b.flash("Noted for the next run.")
				b.until("the hub knows", func() bool { return b.schedule("washer").Skip.IsZero() != skipped })
				b.wait("(document.getElementById('dev-washer').textContent.includes('Leaves out')) === " + strconv.FormatBool(skipped))
			}
		}},
		{"pause for the holidays, and go on", family, func(b *tab) {
			day := b.h.now.AddDate(0, 0, 12)
			b.open("/plan")
			b.click("#dev-car .hold summary")
			b.set("#dev-car input[name=until]", day.Format("2006-01-02"))
			b.click("#dev-car form[action$='/pause'] button")
			b.flash("Paused.")
			if got := b.schedule("car").PausedUntil.In(amsterdam()).Format("2006-01-02 15:04"); got != day.Format("2006-01-02")+" 00:00" {
				b.t.Errorf("paused until %s", got)
			}
			b.says("Paused until")
			b.click("#dev-car .hold summary")
			b.click("#dev-car button[name=resume]")
			b.flash("Goes on.")
			if !b.schedule("car").PausedUntil.IsZero() {
				b.t.Error("still paused")
			}
		}},
		{"a device that speaks redraws its card", scene{}, func(b *tab) {
			b.open("/plan")
			b.h.report(hub.Report{Device: "washer", Has: hub.ReportOn | hub.ReportPower, On: true, Power: 2044})
			b.wait("document.querySelector('#dev-washer .state').textContent.includes('2,044 W')")
		}},
		{"what somebody is typing is left alone", family, func(b *tab) {
			b.open("/plan")
			b.click("#dev-washer .editor summary")
			b.set("#dev-washer input[name=amount]", "4.25")
			b.h.report(hub.Report{Device: "washer", Has: hub.ReportOn | hub.ReportPower, On: true, Power: 2044})
			b.h.report(hub.Report{Device: "car", Has: hub.ReportPower, Power: 4321})
			b.wait("document.querySelector('#dev-car .state').textContent.includes('4,321 W')")
			if got := eval[string](b, "document.querySelector('#dev-washer input[name=amount]').value"); got != "4.25" {
				b.t.Errorf("the field holds %q", got)
			}
		}},
		{"a second browser sees what the first decides", family, func(b *tab) {
			b.open("/plan")
			b.until("the stream is open", func() bool { return b.h.server.OpenStreams() == 1 })
			if status, _ := b.h.as(webui.Owner).do("POST", "/devices/washer/mode", "mode=on&for=60"); status != 303 {
				b.t.Fatalf("the other's form: %d", status)
			}
			b.wait("document.querySelector('#dev-washer [aria-pressed=true]').value === 'on'")
		}},
		{"a device that does not follow says so", scene{}, func(b *tab) {
			b.h.report(hub.Report{Device: "boiler", Has: hub.ReportOnline, Online: false})
			b.open("/plan")
			b.wait("document.querySelector('#dev-boiler .dot.gone')")
			b.says("not there since")
		}},
		{"add, test and remove a device", scene{role: webui.Installer, empty: true}, func(b *tab) {
			b.open("/devices")
			b.click("section[aria-labelledby=add-h] summary")
			b.do(chromedp.SendKeys(chromedp.CSS("form[action='/devices'] input[name=name]"), "Heat pump"), chromedp.SetValue(chromedp.CSS("select[name=family]"), "gpio"), chromedp.SendKeys(chromedp.CSS("form[action='/devices'] input[name=topic]"), "GPIO17"))
			b.click("form[action='/devices'] button.main")
			b.wait("document.getElementById('dev-heat-pump') && document.getElementById('flash').textContent.includes('Added.')")
			b.click("#dev-heat-pump button[value=on]")
			b.flash("Switched for a minute.")
			b.click("#dev-heat-pump summary")
			b.click("#dev-heat-pump button.danger")
			b.wait("!document.getElementById('dev-heat-pump')")
		}},
	}
}
