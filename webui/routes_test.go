package webui_test

import (
	"slices"
	"strings"
	"testing"

	"homehub/webui"
)

// What each route asks for is written here a second time, on purpose: moving
// one to a weaker access takes two edits.
func TestRouteTable(t *testing.T) {
	want := map[string]string{}
	for access, patterns := range map[string][]string{
		"open": {
			"GET /healthz",
			"GET /api/openapi.json",
			"POST /api/login",
			"POST /api/logout",
			"GET /api/session",
			"GET /assets/{hash}/{name}",
			"GET /licences",
			"GET /secure",
			"GET /login",
			"POST /login",
			"POST /logout",
			"POST /language",
		},
		"read": {
			"GET /api/events",
			"GET /api/devices",
			"GET /api/devices/{id}",
			"GET /devices",
			"GET /more",
			"GET /status",
			"POST /more/password",
			"POST /api/password",
		},
		"house": {
			"GET /api/live",
			"GET /api/limit",
			"GET /api/plan",
			"GET /api/feeds",
			"GET /api/feeds/{name}/points",
			"GET /{$}",
			"GET /plan",
			"GET /history",
			"GET /history.csv",
			"GET /notices",
			"GET /api/notices",
			"POST /notices/seen",
		},
		"test": {
			"POST /api/devices/{id}/test",
			"POST /devices/{id}/test",
		},
		"setup": {
			"POST /api/devices",
			"PATCH /api/devices/{id}",
			"DELETE /api/devices/{id}",
			"POST /api/devices/{id}/login",
			"POST /api/devices/{id}/restore",
			"GET /api/pairing",
			"POST /api/pairing",
			"DELETE /api/pairing",
			"POST /api/pairing/allow",
			"POST /api/pairing/setup",
			"GET /api/found",
			"POST /api/found/adopt",
			"POST /devices",
			"GET /devices/map",
			"POST /devices/map",
			"POST /devices/{id}/change",
			"POST /devices/{id}/remove",
			"POST /devices/{id}/login",
			"POST /devices/{id}/restore",
			"GET /pairing",
			"POST /pairing/open",
			"POST /pairing/close",
			"POST /pairing/allow",
			"POST /pairing/setup",
			"POST /pairing/adopt",
		},
		"control": {
			"PUT /api/devices/{id}/schedule",
			"DELETE /api/devices/{id}/schedule",
			"POST /api/devices/{id}/mode",
			"PUT /api/limit",
			"DELETE /api/limit",
			"POST /devices/{id}/mode",
			"POST /devices/{id}/schedule",
			"POST /devices/{id}/unschedule",
			"POST /devices/{id}/skip",
			"POST /devices/{id}/pause",
			"POST /devices/{id}/repeat",
			"POST /undo",
		},
		"first": {
			"GET /setup",
			"POST /setup/language",
			"POST /setup/password",
			"POST /setup/price",
			"POST /setup/done",
		},
		"owner": {
			"PUT /api/prices",
			"POST /data/export",
			"GET /data",
			"POST /data/delete",
			"POST /data/keep",
			"GET /api/deletions",
			"PATCH /api/users/{name}",
			"POST /api/users/{name}/password",
			"GET /api/settings",
			"PATCH /api/settings",
			"GET /api/notices/rules",
			"PUT /api/notices/rules",
			"POST /api/notices/{channel}/try",
			"POST /api/deletions",
			"DELETE /api/deletions/{id}",
			"GET /api/mqtt/clients",
			"POST /api/mqtt/clients",
			"DELETE /api/mqtt/clients/{id}",
			"GET /api/tokens",
			"POST /api/tokens",
			"DELETE /api/tokens/{id}",
			"POST /notices/rules",
			"POST /notices/{channel}",
			"POST /notices/{channel}/try",
			"GET /api/users",
			"POST /api/users",
			"DELETE /api/users/{name}",
			"GET /api/audit",
			"POST /more/clients",
			"POST /more/clients/{id}/remove",
			"POST /more/tokens",
			"POST /more/tokens/{id}/remove",
			"POST /more/users",
			"POST /more/users/{name}/remove",
			"POST /more/users/{name}/role",
			"POST /more/users/{name}/password",
		},
	} {
		for _, pattern := range patterns {
			want[pattern] = access
		}
	}
	got := newHouseOffline(t).server.RouteAccess()
	for pattern, access := range got {
		if want[pattern] != access {
			t.Errorf("%s asks for %q, want %q", pattern, access, want[pattern])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d routes, want %d", len(got), len(want))
	}
}

// Every route is asked by everybody. What a role may do is said here once
// more, on purpose, so that a slip in the table shows.
func TestRoutesByRole(t *testing.T) {
	may := map[string]string{ // access -> roles, "-" is somebody who is not logged in
		"open": "- owner family installer", "read": "owner family installer", "house": "owner family",
		"test": "owner family installer", "control": "owner family", "setup": "owner installer", "owner": "owner", "first": "owner",
	}
	for _, readOpen := range []bool{false, true} {
		h := newHouse(t, func(c *webui.Config) { c.ReadOpen = readOpen }).furnish()
		for pattern, access := range h.server.RouteAccess() {
			method, path, _ := strings.Cut(pattern, " ")
			if path == "/api/events" || strings.HasSuffix(path, "/logout") || strings.HasSuffix(path, "login") {
				continue // they have tests of their own, and the last two change who asks
			}
			path = strings.NewReplacer("{$}", "", "{id}", "nobody", "{name}", "nothing", "{hash}", "0").Replace(path)
			for _, role := range []webui.Role{"", webui.Owner, webui.Family, webui.Installer} {
				b := h.token(role)
				status, body := b.do(method, path, "")
				who := string(role)
				if who == "" {
					who = "-"
				}
				allowed := slices.Contains(strings.Fields(may[access]), who) || readOpen && (access == "read" || access == "house" && role != webui.Installer)
				refused := status == 401 || status == 403 || status == 303 && role == "" && access != "open" && method == "GET" || status == 303 && role == webui.Installer && path == "/"
				if path == "/more/password" || path == "/api/password" {
					refused, allowed = refused || status != 303, false // a token has no password
				}
				if allowed == refused {
					t.Errorf("%s by %q with reads open %v: %d, but %s is for %s\n%.200s", pattern, who, readOpen, status, access, may[access], body)
				}
			}
		}
	}
}

// token is a program with a role: no log-in is needed.
func (h *house) token(role webui.Role) *browser {
	b := h.browser()
	if role != "" {
		b.bearer = string(role) + " token"
		if _, ok := h.tokens.Token(hashOf(b.bearer)); !ok {
			_ = h.tokens.PutToken(webui.Token{Name: string(role), Hash: hashOf(b.bearer), Role: role})
		}
	}
	return b
}

// No GET changes anything, whoever asks and whatever for.
func TestNoStateChangeOnGet(t *testing.T) {
	h := newHouse(t).furnish()
	owner := h.as(webui.Owner)
	before, audit := h.hub.Snapshot(), len(h.audited())
	for pattern := range h.server.RouteAccess() {
		_, path, _ := strings.Cut(pattern, " ")
		if path == "/api/events" {
			continue
		}
		path = strings.NewReplacer("{$}", "", "{id}", "washer", "{name}", "import_w", "{hash}", "0").Replace(path)
		for _, query := range []string{"", "?mode=on&name=X&lang=nl&password=" + password + "&edit=washer&ready_by=07:00&amount=1&unit=h&done=removed"} {
			owner.do("GET", path+query, "")
		}
	}
	after := h.hub.Snapshot()
	if after.DevicesSeq != before.DevicesSeq || after.PlanSeq != before.PlanSeq {
		t.Error("a GET changed a device or the plan")
	}
	if h.users.puts != 0 || len(h.tokens.all()) != 0 || len(h.clients.List()) != 0 || len(h.audited()) != audit {
		t.Errorf("a GET changed people, tokens or clients: %v", h.audited())
	}
	if status, _ := owner.do("GET", "/api/mqtt/clients", ""); status != 200 {
		t.Errorf("a GET logged the owner out: %d", status)
	}
}
