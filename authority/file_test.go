package authority

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Whatever the file is like, it is left as it is, what to do is said, and once
// it is put back all goes on.
func TestDamagedFile(t *testing.T) {
	f := open(t)
	whole, _ := os.ReadFile(f.path)
	other := open(t)
	foreign, _ := os.ReadFile(other.path)
	keys := func(text []byte) int { return bytes.Index(text, []byte("-----BEGIN EC")) }
	second := func(text []byte) int { return 1 + bytes.Index(text[1:], []byte("-----BEGIN CERT")) }
	for name, text := range map[string][]byte{
		"empty": nil, "cut": whole[:len(whole)-100], "noise": []byte("hello"), "only the root": f.root().PEM(),
		"keys of another":    append(bytes.Clone(foreign[:keys(foreign)]), whole[keys(whole):]...),
		"root of another":    append(bytes.Clone(foreign[:second(foreign)]), whole[second(whole):]...),
		"a flipped bit":      append(append(bytes.Clone(whole[:keys(whole)+60]), whole[keys(whole)+60]^1), whole[keys(whole)+61:]...),
		"the same key twice": append(bytes.Clone(whole), whole[keys(whole):]...),
	} {
		replaceFile(t, f.path, text)
		f.told = nil
		f.reopen()
		_, err := f.Root()
		if err == nil || !strings.Contains(err.Error(), f.path) || !strings.Contains(err.Error(), "homehub authority renew") {
			t.Errorf("%s: %v", name, err)
		}
		if len(f.told) != 1 || f.told[0] == nil {
			t.Errorf("%s: told %v", name, f.told)
		}
		if _, err := shake(t, f.Pages(), nil, "hub.local", f.now); err == nil {
			t.Errorf("%s: hands were shaken", name)
		}
		if got, _ := os.ReadFile(f.path); !bytes.Equal(got, text) {
			t.Errorf("%s: the file was changed", name)
		}
		replaceFile(t, f.path, whole)
		f.page()
		if len(f.told) != 2 || f.told[1] != nil {
			t.Errorf("%s: put back, told %v", name, f.told)
		}
	}
	// Under a running hub, whoever trusts it is served on.
	f.told = nil
	replaceFile(t, f.path, []byte("hello"))
	f.page()
	f.page()
	if len(f.told) != 1 || f.told[0] == nil {
		t.Errorf("damaged while it runs: told %v", f.told)
	}
	before := f.root()
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.root().DER, before.DER) {
		t.Error("removed while it runs, it is another one")
	}
}

// replaceFile is a new file under an old name, as mv makes it.
func replaceFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", text, 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func TestNoPlaceToKeepIt(t *testing.T) {
	f := open(t)
	dir := filepath.Join(t.TempDir(), "missing")
	f.path, f.told = filepath.Join(dir, "authority.pem"), nil
	f.reopen()
	if _, err := f.Root(); err == nil || len(f.told) != 1 {
		t.Fatalf("%v, told %v", err, f.told)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f.page()
	if len(f.told) != 2 || f.told[1] != nil {
		t.Errorf("told %v", f.told)
	}
}

// A new one counts at once, the old one can be put back, and hands are shaken
// all the time.
func TestRenew(t *testing.T) {
	f := open(t)
	first, key := f.root(), f.device().RawSubjectPublicKeyInfo
	var clients sync.WaitGroup
	pool := trust(t, first)
	for range 4 {
		clients.Go(func() {
			for range 5 {
				_, err := shake(t, f.Pages(), pool, "hub.local", f.now)
				if unknown := (x509.UnknownAuthorityError{}); err != nil && !errors.As(err, &unknown) {
					t.Error(err)
				}
			}
		})
	}
	if err := Renew(f.path); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	second := f.root()
	if bytes.Equal(first.DER, second.DER) || bytes.Equal(key, f.device().RawSubjectPublicKeyInfo) {
		t.Error("it is the same as before")
	}
	if _, err := shake(t, f.Pages(), pool, "hub.local", f.now); err == nil {
		t.Error("who trusts the old one trusts the new")
	}
	if old, err := ReadRoot(f.path + ".old"); err != nil || !bytes.Equal(old.DER, first.DER) {
		t.Errorf("the old one is not kept: %v", err)
	}
	if err := os.Rename(f.path+".old", f.path); err != nil {
		t.Fatal(err)
	}
	if _, err := shake(t, f.Pages(), pool, "hub.local", f.now); err != nil {
		t.Errorf("the old one, put back: %v", err)
	}
	if f.other != 2 {
		t.Errorf("told %d times that it is another one", f.other)
	}
	left, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v (%v)", left, err)
	}
}

// Who renews it as root must not lock the hub out of its own file.
func TestRenewAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a file of somebody else")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 12345, 54321); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "authority.pem")
	for range 2 {
		if err := Renew(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{path, path + ".old"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 12345 || owner.Gid != 54321 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s belongs to %d:%d, mode %v", name, owner.Uid, owner.Gid, info.Mode())
		}
	}
}
