package tsdb

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

var errPowerCut = errors.New("power cut")

// powerFS is a file system in RAM that can lose power: what was written since
// the last Sync is lost, kept or torn, 512-byte sector by sector; names since
// the last SyncDir are lost from some point on.
type powerFS struct {
	mu      sync.Mutex
	names   map[string]*powerFile
	durable map[string]*powerFile // names that survive
	dirOps  []map[string]*powerFile
	ops     int
	cutAt   int // the operation at which the power goes, 0 for never
	dead    bool
	locked  bool

	ignoreSync func(path string) bool // a lying card
	failSync   func(path string) bool // a failing one
	failOpen   func(path string) bool
	room       int64 // bytes that may still be written, if limited
	limited    bool
	readOnly   bool
	syncs      map[string]int
	written    map[string]int64
	dirSyncs   int
	failRead   error
}

// total is how many bytes were written.
func (p *powerFS) total() (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.written {
		n += v
	}
	return n
}

type powerFile struct {
	fs      *powerFS
	path    string
	data    []byte
	durable []byte
	pending []write
}

type write struct {
	off  int64
	data []byte
}

func newPowerFS() *powerFS {
	return &powerFS{names: map[string]*powerFile{}, durable: map[string]*powerFile{}, syncs: map[string]int{}, written: map[string]int64{}}
}

// op counts an operation that changes the disk; f.mu is held.
func (p *powerFS) op() error {
	if p.dead {
		return errPowerCut
	}
	if p.readOnly {
		return syscall.EROFS
	}
	p.ops++
	if p.cutAt > 0 && p.ops >= p.cutAt {
		p.dead = true
		return errPowerCut
	}
	return nil
}

func (p *powerFS) OpenFile(path string, mode OpenMode) (File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failOpen != nil && p.failOpen(path) {
		return nil, syscall.EIO
	}
	f := p.names[path]
	if f == nil {
		if mode == OpenRead {
			return nil, fs.ErrNotExist
		}
		if err := p.op(); err != nil {
			return nil, err
		}
		f = &powerFile{fs: p, path: path}
		p.names[path] = f
		p.dirOps = append(p.dirOps, maps.Clone(p.names))
	} else if mode != OpenRead && p.readOnly {
		return nil, syscall.EROFS
	}
	return f, nil
}

func (p *powerFS) Rename(from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.op(); err != nil {
		return err
	}
	f := p.names[from]
	if f == nil {
		return fs.ErrNotExist
	}
	delete(p.names, from)
	p.names[to] = f
	p.dirOps = append(p.dirOps, maps.Clone(p.names))
	return nil
}

func (p *powerFS) Remove(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names[path] == nil {
		return fs.ErrNotExist
	}
	if err := p.op(); err != nil {
		return err
	}
	delete(p.names, path)
	p.dirOps = append(p.dirOps, maps.Clone(p.names))
	return nil
}

func (p *powerFS) ReadDir(dir string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for name := range p.names {
		if filepath.Dir(name) == filepath.Clean(dir) {
			out = append(out, filepath.Base(name))
		}
	}
	slices.Sort(out)
	return out, nil
}

func (p *powerFS) MkdirAll(string) error { return nil }

func (p *powerFS) SyncDir(string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.op(); err != nil {
		return err
	}
	p.durable, p.dirOps = maps.Clone(p.names), nil
	p.dirSyncs++
	return nil
}

type unlock struct{ p *powerFS }

func (u unlock) Close() error {
	u.p.mu.Lock()
	defer u.p.mu.Unlock()
	u.p.locked = false
	return nil
}

func (p *powerFS) Lock(string) (io.Closer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.locked {
		return nil, ErrLocked
	}
	p.locked = true
	return unlock{p}, nil
}

func (f *powerFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.failRead != nil {
		return 0, f.fs.failRead
	}
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *powerFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	dead := f.fs.dead
	err := f.fs.op()
	if err != nil && (dead || !errors.Is(err, errPowerCut)) {
		return 0, err
	}
	if grow := off + int64(len(b)) - int64(len(f.data)); f.fs.limited && grow > 0 {
		if grow > f.fs.room {
			return 0, syscall.ENOSPC
		}
		f.fs.room -= grow
	}
	// the write in flight when the power goes may reach the disk in part
	f.pending = append(f.pending, write{off, slices.Clone(b)})
	f.data = apply(f.data, off, b)
	f.fs.written[filepath.Base(f.path)] += int64(len(b))
	return len(b), err
}

func apply(data []byte, off int64, b []byte) []byte {
	if need := int(off) + len(b); need > len(data) {
		data = append(data, make([]byte, need-len(data))...)
	}
	copy(data[off:], b)
	return data
}

func (f *powerFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.op(); err != nil {
		return err
	}
	if f.fs.failSync != nil && f.fs.failSync(f.path) {
		return syscall.EIO
	}
	f.fs.syncs[filepath.Base(f.path)]++
	if f.fs.ignoreSync != nil && f.fs.ignoreSync(f.path) {
		return nil
	}
	for _, w := range f.pending {
		f.durable = apply(f.durable, w.off, w.data)
	}
	f.pending = nil
	return nil
}

func (f *powerFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *powerFile) Close() error { return nil }
func (f *powerFile) Unit() int    { return 512 }

// loose counts the sectors whose fate is open.
func (p *powerFS) loose() (n int) {
	for _, f := range p.names {
		for _, w := range f.pending {
			n += (len(w.data) + 511) / 512
		}
	}
	return n
}

// after is the disk after the power came back: keep decides for every loose
// sector, names for how many of the loose name changes.
func (p *powerFS) after(keep func() bool, names func(n int) int) *powerFS {
	out := newPowerFS()
	last := p.durable
	if n := names(len(p.dirOps) + 1); n > 0 {
		last = p.dirOps[n-1]
	}
	paths := slices.Sorted(maps.Keys(last))
	for _, path := range paths {
		f := last[path]
		data := slices.Clone(f.durable)
		if len(f.pending) > 0 && keep() { // the length came, the bytes did not
			data = apply(data, int64(len(f.data)), nil)
		}
		for _, w := range f.pending {
			for at := 0; at < len(w.data); {
				n := min(512-int(w.off+int64(at))%512, len(w.data)-at)
				if keep() {
					data = apply(data, w.off+int64(at), w.data[at:at+n])
				}
				at += n
			}
		}
		g := &powerFile{fs: out, path: path, data: data, durable: slices.Clone(data)}
		out.names[path], out.durable[path] = g, g
	}
	return out
}

// states calls f with every state the disk may be in, or with a sample if
// there are too many.
func (p *powerFS) states(r *rand.Rand, sample int, f func(*powerFS)) {
	n := p.loose()
	if bits := n + len(p.names); bits <= 6 {
		for mask := range 1 << bits {
			i := -1
			f(p.after(func() bool { i++; return mask>>i&1 != 0 }, func(n int) int { return mask % n }))
		}
		return
	}
	f(p.after(func() bool { return true }, func(n int) int { return n - 1 }))
	f(p.after(func() bool { return false }, func(n int) int { return 0 }))
	for i := range sample {
		share := []float64{0.5, 0.9, 0.1}[i%3]
		f(p.after(func() bool { return r.Float64() < share }, func(n int) int { return r.IntN(n) }))
	}
}

func (p *powerFS) flip(name string, at int) {
	for path, f := range p.names {
		if strings.HasSuffix(path, name) && at < len(f.data) {
			f.data[at] ^= 0x10
		}
	}
}
