package hub

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"
)

// Grant lets a client of the broker use the topics that a filter matches.
type Grant struct {
	Filter string `json:"filter"` // MQTT filter; + and # allowed
	Read   bool   `json:"read"`   // subscribe and receive
	Write  bool   `json:"write"`  // publish
}

// Credential is the one log-in of one client of the broker. Its secret is
// random, so a plain hash keeps it (no password is guessed from it).
type Credential struct {
	ID     string    `json:"id"` // user name and client id at once
	Hash   []byte    `json:"hash"`
	Device string    `json:"device,omitempty"` // device it belongs to; "" for the owner's programs
	Grants []Grant   `json:"grants"`
	Made   time.Time `json:"made"`
}

// NewCredential makes a credential with a fresh 128-bit secret, which is shown
// once and never kept. The secret is hexadecimal: no colon may be in it, as
// EmonESP's pairing answer separates fields by colons.
func NewCredential(id, device string, grants []Grant, now time.Time) (Credential, string) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	secret := hex.EncodeToString(b[:])
	hash := sha256.Sum256([]byte(secret))
	return Credential{ID: id, Hash: hash[:], Device: device, Grants: grants, Made: now}, secret
}

// Check says whether secret is the credential's, in constant time.
func (c Credential) Check(secret string) bool {
	hash := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(hash[:], c.Hash) == 1
}
