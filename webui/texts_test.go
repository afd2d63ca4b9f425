package webui_test

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// Another language is another file with the same keys and the same holes.
func TestTextsAgree(t *testing.T) {
	en, err := webui.Texts("en")
	if err != nil {
		t.Fatal(err)
	}
	hole := regexp.MustCompile(`\{\d\}`)
	holes := func(s string) string {
		list := hole.FindAllString(s, -1)
		slices.Sort(list)
		return strings.Join(list, "")
	}
	for _, lang := range webui.Languages() {
		words, err := webui.Texts(lang)
		if err != nil {
			t.Fatal(err)
		}
		for key, text := range en {
			if strings.Contains(key, "#") {
				continue // see TestPluralsAreWhole
			}
			if words[key] == "" {
				t.Errorf("%s lacks %s", lang, key)
			} else if holes(words[key]) != holes(text) {
				t.Errorf("%s: %s has the holes of %q, not of %q", lang, key, words[key], text)
			}
		}
		for key := range words {
			if en[key] == "" && !strings.Contains(key, "#") {
				t.Errorf("%s has %s, English has not", lang, key)
			}
		}
	}
	// Every key that is used, is there; every key that is there, is used.
	used := map[string]bool{}
	var source strings.Builder
	for _, pattern := range []string{"*.go", "ui/*.html"} {
		list, _ := fs.Glob(os.DirFS("."), pattern)
		for _, file := range list {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(body)
		}
	}
	for _, m := range regexp.MustCompile(`(?:\.[TN]\(? ?|words\[)"([a-z.]+)"( ?\+)?`).FindAllStringSubmatch(source.String(), -1) {
		used[m[1]] = true
		if m[2] == "" && en[m[1]] == "" && en[m[1]+"#other"] == "" {
			t.Errorf("there is no text for %s", m[1])
		}
	}
	for key := range en {
		key, _, _ = strings.Cut(key, "#")
		if strings.HasPrefix(key, "did.") || strings.HasPrefix(key, "reason.") {
			continue // see TestEveryDeedHasWords and TestReasonsAreThoseOfTheParts
		}
		prefix := key[:strings.LastIndex(key, ".")+1]
		if !used[key] && !used[prefix] && !strings.Contains(source.String(), `"`+key+`"`) {
			t.Errorf("%s is not used", key)
		}
	}
}

// A text that counts has one form for every cardinal category of its language
// (CLDR 46), and no other.
func TestPluralsAreWhole(t *testing.T) {
	categories := map[string]string{
		"en": "one other", "nl": "one other", "de": "one other",
		"fr": "many one other", "cy": "few many one other two zero",
	}
	en, _ := webui.Texts("en")
	for _, lang := range webui.Languages() {
		words, err := webui.Texts(lang)
		if err != nil {
			t.Fatal(err)
		}
		forms := map[string][]string{}
		for key, text := range words {
			if name, category, ok := strings.Cut(key, "#"); ok {
				forms[name] = append(forms[name], category)
				if en[name+"#other"] == "" || text == "" || !strings.Contains(text, "{0}") {
					t.Errorf("%s: %s is %q", lang, key, text)
				}
			}
		}
		for key := range en {
			if name, _, ok := strings.Cut(key, "#"); ok && forms[name] == nil {
				t.Errorf("%s lacks %s", lang, name)
			}
		}
		for name, list := range forms {
			slices.Sort(list)
			if got := strings.Join(list, " "); got != categories[lang] {
				t.Errorf("%s: %s has %s, want %s", lang, name, got, categories[lang])
			}
		}
	}
}

func TestPlural(t *testing.T) {
	for lang, want := range map[string]map[int]string{
		"en": {0: "other", 1: "one", 2: "other", 21: "other"},
		"nl": {0: "other", 1: "one", 2: "other"},
		"de": {0: "other", 1: "one", 1000000: "other"},
		"fr": {0: "one", 1: "one", 2: "other", 1000000: "many", 1000001: "other"},
		"cy": {0: "zero", 1: "one", 2: "two", 3: "few", 4: "other", 5: "other", 6: "many", 7: "other", 13: "other", 16: "other"},
	} {
		for n, category := range want {
			if got := webui.Plural(lang, n); got != category {
				t.Errorf("%d in %s is %s, want %s", n, lang, got, category)
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, test := range []struct {
		lang   string
		v      float64
		digits int
		want   string
	}{
		{"en", 1234567.891, 2, "1,234,567.89"},
		{"nl", 1234567.891, 2, "1.234.567,89"},
		{"en", -1234, 0, "−1,234"},
		{"en", 999, 0, "999"},
		{"en", -0.4, 0, "0"},
		{"nl", 0, 1, "0,0"},
		{"de", 1234.5, 1, "1.234,5"},
		{"fr", 1234.5, 1, "1\u202f234,5"},
		{"cy", 1234.5, 1, "1,234.5"},
	} {
		if got := webui.Number(test.lang, test.v, test.digits); got != test.want {
			t.Errorf("%v in %s is %q, want %q", test.v, test.lang, got, test.want)
		}
	}
}

// Money and dates are written as each language writes them.
func TestMoneyAndDates(t *testing.T) {
	at := time.Date(2026, 3, 1, 7, 5, 0, 0, amsterdam())
	for lang, want := range map[string][3]string{
		"en": {"€1,234.50", "−€0.99", "Sun 1 Mar 2026"},
		"nl": {"€\u00a01.234,50", "€\u00a0−0,99", "zo 1 mrt 2026"},
		"fr": {"1\u202f234,50\u00a0€", "−0,99\u00a0€", "dim. 1er mars 2026"},
		"de": {"1.234,50\u00a0€", "−0,99\u00a0€", "So 1. März 2026"},
		"cy": {"€1,234.50", "−€0.99", "Sul 1 Maw 2026"},
	} {
		got := [3]string{webui.Euro(lang, 1_234_500_000), webui.Euro(lang, -990_000), webui.Date(lang, at)}
		if got != want {
			t.Errorf("%s writes %q, want %q", lang, got, want)
		}
		if got := webui.Euro(lang, hub.MicroEuro(-400)); strings.ContainsAny(got, "−-") {
			t.Errorf("%s writes less than a cent as %q", lang, got)
		}
	}
}

// The house's language is for browsers that ask for none there is.
func TestLanguageOfTheHouse(t *testing.T) {
	h := newHouse(t, func(c *webui.Config) { c.Language = "cy" })
	for accept, want := range map[string]string{"": "cy", "pt-BR, es;q=0.5": "cy", "de-AT": "de", "fr;q=0.3, nl;q=0.4": "nl", "en;q=0": "cy", "*": "cy", "fr;q=x": "cy"} {
		if _, body := h.browser().do("GET", "/", "", "Accept-Language", accept); !strings.Contains(body, `<html lang="`+want+`"`) {
			t.Errorf("%q is not answered in %s", accept, want)
		}
	}
	if _, err := webui.New(webui.Config{Live: h.hub, Devices: h.hub, Feeds: h.feeds, Users: h.users, Health: h.health, Language: "xx"}); err == nil {
		t.Error("a language that is none is taken")
	}
}

// Every kind of reason is told in every language, with its numbers, and in
// the house's zone.
func TestReasons(t *testing.T) {
	zone := amsterdam()
	now := time.Date(2026, 6, 12, 20, 0, 0, 0, zone)
	at := func(h, m int) time.Time { return time.Date(2026, 6, 13, h, m, 0, 0, zone).UTC() }
	for _, test := range []struct {
		why  hub.Why
		want []string // in every language
		en   string
	}{
		{hub.Why{Kind: hub.WhyCheapest, From: at(2, 15), To: at(4, 0), Takes: 105 * time.Minute, Deadline: at(7, 0)}, []string{"02:15", "04:00", "1", "45", "07:00"}, "tomorrow 02:15 to 04:00 is the cheapest 1\u00a0h 45\u00a0min before tomorrow 07:00."},
		{hub.Why{Kind: hub.WhyTimes, From: at(1, 0), To: at(6, 0), Energy: 12_500, Runs: 3}, []string{"01:00", "06:00"}, "12.5 kWh between tomorrow 01:00 and 06:00, at the cheapest times before the end of the plan."},
		{hub.Why{Kind: hub.WhyAtOnce, From: at(0, 30), To: at(1, 0)}, []string{"00:30", "01:00"}, ""},
		{hub.Why{Kind: hub.WhyLate, From: at(5, 0), To: at(8, 0), Deadline: at(7, 0), Late: time.Hour}, []string{"05:00", "08:00", "07:00"}, ""},
		{hub.Why{Kind: hub.WhyShort, Deadline: at(7, 0), Short: 1200}, []string{"07:00"}, "1.20 kWh will be missing at tomorrow 07:00: more does not fit."},
		{hub.Why{Kind: hub.WhyNoRoom, Deadline: at(7, 0)}, []string{"07:00"}, ""},
		{hub.Why{Kind: hub.WhyRunning, To: at(1, 45)}, []string{"01:45"}, ""},
		{hub.Why{Kind: hub.WhyBegun, To: at(1, 45)}, []string{"01:45"}, "It runs now, until tomorrow 01:45."},
		{hub.Why{Kind: hub.WhySurplus, Deadline: at(7, 0)}, []string{"07:00"}, "It runs on surplus alone until tomorrow 07:00."},
		{hub.Why{Kind: hub.WhyDeaf, To: at(1, 15)}, []string{"01:15"}, "It does not follow its commands. It is tried again at tomorrow 01:15."},
		{hub.Why{Kind: hub.WhyNothing}, nil, "It needs nothing."},
		{hub.Why{Kind: hub.WhyNoCar}, nil, "It waits for a car to be connected."},
		{hub.Why{Kind: hub.WhyWarm, Takes: time.Hour, Coldest: 52}, []string{"52"}, ""},
		{hub.Why{Kind: hub.WhyTooCold, Takes: time.Hour, Coldest: 48, Wanted: 50}, []string{"48", "50"}, ""},
	} {
		told := map[string]string{}
		for _, lang := range webui.Languages() {
			got := webui.Why(lang, hub.Planned{Reason: "in English", Why: test.why}, now)
			if got == "in English" || strings.Contains(got, "why.") || strings.Contains(got, "{") {
				t.Errorf("%s in %s: %q", test.why.Kind, lang, got)
			}
			for _, part := range test.want {
				if !strings.Contains(got, part) {
					t.Errorf("%s in %s lacks %s: %q", test.why.Kind, lang, part, got)
				}
			}
			if other, ok := told[got]; ok {
				t.Errorf("%s is the same in %s and %s: %q", test.why.Kind, lang, other, got)
			}
			told[got] = lang
			if lang == "en" && test.en != "" && got != test.en {
				t.Errorf("got %q, want %q", got, test.en)
			}
		}
	}
	if got := webui.Why("nl", hub.Planned{Reason: "in English"}, now); got != "in English" {
		t.Errorf("a reason without a value is %q", got)
	}
	if got := webui.Instead("en", hub.Why{Extra: 610_000}, now); got != "Starting now would cost €0.61 more." {
		t.Errorf("got %q", got)
	}
	if got := webui.Instead("en", hub.Why{Extra: 4_000}, now); got != "" {
		t.Errorf("less than a cent is told: %q", got)
	}
	if got := webui.Instead("de", hub.Why{Earliest: at(0, 15), TooMuch: true}, now); got != "Der Start um morgen 00:15 ist mehr, als der Anschluss trägt." {
		t.Errorf("got %q", got)
	}
}
