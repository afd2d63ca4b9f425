package webui

import (
	"context"
	"encoding/json"
	"html/template"
	"math"
	"time"

	"homehub/hub"
)

// chartStep is the step of a day's curve: 288 points are what a phone shows.
const chartStep = 5 * time.Minute

// chart is what the page's script draws, column by column.
type chart struct {
	Kind   string       `json:"kind"` // line or bars
	Unit   string       `json:"unit"`
	Labels []string     `json:"labels,omitempty"` // of bars
	Start  int64        `json:"start,omitempty"`  // of a line, in seconds since 1970
	Step   int          `json:"step,omitempty"`   // and between two points
	N      int          `json:"n"`                // points of each series
	Series []chartLines `json:"series"`
}

type chartLines struct {
	Name   string `json:"name"`
	Colour string `json:"colour"`         // name of a CSS custom property
	Values []*int `json:"values"`         // W, or Wh; null is a gap
	Sign   int    `json:"sign"`           // -1 draws it below the line
	Then   bool   `json:"then,omitempty"` // it is of the span compared with
}

// chartSeries is one series before it is drawn.
type chartSeries struct {
	key, feed, colour, class string
	sign                     int
	wh                       func(energies) []float64
}

var chartSeriesList = [...]chartSeries{
	{"col.import", hub.FeedImport, "--imp", "imp", 1, func(e energies) []float64 { return e.imports }},
	{"col.export", hub.FeedExport, "--exp", "exp", -1, func(e energies) []float64 { return e.exports }},
	{"col.solar", hub.FeedSolar, "--sun", "solar", 1, func(e energies) []float64 { return e.solar }},
}

// chartData is a day as curves of power, and anything longer as bars of
// energy. What it is compared with is a dashed line.
func (s *Server) chartData(ctx context.Context, p *historyPage, sp span, e energies, other *span, then *energies) (template.JS, error) {
	out := chart{Kind: "bars", Unit: "kWh", N: len(sp.rows)}
	line := sp.view == CalendarDay
	if line {
		out.Kind, out.Unit, out.Start, out.Step = "line", "W", sp.start.Unix(), int(chartStep/time.Second)
		out.N = int(sp.end.Sub(sp.start) / chartStep)
	} else {
		for _, at := range sp.rows {
			out.Labels = append(out.Labels, p.label(sp, at))
		}
	}
	add := func(c chartSeries, sp span, e energies, thenIs bool) {
		list := c.wh(e)
		if line {
			list = s.curveOf(ctx, sp, c.feed, out.N)
		}
		values, some := whole(list, out.N)
		if !some && (thenIs || c.sign < 0 || c.colour == "--sun") {
			return
		}
		row := chartLines{p.T(c.key), c.colour, values, c.sign, thenIs}
		class := c.class
		if thenIs {
			row.Name, row.Colour, class = p.T("col.then"), "--soft", "then"
		}
		out.Series = append(out.Series, row)
		p.Legend = append(p.Legend, choice{Value: class, Text: row.Name})
	}
	for _, c := range chartSeriesList {
		add(c, sp, e, false)
	}
	if other != nil {
		add(chartSeries{"col.then", hub.FeedHouse, "--soft", "then", 1, func(e energies) []float64 { return e.used }}, *other, *then, true)
	}
	p.ChartUnit = out.Unit
	// json.Marshal escapes <, > and &, so the text can not end its element.
	body, err := json.Marshal(out)
	return template.JS(body), err //nolint:gosec // see above
}

// curveOf is a day's power in steps of chartStep.
func (s *Server) curveOf(ctx context.Context, sp span, feed string, n int) []float64 {
	out := nans(n)
	q := Query{Start: sp.start, End: sp.end, Step: chartStep, Aggregate: AggregateMean}
	for _, pt := range s.tryPoints(ctx, feed, q) {
		if at := int(pt.At.Sub(sp.start) / chartStep); pt.OK && at >= 0 && at < n {
			out[at] = pt.Value
		}
	}
	return out
}

// whole rounds a list to whole numbers, n of them, and says whether there is
// any.
func whole(list []float64, n int) (values []*int, some bool) {
	values = make([]*int, n)
	for i, v := range list[:min(n, len(list))] {
		if !math.IsNaN(v) {
			rounded := int(math.Round(v))
			values[i], some = &rounded, true
		}
	}
	return values, some
}
