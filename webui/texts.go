package webui

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// langCookie keeps the language somebody chose.
const langCookie = "homehub-lang"

// texts are the words of all languages: one file ui/text/<tag>.json each.
// Another language is another file.
type texts struct {
	names []string // tags, English first
	langs map[string]locale
}

// locale is one language: its words and its way of writing numbers and dates.
type locale struct {
	Lang  string
	words map[string]string
}

func newTexts() (*texts, error) {
	list, err := fs.Glob(files, "ui/text/*.json")
	if err != nil {
		return nil, err
	}
	t := &texts{langs: map[string]locale{}}
	for _, file := range list {
		body, err := files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		words := map[string]string{}
		if err := json.Unmarshal(body, &words); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		tag := strings.TrimSuffix(strings.TrimPrefix(file, "ui/text/"), ".json")
		t.langs[tag] = locale{tag, words}
		t.names = append(t.names, tag)
	}
	if _, ok := t.langs["en"]; !ok {
		return nil, fmt.Errorf("reading texts: there is no English")
	}
	slices.SortFunc(t.names, func(a, b string) int {
		if a == "en" || b == "en" {
			return map[bool]int{true: -1, false: 1}[a == "en"]
		}
		return strings.Compare(a, b)
	})
	return t, nil
}

// of is the language that the sender of r reads: the chosen one, else the
// browser's first that there is, else English.
func (t *texts) of(r *http.Request) locale {
	if c, err := r.Cookie(langCookie); err == nil {
		if l, ok := t.langs[c.Value]; ok {
			return l
		}
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
		if l, ok := t.langs[tag]; ok {
			return l
		}
	}
	return t.langs["en"]
}

// T is the text of a key with {0}, {1} ... replaced. A key without a text is
// shown as it is, which a test keeps from happening.
func (l locale) T(key string, args ...any) string {
	text, ok := l.words[key]
	if !ok {
		return key
	}
	for i, arg := range args {
		text = strings.ReplaceAll(text, "{"+strconv.Itoa(i)+"}", fmt.Sprint(arg))
	}
	return text
}

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

func (l locale) euro(m hub.MicroEuro) string { return l.T("euro", l.number(float64(m)/1e6, 2)) }

// price is a price per kWh in cents.
func (l locale) price(m hub.MicroEuro) string {
	return l.T("price", l.number(float64(m)/1e4, 1))
}

func clock(t time.Time) string { return t.Format("15:04") }

// day is a short date: Sat 21 Nov.
func (l locale) day(t time.Time) string {
	return l.T("date.day", l.weekday(t.Weekday()), t.Day(), l.T("month."+strconv.Itoa(int(t.Month()))))
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
