package notify

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"homehub/hub"
)

// Watcher makes notices of what changes between two looks at the house. What
// is wrong at the first look is news too: the hub may have been restarted
// because of it.
type Watcher struct {
	troubles map[key]hub.Notice
	runs     map[string]time.Time // device that ran for its plan -> deadline of that plan
}

type key struct {
	kind  hub.NoticeKind
	about string
}

// storageParts are the parts that keep things for good.
var storageParts = []string{"storage", "settings"}

// See compares the house with what it was and returns what is new: troubles
// that began, troubles that are over, and runs that are finished.
func (w *Watcher) See(s hub.Snapshot, parts []hub.Part) []hub.Notice {
	now := map[key]hub.Notice{}
	add := func(n hub.Notice) {
		n.At = s.At
		now[key{n.Kind, n.About}] = n
	}
	for _, p := range parts {
		switch {
		case p.Condition == hub.OK:
		case slices.Contains(storageParts, p.Name):
			add(hub.Notice{Kind: hub.NoticeStorage, About: p.Name, Detail: p.Reason})
		case p.Name == "meter" && p.Condition == hub.Down && !s.Stale:
			add(hub.Notice{Kind: hub.NoticeMeter, Detail: p.Reason})
		}
	}
	if s.Stale {
		add(hub.Notice{Kind: hub.NoticeMeter})
	}
	if g := s.Guarding; g != nil && g.Kind != hub.GuardSilent { // the meter's silence is told already
		add(hub.Notice{Kind: hub.NoticeGuard, About: string(g.Kind), Detail: g.Cause})
	}
	for _, d := range s.Devices {
		if d.Mismatch || d.Has != 0 && !d.Online && d.Driven() {
			add(hub.Notice{Kind: hub.NoticeDevice, About: d.Name})
		}
	}
	news := append(w.changes(now, s), w.finished(s)...)
	w.troubles = now
	return news
}

// changes are the troubles that came and went, in a fixed order.
func (w *Watcher) changes(now map[key]hub.Notice, s hub.Snapshot) (news []hub.Notice) {
	for _, k := range sortedKeys(now) {
		if _, was := w.troubles[k]; !was {
			news = append(news, now[k])
		}
	}
	for _, k := range sortedKeys(w.troubles) {
		if _, is := now[k]; !is {
			news = append(news, hub.Notice{Kind: k.kind, About: k.about, At: s.At, Over: true})
		}
	}
	return news
}

func sortedKeys(m map[key]hub.Notice) []key {
	return slices.SortedFunc(maps.Keys(m), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.about, b.about))
	})
}

// finished are the devices whose planned runs are over: those that ran for
// their plan and have no run left before the deadline of then. A pause between
// two runs is no end, and what somebody switched by hand is no news to them.
func (w *Watcher) finished(s hub.Snapshot) (news []hub.Notice) {
	runs := map[string]time.Time{}
	for _, d := range s.Devices {
		deadline, ran := w.runs[d.ID]
		if d.ModeAt(s.At) != hub.ModeAuto || !d.Switched() {
			continue
		}
		planned, has := planOf(s.Plan, d.ID)
		switch {
		case d.Commanded.On && has && d.On:
			runs[d.ID] = planned.Deadline
		case ran && (d.Commanded.On || runLeft(planned, s.At, deadline)):
			runs[d.ID] = deadline
		case ran:
			news = append(news, hub.Notice{Kind: hub.NoticeRun, About: d.Name, At: s.At})
		}
	}
	w.runs = runs
	return news
}

func planOf(p *hub.Plan, id string) (hub.Planned, bool) {
	if p != nil {
		for _, d := range p.Devices {
			if d.Device == id {
				return d, true
			}
		}
	}
	return hub.Planned{}, false
}

// runLeft says whether a device runs again before deadline; without one,
// whether it runs again at all.
func runLeft(p hub.Planned, now, deadline time.Time) bool {
	return slices.ContainsFunc(p.Runs, func(r hub.Run) bool {
		return r.End.After(now) && (deadline.IsZero() || r.Start.Before(deadline))
	})
}
