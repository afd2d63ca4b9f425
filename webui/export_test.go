package webui

import (
	"context"
	"html/template"
	"strings"
	"time"

	"homehub/hub"
)

// What the tests outside the package look at.

// RouteAccess is every route's pattern and who may ask.
func (s *Server) RouteAccess() map[string]string {
	names := map[access]string{open: "open", read: "read", house: "house", test: "test", control: "control", setup: "setup", owner: "owner", first: "first"}
	out := map[string]string{}
	for _, rt := range s.routes {
		out[rt.pattern] = names[rt.access]
	}
	return out
}

// Enter is a log-in of somebody who is there, without the cost of a password:
// the secret for the cookie.
func (s *Server) Enter(u User) string { return s.sessions.start(u, s.wall.Now()) }

// SetWall makes it another time for log-ins.
func (s *Server) SetWall(at time.Time) { s.wall = hub.ScaledClock(at, 1) }

// SetChart pretends that the chart library is there, or not.
func (s *Server) SetChart(on bool) { s.assets.chart = on }

// HasChart says whether the chart library is embedded.
func (s *Server) HasChart() bool { return s.assets.chart }

// AssetPrefix is where the assets are.
func (s *Server) AssetPrefix() string { return s.assets.prefix }

// EmbeddedFile is one of the embedded files.
func EmbeddedFile(name string) ([]byte, error) { return files.ReadFile(name) }

// Texts are the words of a language.
func Texts(tag string) (map[string]string, error) {
	t, err := newTexts("en")
	if err != nil {
		return nil, err
	}
	return t.langs[tag].words, nil
}

// Languages are the tags of all languages.
func Languages() []string {
	t, err := newTexts("en")
	if err != nil {
		return nil
	}
	return t.names
}

// Number writes a number in a language.
func Number(tag string, v float64, digits int) string {
	t, err := newTexts("en")
	if err != nil {
		return err.Error()
	}
	return t.langs[tag].number(v, digits)
}

// SpanRows are the starts of the rows of a span, and its end.
func SpanRows(c Calendar, day time.Time) ([]time.Time, time.Time) {
	sp := spanOf(c, day)
	return sp.rows, sp.end
}

// Strip draws prices.
func Strip(slots []hub.Slot, runs []hub.Run, now time.Time) template.HTML {
	t, _ := newTexts("en")
	return t.langs["en"].strip(slots, runs, now)
}

// Area and Line draw points of a day that is a second long and a unit wide.
func Area(points []Point) string { return area(points, unit, 10, -1) }

// Line draws what Area fills.
func Line(points []Point) string { return line(points, unit, 10, -1) }

func unit(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

// Light is the third of a price.
func Light(slots []hub.Slot, now time.Time) string {
	name, _ := light(slots, now)
	return name
}

// LocalPath is where a log-in may lead.
func LocalPath(next string) string { return localPath(next) }

// CheckPassword is the check of a log-in.
func CheckPassword(hash, password string) bool { return checkPassword(hash, password) }

// TryOnce is one try of an address at a log-in; it returns the wait.
type TryOnce = func(addr string, now time.Time) time.Duration

// NewTries counts tries.
func NewTries() (take TryOnce, size func() int) {
	t := newTries()
	return t.take, func() int { return len(t.addrs) }
}

// NewHashing is the queue of log-ins.
func NewHashing() func(ctx context.Context, f func()) error { return newHashing().do }

// Plural is the plural category of a number.
func Plural(lang string, n int) string { return plural(lang, n) }

// Euro writes an amount of money in a language.
func Euro(tag string, m hub.MicroEuro) string {
	t, _ := newTexts("en")
	return t.langs[tag].euro(m)
}

// Date writes a date in a language.
func Date(tag string, at time.Time) string {
	t, _ := newTexts("en")
	return t.langs[tag].date(at)
}

// OpenStreams is how many pages are live.
func (s *Server) OpenStreams() int {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	return len(s.streams.open)
}

// AddPseudo adds a made-up language: English, longer by half and in brackets.
func (s *Server) AddPseudo(tag string) {
	words := map[string]string{}
	for key, text := range s.texts.langs["en"].words {
		if !strings.HasPrefix(key, "sign.") {
			text = "[" + text + strings.Repeat("·", len([]rune(text))/2) + "]"
		}
		words[key] = text
	}
	s.texts.langs[tag] = locale{Lang: tag, words: words, phrases: s.texts.langs["en"].phrases}
}

// FlowOf is what flows where.
func FlowOf(snap hub.Snapshot) any { return flowOf(snap) }

// UndosKept is how many changes can be taken back.
const UndosKept = undosKept

// Over says whether a schedule has had its time.
func Over(s *hub.Schedule, now time.Time) bool { return over(s, now) }

// Neighbours are the first days of the spans before, after and a year ago.
func Neighbours(c Calendar, day time.Time) (before, after, ago string) {
	sp := spanOf(c, day)
	return sp.before().start.Format(dateForm), sp.after().start.Format(dateForm), sp.yearAgo().start.Format(dateForm)
}

// Why words a reason.
func Why(tag string, d hub.Planned, now time.Time) string {
	t, _ := newTexts("en")
	return t.langs[tag].why(d, now)
}

// Instead words what beginning at once would cost more.
func Instead(tag string, w hub.Why, now time.Time) string {
	t, _ := newTexts("en")
	return t.langs[tag].instead(w, now)
}

// Deletions are the feeds that will be gone soon.
type Deletions struct{ d deletions }

// Plan deletes a feed after wait.
func (d *Deletions) Plan(name string, wait time.Duration, gone func()) {
	if d.d.list == nil {
		d.d.list = map[string]deletion{}
	}
	d.d.plan(deletion{ID: name, At: time.Now().Add(wait)}, wait, gone)
}

// Cancel keeps a feed.
func (d *Deletions) Cancel(name string) bool {
	_, ok := d.d.cancel(name)
	return ok
}

// Close keeps all.
func (d *Deletions) Close() { d.d.close() }

// Reason is a sentence of a part in a language.
func Reason(lang, text string) (string, bool) {
	t, err := newTexts("")
	if err != nil {
		panic(err)
	}
	return t.langs[lang].reason(text)
}
