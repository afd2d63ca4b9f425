package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"
)

var errDamaged = errors.New("the file is damaged")

// isDamage tells a file with wrong content from a folder that can not be
// used: only the first may be set aside.
func isDamage(err error) bool {
	if errors.Is(err, bolterrors.ErrTimeout) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return false
	}
	var errno syscall.Errno
	return !errors.As(err, &errno)
}

// rebuild sets the damaged file aside and starts from the newest snapshot.
func (s *Store) rebuild(cause error) error {
	aside := s.path + ".damaged-" + s.cfg.Now().UTC().Format("20060102T150405")
	if err := os.Rename(s.path, aside); err != nil {
		return fmt.Errorf("setting aside %s: %w", s.path, err)
	}
	db, err := openChecked(s.path, false)
	if err != nil {
		return fmt.Errorf("starting a new %s: %w", s.path, err)
	}
	s.db = db
	from := s.loadNewestSnapshot()
	s.problem = fmt.Sprintf("the settings file was damaged (%v); it is kept as %s, and %s took its place: check your devices",
		cause, filepath.Base(aside), from)
	s.cfg.Logger.Error("store rebuilt", "aside", aside, "from", from, "cause", cause)
	problem := s.problem
	var all []change
	for t, rows := range s.rows {
		for k, v := range rows {
			all = append(all, change{t, k, v})
		}
	}
	err = s.commit(all...)
	s.problem = problem
	return err
}

// A snapshot is one JSON object: the rows, and the CRC-32C of their encoding.
// Two files take turns, so that one is whole whatever happens to the other.
type snapshotFile struct {
	CRC  uint32          `json:"crc32c"`
	Seq  int64           `json:"seq"`
	Rows json.RawMessage `json:"rows"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *Store) snapshotPath(i int) string {
	return filepath.Join(s.cfg.Dir, fmt.Sprintf("decisions-%c.json", 'a'+i%2))
}

// Snapshot writes all tables to the older of two snapshot files if anything
// changed since the last time. Call it now and then (hourly), not per change.
func (s *Store) Snapshot() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeSnapshot()
}

// writeSnapshot is Snapshot with s.mu held.
func (s *Store) writeSnapshot() error {
	if !s.dirty || s.db == nil {
		return nil
	}
	rows, err := json.Marshal(s.rows)
	if err != nil {
		return fmt.Errorf("encoding a snapshot: %w", err)
	}
	out, err := json.Marshal(snapshotFile{crc32.Checksum(rows, castagnoli), s.cfg.Now().UnixNano(), rows})
	if err != nil {
		return fmt.Errorf("encoding a snapshot: %w", err)
	}
	if err := writeAtomic(s.snapshotPath(s.snapshot), out); err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	s.dirty = false
	s.snapshot++
	return nil
}

// loadNewestSnapshot fills the tables from the newest whole snapshot and
// names it for people.
func (s *Store) loadNewestSnapshot() string {
	name, newest := "an empty one", int64(0)
	for i := range 2 {
		raw, err := os.ReadFile(s.snapshotPath(i))
		if err != nil {
			continue
		}
		var f snapshotFile
		if json.Unmarshal(raw, &f) != nil || crc32.Checksum(f.Rows, castagnoli) != f.CRC || f.Seq <= newest {
			continue
		}
		s.clear()
		if json.Unmarshal(f.Rows, &s.rows) != nil {
			continue
		}
		name, newest = "the snapshot "+filepath.Base(s.snapshotPath(i)), f.Seq
		s.snapshot = i + 1
	}
	for _, t := range tables {
		if s.rows[t] == nil {
			s.rows[t] = map[string][]byte{}
		}
	}
	return name
}

// writeAtomic replaces a file so that after a power cut it is the old or the
// new one, whole.
func writeAtomic(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a folder survive a power cut.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
