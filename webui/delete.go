package webui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// What can be deleted.
const (
	deleteEverything = "everything" // back to the first start
	deleteFeed       = "feed"       // all values of a feed
	deleteBefore     = "before"     // the values of all feeds from before a day
	deletePerson     = "person"     // all that is kept of a person
)

// deletionBody is what people ask to have deleted, and what POST
// /api/deletions takes.
type deletionBody struct {
	What string `json:"what"`
	Name string `json:"name"` // of the feed or the person
	Day  string `json:"day"`  // before: the first day that stays, like 2026-01-31
	// Confirm is what is deleted once more: the name, the day, or "everything".
	Confirm string `json:"confirm"`
	Now     bool   `json:"now"` // at once: it can not be taken back
}

// deletion is something that will be gone soon.
type deletion struct {
	ID, What, Name, Day string
	At                  time.Time // when it goes
	timer               *time.Timer
}

// deletions are what will be gone soon. A restart forgets them, and all stays.
type deletions struct {
	mu   sync.Mutex
	list map[string]deletion // by ID
}

// plan deletes when the time to undo is over.
func (d *deletions) plan(of deletion, wait time.Duration, delete func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old, ok := d.list[of.ID]; ok {
		old.timer.Stop()
	}
	of.timer = time.AfterFunc(wait, func() {
		if _, ok := d.cancel(of.ID); ok {
			delete()
		}
	})
	d.list[of.ID] = of
}

// cancel keeps something and says whether it was still to be deleted.
func (d *deletions) cancel(id string) (deletion, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	of, ok := d.list[id]
	if ok {
		of.timer.Stop()
		delete(d.list, id)
	}
	return of, ok
}

// all are those to come, the next first.
func (d *deletions) all() (list []deletion) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, of := range d.list {
		list = append(list, of)
	}
	slices.SortFunc(list, func(a, b deletion) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return list
}

// close keeps all whose time has not come.
func (d *deletions) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, of := range d.list {
		of.timer.Stop()
	}
	clear(d.list)
}

// planDeletion checks what somebody asks to have deleted, and deletes it in
// ten minutes or now. word is what they must have typed to mean everything.
func (s *Server) planDeletion(b deletionBody, word string, v viewer) (deletion, error) {
	of := deletion{ID: b.What, What: b.What, Name: b.Name, Day: b.Day, At: s.wall.Now().Add(undoFor)}
	if s.cfg.Archive == nil {
		return of, hub.Errorf(hub.Unavailable, "nothing can be deleted from here")
	}
	delete, err := s.deleter(&of, v)
	if err != nil {
		return of, err
	}
	want := map[string]string{deleteEverything: word, deleteBefore: word, deleteFeed: b.Name, deletePerson: b.Name}[b.What]
	if !strings.EqualFold(strings.TrimSpace(b.Confirm), want) {
		return of, hub.FieldErrorf("confirm", "is not %q: nothing is deleted", want)
	}
	run := func() error {
		if err := delete(); err != nil {
			s.cfg.Logger.Error("deleting", "what", of.What, "err", err)
			return err
		}
		if of.What != deleteEverything { // nothing is left that could say it
			s.auditDeletion(v, "deleted", of)
		}
		return nil
	}
	if b.Now {
		of.At = s.wall.Now()
		return of, run()
	}
	s.auditDeletion(v, "deletes", of)
	s.deletions.plan(of, undoFor, func() { _ = run() })
	return of, nil
}

// deleter is what deletes it, once what is named is known to be there.
func (s *Server) deleter(of *deletion, v viewer) (func() error, error) {
	switch of.What {
	case deleteEverything:
		of.Name, of.Day = "", ""
		return s.cfg.Archive.EraseAll, nil
	case deleteFeed:
		of.ID, of.Day = "feed:"+of.Name, ""
		if !slices.ContainsFunc(s.cfg.Feeds.Feeds(), func(f Feed) bool { return f.Name == of.Name }) {
			return nil, hub.Errorf(hub.NotFound, "there is no feed %q", of.Name)
		}
		return func() error { return s.cfg.Archive.DeleteFeed(of.Name) }, nil
	case deleteBefore:
		of.ID, of.Name = "before:"+of.Day, ""
		day, err := time.ParseInLocation(time.DateOnly, of.Day, s.cfg.Zone)
		if err != nil || day.After(s.now()) || day.Year() < 1970 {
			return nil, hub.FieldErrorf("day", "must be a day like 2026-01-31, not one to come")
		}
		return func() error { return s.cfg.Archive.TrimFeeds(startOfDay(day)) }, nil
	case deletePerson:
		of.ID, of.Day = "person:"+of.Name, ""
		if of.Name == "" || of.Name == string(Owner) || of.Name == v.user && !v.token {
			return nil, hub.Errorf(hub.Conflict, "the owner and yourself can not be deleted: somebody must be able to log in")
		}
		if !slices.Contains(s.people(), of.Name) {
			return nil, hub.Errorf(hub.NotFound, "nothing is kept of anybody called %q", of.Name)
		}
		return func() error {
			s.sessions.stopAll(of.Name)
			return s.cfg.Archive.Forget(of.Name)
		}, nil
	}
	return nil, hub.FieldErrorf("what", "%q is not one of everything, feed, before, person", of.What)
}

// auditDeletion records what was asked, done or taken back. Who is forgotten
// is not named.
func (s *Server) auditDeletion(v viewer, verb string, of deletion) {
	value := of.Name + of.Day // one of them is empty
	if of.What == deletePerson {
		value = ""
	}
	s.audit(v, of.What+"."+verb, value)
}

// keep takes a deletion back.
func (s *Server) keep(id string, v viewer) error {
	of, ok := s.deletions.cancel(id)
	if !ok {
		return hub.Errorf(hub.NotFound, "%q is not about to be deleted", id)
	}
	s.auditDeletion(v, "kept", of)
	return nil
}

// people are the names of those of whom something is kept: who may log in, and
// who is in the audit log from when they could.
func (s *Server) people() (names []string) {
	add := func(name string) {
		if name != "" && userName.MatchString(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, u := range s.userList() {
		add(u.Name)
	}
	if s.cfg.AuditLog == nil {
		return names
	}
	tokens := s.tokenList()
	for _, l := range s.cfg.AuditLog() {
		_, nobody := doers[l.Who]
		if !nobody && !slices.ContainsFunc(tokens, func(t tokenJSON) bool { return t.Name == l.Who }) {
			add(l.Who)
		}
		if strings.HasPrefix(l.What, "user.") || strings.HasPrefix(l.What, "guest.") {
			add(append(l.Values, "")[0])
		}
	}
	return names
}

// deletionJSON is something that will be gone.
type deletionJSON struct {
	ID   string    `json:"id"`
	What string    `json:"what"`
	Name string    `json:"name"`
	Day  string    `json:"day"`
	At   time.Time `json:"at"` // when it goes, or went
}

func (d deletion) json() deletionJSON { return deletionJSON{d.ID, d.What, d.Name, d.Day, d.At.UTC()} }

func (s *Server) deletionList(w http.ResponseWriter, r *http.Request, _ viewer) error {
	list := []deletionJSON{}
	for _, d := range s.deletions.all() {
		list = append(list, d.json())
	}
	return writeJSON(w, r, http.StatusOK, struct {
		Deletions []deletionJSON `json:"deletions"`
	}{list})
}

func (s *Server) postDeletion(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body deletionBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	word := deleteEverything
	if body.What == deleteBefore {
		word = body.Day
	}
	d, err := s.planDeletion(body, word, v)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusAccepted, d.json())
}

func (s *Server) deleteDeletion(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := s.keep(r.PathValue("id"), v); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
