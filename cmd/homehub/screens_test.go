package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var screens = flag.String("screens", "", "folder for pictures of the pages of the demo")

// TestScreens takes pictures of the pages of the demo, phone size, light and
// dark: make screenshots.
func TestScreens(t *testing.T) {
	if *screens == "" {
		t.Skip("only with -screens")
	}
	p := launch(t, "demo", "--history", "40d", "--start", "2026-06-18T13:20", "--listen", "{web}", "--mqtt", "{mqtt}")
	p.until("everything has spoken", 40*time.Second, func() bool {
		c, _ := p.condition("scheduler")
		l := p.live()
		return c == "ok" && !l.At.IsZero() && l.SolarW != nil && *l.SolarW > 0 && l.AgeS < 5
	})
	alloc, cancel := chromedp.NewExecAllocator(t.Context(),
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	defer cancel()
	ctx, cancel := chromedp.NewContext(alloc)
	defer cancel()
	for _, scheme := range []string{"light", "dark"} {
		for name, path := range map[string]string{
			"now": "/", "plan": "/plan", "day": "/history?view=day&date=2026-06-17", "month": "/history?view=month",
			"devices": "/devices", "more": "/more",
		} {
			img, err := picture(ctx, p.url+path, scheme)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(*screens, name+"-"+scheme+".png"), img, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func picture(ctx context.Context, url, scheme string) ([]byte, error) {
	colours := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	})
	if err := chromedp.Do(ctx, colours, chromedp.EmulateViewport(390, 844), chromedp.Navigate(url)); err != nil {
		return nil, err
	}
	const drawn = "document.readyState === 'complete' && (!document.getElementById('chart') || !!document.getElementById('chart').dataset.drawn)"
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](drawn)); err != nil {
		return nil, err
	}
	tall, err := chromedp.Run(ctx, chromedp.Evaluate[int64]("document.documentElement.scrollHeight"))
	if err != nil {
		return nil, err
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, max(844, tall))); err != nil {
		return nil, err
	}
	return chromedp.Run(ctx, chromedp.FullScreenshot(100))
}
