package store_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"homehub/store"
)

// peopled is a store with two people, their tokens and what they did.
func peopled(t *testing.T, dir string) *store.Store {
	t.Helper()
	s := open(t, dir)
	for _, err := range []error{
		s.PutUser(store.User{Name: "anneliese", Role: "family", Password: "hash-of-anneliese"}), s.PutUser(store.User{Name: "owner", Role: "owner"}),
		s.PutToken(store.Token{Name: "annelieses-phone", Hash: "aa", By: "anneliese"}), s.PutToken(store.Token{Name: "grafana", Hash: "bb", By: "owner"}),
		s.Audit("anneliese", "device.added", "plug"), s.Audit("owner", "user.role", "anneliese", "family"), s.Audit("annelieses-phone", "mode.on", "plug"),
		s.Audit("owner", "made user anneliese family"), s.Audit("owner", "login"), s.PutDevice(plug), s.Snapshot(), s.PutDevice(plug), s.Snapshot(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// traces are the files of a folder that hold a name.
func traces(t *testing.T, dir, name string) (files []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte(name)) {
			files = append(files, e.Name())
		}
	}
	return files
}

// A person who is forgotten is in no file, and what was done stays in the log.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	s := peopled(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "decisions.db.damaged-20260101T000000"), []byte("anneliese"), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(traces(t, dir, "anneliese")) < 4 {
		t.Fatal("the test does not see a name where one is")
	}
	if err := s.Forget("anneliese"); err != nil {
		t.Fatal(err)
	}
	if found := traces(t, dir, "anneliese"); len(found) != 0 {
		t.Errorf("the name is still in %v", found)
	}
	for range 2 { // as it is, and after a restart
		if _, ok := s.User("anneliese"); ok {
			t.Error("she can still log in")
		}
		if list := s.Tokens(); len(list) != 1 || list[0].Name != "grafana" {
			t.Errorf("tokens: %+v", list)
		}
		log := s.AuditLog()
		if len(log) != 5 {
			t.Fatalf("%d lines in the audit log, want all 5", len(log))
		}
		text := ""
		for _, l := range log {
			text += "[" + l.Who + "|" + l.What + "|" + strings.Join(l.Values, ",") + "]"
		}
		for _, want := range []string{"[|device.added|plug]", "[owner|user.role|,family]", "[|mode.on|plug]", "[owner|made user … family|]", "[owner|login|]"} {
			if !strings.Contains(text, want) {
				t.Errorf("the log lacks %s: %s", want, text)
			}
		}
		if len(s.Devices()) != 1 || s.Problem() != "" {
			t.Errorf("devices %v, problem %q", s.Devices(), s.Problem())
		}
		if err := s.PutDevice(plug); err != nil {
			t.Errorf("not writable any more: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
	}
	if found := traces(t, dir, "anneliese"); len(found) != 0 {
		t.Errorf("after a restart the name is back in %v", found)
	}
}

// A hub that is killed while it forgets somebody has the old state or goes on
// forgetting at its next start: the name is then in all files or in none.
func TestForgetSurvivesAKill(t *testing.T) {
	if dir := os.Getenv("HOMEHUB_FORGET"); dir != "" {
		s := open(t, dir)
		_, _ = io.WriteString(os.Stdout, "ready\n")
		_ = s.Forget("anneliese")
		_, _ = io.WriteString(os.Stdout, "done\n")
		select {}
	}
	if testing.Short() {
		t.Skip("it starts processes")
	}
	old, fresh := 0, 0
	for round := range 12 {
		dir := t.TempDir()
		if err := peopled(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=TestForgetSurvivesAKill$")
		cmd.Env = append(os.Environ(), "HOMEHUB_FORGET="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killWhen(t, cmd, out, dir, round)
		s := open(t, dir)
		_, there := s.User("anneliese")
		found := traces(t, dir, "anneliese")
		switch {
		case there && len(found) > 0:
			old++
		case !there && len(found) == 0:
			fresh++
		default:
			t.Errorf("round %d: she is there: %v, her name is in %v", round, there, found)
		}
		if s.Problem() != "" || len(s.Devices()) != 1 {
			t.Errorf("round %d: %q, devices %v", round, s.Problem(), s.Devices())
		}
		s.Close()
	}
	t.Logf("%d times the old state, %d times the new one", old, fresh)
	if fresh == 0 {
		t.Error("she was never forgotten")
	}
}

// killWhen kills a process at one of the moments when something of the folder
// changed: the round says which.
func killWhen(t *testing.T, cmd *exec.Cmd, out io.Reader, dir string, round int) {
	t.Helper()
	line := make([]byte, 6)
	if _, err := io.ReadFull(out, line); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.ReadFull(out, line[:5])
		close(ended)
	}()
	last := shape(dir)
	for seen := 0; seen < round%6; {
		select {
		case <-ended:
			seen = 6
		default:
		}
		if now := shape(dir); now != last && round%6 != 5 {
			last, seen = now, seen+1
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// shape is what a folder looks like: names, sizes and times of change.
func shape(dir string) string {
	var b strings.Builder
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if info, err := e.Info(); err == nil {
			b.WriteString(e.Name() + info.ModTime().String())
		}
	}
	return b.String()
}

func TestEraseLeavesOnlyWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	if err := peopled(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"decisions.db.damaged-1", "decisions.db.compact", "decisions-a.json.123", "holiday.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Erase(dir); err != nil {
		t.Fatal(err)
	}
	list, _ := os.ReadDir(dir)
	if len(list) != 1 || list[0].Name() != "holiday.jpg" {
		t.Errorf("left: %v", list)
	}
}
