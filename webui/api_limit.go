package webui

import (
	"net/http"
	"time"

	"homehub/hub"
)

// limitAnswer is what GET, PUT and DELETE /api/limit answer.
type limitAnswer struct {
	Limit    *hub.Limit    `json:"limit"`    // null: none is in force
	Guarding *hub.Guarding `json:"guarding"` // null: nothing is held back
}

func (s *Server) limit(w http.ResponseWriter, r *http.Request, _ viewer) error {
	live := s.cfg.Live.Snapshot()
	answer := limitAnswer{Guarding: live.Guarding}
	if live.Limit.ActiveAt(s.now()) {
		answer.Limit = &live.Limit
	}
	return writeJSON(w, r, http.StatusOK, answer)
}

// limitBody is what PUT /api/limit takes.
type limitBody struct {
	Watts  *hub.Watt `json:"watts"`
	Until  time.Time `json:"until"` // zero: until it is withdrawn
	Source string    `json:"source"`
}

// putLimit puts a limit from outside in force: the grid operator's or the
// community's program does so with a token of its own.
func (s *Server) putLimit(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body limitBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	switch {
	case body.Watts == nil:
		return hub.FieldErrorf("watts", "is missing: say how much the house may take")
	case body.Source == "":
		return hub.FieldErrorf("source", "is missing: say who sets the limit")
	}
	return s.setLimit(w, r, v, hub.Limit{Watts: *body.Watts, Until: body.Until.UTC(), Source: body.Source}, "limit.set")
}

func (s *Server) deleteLimit(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.setLimit(w, r, v, hub.Limit{}, "limit.withdrawn")
}

func (s *Server) setLimit(w http.ResponseWriter, r *http.Request, v viewer, l hub.Limit, what string) error {
	if s.cfg.SetLimit == nil {
		return hub.Errorf(hub.Unavailable, "limits are not taken here")
	}
	if err := s.cfg.SetLimit(l); err != nil {
		return err
	}
	s.audit(v, what, l.Source)
	return s.limit(w, r, v)
}
