package webui

import (
	"context"
	"math"
	"time"

	"homehub/hub"
)

// energies is what flowed in each row of a span and in all, in Wh; NaN is
// unknown.
type energies struct {
	imports, exports, solar, used []float64
	all                           [4]float64 // in the same order
}

// energy adds up a span. The meter's registers tell what crossed it, to the
// Wh; the sun has no register here, so its power is summed.
func (s *Server) energy(ctx context.Context, sp span) energies {
	if len(sp.rows) == 0 {
		return energies{}
	}
	e := energies{
		imports: s.rows(ctx, sp, hub.FeedImportT1, hub.FeedImportT2),
		exports: s.rows(ctx, sp, hub.FeedExportT1, hub.FeedExportT2),
		solar:   s.powerRows(ctx, sp, hub.FeedSolar),
	}
	e.used = make([]float64, len(sp.rows))
	for i := range sp.rows {
		e.used[i] = math.NaN()
		if !math.IsNaN(e.imports[i]) {
			e.used[i] = math.Max(0, e.imports[i]-zeroed(e.exports[i])+zeroed(e.solar[i]))
		}
	}
	for i, list := range [...][]float64{e.imports, e.exports, e.solar, e.used} {
		e.all[i] = total(list)
	}
	return e
}

func zeroed(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

func total(list []float64) float64 {
	sum, some := 0.0, false
	for _, v := range list {
		if !math.IsNaN(v) {
			sum, some = sum+v, true
		}
	}
	if !some {
		return math.NaN()
	}
	return sum
}

// ask is the question for the points that rows are added up from: hours for
// hours, days for days. A chosen span can begin within a month, so its months
// are added up from days.
func (sp span) ask(a Aggregate) Query {
	q := Query{Start: sp.start, End: sp.end, Aggregate: a, Calendar: sp.row}
	if sp.row == CalendarNone {
		q.Step = time.Hour
	} else if sp.view == viewAny {
		q.Calendar = CalendarDay
	}
	return q
}

// rows sums counters row by row.
func (s *Server) rows(ctx context.Context, sp span, feeds ...string) []float64 {
	out := nans(len(sp.rows))
	for _, feed := range feeds {
		for _, p := range s.tryPoints(ctx, feed, sp.ask(AggregateDelta)) {
			if i := sp.find(p.At); p.OK && i >= 0 {
				out[i] = zeroed(out[i]) + p.Value
			}
		}
	}
	return out
}

// powerRows is the energy of a feed of power by row: mean power times the
// time that has passed.
func (s *Server) powerRows(ctx context.Context, sp span, feed string) []float64 {
	out := nans(len(sp.rows))
	now := s.now()
	q := sp.ask(AggregateMean)
	for _, p := range s.tryPoints(ctx, feed, q) {
		i := sp.find(p.At)
		if !p.OK || i < 0 {
			continue
		}
		end := rowAfter(q.Calendar, p.At)
		if end.After(now) {
			end = now
		}
		out[i] = zeroed(out[i]) + p.Value*max(0, end.Sub(p.At).Hours())
	}
	return out
}

func nans(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// own is the part of the sun's energy that stayed in the house, in Wh.
func (e energies) own() float64 { return e.all[2] - zeroed(e.all[1]) }

// sums are the totals of a span in words. Own use is the part of the sun's
// energy that stayed; self-supply is the part of the house's that came from it.
func (l locale) sums(e energies) []pair {
	var list []pair
	for i, key := range sumKeys {
		if v := e.all[i]; !math.IsNaN(v) {
			list = append(list, pair{l.T(key), l.kwh(v/1000) + " kWh"})
		}
	}
	if sun := e.all[2]; sun > 0 && !math.IsNaN(e.all[3]) {
		list = append(list, pair{l.T("sum.own"), l.percent(e.own(), sun)}, pair{l.T("sum.self"), l.percent(e.own(), e.all[3])})
	}
	return list
}

var sumKeys = [...]string{"sum.import", "sum.export", "sum.solar", "sum.used"}

// compared is one total of two spans.
type compared struct{ Name, Now, Then, Change string }

func (l locale) compare(now, then energies) []compared {
	var list []compared
	text := func(v float64) string {
		if math.IsNaN(v) {
			return l.T("unknown")
		}
		return l.kwh(v / 1000)
	}
	for i, key := range sumKeys {
		a, b := now.all[i], then.all[i]
		if !math.IsNaN(a) || !math.IsNaN(b) {
			list = append(list, compared{l.T(key), text(a), text(b), l.change(a, b)})
		}
	}
	return list
}
