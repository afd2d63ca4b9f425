package webui

import (
	"context"
	"encoding/json"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"time"

	"homehub/hub"
)

// chartStep is the step of a day's curve: 288 points are what a phone shows.
const chartStep = 5 * time.Minute

// span is a day, week, month or year of the house's calendar, and the starts
// of the rows it is told in.
type span struct {
	start, end time.Time
	rows       []time.Time
}

// spanOf is the span of a view that holds the local date of day.
func spanOf(view Calendar, day time.Time) span {
	zone := day.Location()
	y, m, d := day.Date()
	date := func(y int, m time.Month, d int) time.Time {
		return startOfDay(time.Date(y, m, d, 12, 0, 0, 0, zone))
	}
	sp := span{}
	switch view {
	case CalendarWeek:
		d -= (int(day.Weekday()) + 6) % 7 // back to Monday
		sp.start, sp.end = date(y, m, d), date(y, m, d+7)
	case CalendarMonth:
		sp.start, sp.end = date(y, m, 1), date(y, m+1, 1)
	case CalendarYear:
		sp.start, sp.end = date(y, 1, 1), date(y+1, 1, 1)
	default:
		sp.start, sp.end = date(y, m, d), date(y, m, d+1)
	}
	for at := sp.start; at.Before(sp.end); {
		sp.rows = append(sp.rows, at)
		ry, rm, rd := at.Date()
		switch view {
		case CalendarWeek, CalendarMonth:
			at = date(ry, rm, rd+1)
		case CalendarYear:
			at = date(ry, rm+1, 1)
		default:
			at = at.Add(time.Hour)
		}
	}
	return sp
}

// row is the end of the row that begins at rows[i].
func (sp span) rowEnd(i int) time.Time {
	if i+1 < len(sp.rows) {
		return sp.rows[i+1]
	}
	return sp.end
}

// find is the row that holds at, or -1.
func (sp span) find(at time.Time) int {
	for i := len(sp.rows) - 1; i >= 0; i-- {
		if !at.Before(sp.rows[i]) {
			if at.Before(sp.rowEnd(i)) {
				return i
			}
			return -1
		}
	}
	return -1
}

// energies is what flowed in each row and in all, in Wh; NaN is unknown.
type energies struct {
	imports, exports, solar, used []float64
	all                           [4]float64 // in the same order
}

// energy adds up a span. The meter's registers tell what crossed it, to the
// Wh; the sun has no register here, so its power is summed.
func (s *Server) energy(ctx context.Context, sp span) energies {
	e := energies{
		imports: s.rows(ctx, sp, hub.FeedImportT1, hub.FeedImportT2),
		exports: s.rows(ctx, sp, hub.FeedExportT1, hub.FeedExportT2),
		solar:   s.sunRows(ctx, sp),
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

// query asks for one value per row: by the hour, or by the calendar.
func (sp span) query(a Aggregate) Query {
	q := Query{Start: sp.start, End: sp.end, Aggregate: a}
	switch length := sp.rowEnd(0).Sub(sp.rows[0]); {
	case length <= time.Hour:
		q.Step = time.Hour
	case length <= 25*time.Hour:
		q.Calendar = CalendarDay
	default:
		q.Calendar = CalendarMonth
	}
	return q
}

// rows sums counters row by row.
func (s *Server) rows(ctx context.Context, sp span, feeds ...string) []float64 {
	out := nans(len(sp.rows))
	for _, feed := range feeds {
		for _, p := range s.tryPoints(ctx, feed, sp.query(AggregateDelta)) {
			if i := sp.find(p.At); p.OK && i >= 0 {
				out[i] = zeroed(out[i]) + p.Value
			}
		}
	}
	return out
}

// sunRows is the sun's energy by row: mean power times the time that has
// passed of the row.
func (s *Server) sunRows(ctx context.Context, sp span) []float64 {
	out := nans(len(sp.rows))
	now := s.now()
	for _, p := range s.tryPoints(ctx, hub.FeedSolar, sp.query(AggregateMean)) {
		i := sp.find(p.At)
		if !p.OK || i < 0 {
			continue
		}
		end := sp.rowEnd(i)
		if end.After(now) {
			end = now
		}
		out[i] = p.Value * max(0, end.Sub(sp.rows[i]).Hours())
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

// sums are the totals of a span in words. Own use is the part of the sun's
// energy that stayed; self-supply is the part of the house's that came from it.
func (l locale) sums(e energies) []pair {
	var list []pair
	for i, key := range [...]string{"sum.import", "sum.export", "sum.solar", "sum.used"} {
		if v := e.all[i]; !math.IsNaN(v) {
			list = append(list, pair{l.T(key), l.kwh(v/1000) + " kWh"})
		}
	}
	if sun := e.all[2]; sun > 0 && !math.IsNaN(e.all[3]) {
		own := sun - zeroed(e.all[1])
		list = append(list, pair{l.T("sum.own"), percent(own, sun)}, pair{l.T("sum.self"), percent(own, e.all[3])})
	}
	return list
}

// historyPage is a span as chart and table.
type historyPage struct {
	view
	View      Calendar
	Views     []choice
	Date      string // in the span, yyyy-mm-dd
	Prev      string
	Next      string // "" where the span is the present one
	Today     string
	Span      string // its name
	Sums      []pair
	Columns   []string
	Rows      []historyRow
	Legend    []choice // Value is the class of the colour
	ChartUnit string
	ChartText string
	ChartData template.JS
}

type historyRow struct {
	Label string
	Cells []string
}

const dateForm = "2006-01-02"

// asked is the view and the day that a request is about.
func (s *Server) asked(r *http.Request) (Calendar, time.Time, error) {
	q := r.URL.Query()
	now := s.now()
	c := Calendar(q.Get("view"))
	switch c {
	case "":
		c = CalendarDay
	case CalendarDay, CalendarWeek, CalendarMonth, CalendarYear:
	default:
		return c, now, hub.FieldErrorf("view", "%q is not one of day, week, month, year", c)
	}
	text := q.Get("date")
	if text == "" {
		return c, now, nil
	}
	day, err := time.Parse(dateForm, text)
	if err != nil || day.Year() < 1970 || day.Year() > 2200 {
		return c, now, hub.FieldErrorf("date", "%q is not a date like 2026-01-31", text)
	}
	y, m, d := day.Date()
	return c, time.Date(y, m, d, 12, 0, 0, 0, s.cfg.Zone), nil
}

func (s *Server) pageHistory(w http.ResponseWriter, r *http.Request, v viewer) error {
	c, day, err := s.asked(r)
	if err != nil {
		return err
	}
	now := s.now()
	sp := spanOf(c, day)
	e := s.energy(r.Context(), sp)
	p := historyPage{
		view: s.view(r, v, "history", "history"), View: c, Date: day.Format(dateForm), Today: now.Format(dateForm),
		Prev: spanOf(c, sp.start.Add(-12*time.Hour)).start.Format(dateForm),
	}
	if sp.end.Before(now) {
		p.Next = sp.end.Format(dateForm)
	}
	p.Chart = s.assets.chart
	for _, each := range [...]Calendar{CalendarDay, CalendarWeek, CalendarMonth, CalendarYear} {
		p.Views = append(p.Views, choice{string(each), p.T("view." + string(each)), each == c})
	}
	p.Span, p.Sums = p.spanName(c, sp), p.sums(e)
	p.Columns, p.Rows = p.table(c, sp, e)
	p.ChartText = p.T("chart.text", p.Span)
	if p.Chart {
		if p.ChartData, err = s.chartData(r.Context(), &p, c, sp, e); err != nil {
			return err
		}
	}
	return s.show(w, r, http.StatusOK, "history.html", p)
}

func (l locale) spanName(c Calendar, sp span) string {
	year := strconv.Itoa(sp.start.Year())
	switch c {
	case CalendarWeek:
		_, week := sp.start.ISOWeek()
		last := sp.end.Add(-12 * time.Hour)
		return l.T("span.week", week, l.day(sp.start), l.day(last), last.Year())
	case CalendarMonth:
		return l.T("monthname."+strconv.Itoa(int(sp.start.Month()))) + " " + year
	case CalendarYear:
		return year
	}
	return l.day(sp.start) + " " + year
}

// label names a row.
func (l locale) label(c Calendar, at time.Time) string {
	switch c {
	case CalendarYear:
		return l.T("monthname." + strconv.Itoa(int(at.Month())))
	case CalendarWeek, CalendarMonth:
		return l.day(at)
	}
	return clock(at)
}

// table tells the rows up to now, without the columns nobody measures.
func (p *historyPage) table(c Calendar, sp span, e energies) ([]string, []historyRow) {
	var columns []string
	var lists [][]float64
	for i, list := range [...][]float64{e.imports, e.exports, e.solar, e.used} {
		if i == 2 && math.IsNaN(e.all[2]) {
			continue
		}
		columns = append(columns, p.T([...]string{"col.import", "col.export", "col.solar", "col.used"}[i]))
		lists = append(lists, list)
	}
	var rows []historyRow
	for i, at := range sp.rows {
		row := historyRow{Label: p.label(c, at)}
		for _, list := range lists {
			text := "–"
			if !math.IsNaN(list[i]) {
				text = p.number(list[i]/1000, 2)
			}
			row.Cells = append(row.Cells, text)
		}
		rows = append(rows, row)
	}
	return columns, rows
}

// chart is what the page's script draws, column by column.
type chart struct {
	Kind   string       `json:"kind"` // line or bars
	Unit   string       `json:"unit"`
	Labels []string     `json:"labels,omitempty"` // of bars
	X      []int64      `json:"x"`                // seconds since 1970
	Series []chartLines `json:"series"`
}

type chartLines struct {
	Name   string  `json:"name"`
	Colour string  `json:"colour"` // name of a CSS custom property
	Values []*int  `json:"values"` // W, or Wh; null is a gap
	Sign   float64 `json:"sign"`   // -1 draws it below the line
}

// chartData is a day as curves of power, and anything longer as bars of
// energy.
func (s *Server) chartData(ctx context.Context, p *historyPage, c Calendar, sp span, e energies) (template.JS, error) {
	out := chart{Kind: "bars", Unit: "kWh", X: []int64{}}
	names := [...]string{p.T("col.import"), p.T("col.export"), p.T("col.solar")}
	colours := [...]string{"--imp", "--exp", "--sun"}
	signs := [...]float64{1, -1, 1}
	if c == CalendarDay {
		out.Kind, out.Unit = "line", "W"
		for at := sp.start; at.Before(sp.end); at = at.Add(chartStep) {
			out.X = append(out.X, at.Unix())
		}
	} else {
		for _, at := range sp.rows {
			out.X = append(out.X, at.Unix())
			out.Labels = append(out.Labels, p.label(c, at))
		}
	}
	for i, list := range [...][]float64{e.imports, e.exports, e.solar} {
		values := make([]*int, len(out.X))
		some := false
		put := func(at int, v float64) {
			if at >= 0 && at < len(values) && !math.IsNaN(v) {
				rounded := int(math.Round(v))
				values[at], some = &rounded, true
			}
		}
		if c == CalendarDay {
			feed := [...]string{hub.FeedImport, hub.FeedExport, hub.FeedSolar}[i]
			q := Query{Start: sp.start, End: sp.end, Step: chartStep, Aggregate: AggregateMean}
			for _, pt := range s.tryPoints(ctx, feed, q) {
				if pt.OK {
					put(int(pt.At.Sub(sp.start)/chartStep), pt.Value)
				}
			}
		} else {
			for row, v := range list {
				put(row, v)
			}
		}
		if some || i == 0 {
			out.Series = append(out.Series, chartLines{names[i], colours[i], values, signs[i]})
			p.Legend = append(p.Legend, choice{Value: [...]string{"imp", "exp", "solar"}[i], Text: names[i]})
		}
	}
	p.ChartUnit = out.Unit
	// json.Marshal escapes <, > and &, so the text can not end its element.
	body, err := json.Marshal(out)
	return template.JS(body), err //nolint:gosec // see above
}

// historyCSV is the table for a spreadsheet.
func (s *Server) historyCSV(w http.ResponseWriter, r *http.Request, _ viewer) error {
	c, day, err := s.asked(r)
	if err != nil {
		return err
	}
	sp := spanOf(c, day)
	e := s.energy(r.Context(), sp)
	rows := [][]string{{"start", "end", "import Wh", "export Wh", "solar Wh", "used Wh"}}
	for i, at := range sp.rows {
		row := []string{at.Format(time.RFC3339), sp.rowEnd(i).Format(time.RFC3339)}
		for _, list := range [...][]float64{e.imports, e.exports, e.solar, e.used} {
			text := ""
			if !math.IsNaN(list[i]) {
				text = strconv.FormatFloat(math.Round(list[i]), 'f', 0, 64)
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	return writeCSV(w, r, "homehub-"+string(c)+"-"+sp.start.Format(dateForm)+".csv", rows)
}
