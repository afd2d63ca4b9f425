package webui

import (
	"html/template"
	"net/http"
	"strconv"
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
	Warmth     string // how warm what it heats is
	Warn       string
	Modes      []choice
	ModeText   string
	Wish       string // the schedule in words, "" without one
	Repeat     string // the last plan in words, where there is one to repeat
	CanSkip    bool
	SkipText   string
	Paused     bool
	FirstDay   string // that a pause can end on, yyyy-mm-dd
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

func (s *Server) pagePlan(w http.ResponseWriter, r *http.Request, v viewer) error {
	p := s.planPage(r, v)
	if q := r.URL.Query(); q.Get("edit") != "" {
		p.preview(s, r)
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
			c := p.card(d, snap.Plan, now)
			c.Warmth, c.Form.Warm = p.warmth(d, snap.Devices, now), p.warmForm(d, snap.Devices)
			c.Form.offerKeep(d.Schedule.Keeps() || d.Schedule == nil && c.Warmth != "")
			if last := s.lastPlan(d.Device); last != nil && (d.Schedule == nil || over(d.Schedule, now)) {
				c.Repeat, c.Wish = p.wish(last, now), ""
			}
			p.Cards = append(p.Cards, c)
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
		c.Paused, c.FirstDay = d.Schedule.PausedUntil.After(now), now.AddDate(0, 0, 1).Format(dateForm)
		c.SkipText = p.T("skip.run")
		if !d.Schedule.Skip.IsZero() && d.Schedule.Skip.After(now) {
			c.SkipText = p.T("skip.undo")
		}
	}
	if planned, ok := plan.Of(d.ID); ok {
		c.Planned = p.planned(planned, plan, now)
		c.CanSkip = d.Schedule != nil && d.Schedule.Days != 0 && !d.Schedule.Keeps()
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
	switch {
	case s.Minutes > 0:
		amount = l.length(s.Minutes)
	case s.SoC > 0:
		amount = l.T("percent", s.SoC)
	case s.Open():
		amount = l.T("wish.open")
	}
	var text string
	switch {
	case s.Keeps():
		text = l.keeps(s)
	case s.When == hub.WhenNow:
		text = l.T("wish.now", amount)
	case s.When == hub.WhenSurplus:
		text = l.T("wish.surplus", amount, s.ReadyBy, l.days(s.Days))
	default:
		text = l.T("wish", amount, s.ReadyBy, l.days(s.Days))
	}
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
	v := &plannedView{Reason: l.why(d, now)}
	for _, run := range d.Stretches() {
		if run.End.After(now) {
			v.Runs = append(v.Runs, l.runText(run, now))
		}
	}
	if plan != nil {
		v.Strip = l.strip(plan.Slots, d.Runs, now)
	}
	// A run that goes on in any case is part of what the house uses: the plan
	// has no cost of its own for it.
	if len(d.Runs) > 0 && d.Why.Kind != hub.WhyRunning {
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

// preview shows what the plan would be with what is in the editor.
func (p *planPage) preview(s *Server, r *http.Request) {
	form := r.URL.Query()
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
			err = s.readHeater(&d.Device, form)
		}
		if err == nil {
			planned, err = s.cfg.Preview(d.Device, *sched)
		}
	}
	if err != nil {
		_, text := s.explain(r, err)
		c.PreviewProblem = p.problem(text)
		return
	}
	c.Preview = p.planned(planned, s.cfg.Live.Snapshot().Plan, now)
}
