package webui

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"homehub/hub"
)

// csp lets a page load nothing that is not the hub's own, and run nothing
// that is written into it: a hostile device name stays text.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard stands before every route: it sets the headers that every answer
// carries, and turns away what was not meant for the hub or was sent by
// another site's page.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		if !s.knownHost(r) {
			s.fail(w, r, viewer{}, &statusError{http.StatusMisdirectedRequest, hub.Errorf(hub.Invalid, "the hub is not called %q: use hub.local or its address, or add the name to its configuration", hostOf(r))})
			return
		}
		if err := cross.Check(r); err != nil || downgraded(r) {
			s.fail(w, r, viewer{}, errForeign())
			return
		}
		// CrossOriginProtection lets a request pass that has neither header:
		// it is a program's. But a program has no cookie, and a browser that
		// sends one always sends Origin with what is not a GET.
		if !safeMethod(r.Method) && hasCookie(r) && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
			s.fail(w, r, viewer{}, errForeign())
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// downgraded says whether r came over TLS from a page that did not: whoever
// sits in between may have written that page. CrossOriginProtection takes it
// for the hub's own, as it looks at the host alone.
func downgraded(r *http.Request) bool {
	return r.TLS != nil && strings.HasPrefix(r.Header.Get("Origin"), "http://") && (!safeMethod(r.Method) || r.URL.Path == websocketPath)
}

func errForeign() error {
	return &statusError{http.StatusForbidden, hub.Errorf(hub.Unauthorized, "the request does not come from a page of the hub")}
}

func safeMethod(m string) bool {
	return m == http.MethodGet || m == http.MethodHead || m == http.MethodOptions
}

func hasCookie(r *http.Request) bool {
	_, err := r.Cookie(cookieName(r))
	return err == nil
}

// knownHost stops DNS rebinding: a foreign name that its owner points at the
// hub's address would make the hub's pages that name's own.
func (s *Server) knownHost(r *http.Request) bool {
	host := hostOf(r)
	switch host {
	case "localhost", "127.0.0.1", "::1", "hub.local":
		return true
	}
	if host != "" && s.cfg.NetName != nil && strings.EqualFold(host, s.cfg.NetName().Host) {
		return true
	}
	if slices.ContainsFunc(s.cfg.Hosts, func(name string) bool { return strings.EqualFold(strings.TrimSuffix(name, "."), host) }) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	own, err := netip.ParseAddrPort(local.String())
	return err == nil && own.Addr().Unmap().WithZone("") == addr.Unmap().WithZone("")
}

// hostOf is the name the hub was called by, without port and final dot.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// access is what a route asks of the viewer.
type access int

const (
	open    access = iota // anybody
	read                  // look at devices, and at how the hub is
	house                 // look at how the house lives: readings, history, plan
	test                  // switch a device for a minute
	control               // switch and plan
	setup                 // pair, add, change and remove devices
	owner                 // people, programs and the rest
	first                 // what the first run asks: the owner, or anybody while there is none
)

// allowed says whether v has the access, and what to answer if not.
func (s *Server) allowed(v viewer, a access) error {
	roles := map[access][]Role{
		read:    {Owner, Family, Installer},
		house:   {Owner, Family},
		test:    {Owner, Family, Installer},
		control: {Owner, Family},
		setup:   {Owner, Installer},
		owner:   {Owner},
		first:   {Owner},
	}
	switch {
	case (a == first || a <= house) && v.role == "" && s.unclaimed():
		// Whoever may choose the password may look as well.
		return nil
	// An open house is not open to somebody who came to work there.
	case a == open, a <= house && s.cfg.ReadOpen && v.role != Installer, slices.Contains(roles[a], v.role):
		return nil
	case v.role == "":
		return hub.Errorf(hub.Unauthorized, "log in first")
	}
	return &statusError{http.StatusForbidden, hub.Errorf(hub.Unauthorized, "%s may not do this", v.role)}
}

// may is allowed for templates.
func (s *Server) may(v viewer, a access) bool { return s.allowed(v, a) == nil }

// statusError answers with another status than its error's code has.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// statusOf is the one place where codes become HTTP statuses.
func statusOf(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	if _, ok := errors.AsType[*tooManyTries](err); ok {
		return http.StatusTooManyRequests
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, context.Canceled) {
		return statusGone
	}
	switch hub.CodeOf(err) {
	case hub.Invalid:
		return http.StatusBadRequest
	case hub.NotFound:
		return http.StatusNotFound
	case hub.Conflict:
		return http.StatusConflict
	case hub.Unauthorized:
		return http.StatusUnauthorized
	case hub.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// statusGone stands in answers that nobody waits for any more.
const statusGone = 499
