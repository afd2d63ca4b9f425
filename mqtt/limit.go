package mqtt

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"homehub/hub"
)

// The topics of the limit from outside (hub.Limit): who was granted the first
// sets it, the second is the one in force, retained, null for none.
const (
	limitSetTopic = limitTopic + setSuffix
	limitTopic    = mirrorPrefix + "limit"
)

// limitWish is a limit that a program wants; one without a source withdraws it.
type limitWish struct {
	client string
	limit  hub.Limit
}

// limitWishes takes limits on homehub/limit/set. Of several that come faster
// than they are kept, the last one counts.
type limitWishes struct {
	keep   func(client string, l hub.Limit) error
	refuse func(err error)
	wake   chan struct{}

	mu      sync.Mutex
	waiting *limitWish
}

func newLimitWishes() *limitWishes {
	return &limitWishes{
		keep:   func(string, hub.Limit) error { return hub.Errorf(hub.Unavailable, "limits are not taken here") },
		refuse: func(error) {}, wake: make(chan struct{}, 1),
	}
}

// heard takes in a limit. What is wrong with it is said on homehub/limit/error,
// and nothing changes then.
func (w *limitWishes) heard(e event) {
	if len(e.payload) == 0 {
		return // clears a retained one
	}
	l, err := parseLimit(e.payload)
	if err != nil {
		w.refuse(err)
		return
	}
	w.mu.Lock()
	w.waiting = &limitWish{e.peer.cred.ID, l}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// parseLimit reads what PUT /api/limit takes, or null, which withdraws a limit.
// Whether its values make sense is the hub's to say.
func parseLimit(payload []byte) (l hub.Limit, err error) {
	payload = bytes.TrimSpace(payload)
	if len(payload) > maxWish {
		return l, hub.FieldErrorf("limit", "is longer than %d bytes", maxWish)
	}
	if string(payload) == "null" {
		return l, nil
	}
	var body struct {
		Watts  *hub.Watt `json:"watts"`
		Until  time.Time `json:"until"`
		Source string    `json:"source"`
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil || d.More() {
		return l, hub.FieldErrorf("limit", `must be like {"watts":4200,"until":"2026-01-31T07:00:00Z","source":"grid operator"}, or null to withdraw it`)
	}
	switch {
	case body.Watts == nil:
		return l, hub.FieldErrorf("watts", "is missing: say how much the house may take")
	case body.Source == "":
		return l, hub.FieldErrorf("source", "is missing: say who sets the limit")
	}
	return hub.Limit{Watts: *body.Watts, Until: body.Until.UTC(), Source: body.Source}, nil
}

// run puts limits in force until ctx ends.
func (w *limitWishes) run(ctx context.Context) {
	paced(ctx, w.wake, func() {
		w.mu.Lock()
		waiting := w.waiting
		w.waiting = nil
		w.mu.Unlock()
		if waiting == nil {
			return
		}
		if err := w.keep(waiting.client, waiting.limit); err != nil {
			w.refuse(err)
		}
	})
}

// paced calls work when it is woken, at most once in wishPause, until ctx ends.
func paced(ctx context.Context, wake <-chan struct{}, work func()) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		work()
		pause.Reset(wishPause)
	}
}

// limitOf is what the mirror says of the limit.
func limitOf(s hub.Snapshot) string {
	if !s.Limit.ActiveAt(s.At) {
		return "null"
	}
	return string(encode(s.Limit))
}

// limitOver tells when the limit in force ends by itself, nil if it does not:
// a house whose meter is silent has nothing else to wake the mirror.
func limitOver(s hub.Snapshot, clock hub.Clock) <-chan time.Time {
	if s.Limit.Until.IsZero() || !s.Limit.ActiveAt(s.At) {
		return nil
	}
	return time.After(clock.Real(s.Limit.Until.Sub(s.At)) + time.Millisecond)
}
