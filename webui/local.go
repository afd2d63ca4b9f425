package webui

import (
	"context"
	"net/http"
)

// localKey marks a request that came in by a door that only the owner of the
// machine can open.
type localKey struct{}

// localName is who that was, in the audit log.
const localName = "command line"

// Local answers what Handler does, to somebody who may do everything: it is
// for a socket whose file only the hub's own user and root may open.
func (s *Server) Local() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), localKey{}, true)))
	})
}
