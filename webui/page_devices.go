package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// devicesPage is what is in the house, and what is measured.
type devicesPage struct {
	view
	Pair  *pairCard
	Login *deviceLoginJSON // of a device that was just made
	Cards []deviceCard
	Rooms []string
	Found []foundRow
	Seen  []Seen
	Setup setupForm
	Form  addForm
	Feeds []feedRow
}

// setupForm is the form for a device with a page of its own.
type setupForm struct {
	Open       bool
	Addr, Name string
}

// roles are what a device can be, in the order in which pages offer them.
var roles = []hub.Role{hub.RolePlug, hub.RoleCharger, hub.RoleSolar, hub.RoleMeter, hub.RoleBattery}

// foundRow is a device that announced itself at the broker.
type foundRow struct{ Key, Name, Facts string }

type deviceCard struct {
	ID, Name, Topic  string
	Room             string
	Role             hub.Role
	Dot, State, Warn string
	Facts            []pair
	Switched         bool
	OnBroker         bool
	Mapped           bool   // told and heard by a map, which has a page of its own
	Feeds            []pair // name and address of its values as CSV
	Form             formView
}

// formView is a form with the words of the page that it stands on.
type formView struct {
	locale
	F deviceForm
}

type addForm struct {
	Open               bool
	Name, Topic, Power string
	Families, Roles    []choice
}

type feedRow struct{ Title, Last, Every, CSV string }

func (s *Server) pageDevices(w http.ResponseWriter, r *http.Request, v viewer) error {
	p := s.devicesPage(r, v, url.Values{})
	return s.show(w, r, http.StatusOK, "devices.html", p)
}

// devicesPage is the page with form in its empty fields.
func (s *Server) devicesPage(r *http.Request, v viewer, form url.Values) devicesPage {
	snap := s.cfg.Live.Snapshot()
	now := snap.At.In(s.cfg.Zone)
	p := devicesPage{view: s.view(r, v, "devices", "devices")}
	for _, d := range snap.Devices {
		c := s.deviceCard(&p, d, snap.Plan, now)
		if warm := p.warmth(d, snap.Devices, now); warm != "" {
			c.Facts = append(c.Facts, pair{p.T("temperature"), warm})
		}
		p.Cards = append(p.Cards, c)
		if d.Room != "" && !slices.Contains(p.Rooms, d.Room) {
			p.Rooms = append(p.Rooms, d.Room)
		}
	}
	slices.SortStableFunc(p.Cards, func(a, b deviceCard) int { return strings.Compare(a.Room, b.Room) })
	if p.Can.Setup {
		p.Pair = s.pairCard(p.locale)
		p.Pair.fillGuide()
		n := s.nearby()
		p.Seen = n.Seen
		for _, f := range n.Found {
			p.Found = append(p.Found, p.foundRow(f))
		}
	}
	p.Form = addForm{Open: len(form) > 0, Name: form.Get("name"), Topic: form.Get("topic"), Power: form.Get("power_w")}
	for _, f := range hub.Families() {
		if f == hub.FamilyMQTT || f == hub.FamilyWebhook {
			continue // they live by a map of topics, which has a page of its own
		}
		p.Form.Families = append(p.Form.Families, choice{string(f), p.T("family." + string(f)), form.Get("family") == string(f)})
	}
	for _, role := range roles {
		p.Form.Roles = append(p.Form.Roles, choice{string(role), p.T("device." + string(role)), form.Get("role") == string(role)})
	}
	if s.may(v, house) {
		p.Feeds = s.feedRows(p.locale, snap.Devices, now)
	}
	return p
}

func (s *Server) deviceCard(p *devicesPage, d hub.DeviceState, plan *hub.Plan, now time.Time) deviceCard {
	c := deviceCard{
		ID: d.ID, Name: d.Name, Topic: d.Topic, Room: d.Room, Role: d.Role, Warn: p.warn(d),
		Switched: d.Switched(), OnBroker: onBroker(d.Family), Mapped: d.Map != nil,
	}
	c.Dot, c.State = p.state(d, plan, now)
	c.Form = formView{p.locale, p.deviceForm(d.Device, nil)}
	c.Facts = []pair{
		{p.T("role"), p.T("device." + string(d.Role))},
		{p.T("family"), p.T("family." + string(d.Family))},
		{p.T("topic"), d.Topic},
	}
	if s.cfg.Can != nil {
		c.Facts = append(c.Facts, pair{p.T("can"), p.abilities(s.cfg.Can(d.Device))})
	}
	if p.Can.House {
		names := []string{hub.DevicePowerFeed(d.ID), hub.DeviceEnergyFeed(d.ID)}
		if d.Has&hub.ReportTemp != 0 {
			names = append(names, hub.DeviceTempFeed(d.ID))
		}
		for _, name := range names {
			c.Feeds = append(c.Feeds, pair{p.feedTitle(Feed{Name: name}, []hub.DeviceState{d}), "/api/feeds/" + name + "/points?format=csv"})
		}
	}
	if d.Has&hub.ReportEnergy != 0 {
		c.Facts = append(c.Facts, pair{p.T("counter"), p.kwh(float64(d.Counter)/1000) + " kWh"})
	}
	if !d.Seen.IsZero() {
		c.Facts = append(c.Facts, pair{p.T("seen"), p.near(d.Seen.In(now.Location()), now)})
	}
	return c
}

// abilities are what a device can do.
func (l locale) abilities(list []hub.Ability) string {
	if len(list) == 0 {
		return l.T("can.nothing")
	}
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = l.T("can." + string(a))
	}
	return strings.Join(texts, ", ")
}

func (p *devicesPage) foundRow(f hub.Found) foundRow {
	facts := []string{p.T("family." + string(f.Family)), p.T("device." + string(f.Role))}
	for _, text := range []string{f.Model, f.Addr} {
		if text != "" {
			facts = append(facts, text)
		}
	}
	if len(f.Can) > 0 {
		facts = append(facts, p.abilities(f.Can))
	}
	return foundRow{f.Key, f.Name, strings.Join(facts, " · ")}
}

func (s *Server) feedRows(l locale, devices []hub.DeviceState, now time.Time) []feedRow {
	var rows []feedRow
	for _, f := range s.cfg.Feeds.Feeds() {
		row := feedRow{Title: l.feedTitle(f, devices), Last: "–", Every: strconv.Itoa(int(f.Interval/time.Second)) + " s"}
		if !f.Last.IsZero() {
			row.Last = l.feedValue(f.Value, f.Unit) + ", " + l.near(f.Last.In(now.Location()), now)
			row.CSV = "/api/feeds/" + url.PathEscape(f.Name) + "/points?format=csv"
		}
		rows = append(rows, row)
	}
	return rows
}

func (s *Server) formAddDevice(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	f := r.PostForm
	power, err := readWatt(f.Get("power_w"))
	var d hub.DeviceState
	if err == nil {
		d, err = s.addDevice(newDevice{
			Name: f.Get("name"), Family: hub.Family(f.Get("family")), Role: hub.Role(f.Get("role")),
			Topic: strings.TrimSpace(f.Get("topic")), Power: power,
		}, v)
	}
	if err == nil && s.cfg.LogIn != nil && onBroker(d.Family) {
		return s.showLogin(w, r, v, d.ID) // it needs one, and the owner has to type it in there
	}
	return s.devicesDone(w, r, v, err, "added")
}

// devicesDone ends a form of the page: back to it, or the form again with
// what is wrong.
func (s *Server) devicesDone(w http.ResponseWriter, r *http.Request, v viewer, err error, done string) error {
	if err == nil {
		return goTo(w, r, "/devices", done)
	}
	form := r.PostForm
	if done != "added" {
		form = url.Values{}
	}
	p := s.devicesPage(r, v, form)
	p.Path = "/devices"
	if done == "setup" {
		p.Setup = setupForm{true, r.PostForm.Get("addr"), r.PostForm.Get("name")}
	}
	return s.show(w, r, s.trouble(r, &p.view, err), "devices.html", p)
}

func readWatt(text string) (hub.Watt, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	w, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, hub.FieldErrorf("power_w", "%q is not a whole number of watts", text)
	}
	return hub.Watt(w), nil
}

func (s *Server) formChangeDevice(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	id := r.PathValue("id")
	_, err := s.change(id, v, "device.changed", func(d *hub.Device) error { return readDevice(r.PostForm, d) })
	if err == nil || hub.CodeOf(err) == hub.NotFound {
		return s.devicesDone(w, r, v, err, "saved")
	}
	p := s.devicesPage(r, v, url.Values{})
	p.Path = "/devices"
	if i := slices.IndexFunc(p.Cards, func(c deviceCard) bool { return c.ID == id }); i >= 0 {
		d, _ := s.find(id)
		p.Cards[i].Form.F = p.deviceForm(d.Device, r.PostForm)
	}
	return s.show(w, r, s.trouble(r, &p.view, err), "devices.html", p)
}

func (s *Server) formRemoveDevice(w http.ResponseWriter, r *http.Request, v viewer) error {
	id := r.PathValue("id")
	return s.devicesDone(w, r, v, s.removeDevice(r.Context(), id, v), "removed&undo="+url.QueryEscape(id))
}

// formTest switches a device for a minute, after which it is on auto again.
func (s *Server) formTest(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	_, err := s.test(r.PathValue("id"), hub.Mode(r.PostForm.Get("mode")), v)
	return s.devicesDone(w, r, v, err, "test")
}
