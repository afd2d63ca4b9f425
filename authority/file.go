package authority

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// read reads a file and sees to it that nobody else does. A damaged one is
// left as it is: phones and devices trust what was in it.
func read(path string) (*chain, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the hub's certificate authority: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm() != 0o600 { // a copy from a backup may be anybody's to read
		if err := os.Chmod(path, 0o600); err != nil {
			return nil, fmt.Errorf("protecting the hub's certificate authority: %w", err)
		}
	}
	c, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): put it back from a backup, or run homehub authority renew and give every phone and device the new certificate", path, err)
	}
	return c, nil
}

// ReadRoot is the root that a file holds.
func ReadRoot(path string) (Root, error) {
	c, err := read(path)
	if err != nil {
		return Root{}, err
	}
	return c.rootOf(), nil
}

// Renew makes a new authority in place of the one in a file, which is kept
// beside it with .old at its end. Whoever trusted the old one has to be given
// the new.
func Renew(path string) error {
	c, err := newChain()
	if err != nil {
		return fmt.Errorf("making the hub's certificate authority: %w", err)
	}
	text, err := c.marshal()
	if err != nil {
		return fmt.Errorf("making the hub's certificate authority: %w", err)
	}
	if err := replace(path, text); err != nil {
		return fmt.Errorf("keeping the hub's certificate authority: %w", err)
	}
	return nil
}

// replace writes a file that is there as a whole or not at all, also after a
// power cut, for its owner alone. The one before is kept beside it.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".authority-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = errors.Join(ownedAs(f.Name(), filepath.Dir(path)), setAside(path))
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// setAside gives a file a second name, so that there is one at every instant.
func setAside(path string) error {
	old := path + ".old"
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Link(path, old)
}

// ownedAs gives a file to the owner of its folder, the hub, where root made
// it.
func ownedAs(path, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return os.Chown(path, int(stat.Uid), int(stat.Gid))
	}
	return nil
}
