package webui

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"homehub/hub"
)

// eventsShown is how many events the inspector shows.
const eventsShown = 200

// statusPage is how every part is, and what happened.
type statusPage struct {
	view
	Parts       []partRow
	DurableText string
	Filter      string
	Kinds       []choice
	Events      []eventRow
	Log         []string
}

type eventRow struct{ At, What, Who string }

func (s *Server) pageStatus(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.show(w, r, http.StatusOK, "status.html", s.statusPage(r, v))
}

func (s *Server) statusPage(r *http.Request, v viewer) statusPage {
	p := statusPage{view: s.view(r, v, "more", "status")}
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
	return p
}

// dots are the marks of how a part is.
var dots = map[hub.Condition]string{hub.OK: "on", hub.Degraded: "warn", hub.Down: "gone"}

// parts are the lines of the status, with what to do where something is wrong.
func (s *Server) parts(l locale, now time.Time) (rows []partRow, durable string) {
	list, _ := s.cfg.Health.Parts()
	for _, part := range list {
		reason, whole := l.reason(part.Reason)
		row := partRow{dots[part.Condition], part.Name, l.T("part." + string(part.Condition)), l.T("since", l.near(part.Since.In(s.cfg.Zone), now)), reason, "", l.Lang}
		if !whole {
			row.Lang = "en"
		}
		if said, ok := l.words["partname."+part.Name]; ok {
			row.Name = said
		}
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
