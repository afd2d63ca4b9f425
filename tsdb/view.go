package tsdb

import (
	"math/bits"
	"slices"
	"time"
)

// view is what a reader sees of some blocks of a generation: copies of the
// hot ones, references to the rest, none of which ever changes.
type view struct {
	g           *generation
	first, last int64 // blocks
	trim        int64
	open        int64     // the open block, beyond last if there is none
	hot         []hotCopy // in block order
	packed      []packedBlock
	runs        []*blockRun // oldest first
}

type hotCopy struct {
	block int64
	vals  cells
	set   present
}

// view copies what RAM has of blocks first to last. f.mu is held.
func (g *generation) view(first, last int64) *view {
	v := &view{g: g, first: first, last: last, trim: g.trim, open: 1 << 52}
	if g.open != nil {
		v.open = g.open.block
	}
	for _, h := range g.hot {
		if h.block >= first && h.block <= last && h.set.any() {
			v.hot = append(v.hot, hotCopy{h.block, h.vals, h.set})
		}
	}
	slices.SortFunc(v.hot, func(a, b hotCopy) int { return compare(a.block, b.block) })
	for _, p := range g.packed {
		if p.block >= first && p.block <= last {
			v.packed = append(v.packed, p)
		}
	}
	slices.SortFunc(v.packed, func(a, b packedBlock) int { return compare(a.block, b.block) })
	for _, r := range g.runs {
		if r.first <= last && r.last >= first {
			v.runs = append(v.runs, r)
		}
	}
	return v
}

// source is the newest version of a block: in a segment, packed in RAM, or
// nothing, and perhaps hot points over it. The stats are without those.
type source struct {
	*entry
	seg  *segment
	body []byte
	hot  *hotCopy
}

func (s *source) where() string {
	if s.seg == nil {
		return "RAM"
	}
	return segmentName(s.seg.num)
}

// stretch is a row of blocks of a segment.
type stretch struct {
	seg     *segment
	entries []entry
}

// sources lists the blocks from lo to hi, in order.
func (v *view) sources(db *DB, name string, lo, hi int64) []source {
	lo, hi = max(lo, v.first), min(hi, v.last)
	var found []stretch
	n := len(v.packed) + len(v.hot)
	for _, r := range v.runs {
		if r.first > hi || r.last < lo {
			continue
		}
		entries, err := db.columns.entries(r)
		if err != nil {
			entries = db.rescan(name, r, err)
		}
		byBlock := func(e entry, b int64) int { return compare(e.block, b) }
		from, _ := slices.BinarySearchFunc(entries, lo, byBlock)
		to, _ := slices.BinarySearchFunc(entries, hi+1, byBlock)
		found = append(found, stretch{r.seg, entries[from:max(from, to)]})
		n += len(found[len(found)-1].entries)
	}
	list := make([]source, 0, n)
	for _, s := range found {
		for i := range s.entries {
			list = append(list, source{entry: &s.entries[i], seg: s.seg})
		}
	}
	for i := range v.packed {
		if p := &v.packed[i]; p.block >= lo && p.block <= hi {
			list = append(list, source{entry: &p.entry, body: p.body})
		}
	}
	for i := range v.hot {
		if h := &v.hot[i]; h.block >= lo && h.block <= hi {
			list = append(list, source{entry: &entry{block: h.block}, hot: h})
		}
	}
	for i := 1; i < len(list); i++ {
		if list[i].block <= list[i-1].block {
			slices.SortStableFunc(list, func(a, b source) int { return compare(a.block, b.block) })
			return newestOnly(list)
		}
	}
	return list
}

// newestOnly keeps the last version of each block.
func newestOnly(list []source) []source {
	out := list[:0]
	for _, s := range list {
		n := len(out)
		switch {
		case n == 0 || out[n-1].block != s.block:
			out = append(out, s)
		case s.hot != nil:
			out[n-1].hot = s.hot
		default:
			out[n-1] = s
		}
	}
	return out
}

// rescan reads a segment's blocks because its index went bad.
func (db *DB) rescan(name string, r *blockRun, why error) []entry {
	out, err := scanSegment(r.seg)
	if err != nil || out.runs[r.gen] == nil {
		db.st.quarantine(db.log, Range{Feed: name, Why: "index of " + segmentName(r.seg.num) + " lost: " + why.Error()})
		return nil
	}
	db.log.Warn("index is damaged, segment was read instead", "segment", r.seg.num, "error", why)
	return out.runs[r.gen].mem
}

// bodies reads block bodies, several at once where they lie side by side.
type bodies struct {
	seg *segment
	off int64
	buf []byte
}

// readAhead bounds one read; a day of a feed fits.
const readAhead = 16 << 10

// read returns a body that fits its checksum, valid until the next call; nil
// if the source has only hot points.
func (b *bodies) read(s *source, following []source) ([]byte, error) {
	if s.seg == nil {
		return s.body, nil
	}
	if at := s.off - b.off; b.seg == s.seg && at >= 0 && at+int64(s.size) <= int64(len(b.buf)) {
		if body := b.buf[at : at+int64(s.size)]; crc(body) == s.sum {
			return body, nil
		}
		return nil, errBlock
	}
	end := s.off + int64(s.size)
	for i := range following {
		n := &following[i]
		if n.seg != s.seg || n.off < end || n.off > end+2*chunkHead+32 || n.off+int64(n.size) > s.off+readAhead {
			break
		}
		end = n.off + int64(n.size)
	}
	whole := &entry{off: s.off, size: int(end - s.off)}
	var err error
	b.seg, b.off = s.seg, s.off
	if b.buf, err = s.seg.read(whole, b.buf); err == nil {
		return b.read(s, nil)
	}
	b.seg = nil // perhaps only what follows cannot be read
	return s.seg.body(s.entry, nil)
}

// block decodes a block; slots from upTo on may stay undecoded. A version that
// cannot be read is reported and counts as empty.
// following are the sources that will be read next. It reports false for one that cannot be read.
func (db *DB) block(name string, g *generation, s *source, d *decoded, from *bodies, following []source, upTo int) bool {
	if s.hot != nil {
		upTo = blockLen
	}
	body, err := from.read(s, following)
	if err == nil && body != nil {
		err = d.decode(body, upTo)
	}
	if err != nil {
		db.st.quarantine(db.log, Range{
			Feed: name, Why: "block in " + s.where() + ": " + err.Error(),
			From: time.Unix(g.time(s.block<<blockBits), 0).UTC(), To: time.Unix(g.time((s.block+1)<<blockBits), 0).UTC(),
		})
	}
	if err != nil || body == nil {
		*d = decoded{upTo: blockLen, isFloat: true}
	}
	if s.hot != nil {
		d.overlay(s.hot)
	}
	return err == nil
}

// overlay lays the hot points over what d holds.
func (d *decoded) overlay(h *hotCopy) {
	if !d.isFloat {
		for i := range d.num {
			if d.has.has(i) {
				d.num[i] = int64(d.bits(i))
			}
		}
		d.isFloat, d.scale, d.f32 = true, 0, false
	}
	for w, word := range h.set {
		d.has[w] |= word
		for ; word != 0; word &= word - 1 {
			i := w<<6 | bits.TrailingZeros64(word)
			d.num[i] = int64(h.vals[i])
		}
	}
}

// whole decodes one block with everything RAM and card have of it.
func (v *view) whole(db *DB, name string, block int64) *decoded {
	d := &decoded{isFloat: true, upTo: blockLen}
	var from bodies
	for _, s := range v.sources(db, name, block, block) {
		db.block(name, v.g, &s, d, &from, nil, blockLen)
	}
	return d
}
