package webui_test

import (
	"strings"
	"testing"

	"homehub/hub"
	"homehub/webui"
)

func TestALimitIsTakenShownAndWithdrawn(t *testing.T) {
	h := newHouse(t)
	b := h.as(webui.Owner)
	ask := func(method, body string, status int, want string) {
		t.Helper()
		if got, answer := b.do(method, "/api/limit", body); got != status || !strings.Contains(answer, want) {
			t.Errorf("%s %s: %d %s, want %d with %s", method, body, got, answer, status, want)
		}
	}
	ask("GET", "", 200, `"limit":null`)
	ask("PUT", `{"source":"grid operator"}`, 400, `"field":"watts"`)
	ask("PUT", `{"watts":4200}`, 400, `"field":"source"`)
	ask("PUT", `{"watts":4200,"source":"grid operator","until":"2001-01-01T00:00:00Z"}`, 400, `"field":"until"`)
	ask("PUT", `{"watts":4200,"source":"grid operator"}`, 200, `"watts":4200`)
	if l := h.hub.Snapshot().Limit; l.Watts != 4200 || l.Source != "grid operator" {
		t.Errorf("in force is %+v", l)
	}
	h.hub.SetGuarding(&hub.Guarding{Kind: hub.GuardLimit, Cause: "grid operator allows 4.2 kW", Devices: []string{"car"}})
	ask("GET", "", 200, `"cause":"grid operator allows 4.2 kW"`)
	ask("DELETE", "", 200, `"limit":null`)
	if l := h.hub.Snapshot().Limit; l.Source != "" {
		t.Errorf("withdrawn, and in force is %+v", l)
	}
}
