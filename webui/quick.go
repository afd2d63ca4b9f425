package webui

import (
	"cmp"
	"slices"
	"time"

	"homehub/hub"
)

// quickPlans is how many devices the first page offers to plan.
const quickPlans = 2

// quickPlan is the shortest way to a plan: its form is filled with what most
// people want, so two taps are enough; repeating the last plan is one.
type quickPlan struct {
	ID, Title    string
	Repeat, Wish string // "" where there is no plan to repeat
	Form         scheduleForm
}

// quick offers a plan for what has none: chargers before plugs.
func (s *Server) quick(l locale, snap hub.Snapshot, now time.Time) []quickPlan {
	var free []hub.DeviceState
	for _, d := range snap.Devices {
		if d.Switched() && d.ModeAt(now) == hub.ModeAuto && (d.Schedule == nil || over(d.Schedule, now)) {
			free = append(free, d)
		}
	}
	slices.SortStableFunc(free, func(a, b hub.DeviceState) int { return cmp.Compare(rank(a), rank(b)) })
	var list []quickPlan
	for _, d := range free[:min(len(free), quickPlans)] {
		q := quickPlan{ID: d.ID, Title: l.T("quick.run", d.Name), Form: l.form(d)}
		if d.Role == hub.RoleCharger {
			q.Title = l.T("quick.charge", d.Name)
		}
		if last := s.lastPlan(d.Device); last != nil {
			q.Repeat, q.Wish = l.T("repeat.last", d.Name), l.wish(last, now)
		}
		list = append(list, q)
	}
	return list
}

func rank(d hub.DeviceState) int {
	if d.Role == hub.RoleCharger {
		return 0
	}
	return 1
}

// over says whether a schedule for one time has had its time.
func over(s *hub.Schedule, now time.Time) bool {
	if s.Days != 0 || s.Keeps() {
		return false
	}
	if s.When == hub.WhenNow {
		return !s.NowEnds().After(now)
	}
	set := s.SetAt.In(now.Location())
	due := s.ReadyBy.On(set)
	if !due.After(set) {
		due = s.ReadyBy.On(set.AddDate(0, 0, 1))
	}
	return !due.After(now)
}
