package webui

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"homehub/hub"
)

// langCookie keeps the language somebody chose.
const langCookie = "homehub-lang"

// texts are the words of all languages: one file ui/text/<tag>.json each.
// Another language is another file.
type texts struct {
	names []string // tags, English first
	langs map[string]locale
	house atomic.Value // string: tag of the house's language, for browsers that ask for none there is
}

// locale is one language: its words and its way of writing numbers and dates.
type locale struct {
	Lang    string
	words   map[string]string
	phrases []phrase // of the parts of the hub, in English
}

func newTexts(house string) (*texts, error) {
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
		t.langs[tag] = locale{Lang: tag, words: words}
		t.names = append(t.names, tag)
	}
	if _, ok := t.langs["en"]; !ok {
		return nil, fmt.Errorf("reading texts: there is no English")
	}
	phrases := newPhrases(t.langs["en"].words)
	for tag, l := range t.langs {
		l.phrases = phrases
		t.langs[tag] = l
	}
	if house == "" {
		house = "en"
	}
	if err := t.setHouse(house); err != nil {
		return nil, fmt.Errorf("%w: use one of %s", err, strings.Join(t.names, ", "))
	}
	slices.SortFunc(t.names, func(a, b string) int {
		if a == "en" || b == "en" {
			return map[bool]int{true: -1, false: 1}[a == "en"]
		}
		return strings.Compare(a, b)
	})
	return t, nil
}

// setHouse chooses the language of the house.
func (t *texts) setHouse(tag string) error {
	if _, ok := t.langs[tag]; !ok {
		return hub.FieldErrorf("lang", "%q is not a language of the hub", tag)
	}
	t.house.Store(tag)
	return nil
}

// ofHouse is the language of the house.
func (t *texts) ofHouse() locale { return t.langs[t.house.Load().(string)] }

// of is the language that the sender of r reads: the chosen one, else the
// one the browser likes best of those there are, else the house's.
func (t *texts) of(r *http.Request) locale {
	if c, err := r.Cookie(langCookie); err == nil {
		if l, ok := t.langs[c.Value]; ok {
			return l
		}
	}
	best, weight := t.ofHouse().Lang, 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, q := wish(part)
		if _, ok := t.langs[tag]; ok && q > weight {
			best, weight = tag, q
		}
	}
	return t.langs[best]
}

// wish is one part of an Accept-Language header (RFC 9110, 12.5.4): the
// language without its region, and how much it is liked, 0 to 1.
func wish(part string) (tag string, q float64) {
	tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
	tag, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	q = 1
	if text, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
		q, _ = strconv.ParseFloat(text, 64) // what can not be read is not liked
	}
	return tag, q
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

// N is the text of a key that counts things: the one for n's plural category,
// with {0} the number and {1} ... the rest.
func (l locale) N(key string, n int, args ...any) string {
	if _, ok := l.words[key+"#"+plural(l.Lang, n)]; ok {
		key += "#" + plural(l.Lang, n)
	} else {
		key += "#other"
	}
	return l.T(key, append([]any{l.number(float64(n), 0)}, args...)...)
}

// plural is the cardinal plural category of a whole number (CLDR 46,
// supplemental/plurals).
func plural(lang string, n int) string {
	switch {
	case lang == "cy" && (n == 0 || n == 2 || n == 3 || n == 6):
		return map[int]string{0: "zero", 2: "two", 3: "few", 6: "many"}[n]
	case lang == "fr" && n == 0, n == 1:
		return "one"
	case lang == "fr" && n != 0 && n%1_000_000 == 0:
		return "many"
	}
	return "other"
}
