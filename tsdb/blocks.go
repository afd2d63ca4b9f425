package tsdb

import "sync"

// blockCache keeps the blocks that were taken apart lately: pages ask for the
// last day again and again. A block goes by the bytes it was made from, and
// those never change: a correction, a write to a segment, or an index made
// again refers to other bytes, and a trim is the reader's. So nothing in here
// can be out of date, only out of use, and then it gives way to others.
type blockCache struct {
	mu   sync.Mutex
	max  int // blocks
	at   map[blockKey]int
	ring []cachedBlock
	hand int // looks for one that was not used since it came by
}

// values are the slots of a block, NaN where nothing is known.
type values [blockLen]float64

// blockKey names bytes in a segment, or in RAM on their way to one.
type blockKey struct {
	seg  *segment
	off  int64
	size int
	sum  uint32
	body *byte
}

type cachedBlock struct {
	key  blockKey
	vals *values // nobody may change them
	used bool
}

// defaultCache is the RAM for blocks taken apart: 28 days of a feed at 10 s.
const defaultCache = 2 << 20

const cachedSize = blockLen * 8

func (s *source) key() blockKey {
	k := blockKey{seg: s.seg, off: s.off, size: s.size, sum: s.sum}
	if s.seg == nil {
		k.body = &s.body[0]
	}
	return k
}

// takes says whether a query of so many blocks may keep them. One that is
// longer than the cache would only push out what others need again.
func (c *blockCache) takes(blocks int64) bool { return blocks <= int64(c.max) }

func (c *blockCache) get(k blockKey) *values {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := c.at[k]
	if !ok {
		return nil
	}
	c.ring[i].used = true
	return c.ring[i].vals
}

// put keeps a block in the place of one that was not used for long.
func (c *blockCache) put(k blockKey, v *values) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.at[k]; ok || c.max == 0 {
		return
	}
	if c.at == nil {
		c.at = map[blockKey]int{}
	}
	if len(c.ring) < c.max {
		c.at[k] = len(c.ring)
		c.ring = append(c.ring, cachedBlock{key: k, vals: v})
		return
	}
	for c.ring[c.hand].used {
		c.ring[c.hand].used = false
		c.hand = (c.hand + 1) % c.max
	}
	delete(c.at, c.ring[c.hand].key)
	c.at[k] = c.hand
	c.ring[c.hand] = cachedBlock{key: k, vals: v}
	c.hand = (c.hand + 1) % c.max
}
