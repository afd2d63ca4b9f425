package tsdb

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Format is a text format for import and export.
type Format uint8

// The formats.
const (
	// CSV: a line "time,value" with RFC 3339 time or Unix seconds. On import a
	// header line is skipped, ';' or a tab may separate, further columns are
	// ignored, and an empty value is a missing point.
	CSV Format = iota
	// JSONL: a line {"time":"…","value":…}; the time may be Unix seconds.
	JSONL
)

// TextReport tells what an import or export of text did.
type TextReport struct {
	Lines   int64     `json:"lines"`
	Points  int64     `json:"points"`
	Skipped int64     `json:"skipped"` // empty values, and with resume what was there already
	First   time.Time `json:"first,omitzero"`
	Last    time.Time `json:"last,omitzero"`
}

// ImportText reads points for a feed, which is made if it is not there. With
// resume, points up to the feed's newest are skipped: call it again after an
// interruption. Any order is right, ascending is fast. A line that makes no
// sense ends the import with an error that names it; what came before is
// stored, and a feed for which nothing came is not made. progress, if not nil, is called now and then with the bytes read.
func (db *DB) ImportText(cfg FeedConfig, as Format, in io.Reader, resume bool, progress func(bytes int64)) (rep TextReport, err error) {
	if err := cfg.check(); err != nil {
		return rep, fmt.Errorf("importing %s: %w", cfg.Name, err)
	}
	_, there := (*db.feeds.Load())[cfg.Name]
	w, err := db.bulk(cfg, 0)
	if err != nil {
		return rep, fmt.Errorf("importing %s: %w", cfg.Name, err)
	}
	defer func() {
		if !there && rep.Points == 0 {
			err = errors.Join(err, db.Delete(cfg.Name))
		}
	}()
	defer w.release()
	after := int64(math.MinInt64)
	if resume {
		if last, ok := db.lastSlot(w.f, w.g); ok {
			after = last
		}
	}
	defer func() { err = errors.Join(err, w.finish(nil)) }()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 4096), 1<<20)
	bytes := int64(0)
	for lines.Scan() {
		rep.Lines++
		if bytes += int64(len(lines.Bytes())) + 1; progress != nil && rep.Lines%8192 == 0 {
			progress(bytes)
		}
		at, v, ok, err := parseLine(as, lines.Text(), rep.Lines == 1)
		if err != nil {
			return rep, fmt.Errorf("importing %s: line %d: %w", cfg.Name, rep.Lines, err)
		}
		slot := w.g.slot(at.Unix())
		if !ok || slot <= after {
			rep.Skipped++
			continue
		}
		if err := w.put(slot, math.Float64bits(v)); err != nil {
			return rep, fmt.Errorf("importing %s: line %d: %w", cfg.Name, rep.Lines, err)
		}
		rep.note(at)
	}
	if err := lines.Err(); err != nil {
		return rep, fmt.Errorf("importing %s after line %d: %w", cfg.Name, rep.Lines, err)
	}
	return rep, nil
}

func (r *TextReport) note(at time.Time) {
	r.Points++
	if r.First.IsZero() || at.Before(r.First) {
		r.First = at
	}
	if at.After(r.Last) {
		r.Last = at
	}
}

// parseLine reads one line; ok is false if it holds no point.
func parseLine(as Format, line string, first bool) (at time.Time, v float64, ok bool, err error) {
	line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
	if line == "" {
		return at, 0, false, nil
	}
	when, what := line, ""
	if as == JSONL {
		var j struct {
			Time  json.RawMessage `json:"time"`
			Value *float64        `json:"value"`
		}
		if err := json.Unmarshal([]byte(line), &j); err != nil {
			return at, 0, false, err
		}
		when = strings.Trim(string(j.Time), `"`)
		if j.Value != nil {
			what = strconv.FormatFloat(*j.Value, 'g', -1, 64)
		}
	} else if i := strings.IndexAny(line, ",;\t"); i > 0 {
		when, what = line[:i], line[i+1:]
		if i := strings.IndexAny(what, ",;\t"); i >= 0 {
			what = what[:i]
		}
	}
	if at, err = parseTime(strings.Trim(strings.TrimSpace(when), `"`)); err != nil {
		if first && as == CSV {
			return at, 0, false, nil
		}
		return at, 0, false, err
	}
	if what = strings.Trim(strings.TrimSpace(what), `"`); what == "" {
		return at, 0, false, nil
	}
	if v, err = strconv.ParseFloat(what, 64); err != nil {
		err = fmt.Errorf("%.40q is no number", what)
	} else if v-v != 0 {
		err = ErrValue
	}
	return at, v, err == nil, err
}

func parseTime(s string) (time.Time, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= minTime && f <= maxTime {
		return time.Unix(int64(math.Floor(f)), 0).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("%.40q is no time: write 2026-01-31T12:00:00Z, or seconds since 1970", s)
	}
	if t.Unix() < minTime || t.Unix() > maxTime {
		err = fmt.Errorf("time %s is not of this world: %w", s, ErrValue)
	}
	return t.UTC(), err
}

// ExportText writes the points of a feed in [from, to), without the gaps. The
// zero times mean from the first and to the last. progress, if not nil, is
// called now and then with the number of points written.
func (db *DB) ExportText(name string, as Format, out io.Writer, from, to time.Time, progress func(points int64)) (rep TextReport, err error) {
	if to.IsZero() {
		to = time.Unix(farAway, 0)
	}
	rows, err := db.Rows(name, from, to)
	if err != nil {
		return rep, fmt.Errorf("exporting: %w", err)
	}
	w := bufio.NewWriterSize(out, 64<<10)
	if as == CSV {
		rep.Lines++
		fmt.Fprintf(w, "time,value\n")
	}
	for row := range rows {
		for i, v := range row.Values {
			if v-v != 0 {
				continue
			}
			at := row.Start.Add(time.Duration(i) * row.Interval)
			rep.note(at)
			rep.Lines++
			if progress != nil && rep.Points%8192 == 0 {
				progress(rep.Points)
			}
			if _, err := w.Write(appendLine(w.AvailableBuffer(), as, at, v)); err != nil {
				return rep, fmt.Errorf("exporting %s: %w", name, err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return rep, fmt.Errorf("exporting %s: %w", name, err)
	}
	return rep, nil
}

func appendLine(b []byte, as Format, at time.Time, v float64) []byte {
	if as == JSONL {
		b = at.AppendFormat(append(b, `{"time":"`...), time.RFC3339)
		b = strconv.AppendFloat(append(b, `","value":`...), v, 'g', -1, 64)
		return append(b, "}\n"...)
	}
	b = append(at.AppendFormat(b, time.RFC3339), ',')
	return append(strconv.AppendFloat(b, v, 'f', -1, 64), '\n')
}
