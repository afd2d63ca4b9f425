package webui_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// fakeNotices keeps what it is told.
type fakeNotices struct {
	mu    sync.Mutex
	list  []hub.Notice
	rules hub.NoticeRules
	tries []hub.Channel
	fail  error
}

func (f *fakeNotices) Tell(n hub.Notice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.At.IsZero() {
		n.At = time.Now()
	}
	f.list = append([]hub.Notice{n}, f.list...)
}

func (f *fakeNotices) Recent() ([]hub.Notice, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list), uint64(len(f.list))
}

func (f *fakeNotices) Rules() hub.NoticeRules {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rules
}

func (f *fakeNotices) PutRules(r hub.NoticeRules) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = r
	return nil
}

func (f *fakeNotices) State(hub.Channel) (time.Time, string) { return time.Time{}, "" }

func (f *fakeNotices) Try(_ context.Context, by hub.Channel) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries = append(f.tries, by)
	return f.fail
}

// post sends a form.
func (b *browser) post(path string, fields ...string) (int, string) {
	b.h.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	body := form.Encode()
	if body == "" {
		body = "x="
	}
	res := b.send("POST", path, body)
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("Location")
}

// undo takes back what the form before told where to take it back.
func (b *browser) undo(location, back string) int {
	b.h.t.Helper()
	u, err := url.Parse(location)
	if err != nil || u.Query().Get("undo") == "" {
		b.h.t.Fatalf("no way back in %q", location)
	}
	status, to := b.post("/undo", "token", u.Query().Get("undo"), "back", back)
	if !strings.HasPrefix(to, back+"?done=undone") {
		b.h.t.Errorf("sent to %q", to)
	}
	return status
}

func TestChannelsAreSetTriedAndTakenBack(t *testing.T) {
	h := newHouse(t)
	b := h.as(webui.Owner)
	status, to := b.post("/notices/mail", "server", "mail.example.org:587", "user", "hub", "secret", "very-secret", "from", "hub@example.org", "to", "anna@example.org")
	if status != 303 || h.notices.Rules().Mail.Password != "very-secret" {
		t.Fatalf("%d, %+v", status, h.notices.Rules())
	}
	if _, page := b.do("GET", "/notices", ""); strings.Contains(page, "very-secret") || !strings.Contains(page, "mail.example.org:587") {
		t.Error("the page shows the secret, or not the server")
	}
	if status, _ := b.post("/notices/mail/try"); status != 303 || !slices.Equal(h.notices.tries, []hub.Channel{hub.ChannelMail}) {
		t.Errorf("try: %d, %v", status, h.notices.tries)
	}
	h.notices.fail = hub.Errorf(hub.Unavailable, "the message did not go out: 535 go away")
	if status, page := b.do("POST", "/notices/mail/try", "x="); status != 503 || !strings.Contains(page, "535 go away") {
		t.Errorf("a try that fails: %d", status)
	}
	// An empty secret keeps the old one; the wrong address changes nothing.
	b.post("/notices/mail", "server", "mail.example.org:587", "user", "hub", "from", "hub@example.org", "to", "jan@example.org")
	if m := h.notices.Rules().Mail; m.Password != "very-secret" || m.To != "jan@example.org" {
		t.Errorf("%+v", m)
	}
	if status, _ := b.post("/notices/mail", "server", "mail.example.org", "from", "x", "to", "y"); status != 400 || h.notices.Rules().Mail.To != "jan@example.org" {
		t.Errorf("nonsense: %d", status)
	}
	if b.undo(to, "/notices") != 303 || h.notices.Rules().Mail.Server != "" {
		t.Errorf("after undo: %+v", h.notices.Rules().Mail)
	}
	if status, _ := b.post("/notices/carrier-pigeon", "x", "y"); status != 404 {
		t.Errorf("an unknown channel: %d", status)
	}
}

func TestKindsAndQuietHours(t *testing.T) {
	h := newHouse(t)
	b := h.as(webui.Owner)
	if status, _ := b.post("/notices/rules", "kind", "meter", "kind", "storage", "quiet", "1", "quiet_from", "22:30", "quiet_to", "06:45"); status != 303 {
		t.Fatalf("%d", status)
	}
	r := h.notices.Rules()
	if !r.Wants(hub.NoticeMeter) || r.Wants(hub.NoticeRun) || !r.Quiet || r.QuietFrom != 22*60+30 || r.QuietTo != 6*60+45 {
		t.Errorf("%+v", r)
	}
	if status, page := b.do("POST", "/notices/rules", "quiet_from=late&quiet_to=06:45"); status != 400 || !strings.Contains(page, "Give the quiet hours") {
		t.Errorf("nonsense: %d", status)
	}
}

func TestALogInIsToldToTheOwnerAlone(t *testing.T) {
	h := newHouse(t)
	owner := h.as(webui.Owner)
	family := h.as(webui.Family)
	if _, page := owner.do("GET", "/notices", ""); !strings.Contains(page, "family logged in from 127.0.0.1.") {
		t.Error("the owner does not read of the log-in")
	}
	if _, page := owner.do("GET", "/", ""); !strings.Contains(page, "1 new notice<") {
		t.Error("the first page does not tell of the family's log-in, or of the owner's own")
	}
	owner.post("/notices/seen")
	if _, page := owner.do("GET", "/", ""); strings.Contains(page, "new notice") {
		t.Error("it is new after it was read")
	}
	for _, path := range []string{"/notices", "/"} {
		if _, page := family.do("GET", path, ""); strings.Contains(page, "logged in from") || strings.Contains(page, "new notice") {
			t.Errorf("%s tells the family who logs in", path)
		}
	}
}

func TestNoticesAreWordedInEveryLanguage(t *testing.T) {
	for _, lang := range webui.Languages() {
		h := newHouseOffline(t, func(c *webui.Config) { c.Language = lang })
		for _, k := range append(hub.NoticeKinds(), hub.NoticeTest) {
			about := "<b>Plug</b>"
			if k == hub.NoticeGuard {
				about = string(hub.GuardFuse)
			}
			for _, over := range []bool{false, true} {
				n := hub.Notice{Kind: k, About: about, Detail: "192.168.1.2", Over: over}
				text := h.server.Word(n)
				happens := k == hub.NoticeRun || k == hub.NoticeLogin || k == hub.NoticePairing || k == hub.NoticeTest
				if !(over && happens) && (strings.Contains(text, string(k)+".") || strings.HasPrefix(text, "notice.") || strings.HasPrefix(text, "over.") || strings.Contains(text, "{")) {
					t.Errorf("%s: %+v is %q", lang, n, text)
				}
			}
		}
	}
}
