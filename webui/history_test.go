package webui_test

import (
	"encoding/json"
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// A chosen span is told by the hour, day or month, whatever it begins with.
func TestChosenSpans(t *testing.T) {
	h := newHouse(t)
	for _, test := range []struct {
		query   string
		rows    int
		imports float64 // Wh in all; 400 W for the 18 hours without sun
	}{
		{"from=2026-06-12&to=2026-06-12", 24, 7200},
		{"from=2026-03-28&to=2026-03-30", 71, 3*7200 - 400},
		{"from=2026-06-01&to=2026-06-10", 10, 72_000},
		{"from=2026-06-10&to=2026-06-01", 10, 72_000},
		{"from=2026-01-17&to=2026-06-10", 6, 145*7200 - 400},
	} {
		status, body := h.browser().do("GET", "/history.csv?view=span&"+test.query, "")
		lines := strings.Split(strings.TrimSpace(body), "\r\n")
		if status != 200 || len(lines)-1 != test.rows {
			t.Errorf("%s: %d with %d rows, want %d", test.query, status, len(lines)-1, test.rows)
			continue
		}
		sum := 0.0
		for _, line := range lines[1:] {
			var v float64
			if err := json.Unmarshal([]byte(strings.Split(line, ",")[2]), &v); err != nil {
				t.Fatal(err)
			}
			sum += v
		}
		if sum < test.imports-2 || sum > test.imports+2 {
			t.Errorf("%s: %v Wh, want %v", test.query, sum, test.imports)
		}
	}
	for _, bad := range []string{"from=2026-06-01", "from=x&to=2026-06-01", "from=1971-01-01&to=2199-01-01"} {
		if status, _ := h.browser().do("GET", "/history?view=span&"+bad, ""); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
}

// Every span leads to the one before, the one after, and is compared with
// what people mean.
func TestSpanNeighbours(t *testing.T) {
	day := func(text string) time.Time {
		at, err := time.ParseInLocation("2006-01-02 15", text+" 12", amsterdam())
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, test := range []struct {
		view              webui.Calendar
		date              string
		before, after, up string // first days
	}{
		{"day", "2026-03-29", "2026-03-28", "2026-03-30", "2025-03-29"},
		{"day", "2028-02-29", "2028-02-28", "2028-03-01", "2027-03-01"},
		{"week", "2026-01-01", "2025-12-22", "2026-01-05", "2024-12-30"},
		{"month", "2026-03-31", "2026-02-01", "2026-04-01", "2025-03-01"},
		{"year", "2026-05-05", "2025-01-01", "2027-01-01", "2025-01-01"},
	} {
		before, after, up := webui.Neighbours(test.view, day(test.date))
		if before != test.before || after != test.after || up != test.up {
			t.Errorf("%s of %s: %s, %s and %s", test.view, test.date, before, after, up)
		}
	}
}

func TestCompare(t *testing.T) {
	h := newHouse(t)
	_, body := h.browser().do("GET", "/history?view=month&date=2026-06-12&with=date&other=2026-02-10", "")
	for _, want := range []string{"<th scope=\"col\">June 2026</th><th scope=\"col\">February 2026</th>", "<td>216.0</td><td>201.6</td><td>+7%</td>", "Used then"} {
		if !strings.Contains(html.UnescapeString(body), want) {
			t.Errorf("the comparison lacks %s", want)
		}
	}
	if status, _ := h.browser().do("GET", "/history?with=date&other=nonsense", ""); status != 400 {
		t.Errorf("compared with nonsense: %d", status)
	}
	if _, body := h.browser().do("GET", "/history?with=date", ""); strings.Contains(body, `class="compare"`) {
		t.Error("compared with no date at all")
	}
}

// The devices' energy and the rest make up what was used, and cost follows
// the hour's price: the grid's for what came from it, and what the sun would
// have earned for the rest.
func TestRanking(t *testing.T) {
	prices := func(from time.Time, n int) []hub.Slot {
		slots := flatPrices(from, n)
		for i := range slots {
			slots[i].Import, slots[i].Export = 300_000, 100_000
		}
		return slots
	}
	h := newHouse(t, func(c *webui.Config) { c.Prices = prices }).furnish()
	_, body := h.browser().do("GET", "/history?view=day&date=2026-06-12", "")
	var got []string
	for _, m := range regexp.MustCompile(`<li><span>([^<]*)</span><b>([^<]*) (?:<small>([^<]*)</small>)?</b>`).FindAllStringSubmatch(body, -1) {
		got = append(got, m[1]+" "+m[2]+" "+m[3])
	}
	// 250 W for 24 hours, of which 6 are sunny: 4.5 kWh at 30 ct and 1.5 at 10.
	// In all 12 kWh: 7.2 at 30 ct and 4.8 at 10.
	want := []string{"Washing machine 6.00 kWh €1.50", "Everything else 6.00 kWh €1.14"}
	if len(got) < 2 || got[0] != want[0] || got[len(got)-1] != want[1] {
		t.Errorf("the ranking is %q, want it to begin and end with %q", got, want)
	}
	for _, view := range []string{"week", "month", "year"} {
		if status, body := h.browser().do("GET", "/history?view="+view+"&date=2026-06-12", ""); status != 200 || !strings.Contains(body, "€") {
			t.Errorf("the %s has no cost: %d", view, status)
		}
	}
}

// A device that is new today is not taken to have run all year, where nothing
// but its power is known.
func TestRankingOfANewDevice(t *testing.T) {
	h := newHouse(t).furnish()
	h.feeds.since = map[string]time.Time{hub.DevicePowerFeed("washer"): h.now.Add(-time.Minute), hub.DeviceEnergyFeed("washer"): h.now.AddDate(1, 0, 0)}
	for _, view := range []string{"day", "week", "month", "year"} {
		_, body := h.browser().do("GET", "/history?view="+view, "")
		m := regexp.MustCompile(`<li><span>Washing machine</span><b>([0-9.]+) kWh`).FindStringSubmatch(body)
		if m == nil {
			t.Errorf("%s: it is not in the ranking", view)
			continue
		}
		if kwh, err := strconv.ParseFloat(m[1], 64); err != nil || kwh > 0.25 {
			t.Errorf("%s: 250 W for a minute are %s kWh", view, m[1])
		}
	}
}

// What a form gets wrong is said in the reader's language.
func TestProblemsAreTranslated(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Family)
	for lang, want := range map[string]string{"en": "Give the time like 07:00.", "nl": "Geef de tijd zo: 07:00.", "fr": "Indiquez l’heure", "de": "Bitte die Zeit so angeben", "cy": "Rhowch yr amser fel hyn"} {
		if _, body := b.do("POST", "/devices/washer/schedule", "ready_by=x&amount=1&unit=h", "Accept-Language", lang); !strings.Contains(html.UnescapeString(body), want) {
			t.Errorf("in %s the page does not say %s", lang, want)
		}
	}
	if _, body := h.browser().do("GET", "/nothing", "", "Accept-Language", "de"); !strings.Contains(body, "Das gibt es nicht") {
		t.Error("a page that is not there is told in English")
	}
}
