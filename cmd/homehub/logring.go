package main

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
)

// ringLines is how many log lines the status page can show.
const ringLines = 200

// logRing is a slog.Handler that writes to another one and keeps the last
// lines in RAM for the status page: the log never goes to the card.
type logRing struct {
	slog.Handler // where lines go
	text         slog.Handler
	lines        *lines
}

type lines struct {
	mu   sync.Mutex
	buf  bytes.Buffer // one line at a time, from text
	ring [ringLines]string
	next int
	full bool
}

func newLogRing(to slog.Handler) *logRing {
	l := &lines{}
	return &logRing{Handler: to, text: slog.NewTextHandler(&l.buf, nil), lines: l}
}

// Handle keeps the line and passes it on.
func (r *logRing) Handle(ctx context.Context, rec slog.Record) error {
	r.lines.mu.Lock()
	r.lines.buf.Reset()
	if err := r.text.Handle(ctx, rec); err == nil {
		r.lines.ring[r.lines.next] = string(bytes.TrimSpace(r.lines.buf.Bytes()))
		r.lines.next = (r.lines.next + 1) % ringLines
		r.lines.full = r.lines.full || r.lines.next == 0
	}
	r.lines.mu.Unlock()
	return r.Handler.Handle(ctx, rec)
}

// WithAttrs keeps the same lines.
func (r *logRing) WithAttrs(a []slog.Attr) slog.Handler {
	return &logRing{r.Handler.WithAttrs(a), r.text.WithAttrs(a), r.lines}
}

// WithGroup keeps the same lines.
func (r *logRing) WithGroup(name string) slog.Handler {
	return &logRing{r.Handler.WithGroup(name), r.text.WithGroup(name), r.lines}
}

// Lines are the last lines, the oldest first.
func (r *logRing) Lines() []string {
	l := r.lines
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.full {
		return append([]string(nil), l.ring[:l.next]...)
	}
	return append(append([]string(nil), l.ring[l.next:]...), l.ring[:l.next]...)
}

// Clear forgets all lines.
func (r *logRing) Clear() {
	if r == nil {
		return
	}
	r.lines.mu.Lock()
	defer r.lines.mu.Unlock()
	r.lines.ring, r.lines.next, r.lines.full = [ringLines]string{}, 0, false
}
