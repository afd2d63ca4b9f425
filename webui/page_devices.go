package webui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// devicesPage is what is in the house, and what is measured.
type devicesPage struct {
	view
	Cards []deviceCard
	Form  addForm
	Feeds []feedRow
}

type deviceCard struct {
	ID, Name, Topic  string
	Role             hub.Role
	Dot, State, Warn string
	Facts            []pair
	Switched         bool
	PowerW           string
}

type addForm struct {
	Open               bool
	Name, Topic, Power string
	Families, Roles    []choice
}

type feedRow struct{ Title, Name, Last, Every, CSV string }

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
		p.Cards = append(p.Cards, p.card(d, snap.Plan, now))
	}
	p.Form = addForm{Open: len(form) > 0, Name: form.Get("name"), Topic: form.Get("topic"), Power: form.Get("power_w")}
	for _, f := range [...]hub.Family{hub.FamilyEmonESP, hub.FamilyOpenEVSE, hub.FamilyGPIO} {
		p.Form.Families = append(p.Form.Families, choice{string(f), p.T("family." + string(f)), form.Get("family") == string(f)})
	}
	for _, role := range [...]hub.Role{hub.RolePlug, hub.RoleCharger, hub.RoleSolar, hub.RoleMeter} {
		p.Form.Roles = append(p.Form.Roles, choice{string(role), p.T("device." + string(role)), form.Get("role") == string(role)})
	}
	if s.may(v, history) {
		p.Feeds = s.feedRows(p.locale, now)
	}
	return p
}

func (p *devicesPage) card(d hub.DeviceState, plan *hub.Plan, now time.Time) deviceCard {
	c := deviceCard{ID: d.ID, Name: d.Name, Topic: d.Topic, Role: d.Role, Warn: p.warn(d), Switched: d.Switched()}
	c.Dot, c.State = p.state(d, plan, now)
	if d.Power > 0 {
		c.PowerW = strconv.Itoa(int(d.Power))
	}
	c.Facts = []pair{
		{p.T("role"), p.T("device." + string(d.Role))},
		{p.T("family"), p.T("family." + string(d.Family))},
		{p.T("topic"), d.Topic},
	}
	if d.Has&hub.ReportEnergy != 0 {
		c.Facts = append(c.Facts, pair{p.T("counter"), p.kwh(float64(d.Counter)/1000) + " kWh"})
	}
	if !d.Seen.IsZero() {
		c.Facts = append(c.Facts, pair{p.T("seen"), p.near(d.Seen.In(now.Location()), now)})
	}
	return c
}

func (s *Server) feedRows(l locale, now time.Time) []feedRow {
	var rows []feedRow
	for _, f := range s.cfg.Feeds.Feeds() {
		row := feedRow{Title: f.Title, Name: f.Name, Last: "–", Every: strconv.Itoa(int(f.Interval/time.Second)) + " s"}
		if row.Title == "" {
			row.Title = f.Name
		}
		if !f.Last.IsZero() {
			row.Last = l.number(f.Value, 0) + " " + f.Unit + ", " + l.near(f.Last.In(now.Location()), now)
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
	if err == nil {
		_, err = s.addDevice(newDevice{
			Name: f.Get("name"), Family: hub.Family(f.Get("family")), Role: hub.Role(f.Get("role")),
			Topic: strings.TrimSpace(f.Get("topic")), Power: power,
		}, v)
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
	f := r.PostForm
	_, err := s.change(r.PathValue("id"), v, "changed device", func(d *hub.Device) error {
		if f.Has("name") {
			d.Name = f.Get("name")
		}
		if f.Has("topic") {
			d.Topic = strings.TrimSpace(f.Get("topic"))
		}
		if !f.Has("power_w") {
			return nil
		}
		var err error
		d.Power, err = readWatt(f.Get("power_w"))
		return err
	})
	return s.devicesDone(w, r, v, err, "saved")
}

func (s *Server) formRemoveDevice(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.devicesDone(w, r, v, s.removeDevice(r.Context(), r.PathValue("id"), v), "removed")
}

// formTest switches a device for a minute, after which it is on auto again.
func (s *Server) formTest(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	now := s.now()
	mode := hub.Mode(r.PostForm.Get("mode"))
	_, err := s.change(r.PathValue("id"), v, "tested "+string(mode), func(d *hub.Device) error {
		if mode == hub.ModeAuto {
			return hub.FieldErrorf("mode", "%q is not one of on, off", mode)
		}
		return setMode(d, mode, now.Add(testRun), now)
	})
	return s.devicesDone(w, r, v, err, "test")
}
