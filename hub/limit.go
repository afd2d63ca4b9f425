package hub

import "time"

// Limit is a cap on what the house may take from the grid that comes from
// outside: the grid operator, or the community.
type Limit struct {
	Watts  Watt      `json:"watts"`           // most that the house may take
	Until  time.Time `json:"until,omitzero"`  // when it ends by itself; zero: when it is withdrawn
	Source string    `json:"source"`          // who set it, in words; "" is no limit
	SetAt  time.Time `json:"set_at,omitzero"` // SetLimit fills it
}

// ActiveAt says whether the limit is in force at now.
func (l Limit) ActiveAt(now time.Time) bool {
	return l.Source != "" && (l.Until.IsZero() || now.Before(l.Until))
}

// SetLimit puts a limit from outside in force, in place of the one before;
// one without a Source withdraws it. It returns when that is durable. The
// guards obey within a second.
func (h *Hub) SetLimit(l Limit) error {
	now := h.cfg.Clock.Now()
	if l.Source != "" {
		var err error
		if l.Source, err = CleanName("source", l.Source); err != nil {
			return err
		}
		if l.Watts < 0 || l.Watts > 1_000_000 {
			return FieldErrorf("watts", "must be 0 to 1000000")
		}
		if !l.Until.IsZero() && !l.Until.After(now) {
			return FieldErrorf("until", "is over already")
		}
		l.SetAt = now
	} else {
		l = Limit{}
	}
	h.edit.Lock()
	defer h.edit.Unlock()
	if h.cfg.KeepLimit != nil {
		if err := h.cfg.KeepLimit(l); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live.Limit = l
	h.live.Seq++
	h.wake()
	return nil
}

// GuardKind is what a guard protects.
type GuardKind string

// The kinds of guard, the most urgent first.
const (
	GuardFuse   GuardKind = "fuse"   // a phase or the connection would carry too much
	GuardLimit  GuardKind = "limit"  // a Limit from outside
	GuardSilent GuardKind = "silent" // the meter says nothing: only what is safe without it
	GuardPeak   GuardKind = "peak"   // the quarter would become the month's highest
)

// Guarding is what the guards hold back at the moment. It is never changed
// once it is published.
type Guarding struct {
	Kind    GuardKind `json:"kind"`
	Cause   string    `json:"cause"` // one sentence for people
	Since   time.Time `json:"since"`
	Devices []string  `json:"devices"` // ids of those that may not do what they would
}

// SetGuarding publishes what the guards hold back; nil: nothing.
func (h *Hub) SetGuarding(g *Guarding) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live.Guarding = g
	h.live.Seq++
	h.wake()
}
