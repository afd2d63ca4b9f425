package webui

import (
	"html/template"
	"net/http"
	"strings"

	"homehub/hub"
)

// pairCard is how far a pairing has come, for pages.
type pairCard struct {
	locale
	Phase string // as in PairingState
	Text  string // what happens now
	Until string
	Rows  []pairRow
	Again []choice // devices that may log in anew
	Guide bool     // with how to get a device into the network
	QR    template.HTML
}

// pairRow is a device that asks.
type pairRow struct{ Addr, Title, Facts, Name string }

// apAddress is where a device's own access point shows its page (EmonESP,
// OpenEVSE, Tasmota).
const apAddress = "http://192.168.4.1"

// Open says whether devices may ask now.
func (c *pairCard) Open() bool { return c.Phase == phaseOpen }

// Busy says whether somebody was let in and is waited for.
func (c *pairCard) Busy() bool { return c.Phase == "allowed" || c.Phase == "granted" }

// Bad says whether it ended badly.
func (c *pairCard) Bad() bool { return c.Phase == phaseFailed }

// News says whether there is something that everybody who may let devices in
// should see now, wherever they are.
func (c *pairCard) News() bool { return c.Phase != phaseClosed && (!c.Open() || len(c.Rows) > 0) }

// pairCard is nil where nothing can be paired.
func (s *Server) pairCard(l locale) *pairCard {
	if s.cfg.Pairing == nil {
		return nil
	}
	st := s.pairingState()
	c := &pairCard{locale: l, Phase: st.Phase}
	if !st.Until.IsZero() {
		c.Until = st.Until.In(s.cfg.Zone).Format("15:04:05")
	}
	name := st.Device
	if d, err := s.find(st.Device); err == nil {
		name = d.Name
	}
	switch {
	case c.Open():
		c.Text = l.T("pair.open", c.Until)
		for _, r := range st.Requests {
			c.Rows = append(c.Rows, s.pairRow(l, r))
		}
		c.Again = s.againList()
	case c.Bad():
		reason, _ := l.reason(st.Reason)
		c.Text = sentence(problemText{Message: reason})
	default:
		c.Text = l.T("pair."+st.Phase, name)
	}
	return c
}

func (s *Server) pairRow(l locale, r PairingRequest) pairRow {
	row := pairRow{Addr: r.Addr.String(), Title: l.T("pair.kind.unknown"), Name: l.T("pair.name." + string(r.Role))}
	if r.Kind != "" {
		row.Title = r.Kind
	}
	facts := []string{row.Addr}
	for _, text := range []string{r.MAC, r.Vendor} {
		if text != "" {
			facts = append(facts, text)
		}
	}
	facts = append(facts, l.T("pair.asked", r.First.In(s.cfg.Zone).Format("15:04:05")))
	row.Facts = strings.Join(facts, " · ")
	return row
}

// againList are the devices that ask by themselves, one of which may have lost
// its log-in.
func (s *Server) againList() (list []choice) {
	for _, d := range s.cfg.Live.Snapshot().Devices {
		if d.Family == hub.FamilyEmonESP || d.Family == hub.FamilyHPMon {
			list = append(list, choice{Value: d.ID, Text: d.Name})
		}
	}
	return list
}

// pairingPage is the card alone: what scripts fetch when something changed,
// and a page for those without.
type pairingPage struct {
	view
	Pair *pairCard
}

func (s *Server) pagePairing(w http.ResponseWriter, r *http.Request, v viewer) error {
	p := pairingPage{view: s.view(r, v, "devices", "pair")}
	p.Pair = s.pairCard(p.locale)
	if p.Pair == nil {
		return errNoPairing()
	}
	name := "pairing.html"
	if r.URL.Query().Has("ask") {
		p.Ask, name = p.Pair, "ask.html"
	}
	p.Pair.fillGuide()
	return s.show(w, r, http.StatusOK, name, p)
}

func (c *pairCard) fillGuide() {
	if c != nil && c.Open() && len(c.Rows) == 0 {
		c.Guide, c.QR = true, qrCode(apAddress, c.T("pair.qr", apAddress))
	}
}

func (s *Server) formOpenPairing(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.formWindow(w, r, v, true)
}

func (s *Server) formClosePairing(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.formWindow(w, r, v, false)
}

func (s *Server) formWindow(w http.ResponseWriter, r *http.Request, v viewer, open bool) error {
	if s.cfg.Pairing == nil {
		return errNoPairing()
	}
	s.cfg.Pairing.SetOpen(v.name(), open)
	return s.backToPairing(w, r)
}

// backToPairing answers a form of the card: with the card to a script that was
// on another page, with the page of devices to everybody else.
func (s *Server) backToPairing(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("ask") {
		http.Redirect(w, r, "/pairing?ask", http.StatusSeeOther)
		return nil
	}
	http.Redirect(w, r, "/devices", http.StatusSeeOther)
	return nil
}

func (s *Server) formAllow(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	f := r.PostForm
	err := s.allow(r, allowBody{Addr: f.Get("addr"), Name: strings.TrimSpace(f.Get("name")), Device: f.Get("device")}, v)
	if err != nil {
		return s.devicesDone(w, r, v, err, "")
	}
	return s.backToPairing(w, r)
}

func (s *Server) formSetup(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	f := r.PostForm
	_, err := s.configure(r, setupBody{Addr: f.Get("addr"), Password: f.Get("password"), Name: strings.TrimSpace(f.Get("name"))}, v)
	return s.devicesDone(w, r, v, err, "setup")
}

func (s *Server) formAdopt(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	_, err := s.adopt(adoptBody{Key: r.PostForm.Get("key")}, v)
	return s.devicesDone(w, r, v, err, "adopted")
}

func (s *Server) formDeviceLogin(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.showLogin(w, r, v, r.PathValue("id"))
}

// showLogin makes a log-in for a device and shows it, once. The answer is the
// page itself, not a redirect: the secret is nowhere else.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request, v viewer, id string) error {
	login, err := s.newLogin(id, v)
	if err != nil {
		return s.devicesDone(w, r, v, err, "")
	}
	p := s.devicesPage(r, v, nil)
	p.Path, p.Login = "/devices", &login
	w.Header().Set("Cache-Control", "no-store")
	return s.show(w, r, http.StatusOK, "devices.html", p)
}

func (s *Server) formRestore(w http.ResponseWriter, r *http.Request, v viewer) error {
	_, err := s.restore(r.PathValue("id"), v)
	return s.devicesDone(w, r, v, err, "restored")
}
