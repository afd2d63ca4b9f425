package webui

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The parts of the hub say in English why they are not well: for logs, for the
// API, and for each other. The words of the pages hold those sentences as they
// are, with holes, under keys that begin with "reason."; by them a sentence is
// found again and told in the language of the page. What the parts pass on from
// the system stays as it is.

// phrase is a sentence of the parts, with its holes.
type phrase struct {
	key     string
	literal int // bytes outside of holes: the more, the more it says
	pattern *regexp.Regexp
	order   []int // the hole that each group of the pattern is
}

var hole = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{(\d)\}`) })

// newPhrases are all sentences of the parts, the most telling first.
func newPhrases(en map[string]string) []phrase {
	var list []phrase
	for key, text := range en {
		if !strings.HasPrefix(key, reasonKey) {
			continue
		}
		p := phrase{key: key}
		var b strings.Builder
		b.WriteString(`(?s)^`)
		last := 0
		for _, m := range hole().FindAllStringSubmatchIndex(text, -1) {
			b.WriteString(regexp.QuoteMeta(text[last:m[0]]) + `(.+?)`)
			n, _ := strconv.Atoi(text[m[2]:m[3]])
			p.literal += m[0] - last
			p.order, last = append(p.order, n), m[1]
		}
		p.literal += len(text) - last
		b.WriteString(regexp.QuoteMeta(text[last:]) + `$`)
		p.pattern = regexp.MustCompile(b.String())
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b phrase) int { return b.literal - a.literal })
	return list
}

const reasonKey = "reason."

// reason is a sentence of a part in the page's language, and whether all of it
// is: what is not known stays in English.
func (l locale) reason(text string) (said string, whole bool) {
	if l.Lang == "en" || text == "" {
		return text, true
	}
	parts := strings.Split(text, "; ")
	for n := 1; n <= len(parts); n++ { // some have a semicolon within
		said, ok := l.phrase(strings.Join(parts[:n], "; "))
		if !ok {
			continue
		}
		if n == len(parts) {
			return said, true
		}
		rest, whole := l.reason(strings.Join(parts[n:], "; "))
		return said + "; " + rest, whole
	}
	return text, false
}

// phrase is one sentence, if it is one of ours.
func (l locale) phrase(text string) (string, bool) {
	for _, p := range l.phrases {
		m := p.pattern.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		args := make([]any, len(p.order))
		for i, n := range p.order {
			if n < len(args) {
				args[n] = l.inReason(m[i+1])
			}
		}
		return l.T(p.key, args...), true
	}
	return "", false
}

// inReason is what stands in a hole: a sentence again, or a number.
func (l locale) inReason(text string) string {
	if said, ok := l.phrase(text); ok {
		return said
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && strings.Contains(text, ".") {
		return l.number(v, len(text)-strings.IndexByte(text, '.')-1)
	}
	return text
}
