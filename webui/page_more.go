package webui

import (
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// morePage is how the hub is, who may use it, and what it is.
type morePage struct {
	view
	Dot, Worst   string // how the hub is, in a word
	AccountText  string
	PasswordOpen bool
	Languages    []choice

	Clients                             []clientRow
	ClientOpen                          bool
	ClientName, ClientRead, ClientWrite string
	Secret                              *pair // name and secret of what was just made
	People                              []personRow
	PersonOpen                          bool
	PersonName                          string
	Net                                 *netCard
	HasTokens, HasHouse, HasSecure      bool
	HasData                             bool
	Open                                bool // nobody has chosen a password yet
	Tokens                              []tokenRow
}

// partRow is how a part is. Lang is the language of its Reason.
type partRow struct{ Dot, Name, Text, Since, Reason, Todo, Lang string }

type clientRow struct{ ID, Grants string }

type personRow struct {
	Name, Text string
	Roles      []choice // to change to; none for whom it can not be changed
	Fixed      bool     // can not be removed
}

// netCard is what the hub is called, and how a phone gets there.
type netCard struct {
	Host, Problem, Addr string
	Others              []string
	QR                  template.HTML
}

type tokenRow struct{ ID, Name, Role, Made string }

func (s *Server) pageMore(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.show(w, r, http.StatusOK, "more.html", s.morePage(r, v))
}

func (s *Server) morePage(r *http.Request, v viewer) morePage {
	now := s.now()
	p := morePage{view: s.view(r, v, "more", "more"), HasTokens: s.cfg.Tokens != nil, HasHouse: s.cfg.House != nil, HasData: s.cfg.Archive != nil, HasSecure: s.cfg.Certificate != nil && s.cfg.HTTPSPort != nil, Open: s.unclaimed()}
	p.Path = "/more"
	_, worst := s.cfg.Health.Parts()
	p.Dot, p.Worst = dots[worst], p.T("part."+string(worst))
	p.AccountText = p.T("account.text", v.user, p.T("role."+string(v.role)))
	for _, tag := range s.texts.names {
		p.Languages = append(p.Languages, choice{tag, s.texts.langs[tag].T("language.own"), tag == p.Lang})
	}
	p.Net = s.netCard(r, p.locale)
	if !s.may(v, owner) {
		return p
	}
	p.ownersPart(s, v, now)
	return p
}

// ownersPart is what nobody else sees.
func (p *morePage) ownersPart(s *Server, v viewer, now time.Time) {
	for _, u := range s.userList() {
		row := personRow{Name: u.Name, Text: p.T("role." + string(u.Role)), Fixed: u.Name == string(Owner) || u.Name == v.user}
		if u.Until != nil {
			row.Text += ", " + p.T("until", p.near(u.Until.In(s.cfg.Zone), s.wall.Now().In(s.cfg.Zone)))
		}
		for _, role := range []Role{Family, Owner} {
			if !row.Fixed && u.Role != Installer {
				row.Roles = append(row.Roles, choice{string(role), p.T("role." + string(role)), role == u.Role})
			}
		}
		p.People = append(p.People, row)
	}
	for _, c := range s.ownClients() {
		p.Clients = append(p.Clients, clientRow{c.ID, p.grants(c.Grants)})
	}
	for _, t := range s.tokenList() {
		p.Tokens = append(p.Tokens, tokenRow{t.ID, t.Name, p.T("role." + string(t.Role)), p.day(t.Made.In(s.cfg.Zone))})
	}
}

// netCard is nil where nobody knows what the hub is called. The address that
// the page was asked at comes first: that one works from there.
func (s *Server) netCard(r *http.Request, l locale) *netCard {
	if s.cfg.NetName == nil {
		return nil
	}
	n := s.cfg.NetName()
	if n.Host == "" && n.Problem == "" && len(n.Addrs) == 0 {
		return nil // a demo is not announced
	}
	c := &netCard{Host: n.Host}
	if n.Problem != "" {
		problem, _ := l.reason(n.Problem)
		c.Problem = sentence(problemText{Message: problem})
	}
	port := ""
	if s.cfg.HTTPPort != 0 {
		port = ":" + strconv.Itoa(s.cfg.HTTPPort)
	} else if _, p, err := net.SplitHostPort(r.Host); err == nil && r.TLS == nil {
		port = ":" + p
	}
	if port == ":80" {
		port = ""
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	for _, a := range n.Addrs {
		text := "http://" + a.String() + port
		if a.Is6() {
			text = "http://[" + a.String() + "]" + port
		}
		if here, err := netip.ParseAddrPort(fmt.Sprint(local)); c.Addr == "" && (err != nil || here.Addr().Unmap() == a) {
			c.Addr = text
			continue
		}
		c.Others = append(c.Others, text)
	}
	if c.Addr == "" && len(c.Others) > 0 {
		c.Addr, c.Others = c.Others[0], c.Others[1:]
	}
	if c.Addr != "" {
		c.QR = qrCode(c.Addr, l.T("net.qr", c.Addr))
	}
	if c.Host != "" {
		c.Host = "http://" + c.Host + port
	}
	return c
}

func (l locale) grants(list []hub.Grant) string {
	var texts []string
	for _, g := range list {
		what := "grant.read"
		if g.Write {
			what = map[bool]string{true: "grant.both", false: "grant.write"}[g.Read]
		}
		texts = append(texts, g.Filter+" ("+l.T(what)+")")
	}
	return strings.Join(texts, ", ")
}

func (s *Server) formPassword(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	if v.session == nil {
		return hub.Errorf(hub.Unauthorized, "log in first")
	}
	if err := s.setPassword(w, r, v, r.PostForm.Get("old"), r.PostForm.Get("new")); err != nil {
		p := s.morePage(r, v)
		p.PasswordOpen = true
		return s.show(w, r, s.trouble(r, &p.view, err), "more.html", p)
	}
	return goTo(w, r, "/more", "password")
}

// formAddClient makes a log-in for the broker and shows its secret, once. The
// answer is the page itself, not a redirect: the secret is nowhere else.
func (s *Server) formAddClient(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	f := r.PostForm
	body := clientBody{Name: f.Get("name")}
	for _, filter := range strings.Fields(f.Get("read")) {
		body.Grants = append(body.Grants, hub.Grant{Filter: filter, Read: true})
	}
	for _, filter := range strings.Fields(f.Get("write")) {
		body.Grants = append(body.Grants, hub.Grant{Filter: filter, Write: true})
	}
	c, secret, err := s.addClient(body, v)
	p := s.morePage(r, v)
	if err != nil {
		p.ClientOpen, p.ClientName, p.ClientRead, p.ClientWrite = true, f.Get("name"), f.Get("read"), f.Get("write")
		return s.show(w, r, s.trouble(r, &p.view, err), "more.html", p)
	}
	return s.showSecret(w, r, &p, pair{c.ID, secret})
}

func (s *Server) showSecret(w http.ResponseWriter, r *http.Request, p *morePage, secret pair) error {
	p.Secret = &secret
	w.Header().Set("Cache-Control", "no-store")
	return s.show(w, r, http.StatusOK, "more.html", p)
}

func (s *Server) formRemoveClient(w http.ResponseWriter, r *http.Request, v viewer) error {
	id := r.PathValue("id")
	list := s.ownClients()
	if err := s.removeClient(id, v); err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(c hub.Credential) bool { return c.ID == id })
	if s.cfg.RestoreClient == nil || i < 0 {
		return goTo(w, r, "/more", "removed")
	}
	return s.goUndo(w, r, v, "/more", "removed", func() error {
		s.audit(v, "client.restored", id)
		return s.cfg.RestoreClient(list[i])
	})
}

func (s *Server) formAddToken(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	t, secret, err := s.addToken(tokenBody{r.PostForm.Get("name"), Role(r.PostForm.Get("role"))}, v)
	p := s.morePage(r, v)
	if err != nil {
		return s.show(w, r, s.trouble(r, &p.view, err), "more.html", p)
	}
	return s.showSecret(w, r, &p, pair{t.Name, secret})
}

func (s *Server) formRemoveToken(w http.ResponseWriter, r *http.Request, v viewer) error {
	was := s.tokenOf(r.PathValue("id"))
	if err := s.removeToken(r.PathValue("id"), v); err != nil {
		return err
	}
	return s.goUndo(w, r, v, "/more", "removed", func() error {
		s.audit(v, "token.restored", was.Name)
		return s.cfg.Tokens.PutToken(was)
	})
}

func (s *Server) formAddUser(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	f := r.PostForm
	body := userBody{Name: f.Get("name"), Role: Role(f.Get("role"))}
	var err error
	if hours := strings.TrimSpace(f.Get("hours")); body.Role == Installer && hours != "" {
		if body.Hours, err = strconv.Atoi(hours); err != nil || body.Hours < 1 {
			err = hub.FieldErrorf("hours", "%q is not a whole number of hours", hours)
		}
	}
	var u userJSON
	if err == nil {
		u, err = s.addUser(r, body, v)
	}
	p := s.morePage(r, v)
	if err != nil {
		p.PersonOpen, p.PersonName = true, f.Get("name")
		return s.show(w, r, s.trouble(r, &p.view, err), "more.html", p)
	}
	return s.showSecret(w, r, &p, pair{u.Name, u.Password})
}

func (s *Server) formRemoveUser(w http.ResponseWriter, r *http.Request, v viewer) error {
	was, _ := s.cfg.Users.User(r.PathValue("name"))
	if err := s.removeUser(r.PathValue("name"), v); err != nil {
		p := s.morePage(r, v)
		return s.show(w, r, s.trouble(r, &p.view, err), "more.html", p)
	}
	return s.goUndo(w, r, v, "/more", "userremoved", func() error {
		if _, taken := s.cfg.Users.User(was.Name); taken {
			return hub.Errorf(hub.Conflict, "somebody else is called %s now", was.Name)
		}
		s.audit(v, "user.restored", was.Name)
		return s.cfg.Users.PutUser(was)
	})
}

// formChangeUser gives a person another role.
func (s *Server) formChangeUser(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	was, err := s.changeUser(r.PathValue("name"), Role(r.PostForm.Get("role")), v)
	if err != nil {
		p := s.morePage(r, v)
		return s.show(w, r, s.trouble(r, &p.view, err), "more.html", p)
	}
	return s.goUndo(w, r, v, "/more", "saved", func() error {
		_, err := s.changeUser(was.Name, was.Role, v)
		return err
	})
}

// formNewPassword makes a fresh password for somebody who forgot theirs, and
// shows it once.
func (s *Server) formNewPassword(w http.ResponseWriter, r *http.Request, v viewer) error {
	name := r.PathValue("name")
	password, err := s.newPassword(r.Context(), name, v)
	p := s.morePage(r, v)
	if err != nil {
		return s.show(w, r, s.trouble(r, &p.view, err), "more.html", p)
	}
	return s.showSecret(w, r, &p, pair{name, password})
}

// licencesPage names whose work is inside.
type licencesPage struct {
	view
	Texts []pair
}

func (s *Server) pageLicences(w http.ResponseWriter, r *http.Request, v viewer) error {
	p := licencesPage{view: s.view(r, v, "more", "licences")}
	if s.assets.licence != "" {
		p.Texts = append(p.Texts, pair{"uPlot", s.assets.licence})
	}
	return s.show(w, r, http.StatusOK, "licences.html", p)
}
