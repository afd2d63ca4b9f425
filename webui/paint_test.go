package webui_test

import (
	"encoding/json"
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"homehub/hub"
	"homehub/webui"
)

var peers = flag.String("peers", "", "addresses of other programs' pages to measure beside ours, with commas")

// profile is a phone and its network, as docs/benchmarks.md names them: a
// processor four times slower than the machine's, and a link.
type profile struct {
	name string
	rtt  float64 // ms
	mbit float64
}

var profiles = []profile{{"in the house", 10, 20}, {"slow 4G", 150, 1.6}}

// paint is what one load of a page took, in ms since the navigation began.
type paint struct {
	First float64   `json:"first"` // first contentful paint
	Long  []float64 `json:"long"`  // tasks above 50 ms
	Parts []string  `json:"parts"` // frames above 50 ms, and what they did
}

// blocked is the time that a tap would have waited: total blocking time.
func (p paint) blocked() (ms float64) {
	for _, task := range p.Long {
		ms += task - 50
	}
	return ms
}

const watchPaint = `window.paint = {first: 0, long: [], parts: []};
	new PerformanceObserver(l => { for (const e of l.getEntries()) if (e.name === 'first-contentful-paint') paint.first = e.startTime }).observe({type: 'paint', buffered: true});
	new PerformanceObserver(l => { for (const e of l.getEntries()) paint.long.push(Math.round(e.duration)) }).observe({type: 'longtask', buffered: true});
	new PerformanceObserver(l => { for (const e of l.getEntries()) paint.parts.push(Math.round(e.duration) + ' ms at ' + Math.round(e.startTime) + ', style and layout ' + Math.round(e.styleAndLayoutStart && e.startTime + e.duration - e.styleAndLayoutStart) + ', scripts ' + e.scripts.map(s => s.invoker.slice(-30) + ' ' + Math.round(s.duration)).join(' ')) }).observe({type: 'long-animation-frame', buffered: true})`

// load opens a page as on the profile's phone with nothing in its cache, and
// waits until nothing has come from the network for half a second.
func (b *tab) load(address string, p profile) (out paint) {
	b.t.Helper()
	call(b, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	call(b, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 1})
	b.do(chromedp.Navigate("about:blank"))
	call(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{Latency: p.rtt, DownloadThroughput: p.mbit / 8 * 1e6, UploadThroughput: p.mbit / 8 * 1e6}}})
	call(b, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4})
	b.do(chromedp.Navigate(address))
	text := eval[string](b, `new Promise(done => {
		let seen = -1;
		const still = () => {
			const n = performance.getEntriesByType('resource').length + paint.long.length;
			if (n === seen && paint.first) return done(JSON.stringify(paint));
			seen = n;
			setTimeout(still, 500);
		};
		still();
	})`)
	call(b, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 1})
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		b.t.Fatalf("%s: %v", text, err)
	}
	return out
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// TestFirstPaint measures what a phone shows when, each load with nothing in
// its cache, and what keeps a finger waiting meanwhile. With -peers others'
// pages take turns with ours; only the proportion of the two says something
// on a machine that has other work.
func TestFirstPaint(t *testing.T) {
	rounds := 3
	if testing.Verbose() {
		rounds = 5
	}
	s := newStage(t)
	b := s.set(t, scene{long: true})
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)))
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchPaint})
	addresses := []string{b.url("/"), b.url("/plan"), b.url("/history?view=day&date=2026-06-12")}
	if *peers != "" {
		addresses = append(addresses, strings.Split(*peers, ",")...)
	}
	for _, p := range profiles {
		first, blocked, frames := map[string][]float64{}, map[string][]float64{}, map[string][]string{}
		for range rounds {
			for _, address := range addresses {
				got := b.load(address, p)
				first[address] = append(first[address], got.First)
				blocked[address] = append(blocked[address], got.blocked())
				frames[address] = got.Parts
			}
		}
		for _, address := range addresses {
			t.Logf("%s, %s: first paint %.0f ms, at best %.0f; blocked %.0f ms, at best %.0f; the last long frames: %s", p.name, address,
				median(first[address]), first[address][0], median(blocked[address]), blocked[address][0], strings.Join(frames[address], "; "))
		}
		// Ten times what is usual: a page that waits for something.
		if got := median(first[addresses[0]]); got > 5000 {
			t.Errorf("%s: the first page is empty for %.0f ms", p.name, got)
		}
	}
	call(b, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 1})
	call(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: -1}}})
	call(b, network.SetCacheDisabled, network.SetCacheDisabledParams{})
}

// Numbers that come in never hold up a finger: no task is longer than 50 ms,
// on this machine at its own speed. The machine may have other work, so it is
// the quietest of some rounds that counts.
func TestNoLongTasks(t *testing.T) {
	s := newStage(t)
	b := s.set(t, scene{role: webui.Family})
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchPaint})
	var rounds []string
	for round := range 5 {
		b.open("/")
		for i := range 20 {
			w := 100*(round+1) + i
			b.h.read(hub.Watt(w), 0)
			b.wait("document.getElementById('net').textContent === '" + strconv.Itoa(w) + "'")
		}
		if n := eval[int](b, "paint.long.length"); n == 0 {
			return
		}
		rounds = append(rounds, eval[string](b, "paint.long.join(', ') + ' ms'"))
	}
	t.Errorf("each round has long tasks: %s", strings.Join(rounds, "; "))
}
