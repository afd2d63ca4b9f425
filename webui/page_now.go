package webui

import (
	"context"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"homehub/hub"
)

// nextRuns is how many coming runs the first page lists.
const nextRuns = 4

// nowPage is the first page: what the house does now.
type nowPage struct {
	view
	heroView

	Flow    flowView
	Devices []flowDevice
	Quick   []quickPlan

	Next   []nextRun
	Prices template.HTML
	Sums   []pair
	Curve  template.HTML
}

// heroView is the one number.
type heroView struct {
	Dir       string // from, to, even, none: the grid
	StaleText string
	Net       string
	Age       string
	Light     string // cheap, normal, dear or ""
	LightText string
}

type flowDevice struct{ ID, Name, State, Power string }

type nextRun struct{ Name, When, Why string }

func (s *Server) pageNow(w http.ResponseWriter, r *http.Request, v viewer) error {
	if s.firstRun() {
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return nil
	}
	snap := s.cfg.Live.Snapshot()
	now := snap.At.In(s.cfg.Zone)
	p := nowPage{view: s.view(r, v, "now", "now")}
	p.heroView = p.hero(snap, now)
	p.Flow = p.flowView(flowOf(snap))
	p.devices(snap)
	if p.Can.Control && !p.Kiosk {
		p.Quick = s.quick(p.locale, snap, now)
	}
	p.next(snap, now)
	if s.may(v, house) {
		s.today(r.Context(), &p, now)
	}
	return s.show(w, r, http.StatusOK, "now.html", p)
}

func (l locale) hero(snap hub.Snapshot, now time.Time) (p heroView) {
	net := snap.Reading.Net()
	switch {
	case !snap.HasReading:
		p.Dir, p.Net = "none", "–"
		p.StaleText = l.T("now.none", l.near(snap.StaleSince.In(now.Location()), now))
	case snap.Stale:
		p.Dir, p.Net = "none", l.watt(max(net, -net))
		p.StaleText = l.T("now.none", l.near(snap.StaleSince.In(now.Location()), now))
		p.Age = l.ago(snap.Age())
	default:
		p.Dir, p.Net, p.Age = "even", l.watt(max(net, -net)), l.ago(snap.Age())
		if net > 0 {
			p.Dir = "from"
		} else if net < 0 {
			p.Dir = "to"
		}
	}
	if snap.Plan != nil {
		name, price := light(snap.Plan.Slots, now)
		if p.Light = name; name != "" {
			p.LightText = l.T("light."+name, l.price(price))
		}
	}
	return p
}

// devices lists what the picture of the flow does not show by itself.
func (p *nowPage) devices(snap hub.Snapshot) {
	none := p.T("unknown")
	for _, d := range snap.Devices {
		if d.Role == hub.RoleSolar || d.Role == hub.RoleBattery {
			continue
		}
		f := flowDevice{ID: d.ID, Name: d.Name, State: p.onOff(d), Power: none}
		if d.Has&hub.ReportPower != 0 && d.Online {
			f.Power = p.watt(d.Watts) + " W"
		}
		p.Devices = append(p.Devices, f)
	}
}

// onOff says what a device does, in a word.
func (l locale) onOff(d hub.DeviceState) string {
	switch {
	case !d.Online:
		return l.T("offline")
	case d.Has&hub.ReportOn == 0:
		return ""
	case d.On:
		return l.T("on")
	}
	return l.T("off")
}

func (p *nowPage) next(snap hub.Snapshot, now time.Time) {
	if snap.Plan == nil {
		return
	}
	names := map[string]string{}
	for _, d := range snap.Devices {
		names[d.ID] = d.Name
	}
	var runs []hub.Run
	for _, d := range snap.Plan.Devices {
		for _, run := range d.Stretches() {
			if run.End.After(now) && names[run.Device] != "" {
				runs = append(runs, run)
			}
		}
	}
	slices.SortStableFunc(runs, func(a, b hub.Run) int { return a.Start.Compare(b.Start) })
	p.Prices = p.strip(snap.Plan.Slots, runs, now)
	told := map[string]bool{} // a device's reason is one, however many runs it has
	for _, run := range runs[:min(len(runs), nextRuns)] {
		n := nextRun{Name: names[run.Device], When: p.runText(run, now)}
		if d, ok := snap.Plan.Of(run.Device); ok && !told[run.Device] {
			told[run.Device] = true
			n.Why = strings.TrimSpace(p.why(d, now) + " " + p.instead(d.Why, now))
		}
		p.Next = append(p.Next, n)
	}
}

// runText is a run in words: 01:15–04:15.
func (l locale) runText(run hub.Run, now time.Time) string {
	start, end := run.Start.In(now.Location()), run.End.In(now.Location())
	return l.near(start, now) + "–" + clock(end)
}

// today fills in the day so far.
func (s *Server) today(ctx context.Context, p *nowPage, now time.Time) {
	from := startOfDay(now)
	to := addDays(from, 1)
	day := s.energy(ctx, newSpan(CalendarDay, CalendarDay, from, to))
	p.Sums = p.sums(day)
	q := Query{Start: from, End: now, Step: to.Sub(from) / curveSteps, Aggregate: AggregateMean}
	q.Step = q.Step.Truncate(time.Minute)
	p.Curve = p.curve(from, to, s.tryPoints(ctx, hub.FeedImport, q), s.tryPoints(ctx, hub.FeedExport, q), s.tryPoints(ctx, hub.FeedSolar, q))
}

func startOfDay(t time.Time) time.Time { return hub.LocalTime(0).On(t) }

// tryPoints are the points of a feed, or none: a page shows what there is.
// Why there is nothing is on the status page.
func (s *Server) tryPoints(ctx context.Context, feed string, q Query) []Point {
	list, err := s.cfg.Feeds.Points(ctx, feed, q)
	if err != nil && hub.CodeOf(err) != hub.NotFound && ctx.Err() == nil {
		s.cfg.Logger.Warn("reading a feed for a page", "feed", feed, "err", err)
	}
	return list
}
