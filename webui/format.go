package webui

import (
	"math"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// How a language writes numbers, money, times and dates.

// number writes a decimal number with the language's signs.
func (l locale) number(v float64, digits int) string {
	text := strconv.FormatFloat(v, 'f', digits, 64)
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "\u2212", text[1:]
		if strings.Trim(text, "0.") == "" {
			sign = ""
		}
	}
	whole, frac, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + l.T("sign.group") + whole[i:]
	}
	if frac != "" {
		frac = l.T("sign.decimal") + frac
	}
	return sign + whole + frac
}

func (l locale) watt(w hub.Watt) string { return l.number(float64(w), 0) }

// kwh has a digit more where there is little.
func (l locale) kwh(e float64) string {
	digits := 1
	if e > -10 && e < 10 {
		digits = 2
	}
	return l.number(e, digits)
}

// euro is an amount of money, to the cent.
func (l locale) euro(m hub.MicroEuro) string {
	text := l.number(math.Abs(float64(m)/1e6), 2)
	if m <= -5_000 {
		return l.T("euro.minus", text)
	}
	return l.T("euro", text)
}

// percent is the part that a is of whole, or a dash where there is no whole.
func (l locale) percent(part, whole float64) string {
	if !(whole > 0) {
		return "–"
	}
	return l.T("percent", int(min(max(part/whole, 0), 1)*100+0.5))
}

// change is by how much now differs from before, with its sign.
func (l locale) change(now, before float64) string {
	if !(before > 0) || math.IsNaN(now) {
		return "–"
	}
	p := int(math.Round((now - before) / before * 100))
	sign := map[bool]string{true: "+", false: ""}[p > 0]
	return l.T("percent", sign+l.number(float64(p), 0))
}

// price is a price per kWh in cents.
func (l locale) price(m hub.MicroEuro) string {
	return l.T("price", l.number(float64(m)/1e4, 1))
}

func clock(t time.Time) string { return t.Format("15:04") }

// date is a short date with its year: Sat 21 Nov 2026.
func (l locale) date(t time.Time) string {
	return l.T("date.year", l.day(t), t.Year())
}

// day is a short date: Sat 21 Nov.
func (l locale) day(t time.Time) string {
	day := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		day = l.T("date.first")
	}
	return l.T("date.day", l.weekday(t.Weekday()), day, l.T("month."+strconv.Itoa(int(t.Month()))))
}

func (l locale) weekday(d time.Weekday) string { return l.T("wd." + strconv.Itoa(int(d))) }

// near is a time as people say it on the day of now: 07:00, tomorrow 07:00,
// Sat 21 Nov 07:00. Both are in the house's zone.
func (l locale) near(t, now time.Time) string {
	switch {
	case sameDay(t, now):
		return clock(t)
	case sameDay(t, now.AddDate(0, 0, 1)):
		return l.T("tomorrow", clock(t))
	case sameDay(t, now.AddDate(0, 0, -1)):
		return l.T("yesterday", clock(t))
	}
	return l.day(t) + " " + clock(t)
}

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}

// ago is an age in the words of the page's script.
func (l locale) ago(d time.Duration) string {
	switch {
	case d < 3*time.Second:
		return l.T("age.now")
	case d < 2*time.Minute:
		return l.T("age.s", int(d/time.Second))
	case d < 2*time.Hour:
		return l.T("age.min", int(d/time.Minute))
	}
	return l.T("age.h", int(d/time.Hour))
}

// length is a stretch of time: 45 min, 3 h, 3 h 15 min.
func (l locale) length(minutes int) string {
	h, m := minutes/60, minutes%60
	switch {
	case h == 0:
		return l.T("len.min", m)
	case m == 0:
		return l.T("len.h", h)
	}
	return l.T("len.hmin", h, m)
}

// days names a set of days of the week.
func (l locale) days(w hub.Weekdays) string {
	switch w {
	case 0:
		return l.T("days.once")
	case hub.EveryDay:
		return l.T("days.every")
	case hub.Workdays:
		return l.T("days.work")
	}
	var names []string
	for i := range 7 {
		if d := time.Weekday((i + 1) % 7); w.Has(d) {
			names = append(names, l.weekday(d))
		}
	}
	return strings.Join(names, ", ")
}
