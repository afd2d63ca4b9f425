package webui_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chromedp/chromedp"

	"homehub/hub"
	"homehub/webui"
)

// fakeArchive is a feed of two points each.
type fakeArchive struct{ gone chan string }

func (f *fakeArchive) ExportFeed(_ context.Context, name string, to io.Writer) error {
	_, err := fmt.Fprintf(to, "time,value\n2026-01-01T00:00:00Z,1\n# %s\n", name)
	return err
}

func (f *fakeArchive) ExportSettings(to io.Writer) error {
	_, err := io.WriteString(to, `{"format":"homehub/settings/1"}`)
	return err
}

func (f *fakeArchive) DeleteFeed(name string) error {
	f.gone <- "feed " + name
	return nil
}

func (f *fakeArchive) TrimFeeds(before time.Time) error {
	f.gone <- "before " + before.Format(time.RFC3339)
	return nil
}

func (f *fakeArchive) Forget(person string) error {
	f.gone <- "person " + person
	return nil
}

func (f *fakeArchive) EraseAll() error {
	f.gone <- "everything"
	return nil
}

func TestEverythingCanBeTakenAway(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Owner)
	res := b.send("POST", "/data/export", "x=")
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || !strings.Contains(res.Header.Get("Content-Disposition"), "homehub-20") {
		t.Fatalf("%d %v %v", res.StatusCode, res.Header, err)
	}
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]bool{}
	for _, f := range z.File {
		files[f.Name] = true
	}
	if !files["settings.json"] || !files["feeds/import_w.csv"] || len(files) != len(h.feeds.Feeds())+1 {
		t.Errorf("%v", files)
	}
	if log := h.audited(); log[len(log)-1] != "owner: took all data away as a file" {
		t.Errorf("%v", log)
	}
}

func TestAFeedGoesAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d webui.Deletions
		var mu sync.Mutex // guards list
		list := ""
		gone := func() string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return list
		}
		plan := func(name string) {
			d.Plan(name, 10*time.Minute, func() {
				mu.Lock()
				defer mu.Unlock()
				list += name + " "
			})
		}
		plan("a")
		plan("b")
		plan("a") // asked again: the time begins anew
		if !d.Cancel("b") || d.Cancel("b") {
			t.Error("b is kept once")
		}
		time.Sleep(10*time.Minute - time.Second)
		if gone := gone(); gone != "" {
			t.Errorf("too early: %s", gone)
		}
		time.Sleep(2 * time.Second)
		if gone := gone(); gone != "a " {
			t.Errorf("gone: %q", gone)
		}
		plan("c")
		d.Close()
		time.Sleep(time.Hour)
		if gone := gone(); gone != "a " {
			t.Errorf("a hub that ends deletes nothing: %q", gone)
		}
	})
}

func TestEventsAreFound(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Owner)
	h.notices.Tell(hub.Notice{Kind: hub.NoticeRun, About: "<i>Washer</i>"})
	for query, want := range map[string]struct{ there, absent string }{
		"":                        {"logged in", "<i>Washer"},
		"?kind=audit":             {"logged in", "is finished"},
		"?kind=notice":            {"Washer&lt;/i&gt; is finished", "<small>owner</small>"},
		"?kind=audit&q=LOGGED":    {"logged in", "is finished"},
		"?kind=audit&q=unheardof": {"Nothing yet.", "logged in<"},
	} {
		_, page := b.do("GET", "/status"+query, "")
		if !strings.Contains(page, want.there) || strings.Contains(page, want.absent) {
			t.Errorf("%q: %v there, %v absent", query, strings.Contains(page, want.there), !strings.Contains(page, want.absent))
		}
	}
	if _, page := h.as(webui.Family).do("GET", "/status?kind=audit", ""); strings.Contains(page, "logged in") {
		t.Error("the family reads who did what")
	}
}

func TestAPartThatIsDownSaysWhatToDo(t *testing.T) {
	h := newHouse(t).furnish()
	h.health.Set("meter", hub.Down, "no telegram")
	_, page := h.browser().do("GET", "/status", "")
	if !strings.Contains(page, "no telegram") || !strings.Contains(page, "Check the cable") || strings.Contains(page, "Check the card") {
		t.Error("what to do about the meter is not there, or about a card that is fine")
	}
}

func statusJourneys() []journey {
	return []journey{
		{"without JavaScript: delete a feed and keep it after all", scene{role: webui.Owner, noScript: true}, func(b *tab) {
			b.open("/data")
			b.click("section[aria-labelledby=delete-h] > details > summary")
			b.click(".kept li:first-child summary")
			b.do(chromedp.SendKeys(chromedp.CSS(".kept li:first-child input[name=confirm]"), b.text(".kept li:first-child code")))
			b.click(".kept li:first-child .danger")
			b.flash("It goes in ten minutes.")
			b.click("#flash form[action='/undo'] button")
			b.flash("Taken back.")
		}},
		{"without JavaScript: delete everything, and not after all", scene{role: webui.Owner, noScript: true, narrow: true, lang: "nl"}, func(b *tab) {
			b.open("/more")
			b.click(".doors a[href='/data']")
			b.wait("document.getElementById('delete-h')")
			b.click("section[aria-labelledby=delete-h] > details:last-of-type summary")
			b.do(chromedp.SendKeys(chromedp.CSS("section[aria-labelledby=delete-h] > details:last-of-type > form input[name=confirm]"), "alles"))
			b.click("section[aria-labelledby=delete-h] > details:last-of-type > form .danger")
			b.flash("Het verdwijnt over tien minuten.")
			b.open("/data")
			b.says("Alles: weg om")
			b.click("#pending button")
			b.flash("Teruggedraaid.")
			b.wait("!document.getElementById('pending')")
		}},
		{"find who changed what", scene{role: webui.Owner}, func(b *tab) {
			b.h.as(webui.Family)
			b.open("/more")
			b.click(".doors a[href='/status']")
			b.do(chromedp.SetValue(chromedp.CSS("select[name=kind]"), "audit"), chromedp.SetValue(chromedp.CSS("input[name=q]"), "logged"))
			b.click("form[action='/status'] button")
			b.wait("location.search.includes('kind=audit') && document.querySelector('[aria-labelledby=events-h] .rows')?.textContent.includes('logged in')")
		}},
	}
}
