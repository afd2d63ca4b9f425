package webui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// scheduleForm is the editor with what is in it.
type scheduleForm struct {
	locale
	ID       string
	Open     bool
	ReadyBy  string
	Amount   string
	Unit     string // h or kwh
	MayPause bool
	Days     []choice
}

// modeTimes are how long on and off may last, in minutes; 0 is until changed.
var modeTimes = [...]int{0, 30, 60, 120, 240, 480}

// form is the editor filled with the schedule there is, or with what most
// people want of such a device.
func (l locale) form(d hub.DeviceState) scheduleForm {
	f := scheduleForm{locale: l, ID: d.ID, ReadyBy: "07:00", Amount: "2", Unit: "h"}
	days := hub.Weekdays(0)
	if d.Role == hub.RoleCharger {
		f.Amount, f.Unit, f.MayPause, days = "20", "kwh", true, hub.Workdays
	}
	if s := d.Schedule; s != nil {
		f.ReadyBy, f.MayPause, days = s.ReadyBy.String(), s.MayPause, s.Days
		if s.Minutes > 0 {
			f.Unit, f.Amount = "h", trimNumber(l.number(float64(s.Minutes)/60, 2), l.T("sign.decimal"))
		} else {
			f.Unit, f.Amount = "kwh", trimNumber(l.number(float64(s.Energy)/1000, 3), l.T("sign.decimal"))
		}
	}
	f.Days = l.dayChoices(days)
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
		c.Form = scheduleForm{p.locale, id, true, form.Get("ready_by"), form.Get("amount"), form.Get("unit"), form.Get("may_pause") != "", p.dayChoices(days)}
		return c
	}
	return nil
}

func (s *Server) formSchedule(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	sched, err := readSchedule(r.PostForm, s.now())
	if err == nil {
		err = s.act(w, r, v, "scheduled", "saved", func(d *hub.Device) error {
			if d.Schedule != nil && d.Schedule.PausedUntil.After(s.now()) {
				sched.PausedUntil = d.Schedule.PausedUntil // on holiday still
			}
			d.Schedule = sched
			return nil
		})
	}
	if err != nil {
		p := s.planPage(r, v)
		p.Path = "/plan"
		p.refill(r.PathValue("id"), r.PostForm)
		return s.show(w, r, s.trouble(r, &p.view, err), "plan.html", p)
	}
	return nil
}

func (s *Server) formUnschedule(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.act(w, r, v, "unscheduled", "removed", func(d *hub.Device) error {
		d.Schedule = nil
		return nil
	})
}

// formRepeat makes the last plan of a device again.
func (s *Server) formRepeat(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.act(w, r, v, "repeated the plan of", "saved", func(d *hub.Device) error {
		last := s.lastPlan(*d)
		if last == nil {
			return hub.Errorf(hub.Conflict, "%s has no plan to repeat", d.Name)
		}
		sched := *last
		sched.SetAt, sched.Skip, sched.PausedUntil = s.now().UTC(), time.Time{}, time.Time{}
		d.Schedule = &sched
		return nil
	})
}

// editPlan changes the schedule that a device has.
func (s *Server) editPlan(w http.ResponseWriter, r *http.Request, v viewer, what, done string, f func(sched *hub.Schedule) error) error {
	return s.act(w, r, v, what, done, func(d *hub.Device) error {
		if d.Schedule == nil {
			return hub.Errorf(hub.Conflict, "%s has no plan", d.Name)
		}
		sched := *d.Schedule
		if err := f(&sched); err != nil {
			return err
		}
		d.Schedule = &sched
		return nil
	})
}

// formSkip leaves the next deadline out, or takes it in again.
func (s *Server) formSkip(w http.ResponseWriter, r *http.Request, v viewer) error {
	now := s.now()
	planned, ok := s.cfg.Live.Snapshot().Plan.Of(r.PathValue("id"))
	return s.editPlan(w, r, v, "skipped a run of", "skipped", func(sched *hub.Schedule) error {
		switch {
		case sched.Skip.After(now):
			sched.Skip = time.Time{}
		case ok && planned.Deadline.After(now):
			sched.Skip = planned.Deadline.UTC()
		default:
			return hub.Errorf(hub.Conflict, "nothing is planned")
		}
		return nil
	})
}

// formPause holds a plan back until a day begins, or lets it go on.
func (s *Server) formPause(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := r.ParseForm(); err != nil {
		return formProblem(err)
	}
	var until time.Time
	if text := r.PostForm.Get("until"); text != "" && r.PostForm.Get("resume") == "" {
		day, err := s.date("until", text)
		if err != nil {
			return err
		}
		if until = startOfDay(day).UTC(); !until.After(s.now()) {
			return hub.FieldErrorf("until", "must be a day that is still to come")
		}
	}
	return s.editPlan(w, r, v, "paused the plan of", map[bool]string{true: "resumed", false: "paused"}[until.IsZero()], func(sched *hub.Schedule) error {
		sched.PausedUntil = until
		return nil
	})
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
	return s.act(w, r, v, "set "+string(mode), "mode", func(d *hub.Device) error { return setMode(d, mode, until, now) })
}
