package webui_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"homehub/webui"
)

var screens = flag.String("screens", "", "folder to put a screenshot of every page into")

// chromium is the one browser of all tests, started by the first that needs
// it.
var chromium struct {
	once    sync.Once
	ctx     context.Context
	missing string
	stop    []context.CancelFunc
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	for i := len(chromium.stop) - 1; i >= 0; i-- {
		chromium.stop[i]()
	}
	os.Exit(code)
}

func startChromium() {
	path, err := exec.LookPath("chromium")
	if err != nil {
		chromium.missing = "chromium is not installed: apt-get install chromium"
		return
	}
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		// Neither pages kept for the way back nor processes for other sites:
		// starting one costs more than most journeys.
		chromedp.Flag("disable-features", "Translate,BackForwardCache,SpareRendererForSitePerProcess,PreloadTopChromeWebUI,MediaRouter,OptimizationHints"),
		// A page must not depend on a secure context, which localhost is.
		chromedp.Flag("host-resolver-rules", "MAP hub.local 127.0.0.1"),
		chromedp.Env("TZ=Australia/Sydney"),      // the house's zone counts, never the browser's
		chromedp.WSURLReadTimeout(2*time.Minute), // the machine may be busy
		chromedp.WindowSize(390, 844))...)
	ctx, cancelBrowser := chromedp.NewContext(alloc)
	chromium.stop = append(chromium.stop, cancel, cancelBrowser)
	if err := chromedp.Do(ctx); err != nil {
		chromium.missing = "chromium does not start: " + err.Error()
		return
	}
	chromium.ctx = ctx
}

// tab is one tab with cookies of its own.
type tab struct {
	t   *testing.T
	h   *house
	ctx context.Context

	plain bool // scripts are off
	taps  int  // clicks so far
}

func newTab(t *testing.T, h *house) *tab {
	t.Helper()
	return newTabFor(t, h, 2*time.Minute)
}

// newTabFor makes a tab that gives up after most.
func newTabFor(t *testing.T, h *house, most time.Duration) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is not short")
	}
	chromium.once.Do(startChromium)
	if chromium.missing != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(chromium.missing)
		}
		t.Skip(chromium.missing)
	}
	ctx, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	ctx, cancelTime := context.WithTimeout(ctx, most)
	t.Cleanup(func() { cancelTime(); cancel() })
	b := &tab{t: t, h: h, ctx: ctx}
	b.do(chromedp.EmulateViewport(390, 844))
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// watch fails the test when the page throws.
func (b *tab) watch() {
	b.t.Helper()
	err := chromedp.Listen(b.ctx, func(ev any) {
		if e, ok := ev.(*runtime.EventExceptionThrown); ok {
			b.t.Errorf("the page threw: %v", e.ExceptionDetails)
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// scripts turns the page's scripts on or off.
func (b *tab) scripts(on bool) {
	b.t.Helper()
	b.plain = !on
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// open goes to a path of the house, as hub.local.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url(path)))
}

func (b *tab) url(path string) string {
	u, err := url.Parse(b.h.web.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	return "http://hub.local:" + u.Port() + path
}

func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// wait waits until js is true. The page itself looks, whenever it changes; a
// page that is left meanwhile has nothing to say, and the next is asked. Where
// JavaScript is off nothing of a page's own ever runs, and it is asked from
// here again and again.
func (b *tab) wait(js string) {
	b.t.Helper()
	ask := fmt.Sprintf(`new Promise(done => {
		const is = () => { try { return !!(%s) } catch { return false } };
		if (is()) return done(true);
		const end = was => { changes.disconnect(); clearInterval(now); done(was) };
		const changes = new MutationObserver(() => is() && end(true));
		changes.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
		let left = 40; // what is no part of the page changes unseen
		const now = setInterval(() => is() ? end(true) : --left || end(false), 50);
	})`, js)
	pause := 5 * time.Millisecond
	if b.plain {
		ask, pause = fmt.Sprintf("(() => { try { return !!(%s) } catch { return false } })()", js), 20*time.Millisecond
	}
	for {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](ask, chromedp.EvalAwaitPromise))
		if err == nil && is {
			return
		}
		select {
		case <-time.After(pause):
		case <-b.ctx.Done():
			b.t.Fatalf("waiting for %s: %v", js, err)
		}
	}
}

func (b *tab) text(sel string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q).textContent.trim()", sel))
}

// set fills in a field as somebody who types.
func (b *tab) set(sel, value string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("{const e = document.querySelector(%q); e.value = %q; e.dispatchEvent(new Event('input', {bubbles: true}))}; undefined", sel, value)))
}

// click presses the mouse over an element as soon as it is there, lies still,
// and nothing lies over it: a page that is being drawn anew moves.
func (b *tab) click(sel string) {
	b.t.Helper()
	b.taps++
	where := fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		if (!e || !e.getClientRects().length) return [];
		const r = e.getClientRects()[0], x = r.left + r.width / 2, y = r.top + r.height / 2;
		const hit = document.elementFromPoint(x, y);
		if (hit && (e.contains(hit) || hit.contains(e) && hit.tagName === 'LABEL')) return [x, y];
		e.scrollIntoView({block: 'center', behavior: 'instant'});
		return [];
	})()`, sel)
	var last []float64
	for {
		at, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]float64](where))
		if err == nil && len(at) == 2 && slices.Equal(at, last) {
			b.do(chromedp.MouseClickXY(at[0], at[1]))
			return
		}
		last = at
		select {
		case <-time.After(15 * time.Millisecond):
		case <-b.ctx.Done():
			b.t.Fatalf("%s can not be clicked: %v %v", sel, at, err)
		}
	}
}

func (b *tab) scheme(name string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	}))
}

// logIn logs in through the page.
func (b *tab) logIn(role webui.Role) {
	b.t.Helper()
	b.open("/login")
	b.do(chromedp.SetValue(chromedp.CSS("input[name=user]"), string(role)), chromedp.SendKeys(chromedp.CSS("input[name=password]"), password))
	b.click("main button.main")
	b.wait("location.pathname !== '/login' && document.readyState === 'complete'")
}

// pagesOf are all pages, for tests that go through every one.
var pagesOf = []struct {
	name, path string
	again      bool // another page shows the same template
}{
	{"now", "/", false},
	{"plan", "/plan", true},
	{"plan-edit", "/plan?edit=washer&ready_by=07:00&amount=3&unit=h&day=mon&day=tue&may_pause=1", false},
	{"history-day", "/history?view=day&date=2026-06-12", true},
	{"history-week", "/history?view=week&date=2026-06-12", true},
	{"history-month", "/history?view=month&date=2026-06-12&with=year", false},
	{"history-year", "/history?view=year", true},
	{"history-span", "/history?view=span&from=2026-06-03&to=2026-06-09&with=prev", true},
	{"devices", "/devices", false},
	{"map", "/devices/map?sample=plain", false},
	{"sample", "/devices/map", true},
	{"more", "/more", false},
	{"notices", "/notices", false},
	{"status", "/status", false},
	{"secure", "/secure", false},
	{"data", "/data", false},
	{"settings", "/setup", false},
	{"price", "/setup?step=price", false},
	{"meter", "/setup?step=meter", true},
	{"pairing", "/pairing", false},
	{"login", "/login", false},
	{"licences", "/licences", true},
	{"missing", "/nothing", true},
	{"kiosk", "/?kiosk", true},
}

// stage lets a plug ask where a page is to be seen with that, on top of any
// page and on the one of devices, and the hub wait on the page of pairing.
func (h *house) stage(page string) {
	switch page {
	case "plan-edit", "devices":
		h.pairing.SetOpen("owner", true)
		h.pairing.ask("smartplug")
	case "pairing":
		h.pairing.SetOpen("owner", true)
	default:
		h.pairing.SetOpen("owner", false)
	}
}

func TestScreens(t *testing.T) {
	if *screens == "" {
		t.Skip("only with -screens")
	}
	h := newHouse(t).furnish()
	b := newTabFor(t, h, 5*time.Minute)
	b.logIn(webui.Owner)
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for _, page := range pagesOf {
			h.stage(page.name)
			b.open(page.path)
			if strings.HasPrefix(page.name, "history") {
				b.wait("!document.getElementById('chart') || document.getElementById('chart').dataset.drawn")
			}
			tall := eval[int64](b, "document.documentElement.scrollHeight")
			b.do(chromedp.EmulateViewport(390, max(844, tall)))
			img, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			b.do(chromedp.EmulateViewport(390, 844))
			if err := os.WriteFile(filepath.Join(*screens, page.name+"-"+scheme+".png"), img, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
