// Package store keeps what people decided: devices, users, credentials,
// tokens, settings, and the audit log. It never holds anything per reading:
// one commit costs the card some 36 KiB, which is nothing for a decision and
// ruin for a telegram (docs/adr/0004).
//
// Everything is small, so it lives in RAM and is read from there; a write
// returns when it is durable. Only cmd/homehub imports this package.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"homehub/hub"
)

// Config is what a Store is made of.
type Config struct {
	Dir    string // data folder; the store is decisions.db in it
	Logger *slog.Logger
	Now    func() time.Time // for names of damaged files and the audit log; nil = time.Now
}

// Store is the open store. Its methods are safe for concurrent use.
type Store struct {
	cfg  Config
	path string

	mu       sync.RWMutex
	db       *bolt.DB // nil: nothing can be written, see problem
	problem  string   // why the store is degraded, for people; "" = fine
	rows     map[string]map[string][]byte
	dirty    bool // changed since the last snapshot
	snapshot int  // number of the snapshot file that is written next
}

// The tables, each a bucket.
const (
	tableDevices     = "devices"
	tableCredentials = "credentials"
	tableUsers       = "users"
	tableTokens      = "tokens"
	tableSettings    = "settings"
	tableAudit       = "audit"
)

var tables = [...]string{tableDevices, tableCredentials, tableUsers, tableTokens, tableSettings, tableAudit}

// Open opens the store of a data folder, or makes it. It does not fail
// because of damage: a file that bbolt can not read is set aside under a new
// name, never deleted, and the newest good snapshot takes its place. On a
// folder that can not be written it serves what is there, and every change is
// refused with an Unavailable error. Problem says so in both cases.
func Open(cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Store{cfg: cfg, path: filepath.Join(cfg.Dir, "decisions.db")}
	s.clear()
	db, err := openChecked(s.path, false)
	switch {
	case err == nil:
		s.db = db
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, hub.Errorf(hub.Conflict, "another process holds %s: stop it first", s.path)
	case errors.Is(err, errDamaged):
		if err := s.rebuild(err); err != nil {
			return nil, err
		}
	default:
		s.problem = fmt.Sprintf("settings can not be saved: %v", err)
		if db, err = openChecked(s.path, true); err != nil {
			cfg.Logger.Warn("opening the store read-only", "err", err)
			s.loadNewestSnapshot()
			return s, nil
		}
		defer db.Close()
		return s, s.load(db)
	}
	if err := s.load(s.db); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if _, ok := s.rows[tableSettings][scrubKey]; ok {
		if err := s.scrub(); err != nil {
			cfg.Logger.Warn("forgetting somebody", "err", err)
		}
	}
	return s, nil
}

func (s *Store) clear() {
	s.rows = map[string]map[string][]byte{}
	for _, t := range tables {
		s.rows[t] = map[string][]byte{}
	}
}

// load reads every table into RAM. Slices of bbolt die with the transaction,
// so they are copied.
func (s *Store) load(db *bolt.DB) error {
	return db.View(func(tx *bolt.Tx) error {
		for _, t := range tables {
			b := tx.Bucket([]byte(t))
			if b == nil {
				continue
			}
			err := b.ForEach(func(k, v []byte) error {
				s.rows[t][string(k)] = append([]byte(nil), v...)
				return nil
			})
			if err != nil {
				return fmt.Errorf("reading table %s: %w", t, err)
			}
		}
		return nil
	})
}

// Problem says in words why the store is not as it should be, "" if it is.
func (s *Store) Problem() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.problem
}

// Close writes a snapshot if anything changed and closes the file.
func (s *Store) Close() error {
	err := s.Snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
		s.db = nil
	}
	return err
}

// change is one row to write; a nil value deletes it.
type change struct {
	table, key string
	value      []byte
}

// commit makes changes durable, all or none, and then shows them.
func (s *Store) commit(changes ...change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return hub.Errorf(hub.Unavailable, "%s", s.problem)
	}
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, c := range changes {
			b, err := tx.CreateBucketIfNotExists([]byte(c.table))
			if err != nil {
				return err
			}
			if c.value == nil {
				err = b.Delete([]byte(c.key))
			} else {
				err = b.Put([]byte(c.key), c.value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.problem = fmt.Sprintf("settings can not be saved: %v", err)
		return hub.Errorf(hub.Unavailable, "%s", s.problem)
	}
	s.problem, s.dirty = "", true
	for _, c := range changes {
		if c.value == nil {
			delete(s.rows[c.table], c.key)
		} else {
			s.rows[c.table][c.key] = c.value
		}
	}
	return nil
}

func options(readOnly bool) *bolt.Options {
	return &bolt.Options{Timeout: time.Second, ReadOnly: readOnly, NoFreelistSync: true, FreelistType: bolt.FreelistMapType}
}

// get decodes one row.
func get[T any](s *Store, table, key string) (row T, ok bool) {
	s.mu.RLock()
	raw, ok := s.rows[table][key]
	s.mu.RUnlock()
	if !ok {
		return row, false
	}
	if err := json.Unmarshal(raw, &row); err != nil {
		s.cfg.Logger.Error("reading a row", "table", table, "key", key, "err", err)
		return row, false
	}
	return row, true
}

// put makes one row durable.
func put[T any](s *Store, table, key string, row T) error {
	raw, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encoding %s %s: %w", table, key, err)
	}
	return s.commit(change{table, key, raw})
}

// openChecked opens a bbolt file after every page of it was looked at, since a
// damaged one panics much later, at the worst moment.
func openChecked(path string, readOnly bool) (db *bolt.DB, err error) {
	defer func() {
		if p := recover(); p != nil { // what bbolt finds while it opens: wrong order of keys, pages used twice
			db, err = nil, fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	if _, err := os.Stat(path); readOnly && err != nil {
		return nil, err
	}
	if err := verify(path); err != nil {
		return nil, err
	}
	db, err = bolt.Open(path, 0o600, options(readOnly))
	if err != nil && isDamage(err) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return db, err
}
