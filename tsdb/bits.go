package tsdb

import "encoding/binary"

// bitWriter appends bits, lowest first.
type bitWriter struct {
	dst []byte
	acc uint64
	n   uint
}

func (w *bitWriter) put(v uint64, n uint) {
	if n > 32 {
		w.put(v&(1<<32-1), 32)
		v, n = v>>32, n-32
	}
	w.acc |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.dst = append(w.dst, byte(w.acc))
		w.acc >>= 8
	}
}

func (w *bitWriter) finish() []byte {
	if w.n > 0 {
		w.dst = append(w.dst, byte(w.acc))
	}
	return w.dst
}

// bitReader reads them back. Past the end it reads zeros, so callers check
// at the end instead of at every bit.
type bitReader struct {
	src []byte
	pos int
	acc uint64
	n   uint // bits in acc
}

func (r *bitReader) fill() {
	if r.pos+8 <= len(r.src) {
		r.acc |= binary.LittleEndian.Uint64(r.src[r.pos:]) << r.n
		r.pos += int(63-r.n) >> 3
		r.n |= 56
		return
	}
	for r.n <= 56 {
		if r.pos < len(r.src) {
			r.acc |= uint64(r.src[r.pos]) << r.n
		}
		r.pos++
		r.n += 8
	}
}

func (r *bitReader) skip(n uint) {
	r.acc >>= n
	r.n -= n
}

func (r *bitReader) take(n uint) uint64 {
	v := r.acc & (1<<n - 1)
	r.skip(n)
	return v
}

func (r *bitReader) overrun() bool { return r.pos*8-int(r.n) > len(r.src)*8 }

func (r *bitReader) check() error {
	if r.overrun() {
		return errBlock
	}
	return nil
}

// rest are the bytes after the one the last bit came from.
func (r *bitReader) rest() []byte { return r.src[(r.pos*8-int(r.n)+7)/8:] }
