package webui_test

import (
	"net/url"
	"strings"
	"testing"

	"homehub/webui"
)

// gone is what the archive was told to delete, "" if nothing.
func (h *house) gone() string {
	select {
	case what := <-h.archive.gone:
		return what
	default:
		return ""
	}
}

// Nothing goes unless it was named once more, in the language of the page, and
// what goes can be kept for ten minutes.
func TestDeletionAsksForItsWord(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Owner)
	day := h.now.AddDate(0, -1, 0).Format("2006-01-02")
	for _, c := range []struct{ lang, what, name, day, confirm, pending string }{
		{"en", "feed", "import_w", "", "import_w", "The values of import_w: gone at "},
		{"en", "before", "", day, "delete", "All values from before "},
		{"de", "before", "", day, "Löschen ", "Alle Werte von vor "},
		{"en", "person", "family", "", "family", "What is kept of family: gone at "},
		{"en", "everything", "", "", "everything", "Everything: gone at "},
		{"fr", "everything", "", "", "tout", "Tout : "},
	} {
		send := func(confirm string) (int, string) {
			form := url.Values{"what": {c.what}, "name": {c.name}, "day": {c.day}, "confirm": {confirm}}
			return b.do("POST", "/data/delete", form.Encode(), "Accept-Language", c.lang)
		}
		for _, wrong := range []string{"", "yes", c.what + "x"} {
			if status, page := send(wrong); status != 400 || !strings.Contains(page, "<details open") || strings.Contains(page, `id="pending"`) {
				t.Errorf("%s with %q: %d", c.what, wrong, status)
			}
		}
		if status, page := send(c.confirm); status != 303 {
			t.Errorf("%s with %q: %d %s", c.what, c.confirm, status, page)
			continue
		}
		if _, page := b.do("GET", "/data", "", "Accept-Language", c.lang); !strings.Contains(page, c.pending) {
			t.Errorf("%s: the page lacks %q", c.what, c.pending)
		}
		_, to := b.post("/data/delete", "what", c.what, "name", c.name, "day", c.day, "confirm", map[bool]string{true: map[string]string{"before": "delete", "everything": "everything"}[c.what], false: c.name}[c.name == ""])
		if b.undo(to, "/data") != 303 {
			t.Errorf("%s: no undo", c.what)
		}
		if _, page := b.do("GET", "/data", ""); strings.Contains(page, `id="pending"`) {
			t.Errorf("%s is still to go", c.what)
		}
	}
	if what := h.gone(); what != "" {
		t.Errorf("%s is gone", what)
	}
	if log := strings.Join(h.audited(), "\n"); !strings.Contains(log, "owner: will delete everything") || !strings.Contains(log, "owner: kept everything after all") || strings.Contains(log, "a person family") {
		t.Errorf("the audit log says\n%s", log)
	}
}

// Over the API the same, and at once where that is asked for.
func TestDeletionOverTheAPI(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.token(webui.Owner)
	for _, c := range []struct {
		body   string
		status int
		gone   string
	}{
		{`{"what":"everything","confirm":"EVERYTHING","now":true}`, 202, "everything"},
		{`{"what":"everything","confirm":"yes","now":true}`, 400, ""},
		{`{"what":"everything","now":true}`, 400, ""},
		{`{"what":"nothing","confirm":"nothing"}`, 400, ""},
		{`{"what":"feed","name":"import_w","confirm":"import_w","now":true}`, 202, "feed import_w"},
		{`{"what":"feed","name":"import_w","confirm":"export_w","now":true}`, 400, ""},
		{`{"what":"feed","name":"unknown","confirm":"unknown","now":true}`, 404, ""},
		{`{"what":"feed","name":"","confirm":"","now":true}`, 404, ""},
		{`{"what":"before","day":"2026-03-29","confirm":"2026-03-29","now":true}`, 202, "before 2026-03-29T00:00:00+01:00"},
		{`{"what":"before","day":"2026-03-29","confirm":"2026-03-28","now":true}`, 400, ""},
		{`{"what":"before","day":"2999-01-01","confirm":"2999-01-01","now":true}`, 400, ""},
		{`{"what":"before","day":"soon","confirm":"soon","now":true}`, 400, ""},
		{`{"what":"person","name":"installer","confirm":"installer","now":true}`, 202, "person installer"},
		{`{"what":"person","name":"owner","confirm":"owner","now":true}`, 409, ""},
		{`{"what":"person","name":"","confirm":"","now":true}`, 409, ""},
		{`{"what":"person","name":"nobody","confirm":"nobody","now":true}`, 404, ""},
	} {
		status, body := b.do("POST", "/api/deletions", c.body)
		if gone := h.gone(); status != c.status || gone != c.gone {
			t.Errorf("%s: %d, gone %q\n%s", c.body, status, gone, body)
		}
	}
	b.do("POST", "/api/deletions", `{"what":"feed","name":"import_w","confirm":"import_w"}`)
	if _, body := b.do("GET", "/api/deletions", ""); !strings.Contains(body, `"id":"feed:import_w"`) {
		t.Errorf("to come: %s", body)
	}
	if status, _ := b.do("DELETE", "/api/deletions/feed:import_w", ""); status != 204 {
		t.Errorf("kept: %d", status)
	}
	if status, _ := b.do("DELETE", "/api/deletions/feed:import_w", ""); status != 404 {
		t.Errorf("kept twice: %d", status)
	}
}

// Of a person who can not log in any more there may still be something, and a
// person who is forgotten is logged out.
func TestAPersonIsForgotten(t *testing.T) {
	h := newHouse(t).furnish()
	anna := h.as(webui.Family)
	b := h.as(webui.Owner)
	h.mu.Lock()
	h.audit = append(h.audit, webui.AuditLine{Who: "former", What: "login"}, webui.AuditLine{Who: "192.168.1.7", What: "login.failed"}, webui.AuditLine{Who: "device", What: "pairing.asked"})
	h.mu.Unlock()
	_, page := b.do("GET", "/data", "")
	for name, there := range map[string]bool{"family": true, "former": true, "owner": false, "device": false, "192.168.1.7": false} {
		if strings.Contains(page, `<summary>`+name+`</summary>`) != there {
			t.Errorf("%s is offered: %v", name, !there)
		}
	}
	if status, _ := h.token(webui.Owner).do("POST", "/api/deletions", `{"what":"person","name":"former","confirm":"former","now":true}`); status != 202 || h.gone() != "person former" {
		t.Errorf("somebody who is gone already: %d", status)
	}
	if status, _ := h.token(webui.Owner).do("POST", "/api/deletions", `{"what":"person","name":"family","confirm":"family","now":true}`); status != 202 {
		t.Errorf("%d", status)
	}
	if status, _ := anna.do("POST", "/api/devices/washer/mode", `{"mode":"on"}`); status != 401 {
		t.Errorf("she is still logged in: %d", status)
	}
}
