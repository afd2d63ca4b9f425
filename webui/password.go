package webui

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"homehub/hub"
)

// Cost of a password hash: OWASP's smallest argon2id that is still advised,
// because a Pi Zero has to pay it too.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32
	saltBytes    = 16

	maxPassword = 256 // bytes; longer ones only cost time
	// minPassword is the least that a page accepts as a new password.
	minPassword = 8
	// maxHashing is how many log-ins may wait for their turn at hashing.
	maxHashing = 8
)

// EasyPassword is a fresh random password that is easy to type on a phone: 12
// of 31 letters and digits none of which look alike, some 59 bits.
func EasyPassword() string {
	const letters = "abcdefghjkmnpqrstuvwxyz23456789"
	out := make([]byte, 0, 14)
	for len(out) < cap(out) {
		if len(out) == 4 || len(out) == 9 {
			out = append(out, '-')
		}
		var b [1]byte
		_, _ = rand.Read(b[:])                         // never fails since Go 1.24
		if int(b[0]) < 256/len(letters)*len(letters) { // the rest would favour the first letters
			out = append(out, letters[int(b[0])%len(letters)])
		}
	}
	return string(out)
}

// HashPassword makes a PHC string ($argon2id$v=19$...) with a fresh salt of a
// password of 1 to 256 bytes. Other lengths are a hub.Invalid error.
func HashPassword(password string) (string, error) {
	if password == "" || len(password) > maxPassword {
		return "", hub.FieldErrorf("password", "must have 1 to %d bytes", maxPassword)
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	return phc(password, salt), nil
}

func phc(password string, salt []byte) string {
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// checkPassword compares in constant time. A hash that is not ours, or that
// asks for more memory than the hub has to give, fits no password.
func checkPassword(hash, password string) bool {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false
	}
	var memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false
	}
	if memory > 64*1024 || passes < 1 || passes > 16 || threads < 1 || threads > 8 {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < 16 || len(want) > 64 {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}

// hashing lets one password be hashed at a time: ten at once would take
// 190 MiB, more than the hub may use. Few may wait.
type hashing struct{ wait, turn chan struct{} }

func newHashing() hashing {
	return hashing{wait: make(chan struct{}, maxHashing), turn: make(chan struct{}, 1)}
}

// do runs f when its turn comes.
func (h hashing) do(ctx context.Context, f func()) error {
	select {
	case h.wait <- struct{}{}:
	default:
		return hub.Errorf(hub.Unavailable, "too many log-ins at once: try again in a few seconds")
	}
	defer func() { <-h.wait }()
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.turn }()
	f()
	return nil
}
