package webui

import (
	"html/template"
	"math"
	"net/http"
	"strconv"
	"time"
)

// What a span can be compared with, beside the one of a date.
const (
	withPrev = "prev" // the one before
	withYear = "year" // the same a year ago
	withDate = "date" // the one of a date of its own
)

// historyPage is a span as chart and table.
type historyPage struct {
	view
	Views     []spanLink
	View      Calendar
	Date      string // in the span, yyyy-mm-dd
	From, To  string // first and last day
	Today     string
	Prev      template.URL
	Next      template.URL // "" where the span is the present one
	Now       template.URL
	CSV       template.URL
	Span      string // its name
	Sums      []pair
	With      []choice
	WithDate  string
	Other     string // name of the span compared with, "" without one
	Compared  []compared
	Ranking   []ranked
	HasCost   bool
	Columns   []string
	Rows      []historyRow
	Legend    []choice // Value is the class of the colour
	ChartUnit string
	ChartText string
	ChartData template.JS
}

type spanLink struct {
	Query template.URL
	Text  string
	On    bool
}

type historyRow struct {
	Label string
	Cells []string
}

func (s *Server) pageHistory(w http.ResponseWriter, r *http.Request, v viewer) error {
	sp, day, err := s.asked(r)
	if err != nil {
		return err
	}
	other, with, err := s.askedOther(r, sp)
	if err != nil {
		return err
	}
	e := s.energy(r.Context(), sp)
	p := historyPage{view: s.view(r, v, "history", "history"), Date: day.Format(dateForm)}
	p.links(sp, day, s.now(), with)
	p.Span, p.Sums = p.spanName(sp), p.sums(e)
	var then *energies
	if other != nil {
		sums := s.energy(r.Context(), *other)
		then = &sums
		p.Other, p.WithDate = p.spanName(*other), other.start.Format(dateForm)
		p.Compared = p.compare(e, sums)
	}
	p.Ranking = s.rank(r.Context(), p.locale, sp, e)
	for _, each := range p.Ranking {
		p.HasCost = p.HasCost || each.Cost != ""
	}
	p.Columns, p.Rows = p.table(sp, e, then)
	p.Chart = s.assets.chart
	p.ChartText = p.T("chart.text", p.Span)
	if p.Chart {
		if p.ChartData, err = s.chartData(r.Context(), &p, sp, e, other, then); err != nil {
			return err
		}
	}
	return s.show(w, r, http.StatusOK, "history.html", p)
}

// askedOther is the span that a request compares sp with, or nil.
func (s *Server) askedOther(r *http.Request, sp span) (other *span, with string, err error) {
	q := r.URL.Query()
	switch with = q.Get("with"); with {
	case withPrev:
		at := sp.before()
		return &at, with, nil
	case withYear:
		at := sp.yearAgo()
		return &at, with, nil
	case withDate:
		if q.Get("other") == "" {
			return nil, "", nil
		}
		day, err := s.date("other", q.Get("other"))
		if err != nil {
			return nil, "", err
		}
		at := sp.at(day)
		return &at, with, nil
	}
	return nil, "", nil
}

// links fills in where one can go from here.
func (p *historyPage) links(sp span, day, now time.Time, with string) {
	p.View, p.Today = sp.view, now.Format(dateForm)
	p.From, p.To = sp.start.Format(dateForm), sp.end.Add(-12*time.Hour).Format(dateForm)
	p.Prev, p.CSV = sp.before().link(with), sp.link("")
	if sp.end.Before(now) {
		p.Next = sp.after().link(with)
	}
	p.Now = sp.at(now).link(with)
	if sp.view == viewAny {
		p.Now = daysFrom(addDays(now, 1-sp.days()), sp.days()).link(with)
	}
	for _, each := range [...]Calendar{CalendarDay, CalendarWeek, CalendarMonth, CalendarYear} {
		link := "view=" + string(each) + "&date=" + day.Format(dateForm)
		p.Views = append(p.Views, spanLink{template.URL(link), p.T("view." + string(each)), each == sp.view}) //nolint:gosec // a word and a date of ours
	}
	for _, each := range [...]string{"", withPrev, withYear, withDate} {
		p.With = append(p.With, choice{each, p.T("with." + each), each == with})
	}
}

// table tells the rows up to now, without the columns nobody measures.
func (p *historyPage) table(sp span, e energies, then *energies) ([]string, []historyRow) {
	var columns []string
	var lists [][]float64
	for i, list := range [...][]float64{e.imports, e.exports, e.solar, e.used} {
		if i == 2 && math.IsNaN(e.all[2]) {
			continue
		}
		columns = append(columns, p.T([...]string{"col.import", "col.export", "col.solar", "col.used"}[i]))
		lists = append(lists, list)
	}
	if then != nil {
		columns = append(columns, p.T("col.then"))
		lists = append(lists, then.used)
	}
	var rows []historyRow
	for i, at := range sp.rows {
		row := historyRow{Label: p.label(sp, at)}
		for _, list := range lists {
			text := "–"
			if i < len(list) && !math.IsNaN(list[i]) {
				text = p.number(list[i]/1000, 2)
			}
			row.Cells = append(row.Cells, text)
		}
		rows = append(rows, row)
	}
	return columns, rows
}

// historyCSV is the table for a spreadsheet.
func (s *Server) historyCSV(w http.ResponseWriter, r *http.Request, _ viewer) error {
	sp, _, err := s.asked(r)
	if err != nil {
		return err
	}
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
	return writeCSV(w, r, "homehub-"+string(sp.view)+"-"+sp.start.Format(dateForm)+".csv", rows)
}
