package dsmr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The shape of MarshalSidecar's output. Values are strings, so that no reader
// of the JSON can lose a digit. A pointer is null, or left out with omitempty,
// where there is nothing.
type (
	sidecar struct {
		Header  sidecarHeader   `json:"header"`
		CRC     sidecarCRC      `json:"crc"`
		Objects []sidecarObject `json:"objects"`
		Summary sidecarSummary  `json:"summary"`
	}
	sidecarHeader struct {
		Raw      string `json:"raw"`
		Flag     string `json:"flag"`
		BaudChar string `json:"baud_char"`
		Ident    string `json:"ident"`
	}
	sidecarCRC struct {
		Present    bool   `json:"present"`
		Given      string `json:"given"`
		Calculated string `json:"calculated"`
		OK         bool   `json:"ok"`
	}
	sidecarObject struct {
		OBIS   string         `json:"obis"`
		Groups []sidecarGroup `json:"groups"`
	}
	sidecarGroup struct {
		Raw   string           `json:"raw"`
		Value string           `json:"value,omitempty"`
		Unit  string           `json:"unit,omitempty"`
		TS    *json.RawMessage `json:"ts,omitempty"` // null: looks like a time and is none
	}
	sidecarTime struct {
		Local  string  `json:"local"`
		UTC    *string `json:"utc"`
		Suffix *string `json:"suffix"`
	}
	sidecarSummary struct {
		Version          *string          `json:"version"`
		Timestamp        *sidecarTime     `json:"timestamp"`
		EquipmentID      *string          `json:"equipment_id"`
		EquipmentIDASCII *string          `json:"equipment_id_ascii"`
		PowerImport      string           `json:"power_import_w,omitempty"`
		PowerExport      string           `json:"power_export_w,omitempty"`
		ImportT1         string           `json:"energy_import_t1_wh,omitempty"`
		ImportT2         string           `json:"energy_import_t2_wh,omitempty"`
		ExportT1         string           `json:"energy_export_t1_wh,omitempty"`
		ExportT2         string           `json:"energy_export_t2_wh,omitempty"`
		ImportTotal      string           `json:"energy_import_total_wh,omitempty"`
		ExportTotal      string           `json:"energy_export_total_wh,omitempty"`
		Tariff           string           `json:"tariff,omitempty"`
		Text             string           `json:"text_message,omitempty"`
		DemandQuarter    string           `json:"demand_quarter_w,omitempty"`
		MonthPeak        *sidecarPeak     `json:"demand_month_peak,omitempty"`
		History          []sidecarMonth   `json:"demand_history,omitzero"`
		Failures         []sidecarFailure `json:"power_failures_log,omitzero"`
		MBus             []sidecarMBus    `json:"mbus,omitempty"`
	}
	sidecarPeak struct {
		W  string       `json:"w"`
		TS *sidecarTime `json:"ts"`
	}
	sidecarMonth struct {
		Month *sidecarTime `json:"month_ts"`
		Peak  *sidecarTime `json:"peak_ts"`
		W     string       `json:"w"`
	}
	sidecarFailure struct {
		End      *sidecarTime `json:"end"`
		Duration int64        `json:"duration_s"`
	}
	sidecarMBus struct {
		Channel int     `json:"channel"`
		Type    *int    `json:"type"`
		ID      *string `json:"id"`
		IDASCII *string `json:"id_ascii"`
		*sidecarValue
		Valve string `json:"valve,omitempty"`
	}
	sidecarValue struct {
		OBIS  string       `json:"obis"`
		TS    *sidecarTime `json:"ts"`
		Value string       `json:"value"`
		Unit  *string      `json:"unit"`
		Valid bool         `json:"valid"`
	}
)

// MarshalSidecar writes a telegram as one JSON object on one line, without a
// line end: its header, its checksum, all objects with their groups, and a
// summary in W and Wh. Numbers are decimal strings, exactly as sent.
func MarshalSidecar(t *Telegram) ([]byte, error) {
	header := string(t.Header())
	out := sidecar{
		Header: sidecarHeader{Raw: header, Flag: header[1:4], BaudChar: header[4:5], Ident: header[5:]},
		CRC: sidecarCRC{
			Present:    t.digits > 0,
			Given:      string(t.raw[t.bang+1:]),
			Calculated: fmt.Sprintf("%04X", t.computed),
			OK:         t.valid,
		},
		Objects: []sidecarObject{},
	}
	for _, o := range t.Objects() {
		object := sidecarObject{OBIS: string(o.Code.appendShort(nil)), Groups: []sidecarGroup{}}
		for _, b := range t.Groups(o) {
			g, err := t.sidecarGroup(b)
			if err != nil {
				return nil, err
			}
			object.Groups = append(object.Groups, g)
		}
		out.Objects = append(out.Objects, object)
	}
	out.Summary = summarySidecar(t.Summary())
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return nil, fmt.Errorf("writing the telegram as JSON: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func (t *Telegram) sidecarGroup(b []byte) (sidecarGroup, error) {
	g := sidecarGroup{Raw: string(b)}
	if d, n := scanDecimal(b); n > 0 && n+1 < len(b) && b[n] == '*' {
		g.Value, g.Unit = d.String(), string(b[n+1:])
	}
	if !looksLikeStamp(b) {
		return g, nil
	}
	var at *sidecarTime
	if s, ok := parseStamp(b); ok {
		at = newSidecarTime(t.timeOf(s))
	}
	text, err := json.Marshal(at)
	if err != nil {
		return g, fmt.Errorf("writing a time as JSON: %w", err)
	}
	raw := json.RawMessage(text)
	g.TS = &raw
	return g, nil
}

// looksLikeStamp says whether b is twelve digits and S or W. Twelve digits
// alone may be an id.
func looksLikeStamp(b []byte) bool {
	if len(b) != 13 || b[12] != 'S' && b[12] != 'W' {
		return false
	}
	for _, c := range b[:12] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func newSidecarTime(at *Time) *sidecarTime {
	if at == nil {
		return nil
	}
	out := &sidecarTime{Local: time.Unix(at.Local, 0).UTC().Format("2006-01-02T15:04:05")}
	if at.Suffix != 0 {
		utc, suffix := at.UTC.Format(time.RFC3339), string(rune(at.Suffix))
		out.UTC, out.Suffix = &utc, &suffix
	}
	return out
}

func summarySidecar(s Summary) sidecarSummary {
	out := sidecarSummary{
		Version:       nonEmpty(s.Version),
		Timestamp:     newSidecarTime(s.Time),
		PowerImport:   plain(s.ImportW),
		PowerExport:   plain(s.ExportW),
		ImportT1:      plain(s.ImportT1Wh),
		ImportT2:      plain(s.ImportT2Wh),
		ExportT1:      plain(s.ExportT1Wh),
		ExportT2:      plain(s.ExportT2Wh),
		ImportTotal:   plain(s.ImportTotalWh),
		ExportTotal:   plain(s.ExportTotalWh),
		Tariff:        s.Tariff,
		Text:          s.Text,
		DemandQuarter: plain(s.QuarterW),
	}
	if s.idRank > 0 {
		out.EquipmentID = &s.MeterID
		if ascii, ok := asciiID(s.MeterID); ok {
			out.EquipmentIDASCII = &ascii
		}
	}
	if p := s.MonthPeak; p != nil {
		out.MonthPeak = &sidecarPeak{W: plain(&p.Watts), TS: newSidecarTime(p.At)}
	}
	if s.HasHistory {
		out.History = []sidecarMonth{}
	}
	for _, p := range s.History {
		out.History = append(out.History, sidecarMonth{
			Month: newSidecarTime(p.Month), Peak: newSidecarTime(p.At), W: plain(&p.Watts),
		})
	}
	if s.HasFailureLog {
		out.Failures = []sidecarFailure{}
	}
	for _, f := range s.FailureLog {
		out.Failures = append(out.Failures, sidecarFailure{End: newSidecarTime(f.End), Duration: f.Seconds})
	}
	for _, m := range s.MBus {
		out.MBus = append(out.MBus, newSidecarMBus(m))
	}
	return out
}

func newSidecarMBus(m MBus) sidecarMBus {
	out := sidecarMBus{Channel: m.Channel, Valve: m.Valve}
	if m.Type != 0 {
		out.Type = &m.Type
	}
	if m.HasID {
		out.ID = &m.ID
		if ascii, ok := asciiID(m.ID); ok {
			out.IDASCII = &ascii
		}
	}
	if m.hasValue {
		out.sidecarValue = &sidecarValue{
			OBIS: m.Code, TS: newSidecarTime(m.Time), Value: m.Value.String(),
			Unit: nonEmpty(m.Unit), Valid: m.Valid(),
		}
	}
	return out
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// plain is d as text, without a fraction where that is zero.
func plain(d *Decimal) string {
	if d == nil {
		return ""
	}
	s := d.String()
	if whole, fraction, ok := strings.Cut(s, "."); ok && strings.Trim(fraction, "0") == "" {
		return whole
	}
	return s
}
