package webui

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
	"time"

	"homehub/hub"
)

const (
	undoFor   = 10 * time.Minute // how long a change can be taken back
	undosKept = 64
	lastsKept = 256
)

// undos are the changes that can still be taken back, and the last plan of
// every device that has none now. They live in RAM: a restart makes both
// forgotten, and nothing worse.
type undos struct {
	mu   sync.Mutex
	list []undo // oldest first
	last map[string]hub.Schedule
}

// undo is what a device was told before and after a change, or how any other
// change is taken back.
type undo struct {
	token         [sha256.Size]byte
	key           string // of the viewer who may take it back
	before, after hub.Device
	back          func() error // nil: it is about a device
	at            time.Time
}

func newUndos() *undos { return &undos{last: map[string]hub.Schedule{}} }

// put remembers a change and returns the token that takes it back.
func (u *undos) put(v viewer, before, after hub.Device, now time.Time) string {
	token := u.add(undo{key: v.key(), before: before, after: after, at: now})
	u.mu.Lock()
	defer u.mu.Unlock()
	if before.Schedule != nil && after.Schedule == nil && len(u.last) < lastsKept {
		u.last[before.ID] = *before.Schedule
	}
	return token
}

// keep remembers how a change is taken back and returns the token for it.
func (u *undos) keep(v viewer, now time.Time, back func() error) string {
	return u.add(undo{key: v.key(), back: back, at: now})
}

func (u *undos) add(e undo) string {
	token, hash := secretID()
	e.token = hash
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, e)
	u.list = u.list[max(0, len(u.list)-undosKept):]
	return token
}

// find is the change that v's token takes back.
func (u *undos) find(v viewer, token string, now time.Time) (undo, bool) {
	hash := sha256.Sum256([]byte(token))
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range u.list {
		if e.token == hash && e.key == v.key() && now.Sub(e.at) < undoFor {
			return e, true
		}
	}
	return undo{}, false
}

func (u *undos) drop(of undo) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = slices.DeleteFunc(u.list, func(e undo) bool { return e.token == of.token })
}

// lastPlan is what a device did the last time it had a plan: the one for one
// time that is over, or the one that was removed. It is nil if nobody knows.
func (s *Server) lastPlan(d hub.Device) *hub.Schedule {
	if d.Schedule != nil {
		return d.Schedule
	}
	s.undos.mu.Lock()
	defer s.undos.mu.Unlock()
	if last, ok := s.undos.last[d.ID]; ok {
		return &last
	}
	return nil
}

// act does what a form asks of the device in its path, and sends the browser
// back to where the form was, with the way to undo it.
func (s *Server) act(w http.ResponseWriter, r *http.Request, v viewer, what, done string, f func(d *hub.Device) error) error {
	var before hub.Device
	after, err := s.change(r.PathValue("id"), v, what, func(d *hub.Device) error {
		before = *d
		return f(d)
	})
	if err != nil {
		return err
	}
	token := s.undos.put(v, before, after.Device, s.wall.Now())
	http.Redirect(w, r, backTo(r)+"?done="+done+"&undo="+token, http.StatusSeeOther)
	return nil
}

// backTo is the page that a form was on: one of those that offer to undo, or
// Plan.
func backTo(r *http.Request) string {
	switch back := r.PostFormValue("back"); back {
	case "/", "/more", "/notices", "/people", "/status", "/data", "/setup":
		return back
	}
	return "/plan"
}

// goUndo sends the browser to a page after a change that back takes back.
func (s *Server) goUndo(w http.ResponseWriter, r *http.Request, v viewer, place, done string, back func() error) error {
	token := s.undos.keep(v, s.wall.Now(), back)
	http.Redirect(w, r, place+"?done="+done+"&undo="+token, http.StatusSeeOther)
	return nil
}

// formUndo takes a change back, unless somebody decided otherwise since.
func (s *Server) formUndo(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	e, ok := s.undos.find(v, r.PostForm.Get("token"), s.wall.Now())
	if !ok {
		return hub.Errorf(hub.NotFound, "this can not be undone any more")
	}
	if e.back != nil {
		if err := e.back(); err != nil {
			return err
		}
		s.undos.drop(e)
		return goTo(w, r, backTo(r), "undone")
	}
	_, err := s.change(e.before.ID, v, "device.undone", func(d *hub.Device) error {
		if !sameWish(*d, e.after) {
			return hub.Errorf(hub.Conflict, "%s was changed since", d.Name)
		}
		d.Mode, d.ModeUntil, d.Schedule = e.before.Mode, e.before.ModeUntil, e.before.Schedule
		return nil
	})
	if err != nil {
		return err
	}
	s.undos.drop(e)
	return goTo(w, r, backTo(r), "undone")
}

// sameWish says whether two states of a device ask the same of it.
func sameWish(a, b hub.Device) bool {
	if (a.Schedule == nil) != (b.Schedule == nil) || a.Schedule != nil && *a.Schedule != *b.Schedule {
		return false
	}
	return a.Mode == b.Mode && a.ModeUntil.Equal(b.ModeUntil)
}
