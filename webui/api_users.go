package webui

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"homehub/hub"
)

// maxInstaller is how long a log-in of an installer lasts at most.
const maxInstaller = 7 * 24 * time.Hour

var userName = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,31}$`)

// userJSON is a person who may log in. The password is told once, when the
// person is made.
type userJSON struct {
	Name     string     `json:"name"`
	Role     Role       `json:"role"`
	Until    *time.Time `json:"until"` // when the log-in ends; null: it does not
	Password string     `json:"password,omitempty"`
}

func (s *Server) users(w http.ResponseWriter, r *http.Request, _ viewer) error {
	return writeJSON(w, r, http.StatusOK, struct {
		Users []userJSON `json:"users"`
	}{s.userList()})
}

func (s *Server) userList() []userJSON {
	list := []userJSON{}
	if s.cfg.UserList != nil {
		for _, u := range s.cfg.UserList() {
			list = append(list, userJSON{Name: u.Name, Role: u.Role, Until: givenTime(u.Until)})
		}
	}
	return list
}

// userBody is what POST /api/users takes.
type userBody struct {
	Name  string `json:"name"`
	Role  Role   `json:"role"`
	Hours int    `json:"hours"` // how long an installer may come in; 8 if 0
}

func (s *Server) postUser(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body userBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	u, err := s.addUser(r, body, v)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, r, http.StatusCreated, u)
}

// addUser makes a log-in for a person, with a password that is told once. That
// of an installer ends by itself.
func (s *Server) addUser(r *http.Request, body userBody, v viewer) (userJSON, error) {
	u, err := NewUser(body.Name, body.Role, time.Duration(body.Hours)*time.Hour, s.wall.Now())
	if err != nil {
		return userJSON{}, err
	}
	if _, taken := s.cfg.Users.User(u.Name); taken {
		return userJSON{}, &hub.Error{Code: hub.Conflict, Field: "name", Message: "is taken: remove it first, or choose another"}
	}
	password := EasyPassword()
	var hashErr error
	if err := s.hashing.do(r.Context(), func() { u.PasswordHash, hashErr = HashPassword(password) }); err != nil {
		return userJSON{}, err
	}
	if hashErr != nil {
		return userJSON{}, hashErr
	}
	if err := s.cfg.Users.PutUser(u); err != nil {
		return userJSON{}, err
	}
	if u.Until.IsZero() {
		s.audit(v, "user.added", u.Name, string(u.Role))
	} else {
		s.audit(v, "guest.added", u.Name, string(u.Role), u.Until.UTC().Format(time.RFC3339))
	}
	return userJSON{u.Name, u.Role, givenTime(u.Until), password}, nil
}

// NewUser is a person without a password yet, checked. An installer may come
// in for the given time, 8 hours if it is 0; for others it must be 0.
func NewUser(name string, role Role, span time.Duration, now time.Time) (User, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if !userName.MatchString(name) {
		return User{}, hub.FieldErrorf("name", "must begin with a letter and have at most 32 letters, digits, dots or dashes")
	}
	u := User{Name: name, Role: role}
	switch {
	case role == Installer && span == 0:
		u.Until = now.Add(8 * time.Hour)
	case role == Installer && span >= time.Minute && span <= maxInstaller:
		u.Until = now.Add(span)
	case role == Installer:
		return User{}, hub.FieldErrorf("hours", "an installer may come in for 1 to %d hours", int(maxInstaller/time.Hour))
	case role != Owner && role != Family:
		return User{}, hub.FieldErrorf("role", "%q is not one of owner, family, installer", role)
	case span != 0:
		return User{}, hub.FieldErrorf("hours", "are for installers: other log-ins do not end by themselves")
	}
	return u, nil
}

func (s *Server) deleteUser(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := s.removeUser(r.PathValue("name"), v); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// removeUser ends a person's log-in at once. Nobody locks themselves out.
func (s *Server) removeUser(name string, v viewer) error {
	if _, ok := s.cfg.Users.User(name); !ok || s.cfg.DeleteUser == nil {
		return hub.Errorf(hub.NotFound, "there is nobody called %q", name)
	}
	if name == string(Owner) || name == v.user && !v.token {
		return hub.Errorf(hub.Conflict, "%s can not be removed: somebody must be able to log in", name)
	}
	if err := s.cfg.DeleteUser(name); err != nil {
		return err
	}
	s.sessions.stopAll(name)
	s.audit(v, "user.removed", name)
	return nil
}

// personOf is somebody other than v whose log-in v may change.
func (s *Server) personOf(name string, v viewer) (User, error) {
	u, ok := s.cfg.Users.User(name)
	switch {
	case !ok:
		return u, hub.Errorf(hub.NotFound, "there is nobody called %q", name)
	case name == string(Owner) || name == v.user && !v.token:
		return u, hub.Errorf(hub.Conflict, "%s can not be changed here: somebody must be able to log in", name)
	}
	return u, nil
}

// changeUser gives a person another role and ends their log-ins, so that no
// open page keeps the old one. It returns who they were.
func (s *Server) changeUser(name string, role Role, v viewer) (was User, err error) {
	if was, err = s.personOf(name, v); err != nil {
		return was, err
	}
	if role != Owner && role != Family || was.Role == Installer {
		return was, hub.FieldErrorf("role", "only family and owner change into each other: an installer gets a log-in of their own")
	}
	u := was
	u.Role = role
	if err := s.cfg.Users.PutUser(u); err != nil {
		return was, err
	}
	s.sessions.stopAll(name)
	s.audit(v, "user.role", name, string(role))
	return was, nil
}

// newPassword makes a fresh password for a person and ends their log-ins.
func (s *Server) newPassword(ctx context.Context, name string, v viewer) (string, error) {
	u, err := s.personOf(name, v)
	if err != nil {
		return "", err
	}
	password := EasyPassword()
	var hashErr error
	if err := s.hashing.do(ctx, func() { u.PasswordHash, hashErr = HashPassword(password) }); err != nil {
		return "", err
	}
	if hashErr != nil {
		return "", hashErr
	}
	if err := s.cfg.Users.PutUser(u); err != nil {
		return "", err
	}
	s.sessions.stopAll(name)
	s.audit(v, "user.password", name)
	return password, nil
}

// patchUser gives a person another role.
func (s *Server) patchUser(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body struct {
		Role Role `json:"role"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	u, err := s.changeUser(r.PathValue("name"), body.Role, v)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, userJSON{Name: u.Name, Role: body.Role, Until: givenTime(u.Until)})
}

// postUserPassword makes a fresh password for a person and tells it once.
func (s *Server) postUserPassword(w http.ResponseWriter, r *http.Request, v viewer) error {
	name := r.PathValue("name")
	password, err := s.newPassword(r.Context(), name, v)
	if err != nil {
		return err
	}
	u, _ := s.cfg.Users.User(name)
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, r, http.StatusOK, userJSON{u.Name, u.Role, givenTime(u.Until), password})
}

// postPassword changes the viewer's own password.
func (s *Server) postPassword(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if err := s.setPassword(w, r, v, body.Old, body.New); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
