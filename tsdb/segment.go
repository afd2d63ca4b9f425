package tsdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Segments hold closed blocks for ever. They only grow at the end, and every
// block says whose it is and carries its checksum (FORMAT.md §4).
const (
	segMagic    = "HHSEG01\n"
	segHead     = 32
	chunkHead   = 9
	chunkBlock  = "Bk"
	chunkNames  = "Ct"
	chunkPad    = "Pd" // covers what a failed write may have left
	maxChunk    = 1 << 20
	segmentSize = 4 << 20
)

// segment is one segment file.
type segment struct {
	num      int
	f        File
	size     int64 // bytes that hold good chunks, or were there when it was opened
	stale    int64 // end of what a failed write may have left behind size
	sealed   bool  // is never written again
	writable bool
	damaged  bool // not all of it can be read
}

func segmentName(num int) string { return fmt.Sprintf("seg-%06d.hhs", num) }
func indexName(num int) string   { return fmt.Sprintf("seg-%06d.hhx", num) }

func segmentNumber(name string) (int, bool) {
	s, ok := strings.CutPrefix(name, "seg-")
	if !ok {
		return 0, false
	}
	if s, ok = strings.CutSuffix(s, ".hhs"); !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0
}

// entry locates a block and sums it up.
type entry struct {
	block int64
	off   int64 // of the body, in its segment
	size  int
	sum   uint32 // CRC-32C of the body
	ways  []byte // waypoints of the body, see headOf
	stats
}

// run is the blocks of one generation in one segment.
type blockRun struct {
	seg         *segment
	gen         uint32
	first, last int64
	n           int
	points      int64
	bytes       int64
	mem         []entry // in block order, newest version only; nil if in the index file
	off         int64   // in the index file
	size        int
	crc         uint32
	idx         File
}

// appendChunk frames a payload.
func appendChunk(dst []byte, magic string, payload ...[]byte) []byte {
	at := len(dst)
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	dst = append(dst, magic...)
	dst = append(dst, byte(n), byte(n>>8), byte(n>>16), 0, 0, 0, 0)
	for _, p := range payload {
		dst = append(dst, p...)
	}
	binary.LittleEndian.PutUint32(dst[at+5:], chunkCRC(dst[at:]))
	return dst
}

// chunkCRC covers magic, length and payload.
func chunkCRC(b []byte) uint32 {
	return crc32.Update(crc(b[:5]), castagnoli, b[chunkHead:])
}

// parseChunk checks the chunk at the start of b; n is its whole length.
func parseChunk(b []byte) (magic string, payload []byte, n int, ok bool) {
	if len(b) < chunkHead {
		return "", nil, 0, false
	}
	magic = string(b[:2])
	if magic != chunkBlock && magic != chunkNames && magic != chunkPad {
		return "", nil, 0, false
	}
	size := int(b[2]) | int(b[3])<<8 | int(b[4])<<16
	if size > maxChunk || chunkHead+size > len(b) {
		return "", nil, 0, false
	}
	n = chunkHead + size
	if binary.LittleEndian.Uint32(b[5:]) != chunkCRC(b[:n]) {
		return "", nil, 0, false
	}
	return magic, b[chunkHead:n], n, true
}

// appendBlock frames a block body.
func appendBlock(dst []byte, gen uint32, block int64, body []byte) []byte {
	var head [16]byte
	h := binary.AppendUvarint(head[:0], uint64(gen))
	h = binary.AppendVarint(h, block)
	return appendChunk(dst, chunkBlock, h, body)
}

func parseBlock(payload []byte) (gen uint32, block int64, body []byte, ok bool) {
	g, k := binary.Uvarint(payload)
	if k <= 0 || g > math.MaxUint32 {
		return 0, 0, nil, false
	}
	block, j := binary.Varint(payload[k:])
	if j <= 0 || block > 1<<52 || block < -1<<52 {
		return 0, 0, nil, false
	}
	return uint32(g), block, payload[k+j:], true
}

// createSegment makes a segment whose first chunk is a copy of the catalogue,
// so that the names survive the loss of the catalogue file.
func createSegment(fsys FS, dir string, id uint64, num int, names []byte) (*segment, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, segmentName(num)), OpenWrite)
	if err != nil {
		return nil, err
	}
	b := make([]byte, segHead, segHead+chunkHead+len(names))
	copy(b, segMagic)
	binary.LittleEndian.PutUint64(b[8:], id)
	binary.LittleEndian.PutUint32(b[16:], uint32(num))
	binary.LittleEndian.PutUint32(b[segHead-4:], crc(b[:segHead-4]))
	b = appendChunk(b, chunkNames, names)
	if _, err = f.WriteAt(b, 0); err == nil {
		if err = f.Sync(); err == nil {
			err = fsys.SyncDir(dir)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &segment{num: num, f: f, size: int64(len(b)), writable: true}, nil
}

// scanned is what scanSegment found.
type scanned struct {
	runs  map[uint32]*blockRun
	names []byte     // the newest copy of the catalogue
	end   int64      // after the last good chunk
	holes [][2]int64 // stretches that hold nothing readable; the last may be a torn tail
	id    uint64
	idOK  bool
}

// scanSegment reads a segment from front to end, stepping over what it cannot
// read.
func scanSegment(s *segment) (scanned, error) {
	out := scanned{runs: map[uint32]*blockRun{}, end: segHead}
	b := make([]byte, s.size)
	if _, err := s.f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		readAround(s.f, b)
	}
	at := 0
	if len(b) >= segHead && string(b[:8]) == segMagic && binary.LittleEndian.Uint32(b[segHead-4:]) == crc(b[:segHead-4]) {
		out.id, out.idOK = binary.LittleEndian.Uint64(b[8:]), true
		at = segHead
	}
	d := decoded{mark: true}
	hole := -1
	for at < len(b) {
		magic, payload, n, ok := parseChunk(b[at:])
		if ok && magic == chunkBlock {
			ok = out.addBlock(s, payload, int64(at+n-len(payload)), &d)
		} else if ok && magic == chunkNames {
			out.names = payload
		}
		if !ok {
			if hole < 0 {
				hole = at
			}
			at++
			continue
		}
		if hole >= 0 {
			out.holes = append(out.holes, [2]int64{int64(hole), int64(at)})
			hole = -1
		}
		at += n
		out.end = int64(at)
	}
	if hole >= 0 {
		out.holes = append(out.holes, [2]int64{int64(hole), int64(len(b))})
	}
	return out, nil
}

// readAround fills b page by page, leaving zeros where the card will not read.
func readAround(f File, b []byte) {
	for at := 0; at < len(b); at += 4096 {
		page := b[at:min(at+4096, len(b))]
		if _, err := f.ReadAt(page, int64(at)); err != nil && !errors.Is(err, io.EOF) {
			clear(page)
		}
	}
}

func (o *scanned) addBlock(s *segment, payload []byte, off int64, d *decoded) bool {
	gen, block, body, ok := parseBlock(payload)
	if !ok || d.decode(body, blockLen) != nil {
		return false
	}
	r := o.runs[gen]
	if r == nil {
		r = &blockRun{seg: s, gen: gen}
		o.runs[gen] = r
	}
	r.add(entry{
		block: block, off: off + int64(len(payload)-len(body)), size: len(body), sum: crc(body),
		ways: bytes.Clone(d.ways), stats: d.summary(0, blockLen),
	})
	return true
}

// add puts an entry in block order; a newer version replaces an older one.
func (r *blockRun) add(e entry) {
	at, found := slices.BinarySearchFunc(r.mem, e.block, func(a entry, b int64) int { return compare(a.block, b) })
	if found {
		r.points -= int64(r.mem[at].count)
		r.mem[at] = e
	} else {
		r.mem = slices.Insert(r.mem, at, e)
	}
	r.points += int64(e.count)
	r.bytes += int64(e.size) + chunkHead + 6
	r.n = len(r.mem)
	r.first, r.last = r.mem[0].block, r.mem[r.n-1].block
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// body reads a block's body and checks it.
func (s *segment) body(e *entry, buf []byte) ([]byte, error) {
	buf, err := s.read(e, buf)
	if err == nil && crc(buf) != e.sum {
		err = errBlock
	}
	return buf, err
}

// read reads the bytes of an entry into buf or a larger one.
func (s *segment) read(e *entry, buf []byte) ([]byte, error) {
	if cap(buf) < e.size {
		buf = make([]byte, max(e.size, 4096))
	}
	buf = buf[:e.size]
	_, err := s.f.ReadAt(buf, e.off)
	return buf, err
}
