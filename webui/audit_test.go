package webui_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"homehub/webui"
)

// Every deed that the hub records has words, and there are words for nothing
// else.
func TestEveryDeedHasWords(t *testing.T) {
	en, err := webui.Texts("en")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, pattern := range []string{"*.go", "../cmd/homehub/*.go"} {
		list, _ := filepath.Glob(pattern)
		for _, file := range list {
			if body, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, "_test.go") {
				source.Write(body)
			}
		}
	}
	recorded := map[string]bool{}
	call := regexp.MustCompile(`(?:audit\(v|Audit\("[a-z ]+"|audit\("[a-z ]+"|, v|deed:?=) ?, "([a-z.]+)"`)
	for _, m := range call.FindAllStringSubmatch(source.String(), -1) {
		if strings.Contains(m[1], ".") || strings.HasPrefix(m[1], "log") {
			recorded[m[1]] = true
		}
	}
	if len(recorded) < 40 {
		t.Errorf("only %d deeds were found in the sources", len(recorded))
	}
	for what := range recorded {
		if en["did."+strings.TrimSuffix(what, ".")] == "" && !strings.HasSuffix(what, ".") {
			t.Errorf("there are no words for %s", what)
		}
	}
	desk, err := os.ReadFile("../pairing/desk.go")
	if err != nil {
		t.Fatal(err)
	}
	for key := range en {
		what, ok := strings.CutPrefix(key, "did.")
		kind, rest, _ := strings.Cut(what, ".")
		if ok && !strings.Contains(source.String(), `"`+what+`"`) && !(kind == "pairing" && strings.Contains(string(desk), `"`+rest+`"`)) && !strings.Contains("mode test feed before person everything", kind) {
			t.Errorf("nothing is recorded as %s", what)
		}
	}
	for _, m := range regexp.MustCompile(`Deed = "([a-z.]+)"`).FindAllStringSubmatch(string(desk), -1) {
		if en["did.pairing."+m[1]] == "" {
			t.Errorf("there are no words for pairing.%s", m[1])
		}
	}
}

// A line is told in the language of the page; one of an old log stays as it is,
// and so does what somebody typed into it.
func TestAuditInEveryLanguage(t *testing.T) {
	h := newHouse(t).furnish()
	at := h.now
	h.audit = []webui.AuditLine{
		{At: at, Who: "anna", What: "user.role", Values: []string{"jan", "family"}},
		{At: at, Who: "command line", What: "guest.added", Values: []string{"kim", "installer", "2026-06-12T10:00:00Z"}},
		{At: at, Who: "owner", What: "added plug <old>"},
		{At: at, Who: "", What: "user.removed", Values: []string{""}},
		{At: at, Who: "MQTT client node", What: "mode.off", Values: []string{"{1}"}},
	}
	for lang, want := range map[string][]string{
		"en": {"made user jan family", "added user kim as installer until ", "command line", "removed user …", "somebody", "MQTT program node", "set off {1}"},
		"nl": {"jan is nu gezin", "kim toegevoegd als installateur tot ", "opdrachtregel", "… verwijderd", "iemand", "MQTT-programma node", "{1} op uit gezet"},
		"de": {"Befehlszeile", "jemand"}, "fr": {"ligne de commande", "quelqu’un"}, "cy": {"llinell orchymyn", "rhywun"},
	} {
		_, page := h.as(webui.Owner).do("GET", "/status?kind=audit", "", "Accept-Language", lang)
		page = strings.ReplaceAll(page, "&#39;", "'")
		for _, text := range append(want, "added plug &lt;old&gt;") {
			if !strings.Contains(page, text) {
				t.Errorf("%s lacks %q", lang, text)
			}
		}
		if lang != "en" && strings.Contains(page, "made user") {
			t.Errorf("%s has English", lang)
		}
	}
	var log struct {
		Audit []struct {
			Who, What string
			Kind      *string
			Values    []string
		}
	}
	h.token(webui.Owner).get("/api/audit", &log)
	if l := log.Audit[0]; l.What != "made user jan family" || l.Kind == nil || *l.Kind != "user.role" || l.Values[1] != "family" {
		t.Errorf("%+v", l)
	}
	if l := log.Audit[2]; l.What != "added plug <old>" || l.Kind != nil || l.Values != nil {
		t.Errorf("%+v", l)
	}
}
