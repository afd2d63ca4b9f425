package webui_test

import (
	"regexp"
	"strings"
	"testing"

	"homehub/webui"
)

func TestPeopleAreChangedAndTakenBack(t *testing.T) {
	h := newHouse(t)
	owner, family := h.as(webui.Owner), h.as(webui.Family)
	status, to := owner.post("/more/users/family/role", "role", "owner")
	if status != 303 {
		t.Fatalf("%d", status)
	}
	if u, _ := h.users.User("family"); u.Role != webui.Owner {
		t.Errorf("%+v", u)
	}
	if status, _ := family.do("GET", "/api/tokens", ""); status != 401 {
		t.Errorf("a log-in outlives its role: %d", status)
	}
	owner.undo(to, "/more")
	if u, _ := h.users.User("family"); u.Role != webui.Family {
		t.Errorf("after undo: %+v", u)
	}
	// Removed, and back with the same password.
	_, to = owner.post("/more/users/family/remove")
	if _, there := h.users.User("family"); there {
		t.Error("still there")
	}
	owner.undo(to, "/more")
	h.as(webui.Family)
	log := strings.Join(h.audited(), "\n")
	for _, want := range []string{"owner: made user family owner", "owner: made user family family", "owner: removed user family", "owner: brought user family back"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
}

func TestAForgottenPasswordIsReplacedByTheOwner(t *testing.T) {
	h := newHouse(t)
	owner, family := h.as(webui.Owner), h.as(webui.Family)
	res := owner.send("POST", "/more/users/family/password", "x=")
	defer res.Body.Close()
	status, page := owner.do("POST", "/more/users/family/password", "x=")
	m := regexp.MustCompile(`class="secret">([^<]*)<`).FindStringSubmatch(page)
	if status != 200 || m == nil || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, %v", status, m)
	}
	if status, _ := family.do("GET", "/api/live", "", "X", "1"); status != 200 { // looking is free here
		t.Errorf("%d", status)
	}
	if status, _ := family.do("POST", "/plan", "x="); status == 200 {
		t.Error("the old log-in lives")
	}
	b := h.browser()
	if status, _ := b.do("POST", "/api/login", `{"user":"family","password":"`+password+`"}`); status != 401 {
		t.Errorf("the old password: %d", status)
	}
	if status, _ := b.do("POST", "/api/login", `{"user":"family","password":"`+m[1]+`"}`); status != 200 {
		t.Errorf("the new password: %d", status)
	}
}

func TestNobodyLocksTheOwnerOut(t *testing.T) {
	h := newHouse(t)
	owner := h.as(webui.Owner)
	for path, want := range map[string]int{
		"/more/users/owner/role": 409, "/more/users/owner/password": 409, "/more/users/owner/remove": 409,
		"/more/users/nobody/role": 404, "/more/users/nobody/password": 404, "/more/users/installer/role": 400, "/more/users/family/role": 400,
	} {
		role := "family"
		if path == "/more/users/family/role" {
			role = "king"
		}
		if status, _ := owner.post(path, "role", role); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestTokensComeBack(t *testing.T) {
	h := newHouse(t)
	program := h.token(webui.Family)
	owner := h.as(webui.Owner)
	var list struct{ Tokens []struct{ ID string } }
	owner.get("/api/tokens", &list)
	_, to := owner.post("/more/tokens/" + list.Tokens[0].ID + "/remove")
	if status, _ := program.do("GET", "/api/live", ""); status != 401 {
		t.Errorf("a removed token: %d", status)
	}
	owner.undo(to, "/more")
	if status, _ := program.do("GET", "/api/live", ""); status != 200 {
		t.Errorf("a token that is back: %d", status)
	}
}
