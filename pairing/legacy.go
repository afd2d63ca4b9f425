package pairing

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// RequestPath is where EmonESP asks, on port 80 and every 10 s until it is
// answered with a credential (emoncms device module before 93c03d8).
const RequestPath = "/emoncms/device/auth/request.json"

// The answers. EmonESP counts colons, and takes any text with two or three of
// them for a credential, even an IPv6 address or a time. So these hold none.
const (
	textRegistered = "Authentication request registered"
	textClosed     = "Pairing is closed, open it on the page of the hub"
	textAgain      = "The credential can not be kept now, it will be tried again"
)

// ServeHTTP answers RequestPath. It never answers with a credential unless
// the owner allowed the very address that asks.
func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.URL.Path != RequestPath {
		answer(w, http.StatusNotFound, "There is nothing here")
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		answer(w, http.StatusMethodNotAllowed, "Ask with GET")
		return
	}
	addr, ok := asker(r)
	if !ok {
		answer(w, http.StatusForbidden, "Only devices in the house can be paired")
		return
	}
	now := time.Now()
	cred, secret, device, err := d.fetch(addr, now)
	switch {
	case err == nil:
		answer(w, http.StatusOK, fmt.Sprintf("%s:%s:%s:%d", cred.ID, secret, device.Topic, d.cfg.Port))
	case !errors.Is(err, errNotYours):
		d.cfg.Logger.Error("keeping a device's credential", "err", err)
		answer(w, http.StatusServiceUnavailable, textAgain)
	case d.ask(addr, "", now):
		answer(w, http.StatusOK, textRegistered)
	default:
		d.turnedAway(addr)
		answer(w, http.StatusForbidden, textClosed)
	}
}

// turnedAway logs those who try at a credential that is not theirs (any more).
// Others merely ask while the window is closed, every 10 s, which is no news.
func (d *Desk) turnedAway(addr netip.Addr) {
	d.mu.Lock()
	phase, again := d.state.Phase, addr == d.granted
	d.unlock()
	switch {
	case again:
		d.audit("a second fetch of a credential was refused", addr, "")
	case phase == Allowed:
		d.audit("a fetch from another address was refused", addr, "")
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// asker is the address of who asks, by the connection and nothing that a
// header says, and false if it is not in the house.
func asker(r *http.Request) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	addr := ap.Addr().Unmap()
	return addr, addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast()
}
