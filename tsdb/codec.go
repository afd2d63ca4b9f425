package tsdb

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// blockLen is how many slots a block has. 1,024 points of 10 s are 2 h 50 min:
// long enough to pack well, short enough that a whole year's chart decodes in
// two milliseconds.
const (
	blockBits = 10
	blockLen  = 1 << blockBits
	maxScale  = 9
)

// missing is the bit pattern of a slot without a value: the quiet NaN that
// PHPFina writes (0x7fc00000), widened.
const missing uint64 = 0x7ff8_0000_0000_0000

var errBlock = errors.New("block is malformed")

// cells are the slots of one block as float64 bit patterns.
type cells [blockLen]uint64

// present is a bit per slot.
type present [blockLen / 64]uint64

func (p *present) set(i int)      { p[i>>6] |= 1 << (i & 63) }
func (p *present) unset(i int)    { p[i>>6] &^= 1 << (i & 63) }
func (p *present) has(i int) bool { return p[i>>6]&(1<<(i&63)) != 0 }
func (p *present) any() bool {
	for _, w := range p {
		if w != 0 {
			return true
		}
	}
	return false
}

func (p *present) count() (n int) {
	for _, w := range p {
		n += bits.OnesCount64(w)
	}
	return n
}

// decoded is a block taken apart: integers in units of 10^-scale, or float64
// bits if isFloat.
type decoded struct {
	scale   int
	isFloat bool
	f32     bool
	upTo    int // slots below this are decoded
	has     present
	mark    bool   // asks for ways
	ways    []byte // waypoints, if the body holds integers only
	num     [blockLen]int64
}

// pow10 is a table because a division by an exact power of ten is what makes
// a scaled integer the decimal it came from, to the bit.
func pow10(k int) float64 {
	return [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}[k]
}

// maxInt bounds scaled integers: below 2^53 they are exact as float64, and
// 1,024 of them still sum up in an int64.
const maxInt = 1 << 53

// unscale is the value that n stands for.
func unscale(n int64, k int, f32 bool) float64 {
	v := float64(n) / pow10(k)
	if f32 {
		return float64(float32(v))
	}
	return v
}

// scaled finds the integer that stands for the bits at scale k.
func scaled(b uint64, k int, f32 bool) (int64, bool) {
	v := math.Float64frombits(b)
	s := v * pow10(k)
	if !(s < maxInt && s > -maxInt) {
		return 0, false
	}
	n := int64(math.Round(s))
	return n, math.Float64bits(unscale(n, k, f32)) == b
}

// Block body: mode, then what the mode says (FORMAT.md §4).
const (
	modeScale  = 0x0f // digits after the point
	modeF32    = 0x10 // values are float32, widened
	modeGaps   = 0x20 // some slots are missing: run lengths follow
	modeOdd    = 0x40 // some values do not fit the scale: a list follows
	modeRaw    = 0x80 // no integers: bit patterns follow
	modePlan32 = 0x01 // with modeRaw: 4 bytes each instead of 8
)

// maxOdd is how many values of a block may break the scale before the block
// is stored raw.
const maxOdd = 96

// encodeBlock packs the cells. It returns the body appended to dst.
func encodeBlock(dst []byte, c *cells, decimals int) []byte {
	var d decoded
	scale, f32, odd := chooseScale(c, decimals)
	mode := byte(scale)
	if f32 {
		mode |= modeF32
	}
	n := 0
	var vals [blockLen]int64
	var odds []int
	raw := odd > maxOdd
	for i, b := range c {
		if b == missing {
			continue
		}
		d.has.set(i)
		if raw {
			continue
		}
		if v, ok := scaled(b, scale, f32); ok {
			vals[n] = v
			n++
		} else {
			odds = append(odds, i)
		}
	}
	if raw {
		return encodeRaw(dst, c, &d.has)
	}
	if d.has.count() < blockLen {
		mode |= modeGaps
	}
	if len(odds) > 0 {
		mode |= modeOdd
	}
	dst = append(dst, mode)
	if mode&modeGaps != 0 {
		dst = appendGaps(dst, &d.has)
	}
	if mode&modeOdd != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(odds)))
		last := 0
		for _, i := range odds {
			dst = binary.AppendUvarint(dst, uint64(i-last))
			dst = binary.LittleEndian.AppendUint64(dst, c[i])
			last = i
		}
	}
	return packInts(dst, vals[:n])
}

// chooseScale finds the fewest digits that hold every value, or leave the
// fewest odd ones. The feed's usual digits are tried first.
func chooseScale(c *cells, decimals int) (scale int, f32 bool, odd int) {
	odd = blockLen + 1
	for _, wide := range [...]bool{true, false} {
		for k := -1; k <= maxScale; k++ {
			try := k
			if k < 0 {
				try = decimals
			} else if k == decimals {
				continue
			}
			n := oddAt(c, try, !wide, odd)
			if n < odd {
				scale, f32, odd = try, !wide, n
			}
			if odd == 0 {
				return scale, f32, 0
			}
		}
		if odd <= 4 { // a few strays are cheaper than a worse scale
			break
		}
	}
	return scale, f32, odd
}

// oddAt counts the values that do not fit, giving up at limit.
func oddAt(c *cells, k int, f32 bool, limit int) int {
	n := 0
	for _, b := range c {
		if b == missing {
			continue
		}
		if _, ok := scaled(b, k, f32); !ok {
			if n++; n >= limit {
				return n
			}
		}
	}
	return n
}

// appendGaps writes the lengths of alternating runs, the first one present.
func appendGaps(dst []byte, has *present) []byte {
	want := true
	for i := 0; i < blockLen; {
		j := i
		for j < blockLen && has.has(j) == want {
			j++
		}
		dst = binary.AppendUvarint(dst, uint64(j-i))
		i, want = j, !want
	}
	return dst
}

func readGaps(src []byte, has *present) ([]byte, error) {
	want, i := true, 0
	for i < blockLen {
		n, k := binary.Uvarint(src)
		if k <= 0 || n > uint64(blockLen-i) || (n == 0 && i > 0) {
			return nil, errBlock
		}
		src = src[k:]
		if want {
			for j := i; j < i+int(n); j++ {
				has.set(j)
			}
		}
		i, want = i+int(n), !want
	}
	return src, nil
}

// encodeRaw stores bit patterns as they are, 4 bytes each if all are float32.
func encodeRaw(dst []byte, c *cells, has *present) []byte {
	small := true
	for i, b := range c {
		if has.has(i) {
			if _, ok := narrow(b); !ok {
				small = false
				break
			}
		}
	}
	mode := byte(modeRaw | modeGaps)
	if small {
		mode |= modePlan32
	}
	dst = appendGaps(append(dst, mode), has)
	for i, b := range c {
		if !has.has(i) {
			continue
		}
		if small {
			f, _ := narrow(b)
			dst = binary.LittleEndian.AppendUint32(dst, f)
		} else {
			dst = binary.LittleEndian.AppendUint64(dst, b)
		}
	}
	return dst
}

// widen turns float32 bits into float64 bits. The hardware would silence
// signalling NaNs; this keeps every payload.
func widen(b uint32) uint64 {
	if b&0x7f80_0000 == 0x7f80_0000 {
		return uint64(b>>31)<<63 | 0x7ff<<52 | uint64(b&0x7f_ffff)<<29
	}
	return math.Float64bits(float64(math.Float32frombits(b)))
}

// narrow undoes widen; false if b is not a widened float32.
func narrow(b uint64) (uint32, bool) {
	if b&(0x7ff<<52) == 0x7ff<<52 {
		f := uint32(b>>63)<<31 | 0x7f80_0000 | uint32(b>>29)&0x7f_ffff
		return f, widen(f) == b
	}
	f := math.Float32bits(float32(math.Float64frombits(b)))
	return f, widen(f) == b
}

// decode takes a block body apart; slots from upTo on may stay undecoded.
func (d *decoded) decode(src []byte, upTo int) error {
	if len(src) == 0 {
		return errBlock
	}
	mode := src[0]
	src = src[1:]
	d.isFloat, d.f32, d.scale, d.upTo = mode&modeRaw != 0, mode&modeF32 != 0, int(mode&modeScale), upTo
	d.has, d.ways = present{}, d.ways[:0]
	var err error
	if mode&modeGaps != 0 {
		if src, err = readGaps(src, &d.has); err != nil {
			return err
		}
	} else {
		for i := range d.has {
			d.has[i] = ^uint64(0)
		}
	}
	if d.isFloat {
		d.scale = 0
		return d.decodeRaw(src, mode&modePlan32 != 0)
	}
	if d.scale > maxScale {
		return errBlock
	}
	if mode&modeOdd == 0 && mode&modeGaps == 0 {
		return d.unpack(d.num[:], src, upTo)
	}
	return d.decodeSparse(src, mode&modeOdd != 0)
}

// unpack takes the integers apart and notes waypoints if asked to.
func (d *decoded) unpack(out []int64, src []byte, upTo int) error {
	if !d.mark || len(out) == 0 {
		return unpackInts(out, src, upTo)
	}
	var u unpacker
	if err := u.open(out, src); err != nil {
		return err
	}
	var err error
	d.ways, err = u.runMarked(out, d.ways)
	return err
}

func (d *decoded) decodeRaw(src []byte, small bool) error {
	size := 8
	if small {
		size = 4
	}
	d.upTo = blockLen
	if len(src) < size*d.has.count() {
		return errBlock
	}
	for i := range d.num {
		if !d.has.has(i) {
			continue
		}
		if small {
			d.num[i] = int64(widen(binary.LittleEndian.Uint32(src)))
		} else {
			d.num[i] = int64(binary.LittleEndian.Uint64(src))
		}
		src = src[size:]
	}
	return nil
}

// decodeSparse handles gaps and odd values; one odd value makes the whole
// block floats.
func (d *decoded) decodeSparse(src []byte, hasOdd bool) error {
	ints := d.has
	type odd struct {
		at int
		b  uint64
	}
	var odds []odd
	if hasOdd {
		n, k := binary.Uvarint(src)
		if k <= 0 || n == 0 || n > maxOdd {
			return errBlock
		}
		src = src[k:]
		at := 0
		for i := range n {
			step, k := binary.Uvarint(src)
			if k <= 0 || step > blockLen || (step == 0 && i > 0) || len(src) < k+8 {
				return errBlock
			}
			at += int(step)
			if at >= blockLen || !ints.has(at) {
				return errBlock
			}
			odds = append(odds, odd{at, binary.LittleEndian.Uint64(src[k:])})
			ints.unset(at)
			src = src[k+8:]
		}
	}
	d.upTo = blockLen
	n := ints.count()
	var packed [blockLen]int64
	if err := d.unpack(packed[:n], src, n); err != nil {
		return err
	}
	if hasOdd {
		d.ways = d.ways[:0]
	}
	j := 0
	for w, word := range ints {
		for word != 0 {
			i := w<<6 | bits.TrailingZeros64(word)
			word &= word - 1
			d.num[i] = packed[j]
			if hasOdd {
				d.num[i] = int64(math.Float64bits(unscale(packed[j], d.scale, d.f32)))
			}
			j++
		}
	}
	for _, o := range odds {
		d.num[o.at] = int64(o.b)
	}
	if hasOdd {
		d.isFloat, d.scale, d.f32 = true, 0, false
	}
	return nil
}

// bits is the value of slot i as float64 bits, or missing.
func (d *decoded) bits(i int) uint64 {
	switch {
	case !d.has.has(i):
		return missing
	case d.isFloat:
		return uint64(d.num[i])
	}
	return math.Float64bits(unscale(d.num[i], d.scale, d.f32))
}

func (d *decoded) cells(c *cells) {
	for i := range c {
		c[i] = d.bits(i)
	}
}
