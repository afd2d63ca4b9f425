package webui_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// fakeFeeds is a year of a sunny house, made up from the time of day, so that
// every sum can be checked: it draws a constant 400 W by night and gives
// 1,200 W from 10:00 to 16:00 local time, when the sun makes 2,000 W.
type fakeFeeds struct {
	house *house
	mu    sync.Mutex
	err   error
	calls []string
	noise *rand.Rand           // added to every power, nil for none
	since map[string]time.Time // feeds that have nothing from before
}

func (f *fakeFeeds) Feeds() []webui.Feed {
	last := f.house.now.Truncate(10 * time.Second)
	first := last.AddDate(-1, 0, 0)
	list := []webui.Feed{}
	for _, name := range []string{hub.FeedImport, hub.FeedExport, hub.FeedSolar, hub.FeedHouse} {
		list = append(list, webui.Feed{Name: name, Title: "Title of " + name, Unit: "W", Interval: 10 * time.Second, First: first, Last: last, Value: 432})
	}
	for _, name := range []string{hub.FeedImportT1, hub.FeedImportT2, hub.FeedExportT1, hub.FeedExportT2} {
		list = append(list, webui.Feed{Name: name, Title: "Title of " + name, Unit: "Wh", Counter: true, Interval: 10 * time.Second, First: first, Last: last, Value: 4_242_123})
	}
	return append(list, webui.Feed{Name: "empty", Title: "", Unit: "W", Interval: 10 * time.Second})
}

func (f *fakeFeeds) Durable() time.Time { return f.house.now.Add(-20 * time.Second) }

func (f *fakeFeeds) Points(_ context.Context, feed string, q webui.Query) ([]webui.Point, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	f.calls = append(f.calls, feed)
	var out []webui.Point
	for at := q.Start; at.Before(q.End); {
		next := at.Add(q.Step)
		y, m, d := at.Date()
		switch q.Calendar {
		case webui.CalendarDay:
			next = time.Date(y, m, d+1, 0, 0, 0, 0, at.Location())
		case webui.CalendarMonth:
			next = time.Date(y, m+1, 1, 0, 0, 0, 0, at.Location())
		case webui.CalendarWeek:
			next = time.Date(y, m, d+7, 0, 0, 0, 0, at.Location())
		case webui.CalendarYear:
			next = time.Date(y+1, 1, 1, 0, 0, 0, 0, at.Location())
		}
		if next.Equal(at) {
			next = at.Add(10 * time.Second)
		}
		p := webui.Point{At: at, OK: at.Before(f.house.now) && next.After(f.since[feed])}
		if p.OK {
			until := next
			if until.After(f.house.now) {
				until = f.house.now
			}
			p.Value = f.value(feed, at, until, q.Aggregate)
			if f.noise != nil && q.Aggregate == webui.AggregateMean {
				p.Value += float64(f.noise.IntN(3000))
			}
		}
		out = append(out, p)
		at = next
	}
	return out, nil
}

func (f *fakeFeeds) value(feed string, from, to time.Time, a webui.Aggregate) float64 {
	sunny := func(at time.Time) bool { return at.Hour() >= 10 && at.Hour() < 16 }
	at := func(watts func(time.Time) float64) float64 {
		if a != webui.AggregateDelta && a != webui.AggregateMean || to.Sub(from) <= time.Hour {
			return watts(from)
		}
		sum, n := 0.0, 0.0
		for h := from; h.Before(to); h = h.Add(time.Hour) {
			sum, n = sum+watts(h), n+1
		}
		return sum / n
	}
	hours := 1.0
	if a == webui.AggregateDelta {
		hours = to.Sub(from).Hours()
	}
	either := func(yes, no float64) func(time.Time) float64 {
		return func(t time.Time) float64 {
			if sunny(t) {
				return yes
			}
			return no
		}
	}
	switch feed {
	case hub.FeedImport, hub.FeedImportT1:
		return at(either(0, 400)) * hours
	case hub.FeedExport, hub.FeedExportT2:
		return at(either(1200, 0)) * hours
	case hub.FeedSolar:
		return at(either(2000, 0))
	case hub.DevicePowerFeed("washer"):
		return 250
	case hub.DeviceEnergyFeed("washer"):
		return 250 * hours
	}
	return 0
}
