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
	sum     int64 // of all before it
	table   [1 << maxCode]step
	code    code
}

// open reads what comes before the codes, and the first value.
func (u *unpacker) open(out []int64, src []byte) error {
	v, k := binary.Uvarint(src)
	if k <= 0 {
		return errBlock
	}
	out[0] = unzigzag(v)
	u.i, u.a, u.b, u.c, u.sum = 1, out[0], out[0], out[0], out[0]
	if len(out) == 1 {
		return nil
	}
	if len(src) == k || predictor(src[k]) >= predictors {
		return errBlock
	}
	u.guess = predictor(src[k])
	src, err := u.code.readLengths(src[k+1:])
	if err != nil {
		return err
	}
	u.bitReader = bitReader{src: src}
	return u.code.table(&u.table)
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
	return u.slopes(out, upTo, -int64(u.guess/fromSlope))
}

// atOnce is how many codes a peek has for sure.
const atOnce = 57 / maxCode

// slopes decodes what fromLast (mask 0) and fromSlope (mask -1) predicted. This
// loop and the next are what a year's chart waits for.
func (u *unpacker) slopes(out []int64, upTo int, mask int64) error {
	table, a, b, i, sum := &u.table, u.a, u.b, u.i, u.sum
	for i < upTo {
		acc, took, e := u.peek(), 0, step(0)
		for end := min(i+atOnce, upTo); i < end; i++ {
			if e = table[acc&(1<<maxCode-1)]; e&stepFar != 0 {
				break
			}
			acc >>= uint(e) & stepBits
			took += int(e) & stepBits
			a, b = a+(a-b)&mask+e.miss(), a
			out[i] = a
			sum += a
		}
		u.bit += took
		if e&stepFar == 0 {
			continue
		}
		far, run := u.far(e)
		if run == 0 || i+run > len(out) {
			return errBlock
		}
		for range run {
			a, b = a+(a-b)&mask+far, a
			out[i] = a
			sum += a
			i++
		}
	}
	u.a, u.b, u.i, u.sum = a, b, i, sum
	return u.check()
}

// medians decodes what fromMedian predicted. The median is worked out so that
// the newest value comes in last: the two before it are put in order while it
// is still being made.
func (u *unpacker) medians(out []int64, upTo int) error {
	table, a, b, i, sum := &u.table, u.a, u.b, u.i, u.sum
	low, high := min(b, u.c), max(b, u.c)
	for i < upTo {
		acc, took, e := u.peek(), 0, step(0)
		for end := min(i+atOnce, upTo); i < end; i++ {
			if e = table[acc&(1<<maxCode-1)]; e&stepFar != 0 {
				break
			}
			acc >>= uint(e) & stepBits
			took += int(e) & stepBits
			v := max(low, min(high, a)) + e.miss()
			out[i] = v
			sum += v
			low, high = min(a, b), max(a, b)
			a, b = v, a
		}
		u.bit += took
		if e&stepFar == 0 {
			continue
		}
		far, run := u.far(e)
		if run == 0 || i+run > len(out) {
			return errBlock
		}
		for range run {
			v := max(low, min(high, a)) + far
			out[i] = v
			sum += v
			low, high = min(a, b), max(a, b)
			a, b = v, a
			i++
		}
	}
	u.a, u.b, u.c, u.i, u.sum = a, b, low^high^b, i, sum
	return u.check()
}

// far reads a token of more than a symbol: a large miss, or a run of misses of
// zero. A run of 0 stands for a code that is none.
func (u *unpacker) far(e step) (miss int64, run int) {
	if e&stepBits == 0 {
		return 0, 0
	}
	u.bit += int(e & stepBits)
	sym := int(e >> stepMiss)
	if sym >= zeroRun {
		n := uint(sym-zeroRun) + 1
		return 0, 1<<n | int(u.take(n))
	}
	n := uint(sym-direct)/2 + 4
	v := (2 | uint64(sym-direct)&1) << n
	if n > 32 {
		v |= u.take(32)
		return unzigzag(v | u.take(n-32)<<32), 1
	}
	return unzigzag(v | u.take(n)), 1
}
