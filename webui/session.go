package webui

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// Role is what a person or a program may do.
type Role string

// The roles.
const (
	Owner     Role = "owner"     // everything
	Family    Role = "family"    // look, switch and plan
	Installer Role = "installer" // pair, test and remove devices; never sees how the house lives
)

// User is a person who can log in.
type User struct {
	Name         string // lower case
	Role         Role
	PasswordHash string // as HashPassword makes it
	// Until is when the log-in ends, zero for never. Installers have an end.
	Until time.Time
}

// ended says whether the log-in is over.
func (u User) ended(now time.Time) bool { return !u.Until.IsZero() && !now.Before(u.Until) }

// Users keeps the people. PutUser returns when the change is durable.
type Users interface {
	User(name string) (User, bool)
	PutUser(u User) error
}

// Token is the log-in of a program: what it sends as "Authorization: Bearer"
// is random, so the plain hash that is kept lets nobody guess it.
type Token struct {
	Name string
	Hash []byte // SHA-256 of the bearer token
	Role Role
	Made time.Time
	By   string // who made it
}

// Tokens keeps the tokens. Changes return when they are durable.
type Tokens interface {
	Token(hash []byte) (Token, bool)
	PutToken(t Token) error
	DeleteToken(hash []byte) error
}

const (
	plainCookie = "homehub"
	// secureCookie is another name: a browser lets no page that came over
	// HTTP set or replace it (RFC 6265bis, 4.1.3.2), nor a Secure one of the
	// plain name, which would keep people from logging in over HTTP.
	secureCookie = "__Host-homehub"

	sessionIdle = time.Hour // without a request for so long, a log-in ends, unless the owner decided otherwise
	maxSessions = 256       // the one idle longest makes room

	loginTries  = 5 // per address and loginWindow
	loginWindow = 15 * time.Minute
	maxAddrs    = 4096 // addresses with failed log-ins that are remembered
)

// viewer is who sent a request.
type viewer struct {
	user    string // "" for somebody who is not logged in
	role    Role   // "" likewise
	addr    string
	session *session // nil without a cookie
	token   bool     // it is a program
}

// name is who it was, for the audit log.
func (v viewer) name() string {
	if v.user == "" {
		return v.addr
	}
	return v.user
}

// key tells viewers apart for limits.
func (v viewer) key() string {
	switch {
	case v.session != nil:
		return "session " + string(v.session.hash[:])
	case v.token:
		return "token " + v.user
	}
	return "addr " + v.addr
}

// secretID is a fresh random 256-bit value as text and the hash that is kept
// of it.
func secretID() (string, [sha256.Size]byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	id := base64.RawURLEncoding.EncodeToString(b[:])
	return id, sha256.Sum256([]byte(id))
}

// session is one log-in of one browser. It lives in RAM: a restart logs
// everybody out.
type session struct {
	hash         [sha256.Size]byte
	user         string
	passwordHash string // a new password ends the session
	seen         time.Time
	ended        chan struct{} // closed at the end; open streams watch it
}

type sessions struct {
	idle func() time.Duration
	mu   sync.Mutex
	live map[[sha256.Size]byte]*session
}

func newSessions(idle func() time.Duration) *sessions {
	return &sessions{idle: idle, live: map[[sha256.Size]byte]*session{}}
}

// start makes a session and returns the secret for its cookie.
func (s *sessions) start(u User, now time.Time) string {
	id, hash := secretID()
	idle := s.idle()
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *session
	for _, other := range s.live {
		if now.Sub(other.seen) >= idle {
			s.end(other)
		} else if oldest == nil || other.seen.Before(oldest.seen) {
			oldest = other
		}
	}
	if len(s.live) >= maxSessions {
		s.end(oldest)
	}
	s.live[hash] = &session{hash: hash, user: u.Name, passwordHash: u.PasswordHash, seen: now, ended: make(chan struct{})}
	return id
}

// find is the session of a cookie. With touch it counts as used now.
func (s *sessions) find(id string, now time.Time, touch bool) *session {
	hash := sha256.Sum256([]byte(id))
	idle := s.idle()
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.live[hash]
	if found == nil {
		return nil
	}
	if now.Sub(found.seen) >= idle {
		s.end(found)
		return nil
	}
	if touch {
		found.seen = now
	}
	return found
}

// stop ends a session at once.
func (s *sessions) stop(of *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(of)
}

// stopAll ends every session of a user.
func (s *sessions) stopAll(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.live {
		if of.user == user {
			s.end(of)
		}
	}
}

// end removes a session; s.mu is held.
func (s *sessions) end(of *session) {
	if of != nil && s.live[of.hash] == of {
		delete(s.live, of.hash)
		close(of.ended)
	}
}

// viewer finds out who sent r. A bearer token that nobody knows is an error
// rather than a stranger: its program shall notice.
func (s *Server) viewer(r *http.Request) (viewer, error) {
	if r.Context().Value(localKey{}) != nil {
		return viewer{user: localName, role: Owner, token: true}, nil
	}
	v := viewer{addr: addressOf(r)}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if s.cfg.Tokens != nil {
			hash := sha256.Sum256([]byte(bearer))
			if t, ok := s.cfg.Tokens.Token(hash[:]); ok {
				v.user, v.role, v.token = t.Name, t.Role, true
				return v, nil
			}
		}
		return v, hub.Errorf(hub.Unauthorized, "nobody knows this token")
	}
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return v, nil
	}
	// A stream that stays open, and reconnects by itself, is no sign that
	// somebody is there.
	found := s.sessions.find(cookie.Value, s.wall.Now(), r.URL.Path != eventsPath)
	if found == nil {
		return v, nil
	}
	u, ok := s.cfg.Users.User(found.user)
	if !ok || u.PasswordHash != found.passwordHash || u.ended(s.wall.Now()) {
		s.sessions.stop(found)
		return v, nil
	}
	v.user, v.role, v.session = u.Name, u.Role, found
	return v, nil
}

// addressOf is the network address of the other side. Of IPv6 it is the /64,
// as one machine has them all.
func addressOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := at.Addr().Unmap().WithZone("")
	if addr.Is6() && !addr.IsLoopback() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

// cookieName is the cookie that counts for r. Over TLS it is one that never
// went over the network in the clear.
func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return secureCookie
	}
	return plainCookie
}

func sessionCookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName(r), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
}

// logIn checks name and password of r and starts a session, whose cookie it
// sets. Every failure sounds the same, so that nobody learns who lives here.
func (s *Server) logIn(w http.ResponseWriter, r *http.Request, v viewer, name, password string) (User, error) {
	now := s.wall.Now()
	if name == "" {
		name = string(Owner)
	}
	name = strings.ToLower(strings.TrimSpace(name))
	if wait := s.tries.take(v.addr, now); wait > 0 {
		s.audit(v, "login.refused")
		return User{}, &tooManyTries{wait}
	}
	u, known := s.cfg.Users.User(name)
	hash := u.PasswordHash
	if !known {
		hash = strangerHash
	}
	fits := false
	if len(password) <= maxPassword {
		if err := s.hashing.do(r.Context(), func() { fits = checkPassword(hash, password) }); err != nil {
			s.tries.giveBack(v.addr)
			return User{}, err
		}
	}
	if !known || !fits || u.ended(now) {
		s.audit(v, "login.failed")
		return User{}, hub.Errorf(hub.Unauthorized, "wrong name or password")
	}
	s.tries.forget(v.addr)
	if v.session != nil {
		s.sessions.stop(v.session)
	}
	http.SetCookie(w, sessionCookie(r, s.sessions.start(u, now), 0))
	v.user = u.Name
	s.audit(v, "login")
	s.tell(hub.Notice{Kind: hub.NoticeLogin, About: u.Name, Detail: v.addr})
	return u, nil
}

// strangerHash costs as much to check as a real one, so that time does not
// tell who exists. No password is known that fits it.
const strangerHash = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGxpdmVzIGhlcg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func (s *Server) logOut(w http.ResponseWriter, r *http.Request, v viewer) {
	if v.session != nil {
		s.sessions.stop(v.session)
		s.audit(v, "logout")
	}
	http.SetCookie(w, sessionCookie(r, "", -1))
}

// tooManyTries is the answer to somebody who guesses.
type tooManyTries struct{ wait time.Duration }

func (e *tooManyTries) Error() string {
	return "too many tries: wait " + e.wait.Round(time.Minute).String()
}

// tries counts failed log-ins per address. There is no limit per user: it
// would let anybody lock the owner out.
type tries struct {
	mu    sync.Mutex
	addrs map[string][]time.Time
}

func newTries() *tries { return &tries{addrs: map[string][]time.Time{}} }

// take counts a try. If it is one too many it returns how long to wait.
func (t *tries) take(addr string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.addrs) >= maxAddrs {
		t.prune(now)
	}
	recent := t.addrs[addr]
	for len(recent) > 0 && now.Sub(recent[0]) >= loginWindow {
		recent = recent[1:]
	}
	if len(recent) >= loginTries {
		t.addrs[addr] = recent
		return loginWindow - now.Sub(recent[0])
	}
	t.addrs[addr] = append(recent, now)
	return 0
}

// prune makes room; t.mu is held. Where dropping old tries is not enough any
// address goes: memory must have an end. It makes much room at once, or a
// flood of addresses would have all of them walked for each.
func (t *tries) prune(now time.Time) {
	for addr, at := range t.addrs {
		if now.Sub(at[len(at)-1]) >= loginWindow {
			delete(t.addrs, addr)
		}
	}
	for addr := range t.addrs {
		if len(t.addrs) < maxAddrs*3/4 {
			return
		}
		delete(t.addrs, addr)
	}
}

// giveBack takes the last try of an address back: it was never made.
func (t *tries) giveBack(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := t.addrs[addr]; len(at) > 1 {
		t.addrs[addr] = at[:len(at)-1]
	} else {
		delete(t.addrs, addr)
	}
}

func (t *tries) forget(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.addrs, addr)
}
