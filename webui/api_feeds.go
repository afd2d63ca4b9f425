package webui

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"homehub/hub"
)

const (
	// maxPoints is the most that one answer holds: a day of 10 s values fits,
	// a year of them would take the hub's memory.
	maxPoints = 20_000
	// drawPoints is about what a chart can show, for when nobody says how
	// many there shall be.
	drawPoints = 2_000
)

type feedJSON struct {
	Name      string     `json:"name"`
	Title     string     `json:"title"`
	Unit      string     `json:"unit"`
	Counter   bool       `json:"counter"`
	IntervalS int64      `json:"interval_s"`
	First     *time.Time `json:"first"`
	Last      *time.Time `json:"last"`
	Value     *float64   `json:"value"` // the last value
}

func (s *Server) feeds(w http.ResponseWriter, r *http.Request, _ viewer) error {
	list := []feedJSON{}
	for _, f := range s.cfg.Feeds.Feeds() {
		list = append(list, feedJSON{f.Name, f.Title, f.Unit, f.Counter, int64(f.Interval / time.Second), givenTime(f.First), givenTime(f.Last), given(f.Value, !f.Last.IsZero())})
	}
	return writeJSON(w, r, http.StatusOK, struct {
		Durable *time.Time `json:"durable_until"`
		Feeds   []feedJSON `json:"feeds"`
	}{givenTime(s.cfg.Feeds.Durable()), list})
}

type pointsJSON struct {
	Feed      string     `json:"feed"`
	Unit      string     `json:"unit"`
	Start     time.Time  `json:"start"`
	End       time.Time  `json:"end"`
	Interval  string     `json:"interval"` // seconds, or day, week, month, year
	Aggregate Aggregate  `json:"aggregate"`
	Points    []pairJSON `json:"points"`
}

// pairJSON is [seconds since 1970, value], or [seconds, null].
type pairJSON Point

func (p pairJSON) MarshalJSON() ([]byte, error) {
	b := strconv.AppendInt([]byte{'['}, p.At.Unix(), 10)
	b = append(b, ',')
	if p.OK && !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
		b = strconv.AppendFloat(b, p.Value, 'f', -1, 64)
	} else {
		b = append(b, "null"...)
	}
	return append(b, ']'), nil
}

var _ json.Marshaler = pairJSON{}

// points is GET /api/feeds/{name}/points.
func (s *Server) points(w http.ResponseWriter, r *http.Request, _ viewer) error {
	feed, err := s.feed(r.PathValue("name"))
	if err != nil {
		return err
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return hub.FieldErrorf("query", "is not a valid query: %v", err)
	}
	q, err := s.query(params, feed)
	if err != nil {
		return err
	}
	list, err := s.cfg.Feeds.Points(r.Context(), feed.Name, q)
	if err != nil {
		return fmt.Errorf("reading feed %s: %w", feed.Name, err)
	}
	interval := string(q.Calendar)
	if q.Calendar == CalendarNone {
		interval = strconv.FormatFloat(q.Step.Seconds(), 'f', -1, 64)
	}
	if params.Get("format") == "csv" {
		return s.pointsCSV(w, r, feed, list)
	}
	out := pointsJSON{feed.Name, feed.Unit, q.Start.UTC(), q.End.UTC(), interval, q.Aggregate, make([]pairJSON, len(list))}
	for i, p := range list {
		out.Points[i] = pairJSON(p)
	}
	return writeJSON(w, r, http.StatusOK, out)
}

func (s *Server) feed(name string) (Feed, error) {
	for _, f := range s.cfg.Feeds.Feeds() {
		if f.Name == name {
			return f, nil
		}
	}
	return Feed{}, hub.Errorf(hub.NotFound, "there is no feed %q", name)
}

// query reads start, end, interval, average, aggregate and format.
func (s *Server) query(params url.Values, feed Feed) (Query, error) {
	for name, values := range params {
		switch name {
		case "start", "end", "interval", "average", "aggregate", "format":
		default:
			return Query{}, hub.FieldErrorf(name, "is not known here")
		}
		if len(values) > 1 {
			return Query{}, hub.FieldErrorf(name, "is given twice")
		}
	}
	q := Query{End: s.now()}
	var err error
	if text := params.Get("end"); text != "" {
		if q.End, err = s.instant("end", text); err != nil {
			return q, err
		}
	}
	q.Start = q.End.AddDate(0, 0, -1)
	if text := params.Get("start"); text != "" {
		if q.Start, err = s.instant("start", text); err != nil {
			return q, err
		}
	}
	if !q.Start.Before(q.End) {
		return q, hub.FieldErrorf("start", "must be before end")
	}
	if f := params.Get("format"); f != "" && f != "json" && f != "csv" {
		return q, hub.FieldErrorf("format", "%q is not one of json, csv", f)
	}
	if q.Aggregate, err = aggregateOf(params, feed); err != nil {
		return q, err
	}
	return q, q.setInterval(params.Get("interval"), feed)
}

// instant reads RFC 3339 or seconds since 1970.
func (s *Server) instant(field, text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if seconds, numErr := strconv.ParseFloat(text, 64); numErr == nil && math.Abs(seconds) < 1e11 {
		at, err = time.UnixMilli(int64(seconds*1000)), nil
	}
	if err != nil {
		return at, hub.FieldErrorf(field, "%q is neither a time like 2026-01-31T07:00:00Z nor seconds since 1970", text)
	}
	if year := at.Year(); year < 1970 || year > 2200 {
		return at, hub.FieldErrorf(field, "must lie between 1970 and 2200")
	}
	return at.In(s.cfg.Zone), nil
}

func aggregateOf(params url.Values, feed Feed) (Aggregate, error) {
	text := params.Get("aggregate")
	switch average := params.Get("average"); average {
	case "", "0", "false":
	case "1", "true":
		if text != "" && text != string(AggregateMean) {
			return "", hub.FieldErrorf("average", "is at odds with aggregate=%s", text)
		}
		text = string(AggregateMean)
	default:
		return "", hub.FieldErrorf("average", "%q is not one of 0, 1", average)
	}
	switch a := Aggregate(text); a {
	case "":
		return AggregateRaw, nil
	case AggregateRaw, AggregateMean, AggregateMin, AggregateMax:
		return a, nil
	case AggregateDelta:
		if !feed.Counter {
			return "", hub.FieldErrorf("aggregate", "delta is for counters, and %s is none", feed.Name)
		}
		return a, nil
	}
	return "", hub.FieldErrorf("aggregate", "%q is not one of raw, mean, min, max, delta", text)
}

// setInterval reads the interval, and chooses one where none is given.
func (q *Query) setInterval(text string, feed Feed) error {
	own := max(feed.Interval, time.Second)
	span := q.End.Sub(q.Start)
	steps := int64(0)
	switch c := Calendar(text); c {
	case CalendarDay, CalendarWeek, CalendarMonth, CalendarYear:
		q.Calendar = c
		steps = int64(span/(24*time.Hour)) + 2
	case "":
		q.Step = own
		for _, step := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
			if span/q.Step > drawPoints && step > own && step%own == 0 {
				q.Step = step
			}
		}
		steps = int64(span / q.Step)
	default:
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < 1 || seconds > 366*24*3600 {
			return hub.FieldErrorf("interval", "%q is neither a whole number of seconds nor one of day, week, month, year", text)
		}
		q.Step = time.Duration(seconds) * time.Second
		if q.Step%own != 0 {
			return hub.FieldErrorf("interval", "must be a multiple of the feed's own %d s", int64(own/time.Second))
		}
		steps = int64(span / q.Step)
	}
	if steps > maxPoints {
		return hub.FieldErrorf("interval", "gives %d points: choose a longer interval or a shorter time for at most %d", steps, maxPoints)
	}
	return nil
}

// pointsCSV writes the points with local time and its offset, for people's
// spreadsheets. Values have no unit sign; the head names it.
func (s *Server) pointsCSV(w http.ResponseWriter, r *http.Request, feed Feed, list []Point) error {
	rows := [][]string{{"time", feed.Name + " " + feed.Unit}}
	for _, p := range list {
		value := ""
		if p.OK {
			value = strconv.FormatFloat(p.Value, 'f', -1, 64)
		}
		rows = append(rows, []string{p.At.In(s.cfg.Zone).Format(time.RFC3339), value})
	}
	return writeCSV(w, r, feed.Name+".csv", rows)
}

func writeCSV(w http.ResponseWriter, r *http.Request, file string, rows [][]string) error {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	out.UseCRLF = true     // RFC 4180
	_ = out.WriteAll(rows) // into memory: never fails
	w.Header().Set("Content-Disposition", `attachment; filename="`+file+`"`)
	return writeBody(w, r, http.StatusOK, "text/csv; charset=utf-8", b.Bytes())
}
