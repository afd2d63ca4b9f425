package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/store"
	"homehub/tsdb"
)

// livedIn fills a folder with what a hub keeps.
func livedIn(t *testing.T, dir string) {
	t.Helper()
	db, err := tsdb.Open(tsdb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Create(tsdb.FeedConfig{Name: "import_w", Interval: 10 * time.Second, Kind: tsdb.Power, Unit: "W"}); err != nil {
		t.Fatal(err)
	}
	if err := db.Append("import_w", time.Now(), 432); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(store.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.PutDevice(hub.Device{ID: "plug", Name: "Plug", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/plug"}),
		s.Close(), db.Flush(time.Now()), db.Close(),
		os.WriteFile(filepath.Join(dir, "retained.bin"), []byte("kept"), 0o600), os.WriteFile(filepath.Join(dir, "authority.pem"), []byte("key"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func runReset(t *testing.T, in string, args ...string) (code int, out string) {
	t.Helper()
	var b bytes.Buffer
	code = execute(context.Background(), append([]string{"reset"}, args...), strings.NewReader(in), &b, &b)
	return code, b.String()
}

// The command deletes after the word alone, and leaves what is not the hub's.
func TestResetOfAStoppedHub(t *testing.T) {
	dir := t.TempDir()
	livedIn(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "holiday.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	for _, c := range []struct {
		in   string
		args []string
		code int
	}{
		{"yes\n", []string{"--everything", "--data", dir}, exitFailure},
		{"", []string{"--everything", "--data", dir}, exitFailure},
		{"everything\n", []string{"--data", dir}, exitUsage},
		{"everything\n", []string{"--everything", "--confirm", "all", "--data", dir}, exitFailure},
		{"everything\n", []string{"--everything", "--data", dir + "-none"}, exitFailure},
	} {
		if code, out := runReset(t, c.in, c.args...); code != c.code {
			t.Errorf("%v with %q: %d %s", c.args, c.in, code, out)
		}
	}
	if after := names(t, dir); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Fatalf("without the word %v became %v", before, after)
	}
	if code, out := runReset(t, "everything\n", "--everything", "--data", dir); code != exitOK {
		t.Fatalf("%d %s", code, out)
	}
	if left := strings.Join(names(t, dir), " "); left != "holiday.jpg lock" {
		t.Errorf("left: %s", left)
	}
}

// A folder that somebody has open is not touched, now or later.
func TestResetLeavesAnOpenFolderAlone(t *testing.T) {
	dir := t.TempDir()
	livedIn(t, dir)
	db, err := tsdb.Open(tsdb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	before := strings.Join(names(t, dir), " ")
	if code, out := runReset(t, "", "--everything", "--confirm", "everything", "--data", dir); code != exitFailure || !strings.Contains(out, "in use") {
		t.Errorf("%d %s", code, out)
	}
	if after := strings.Join(names(t, dir), " "); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

// A power cut at any moment of it leaves a folder that the next start finishes:
// nothing of the old house comes back.
func TestResetIsFinishedByTheNextStart(t *testing.T) {
	whole := t.TempDir()
	livedIn(t, whole)
	files := names(t, whole)
	for cut := range len(files) + 1 {
		dir := t.TempDir()
		livedIn(t, dir)
		if err := markErase(dir); err != nil {
			t.Fatal(err)
		}
		for _, name := range files[:cut] { // deleted before the cut
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		i := &installation{cfg: defaults(), logger: slog.New(slog.DiscardHandler)}
		i.cfg.Data.Dir = dir
		if err := i.finishErase(); err != nil {
			t.Fatal(err)
		}
		if left := strings.Join(names(t, dir), " "); left != "lock" {
			t.Errorf("after a cut at file %d: %s", cut, left)
		}
	}
	if err := (&installation{cfg: Config{Data: DataConfig{Dir: whole}}, logger: slog.New(slog.DiscardHandler)}).finishErase(); err != nil || len(names(t, whole)) != len(files) {
		t.Errorf("a folder without the mark was touched: %v, %v", err, names(t, whole))
	}
}

// A hub that runs deletes everything at the command's word and is as new: the
// browser is at the first run, and the password from before opens nothing.
func TestResetOfARunningHub(t *testing.T) {
	p, dir := launchHub(t)
	p.login()
	if status, body := p.send("POST", "/api/devices", map[string]any{"name": "Plug", "family": "emonesp", "role": "plug", "topic": "emon/plug"}); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	if code, out := runReset(t, "everything\n", "--everything", "--data", dir); code != exitOK {
		t.Fatalf("%d %s", code, out)
	}
	p.until("the hub is as new", 20*time.Second, func() bool {
		at, page := p.page("/setup")
		return at == "/setup" && strings.Contains(page, `action="/setup/language"`)
	})
	var list struct{ Devices []any }
	if p.get("/api/devices", &list); len(list.Devices) != 0 {
		t.Errorf("devices: %v", list.Devices)
	}
	if status, body := p.send("POST", "/api/login", map[string]string{"password": "correct horse"}); status != 401 {
		t.Errorf("the old password: %d %s", status, body)
	}
	if _, err := os.Stat(filepath.Join(dir, "homehub.toml")); err != nil {
		t.Errorf("the configuration is gone: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, eraseMark)); err == nil {
		t.Error("the mark is still there: the next start would delete again")
	}
	if at, _ := p.form("/setup/password", "password", "another horse"); !strings.HasPrefix(at, "/setup") {
		t.Errorf("a new owner is at %s", at)
	}
}

// A hub that is killed between the mark and the end of it finishes at its next
// start.
func TestResetSurvivesAKill(t *testing.T) {
	p, dir := launchHub(t)
	p.login()
	if status, body := p.send("POST", "/api/users", map[string]any{"name": "anna", "role": "family"}); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	if status, _ := p.send("POST", "/api/deletions", map[string]any{"what": "everything", "confirm": "everything", "now": true}); status != 202 {
		t.Fatal(status)
	}
	p.cmd.Process.Kill()
	<-p.done
	again := prepare(t, p.cmd.Args[1:]...)
	again.url, again.mqtt = p.url, p.mqtt
	again.start()
	if at, page := again.page("/setup"); at != "/setup" || !strings.Contains(page, `action="/setup/language"`) {
		t.Errorf("it is not the first run: %s", at)
	}
	if found := grep(t, dir, "anna"); len(found) != 0 {
		t.Errorf("she is still in %v", found)
	}
}

// page is where a GET leads, and what is there.
func (p *process) page(path string) (at, page string) {
	p.t.Helper()
	r, err := p.http.Get(p.url + path)
	if err != nil {
		return "", ""
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return r.Request.URL.Path, string(body)
}

// grep are the files of a folder that hold a text.
func grep(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	for _, name := range names(t, dir) {
		body, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && bytes.Contains(body, []byte(text)) {
			files = append(files, name)
		}
	}
	return files
}

// A person of a running hub is in none of its files once they are forgotten,
// and their programs are shut out.
func TestAPersonIsForgottenByARunningHub(t *testing.T) {
	p, dir := launchHub(t)
	p.login()
	var anna struct{ Password string }
	_, body := p.send("POST", "/api/users", map[string]any{"name": "anneliese", "role": "owner"})
	if err := json.Unmarshal([]byte(body), &anna); err != nil || anna.Password == "" {
		t.Fatal(body)
	}
	hers := &process{t: t, url: p.url, http: &http.Client{Timeout: 30 * time.Second}}
	hers.http.Jar, _ = cookiejar.New(nil)
	if status, body := hers.send("POST", "/api/login", map[string]string{"user": "anneliese", "password": anna.Password}); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	var token struct{ Token string }
	_, body = hers.send("POST", "/api/tokens", map[string]any{"name": "her script", "role": "owner"})
	if err := json.Unmarshal([]byte(body), &token); err != nil || token.Token == "" {
		t.Fatal(body)
	}
	if len(grep(t, dir, "anneliese")) == 0 {
		t.Fatal("the test does not see a name where one is")
	}
	if status, body := p.send("POST", "/api/deletions", map[string]any{"what": "person", "name": "anneliese", "confirm": "anneliese", "now": true}); status != 202 {
		t.Fatalf("%d %s", status, body)
	}
	for _, text := range []string{"anneliese", "her script"} {
		if found := grep(t, dir, text); len(found) != 0 {
			t.Errorf("%q is still in %v", text, found)
		}
	}
	if status, _ := hers.send("GET", "/api/users", nil); status != 401 {
		t.Errorf("she is still logged in: %d", status)
	}
	req, _ := http.NewRequest("GET", p.url+"/api/users", nil)
	req.Header.Set("Authorization", "Bearer "+token.Token)
	if r, err := http.DefaultClient.Do(req); err != nil || r.StatusCode != 401 {
		t.Errorf("her token: %v %v", r, err)
	}
	for _, path := range []string{"/data", "/status", "/notices", "/more"} {
		if _, page := p.page(path); strings.Contains(page, "anneliese") {
			t.Errorf("she is still on %s", path)
		}
	}
	if log := p.audit(); !strings.Contains(log, ": added token ") || !strings.Contains(log, "owner: deleted all that was kept of a person") {
		t.Errorf("the audit log says\n%s", log)
	}
}

// The command forgets a person whether the hub runs or not, after the name
// alone.
func TestForgetByTheCommand(t *testing.T) {
	p, dir := launchHub(t)
	p.login()
	run := func(in string, args ...string) int {
		var b bytes.Buffer
		return execute(context.Background(), append([]string{"user", "forget", "--data", dir}, args...), strings.NewReader(in), &b, &b)
	}
	for _, name := range []string{"anneliese", "bartholomew"} {
		if status, body := p.send("POST", "/api/users", map[string]any{"name": name, "role": "family"}); status != 201 {
			t.Fatalf("%d %s", status, body)
		}
	}
	if run("yes\n", "anneliese") != exitFailure || run("owner\n", "owner") != exitFailure || len(grep(t, dir, "anneliese")) == 0 {
		t.Error("forgotten without the name")
	}
	if code := run("anneliese\n", "anneliese"); code != exitOK || len(grep(t, dir, "anneliese")) != 0 {
		t.Errorf("with a running hub: %d, still in %v", code, grep(t, dir, "anneliese"))
	}
	p.stop()
	if code := run("", "bartholomew", "--confirm", "bartholomew"); code != exitOK || len(grep(t, dir, "bartholomew")) != 0 {
		t.Errorf("with a stopped one: %d, still in %v", code, grep(t, dir, "bartholomew"))
	}
}
