package webui

import (
	"net/http"
	"time"

	"homehub/hub"
)

// noticeJSON is one thing that the hub told.
type noticeJSON struct {
	hub.Notice
	Text string `json:"text"` // in English
}

func (s *Server) noticeList(w http.ResponseWriter, r *http.Request, v viewer) error {
	list := []noticeJSON{}
	for _, n := range s.notices(v) {
		n.At = n.At.UTC()
		list = append(list, noticeJSON{n, s.texts.langs["en"].notice(n)})
	}
	return writeJSON(w, r, http.StatusOK, struct {
		Notices []noticeJSON `json:"notices"`
	}{list})
}

// noticeRulesJSON is what is decided about notices, without secrets, and how
// each channel does.
type noticeRulesJSON struct {
	Rules    hub.NoticeRules `json:"rules"`
	Channels []channelJSON   `json:"channels"`
}

type channelJSON struct {
	Channel hub.Channel `json:"channel"`
	Used    bool        `json:"used"`
	Last    *time.Time  `json:"last"`    // message since the hub started; null: none
	Problem string      `json:"problem"` // why it did not arrive; empty: it did
}

func (s *Server) noticeRules(w http.ResponseWriter, r *http.Request, _ viewer) error {
	if s.cfg.Notices == nil {
		return errNoNotices()
	}
	rules := s.cfg.Notices.Rules()
	out := noticeRulesJSON{Rules: rules.WithoutSecrets()}
	for _, c := range hub.Channels() {
		at, problem := s.cfg.Notices.State(c)
		out.Channels = append(out.Channels, channelJSON{c, rules.Uses(c), givenTime(at), problem})
	}
	return writeJSON(w, r, http.StatusOK, out)
}

func errNoNotices() error { return hub.Errorf(hub.Unavailable, "the hub sends no notices here") }

// putNoticeRules takes all rules. A secret that is left empty stays, as long as
// it goes to the same place.
func (s *Server) putNoticeRules(w http.ResponseWriter, r *http.Request, v viewer) error {
	if s.cfg.Notices == nil {
		return errNoNotices()
	}
	var rules hub.NoticeRules
	if err := readJSON(r, &rules); err != nil {
		return err
	}
	if err := rules.Validate(); err != nil {
		return err
	}
	if err := s.cfg.Notices.PutRules(rules.KeepSecrets(s.cfg.Notices.Rules())); err != nil {
		return err
	}
	s.audit(v, "notices.rules")
	return s.noticeRules(w, r, v)
}

func (s *Server) postTryNotice(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := s.tryChannel(r, hub.Channel(r.PathValue("channel")), v); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tryChannel sends a message by one channel now.
func (s *Server) tryChannel(r *http.Request, by hub.Channel, v viewer) error {
	if s.cfg.Notices == nil {
		return errNoNotices()
	}
	if !s.cfg.Notices.Rules().Uses(by) {
		return hub.Errorf(hub.NotFound, "%q is not in use", by)
	}
	s.audit(v, "notices.tried", string(by))
	return s.cfg.Notices.Try(r.Context(), by)
}
