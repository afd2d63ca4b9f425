package webui

import "net/http"

// websocketPath is where MQTT is over the web address. It needs no log-in here:
// who speaks MQTT logs in there.
const websocketPath = "/mqtt"

// beside serves what is no page and no API, and all else by next.
func (s *Server) beside(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == websocketPath && s.cfg.Websocket != nil {
			s.cfg.Websocket.ServeHTTP(w, r)
			return
		}
		if !s.sendCertificate(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}
