package webui

import (
	archive "archive/zip"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"homehub/hub"
)

// Archive is all that the hub keeps, to take away and to give up.
type Archive interface {
	// ExportFeed writes a feed's values as CSV.
	ExportFeed(ctx context.Context, name string, to io.Writer) error
	// ExportSettings writes all decisions as JSON, without any secret.
	ExportSettings(to io.Writer) error
	// DeleteFeed gives up all values of a feed, for good.
	DeleteFeed(name string) error
	// TrimFeeds gives up the values of all feeds from before a time.
	TrimFeeds(before time.Time) error
	// Forget deletes all that is kept of a person, and their name in the audit
	// log.
	Forget(person string) error
	// EraseAll deletes everything, and lets the hub begin anew a moment later.
	EraseAll() error
}

// dataPage is what is kept, to take away and to delete.
type dataPage struct {
	view
	Feeds   []keptFeed
	People  []keptPerson
	Pending []pair // ID and text of what will be gone soon
	Day     string // the day that was typed
	Today   string
	Open    string // what the form was about that did not fit
}

type keptFeed struct {
	Title, Name, Span string
	Open              bool
}

type keptPerson struct {
	Name, Text string
	Open       bool
}

func (s *Server) pageData(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.show(w, r, http.StatusOK, "data.html", s.dataPage(r, v, deletionBody{}))
}

// dataPage is the page; the form that was sent is open.
func (s *Server) dataPage(r *http.Request, v viewer, sent deletionBody) dataPage {
	p := dataPage{view: s.view(r, v, "more", "data"), Open: sent.What, Day: sent.Day, Today: s.now().Format(time.DateOnly)}
	p.Path = "/data"
	devices := s.cfg.Live.Snapshot().Devices
	for _, f := range s.cfg.Feeds.Feeds() {
		k := keptFeed{Title: p.feedTitle(f, devices), Name: f.Name, Open: sent.What == deleteFeed && f.Name == sent.Name, Span: p.T("unknown")}
		if !f.First.IsZero() {
			k.Span = p.day(f.First.In(s.cfg.Zone)) + " – " + p.day(f.Last.In(s.cfg.Zone))
		}
		p.Feeds = append(p.Feeds, k)
	}
	users := s.userList()
	for _, name := range s.people() {
		if name == string(Owner) || name == v.user {
			continue
		}
		k := keptPerson{Name: name, Text: p.T("people.former"), Open: sent.What == deletePerson && name == sent.Name}
		if i := slices.IndexFunc(users, func(u userJSON) bool { return u.Name == name }); i >= 0 {
			k.Text = p.T("role." + string(users[i].Role))
		}
		p.People = append(p.People, k)
	}
	for _, d := range s.deletions.all() {
		p.Pending = append(p.Pending, pair{d.ID, p.T("gone."+d.What, d.Name, p.dayOf(d.Day)) + " " + p.T("data.deletes", clock(d.At.In(s.cfg.Zone)))})
	}
	return p
}

// dayOf is a day like 2026-01-31 as people write it.
func (l locale) dayOf(day string) string {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return l.day(at)
}

// formDelete deletes, in ten minutes, what was typed once more.
func (s *Server) formDelete(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	body := deletionBody{What: get("what"), Name: get("name"), Day: get("day"), Confirm: get("confirm")}
	l := s.texts.of(r)
	d, err := s.planDeletion(body, l.T("data.word."+body.What), v)
	if err != nil {
		if hub.CodeOf(err) == hub.NotFound {
			return err
		}
		p := s.dataPage(r, v, body)
		return s.show(w, r, s.trouble(r, &p.view, err), "data.html", p)
	}
	return s.goUndo(w, r, v, "/data", "deletes", func() error { return s.keep(d.ID, v) })
}

// formKeep takes a deletion back whose undo was missed.
func (s *Server) formKeep(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	if err := s.keep(r.PostForm.Get("id"), v); err != nil {
		return err
	}
	return goTo(w, r, "/data", "undone")
}

// formExport sends all data as one ZIP file, feed by feed as it is read: it
// may be longer than the hub's memory.
func (s *Server) formExport(w http.ResponseWriter, r *http.Request, v viewer) error {
	if s.cfg.Archive == nil {
		return hub.Errorf(hub.Unavailable, "there is nothing to take away")
	}
	s.audit(v, "data.exported")
	name := "homehub-" + s.now().Format("2006-01-02") + ".zip"
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Cache-Control", "no-store")
	out := archive.NewWriter(w)
	add := func(name string, write func(io.Writer) error) error {
		f, err := out.CreateHeader(&archive.FileHeader{Name: name, Method: archive.Deflate, Modified: s.now()})
		if err == nil {
			err = write(f)
		}
		return err
	}
	err := add("settings.json", s.cfg.Archive.ExportSettings)
	for _, f := range s.cfg.Feeds.Feeds() {
		if err != nil || r.Context().Err() != nil {
			break
		}
		err = add("feeds/"+f.Name+".csv", func(w io.Writer) error { return s.cfg.Archive.ExportFeed(r.Context(), f.Name, w) })
	}
	if err != nil {
		// The status went out long ago: a ZIP without its end says it instead.
		s.cfg.Logger.Warn("taking data away", "err", err)
		return nil
	}
	_ = out.Close() // whoever is gone needs no end
	return nil
}
