package mqtt

import (
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// maxWillDelay bounds how long a Will waits; it is the life of a session.
const maxWillDelay = sessionHours * time.Hour

// wills are the Wills that wait for their delay. The library's own waiting
// sends one also if the client is back already, when its old connection ends
// after the new one began, and wipes the Will of whoever is connected under
// that id when it sends it.
type wills struct {
	mu      sync.Mutex
	waiting map[string]*time.Timer
}

// later runs send after d unless the client is back before.
func (w *wills) later(id string, d time.Duration, send func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old := w.waiting[id]; old != nil {
		old.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(min(d, maxWillDelay), func() {
		w.mu.Lock()
		due := w.waiting[id] == timer
		if due {
			delete(w.waiting, id)
		}
		w.mu.Unlock()
		if due {
			send()
		}
	})
	w.waiting[id] = timer
}

// cancel forgets the Will of a client that is back or revoked.
func (w *wills) cancel(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if timer := w.waiting[id]; timer != nil {
		timer.Stop()
		delete(w.waiting, id)
	}
}

// cancelAll forgets all of them.
func (w *wills) cancelAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, timer := range w.waiting {
		timer.Stop()
		delete(w.waiting, id)
	}
}

// sendWill publishes the Will of a client as if the client had.
func (g *gate) sendWill(p *peer, will mochi.Will) {
	if p.revoked.Load() || g.closing.Load() {
		return
	}
	m := &publication{topic: will.TopicName, payload: will.Payload, qos: will.Qos, retain: will.Retain, origin: p.cred.ID}
	if len(will.User) > 0 {
		m.props = &packets.Properties{User: will.User}
	}
	g.carry(m)
	g.overheard(p, m)
}
