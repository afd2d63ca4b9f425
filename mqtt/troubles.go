package mqtt

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

const (
	troubleTime = 10 * time.Minute // how long one stays on the status page after it was last seen
	maxTroubles = 5
	logPause    = time.Minute // between two log lines about the same thing
)

// troubles is what is wrong with the broker, each with the time at which it is
// forgotten.
type troubles struct {
	condition func(hub.Condition, string)

	mu   sync.Mutex
	list []trouble
}

type trouble struct {
	key, reason string
	until       time.Time
}

func newTroubles(condition func(hub.Condition, string)) *troubles {
	if condition == nil {
		condition = func(hub.Condition, string) {}
	}
	return &troubles{condition: condition}
}

// set adds or renews a trouble and says whether it is new. Those about one
// address, whose key has a space before it, are bounded in number; the others
// are few.
func (t *troubles) set(now time.Time, key, reason string, d time.Duration) bool {
	t.mu.Lock()
	i := slices.IndexFunc(t.list, func(o trouble) bool { return o.key == key })
	if aboutOne := strings.Contains(key, " "); aboutOne && i < 0 && len(t.list) >= maxTroubles {
		t.mu.Unlock()
		return false // there is enough to look at
	}
	isNew := i < 0
	if isNew {
		t.list = append(t.list, trouble{})
		i = len(t.list) - 1
	}
	changed := t.list[i].reason != reason
	t.list[i] = trouble{key: key, reason: reason, until: now.Add(d)}
	t.mu.Unlock()
	if changed {
		t.tell()
	}
	return isNew
}

// expire forgets what was not seen for long.
func (t *troubles) expire(now time.Time) {
	t.mu.Lock()
	before := len(t.list)
	t.list = slices.DeleteFunc(t.list, func(o trouble) bool { return now.After(o.until) })
	changed := len(t.list) != before
	t.mu.Unlock()
	if changed {
		t.tell()
	}
}

// tell reports the broker's condition.
func (t *troubles) tell() {
	t.mu.Lock()
	var reasons []string
	for _, o := range t.list {
		reasons = append(reasons, o.reason)
	}
	t.mu.Unlock()
	if len(reasons) == 0 {
		t.condition(hub.OK, "")
		return
	}
	t.condition(hub.Degraded, strings.Join(reasons, "; "))
}

// refused notes a log-in that was not let in, so that the owner sees which
// device it was. One log line per address and cause until it is forgotten.
func (b *Broker) refused(addr netip.Addr, user, why string) {
	if b.gate.closing.Load() {
		return
	}
	name := "with the name " + strconv.QuoteToASCII(clip(user))
	switch user {
	case "":
		name = "without a name"
	case "emonpi":
		name += " (a device that was never paired)" // EmonESP's default log-in
	}
	reason := "a device at " + addr.String() + " tried to log in " + name + ": " + why + "; pair it or change its MQTT settings"
	if b.troubles.set(time.Now(), "login "+addr.String(), reason, troubleTime) {
		b.cfg.Logger.Warn("refused an MQTT log-in", "addr", addr, "user", clip(user), "why", why)
	}
}

// muffler is the handler of the library's log: warnings and worse only, each
// message at most once a minute, and none of the packets that the library
// likes to print, as a CONNECT among them carries its password (defect 17).
type muffler struct {
	next  slog.Handler
	state *mufflerState
}

type mufflerState struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func newMuffler(next slog.Handler) *muffler {
	return &muffler{next: next, state: &mufflerState{last: map[string]time.Time{}}}
}

// Enabled lets warnings and errors pass.
func (m *muffler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && m.next.Enabled(ctx, level)
}

// Handle prints a record without what may hold secrets.
func (m *muffler) Handle(ctx context.Context, r slog.Record) error {
	m.state.mu.Lock()
	quiet := r.Time.Sub(m.state.last[r.Message]) < logPause
	if !quiet {
		m.state.last[r.Message] = r.Time
	}
	m.state.mu.Unlock()
	if quiet {
		return nil
	}
	clean := slog.NewRecord(r.Time, r.Level, "broker library: "+r.Message, 0)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" || a.Key == "client" {
			clean.AddAttrs(slog.String(a.Key, clip(a.Value.String())))
		}
		return true
	})
	return m.next.Handle(ctx, clean)
}

// WithAttrs drops the library's own attributes.
func (m *muffler) WithAttrs([]slog.Attr) slog.Handler { return m }

// WithGroup drops groups.
func (m *muffler) WithGroup(string) slog.Handler { return m }
