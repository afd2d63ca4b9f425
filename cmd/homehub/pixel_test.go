package main

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestTelegramToPixel measures the way of a telegram from its last byte on the
// serial port to the number on the first page of a real browser, and to the
// frame that shows it, with the hub in a process of its own. Hub, browser and
// test share the clock of the machine. The bound is loose, as CI machines are
// shared; with -v it takes the telegrams that docs/benchmarks.md is made from.
func TestTelegramToPixel(t *testing.T) {
	n := 60
	if testing.Verbose() {
		n = 200
	}
	ctx := newTab(t, 5*time.Minute)
	m := newTestMeter(t)
	p := m.serve()
	m.begun = time.Now().Truncate(time.Second).Add(-time.Duration(n+10) * time.Second)
	p.form("/setup/password", "password", "correct horse")
	p.form("/setup/done")
	m.send()
	const watch = `const seen = {};
		new MutationObserver(() => {
			const at = performance.timeOrigin + performance.now(), w = document.getElementById('net').textContent;
			if (!seen[w]) { seen[w] = {at, shown: 0}; requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () => { seen[w].shown = performance.timeOrigin + performance.now() }; c.port2.postMessage(0) }) }
		}).observe(document, {subtree: true, childList: true, characterData: true});
		window.when = w => new Promise(done => { const look = () => seen[w]?.shown ? done([seen[w].at, seen[w].shown]) : setTimeout(look, 5); look() }); undefined`
	if err := chromedp.Do(ctx, chromedp.Navigate(p.url+"/"), chromedp.Evaluate[chromedp.Void](watch)); err != nil {
		t.Fatal(err)
	}
	var changed, shown []time.Duration
	for i := range n + 5 {
		m.send()
		sent := time.Now()
		at, err := chromedp.Run(ctx, chromedp.Evaluate[[2]float64]("when('"+grouped(m.watts())+"')", chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatalf("telegram %d of %d W: %v", i, m.watts(), err)
		}
		if i < 5 {
			continue // the page came up while these were on their way
		}
		since := func(ms float64) time.Duration { return time.UnixMicro(int64(ms * 1000)).Sub(sent) }
		changed, shown = append(changed, since(at[0])), append(shown, since(at[1]))
	}
	slices.Sort(changed)
	slices.Sort(shown)
	t.Logf("%d telegrams to the number: p50 %v, p99 %v, worst %v; to the frame: p50 %v, p99 %v, worst %v", n,
		changed[n/2], changed[n*99/100], changed[n-1], shown[n/2], shown[n*99/100], shown[n-1])
	if changed[n/2] > 250*time.Millisecond {
		t.Errorf("half of the readings take longer than %v to the page", changed[n/2])
	}
	if changed[0] < 0 {
		t.Errorf("a number was there %v before its telegram", -changed[0])
	}
}

// grouped is a number below a million as the English page writes it.
func grouped(w int) string {
	digits := strconv.AppendInt(nil, int64(w), 10)
	if len(digits) > 3 {
		digits = slices.Insert(digits, len(digits)-3, ',')
	}
	return string(digits)
}
