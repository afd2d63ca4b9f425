package tsdb

import "sync"

// windowCache remembers sums of past windows: charts ask for the same ones
// again and again. It holds 4,096 of them and nothing that can still change
// without its version changing.
type windowCache struct {
	mu   sync.Mutex
	sets *[512][8]windowSum
	tick uint32
}

type windowKey struct {
	gen     uint32
	limits  bool // minimum and maximum too
	delta   bool
	a, b    int64
	gap     int64
	version uint64
}

type windowSum struct {
	key  windowKey
	sum  tally
	used uint32
}

func (k windowKey) hash() uint64 {
	h := uint64(k.a)*0x9e3779b97f4a7c15 ^ uint64(k.b)*0xc2b2ae3d27d4eb4f ^ uint64(k.gen)*0x165667b19e3779f9
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return h >> 55
}

func (c *windowCache) get(k windowKey) (tally, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sets == nil {
		return tally{}, false
	}
	set := &c.sets[k.hash()]
	for i := range set {
		if e := &set[i]; e.used != 0 && e.key == k {
			c.tick++
			e.used = max(c.tick, 1)
			return e.sum, true
		}
	}
	return tally{}, false
}

func (c *windowCache) put(k windowKey, t tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sets == nil {
		c.sets = new([512][8]windowSum)
	}
	set := &c.sets[k.hash()]
	old := 0
	for i := range set {
		if set[i].used < set[old].used {
			old = i
		}
	}
	c.tick++
	set[old] = windowSum{key: k, sum: t, used: max(c.tick, 1)}
}
