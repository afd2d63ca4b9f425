package webui

import (
	"net/http"
	"strings"
	"time"
)

// AuditLine is one line of the audit log: who changed what. What is a kind of
// deed, and Values what it was done to; lines of an old log are whole
// sentences in English without values.
type AuditLine struct {
	At        time.Time
	Who, What string
	Values    []string
}

// Told is a deed in English, for programs and commands.
func (s *Server) Told(what string, values ...string) string {
	return s.texts.langs["en"].deed(what, values, time.Time{})
}

// valueWords say which values of a deed have a text: the key's beginning for
// each. A value after "@" is a time.
var valueWords = map[string][]string{
	"user.added": {"", "role."}, "guest.added": {"", "role.", "@"}, "user.role": {"", "role."},
	"price.set": {"price."}, "notices.channel": {"channel."}, "notices.tried": {"channel."}, "notices.undone": {"channel."},
}

// deed is what somebody did, in words. At now a time is told as people do,
// else in full.
func (l locale) deed(what string, values []string, now time.Time) string {
	if _, known := l.words["did."+what]; !known {
		return what // of an old log, or of a hub that is newer
	}
	args := make([]any, len(values))
	for i, value := range values {
		args[i] = l.deedValue(what, i, value, now)
	}
	return l.T("did."+what, args...)
}

func (l locale) deedValue(what string, i int, value string, now time.Time) string {
	prefix := ""
	if words := valueWords[what]; i < len(words) {
		prefix = words[i]
	}
	switch at, err := time.Parse(time.RFC3339, value); {
	case value == "":
		return "…" // it was somebody who is forgotten
	case prefix == "@" && err == nil && !now.IsZero():
		return l.near(at.In(now.Location()), now)
	case prefix != "" && prefix != "@":
		if said, ok := l.words[prefix+value]; ok {
			return said
		}
	}
	return value
}

// doers are those in the audit log who are no people, with the key of their
// text.
var doers = map[string]string{"": "who.forgotten", localName: "who.local", "reset file": "who.resetfile", "device": "who.device"}

// who is who it was, in words.
func (l locale) who(name string) string {
	if key, ok := doers[name]; ok {
		return l.T(key)
	}
	if client, ok := strings.CutPrefix(name, "MQTT client "); ok {
		return l.T("who.client", client)
	}
	return name
}

// auditJSON is one line of the audit log. What is English; Kind and Values are
// what it is made of, null in old lines.
type auditJSON struct {
	At     time.Time `json:"at"`
	Who    string    `json:"who"` // "": somebody who is forgotten
	What   string    `json:"what"`
	Kind   *string   `json:"kind"`
	Values []string  `json:"values"`
}

func (s *Server) auditLog(w http.ResponseWriter, r *http.Request, _ viewer) error {
	list := []auditJSON{}
	if s.cfg.AuditLog != nil {
		for _, l := range s.cfg.AuditLog() {
			_, known := s.texts.langs["en"].words["did."+l.What]
			values := l.Values
			if known && values == nil {
				values = []string{}
			}
			list = append(list, auditJSON{l.At.UTC(), l.Who, s.Told(l.What, l.Values...), given(l.What, known), values})
		}
	}
	return writeJSON(w, r, http.StatusOK, struct {
		Audit []auditJSON `json:"audit"`
	}{list})
}
