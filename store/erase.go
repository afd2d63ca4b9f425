package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"homehub/hub"
)

// Erase removes all files of a store that nobody has open, copies of damaged
// ones too.
func Erase(dir string) error {
	list, err := filepath.Glob(filepath.Join(dir, "decisions*"))
	for _, path := range list {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// scrubKey is the setting that says that somebody was forgotten, and that the
// copies on the card still have to forget them.
const scrubKey = "scrub"

// Forget deletes a person and all that is kept of them: the log-in, the tokens
// they made, and their name in the audit log, which goes on saying that
// something was done. The change itself is one commit; then no file on the card
// has the name any more. A power cut in between is made good by the next Open.
func (s *Store) Forget(name string) error {
	changes := []change{{table: tableUsers, key: name}, {tableSettings, scrubKey, []byte("true")}}
	aliases := []string{name}
	for _, t := range s.Tokens() {
		if t.By == name {
			changes = append(changes, change{table: tableTokens, key: t.Hash})
			aliases = append(aliases, t.Name)
		}
	}
	forgotten, err := s.auditWithout(name, aliases)
	if err != nil {
		return err
	}
	if err := s.commit(append(changes, forgotten...)...); err != nil {
		return err
	}
	return s.scrub()
}

// auditWithout is what changes in the audit log when a person is forgotten.
// aliases are what they and their programs are called there.
func (s *Store) auditWithout(name string, aliases []string) (changes []change, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for key, raw := range s.rows[tableAudit] {
		var e AuditEntry
		if json.Unmarshal(raw, &e) != nil || !e.forget(name, aliases) {
			continue
		}
		fresh, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encoding an audit line: %w", err)
		}
		changes = append(changes, change{tableAudit, key, fresh})
	}
	return changes, nil
}

// forget takes a person out of a line and says whether they were in it.
func (e *AuditEntry) forget(name string, aliases []string) (was bool) {
	if slices.Contains(aliases, e.Who) {
		e.Who, was = "", true
	}
	for i, v := range e.Values {
		if slices.Contains(aliases, v) {
			e.Values[i], was = "", true
		}
	}
	words := strings.Split(e.What, " ") // a line of an old log is a sentence
	for i, w := range words {
		if len(words) > 1 && w == name {
			words[i], was = "…", true
		}
	}
	e.What = strings.Join(words, " ")
	return was
}

// scrub writes every file of the store anew, so that what was deleted is in
// none of them, and is done when the note of it is gone.
func (s *Store) scrub() error {
	s.mu.Lock()
	err := s.compact()
	for range 2 { // both snapshots
		s.dirty = true
		err = errors.Join(err, s.writeSnapshot())
	}
	s.mu.Unlock()
	if err != nil {
		return hub.Errorf(hub.Unavailable, "the name is gone from the settings, but not yet from all their copies: it goes with the next start (%v)", err)
	}
	// Copies of a damaged file, and what a power cut left of a snapshot.
	for _, pattern := range [...]string{s.path + ".damaged-*", filepath.Join(s.cfg.Dir, "decisions-?.json.*")} {
		copies, _ := filepath.Glob(pattern)
		for _, path := range copies {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return errors.Join(err, s.commit(change{table: tableSettings, key: scrubKey}))
}

// compact writes the file anew without the pages that nothing refers to: they
// hold what was deleted. After a power cut the file is the old or the new one.
// s.mu is held.
func (s *Store) compact() error {
	path := s.path + ".compact"
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fresh, err := bolt.Open(path, 0o600, options(false))
	if err != nil {
		return err
	}
	if err := bolt.Compact(fresh, s.db, 0); err != nil {
		return errors.Join(err, fresh.Close(), os.Remove(path))
	}
	if err := errors.Join(fresh.Sync(), os.Rename(path, s.path), syncDir(s.cfg.Dir)); err != nil {
		return errors.Join(err, fresh.Close())
	}
	old := s.db
	s.db = fresh
	return old.Close()
}
