package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
)

// bbolt walks its pages in goroutines of its own when it opens a file, and a
// damaged page makes it panic there, where nobody can recover
// (go.etcd.io/bbolt tx_check.go, db.go freepages). So every page that the
// newest meta page reaches is looked at here first. Layout: bbolt's
// internal/common page.go, meta.go and bucket.go, little-endian on every
// machine we build for.
const (
	pageHeader  = 16 // id u64, flags u16, count u16, overflow u32
	elementSize = 16 // branch: pos, ksize u32, page u64; leaf: flags, pos, ksize, vsize u32
	flagBranch  = 0x01
	flagLeaf    = 0x02
	bucketLeaf  = 0x01
	boltMagic   = 0xED0CDAED
	metaSize    = 56 // bytes under the meta's checksum
)

// verify returns an error that wraps errDamaged if bbolt could stumble over
// the file. A file that is missing or empty is fine: bbolt makes it.
func verify(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	w := walker{file: b}
	root, err := w.newestMeta()
	if err == nil {
		err = w.page(root, 0, nil, nil)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

type walker struct {
	file []byte
	size uint64 // of a page
	high uint64 // first page that is not in use
	seen map[uint64]bool
}

var le = binary.LittleEndian

// newestMeta finds the valid meta page with the highest transaction, as bbolt
// does, and returns the root page.
func (w *walker) newestMeta() (root uint64, err error) {
	var newest uint64
	found := false
	// The page size is only known from a valid meta; the second one lies one
	// page further. Sizes from 4 KiB to 64 KiB occur.
	for _, at := range []int{0, 4096, 8192, 16384, 65536} {
		if len(w.file) < at+pageHeader+metaSize+8 {
			break
		}
		m := w.file[at+pageHeader:]
		sum := fnv.New64a()
		sum.Write(m[:metaSize])
		if le.Uint32(m) != boltMagic || le.Uint64(m[metaSize:]) != sum.Sum64() {
			continue
		}
		if txid := le.Uint64(m[48:]); !found || txid > newest {
			found, newest = true, txid
			w.size, root, w.high = uint64(le.Uint32(m[8:])), le.Uint64(m[16:]), le.Uint64(m[40:])
		}
	}
	if !found {
		return 0, errors.New("neither meta page is valid")
	}
	if w.size < 1024 || w.high*w.size > uint64(len(w.file)) {
		return 0, fmt.Errorf("%d pages of %d bytes do not fit %d bytes", w.high, w.size, len(w.file))
	}
	w.seen = map[uint64]bool{}
	return root, nil
}

// page looks at a page and all below it. Its keys lie in [low, high); nil is
// no limit.
func (w *walker) page(id uint64, depth int, low, high []byte) error {
	if id < 2 || id >= w.high || depth > 32 || w.seen[id] {
		return fmt.Errorf("page %d is out of place", id)
	}
	p := w.file[id*w.size:]
	if got := le.Uint64(p); got != id {
		return fmt.Errorf("page %d says it is page %d", id, got)
	}
	pages := 1 + uint64(le.Uint32(p[12:]))
	if pages > w.high-id {
		return fmt.Errorf("page %d is longer than the file", id)
	}
	for i := range pages { // bbolt panics over a page that is used twice
		w.seen[id+i] = true
	}
	return w.elements(id, p[:pages*w.size], depth, low, high)
}

func (w *walker) elements(id uint64, p []byte, depth int, low, high []byte) error {
	flags, count := le.Uint16(p[8:]), int(le.Uint16(p[10:]))
	if flags != flagBranch && flags != flagLeaf || pageHeader+count*elementSize > len(p) || flags == flagBranch && count == 0 {
		return fmt.Errorf("page %d has kind %#x and %d elements", id, flags, count)
	}
	keys := make([][]byte, count)
	for i := range count {
		e, err := elementAt(p, flags, i)
		if err != nil {
			return fmt.Errorf("element %d of page %d: %w", i, id, err)
		}
		below := i > 0 && bytes.Compare(e.key, keys[i-1]) <= 0
		if below || low != nil && bytes.Compare(e.key, low) < 0 || high != nil && bytes.Compare(e.key, high) >= 0 {
			return fmt.Errorf("key %d of page %d is out of order", i, id)
		}
		keys[i] = e.key
		if e.bucket {
			if err := w.bucket(id, e.value, depth); err != nil {
				return err
			}
		}
	}
	if flags == flagLeaf {
		return nil
	}
	for i := range count {
		end := high
		if i+1 < count {
			end = keys[i+1]
		}
		if err := w.page(le.Uint64(p[pageHeader+i*elementSize+8:]), depth+1, keys[i], end); err != nil {
			return err
		}
	}
	return nil
}

type element struct {
	key, value []byte
	bucket     bool
}

func elementAt(p []byte, flags uint16, i int) (element, error) {
	at := uint64(pageHeader + i*elementSize)
	e := p[at:]
	pos, key, value := uint64(le.Uint32(e)), uint64(le.Uint32(e[4:])), uint64(0)
	if flags == flagLeaf {
		pos, key, value = uint64(le.Uint32(e[4:])), uint64(le.Uint32(e[8:])), uint64(le.Uint32(e[12:]))
	}
	start := at + pos
	if start+key+value > uint64(len(p)) {
		return element{}, errors.New("lies outside of the page")
	}
	return element{
		key: p[start : start+key], value: p[start+key : start+key+value],
		bucket: flags == flagLeaf && le.Uint32(e)&bucketLeaf != 0,
	}, nil
}

// bucket looks at a bucket in a leaf: a root page, or a page inside the value.
func (w *walker) bucket(id uint64, v []byte, depth int) error {
	if len(v) < 16 {
		return fmt.Errorf("a bucket of page %d is cut", id)
	}
	if root := le.Uint64(v); root != 0 {
		return w.page(root, depth+1, nil, nil)
	}
	if len(v) < 16+pageHeader || le.Uint16(v[16+8:]) != flagLeaf {
		return fmt.Errorf("a bucket inside page %d is cut", id)
	}
	return w.elements(id, v[16:], depth+1, nil, nil)
}
