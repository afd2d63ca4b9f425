package mqtt

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"homehub/hub"
)

const (
	earTime    = 10 * time.Minute // how long a topic is listened to after somebody asked
	maxEars    = 64               // topics at a time; the one asked about longest ago makes room
	maxHeard   = 4 << 10          // bytes of a payload that are kept
	heardShown = 300              // bytes of it that people see
	firstEarID = 100              // subscription ids of the ears; those below are the broker's own
)

// ears listen to topics that somebody who sets up a device asked about. Nobody
// listens for longer than that needs, so a house without such a page open pays
// nothing for it.
type ears struct {
	mu   sync.Mutex
	open map[string]*ear // by topic
	next int             // subscription id
}

type ear struct {
	id      int
	until   time.Time // machine time
	payload []byte
	at      time.Time // zero: nothing came yet
	came    chan struct{}
}

// Listen says what was heard last in the places of a device's map, and waits
// for ctx if some said nothing yet. From then on their topics are listened to
// for ten minutes, so that asking again shows what came meanwhile. What its
// family does not allow is an Invalid error that names the field.
func (b *Broker) Listen(ctx context.Context, d hub.Device) ([]hub.Heard, error) {
	g, err := newGeneric(d)
	if err != nil {
		return nil, err
	}
	topics := g.bases()
	for _, topic := range topics {
		if len(g.places) == 0 {
			break
		}
		if err := b.lend(topic); err != nil {
			return nil, err
		}
	}
	var list []hub.Heard
	for _, topic := range topics {
		payload, at := b.ears.wait(ctx, topic)
		for _, p := range g.places[topic] {
			list = append(list, heardAt(g.reader, p, topic, payload, at))
		}
	}
	slices.SortFunc(list, byName)
	return list, nil
}

func byName(x, y hub.Heard) int {
	if x.Name < y.Name {
		return -1
	}
	return 1
}

// heardAt is what a payload says in one place.
func heardAt(r reader, p place, topic string, payload []byte, at time.Time) hub.Heard {
	h := hub.Heard{Name: p.name, Topic: topic, At: at}
	if at.IsZero() {
		return h
	}
	h.Payload = string(bytes.ToValidUTF8(payload[:min(len(payload), heardShown)], nil))
	only := reader{places: map[string][]place{topic: {p}}, signs: r.signs}
	h.Said, _ = only.read(topic, payload)
	return h
}

// lend opens an ear, or keeps it open.
func (b *Broker) lend(topic string) error {
	now := time.Now()
	b.ears.mu.Lock()
	b.closeEars(now)
	e, ok := b.ears.open[topic]
	if ok {
		e.until = now.Add(earTime)
		b.ears.mu.Unlock()
		return nil
	}
	e = &ear{id: firstEarID + b.ears.next, until: now.Add(earTime), came: make(chan struct{})}
	b.ears.next++
	b.ears.open[topic] = e
	b.ears.mu.Unlock()
	// What is retained comes at once. The lock is that of whoever retains.
	b.shelf.index.RLock()
	err := b.server.Subscribe(topic, e.id, func(_ *mochi.Client, _ packets.Subscription, pk packets.Packet) { b.ears.hear(e, pk) })
	b.shelf.index.RUnlock()
	return err
}

// closeEars takes away those whose time is over, and makes room for one more;
// ears.mu is held.
func (b *Broker) closeEars(now time.Time) {
	for len(b.ears.open) > 0 {
		oldest := ""
		for topic, e := range b.ears.open {
			if oldest == "" || e.until.Before(b.ears.open[oldest].until) {
				oldest = topic
			}
		}
		e := b.ears.open[oldest]
		if now.Before(e.until) && len(b.ears.open) < maxEars {
			return
		}
		delete(b.ears.open, oldest)
		_ = b.server.Unsubscribe(oldest, e.id) // it is one of ours
	}
}

// hear keeps the last message. It is called on the goroutine that reads from
// whoever published.
func (s *ears) hear(e *ear, pk packets.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.payload = append(e.payload[:0], pk.Payload[:min(len(pk.Payload), maxHeard)]...)
	first := e.at.IsZero()
	e.at = time.Now()
	if pk.Created > 0 {
		e.at = time.Unix(pk.Created, 0)
	}
	if first {
		close(e.came)
	}
}

// wait is what came last on a topic, at the latest when ctx ends.
func (s *ears) wait(ctx context.Context, topic string) ([]byte, time.Time) {
	s.mu.Lock()
	e := s.open[topic]
	s.mu.Unlock()
	if e == nil {
		return nil, time.Time{}
	}
	select {
	case <-e.came:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(e.payload), e.at
}

// Listen asks a device that is told by HTTP for the places of its map, each
// once. A device that does not answer is a Problem of its places.
func (w *Webhooks) Listen(ctx context.Context, d hub.Device) ([]hub.Heard, error) {
	h, err := newHook(d)
	if err != nil {
		return nil, err
	}
	var list []hub.Heard
	for path, places := range h.places {
		body, err := fetch(ctx, w.client, d.Topic+path, "")
		for _, p := range places {
			heard := hub.Heard{Name: p.name, Topic: path}
			if err != nil {
				heard.Problem = err.Error()
			} else {
				heard = heardAt(h.reader, p, path, body, time.Now())
			}
			list = append(list, heard)
		}
	}
	slices.SortFunc(list, byName)
	return list, nil
}
