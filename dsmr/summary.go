package dsmr

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Time is a stamp as it stands in a telegram together with its instant.
type Time struct {
	Stamp
	UTC time.Time // zero if the stamp has no suffix: it may be ambiguous
}

// MBus is one device behind the meter: gas, water, heat, or another meter.
type MBus struct {
	Channel  int
	Type     int // by EN 13757-3: 2 electricity, 3 gas, 4 heat, 7 water, 10 and 12 heat inlet and cooling; 0 if not sent
	ID       string
	HasID    bool
	Code     string // of the object that carries the value; "" if there is none
	Time     *Time  // when it was read; nil if never
	Value    Decimal
	Unit     string // m3, GJ, kWh; "" if not sent
	Valve    string // "" if not sent
	hasValue bool
}

// Valid says whether the device was ever read.
func (m MBus) Valid() bool { return m.hasValue && m.Time != nil }

// Failure is one entry of the log of long power failures.
type Failure struct {
	End     *Time // nil if the meter's clock was not set
	Seconds int64
}

// Peak is the highest quarter-hour of one month (Belgium, 0-0:98.1.0).
type Peak struct {
	Month *Time // end of that month
	At    *Time // nil if there was none
	Watts Decimal
}

// Summary is what a telegram means, number by number as it was sent. A nil
// pointer is what the meter did not send. It is for people and tools: the hot
// path has Telegram.Reading.
type Summary struct {
	Version string // "40", "42", "50", "50217"…; "" in DSMR 2 and 3 and in some countries
	Time    *Time
	MeterID string // as sent, usually text in hexadecimal
	EAN     string
	Tariff  string // indicator as sent

	ImportW, ExportW             *Decimal
	ImportT1Wh, ImportT2Wh       *Decimal
	ExportT1Wh, ExportT2Wh       *Decimal
	ImportTotalWh, ExportTotalWh *Decimal
	QuarterW                     *Decimal
	MonthPeak                    *Peak // Month is nil
	History                      []Peak
	HasHistory                   bool
	Sags, Swells                 [3]*Decimal
	Failures, LongFailures       *Decimal
	FailureLog                   []Failure
	HasFailureLog                bool
	Breaker                      string // 0 off, 1 on, 2 ready to be switched on
	Limiter, LimiterUnit         string // threshold in kW, kVA or A
	Fuse, FuseUnit               string
	Text                         string // message of the grid operator, decoded
	NumericCode                  string
	MBus                         []MBus
	idRank                       int
}

// Unlimited says whether a limiter or fuse threshold stands for none: all
// digits are nine.
func Unlimited(threshold string) bool {
	return threshold != "" && strings.Trim(threshold, "9.") == ""
}

// LowTariff says whether tariff indicator 1 or 2 of this meter is the cheap
// one. It is known for the Netherlands (1 low, 2 normal) and for Belgium, where
// it is the other way round (1 day, 2 night).
func (s *Summary) LowTariff() (low, known bool) {
	belgian := len(s.Version) == 5
	switch strings.TrimLeft(s.Tariff, "0") {
	case "1":
		return !belgian, true
	case "2":
		return belgian, true
	}
	return false, false
}

// Summary collects what the telegram means.
func (t *Telegram) Summary() Summary {
	var s Summary
	for _, o := range t.Objects() {
		if o.n == 0 {
			continue
		}
		if o.Code>>40 == 0 && o.Code.channel() != 0 {
			t.summariseBus(&s, o)
			continue
		}
		t.summarise(&s, o)
	}
	slices.SortFunc(s.MBus, func(a, b MBus) int { return a.Channel - b.Channel })
	// An id alone is no device: meters send empty slots.
	s.MBus = slices.DeleteFunc(s.MBus, func(m MBus) bool { return m.Type == 0 && !m.hasValue })
	return s
}

func (t *Telegram) summarise(s *Summary, o Object) {
	first := string(t.Group(o, 0))
	switch code := o.Code.short(); code {
	case codeVersion, codeVersionBE:
		s.Version = first
	case codeClock:
		s.Time = t.time(o, 0)
	case codeMeterID:
		s.meterID(3, first)
	case codeMeterIDLU:
		s.meterID(2, first)
	case codeMeterIDIE:
		s.meterID(1, first)
	case codeEAN:
		s.EAN = first
	case codeTariff:
		s.Tariff = first
	case codeBreaker:
		s.Breaker = first
	case codeLimiter:
		s.Limiter, s.LimiterUnit, _ = strings.Cut(first, "*")
	case codeFuse, codeFuseLU:
		s.Fuse, s.FuseUnit, _ = strings.Cut(first, "*")
	case codeText:
		s.Text = decodeText(first)
	case codeNumeric:
		s.NumericCode = decodeText(first)
	case codeHistory:
		s.History, s.HasHistory = t.history(o)
	case codeMonthPeak:
		if o.n == 2 {
			if w := t.thousands(o, 1, "W"); w != nil {
				s.MonthPeak = &Peak{At: t.time(o, 0), Watts: *w}
			}
		}
	case codeFailureLog:
		s.FailureLog, s.HasFailureLog = t.failureLog(o), true
	default:
		if to := s.number(code); to != nil {
			*to = t.thousands(o, 0, "W", "Wh", "")
		}
	}
}

// number is where the value of an object goes that is one number.
func (s *Summary) number(code OBIS) **Decimal {
	switch code {
	case codeImport:
		return &s.ImportW
	case codeExport:
		return &s.ExportW
	case codeImportT1:
		return &s.ImportT1Wh
	case codeImportT2:
		return &s.ImportT2Wh
	case codeExportT1:
		return &s.ExportT1Wh
	case codeExportT2:
		return &s.ExportT2Wh
	case codeImportTotal:
		return &s.ImportTotalWh
	case codeExportTotal:
		return &s.ExportTotalWh
	case codeQuarter:
		return &s.QuarterW
	case codeFailures:
		return &s.Failures
	case codeLongFails:
		return &s.LongFailures
	case codeSagsL1:
		return &s.Sags[0]
	case codeSagsL2:
		return &s.Sags[1]
	case codeSagsL3:
		return &s.Sags[2]
	case codeSwellsL1:
		return &s.Swells[0]
	case codeSwellsL2:
		return &s.Swells[1]
	case codeSwellsL3:
		return &s.Swells[2]
	}
	return nil
}

// meterID keeps the id of the object that names the meter best.
func (s *Summary) meterID(rank int, id string) {
	if rank > s.idRank {
		s.idRank, s.MeterID = rank, id
	}
}

// time is group i of o as a time, or nil if it is no date of the calendar.
func (t *Telegram) time(o Object, i int) *Time {
	stamp, ok := parseStamp(t.Group(o, i))
	if !ok {
		return nil
	}
	return t.timeOf(stamp)
}

func (t *Telegram) timeOf(s Stamp) *Time {
	at := &Time{Stamp: s}
	if s.Suffix != 0 {
		at.UTC = t.zone.instant(s)
	}
	return at
}

// thousands is group i of o in one of the units, which may be sent with a k
// before it; nil if it is in none of them.
func (t *Telegram) thousands(o Object, i int, units ...string) *Decimal {
	b := t.Group(o, i)
	d, n := scanDecimal(b)
	if n == 0 {
		return nil
	}
	unit := strings.TrimPrefix(string(b[n:]), "*")
	if k, ok := strings.CutPrefix(unit, "k"); ok {
		unit = k
		d = d.thousand()
	}
	if !slices.Contains(units, unit) {
		return nil
	}
	return &d
}

// thousand is d times 1000. The digits that d has after the point stay.
func (d Decimal) thousand() Decimal {
	if d.Digits > 1<<63/1000-1 || d.Digits < -(1<<63/1000-1) {
		// Too large to keep what is after the point.
		return Decimal{Digits: d.Round(3)}
	}
	d.Digits *= 1000
	return d
}

// history reads Belgium's peaks of the last months: a count, two codes, then
// three groups per month. Hungary's object of the same code begins with a time
// instead and is another thing.
func (t *Telegram) history(o Object) ([]Peak, bool) {
	if o.n < 3 || string(t.Group(o, 2)) != "1-0:1.6.0" {
		return nil, false
	}
	peaks := []Peak{}
	for i := 3; i+2 < o.Len(); i += 3 {
		if w := t.thousands(o, i+2, "W"); w != nil {
			peaks = append(peaks, Peak{Month: t.time(o, i), At: t.time(o, i+1), Watts: *w})
		}
	}
	return peaks, true
}

// failureLog reads (count)(code){(end)(seconds*s)}.
func (t *Telegram) failureLog(o Object) []Failure {
	log := []Failure{}
	for i := 2; i+1 < o.Len(); i += 2 {
		d, n := scanDecimal(t.Group(o, i+1))
		if n > 0 {
			log = append(log, Failure{End: t.time(o, i), Seconds: d.Round(0)})
		}
	}
	return log
}

func (t *Telegram) summariseBus(s *Summary, o Object) {
	i := slices.IndexFunc(s.MBus, func(m MBus) bool { return m.Channel == o.Code.channel() })
	if i < 0 {
		i = len(s.MBus)
		s.MBus = append(s.MBus, MBus{Channel: o.Code.channel()})
	}
	m := &s.MBus[i]
	switch o.Code.onChannel() {
	case busType:
		if d, ok := parseDecimal(t.Group(o, 0)); ok {
			m.Type = int(d.Round(0))
		}
	case busID, busIDBE:
		m.ID, m.HasID = string(t.Group(o, 0)), true
	case busValve:
		m.Valve = string(t.Group(o, 0))
	default:
		var v busValue
		if !t.busValue(&o, &v) {
			return
		}
		m.hasValue, m.Value, m.Unit = true, v.value, string(v.unit)
		m.Code = string(v.code)
		if m.Code == "" {
			m.Code = string(o.Code.appendShort(nil))
		}
		if v.hasStamp {
			m.Time = t.timeOf(v.stamp)
		}
	}
}

// decodeText decodes text that is sent as hexadecimal digits; bytes beyond
// ASCII are read as Latin-1. What is no hexadecimal is returned as it is.
func decodeText(digits string) string {
	b, err := hex.DecodeString(digits)
	if err != nil {
		return digits
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// asciiID decodes an id that is sent as hexadecimal digits of printable ASCII.
func asciiID(digits string) (string, bool) {
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) == 0 {
		return "", false
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return "", false
		}
	}
	return string(b), true
}
