package webui

import (
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"homehub/hub"
)

// sessionJSON is GET /api/session and the answer to a log-in.
type sessionJSON struct {
	User     *string `json:"user"` // null: not logged in
	Role     *Role   `json:"role"`
	ReadOpen bool    `json:"read_open"` // looking needs no log-in
}

func (s *Server) session(w http.ResponseWriter, r *http.Request, v viewer) error {
	return writeJSON(w, r, http.StatusOK, sessionJSON{given(v.user, v.role != ""), given(v.role, v.role != ""), s.cfg.ReadOpen})
}

type loginBody struct {
	User     string `json:"user"` // "" is the owner
	Password string `json:"password"`
}

func (s *Server) postLogin(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body loginBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	u, err := s.logIn(w, r, v, body.User, body.Password)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, sessionJSON{&u.Name, &u.Role, s.cfg.ReadOpen})
}

func (s *Server) postLogout(w http.ResponseWriter, r *http.Request, v viewer) error {
	s.logOut(w, r, v)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// setPassword changes the viewer's own password, ends all their sessions and
// starts a fresh one here, whose cookie it sets.
func (s *Server) setPassword(w http.ResponseWriter, r *http.Request, v viewer, old, fresh string) error {
	u, ok := s.cfg.Users.User(v.user)
	if !ok || v.session == nil {
		return hub.Errorf(hub.Unauthorized, "log in first")
	}
	if len([]rune(fresh)) < minPassword {
		return hub.FieldErrorf("new", "must have at least %d characters", minPassword)
	}
	if wait := s.tries.take(v.addr, s.wall.Now()); wait > 0 {
		return &tooManyTries{wait}
	}
	var fits bool
	var hashErr error
	err := s.hashing.do(r.Context(), func() {
		if fits = len(old) <= maxPassword && checkPassword(u.PasswordHash, old); fits {
			u.PasswordHash, hashErr = HashPassword(fresh)
		}
	})
	switch {
	case err != nil:
		s.tries.giveBack(v.addr)
		return err
	case !fits:
		return hub.FieldErrorf("old", "is not your password")
	case hashErr != nil:
		return hub.FieldErrorf("new", "must have at most %d bytes", maxPassword)
	}
	s.tries.forget(v.addr)
	if err := s.cfg.Users.PutUser(u); err != nil {
		return err
	}
	s.sessions.stopAll(u.Name)
	http.SetCookie(w, sessionCookie(r, s.sessions.start(u, s.wall.Now()), 0))
	s.audit(v, "password.changed")
	return nil
}

// clientJSON is one log-in at the broker. Its password is told once, when it
// is made. Client id and user name are what MQTT asks for; both are the id.
type clientJSON struct {
	ClientID string      `json:"client_id"`
	Username string      `json:"username"`
	Grants   []hub.Grant `json:"grants"`
	Made     time.Time   `json:"made"`
	Password string      `json:"password,omitempty"`
}

func clientOf(c hub.Credential, secret string) clientJSON {
	if c.Grants == nil {
		c.Grants = []hub.Grant{}
	}
	return clientJSON{c.ID, c.ID, c.Grants, c.Made.UTC(), secret}
}

// ownClients are the log-ins of programs; those of devices belong to them.
func (s *Server) ownClients() []hub.Credential {
	own := []hub.Credential{}
	if s.cfg.Clients != nil {
		for _, c := range s.cfg.Clients.List() {
			if c.Device == "" {
				own = append(own, c)
			}
		}
	}
	return own
}

func (s *Server) clients(w http.ResponseWriter, r *http.Request, _ viewer) error {
	list := []clientJSON{}
	for _, c := range s.ownClients() {
		list = append(list, clientOf(c, ""))
	}
	return writeJSON(w, r, http.StatusOK, struct {
		Clients []clientJSON `json:"clients"`
	}{list})
}

type clientBody struct {
	Name   string      `json:"name"`
	Grants []hub.Grant `json:"grants"`
}

func (s *Server) postClient(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body clientBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	c, secret, err := s.addClient(body, v)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusCreated, clientOf(c, secret))
}

func (s *Server) addClient(body clientBody, v viewer) (hub.Credential, string, error) {
	none := hub.Credential{}
	if s.cfg.Clients == nil {
		return none, "", hub.Errorf(hub.Unavailable, "the broker does not run here")
	}
	name, err := hub.CleanName("name", body.Name)
	if err != nil {
		return none, "", err
	}
	if len(body.Grants) == 0 || len(body.Grants) > 32 {
		return none, "", hub.FieldErrorf("grants", "give 1 to 32 topic filters")
	}
	for _, g := range body.Grants {
		if err := checkFilter(g.Filter); err != nil {
			return none, "", err
		}
		if !g.Read && !g.Write {
			return none, "", hub.FieldErrorf("grants", "%q allows neither read nor write", g.Filter)
		}
	}
	c, secret, err := s.cfg.Clients.Put(name, body.Grants)
	if err == nil {
		s.audit(v, "client.added", c.ID)
	}
	return c, secret, err
}

// checkFilter checks an MQTT topic filter (MQTT 3.1.1, 4.7): # only at the
// end, + and # alone between slashes.
func checkFilter(filter string) error {
	if filter == "" || len(filter) > 256 || strings.ContainsRune(filter, 0) {
		return hub.FieldErrorf("grants", "a filter has 1 to 256 bytes")
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if level == "#" && i == len(levels)-1 || level == "+" {
			continue
		}
		if strings.ContainsAny(level, "#+") {
			return hub.FieldErrorf("grants", "%q is not a topic filter: + and # stand alone, # at the end", filter)
		}
	}
	return nil
}

func (s *Server) deleteClient(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := s.removeClient(r.PathValue("id"), v); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) removeClient(id string, v viewer) error {
	for _, c := range s.ownClients() {
		if c.ID != id {
			continue
		}
		if err := s.cfg.Clients.Delete(id); err != nil {
			return err
		}
		s.audit(v, "client.removed", id)
		return nil
	}
	return hub.Errorf(hub.NotFound, "there is no MQTT client %q", id)
}

// tokenJSON is a program's log-in. The token itself is told once.
type tokenJSON struct {
	ID    string    `json:"id"` // of the token: what DELETE takes
	Name  string    `json:"name"`
	Role  Role      `json:"role"`
	Made  time.Time `json:"made"`
	Token string    `json:"token,omitempty"`
}

type tokenBody struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
}

func (s *Server) tokenList() []tokenJSON {
	list := []tokenJSON{}
	if s.cfg.TokenList != nil {
		for _, t := range s.cfg.TokenList() {
			list = append(list, tokenJSON{hex.EncodeToString(t.Hash), t.Name, t.Role, t.Made.UTC(), ""})
		}
	}
	return list
}

func (s *Server) tokens(w http.ResponseWriter, r *http.Request, _ viewer) error {
	return writeJSON(w, r, http.StatusOK, struct {
		Tokens []tokenJSON `json:"tokens"`
	}{s.tokenList()})
}

func (s *Server) postToken(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body tokenBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	t, secret, err := s.addToken(body, v)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusCreated, tokenJSON{hex.EncodeToString(t.Hash), t.Name, t.Role, t.Made.UTC(), secret})
}

func (s *Server) addToken(body tokenBody, v viewer) (Token, string, error) {
	if s.cfg.Tokens == nil {
		return Token{}, "", hub.Errorf(hub.Unavailable, "tokens are not kept here")
	}
	name, err := hub.CleanName("name", body.Name)
	if err != nil {
		return Token{}, "", err
	}
	switch body.Role {
	case Owner, Family, Installer:
	default:
		return Token{}, "", hub.FieldErrorf("role", "%q is not one of owner, family, installer", body.Role)
	}
	secret, hash := secretID()
	t := Token{Name: name, Hash: hash[:], Role: body.Role, Made: s.cfg.Clock.Now(), By: v.name()}
	if err := s.cfg.Tokens.PutToken(t); err != nil {
		return Token{}, "", err
	}
	s.audit(v, "token.added", name)
	return t, secret, nil
}

func (s *Server) deleteToken(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := s.removeToken(r.PathValue("id"), v); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tokenOf is a token by its id, zero if there is none.
func (s *Server) tokenOf(id string) Token {
	hash, err := hex.DecodeString(id)
	if err != nil || s.cfg.Tokens == nil {
		return Token{}
	}
	t, _ := s.cfg.Tokens.Token(hash)
	return t
}

func (s *Server) removeToken(id string, v viewer) error {
	hash, err := hex.DecodeString(id)
	if err != nil || s.cfg.Tokens == nil {
		return hub.Errorf(hub.NotFound, "there is no such token")
	}
	t, ok := s.cfg.Tokens.Token(hash)
	if !ok {
		return hub.Errorf(hub.NotFound, "there is no such token")
	}
	if err := s.cfg.Tokens.DeleteToken(hash); err != nil {
		return err
	}
	s.audit(v, "token.removed", t.Name)
	return nil
}
