package mqtt

import "sync"

// turns lets one connection at a time hand over the session of an id. In the
// library a connection that ends and the one that takes its session over race:
// the end can delete the newcomer from the table of clients, which then is
// connected but receives nothing.
type turns struct {
	mu   sync.Mutex
	free *sync.Cond
	held map[string]*peer
}

func newTurns() *turns {
	t := &turns{held: map[string]*peer{}}
	t.free = sync.NewCond(&t.mu)
	return t
}

// enter waits until nobody else holds the turn of id.
func (t *turns) enter(id string, p *peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.held[id] != nil && t.held[id] != p {
		t.free.Wait()
	}
	t.held[id], p.turn = p, id
}

// leave gives up the turn that p holds, if any.
func (t *turns) leave(p *peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.turn != "" && t.held[p.turn] == p {
		delete(t.held, p.turn)
		t.free.Broadcast()
	}
	p.turn = ""
}
