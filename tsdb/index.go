package tsdb

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"path/filepath"
	"sync"
)

// A sealed segment has an index beside it: where each generation's blocks lie
// and what they sum up to. It is derived and can be made again at any time
// (FORMAT.md §5).
const (
	idxMagic  = "HHIDX01\n"
	idxHead   = 40
	idxDirLen = 56
	modeWays  = 0x20 // of an entry: its waypoints follow
)

// appendEntries packs entries; every number is small because it is relative
// to its neighbour.
func appendEntries(dst []byte, list []entry) []byte {
	var block, off, low int64
	for i, e := range list {
		step := e.block - block
		if i == 0 {
			step = e.block
		}
		dst = binary.AppendVarint(dst, step)
		dst = binary.AppendVarint(dst, e.off-off)
		dst = binary.AppendUvarint(dst, uint64(e.size))
		dst = binary.LittleEndian.AppendUint32(dst, e.sum)
		dst = binary.AppendUvarint(dst, uint64(blockLen-e.count))
		mode := byte(e.scale)
		if e.isFloat {
			mode |= modeRaw
		}
		if e.rising {
			mode |= modeF32
		}
		if len(e.ways) > 0 {
			mode |= modeWays
		}
		dst = append(dst, mode)
		block, off = e.block, e.off+int64(e.size)
		if e.isFloat {
			for _, v := range [...]int64{e.stats.sum, e.min, e.max} {
				dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
			}
			continue
		}
		dst = binary.AppendVarint(dst, e.min-low)
		dst = binary.AppendUvarint(dst, uint64(e.max-e.min))
		dst = binary.AppendUvarint(dst, uint64(e.stats.sum-e.min*int64(e.count)))
		if len(e.ways) > 0 {
			dst = append(binary.AppendUvarint(dst, uint64(len(e.ways))), e.ways...)
		}
		low = e.max
	}
	return dst
}

func readEntries(src []byte, n int) ([]entry, error) {
	if n > len(src) {
		return nil, errBlock
	}
	list := make([]entry, 0, n)
	r := varints{src: src}
	var block, off, low int64
	for range n {
		var e entry
		e.block = block + r.signed()
		e.off = off + r.signed()
		e.size = int(r.unsigned() & math.MaxInt32)
		e.sum = uint32(r.fixed(4))
		e.count = blockLen - int(r.unsigned()&math.MaxInt32)
		mode := byte(r.fixed(1))
		e.scale, e.isFloat, e.rising = int(mode&modeScale), mode&modeRaw != 0, mode&modeF32 != 0
		if e.isFloat {
			e.stats.sum, e.min, e.max = int64(r.fixed(8)), int64(r.fixed(8)), int64(r.fixed(8))
		} else {
			e.min = low + r.signed()
			e.max = e.min + int64(r.unsigned())
			e.stats.sum = e.min*int64(e.count) + int64(r.unsigned())
			if mode&modeWays != 0 {
				e.ways = r.bytes(int(min(r.unsigned(), maxChunk)))
			}
			low = e.max
		}
		if r.bad || e.scale > maxScale || e.count < 0 || e.size > maxChunk || e.off < 0 {
			return nil, errBlock
		}
		block, off = e.block, e.off+int64(e.size)
		list = append(list, e)
	}
	return list, nil
}

// varints reads numbers off a slice and remembers whether it ran out.
type varints struct {
	src []byte
	bad bool
}

func (r *varints) drop(k int) {
	if k <= 0 || k > len(r.src) {
		r.bad, r.src = true, nil
		return
	}
	r.src = r.src[k:]
}

func (r *varints) unsigned() uint64 {
	if len(r.src) > 0 && r.src[0] < 0x80 { // most are
		v := r.src[0]
		r.src = r.src[1:]
		return uint64(v)
	}
	v, k := binary.Uvarint(r.src)
	r.drop(k)
	return v
}

func (r *varints) signed() int64 { return unzigzag(r.unsigned()) }

func (r *varints) fixed(n int) (v uint64) {
	if len(r.src) < n {
		r.drop(0)
		return 0
	}
	for i := n - 1; i >= 0; i-- {
		v = v<<8 | uint64(r.src[i])
	}
	r.drop(n)
	return v
}

func (r *varints) bytes(n int) []byte {
	if len(r.src) < n {
		r.drop(0)
		return nil
	}
	b := r.src[:n:n]
	r.src = r.src[n:]
	return b
}

// writeIndex writes the index of a segment's runs, which must be in memory.
func writeIndex(fsys FS, dir string, id uint64, s *segment, runs []*blockRun) error {
	head := make([]byte, idxHead+len(runs)*idxDirLen)
	var cols []byte
	for i, r := range runs {
		col := appendEntries(nil, r.mem)
		d := head[idxHead+i*idxDirLen:]
		binary.LittleEndian.PutUint32(d, r.gen)
		binary.LittleEndian.PutUint32(d[4:], uint32(r.n))
		binary.LittleEndian.PutUint64(d[8:], uint64(r.first))
		binary.LittleEndian.PutUint64(d[16:], uint64(r.last))
		binary.LittleEndian.PutUint64(d[24:], uint64(len(head)+len(cols)))
		binary.LittleEndian.PutUint32(d[32:], uint32(len(col)))
		binary.LittleEndian.PutUint32(d[36:], crc(col))
		binary.LittleEndian.PutUint64(d[40:], uint64(r.points))
		binary.LittleEndian.PutUint64(d[48:], uint64(r.bytes))
		cols = append(cols, col...)
	}
	copy(head, idxMagic)
	binary.LittleEndian.PutUint64(head[8:], id)
	binary.LittleEndian.PutUint64(head[16:], uint64(s.size))
	binary.LittleEndian.PutUint32(head[24:], uint32(s.num))
	binary.LittleEndian.PutUint32(head[28:], uint32(len(runs)))
	binary.LittleEndian.PutUint32(head[idxHead-4:], indexCRC(head))
	return writeAtomic(fsys, filepath.Join(dir, indexName(s.num)), append(head, cols...))
}

// indexCRC covers the header but for the checksum itself, and the directory.
func indexCRC(head []byte) uint32 {
	return crc32.Update(crc(head[:idxHead-4]), castagnoli, head[idxHead:])
}

// readIndex reads the directory of a sealed segment's index.
func readIndex(fsys FS, dir string, id uint64, s *segment) ([]*blockRun, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, indexName(s.num)), OpenRead)
	if err != nil {
		return nil, err
	}
	runs, err := parseIndex(f, id, s)
	if err != nil {
		f.Close()
	}
	return runs, err
}

func parseIndex(f File, id uint64, s *segment) ([]*blockRun, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	var h [idxHead]byte
	if _, err := f.ReadAt(h[:], 0); err != nil {
		return nil, errBlock
	}
	n := int64(binary.LittleEndian.Uint32(h[28:]))
	if string(h[:8]) != idxMagic || binary.LittleEndian.Uint64(h[8:]) != id || idxHead+n*idxDirLen > size ||
		binary.LittleEndian.Uint32(h[24:]) != uint32(s.num) || int64(binary.LittleEndian.Uint64(h[16:])) > s.size {
		return nil, errBlock
	}
	head := make([]byte, idxHead+n*idxDirLen)
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if binary.LittleEndian.Uint32(head[idxHead-4:]) != indexCRC(head) {
		return nil, errBlock
	}
	runs := make([]*blockRun, n)
	for i := range runs {
		d := head[idxHead+i*idxDirLen:]
		runs[i] = &blockRun{
			seg: s, gen: binary.LittleEndian.Uint32(d), n: int(binary.LittleEndian.Uint32(d[4:])),
			first: int64(binary.LittleEndian.Uint64(d[8:])), last: int64(binary.LittleEndian.Uint64(d[16:])),
			off: int64(binary.LittleEndian.Uint64(d[24:])), size: int(binary.LittleEndian.Uint32(d[32:])),
			crc:    binary.LittleEndian.Uint32(d[36:]),
			points: int64(binary.LittleEndian.Uint64(d[40:])), bytes: int64(binary.LittleEndian.Uint64(d[48:])), idx: f,
		}
		if runs[i].off+int64(runs[i].size) > size {
			return nil, errBlock
		}
	}
	return runs, nil
}

// entries are the run's blocks in order.
func (r *blockRun) entries() ([]entry, error) {
	if r.idx == nil {
		return r.mem, nil
	}
	b := make([]byte, r.size)
	if _, err := r.idx.ReadAt(b, r.off); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if crc(b) != r.crc {
		return nil, errBlock
	}
	return readEntries(b, r.n)
}

// maxColumns is how many entries of columns are kept in RAM: 2 MB, years of
// the few feeds that somebody looks at.
const maxColumns = 16 << 10

// columnCache keeps columns that were read lately. When it is full it begins
// anew.
type columnCache struct {
	mu   sync.Mutex
	runs map[*blockRun][]entry
	n    int
}

// entries are those of a run; nobody may change them.
func (c *columnCache) entries(r *blockRun) ([]entry, error) {
	if r.idx == nil {
		return r.mem, nil
	}
	c.mu.Lock()
	list, ok := c.runs[r]
	c.mu.Unlock()
	if ok {
		return list, nil
	}
	list, err := r.entries()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n+len(list) > maxColumns || c.runs == nil {
		c.runs, c.n = map[*blockRun][]entry{}, 0
	}
	c.runs[r] = list
	c.n += len(list)
	return list, nil
}
