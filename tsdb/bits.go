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
	bit int // the next one
}

// peek is the next bits, the first lowest; at least 57 of them count.
func (r *bitReader) peek() uint64 {
	if at := r.bit >> 3; at+8 <= len(r.src) {
		return binary.LittleEndian.Uint64(r.src[at:]) >> (r.bit & 7)
	}
	return r.peekLast()
}

// peekLast is peek where fewer than 8 bytes are left.
func (r *bitReader) peekLast() (acc uint64) {
	for i, b := range r.src[min(r.bit>>3, len(r.src)):] {
		acc |= uint64(b) << (8 * i)
	}
	return acc >> (r.bit & 7)
}

// take reads up to 57 bits.
func (r *bitReader) take(n uint) uint64 {
	v := r.peek() & (1<<n - 1)
	r.bit += int(n)
	return v
}

// check says whether more was read than there is.
func (r *bitReader) check() error {
	if r.bit > len(r.src)*8 {
		return errBlock
	}
	return nil
}
