package webui

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"homehub/hub"
)

// partStorage is the part of Health whose trouble the pages show on top: live
// values go on, but nothing of them is kept.
const partStorage = "storage"

// pages are the parsed templates.
type pages struct{ set *template.Template }

func newPages() (*pages, error) {
	set, err := template.ParseFS(files, "ui/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading pages: %w", err)
	}
	return &pages{set}, nil
}

// view is what every page shows.
type view struct {
	locale
	Version string
	Seqs    string // which devices and plan it shows; the script compares
	Zone    string
	Assets  string // where the assets are, with a final slash
	Chart   bool   // this page has a chart and the library is there
	Place   string // which of the five places it belongs to
	Title   string
	Path    string // to come back to it
	Kiosk   bool   // on a wall: no bars, larger
	Turn    int64  // seconds until the house's date changes
	User    string // "" if not logged in
	Can     canDo
	Stream  string    // where its events are
	Ask     *pairCard // a device that asks to be let in, or what became of it
	Banners []banner
	News    string // how many notices are new, "" if none
	Done    string // what was just done
	Undo    string // token that takes it back, "" if it can not be
	Restore string // where a form goes that brings back what was removed
	Problem string // why it was not
}

type canDo struct{ House, Control, Test, Setup, Owner bool }

type banner struct{ Head, Text string }

// pair is a name with its text; choice is one with a value that may be chosen.
type pair struct{ Name, Text string }

type choice struct {
	Value, Text string
	On          bool
}

var deviceID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// doneTexts are the messages that an address may ask for with ?done=: no
// other text from an address ever reaches a page.
var doneTexts = map[string]bool{
	"saved": true, "removed": true, "added": true, "mode": true, "test": true, "skipped": true, "password": true, "loggedout": true,
	"undone": true, "tried": true, "deletes": true, "paused": true, "resumed": true,
	"restored": true, "adopted": true, "setup": true, "userremoved": true,
}

func (s *Server) view(r *http.Request, v viewer, place, title string) view {
	l := s.texts.of(r)
	p := view{
		locale: l, Version: s.cfg.Version, Seqs: seqs(s.cfg.Live.Snapshot()), Zone: s.cfg.Zone.String(), Assets: s.assets.prefix,
		Place: place, Title: l.T(title), Path: r.URL.Path, User: v.user, Kiosk: r.URL.Query().Has("kiosk"),
		Can:     canDo{s.may(v, house), s.may(v, control), s.may(v, test), s.may(v, setup), s.may(v, owner)},
		Stream:  eventsPath,
		Banners: s.banners(l),
	}
	if !p.Can.House {
		p.Stream += "?only=devices"
	}
	if p.Can.Setup && place != "devices" {
		p.Ask = s.pairCard(l)
	}
	if done := r.URL.Query().Get("done"); doneTexts[done] && r.Method == http.MethodGet {
		p.Done = l.T("done." + done)
		undo := r.URL.Query().Get("undo")
		if _, ok := s.undos.find(v, undo, s.wall.Now()); ok {
			p.Undo = undo
		} else if done == "removed" && place == "devices" && p.Can.Setup && s.cfg.Restore != nil && deviceID.MatchString(undo) {
			p.Restore = "/devices/" + undo + "/restore"
		}
	}
	if s.may(v, house) && r.URL.Path != "/notices" {
		p.News = s.news(r, v, l)
	}
	now := s.now()
	p.Turn = int64(startOfDay(now.AddDate(0, 0, 1)).Sub(now) / time.Second)
	return p
}

// seqs names the state of devices and plan, as the page's script does from a
// live event.
func seqs(snap hub.Snapshot) string {
	return fmt.Sprintf("%d.%d.%s", snap.DevicesSeq, snap.PlanSeq, guardKind(snap))
}

// guardKind is what the guards protect at the moment, "" if nothing.
func guardKind(snap hub.Snapshot) hub.GuardKind {
	if snap.Guarding == nil {
		return ""
	}
	return snap.Guarding.Kind
}

// banners are the troubles that concern everybody. The meter's silence is not
// among them: the first page says it where the number would be.
func (s *Server) banners(l locale) []banner {
	var list []banner
	parts, _ := s.cfg.Health.Parts()
	if s.cfg.House != nil && s.unclaimed() && s.cfg.House.Settings().Done {
		list = append(list, banner{l.T("banner.open"), ""})
	}
	for _, p := range parts {
		if p.Name == partStorage && p.Condition != hub.OK {
			reason, _ := l.reason(p.Reason)
			list = append(list, banner{l.T("banner.storage"), reason})
		}
	}
	snap := s.cfg.Live.Snapshot()
	if g := snap.Guarding; g != nil {
		var names []string
		for _, d := range snap.Devices {
			if slices.Contains(g.Devices, d.ID) {
				names = append(names, d.Name)
			}
		}
		list = append(list, banner{l.T("guard." + string(g.Kind)), strings.Join(names, ", ")})
	}
	return list
}

// show renders a page as a whole before it sends the first byte, so that an
// error never leaves half of one.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, name string, page any) error {
	var b bytes.Buffer
	if err := s.pages.set.ExecuteTemplate(&b, name, page); err != nil {
		return fmt.Errorf("rendering %s: %w", name, err)
	}
	w.Header().Add("Vary", "Cookie, Accept-Language")
	return writeBody(w, r, status, "text/html; charset=utf-8", b.Bytes())
}

// failPage tells a person what went wrong.
func (s *Server) failPage(w http.ResponseWriter, r *http.Request, v viewer, status int, text problemText) {
	if status == http.StatusUnauthorized && r.Method == http.MethodGet {
		http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	if status == http.StatusForbidden && v.role == Installer && r.Method == http.MethodGet && r.URL.Path == "/" {
		http.Redirect(w, r, "/devices", http.StatusSeeOther)
		return
	}
	p := s.view(r, v, "", "error")
	p.Path = "/"
	p.Problem = p.problem(text)
	if err := s.show(w, r, status, "error.html", p); err != nil {
		s.cfg.Logger.Error("answering a request", "path", r.URL.Path, "err", err)
		http.Error(w, text.Message, status)
	}
}

// sameField are the fields whose problem has the text of another.
var sameField = map[string]string{
	"minutes": "amount", "energy_wh": "amount", "until_soc": "amount", "unit": "amount",
	"from": "date", "to": "date", "other": "date", "quiet_to": "quiet_from",
	"night_from": "quiet_from", "min_amps": "amps", "max_amps": "amps", "max_discharge_w": "max_charge_w", "switch_phases": "phases", "low_c": "high_c",
}

// problem says to a person, in the page's language, what is wrong. Where that
// has no text, English tells it in the words of the error, and the others
// what kind of problem it is.
func (l locale) problem(text problemText) string {
	field := text.Field
	if of, ok := strings.CutPrefix(field, "map."); ok {
		field = problemOfMap(of)
	}
	if same, ok := sameField[field]; ok {
		field = same
	}
	if said, ok := l.words["bad."+field]; ok && field != "" {
		return said
	}
	if said, ok := l.words["problem."+string(text.Code)]; ok && l.Lang != "en" {
		return said
	}
	return sentence(text)
}

// problemOfMap is the field whose text says what is wrong with a field of a
// map.
func problemOfMap(field string) string {
	switch {
	case field == "on" || field == "off":
		return "map" + field
	case slices.Contains(mapPlaces, field):
		return "mapplace"
	}
	return "map"
}

// sentence is a problem in English.
func sentence(text problemText) string {
	if text.Field != "" {
		return text.Field + " " + text.Message + "."
	}
	if text.Message == "" {
		return ""
	}
	return strings.ToUpper(text.Message[:1]) + text.Message[1:] + "."
}

// trouble puts err on the page that the form was on and returns its status.
func (s *Server) trouble(r *http.Request, p *view, err error) int {
	if err == nil {
		return http.StatusOK
	}
	status, text := s.explain(r, err)
	p.Problem = p.problem(text)
	return status
}

// goTo sends the browser to a page after a form was taken in, so that a
// reload does not send it again.
func goTo(w http.ResponseWriter, r *http.Request, place, done string) error {
	http.Redirect(w, r, place+"?done="+done, http.StatusSeeOther)
	return nil
}

// localPath lets nobody be sent off the hub: it is a path here, or "/".
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || path.Clean(u.Path) == "/login" {
		return "/"
	}
	return u.RequestURI()
}

// loginPage is the door.
type loginPage struct {
	view
	NextPage, Name string
}

func (s *Server) pageLogin(w http.ResponseWriter, r *http.Request, v viewer) error {
	p := loginPage{s.view(r, v, "more", "login"), localPath(r.URL.Query().Get("next")), string(Owner)}
	return s.show(w, r, http.StatusOK, "login.html", p)
}

func (s *Server) formLogin(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	next := localPath(r.PostForm.Get("next"))
	if _, err := s.logIn(w, r, v, r.PostForm.Get("user"), r.PostForm.Get("password")); err != nil {
		p := loginPage{s.view(r, v, "more", "login"), next, r.PostForm.Get("user")}
		return s.show(w, r, s.trouble(r, &p.view, err), "login.html", p)
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

func (s *Server) formLogout(w http.ResponseWriter, r *http.Request, v viewer) error {
	s.logOut(w, r, v)
	if !s.cfg.ReadOpen {
		return goTo(w, r, "/login", "loggedout")
	}
	return goTo(w, r, "/", "loggedout")
}

func (s *Server) formLanguage(w http.ResponseWriter, r *http.Request, _ viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	tag := r.PostForm.Get("lang")
	if _, ok := s.texts.langs[tag]; !ok {
		return hub.FieldErrorf("lang", "%q is not a language of the hub", tag)
	}
	setLanguage(w, tag)
	http.Redirect(w, r, "/more", http.StatusSeeOther)
	return nil
}

// setLanguage makes the browser remember a language.
func setLanguage(w http.ResponseWriter, tag string) {
	http.SetCookie(w, &http.Cookie{Name: langCookie, Value: tag, Path: "/", MaxAge: 10 * 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// formProblem is a form that can not be read.
func formProblem(err error) error {
	if statusOf(err) == http.StatusRequestEntityTooLarge {
		return err
	}
	return hub.FieldErrorf("body", "is not a form")
}
