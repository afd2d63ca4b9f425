package webui_test

import (
	"bytes"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// ofTheHouse are the pages that show how the house lives.
func ofTheHouse(page string) bool {
	return page == "now" || page == "kiosk" || strings.HasPrefix(page, "plan") || strings.HasPrefix(page, "history")
}

// every page, in every language, by everybody, with and without the chart
// library, in a full and an empty house.
func TestPagesRender(t *testing.T) {
	ids := regexp.MustCompile(` id="([^"]*)"`)
	key := regexp.MustCompile(`>\s*[a-z]+\.[a-z.]+\s*<`)
	for _, furnished := range []bool{true, false} {
		h := newHouse(t)
		if furnished {
			h.furnish()
		}
		for _, lang := range webui.Languages() {
			for _, role := range []webui.Role{"", webui.Owner, webui.Family, webui.Installer} {
				b := h.token(role)
				for _, page := range pagesOf {
					h.server.SetChart(role != webui.Family)
					status, body := b.do("GET", page.path, "", "Accept-Language", lang+"-XX,en;q=0.5")
					want := 200
					if page.name == "missing" {
						want = 404
					}
					if role == webui.Installer && ofTheHouse(page.name) {
						want = 403
						if page.path == "/" || page.name == "kiosk" {
							want = 303 // to the devices
						}
					}
					ofSetup := page.name == "pairing" || page.name == "map" || page.name == "sample"
					if ofSetup && role == "" {
						want = 303 // to the door
					} else if ofSetup && role == webui.Family {
						want = 403
					}
					if (strings.HasPrefix(page.path, "/setup") || page.name == "data") && role != webui.Owner { // of the owner's alone
						want = 403
						if role == "" {
							want = 303
						}
					}
					if page.name == "notices" && role == webui.Installer {
						want = 403
					}
					if want == 303 && status == want {
						continue
					}
					if status != want {
						t.Errorf("%s in %s for %q: %d", page.path, lang, role, status)
						continue
					}
					if !strings.Contains(body, `<html lang="`+lang+`"`) || !strings.HasSuffix(strings.TrimSpace(body), "</html>") {
						t.Errorf("%s in %s for %q is not whole", page.path, lang, role)
					}
					if !strings.Contains(body, ` data-events="/api/events`) {
						t.Errorf("%s in %s for %q does not know its stream", page.path, lang, role)
					}
					seen := map[string]bool{}
					for _, m := range ids.FindAllStringSubmatch(body, -1) {
						if seen[m[1]] {
							t.Errorf("%s: two elements have id %s", page.path, m[1])
						}
						seen[m[1]] = true
					}
					for _, bad := range []string{"ZgotmplZ", "<no value>", "%!", " style=", "onclick", "NaN", "{0}<", "<nil>"} {
						if strings.Contains(body, bad) {
							t.Errorf("%s in %s holds %s", page.path, lang, bad)
						}
					}
					if found := key.FindString(body); found != "" {
						t.Errorf("%s in %s shows the key %s", page.path, lang, found)
					}
				}
			}
		}
	}
}

func TestHistoryWithoutChartLibrary(t *testing.T) {
	h := newHouse(t).furnish()
	h.server.SetChart(false)
	_, body := h.browser().do("GET", "/history?view=day&date=2026-06-12", "")
	if strings.Contains(body, "uPlot") || strings.Contains(body, "chart.js") || strings.Contains(body, `id="chart"`) {
		t.Error("the page refers to a chart that is not there")
	}
	if n := strings.Count(body, "<tr>"); n != 25 || strings.Contains(body, `<details class="table"`) {
		t.Errorf("the table has %d rows, want a head and 24 hours, in the open", n)
	}
	h.server.SetChart(true)
	_, body = h.browser().do("GET", "/history?view=day&date=2026-06-12", "")
	if strings.Count(body, "<tr>") != 25 || !strings.Contains(body, `<details class="table"`) || !strings.Contains(body, "uPlot.iife.min.js") {
		t.Error("with the library the table is gone, or the chart is missing")
	}
}

// Days have 23, 24 or 25 hours, and months and years their days.
func TestSpans(t *testing.T) {
	zone := amsterdam()
	tests := []struct {
		view       webui.Calendar
		date       string
		rows       int
		start, end string
		hours      float64
	}{
		{"day", "2026-06-12", 24, "2026-06-12T00:00:00+02:00", "2026-06-13T00:00:00+02:00", 24},
		{"day", "2026-03-29", 23, "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", 23},
		{"day", "2026-10-25", 25, "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 25},
		{"week", "2026-10-25", 7, "2026-10-19T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 169},
		{"week", "2026-01-01", 7, "2025-12-29T00:00:00+01:00", "2026-01-05T00:00:00+01:00", 168},
		{"month", "2028-02-10", 29, "2028-02-01T00:00:00+01:00", "2028-03-01T00:00:00+01:00", 696},
		{"year", "2026-12-31", 12, "2026-01-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00", 8760},
	}
	for _, test := range tests {
		day, err := time.ParseInLocation("2006-01-02 15:04", test.date+" 12:00", zone)
		if err != nil {
			t.Fatal(err)
		}
		rows, end := webui.SpanRows(test.view, day)
		if len(rows) != test.rows || rows[0].Format(time.RFC3339) != test.start || end.Format(time.RFC3339) != test.end || end.Sub(rows[0]).Hours() != test.hours {
			t.Errorf("%s of %s has %d rows from %v to %v", test.view, test.date, len(rows), rows[0], end)
		}
	}
}

// What came in equals what went out: from the grid + sun = used + to the grid,
// in every row and in the sums, whatever the span.
func TestHistoryAddsUp(t *testing.T) {
	h := newHouse(t)
	for _, query := range []string{"view=day&date=2026-03-29", "view=day&date=2026-06-12", "view=week&date=2026-06-12", "view=month&date=2026-10-25", "view=year&date=2025-12-01"} {
		_, body := h.browser().do("GET", "/history.csv?"+query, "")
		lines := strings.Split(strings.TrimSpace(body), "\r\n")
		if lines[0] != "start,end,import Wh,export Wh,solar Wh,used Wh" || len(lines) < 8 {
			t.Fatalf("%s: %s", query, body)
		}
		for _, line := range lines[1:] {
			var v [4]float64
			fields := strings.Split(line, ",")
			for i := range v {
				v[i], _ = strconv.ParseFloat(fields[2+i], 64)
			}
			if math.Abs(v[0]+v[2]-v[1]-v[3]) > 2 { // each is rounded
				t.Errorf("%s: %s does not add up", query, line)
			}
		}
	}
	_, body := h.browser().do("GET", "/history?view=month&date=2026-06-12", "")
	for _, want := range []string{"216.0 kWh", "360.0 kWh", "40%"} {
		if !strings.Contains(body, want) {
			t.Errorf("June lacks %s", want)
		}
	}
}

func TestHistoryNavigation(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for query, want := range map[string][2]string{ // prev, next
		"view=day&date=2026-03-01":   {"view=day&amp;date=2026-02-28", "view=day&amp;date=2026-03-02"},
		"view=day&date=2026-03-30":   {"view=day&amp;date=2026-03-29", "view=day&amp;date=2026-03-31"},
		"view=week&date=2026-03-30":  {"view=week&amp;date=2026-03-23", "view=week&amp;date=2026-04-06"},
		"view=month&date=2026-01-31": {"view=month&amp;date=2025-12-01", "view=month&amp;date=2026-02-01"},
		"view=year&date=2025-06-01":  {"view=year&amp;date=2024-01-01", "view=year&amp;date=2026-01-01"},
	} {
		_, body := b.do("GET", "/history?"+query, "")
		for i, rel := range []string{"prev", "next"} {
			if !strings.Contains(body, `rel="`+rel+`" href="/history?`+want[i]+`"`) {
				t.Errorf("%s: %s does not lead to %s", query, rel, want[i])
			}
		}
	}
	if _, body := b.do("GET", "/history", ""); strings.Contains(body, `rel="next"`) {
		t.Error("today leads to tomorrow")
	}
	for _, query := range []string{"view=decade", "date=2026-02-30", "date=12-06-2026", "date=0001-01-01"} {
		if status, _ := b.do("GET", "/history?"+query, ""); status != 400 {
			t.Errorf("%s: %d", query, status)
		}
	}
}

func TestNowInEveryState(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	look := func() string {
		_, body := b.do("GET", "/", "")
		return body
	}
	if body := look(); !strings.Contains(body, `data-dir="none"`) || !strings.Contains(body, "No meter since "+h.now.Format("15:04")) {
		t.Error("before the first reading the page does not say that there is no meter")
	}
	for _, test := range []struct {
		imp, exp hub.Watt
		dir, net string
	}{{432, 0, "from", "432"}, {0, 12_345, "to", "12,345"}, {0, 0, "even", "0"}} {
		h.read(test.imp, test.exp)
		if body := look(); !strings.Contains(body, `data-dir="`+test.dir+`"`) || !strings.Contains(body, `<output id="net">`+test.net+`<`) {
			t.Errorf("at %d W in and %d W out the page does not say %s %s", test.imp, test.exp, test.dir, test.net)
		}
	}
	h.hub.Tick(t.Context(), time.Now().Add(time.Minute))
	if body := look(); !strings.Contains(body, `data-dir="none"`) || !strings.Contains(body, "No meter since") {
		t.Error("the page does not say that the meter is silent")
	}
	h.health.Set("storage", hub.Down, "the card is read-only")
	if body := look(); !strings.Contains(body, "<b>Nothing is being stored:</b> the card is read-only") {
		t.Error("the page does not say that nothing is stored")
	}
}

func TestPlanForms(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Family)
	get := func(id string) *hub.Schedule {
		d, _ := h.hub.Device(id)
		return d.Schedule
	}
	if status, _ := b.do("POST", "/devices/boiler/schedule", "ready_by=06:30&amount=2,5&unit=h&day=mon&day=sun&may_pause=1"); status != 303 {
		t.Fatalf("saved: %d", status)
	}
	if s := get("boiler"); s == nil || s.Minutes != 150 || s.ReadyBy != 390 || !s.MayPause || s.Days != 1<<time.Monday|1<<time.Sunday {
		t.Errorf("the schedule is %+v", s)
	}
	for _, bad := range []string{"ready_by=7&amount=1&unit=h", "ready_by=07:00&amount=&unit=h", "ready_by=07:00&amount=NaN&unit=h", "ready_by=07:00&amount=-1&unit=kwh", "ready_by=07:00&amount=25&unit=h", "ready_by=07:00&amount=1&unit=W", "ready_by=07:00&amount=1e5&unit=kwh", "ready_by=07:00&amount=1&unit=h&day=funday"} {
		status, body := b.do("POST", "/devices/boiler/schedule", bad)
		if status != 400 || !strings.Contains(body, `role="alert"`) || !strings.Contains(body, `<details class="editor" open>`) {
			t.Errorf("%s: %d, and the form is not open with an alert", bad, status)
		}
		if v, _ := url.ParseQuery(bad); !strings.Contains(body, `value="`+v.Get("amount")+`"`) {
			t.Errorf("%s: what was typed is gone", bad)
		}
	}
	if get("boiler").Minutes != 150 {
		t.Error("a refused form changed the schedule")
	}
	_, body := b.do("GET", "/plan?edit=washer&ready_by=05:45&amount=3&unit=h", "")
	if !strings.Contains(body, "Preview for 05:45.") {
		t.Error("no preview")
	}
	if _, body = b.do("GET", "/plan?edit=washer&ready_by=05:45&amount=11.1&unit=h", ""); !strings.Contains(body, "No price is known yet.") {
		t.Error("no word on why there is no preview")
	}
	b.do("POST", "/devices/washer/skip", "")
	deadline := hub.LocalTime(420).On(h.now.AddDate(0, 0, 1))
	if s := get("washer"); !s.Skip.Equal(deadline) || s.Minutes != 180 {
		t.Errorf("skipped: %+v", s)
	}
	b.do("POST", "/devices/washer/skip", "")
	if s := get("washer"); !s.Skip.IsZero() {
		t.Errorf("not skipped after all: %+v", s)
	}
	b.do("POST", "/devices/washer/unschedule", "")
	if get("washer") != nil {
		t.Error("the plan is still there")
	}
	if status, _ := b.do("POST", "/devices/washer/mode", "mode=on&for=60"); status != 303 {
		t.Errorf("mode: %d", status)
	}
	if d, _ := h.hub.Device("washer"); d.Mode != hub.ModeOn || time.Until(d.ModeUntil).Round(time.Minute) != time.Hour {
		t.Errorf("on for an hour: %v until %v", d.Mode, d.ModeUntil)
	}
	for _, bad := range []string{"mode=on&for=x", "mode=on&for=-5", "mode=up", "mode=on&for=99999999"} {
		if status, _ := b.do("POST", "/devices/washer/mode", bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
}

func TestDeviceForms(t *testing.T) {
	h := newHouse(t)
	b := h.as(webui.Owner)
	if status, _ := b.do("POST", "/devices", "name=Heat+pump&family=gpio&role=plug&topic=GPIO17&power_w=1500"); status != 303 {
		t.Fatalf("added: %d", status)
	}
	status, body := b.do("POST", "/devices", "name=Other&family=gpio&role=plug&topic=GPIO17&power_w=x")
	if status != 400 || !strings.Contains(body, `value="Other"`) || !strings.Contains(body, "whole number of watts") {
		t.Errorf("a bad form: %d", status)
	}
	b.do("POST", "/devices/heat-pump/change", "name=Pump&topic=GPIO18&power_w=")
	if d, _ := h.hub.Device("heat-pump"); d.Name != "Pump" || d.Topic != "GPIO18" || d.Power != 0 {
		t.Errorf("changed: %+v", d.Device)
	}
	b.do("POST", "/devices/heat-pump/test", "mode=on")
	if d, _ := h.hub.Device("heat-pump"); d.Mode != hub.ModeOn || time.Until(d.ModeUntil) > time.Minute || time.Until(d.ModeUntil) < 50*time.Second {
		t.Errorf("tested: %v until %v", d.Mode, d.ModeUntil)
	}
	b.do("POST", "/devices/heat-pump/remove", "")
	if _, ok := h.hub.Device("heat-pump"); ok {
		t.Error("it is still there")
	}
}

func TestSecretsAreShownOnce(t *testing.T) {
	h := newHouse(t)
	b := h.as(webui.Owner)
	res := b.send("POST", "/more/clients", "name=Node+Red&read=hub/%23+dev/%2B/state&write=dev/x/cmd")
	var body bytes.Buffer
	_, _ = body.ReadFrom(res.Body)
	res.Body.Close()
	secret := regexp.MustCompile(`class="secret">([0-9a-f]{32})<`).FindStringSubmatch(body.String())
	if res.StatusCode != 200 || secret == nil || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, secret %v, %s", res.StatusCode, secret, res.Header.Get("Cache-Control"))
	}
	c := h.clients.List()[0]
	if !c.Check(secret[1]) || len(c.Grants) != 3 || !c.Grants[0].Read || c.Grants[0].Write || !c.Grants[2].Write {
		t.Errorf("made: %+v", c)
	}
	if _, page := b.do("GET", "/more", ""); strings.Contains(page, secret[1]) || !strings.Contains(page, "node-red") {
		t.Error("the secret is shown again, or the program is not listed")
	}
}

func TestLanguage(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.browser()
	if _, body := b.do("GET", "/", "", "Accept-Language", "pt, en;q=0.5, nl-BE;q=0.8, de;q=0"); !strings.Contains(body, "Nu van het net") || !strings.Contains(body, "2.710 W") {
		t.Error("the first language there is, is not taken")
	}
	if status, _ := b.do("POST", "/language", "lang=nl"); status != 303 {
		t.Fatalf("chosen: %d", status)
	}
	if _, body := b.do("GET", "/", "", "Accept-Language", "en"); !strings.Contains(body, "Nu van het net") {
		t.Error("the choice is forgotten")
	}
	if status, _ := b.do("POST", "/language", "lang=../../etc"); status != 400 {
		t.Errorf("a language that is none: %d", status)
	}
}

// A curve is drawn from point to point and leaves gaps, and what is rounded
// does not add up: the last point is where it belongs.
func TestCurve(t *testing.T) {
	var points []webui.Point
	for i, v := range []float64{1, 2.04, 3, -1, 5, 0.55} {
		points = append(points, webui.Point{At: time.UnixMilli(int64(i) * 1049), Value: v, OK: v >= 0})
	}
	if got, want := webui.Area(points), "M0 10l0 -1l1 -1l1.1 -1l0 3zM4.2 10l0 -5l1 4.5l0 0.5z"; got != want {
		t.Errorf("the area is %s, want %s", got, want)
	}
	if got, want := webui.Line(points), "M0 9l1 -1l1.1 -1M4.2 5l1 4.5"; got != want {
		t.Errorf("the line is %s, want %s", got, want)
	}
}

func TestStripAndLight(t *testing.T) {
	now := time.Date(2026, 6, 12, 10, 7, 0, 0, amsterdam())
	first := hub.SlotStart(now)
	var slots []hub.Slot
	for i := range 12 {
		slots = append(slots, hub.Slot{Start: first.Add(time.Duration(i) * hub.SlotLength), Import: hub.MicroEuro(100_000 * (i%3 + 1)), Known: i < 9})
	}
	runs := []hub.Run{{Start: first.Add(hub.SlotLength), End: first.Add(3 * hub.SlotLength)}}
	svg := string(webui.Strip(slots, runs, now))
	d := func(class string) string {
		return regexp.MustCompile(`class="` + class + `" d="([^"]*)"`).FindStringSubmatch(svg)[1]
	}
	// Nine prices of three heights, again and again, in steps of 28.3.
	if bars := d("bars"); strings.Count(bars, "M") != 1 || strings.Count(bars, "H") != 9 || !strings.HasPrefix(bars, "M0 44V30H28.3V16H56.7V2H85V30H") {
		t.Errorf("nine known prices are drawn as %s", bars)
	}
	// Filled, and marked beneath.
	if chosen := d("chosen"); chosen != "M28.3 44V16H56.7V2H85V44zM28.3 51V47H85V51z" {
		t.Errorf("two planned quarters are drawn as %s", chosen)
	}
	if !strings.Contains(svg, "lowest 10.0\u00a0ct/kWh at 10:00, highest 30.0\u00a0ct/kWh at 10:30. Runs 10:15 to 10:45.") {
		t.Errorf("in words: %s", svg)
	}
	for i, want := range []string{"cheap", "normal", "dear"} {
		if got := webui.Light(slots, now.Add(time.Duration(i)*hub.SlotLength)); got != want {
			t.Errorf("quarter %d is %q, want %s", i, got, want)
		}
	}
	if got := webui.Light(slots, now.Add(10*hub.SlotLength)); got != "" {
		t.Errorf("an unknown price is %q", got)
	}
	if got := webui.Strip(slots[9:], nil, now); got != "" {
		t.Errorf("unknown prices are drawn: %s", got)
	}
}
