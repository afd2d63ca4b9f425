package webui

import "net/http"

// Where the broker's own things are. Neither needs a log-in: who speaks MQTT
// logs in there, and a certificate is no secret.
const (
	websocketPath = "/mqtt"
	authorityPath = "/hub-ca.pem"
)

// beside serves what is the broker's, and all else by next.
func (s *Server) beside(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == websocketPath && s.cfg.Websocket != nil:
			s.cfg.Websocket.ServeHTTP(w, r)
		case r.URL.Path == authorityPath && r.Method == http.MethodGet && s.cfg.Authority != nil:
			w.Header().Set("Content-Type", "application/x-pem-file")
			w.Header().Set("Content-Disposition", `attachment; filename="hub-ca.pem"`)
			_, _ = w.Write(s.cfg.Authority)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
