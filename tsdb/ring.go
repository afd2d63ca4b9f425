package tsdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"
)

// The ring is where points become durable: one checksummed record per window
// for all feeds, each in sectors of its own, so that a torn write can only
// hurt the record being written (FORMAT.md §3).
const (
	ringMagic     = "HHRING1\n"
	recordMagic   = 0x31524848 // "HHR1"
	ringStart     = 4096       // records begin here, the header has the room before
	recordHead    = 56
	maxRecord     = 128 << 10
	minRing       = 64 << 10
	defaultRing   = 2 << 20 // 2.8 days of one 512-byte record a minute
	maxRing       = 256 << 20
	ringHeaderLen = 40
)

// castagnoli is the CRC-32C polynomial table, which the CPU has an
// instruction for. It is never written to.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

var (
	errRingFull = errors.New("ring is full")
	errForeign  = errors.New("not this folder's ring")
)

// span is where a record lies.
type span struct {
	seq, tail uint64
	prev      uint64 // the record before it; numbers of failed writes are skipped
	pos       int64
	size      int64
	at        int64 // nanoseconds, newest point in it
	mark      mark
}

// mark says up to where the segments were flushed when a record was written:
// what cannot be read below is damage, above it is a write the power cut
// short, whose points the ring still holds.
type mark struct{ segment, size uint32 }

func (s span) end() int64 { return s.pos + s.size }

type ring struct {
	f    File
	unit int64
	size int64
	id   uint64
	next uint64 // sequence number of the next record
	head int64  // where it goes
	tail uint64 // oldest record still needed, as the card knows it
	live []span // records that may not be overwritten, in order
	buf  []byte
	last uint64   // sequence number of the newest record
	step struct { // what commit will make true
		head int64
		last uint64
		live []span
	}
}

// createRing fills f with zeros up to size, so that later writes change no
// metadata but the time stamp, and writes the header.
func createRing(f File, id uint64, size int64) (*ring, error) {
	size = min(max(size, minRing), maxRing) &^ 4095
	zero := alignedBuffer(64 << 10)
	for at := int64(ringStart); at < size; at += int64(len(zero)) {
		if _, err := f.WriteAt(zero[:min(int64(len(zero)), size-at)], at); err != nil {
			return nil, err
		}
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	unit := int64(max(f.Unit(), 512))
	h := alignedBuffer(ringStart)
	copy(h, ringMagic)
	binary.LittleEndian.PutUint64(h[8:], id)
	binary.LittleEndian.PutUint64(h[16:], uint64(size))
	binary.LittleEndian.PutUint32(h[24:], uint32(unit))
	binary.LittleEndian.PutUint32(h[ringHeaderLen-4:], crc(h[:ringHeaderLen-4]))
	if _, err := f.WriteAt(h, 0); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return &ring{f: f, unit: unit, size: size, id: id, next: 1, head: ringStart, tail: 1}, nil
}

// openRing reads an existing ring's header and finds its records. A header
// that cannot be read is no reason to lose the records: they name their owner
// themselves. It returns io.EOF for a blank file, and errForeign for one that
// holds something else.
func openRing(f File, id uint64) (*ring, error) {
	h := alignedBuffer(ringStart)
	if _, err := f.ReadAt(h, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	r := &ring{f: f, unit: int64(max(f.Unit(), 512)), size: min(size, maxRing) &^ 4095, id: id, next: 1, head: ringStart, tail: 1}
	ours := string(h[:8]) == ringMagic && binary.LittleEndian.Uint32(h[ringHeaderLen-4:]) == crc(h[:ringHeaderLen-4])
	if ours {
		if binary.LittleEndian.Uint64(h[8:]) != id {
			return nil, errForeign
		}
		r.size = min(r.size, int64(binary.LittleEndian.Uint64(h[16:])))
		r.unit = max(r.unit, int64(binary.LittleEndian.Uint32(h[24:])))
	}
	if r.size >= minRing {
		if err := r.scan(); err != nil {
			return nil, err
		}
		if ours || len(r.live) > 0 {
			return r, nil
		}
	}
	if blank, err := isBlank(f, min(size, maxRing)); err != nil || !blank {
		return nil, errors.Join(errForeign, err)
	}
	return nil, io.EOF
}

// isBlank says whether a file holds nothing but zeros: only then it may be
// made a ring. Looking at the start alone would take a btrfs for empty.
func isBlank(f File, size int64) (bool, error) {
	chunk := alignedBuffer(256 << 10)
	for at := int64(0); at < size; at += int64(len(chunk)) {
		n, err := f.ReadAt(chunk, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if slices.ContainsFunc(chunk[:n], func(b byte) bool { return b != 0 }) {
			return false, nil
		}
	}
	return true, nil
}

// scan finds every record and keeps those that are still needed.
func (r *ring) scan() error {
	chunk := alignedBuffer(512 << 10)
	var all []span
	for at := int64(ringStart); at < r.size; {
		n, err := r.f.ReadAt(chunk[:min(int64(len(chunk)), r.size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			// a sector that cannot be read is a hole, not the end
			at += 4096
			continue
		}
		if n == 0 {
			break
		}
		next := at + int64(n)
		for i := int64(0); i+512 <= int64(n); {
			size := r.recordSize(chunk[i:n])
			if size > int64(n)-i {
				if i > 0 {
					next = at + i
					break
				}
				size = 0
			}
			if s, ok := r.parse(chunk[i:i+size], at+i); ok {
				all = append(all, s)
				i += s.size
			} else {
				i += 512
			}
		}
		at = next
	}
	slices.SortFunc(all, func(a, b span) int { return int(int64(a.seq - b.seq)) })
	if len(all) == 0 {
		return nil
	}
	last := all[len(all)-1]
	r.next, r.last, r.head, r.tail = last.seq+1, last.seq, last.end(), last.tail
	for _, s := range all {
		if s.seq >= r.tail {
			r.live = append(r.live, s)
		}
	}
	return nil
}

// recordSize is how long the record at the start of b says it is, 0 if it is
// none.
func (r *ring) recordSize(b []byte) int64 {
	if len(b) < recordHead || binary.LittleEndian.Uint32(b) != recordMagic || binary.LittleEndian.Uint64(b[8:]) != r.id {
		return 0
	}
	n := int64(binary.LittleEndian.Uint32(b[32:])) + recordHead
	if n > maxRecord {
		return 0
	}
	return n
}

// parse checks the record in b.
func (r *ring) parse(b []byte, pos int64) (span, bool) {
	if len(b) < recordHead || binary.LittleEndian.Uint32(b[4:]) != crc(b[8:]) {
		return span{}, false
	}
	return span{
		seq: binary.LittleEndian.Uint64(b[16:]), tail: binary.LittleEndian.Uint64(b[24:]),
		prev: binary.LittleEndian.Uint64(b[16:]) - uint64(binary.LittleEndian.Uint32(b[36:])),
		at:   int64(binary.LittleEndian.Uint64(b[40:])), pos: pos, size: r.round(int64(len(b))),
		mark: mark{binary.LittleEndian.Uint32(b[48:]), binary.LittleEndian.Uint32(b[52:])},
	}, true
}

// limit is how long a record may be: a quarter of the ring at most.
func (r *ring) limit() int64 { return min(maxRecord, (r.size-ringStart)/4) }

func (r *ring) round(n int64) int64 { return (n + r.unit - 1) / r.unit * r.unit }

// payload reads a record's payload again.
func (r *ring) payload(s span) ([]byte, error) {
	b := alignedBuffer(int(s.size))
	if _, err := r.f.ReadAt(b, s.pos); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	n := r.recordSize(b)
	if n == 0 {
		return nil, errBlock
	}
	if _, ok := r.parse(b[:n], s.pos); !ok {
		return nil, errBlock
	}
	return b[recordHead:n], nil
}

// write puts a record into fresh sectors. It counts only after commit; if it
// or commit fails, abort, and the next record goes to the same place.
func (r *ring) write(payload []byte, tail uint64, at int64, m mark) error {
	n := int64(recordHead + len(payload))
	if n > r.limit() {
		return fmt.Errorf("record of %d bytes: %w", n, errRingFull)
	}
	size := r.round(n)
	if r.step.head == 0 {
		r.step.head, r.step.last = r.head, r.last
	}
	pos := r.step.head
	if pos+size > r.size {
		pos = ringStart
	}
	for _, s := range r.live {
		if s.seq >= r.tail && s.pos < pos+size && pos < s.end() {
			return errRingFull
		}
	}
	for _, s := range r.step.live {
		if s.pos < pos+size && pos < s.end() {
			return errRingFull
		}
	}
	if int64(len(r.buf)) < size {
		r.buf = alignedBuffer(int(size))
	}
	b := r.buf[:size]
	clear(b)
	binary.LittleEndian.PutUint32(b, recordMagic)
	binary.LittleEndian.PutUint64(b[8:], r.id)
	binary.LittleEndian.PutUint64(b[16:], r.next)
	binary.LittleEndian.PutUint64(b[24:], tail)
	binary.LittleEndian.PutUint32(b[32:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[36:], uint32(r.next-r.step.last))
	binary.LittleEndian.PutUint64(b[40:], uint64(at))
	binary.LittleEndian.PutUint32(b[48:], m.segment)
	binary.LittleEndian.PutUint32(b[52:], m.size)
	copy(b[recordHead:], payload)
	binary.LittleEndian.PutUint32(b[4:], crc(b[8:n]))
	s := span{seq: r.next, tail: tail, prev: r.step.last, pos: pos, size: size, at: at, mark: m}
	r.next++ // never the same number for two contents
	if _, err := r.f.WriteAt(b, pos); err != nil {
		return err
	}
	r.step.head, r.step.last = s.end(), s.seq
	r.step.live = append(r.step.live, s)
	return nil
}

// commit makes the records written since the last commit durable: the one
// flush of the window.
func (r *ring) commit() error {
	if err := r.f.Sync(); err != nil {
		return err
	}
	if n := len(r.step.live); n > 0 {
		r.tail = r.step.live[n-1].tail
	}
	r.live = slices.DeleteFunc(r.live, func(s span) bool { return s.seq < r.tail })
	r.live = append(r.live, r.step.live...)
	if r.step.head != 0 {
		r.head, r.last = r.step.head, r.step.last
	}
	r.abort()
	return nil
}

func (r *ring) abort() {
	r.step.head = 0
	r.step.live = r.step.live[:0]
}

// used is how many bytes hold records that are still needed.
func (r *ring) used() (n int64) {
	for _, s := range r.live {
		n += s.size
	}
	return n
}

// durable is the time of the newest point in the ring.
func (r *ring) durable() time.Time {
	var at int64
	for _, s := range r.live {
		at = max(at, s.at)
	}
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at).UTC()
}

// holes are the live records whose predecessor should be there and is not.
func (r *ring) holes() (after []span) {
	for i, s := range r.live {
		if s.prev < r.tail || s.prev == 0 {
			continue
		}
		if i == 0 || !slices.ContainsFunc(r.live[:i], func(o span) bool { return o.seq == s.prev }) {
			after = append(after, s)
		}
	}
	return after
}
