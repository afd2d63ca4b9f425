package webui_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"homehub/webui"
)

// What is the broker's needs no log-in, but the right name like all else.
func TestWhatIsTheBrokers(t *testing.T) {
	for _, tt := range []struct {
		path, host string
		there      bool
		want       int
	}{
		{"/mqtt", "hub.local", true, http.StatusTeapot},
		{"/mqtt", "evil.example", true, http.StatusMisdirectedRequest},
		{"/mqtt", "hub.local", false, http.StatusNotFound},
	} {
		h := newHouseOffline(t, func(c *webui.Config) {
			if tt.there {
				c.Websocket = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
			}
		})
		r := httptest.NewRequest(http.MethodGet, "http://"+tt.host+tt.path, nil)
		w := httptest.NewRecorder()
		h.server.Handler().ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s at %s: %d %s, want %d", tt.path, tt.host, w.Code, w.Body, tt.want)
		}
	}
}
