package tsdb

import "encoding/binary"

// unpackInts undoes packInts for the first upTo of len(out) values.
func unpackInts(out []int64, src []byte, upTo int) error {
	if len(out) == 0 {
		return nil
	}
	var u unpacker
	if err := u.open(out, src); err != nil {
		return err
	}
	return u.run(out, min(upTo, len(out)))
}

// unpacker takes a row apart piece by piece.
type unpacker struct {
	bitReader
	guess   predictor
	i       int   // the next value
	a, b, c int64 // the three before it
	table   [1 << maxCode]uint16
}

// open reads what comes before the codes, and the first value.
func (u *unpacker) open(out []int64, src []byte) error {
	v, k := binary.Uvarint(src)
	if k <= 0 {
		return errBlock
	}
	out[0] = unzigzag(v)
	u.i, u.a, u.b, u.c = 1, out[0], out[0], out[0]
	if len(out) == 1 {
		return nil
	}
	if len(src) == k || predictor(src[k]) >= predictors {
		return errBlock
	}
	u.guess = predictor(src[k])
	var c code
	src, err := c.readLengths(src[k+1:])
	if err != nil {
		return err
	}
	u.bitReader = bitReader{src: src}
	return c.table(&u.table)
}

// run takes values apart until there are upTo of them, or a few more: runs of
// zeros come as one.
func (u *unpacker) run(out []int64, upTo int) error {
	if u.i >= upTo {
		return nil
	}
	if u.guess == fromMedian {
		return u.medians(out, upTo)
	}
	return u.slopes(out, upTo, int64(u.guess/fromSlope))
}

// slopes decodes what fromLast (m = 0) and fromSlope (m = 1) predicted. The
// reader's fields are kept in registers: this loop is what a year's chart
// waits for.
func (u *unpacker) slopes(out []int64, upTo int, m int64) error {
	r, table, a, b, i := &u.bitReader, &u.table, u.a, u.b, u.i
	for i < upTo {
		r.fill()
		acc, n := r.acc, r.n
		var e uint16
		for k := 0; k < 5 && i < upTo; k++ {
			if e = table[acc&(1<<maxCode-1)]; e >= direct<<4 {
				break
			}
			acc >>= e & 15
			n -= uint(e & 15)
			a, b = a+m*(a-b)+unzigzag(uint64(e>>4)), a
			out[i] = a
			i++
			if e == 0 {
				return errBlock
			}
		}
		r.acc, r.n = acc, n
		if e < direct<<4 || i >= upTo {
			continue
		}
		v, run := r.extra(e)
		if i+run > len(out) {
			return errBlock
		}
		for range run {
			a, b = a+m*(a-b)+unzigzag(v), a
			out[i] = a
			i++
		}
	}
	u.a, u.b, u.i = a, b, i
	return r.check()
}

// medians decodes what fromMedian predicted.
func (u *unpacker) medians(out []int64, upTo int) error {
	r, table, a, b, c, i := &u.bitReader, &u.table, u.a, u.b, u.c, u.i
	for i < upTo {
		r.fill()
		acc, n := r.acc, r.n
		var e uint16
		for k := 0; k < 5 && i < upTo; k++ {
			if e = table[acc&(1<<maxCode-1)]; e >= direct<<4 {
				break
			}
			acc >>= e & 15
			n -= uint(e & 15)
			v := max(min(a, b), min(max(a, b), c)) + unzigzag(uint64(e>>4))
			out[i] = v
			a, b, c = v, a, b
			i++
			if e == 0 {
				return errBlock
			}
		}
		r.acc, r.n = acc, n
		if e < direct<<4 || i >= upTo {
			continue
		}
		far, run := r.extra(e)
		if i+run > len(out) {
			return errBlock
		}
		for range run {
			v := max(min(a, b), min(max(a, b), c)) + unzigzag(far)
			out[i] = v
			a, b, c = v, a, b
			i++
		}
	}
	u.a, u.b, u.c, u.i = a, b, c, i
	return r.check()
}

// extra reads a token of more than a symbol: a large miss, or a run of zeros.
func (r *bitReader) extra(e uint16) (u uint64, run int) {
	r.fill()
	r.skip(uint(e & 15))
	sym := int(e >> 4)
	if sym >= zeroRun {
		n := uint(sym-zeroRun) + 1
		return 0, 1<<n | int(r.take(n))
	}
	n := uint(sym-direct)/2 + 4
	u = (2 | uint64(sym-direct)&1) << n
	if n > 32 {
		r.fill()
		u |= r.take(32)
		r.fill()
		return u | r.take(n-32)<<32, 1
	}
	return u | r.take(n), 1
}
