package webui

import (
	archive "archive/zip"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
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
}

// eventsShown is how many events the inspector shows.
const eventsShown = 200

// statusPage is how every part is, what happened, and what is kept.
type statusPage struct {
	view
	Parts       []partRow
	DurableText string
	Filter      string
	Kinds       []choice
	Events      []eventRow
	Feeds       []keptFeed
	Archive     bool
	Log         []string
}

type eventRow struct{ At, What, Who string }

type keptFeed struct {
	Title, Name, Span, Deletes string // Deletes: when it will be gone, "" if it stays
	Open                       bool
}

// deletions are the feeds that will be gone soon. A restart forgets them, and
// the feeds stay.
type deletions struct {
	mu    sync.Mutex
	feeds map[string]deletion
}

type deletion struct {
	at    time.Time
	timer *time.Timer
}

// plan deletes a feed when the time to undo is over.
func (d *deletions) plan(name string, at time.Time, wait time.Duration, delete func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old, ok := d.feeds[name]; ok {
		old.timer.Stop()
	}
	d.feeds[name] = deletion{at, time.AfterFunc(wait, func() {
		if d.cancel(name) {
			delete()
		}
	})}
}

// cancel keeps a feed and says whether it was still to be deleted.
func (d *deletions) cancel(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	of, ok := d.feeds[name]
	if ok {
		of.timer.Stop()
		delete(d.feeds, name)
	}
	return ok
}

func (d *deletions) when(name string) (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	of, ok := d.feeds[name]
	return of.at, ok
}

// close keeps all feeds whose time has not come.
func (d *deletions) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, of := range d.feeds {
		of.timer.Stop()
	}
	clear(d.feeds)
}

func (s *Server) pageStatus(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.show(w, r, http.StatusOK, "status.html", s.statusPage(r, v, ""))
}

// statusPage is the page; the form to delete the feed named open is open.
func (s *Server) statusPage(r *http.Request, v viewer, open string) statusPage {
	p := statusPage{view: s.view(r, v, "more", "status"), Archive: s.cfg.Archive != nil}
	now := s.now()
	p.Parts, p.DurableText = s.parts(p.locale, now)
	if !s.may(v, owner) {
		return p
	}
	q := r.URL.Query()
	p.Filter = strings.TrimSpace(q.Get("q"))
	if len(p.Filter) > 64 {
		p.Filter = ""
	}
	kind := q.Get("kind")
	for _, k := range []string{"", "audit", "notice", "log"} {
		p.Kinds = append(p.Kinds, choice{k, p.T("event." + k), k == kind})
	}
	p.Events = s.inspect(p.locale, kind, p.Filter, now)
	if kind == "" || kind == "log" {
		p.Log = s.logLines(p.Filter)
	}
	for _, f := range s.cfg.Feeds.Feeds() {
		k := keptFeed{Title: f.Title, Name: f.Name, Open: f.Name == open, Span: p.T("unknown")}
		if k.Title == "" {
			k.Title = f.Name
		}
		if !f.First.IsZero() {
			k.Span = p.day(f.First.In(s.cfg.Zone)) + " – " + p.day(f.Last.In(s.cfg.Zone))
		}
		if at, ok := s.deletions.when(f.Name); ok {
			k.Deletes = p.T("data.deletes", clock(at.In(s.cfg.Zone)))
		}
		p.Feeds = append(p.Feeds, k)
	}
	return p
}

// dots are the marks of how a part is.
var dots = map[hub.Condition]string{hub.OK: "on", hub.Degraded: "warn", hub.Down: "gone"}

// parts are the lines of the status, with what to do where something is wrong.
func (s *Server) parts(l locale, now time.Time) (rows []partRow, durable string) {
	list, _ := s.cfg.Health.Parts()
	for _, part := range list {
		row := partRow{dots[part.Condition], part.Name, l.T("part." + string(part.Condition)), l.T("since", l.near(part.Since.In(s.cfg.Zone), now)), part.Reason, ""}
		if todo, ok := l.words["todo."+part.Name]; ok && part.Condition != hub.OK {
			row.Todo = todo
		}
		rows = append(rows, row)
	}
	durable = l.T("durable.none")
	if at := s.cfg.Feeds.Durable(); !at.IsZero() {
		durable = l.T("durable", l.near(at.In(s.cfg.Zone), now))
	}
	return rows, durable
}

// inspect are the events of a kind that hold a text, the newest first.
func (s *Server) inspect(l locale, kind, text string, now time.Time) (rows []eventRow) {
	type event struct {
		at  time.Time
		row eventRow
	}
	var all []event
	if s.cfg.AuditLog != nil && (kind == "" || kind == "audit") {
		for _, a := range s.cfg.AuditLog() {
			all = append(all, event{a.At, eventRow{What: l.deed(a.What, a.Values, now), Who: l.who(a.Who)}})
		}
	}
	if s.cfg.Notices != nil && (kind == "" || kind == "notice") {
		list, _ := s.cfg.Notices.Recent()
		for _, n := range list {
			all = append(all, event{n.At, eventRow{What: l.notice(n), Who: l.T("event.notice")}})
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return b.at.Compare(a.at) })
	for _, e := range all {
		if len(rows) < eventsShown && holds(e.row.What+" "+e.row.Who, text) {
			e.row.At = l.near(e.at.In(s.cfg.Zone), now)
			rows = append(rows, e.row)
		}
	}
	return rows
}

func holds(line, text string) bool {
	return strings.Contains(strings.ToLower(line), strings.ToLower(text))
}

func (s *Server) logLines(text string) []string {
	if s.cfg.Logs == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.cfg.Logs.Lines()), func(line string) bool { return !holds(line, text) })
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

// formDeleteFeed gives up a feed once its name was typed, in ten minutes:
// until then it can be undone.
func (s *Server) formDeleteFeed(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	name := r.PathValue("name")
	known := slices.ContainsFunc(s.cfg.Feeds.Feeds(), func(f Feed) bool { return f.Name == name })
	if s.cfg.Archive == nil || !known {
		return hub.Errorf(hub.NotFound, "there is no feed %q", name)
	}
	if strings.TrimSpace(r.PostForm.Get("confirm")) != name {
		p := s.statusPage(r, v, name)
		p.Path = "/status"
		return s.show(w, r, s.trouble(r, &p.view, hub.FieldErrorf("confirm", "is not the feed's name")), "status.html", p)
	}
	s.audit(v, "feed.deletes", name)
	s.deletions.plan(name, s.wall.Now().Add(undoFor), undoFor, func() {
		if err := s.cfg.Archive.DeleteFeed(name); err != nil {
			s.cfg.Logger.Error("deleting a feed", "feed", name, "err", err)
			return
		}
		s.audit(v, "feed.deleted", name)
	})
	return s.goUndo(w, r, v, "/status", "deletes", func() error {
		if !s.deletions.cancel(name) {
			return hub.Errorf(hub.NotFound, "this can not be undone any more")
		}
		s.audit(v, "feed.kept", name)
		return nil
	})
}

// formKeepFeed takes a deletion back whose undo was missed.
func (s *Server) formKeepFeed(w http.ResponseWriter, r *http.Request, v viewer) error {
	name := r.PathValue("name")
	if !s.deletions.cancel(name) {
		return hub.Errorf(hub.NotFound, "%q is not about to be deleted", name)
	}
	s.audit(v, "feed.kept", name)
	return goTo(w, r, "/status", "undone")
}
