package store_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/store"
)

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var plug = hub.Device{
	ID: "plug", Name: "Plug", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/plug",
	Schedule: &hub.Schedule{ReadyBy: 420, Minutes: 180, Days: hub.Workdays},
}

func TestWhatIsPutIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	cred, secret := hub.NewCredential("plug", "plug", []hub.Grant{{Filter: "emon/plug/#", Read: true, Write: true}}, time.Unix(1, 0))
	for _, err := range []error{
		s.PutDevice(plug), s.PutCredential(cred), s.PutUser(store.User{Name: "owner", Role: "owner"}),
		s.PutToken(store.Token{Name: "grafana", Hash: "aa"}), s.PutSetting("zone", "Europe/Brussels"), s.Audit("owner", "added plug"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if d := s.Devices(); len(d) != 1 || d[0].Schedule.ReadyBy != 420 || d[0].Schedule.Days != hub.Workdays {
		t.Errorf("devices: %+v", d)
	}
	if c, ok := s.Credential("plug"); !ok || !c.Check(secret) || c.Check("wrong") {
		t.Errorf("credential: %+v", c)
	}
	if u, ok := s.User("owner"); !ok || u.Role != "owner" {
		t.Errorf("user: %+v", u)
	}
	if k, ok := s.Token("aa"); !ok || k.Name != "grafana" {
		t.Errorf("token: %+v", k)
	}
	var zone string
	if !s.Setting("zone", &zone) || zone != "Europe/Brussels" {
		t.Errorf("setting: %q", zone)
	}
	if log := s.AuditLog(); len(log) != 1 || log[0].What != "added plug" {
		t.Errorf("audit: %+v", log)
	}
	if s.Problem() != "" {
		t.Error(s.Problem())
	}
}

func TestDeletingADeviceTakesItsLogInAway(t *testing.T) {
	s := open(t, t.TempDir())
	cred, _ := hub.NewCredential("plug", "plug", nil, time.Unix(1, 0))
	other, _ := hub.NewCredential("program", "", nil, time.Unix(1, 0))
	for _, err := range []error{s.PutDevice(plug), s.PutCredential(cred), s.PutCredential(other), s.DeleteDevice("plug")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := s.Credential("plug"); ok {
		t.Error("a removed device can still log in")
	}
	if _, ok := s.Credential("program"); !ok {
		t.Error("somebody else's log-in is gone")
	}
}

func TestASecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := store.Open(store.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}); hub.CodeOf(err) != hub.Conflict {
		t.Errorf("got %v", err)
	}
}

// Whatever happened to the file, the store must run with the snapshot's
// content.
func TestADamagedFileIsSetAsideAndRebuilt(t *testing.T) {
	damages := map[string]func(b []byte) []byte{
		"zeroed middle":  func(b []byte) []byte { clear(b[len(b)/4 : len(b)*3/4]); return b },
		"zeroed metas":   func(b []byte) []byte { clear(b[:2*4096]); return b },
		"truncated":      func(b []byte) []byte { return b[:len(b)/2] },
		"random garbage": func(b []byte) []byte { return bytes.Repeat([]byte("garbage!"), 4096) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			if err := s.PutDevice(plug); err != nil {
				t.Fatal(err)
			}
			for range 20 {
				if err := s.Audit("owner", strings.Repeat("x", 500)); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "decisions.db")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir)
			if d := s.Devices(); len(d) != 1 {
				t.Errorf("%d devices after the rebuild, want 1", len(d))
			}
			if !strings.Contains(s.Problem(), "damaged") {
				t.Errorf("problem: %q", s.Problem())
			}
			if kept, _ := filepath.Glob(path + ".damaged-*"); len(kept) != 1 {
				t.Errorf("the damaged file is not kept: %v", kept)
			}
			if err := s.PutDevice(plug); err != nil {
				t.Errorf("not writable after the rebuild: %v", err)
			}
		})
	}
}

func TestABrokenSnapshotIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.PutDevice(plug); err != nil {
		t.Fatal(err)
	}
	if err := s.Snapshot(); err != nil { // snapshot a: one device
		t.Fatal(err)
	}
	for _, id := range []string{"second", "third", "fourth"} {
		d := plug
		d.ID, d.Topic = id, "emon/"+id
		if err := s.PutDevice(d); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil { // snapshot b: four devices
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "decisions-b.json"))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "decisions-b.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "decisions.db"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if d := s.Devices(); len(d) != 1 {
		t.Errorf("%d devices, want the 1 of the older whole snapshot", len(d))
	}
}

func TestAReadOnlyFolderServesAndRefusesChanges(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("as root permissions do not bind; the folder is replaced by a file instead")
	}
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if s.Problem() == "" {
		t.Error("no problem is reported")
	}
	if err := s.PutDevice(plug); hub.CodeOf(err) != hub.Unavailable {
		t.Errorf("got %v, want unavailable", err)
	}
}

func TestAuditIsCapped(t *testing.T) {
	if testing.Short() {
		t.Skip("2,050 commits")
	}
	s := open(t, t.TempDir())
	for range 2050 {
		if err := s.Audit("a", "b"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.AuditLog()); n != 2000 {
		t.Errorf("%d lines, want 2000", n)
	}
}

// Every single broken byte region must either be harmless or be found before
// bbolt panics over it.
func TestAnyBrokenPageIsSurvived(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 40 {
		d := plug
		d.ID, d.Topic = "plug-"+string(rune('a'+i%26))+string(rune('a'+i/26)), strings.Repeat("t", 60)+string(rune('a'+i%26))+string(rune('a'+i/26))
		if err := s.PutDevice(d); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "decisions.db"))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at+512 <= len(whole); at += 512 {
		broken := t.TempDir()
		b := bytes.Clone(whole)
		for i := range 512 {
			b[at+i] ^= 0x5a
		}
		if err := os.WriteFile(filepath.Join(broken, "decisions.db"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, broken)
		if err := s.PutDevice(plug); err != nil {
			t.Errorf("sector at %d broken: %v", at, err)
		}
		s.Close()
	}
}
