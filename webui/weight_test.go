package webui_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"homehub/webui"
)

func zipped(t *testing.T, text string) int {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Len()
}

// wire is how much a page and everything it refers to weigh, as sent.
func (b *browser) wire(path string) (bytes, requests int) {
	b.h.t.Helper()
	size := func(path string) (int, string) {
		res := b.send("GET", path, "", "Accept-Encoding", "gzip")
		defer res.Body.Close()
		if res.StatusCode != 200 {
			b.h.t.Fatalf("%s: %d", path, res.StatusCode)
		}
		n, _ := strconv.Atoi(res.Header.Get("Content-Length"))
		if n == 0 || res.Header.Get("Content-Encoding") != "gzip" && n > 1500 {
			b.h.t.Fatalf("%s: %d bytes, %s", path, n, res.Header.Get("Content-Encoding"))
		}
		return n, ""
	}
	_, body := b.do("GET", path, "")
	total, _ := size(path)
	requests = 1
	for _, m := range regexp.MustCompile(`(?:href|src)="(/assets/[^"]*)"`).FindAllStringSubmatch(body, -1) {
		n, _ := size(m[1])
		total, requests = total+n, requests+1
	}
	return total, requests
}

func TestWeight(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Owner)
	first, requests := b.wire("/")
	t.Logf("first screen: %d bytes in %d requests", first, requests)
	if first > 14_000 || requests > 4 {
		t.Errorf("the first screen weighs %d bytes in %d requests, at most 14,000 in 4", first, requests)
	}
	if !h.server.HasChart() {
		t.Log("the chart library is not embedded: chart pages are not weighed")
	} else {
		for _, view := range []string{"day", "month"} {
			chart, requests := b.wire("/history?view=" + view + "&date=2026-06-12")
			t.Logf("chart page, %s: %d bytes in %d requests", view, chart, requests)
			if chart > 45_000 {
				t.Errorf("the chart page weighs %d bytes, at most 45,000", chart)
			}
		}
	}
	// With a series for all that is there, and another day to compare with;
	// every value is a surprise, which is more than a house can do.
	h.feeds.noise = rand.New(rand.NewPCG(1, 2))
	defer func() { h.feeds.noise = nil }()
	_, day := b.do("GET", "/history?view=day&date=2026-06-12&with=prev", "")
	if m := regexp.MustCompile(`(?s)id="chart-data">(.*?)</script>`).FindStringSubmatch(day); m != nil {
		curve := zipped(t, m[1])
		t.Logf("a day's curve: %d bytes, %d before gzip", curve, len(m[1]))
		if curve > 3_000 {
			t.Errorf("the day's curve weighs %d bytes, at most 3,000", curve)
		}
	}
	// Every screen counts once: a history of weeks is the screen of days, and a
	// form that is open is part of its page. The second sum has these too.
	own, again, heaviest := 0, 0, 0
	screens := map[string]bool{}
	for _, page := range pagesOf {
		_, body := b.do("GET", page.path, "")
		weighs := zipped(t, body)
		heaviest = max(heaviest, weighs)
		screen := page.path
		if !strings.Contains(screen, "step=") { // a step of the set-up is a screen of its own
			screen, _, _ = strings.Cut(screen, "?")
		}
		if screens[screen] {
			again += weighs
		} else {
			screens[screen], own = true, own+weighs
		}
		t.Logf("%s: %d bytes", page.name, weighs)
	}
	for _, name := range []string{"app.css", "app.js", "chart.js", "icon.svg"} {
		_, body := b.do("GET", h.server.AssetPrefix()+name, "")
		own += zipped(t, body)
	}
	t.Logf("all %d screens and own assets: %d bytes, with all %d views of them %d; the heaviest page: %d", len(screens), own, len(pagesOf), own+again, heaviest)
	if own > 60_000 {
		t.Errorf("the whole UI weighs %d bytes, at most 60,000", own)
	}
}

// The pairs of colours that text is set in have the contrast that WCAG AA
// asks for, in light and in dark; lines and shapes have theirs.
func TestContrast(t *testing.T) {
	css, err := webui.EmbeddedFile("ui/app.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(css), 2)
	light := tokens(blocks[0][1])
	dark := tokens(blocks[1][1])
	if len(light) < 15 || len(light) != len(dark) {
		t.Fatalf("%d colours in light, %d in dark", len(light), len(dark))
	}
	for scheme, c := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, pair := range [][2]string{
			{"ink", "bg"},
			{"ink", "card"},
			{"soft", "bg"},
			{"soft", "card"},
			{"main", "bg"},
			{"main", "card"},
			{"onmain", "main"},
			{"imp", "bg"},
			{"exp", "bg"},
			{"bad", "badbg"},
			{"bad", "card"},
			{"ink", "goodbg"},
			{"ink", "tint"},
			{"soft", "tint"},
			{"main", "tint"},
			{"bg", "ink"},
			{"sun", "card"},
		} {
			if got := contrast(c[pair[0]], c[pair[1]]); got < 4.5 {
				t.Errorf("%s: %s on %s has %.2f:1", scheme, pair[0], pair[1], got)
			}
		}
		for _, pair := range [][2]string{{"main", "card"}, {"gridfill", "card"}, {"soft", "card"}, {"imp", "card"}, {"exp", "card"}} {
			if got := contrast(c[pair[0]], c[pair[1]]); got < 3 {
				t.Errorf("%s: the shape %s on %s has %.2f:1", scheme, pair[0], pair[1], got)
			}
		}
	}
}

func tokens(block string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z]+): (#[0-9a-f]+);`).FindAllStringSubmatch(block, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// contrast is WCAG 2.2's contrast ratio.
func contrast(a, b string) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(hex string) float64 {
	hex = strings.TrimPrefix(hex, "#")
	if len(hex) == 3 {
		hex = fmt.Sprintf("%c%c%c%c%c%c", hex[0], hex[0], hex[1], hex[1], hex[2], hex[2])
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func TestAssets(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for path, want := range map[string]int{
		h.server.AssetPrefix() + "app.js": 200, h.server.AssetPrefix() + "openapi.json": 404, h.server.AssetPrefix() + "now.html": 404, h.server.AssetPrefix() + "README": 404,
		"/assets/0123456789ab/app.js": 404, h.server.AssetPrefix() + "..%2fdoc.go": 404, h.server.AssetPrefix() + "": 404,
	} {
		if status, _ := b.do("GET", path, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	for _, name := range []string{"app.js", "chart.js", "app.css"} {
		_, body := b.do("GET", h.server.AssetPrefix()+name, "")
		if found := regexp.MustCompile(`(?m)/\*\*.*|^\s*//.*`).FindString(body); found != "" || len(body) < 1000 {
			t.Errorf("%s holds %q", name, found)
		}
	}
	res := b.send("GET", h.server.AssetPrefix()+"app.css", "", "Accept-Encoding", "gzip;q=0, br")
	res.Body.Close()
	if res.Header.Get("Content-Encoding") != "" {
		t.Error("gzip is sent to whom refuses it")
	}
}
