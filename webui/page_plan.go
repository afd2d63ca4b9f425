package webui

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// planPage is what every device shall do and will do.
type planPage struct {
	view
	CanPreview bool
	Fors       []choice
	Cards      []planCard
}

type planCard struct {
	ID, Name   string
	Dot, State string
	Warn       string
	Modes      []choice
	ModeText   string
	Wish       string // the schedule in words, "" without one
	CanSkip    bool
	SkipText   string
	Planned    *plannedView
	Form       scheduleForm

	Preview        *plannedView
	PreviewProblem string
}

// plannedView is a hub.Planned in words and as a strip.
type plannedView struct {
	Runs                []string
	Strip               template.HTML
	Cost, Short, Reason string
}

// scheduleForm is the editor with what is in it.
type scheduleForm struct {
	Open     bool
	ReadyBy  string
	Amount   string
	Unit     string // h or kwh
	MayPause bool
	Days     []choice
}

// modeTimes are how long on and off may last, in minutes; 0 is until changed.
var modeTimes = [...]int{0, 30, 60, 120, 240, 480}

func (s *Server) pagePlan(w http.ResponseWriter, r *http.Request, v viewer) error {
	p := s.planPage(r, v)
	if q := r.URL.Query(); q.Get("edit") != "" {
		p.preview(s, q)
	}
	return s.show(w, r, http.StatusOK, "plan.html", p)
}

func (s *Server) planPage(r *http.Request, v viewer) planPage {
	snap := s.cfg.Live.Snapshot()
	now := snap.At.In(s.cfg.Zone)
	p := planPage{view: s.view(r, v, "plan", "plan"), CanPreview: s.cfg.Preview != nil}
	for _, minutes := range modeTimes {
		c := choice{Value: strconv.Itoa(minutes), Text: p.T("for.ever")}
		if minutes > 0 {
			c.Text = p.length(minutes)
		}
		p.Fors = append(p.Fors, c)
	}
	for _, d := range snap.Devices {
		if d.Switched() {
			p.Cards = append(p.Cards, p.card(d, snap.Plan, now))
		}
	}
	return p
}

func (p *planPage) card(d hub.DeviceState, plan *hub.Plan, now time.Time) planCard {
	mode := d.ModeAt(now)
	c := planCard{ID: d.ID, Name: d.Name, Warn: p.warn(d), Form: p.form(d)}
	c.Dot, c.State = p.state(d, plan, now)
	for _, m := range [...]hub.Mode{hub.ModeOn, hub.ModeOff, hub.ModeAuto} {
		c.Modes = append(c.Modes, choice{string(m), p.T("mode." + string(m)), m == mode})
	}
	c.ModeText = p.T("mode." + string(mode))
	if d.Schedule != nil {
		c.Wish = p.wish(d.Schedule, now)
		c.SkipText = p.T("skip.run")
		if !d.Schedule.Skip.IsZero() && d.Schedule.Skip.After(now) {
			c.SkipText = p.T("skip.undo")
		}
	}
	if planned, ok := plan.Of(d.ID); ok {
		c.Planned = p.planned(planned, plan, now)
		c.CanSkip = d.Schedule != nil && d.Schedule.Days != 0
	}
	if d.Schedule != nil && !d.Schedule.Skip.IsZero() && d.Schedule.Skip.After(now) {
		c.CanSkip = true
	}
	return c
}

// state says what a device does and why, in one line.
func (l locale) state(d hub.DeviceState, plan *hub.Plan, now time.Time) (dot, text string) {
	dot = "off"
	switch {
	case !d.Online:
		if d.Seen.IsZero() {
			return "gone", l.T("state.never")
		}
		return "gone", l.T("state.gone", l.near(d.Seen.In(now.Location()), now))
	case d.Has&hub.ReportOn == 0:
		text = l.T("state.there")
	case d.On:
		dot, text = "on", l.T("on")
	default:
		text = l.T("off")
	}
	if d.Has&hub.ReportPower != 0 {
		text += " · " + l.watt(d.Watts) + " W"
	}
	if d.Role == hub.RoleCharger && d.Has&hub.ReportPlugged != 0 {
		text += " · " + l.T(map[bool]string{true: "plugged", false: "unplugged"}[d.Plugged])
	}
	if mode := d.ModeAt(now); mode != hub.ModeAuto && !d.ModeUntil.IsZero() {
		text += " · " + l.T("until", l.near(d.ModeUntil.In(now.Location()), now))
	} else if run, ok := plan.RunAt(d.ID, now); ok && mode == hub.ModeAuto && d.On {
		text += " · " + l.T("until", l.near(run.End.In(now.Location()), now))
	}
	return dot, text
}

// warn is what a device does not do.
func (l locale) warn(d hub.DeviceState) string {
	if !d.Mismatch {
		return ""
	}
	return l.T("mismatch", l.T(map[bool]string{true: "on", false: "off"}[d.Commanded.On]))
}

// wish is a schedule in words: 3 h by 07:00, Mon to Fri, may pause.
func (l locale) wish(s *hub.Schedule, now time.Time) string {
	amount := l.kwh(float64(s.Energy)/1000) + " kWh"
	if s.Minutes > 0 {
		amount = l.length(s.Minutes)
	}
	text := l.T("wish", amount, s.ReadyBy, l.days(s.Days))
	if s.MayPause {
		text += ", " + l.T("wish.pause")
	}
	if s.Skip.After(now) {
		text += ". " + l.T("wish.skip", l.near(s.Skip.In(now.Location()), now))
	}
	if s.PausedUntil.After(now) {
		text += ". " + l.T("wish.paused", l.near(s.PausedUntil.In(now.Location()), now))
	}
	return text
}

func (l locale) planned(d hub.Planned, plan *hub.Plan, now time.Time) *plannedView {
	v := &plannedView{Reason: d.Reason}
	for _, run := range d.Stretches() {
		if run.End.After(now) {
			v.Runs = append(v.Runs, l.runText(run, now))
		}
	}
	if plan != nil {
		v.Strip = l.strip(plan.Slots, d.Runs, now)
	}
	if len(d.Runs) > 0 {
		v.Cost = l.T("cost", l.euro(d.Cost))
		if saved := d.CostNow - d.Cost; saved > 0 {
			v.Cost = l.T("cost.saved", l.euro(d.Cost), l.euro(d.CostNow))
		}
	}
	if d.Short > 0 {
		v.Short = l.T("short", l.kwh(float64(d.Short)/1000))
	}
	return v
}

// form is the editor filled with the schedule there is, or with what most
// people want of such a device.
func (p *planPage) form(d hub.DeviceState) scheduleForm {
	f := scheduleForm{ReadyBy: "07:00", Amount: "2", Unit: "h"}
	days := hub.Weekdays(0)
	if d.Role == hub.RoleCharger {
		f.Amount, f.Unit, f.MayPause, days = "20", "kwh", true, hub.Workdays
	}
	if s := d.Schedule; s != nil {
		f.ReadyBy, f.MayPause, days = s.ReadyBy.String(), s.MayPause, s.Days
		if s.Minutes > 0 {
			f.Unit, f.Amount = "h", trimNumber(p.number(float64(s.Minutes)/60, 2), p.T("sign.decimal"))
		} else {
			f.Unit, f.Amount = "kwh", trimNumber(p.number(float64(s.Energy)/1000, 3), p.T("sign.decimal"))
		}
	}
	f.Days = p.dayChoices(days)
	return f
}

// trimNumber drops the zeros behind the decimal sign.
func trimNumber(text, sign string) string {
	if strings.Contains(text, sign) {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), sign)
	}
	return text
}

func (l locale) dayChoices(days hub.Weekdays) []choice {
	var list []choice
	for i := range 7 {
		d := time.Weekday((i + 1) % 7)
		list = append(list, choice{[...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}[d], l.weekday(d), days.Has(d)})
	}
	return list
}

// readSchedule reads the editor. Amounts may have a comma or a point.
func readSchedule(form url.Values, now time.Time) (*hub.Schedule, error) {
	s := &hub.Schedule{MayPause: form.Get("may_pause") != "", SetAt: now.UTC()}
	if err := s.ReadyBy.UnmarshalText([]byte(form.Get("ready_by"))); err != nil {
		return nil, err
	}
	amount, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(form.Get("amount")), ",", ".", 1), 64)
	if err != nil || !(amount > 0 && amount < 1e6) {
		return nil, hub.FieldErrorf("amount", "%q is not a number above 0", form.Get("amount"))
	}
	switch form.Get("unit") {
	case "h":
		s.Minutes = int(amount*60 + 0.5)
	case "kwh":
		s.Energy = hub.WattHour(amount*1000 + 0.5)
	default:
		return nil, hub.FieldErrorf("unit", "%q is not one of h, kwh", form.Get("unit"))
	}
	for _, name := range form["day"] {
		d, err := hub.ParseWeekday(name)
		if err != nil {
			return nil, err
		}
		s.Days |= 1 << d
	}
	return s, s.Validate()
}

// refill puts into the editor what was sent with it.
func (p *planPage) refill(id string, form url.Values) *planCard {
	for i := range p.Cards {
		c := &p.Cards[i]
		if c.ID != id {
			continue
		}
		var days hub.Weekdays
		for _, name := range form["day"] {
			if d, err := hub.ParseWeekday(name); err == nil {
				days |= 1 << d
			}
		}
		c.Form = scheduleForm{true, form.Get("ready_by"), form.Get("amount"), form.Get("unit"), form.Get("may_pause") != "", p.dayChoices(days)}
		return c
	}
	return nil
}

// preview shows what the plan would be with what is in the editor.
func (p *planPage) preview(s *Server, form url.Values) {
	c := p.refill(form.Get("edit"), form)
	if c == nil || s.cfg.Preview == nil {
		return
	}
	now := s.now()
	sched, err := readSchedule(form, now)
	var planned hub.Planned
	if err == nil {
		var d hub.DeviceState
		if d, err = s.find(c.ID); err == nil {
			planned, err = s.cfg.Preview(d.Device, *sched)
		}
	}
	if err != nil {
		c.PreviewProblem = sentence(problemText{Message: err.Error()})
		return
	}
	c.Preview = p.planned(planned, s.cfg.Live.Snapshot().Plan, now)
}

func (s *Server) formSchedule(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	id := r.PathValue("id")
	sched, err := readSchedule(r.PostForm, s.now())
	if err == nil {
		_, err = s.change(id, v, "scheduled", func(d *hub.Device) error {
			d.Schedule = sched
			return nil
		})
	}
	if err != nil {
		p := s.planPage(r, v)
		p.Path = "/plan"
		p.refill(id, r.PostForm)
		return s.show(w, r, s.trouble(r, &p.view, err), "plan.html", p)
	}
	return goTo(w, r, "/plan", "saved")
}

func (s *Server) formUnschedule(w http.ResponseWriter, r *http.Request, v viewer) error {
	_, err := s.change(r.PathValue("id"), v, "unscheduled", func(d *hub.Device) error {
		d.Schedule = nil
		return nil
	})
	if err != nil {
		return err
	}
	return goTo(w, r, "/plan", "removed")
}

// formSkip leaves the next deadline out, or takes it in again.
func (s *Server) formSkip(w http.ResponseWriter, r *http.Request, v viewer) error {
	now := s.now()
	planned, ok := s.cfg.Live.Snapshot().Plan.Of(r.PathValue("id"))
	_, err := s.change(r.PathValue("id"), v, "skipped a run of", func(d *hub.Device) error {
		if d.Schedule == nil {
			return hub.Errorf(hub.Conflict, "%s has no plan to skip", d.Name)
		}
		sched := *d.Schedule
		switch {
		case sched.Skip.After(now):
			sched.Skip = time.Time{}
		case ok && planned.Deadline.After(now):
			sched.Skip = planned.Deadline.UTC()
		default:
			return hub.Errorf(hub.Conflict, "nothing is planned for %s", d.Name)
		}
		d.Schedule = &sched
		return nil
	})
	if err != nil {
		return err
	}
	return goTo(w, r, "/plan", "skipped")
}

func (s *Server) formMode(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	now := s.now()
	mode := hub.Mode(r.PostForm.Get("mode"))
	minutes := 0
	if text := r.PostForm.Get("for"); text != "" && mode != hub.ModeAuto {
		var err error
		if minutes, err = strconv.Atoi(text); err != nil || minutes < 0 || minutes > 7*24*60 {
			return hub.FieldErrorf("for", "%q is not a number of minutes up to a week", text)
		}
	}
	var until time.Time
	if minutes > 0 {
		until = now.Add(time.Duration(minutes) * time.Minute)
	}
	_, err := s.change(r.PathValue("id"), v, "set "+string(mode), func(d *hub.Device) error { return setMode(d, mode, until, now) })
	if err != nil {
		return err
	}
	return goTo(w, r, "/plan", "mode")
}
