package webui_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"homehub/hub"
	"homehub/webui"
)

// stage is one tab at one address that journey after journey uses, each with
// a house of its own behind it. Opening a tab costs more than most journeys,
// and at an address of its own every house would load all that browsers keep.
type stage struct {
	ctx    context.Context
	errs   chan string
	web    *httptest.Server
	house  atomic.Pointer[house] // who answers; nil: an empty page
	script bool
}

func newStage(t *testing.T) *stage {
	t.Helper()
	b := newTabFor(t, nil, 20*time.Minute)
	s := &stage{ctx: b.ctx, errs: make(chan string, 64), script: true}
	s.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := s.house.Load(); h != nil {
			h.server.Handler().ServeHTTP(w, r)
			return
		}
		if r.URL.Path != "/" { // a page that is still there asks for its scripts
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>between two journeys</title>")
	}))
	t.Cleanup(func() { s.web.CloseClientConnections(); s.web.Close() })
	err := chromedp.Listen(b.ctx, func(ev any) {
		if e, ok := ev.(*runtime.EventExceptionThrown); ok {
			select {
			case s.errs <- fmt.Sprintf("%s %s:%d %s", e.ExceptionDetails.Text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber, what(e.ExceptionDetails.Exception)):
			default:
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// what says what was thrown.
func what(thrown *runtime.RemoteObject) string {
	if thrown == nil {
		return ""
	}
	return thrown.Description
}

// scene is how a journey begins.
type scene struct {
	role     webui.Role // who is logged in; "" is nobody
	noScript bool
	lang     string // of the browser; "" is English
	narrow   bool   // 320 px
	empty    bool   // the house has no devices
	long     bool   // it looks at many pages
	at       string // house time of the start, RFC 3339; "" is now
	change   func(*webui.Config)
}

// set prepares the tab: cookies gone, a phone's size, the scene's house.
func (s *stage) set(t *testing.T, sc scene) *tab {
	t.Helper()
	var change []func(*webui.Config)
	if sc.change != nil {
		change = append(change, sc.change)
	}
	most := 2 * time.Minute // of a busy machine; usual is a second
	if sc.long {
		most = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(s.ctx, most)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, plain: sc.noScript}
	width, lang := int64(390), "en"
	if sc.narrow {
		width = 320
	}
	if sc.lang != "" {
		lang = sc.lang
	}
	// What was there before has an end before the next house begins.
	b.do(chromedp.Navigate(s.url(t, "/")))
	if s.script == sc.noScript {
		call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: sc.noScript})
		s.script = !sc.noScript
	}
	b.do(chromedp.EmulateViewport(width, 844))
	call(b, network.ClearBrowserCookies, cdp.Empty{})
	b.scheme("light") // and nothing that moves: painting it takes the time of the others
	call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": lang}})
	at := time.Time{}
	if sc.at != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, sc.at); err != nil {
			t.Fatal(err)
		}
	}
	b.h = houseOffline(t, at, change...)
	b.h.web = s.web
	if !sc.empty {
		b.h.furnish()
	}
	s.house.Store(b.h)
	t.Cleanup(func() { s.house.Store(nil); b.h.server.Close() })
	if sc.role != "" {
		b.enter(sc.role)
	}
	t.Cleanup(func() {
		for {
			select {
			case e := <-s.errs:
				t.Errorf("the page threw: %s", e)
			default:
				return
			}
		}
	})
	return b
}

// url is a path of the stage, as hub.local.
func (s *stage) url(t *testing.T, path string) string {
	return (&tab{t: t, h: &house{web: s.web}}).url(path)
}

// enter is a log-in without the page and the hash for it, which have journeys
// of their own. The browser returned has the same log-in.
func (b *tab) enter(role webui.Role) *browser {
	b.t.Helper()
	u, ok := b.h.users.User(string(role))
	if !ok {
		b.t.Fatalf("nobody is called %s", role)
	}
	secret := b.h.server.Enter(u)
	other := b.h.browser()
	at, err := url.Parse(b.h.web.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	other.client.Jar.SetCookies(at, []*http.Cookie{{Name: "homehub", Value: secret, Path: "/"}})
	call(b, network.SetCookie, network.SetCookieParams{Name: "homehub", Value: secret, URL: b.url("/"), HTTPOnly: new(true), SameSite: network.CookieSameSiteStrict})
	return other
}

func call[P, R any](b *tab, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	var out R
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) (err error) {
		out, err = chromedp.Call(ctx, cmd, params)
		return err
	}))
	return out
}

// press types keys, such as kb.Tab.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// tabTo goes with the Tab key alone until what has the focus fits sel.
func (b *tab) tabTo(sel string) {
	b.t.Helper()
	for range 80 {
		b.press(kb.Tab)
		if eval[bool](b, "document.activeElement.matches("+quote(sel)+")") {
			return
		}
	}
	b.t.Fatalf("the Tab key never comes to %s", sel)
}

// says waits until the page's main part holds a text.
func (b *tab) says(text string) {
	b.t.Helper()
	b.wait("document.querySelector('main')?.textContent.replace(/\\s+/g, ' ').includes(" + quote(text) + ")")
}

// flash waits for the message after a form.
func (b *tab) flash(text string) {
	b.t.Helper()
	b.wait("document.getElementById('flash')?.textContent.includes(" + quote(text) + ")")
}

// tap clicks a button that a preview which is still on its way would move
// from under the pointer.
func (b *tab) tap(sel string) {
	b.t.Helper()
	b.taps++
	b.js("document.querySelector(" + quote(sel) + ").click()")
}

// js runs a script in the page.
func (b *tab) js(script string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](script + "; undefined"))
}

// painted waits until what the page shows now has been on the screen.
func (b *tab) painted() {
	b.t.Helper()
	eval[bool](b, "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
}

// swipe draws a finger over the page, dx to the right.
func (b *tab) swipe(dx float64) {
	b.t.Helper()
	x := 195 - dx/2
	call(b, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true})
	b.painted() // before that the browser knows of nobody who listens to fingers
	touch := func(kind input.DispatchTouchEventType, points ...*input.TouchPoint) {
		call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
	}
	touch(input.DispatchTouchEventTypeTouchStart, &input.TouchPoint{X: x, Y: 300})
	touch(input.DispatchTouchEventTypeTouchMove, &input.TouchPoint{X: x + dx/2, Y: 302})
	touch(input.DispatchTouchEventTypeTouchMove, &input.TouchPoint{X: x + dx, Y: 304})
	touch(input.DispatchTouchEventTypeTouchEnd)
	call(b, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: false})
}

func (b *browser) cookie(name string) string {
	u, err := url.Parse(b.h.web.URL)
	if err != nil {
		b.h.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// schedule is what a device of the house shall do.
func (b *tab) schedule(id string) *hub.Schedule {
	d, _ := b.h.hub.Device(id)
	return d.Schedule
}
