package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"homehub/hub"
)

// User is a person who may log in.
type User struct {
	Name     string `json:"name"`
	Role     string `json:"role"`     // owner, family or installer
	Password string `json:"password"` // argon2id in PHC form
	// Until is when the log-in ends, zero for never.
	Until time.Time `json:"until,omitzero"`
}

// Token lets a program of the owner's use the API. Only its hash is kept.
type Token struct {
	Name string    `json:"name"`
	Hash string    `json:"hash"` // SHA-256, hexadecimal
	Role string    `json:"role"` // as a User's
	Made time.Time `json:"made"`
	By   string    `json:"by,omitempty"` // who made it; "" in old stores
}

// AuditEntry is one line of the audit log: who changed what. What is a kind of
// deed, for which the pages have words, and Values what it was done to. Lines
// of old logs are sentences without values.
type AuditEntry struct {
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	What   string    `json:"what"`
	Values []string  `json:"values,omitempty"`
}

// maxAudit is how many lines the audit log holds; the oldest go first.
const maxAudit = 2000

// Devices are all devices, by id.
func (s *Store) Devices() []hub.Device {
	return list(s, tableDevices, func(a, b hub.Device) int { return cmp.Compare(a.ID, b.ID) })
}

// PutDevice adds or replaces a device.
func (s *Store) PutDevice(d hub.Device) error { return put(s, tableDevices, d.ID, d) }

// DeleteDevice forgets a device and the credentials that belong to it, in one
// step, so that a removed plug can not log in any more.
func (s *Store) DeleteDevice(id string) error {
	changes := []change{{table: tableDevices, key: id}}
	for _, c := range s.Credentials() {
		if c.Device == id {
			changes = append(changes, change{table: tableCredentials, key: c.ID})
		}
	}
	return s.commit(changes...)
}

// Credential is the broker log-in of a user name.
func (s *Store) Credential(id string) (hub.Credential, bool) {
	return get[hub.Credential](s, tableCredentials, id)
}

// Credentials are all broker log-ins, by id.
func (s *Store) Credentials() []hub.Credential {
	return list(s, tableCredentials, func(a, b hub.Credential) int { return cmp.Compare(a.ID, b.ID) })
}

// PutCredential adds or replaces a broker log-in.
func (s *Store) PutCredential(c hub.Credential) error { return put(s, tableCredentials, c.ID, c) }

// DeleteCredential takes a broker log-in away.
func (s *Store) DeleteCredential(id string) error {
	return s.commit(change{table: tableCredentials, key: id})
}

// User is the person of a log-in name.
func (s *Store) User(name string) (User, bool) { return get[User](s, tableUsers, name) }

// Users are all people, by name.
func (s *Store) Users() []User {
	return list(s, tableUsers, func(a, b User) int { return cmp.Compare(a.Name, b.Name) })
}

// PutUser adds or replaces a person.
func (s *Store) PutUser(u User) error { return put(s, tableUsers, u.Name, u) }

// DeleteUser ends the log-in of a person.
func (s *Store) DeleteUser(name string) error { return s.commit(change{table: tableUsers, key: name}) }

// Token is the token of a hash.
func (s *Store) Token(hash string) (Token, bool) { return get[Token](s, tableTokens, hash) }

// Tokens are all tokens, the oldest first.
func (s *Store) Tokens() []Token {
	return list(s, tableTokens, func(a, b Token) int { return a.Made.Compare(b.Made) })
}

// PutToken adds a token.
func (s *Store) PutToken(t Token) error { return put(s, tableTokens, t.Hash, t) }

// DeleteToken takes a token away.
func (s *Store) DeleteToken(hash string) error {
	return s.commit(change{table: tableTokens, key: hash})
}

// Setting decodes a setting into v and says whether it is there. A setting
// that does not fit v counts as absent.
func (s *Store) Setting(key string, v any) bool {
	s.mu.RLock()
	raw, ok := s.rows[tableSettings][key]
	s.mu.RUnlock()
	return ok && json.Unmarshal(raw, v) == nil
}

// PutSetting makes a setting durable.
func (s *Store) PutSetting(key string, v any) error { return put(s, tableSettings, key, v) }

// Audit adds a line to the audit log.
func (s *Store) Audit(who, what string, values ...string) error {
	at := s.cfg.Now().UTC()
	raw, err := json.Marshal(AuditEntry{at, who, what, values})
	if err != nil {
		return fmt.Errorf("encoding an audit line: %w", err)
	}
	s.mu.RLock()
	keys := slices.Sorted(maps.Keys(s.rows[tableAudit]))
	s.mu.RUnlock()
	changes := []change{{tableAudit, fmt.Sprintf("%020d-%06d", at.UnixNano(), len(keys)), raw}}
	for i := range max(0, len(keys)-maxAudit+1) {
		changes = append(changes, change{table: tableAudit, key: keys[i]})
	}
	return s.commit(changes...)
}

// AuditLog is the audit log, the newest line first.
func (s *Store) AuditLog() []AuditEntry {
	return list(s, tableAudit, func(a, b AuditEntry) int { return b.At.Compare(a.At) })
}

func list[T any](s *Store, table string, order func(a, b T) int) []T {
	s.mu.RLock()
	keys := slices.Sorted(maps.Keys(s.rows[table]))
	s.mu.RUnlock()
	rows := make([]T, 0, len(keys))
	for _, k := range keys {
		if row, ok := get[T](s, table, k); ok {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, order)
	return rows
}
