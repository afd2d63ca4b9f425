package webui

import (
	"net/http"

	"homehub/hub"
)

// route is one thing the hub answers, and who may ask.
type route struct {
	pattern string // as http.ServeMux reads it
	access  access
	handle  func(w http.ResponseWriter, r *http.Request, v viewer) error
}

// table is every route there is. A test walks it: each is refused to whom its
// access does not name, no GET changes anything, and the API's description
// names all of /api.
func (s *Server) table() []route {
	return []route{
		{"GET /healthz", open, s.healthz},
		{"GET /api/openapi.json", open, s.openAPI},
		{"GET /api/live", house, s.live},
		{"GET /api/events", read, s.events},
		{"PUT /api/prices", owner, s.putPrices},
		{"GET /api/plan", house, s.plan},
		{"GET /api/feeds", house, s.feeds},
		{"GET /api/feeds/{name}/points", house, s.points},
		{"GET /api/devices", read, s.devices},
		{"POST /api/devices", setup, s.postDevice},
		{"GET /api/devices/{id}", read, s.device},
		{"PATCH /api/devices/{id}", setup, s.patchDevice},
		{"DELETE /api/devices/{id}", setup, s.deleteDevice},
		{"PUT /api/devices/{id}/schedule", control, s.putSchedule},
		{"DELETE /api/devices/{id}/schedule", control, s.deleteSchedule},
		{"POST /api/devices/{id}/mode", control, s.postMode},
		{"GET /api/limit", house, s.limit},
		{"PUT /api/limit", control, s.putLimit},
		{"DELETE /api/limit", control, s.deleteLimit},
		{"POST /api/devices/{id}/test", test, s.postTest},
		{"POST /api/devices/{id}/login", setup, s.postDeviceLogin},
		{"POST /api/devices/{id}/restore", setup, s.postRestore},
		{"GET /api/pairing", setup, s.pairing},
		{"POST /api/pairing", setup, s.postPairing},
		{"DELETE /api/pairing", setup, s.deletePairing},
		{"POST /api/pairing/allow", setup, s.postAllow},
		{"POST /api/pairing/setup", setup, s.postSetup},
		{"GET /api/found", setup, s.found},
		{"POST /api/found/adopt", setup, s.postAdopt},
		{"POST /api/login", open, s.postLogin},
		{"POST /api/logout", open, s.postLogout},
		{"GET /api/session", open, s.session},
		{"GET /api/mqtt/clients", owner, s.clients},
		{"POST /api/mqtt/clients", owner, s.postClient},
		{"DELETE /api/mqtt/clients/{id}", owner, s.deleteClient},
		{"GET /api/tokens", owner, s.tokens},
		{"POST /api/tokens", owner, s.postToken},
		{"DELETE /api/tokens/{id}", owner, s.deleteToken},
		{"GET /api/users", owner, s.users},
		{"POST /api/users", owner, s.postUser},
		{"DELETE /api/users/{name}", owner, s.deleteUser},
		{"PATCH /api/users/{name}", owner, s.patchUser},
		{"POST /api/users/{name}/password", owner, s.postUserPassword},
		{"POST /api/password", read, s.postPassword},
		{"GET /api/settings", owner, s.settings},
		{"PATCH /api/settings", owner, s.patchSettings},
		{"GET /api/notices", house, s.noticeList},
		{"GET /api/notices/rules", owner, s.noticeRules},
		{"PUT /api/notices/rules", owner, s.putNoticeRules},
		{"POST /api/notices/{channel}/try", owner, s.postTryNotice},
		{"GET /api/audit", owner, s.auditLog},
		{"GET /api/deletions", owner, s.deletionList},
		{"POST /api/deletions", owner, s.postDeletion},
		{"DELETE /api/deletions/{id}", owner, s.deleteDeletion},

		{"GET /assets/{hash}/{name}", open, s.asset},
		{"GET /{$}", house, s.pageNow},
		{"GET /plan", house, s.pagePlan},
		{"GET /history", house, s.pageHistory},
		{"GET /history.csv", house, s.historyCSV},
		{"GET /devices", read, s.pageDevices},
		{"GET /more", read, s.pageMore},
		{"GET /licences", open, s.pageLicences},
		{"GET /secure", open, s.pageSecure},
		{"GET /login", open, s.pageLogin},
		{"POST /login", open, s.formLogin},
		{"POST /logout", open, s.formLogout},
		{"POST /language", open, s.formLanguage},
		{"POST /devices", setup, s.formAddDevice},
		{"GET /devices/map", setup, s.pageMap},
		{"POST /devices/map", setup, s.formMap},
		{"POST /devices/{id}/change", setup, s.formChangeDevice},
		{"POST /devices/{id}/remove", setup, s.formRemoveDevice},
		{"POST /devices/{id}/test", test, s.formTest},
		{"POST /devices/{id}/login", setup, s.formDeviceLogin},
		{"POST /devices/{id}/restore", setup, s.formRestore},
		{"GET /pairing", setup, s.pagePairing},
		{"POST /pairing/open", setup, s.formOpenPairing},
		{"POST /pairing/close", setup, s.formClosePairing},
		{"POST /pairing/allow", setup, s.formAllow},
		{"POST /pairing/setup", setup, s.formSetup},
		{"POST /pairing/adopt", setup, s.formAdopt},
		{"POST /devices/{id}/mode", control, s.formMode},
		{"POST /devices/{id}/schedule", control, s.formSchedule},
		{"POST /devices/{id}/unschedule", control, s.formUnschedule},
		{"POST /devices/{id}/skip", control, s.formSkip},
		{"POST /devices/{id}/pause", control, s.formPause},
		{"POST /devices/{id}/repeat", control, s.formRepeat},
		{"POST /undo", control, s.formUndo},
		{"GET /setup", first, s.pageSetup},
		{"POST /setup/language", first, s.formHouse},
		{"POST /setup/password", first, s.formClaim},
		{"POST /setup/price", first, s.formPrice},
		{"POST /setup/done", first, s.formSetupDone},
		{"GET /status", read, s.pageStatus},
		{"POST /data/export", owner, s.formExport},
		{"GET /data", owner, s.pageData},
		{"POST /data/delete", owner, s.formDelete},
		{"POST /data/keep", owner, s.formKeep},
		{"GET /notices", house, s.pageNotices},
		{"POST /notices/seen", house, s.formSeen},
		{"POST /notices/rules", owner, s.formRules},
		{"POST /notices/{channel}", owner, s.formChannel},
		{"POST /notices/{channel}/try", owner, s.formTry},
		{"POST /more/password", read, s.formPassword},
		{"POST /more/clients", owner, s.formAddClient},
		{"POST /more/clients/{id}/remove", owner, s.formRemoveClient},
		{"POST /more/tokens", owner, s.formAddToken},
		{"POST /more/tokens/{id}/remove", owner, s.formRemoveToken},
		{"POST /more/users", owner, s.formAddUser},
		{"POST /more/users/{name}/role", owner, s.formChangeUser},
		{"POST /more/users/{name}/password", owner, s.formNewPassword},
		{"POST /more/users/{name}/remove", owner, s.formRemoveUser},
	}
}

// mux serves the table.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes {
		mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := s.viewer(r)
			if err == nil {
				err = s.allowed(v, rt.access)
			}
			if err == nil {
				err = rt.handle(w, r, v)
			}
			if err != nil {
				s.fail(w, r, v, err)
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		// No route: the mux knows whether it is the path or the method, and
		// which methods there are; the answer is in our own words.
		refusal := &refusal{header: w.Header()}
		h.ServeHTTP(refusal, r)
		err := &statusError{http.StatusNotFound, hub.Errorf(hub.NotFound, "there is nothing at %s", r.URL.Path)}
		if refusal.status == http.StatusMethodNotAllowed {
			err = &statusError{refusal.status, hub.Errorf(hub.Invalid, "%s is not possible here", r.Method)}
		}
		v, _ := s.viewer(r) // for the page's head only
		s.fail(w, r, v, err)
	})
}

// refusal takes the status and headers of the mux's own answer and drops its
// text.
type refusal struct {
	header http.Header
	status int
}

func (r *refusal) Header() http.Header         { return r.header }
func (r *refusal) WriteHeader(status int)      { r.status = status }
func (r *refusal) Write(b []byte) (int, error) { return len(b), nil }
