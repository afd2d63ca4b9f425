package main

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromium is the one browser of all tests of the package, started by the
// first that needs it and stopped by TestMain.
var chromium struct {
	once sync.Once
	ctx  context.Context
	err  error
	stop []context.CancelFunc
}

func startChromium() {
	path, err := exec.LookPath("chromium")
	if err != nil {
		chromium.err = err
		return
	}
	alloc, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.WSURLReadTimeout(2*time.Minute), // the machine may be busy
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancelBrowser := chromedp.NewContext(alloc)
	chromium.stop = append(chromium.stop, cancel, cancelBrowser)
	chromium.ctx, chromium.err = ctx, chromedp.Do(ctx)
}

func stopChromium() {
	for i := len(chromium.stop) - 1; i >= 0; i-- {
		chromium.stop[i]()
	}
}

// newTab is a tab with cookies of its own, of a phone's size, that gives up
// after most.
func newTab(t *testing.T, most time.Duration) context.Context {
	t.Helper()
	if chromium.once.Do(startChromium); chromium.err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("chromium: %v: apt-get install chromium", chromium.err)
		}
		t.Skipf("chromium: %v: apt-get install chromium", chromium.err)
	}
	ctx, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	ctx, cancelTime := context.WithTimeout(ctx, most)
	t.Cleanup(func() { cancelTime(); cancel() })
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	return ctx
}
