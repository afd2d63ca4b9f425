package pairing

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"homehub/hub"
)

// adminUser is who all of these devices call their owner.
const adminUser = "admin"

// caller speaks HTTP to one device. It has the device's password for as long
// as it lives and shows it to nobody else.
type caller struct {
	at       netip.AddrPort
	password string
	answered bool // something listens there
}

// get decodes the JSON at path.
func (c *caller) get(ctx context.Context, path string, v any) error {
	body, err := c.call(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

// call sends a request, and once more with the password if the device asks for
// it, as Basic (RFC 7617) or Digest (RFC 7616).
func (c *caller) call(ctx context.Context, method, path, kind string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	answer, r, err := c.send(ctx, method, path, kind, body, "")
	if err != nil {
		return nil, err
	}
	if r.StatusCode == http.StatusUnauthorized && c.password != "" {
		header := authorization(r.Header.Get("WWW-Authenticate"), method, path, adminUser, c.password)
		if answer, r, err = c.send(ctx, method, path, kind, body, header); err != nil {
			return nil, err
		}
	}
	switch {
	case r.StatusCode == http.StatusUnauthorized:
		return nil, &unauthorized{errPassword(c.at)}
	case r.StatusCode/100 != 2:
		return nil, hub.Errorf(hub.Unavailable, "the device at %s refused its new settings (HTTP status %d)", c.at.Addr(), r.StatusCode)
	}
	return answer, nil
}

// unauthorized is the device's 401. To people it is a password that is wrong,
// not their own log-in.
type unauthorized struct{ error }

func (e *unauthorized) Unwrap() error { return e.error }

func isUnauthorized(err error) bool {
	_, ok := errors.AsType[*unauthorized](err)
	return ok
}

func (c *caller) send(ctx context.Context, method, path, kind string, body []byte, auth string) ([]byte, *http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.at.String()+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, hub.Errorf(hub.Internal, "asking a device: %v", err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	r, err := deviceClient().Do(req)
	if err != nil {
		// Without the address: of a Tasmota it holds the password.
		return nil, nil, hub.Errorf(hub.Unavailable, "the device at %s does not answer: is it on, and in the same network?", c.at.Addr())
	}
	defer r.Body.Close()
	c.answered = true
	answer, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		return nil, nil, hub.Errorf(hub.Unavailable, "the device at %s stopped in the middle of its answer", c.at.Addr())
	}
	return answer, r, nil
}

var challengePart = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

// authorization answers a challenge.
func authorization(challenge, method, uri, user, password string) string {
	scheme, rest, _ := strings.Cut(challenge, " ")
	if !strings.EqualFold(scheme, "Digest") {
		req := &http.Request{Header: http.Header{}}
		req.SetBasicAuth(user, password)
		return req.Header.Get("Authorization")
	}
	p := map[string]string{}
	for _, m := range challengePart.FindAllStringSubmatch(rest, -1) {
		p[strings.ToLower(m[1])] = m[2]
	}
	var b [16]byte
	_, _ = rand.Read(b[:])
	cnonce, nc := hex.EncodeToString(b[:]), "00000001"
	response := digest(digest(user, p["realm"], password), p["nonce"], nc, cnonce, "auth", digest(method, uri))
	return fmt.Sprintf(`Digest username=%q, realm=%q, nonce=%q, uri=%q, algorithm=SHA-256, qop=auth, nc=%s, cnonce=%q, response=%q`,
		user, p["realm"], p["nonce"], uri, nc, cnonce, response)
}

// digest is the hash of RFC 7616, by SHA-256, which is what Shelly uses.
func digest(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h[:])
}
