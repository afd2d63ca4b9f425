package webui

import (
	"html/template"
	"net/http"
	"sort"
	"strconv"
	"time"

	"homehub/hub"
)

// viewAny is a span between two dates that somebody chose; the other views
// are the house's calendar.
const viewAny Calendar = "span"

const (
	maxSpanDays = 50 * 366 // of a span that somebody chose
	hoursUpTo   = 3        // days of such a span are told by the hour,
	daysUpTo    = 93       // and up to so many by the day
)

// span is a day, week, month or year of the house's calendar, or any number
// of days, and the starts of the rows it is told in.
type span struct {
	view       Calendar
	start, end time.Time
	rows       []time.Time
	row        Calendar // what a row is: CalendarNone is an hour
}

const dateForm = "2006-01-02"

// noon is noon of a date: far enough from every change of the clock.
func noon(y int, m time.Month, d int, zone *time.Location) time.Time {
	return time.Date(y, m, d, 12, 0, 0, 0, zone)
}

// addDays is the start of the day that is n days after the one of t.
func addDays(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	return startOfDay(noon(y, m, d+n, t.Location()))
}

// daysBetween is how many local days there are from a to b.
func daysBetween(a, b time.Time) int {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return int(time.Date(by, bm, bd, 0, 0, 0, 0, time.UTC).Sub(time.Date(ay, am, ad, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour))
}

// spanOf is the span of a view that holds the local date of day.
func spanOf(view Calendar, day time.Time) span {
	y, m, d := day.Date()
	date := func(y int, m time.Month, d int) time.Time { return startOfDay(noon(y, m, d, day.Location())) }
	switch view {
	case CalendarWeek:
		d -= (int(day.Weekday()) + 6) % 7 // back to Monday
		return newSpan(view, CalendarDay, date(y, m, d), date(y, m, d+7))
	case CalendarMonth:
		return newSpan(view, CalendarDay, date(y, m, 1), date(y, m+1, 1))
	case CalendarYear:
		return newSpan(view, CalendarMonth, date(y, 1, 1), date(y+1, 1, 1))
	}
	return newSpan(CalendarDay, CalendarNone, date(y, m, d), date(y, m, d+1))
}

// daysFrom is the span of n days from the local date of day.
func daysFrom(day time.Time, n int) span {
	row := CalendarMonth
	if n <= hoursUpTo {
		row = CalendarNone
	} else if n <= daysUpTo {
		row = CalendarDay
	}
	return newSpan(viewAny, row, addDays(day, 0), addDays(day, n))
}

func newSpan(view, row Calendar, start, end time.Time) span {
	sp := span{view: view, start: start, end: end, row: row}
	for at := start; at.Before(end); at = rowAfter(row, at) {
		sp.rows = append(sp.rows, at)
	}
	return sp
}

// rowAfter is the start of the row after the one that begins at at. The first
// row of a chosen span can begin within a month.
func rowAfter(row Calendar, at time.Time) time.Time {
	y, m, d := at.Date()
	switch row {
	case CalendarDay:
		return startOfDay(noon(y, m, d+1, at.Location()))
	case CalendarMonth:
		return startOfDay(noon(y, m+1, 1, at.Location()))
	}
	return at.Add(time.Hour)
}

// days is how many local days the span has.
func (sp span) days() int { return daysBetween(sp.start, sp.end) }

// rowEnd is the end of the row that begins at rows[i].
func (sp span) rowEnd(i int) time.Time {
	if i+1 < len(sp.rows) {
		return sp.rows[i+1]
	}
	return sp.end
}

// find is the row that holds at, or -1.
func (sp span) find(at time.Time) int {
	if !at.Before(sp.end) {
		return -1
	}
	return sort.Search(len(sp.rows), func(i int) bool { return sp.rows[i].After(at) }) - 1
}

// before is the span of the same kind that ends where this one begins.
func (sp span) before() span {
	if sp.view == viewAny {
		return daysFrom(addDays(sp.start, -sp.days()), sp.days())
	}
	return spanOf(sp.view, sp.start.Add(-12*time.Hour))
}

// after is the span of the same kind that begins where this one ends.
func (sp span) after() span {
	if sp.view == viewAny {
		return daysFrom(sp.end, sp.days())
	}
	return spanOf(sp.view, sp.end)
}

// at is the span of the same kind and length at another date.
func (sp span) at(day time.Time) span {
	if sp.view == viewAny {
		return daysFrom(day, sp.days())
	}
	return spanOf(sp.view, day)
}

// yearAgo is the span that people compare this one with: weeks keep their
// days of the week.
func (sp span) yearAgo() span {
	if sp.view == CalendarWeek {
		return spanOf(sp.view, addDays(sp.start, -364))
	}
	y, m, d := sp.start.Date()
	return sp.at(noon(y-1, m, d, sp.start.Location()))
}

// query is the span in an address.
func (sp span) query() string {
	if sp.view == viewAny {
		return "view=span&from=" + sp.start.Format(dateForm) + "&to=" + sp.end.Add(-12*time.Hour).Format(dateForm)
	}
	return "view=" + string(sp.view) + "&date=" + sp.start.Format(dateForm)
}

// link is the span in an address of a page, with what it is compared to.
func (sp span) link(with string) template.URL {
	q := sp.query()
	if with == withPrev || with == withYear {
		q += "&with=" + with
	}
	return template.URL(q) //nolint:gosec // dates and words of ours only
}

// asked is the span that a request is about, and the day of it that was
// named.
func (s *Server) asked(r *http.Request) (span, time.Time, error) {
	q := r.URL.Query()
	c := Calendar(q.Get("view"))
	day := s.now()
	var err error
	switch c {
	case viewAny:
		return s.askedDays(q.Get("from"), q.Get("to"))
	case "":
		c = CalendarDay
	case CalendarDay, CalendarWeek, CalendarMonth, CalendarYear:
	default:
		return span{}, day, hub.FieldErrorf("view", "%q is not one of day, week, month, year, span", c)
	}
	if text := q.Get("date"); text != "" {
		if day, err = s.date("date", text); err != nil {
			return span{}, day, err
		}
	}
	return spanOf(c, day), day, nil
}

func (s *Server) askedDays(fromText, toText string) (span, time.Time, error) {
	from, err := s.date("from", fromText)
	if err != nil {
		return span{}, from, err
	}
	to, err := s.date("to", toText)
	if err != nil {
		return span{}, from, err
	}
	if to.Before(from) {
		from, to = to, from
	}
	n := daysBetween(from, to) + 1
	if n > maxSpanDays {
		return span{}, from, hub.FieldErrorf("to", "is too far from the first day: a span has at most 50 years")
	}
	return daysFrom(from, n), from, nil
}

// date is noon of a date like 2026-01-31 in the house's zone.
func (s *Server) date(field, text string) (time.Time, error) {
	day, err := time.Parse(dateForm, text)
	if err != nil || day.Year() < 1970 || day.Year() > 2200 {
		return s.now(), hub.FieldErrorf(field, "%q is not a date like 2026-01-31", text)
	}
	y, m, d := day.Date()
	return noon(y, m, d, s.cfg.Zone), nil
}

// spanName is the span in words.
func (l locale) spanName(sp span) string {
	year := strconv.Itoa(sp.start.Year())
	last := sp.end.Add(-12 * time.Hour)
	switch sp.view {
	case CalendarWeek:
		_, week := sp.start.ISOWeek()
		return l.T("span.week", week, l.day(sp.start), l.day(last), last.Year())
	case CalendarMonth:
		return l.T("date.month", l.T("monthname."+strconv.Itoa(int(sp.start.Month()))), year)
	case CalendarYear:
		return year
	case viewAny:
		return l.T("span.any", l.date(sp.start), l.date(last), l.N("days", sp.days()))
	}
	return l.date(sp.start)
}

// label names a row of a span.
func (l locale) label(sp span, at time.Time) string {
	month := l.T("monthname." + strconv.Itoa(int(at.Month())))
	switch {
	case sp.view == viewAny && sp.row == CalendarMonth:
		return l.T("date.month", month, at.Year())
	case sp.view == viewAny && sp.row == CalendarNone:
		return l.day(at) + " " + clock(at)
	case sp.row == CalendarMonth:
		return month
	case sp.row == CalendarDay:
		return l.day(at)
	}
	return clock(at)
}
