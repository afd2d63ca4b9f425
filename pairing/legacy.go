package pairing

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// RequestPath is where EmonESP asks, on port 80 and every 10 s until it is
// answered with a credential (emoncms device module before 93c03d8).
const RequestPath = "/emoncms/device/auth/request.json"

// plainPort is where MQTT listens unless somebody says otherwise.
const plainPort = 1883

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
	if !ok || fromPage(r) {
		answer(w, http.StatusForbidden, "Only devices in the house can be paired")
		return
	}
	now := time.Now()
	cred, secret, device, err := d.fetch(addr, now)
	switch {
	case err == nil:
		answer(w, http.StatusOK, grant(cred.ID, secret, device.Topic, d.cfg.Port))
	case !errors.Is(err, errNotYours):
		d.cfg.Logger.Error("keeping a device's credential", "err", err)
		answer(w, http.StatusServiceUnavailable, textAgain)
	case d.ask(addr, now):
		answer(w, http.StatusOK, textRegistered)
	default:
		d.turnedAway(addr, now)
		answer(w, http.StatusForbidden, textClosed)
	}
}

// grant is the answer that EmonESP takes for a credential. Firmware before
// 2021 knows neither another port than 1883 nor the fourth field that says so,
// and drops an answer that has it.
func grant(user, secret, topic string, port int) string {
	text := user + ":" + secret + ":" + topic
	if port != plainPort {
		text += ":" + strconv.Itoa(port)
	}
	return text
}

// refusal is what the audit log has one line a minute of: each line costs the
// card a commit, and a plug asks every 10 s.
type refusal struct {
	addr netip.Addr
	what Deed
}

const (
	refusalPause = time.Minute
	maxRefusals  = 32 // addresses a minute: a network full of them must not flood the log
)

// turnedAway logs those who try at a credential that is not theirs (any more).
// Others merely ask while the window is closed, every 10 s, which is no news.
func (d *Desk) turnedAway(addr netip.Addr, now time.Time) {
	d.mu.Lock()
	what, many := Deed(""), false
	switch {
	case addr == d.granted:
		what = RefusedAgain
	case addr == d.late:
		what = RefusedLate
	case d.state.Phase == Allowed:
		what, many = RefusedElsewhere, true
	}
	for r, at := range d.refused {
		if now.Sub(at) >= refusalPause {
			delete(d.refused, r)
		}
	}
	r := refusal{addr, what}
	_, known := d.refused[r]
	silent := what == "" || known || many && len(d.refused) >= maxRefusals
	if !silent {
		d.refused[r] = now
	}
	d.unlock()
	if !silent {
		d.audit("", what, addr, "")
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// fromPage says whether a browser sent r, or somebody who was led here by a
// name of their own: a page must never fetch what is meant for a device.
func fromPage(r *http.Request) bool {
	for _, h := range [...]string{"Origin", "Sec-Fetch-Site", "Cookie", "Referer"} {
		if r.Header.Get(h) != "" {
			return true
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil && strings.Contains(host, ".") && !strings.HasSuffix(strings.ToLower(host), ".local")
}

// asker is the address of who asks, by the connection and nothing that a
// header says, and false if it is not in the house.
func asker(r *http.Request) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	addr := ap.Addr().Unmap()
	return addr, inHouse(addr)
}

// inHouse says whether an address is one of a network at home.
func inHouse(addr netip.Addr) bool {
	return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast()
}
