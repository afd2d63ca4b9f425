package mqtt

import (
	"sync"

	"homehub/hub"
)

// shelf keeps the books of retained topics: whose they are and how large, so
// that no client can fill the hub's memory with them.
type shelf struct {
	limits *Limits
	index  sync.RWMutex // of the library's tree of retained messages; see retain

	mu     sync.Mutex
	topics map[string]kept
	owners map[string]int
	bytes  int
	dirty  bool // a durable topic changed since the last snapshot
}

// kept is one retained topic.
type kept struct {
	owner string // client id; "" for the hub itself
	bytes int
}

func newShelf(limits *Limits) *shelf {
	return &shelf{limits: limits, topics: map[string]kept{}, owners: map[string]int{}}
}

// room says whether a client may retain size bytes on topic.
func (s *shelf) room(cred hub.Credential, topic string, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.topics[topic]
	if s.bytes-old.bytes+size > s.limits.RetainedBytes {
		return false
	}
	if known && old.owner == cred.ID {
		return true
	}
	if !known && len(s.topics) >= s.limits.Retained {
		return false
	}
	return cred.Device == "" || s.owners[cred.ID] < s.limits.PerDevice
}

// put books a retained message; size 0 takes the topic off.
func (s *shelf) put(topic, owner string, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.topics[topic]
	if known {
		s.bytes -= old.bytes
		if s.owners[old.owner]--; s.owners[old.owner] <= 0 {
			delete(s.owners, old.owner)
		}
		delete(s.topics, topic)
	}
	if size > 0 {
		s.topics[topic] = kept{owner: owner, bytes: size}
		s.bytes += size
		s.owners[owner]++
	}
	if durable(topic) && (known || size > 0) {
		s.dirty = true
	}
}

// owned is all topics that a client retained.
func (s *shelf) owned(owner string) (topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, k := range s.topics {
		if k.owner == owner {
			topics = append(topics, topic)
		}
	}
	return topics
}

// owner is who retained topic.
func (s *shelf) owner(topic string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics[topic].owner
}

// takeDirty says whether something durable changed, and forgets it.
func (s *shelf) takeDirty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.dirty
	s.dirty = false
	return was
}

func (s *shelf) setDirty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty = true
}
