package webui

import (
	"cmp"
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
	Whens    []choice
	ReadyBy  string
	Amount   string
	Units    []choice
	MayPause bool
	Days     []choice
	Warm     *warmForm // nil: there is nothing that measures a temperature
}

// modeTimes are how long on and off may last, in minutes; 0 is until changed.
var modeTimes = [...]int{0, 30, 60, 120, 240, 480}

// form is the editor filled with the schedule there is, or with what most
// people want of such a device.
func (l locale) form(d hub.DeviceState) scheduleForm {
	s := hub.Schedule{ReadyBy: 7 * 60, Minutes: 120}
	switch {
	case d.Schedule != nil:
		s = *d.Schedule
	case d.Role == hub.RoleCharger && d.Battery != nil:
		s = hub.Schedule{ReadyBy: 7 * 60, SoC: 100, MayPause: true, Days: hub.Workdays}
	case d.Role == hub.RoleCharger:
		s = hub.Schedule{ReadyBy: 7 * 60, Energy: 20_000, MayPause: true, Days: hub.Workdays}
	}
	f := scheduleForm{locale: l, ID: d.ID, ReadyBy: s.ReadyBy.String(), MayPause: s.MayPause, Days: l.dayChoices(s.Days)}
	f.Whens = l.whens(string(s.When))
	if s.Keeps() {
		f.ReadyBy = hub.LocalTime(7 * 60).String() // for the day that it is not kept any more
	}
	unit := unitKWh
	switch {
	case s.Minutes > 0:
		unit, f.Amount = unitHours, trimNumber(l.number(float64(s.Minutes)/60, 2), l.T("sign.decimal"))
	case s.SoC > 0:
		unit, f.Amount = unitPercent, strconv.Itoa(s.SoC)
	case s.Energy > 0:
		f.Amount = trimNumber(l.number(float64(s.Energy)/1000, 3), l.T("sign.decimal"))
	}
	f.Units = l.units(unit, d.Battery != nil || s.SoC > 0)
	return f
}

// The units that an amount may have in the editor.
const (
	unitHours   = "h"
	unitKWh     = "kwh"
	unitPercent = "soc" // of the battery
)

func (l locale) units(chosen string, percent bool) []choice {
	list := []choice{{unitHours, l.T("hours"), chosen == unitHours}, {unitKWh, "kWh", chosen == unitKWh}}
	if percent {
		list = append(list, choice{unitPercent, l.T("unit.soc"), chosen == unitPercent})
	}
	return list
}

func (l locale) whens(chosen string) []choice {
	var list []choice
	for _, w := range [...]hub.When{hub.WhenCheapest, hub.WhenSurplus, hub.WhenNow} {
		list = append(list, choice{string(w), l.T("begin." + string(w)), string(w) == chosen})
	}
	return list
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
	s := &hub.Schedule{When: hub.When(form.Get("when")), MayPause: form.Get("may_pause") != "", SetAt: now.UTC()}
	if s.When == whenKeep {
		s.When, s.MayPause = hub.WhenCheapest, false
		if err := cmp.Or(readDays(s, form), readKeep(s, form)); err != nil {
			return nil, err
		}
		return s, s.Validate()
	}
	if err := s.ReadyBy.UnmarshalText([]byte(form.Get("ready_by"))); err != nil {
		return nil, err
	}
	if err := readAmount(s, form); err != nil {
		return nil, err
	}
	if s.When == hub.WhenNow {
		return s, s.Validate() // once, whatever days are ticked
	}
	if err := readDays(s, form); err != nil {
		return nil, err
	}
	return s, s.Validate()
}

func readDays(s *hub.Schedule, form url.Values) error {
	for _, name := range form["day"] {
		d, err := hub.ParseWeekday(name)
		if err != nil {
			return err
		}
		s.Days |= 1 << d
	}
	return nil
}

// readAmount reads how much. A run on surplus may leave it open.
func readAmount(s *hub.Schedule, form url.Values) error {
	text := strings.TrimSpace(form.Get("amount"))
	if text == "" && s.When == hub.WhenSurplus {
		return nil
	}
	amount, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	if err != nil || !(amount > 0 && amount < 1e6) {
		return hub.FieldErrorf("amount", "%q is not a number above 0", text)
	}
	switch form.Get("unit") {
	case unitHours:
		s.Minutes = int(amount*60 + 0.5)
	case unitKWh:
		s.Energy = hub.WattHour(amount*1000 + 0.5)
	case unitPercent:
		s.SoC = int(amount + 0.5)
	default:
		return hub.FieldErrorf("unit", "%q is not one of h, kwh, soc", form.Get("unit"))
	}
	return nil
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
		c.Form = scheduleForm{
			p.locale, id, true, p.whens(form.Get("when")), form.Get("ready_by"), form.Get("amount"),
			p.units(form.Get("unit"), len(c.Form.Units) > 2), form.Get("may_pause") != "", p.dayChoices(days), c.Form.Warm.refilled(form),
		}
		c.Form.offerKeep(form.Get("when") == whenKeep)
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
		err = s.act(w, r, v, "device.scheduled", "saved", func(d *hub.Device) error {
			if d.Schedule != nil && d.Schedule.PausedUntil.After(s.now()) {
				sched.PausedUntil = d.Schedule.PausedUntil // on holiday still
			}
			d.Schedule = sched
			return s.readHeater(d, r.PostForm)
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
	return s.act(w, r, v, "device.unscheduled", "removed", func(d *hub.Device) error {
		d.Schedule = nil
		return nil
	})
}

// formRepeat makes the last plan of a device again.
func (s *Server) formRepeat(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.act(w, r, v, "device.repeated", "saved", func(d *hub.Device) error {
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
	return s.editPlan(w, r, v, "device.skipped", "skipped", func(sched *hub.Schedule) error {
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
	return s.editPlan(w, r, v, "device.paused", map[bool]string{true: "resumed", false: "paused"}[until.IsZero()], func(sched *hub.Schedule) error {
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
	return s.act(w, r, v, "mode."+string(mode), "mode", func(d *hub.Device) error { return setMode(d, mode, until, now) })
}
