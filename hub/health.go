package hub

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Condition is how well a part works.
type Condition string

// The conditions, from good to bad.
const (
	OK       Condition = "ok"
	Degraded Condition = "degraded" // works, but something is missing
	Down     Condition = "down"
)

// Part is one line of the status page: a part, how it is, since when and why.
type Part struct {
	Name      string    `json:"name"`
	Condition Condition `json:"condition"`
	Since     time.Time `json:"since"`
	Reason    string    `json:"reason,omitempty"` // says what to do where there is something to do
}

// Health holds the condition of every part. It writes one log line per
// change, none per report.
type Health struct {
	clock  Clock
	logger *slog.Logger

	mu    sync.Mutex
	parts []Part
}

// NewHealth is a Health without parts; they appear with their first Set.
func NewHealth(clock Clock, logger *slog.Logger) *Health {
	return &Health{clock: clock, logger: logger}
}

// Set records how a part is. Only a change of condition moves Since and is
// logged.
func (h *Health) Set(name string, c Condition, reason string) {
	h.mu.Lock()
	i := slices.IndexFunc(h.parts, func(p Part) bool { return p.Name == name })
	if i < 0 {
		i = len(h.parts)
		h.parts = append(h.parts, Part{Name: name})
	}
	p := &h.parts[i]
	changed := p.Condition != c
	if changed {
		p.Condition, p.Since = c, h.clock.Now()
	}
	p.Reason = reason
	h.mu.Unlock()
	if !changed {
		return
	}
	level := slog.LevelInfo
	if c != OK {
		level = slog.LevelWarn
	}
	h.logger.Log(context.Background(), level, "condition changed", "name", name, "condition", c, "reason", reason)
}

// Parts are all parts in the order of their first Set, and the worst
// condition among them.
func (h *Health) Parts() ([]Part, Condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	worst := OK
	for _, p := range h.parts {
		if p.Condition == Down || worst == OK {
			worst = p.Condition
		}
	}
	return slices.Clone(h.parts), worst
}
