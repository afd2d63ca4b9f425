package dsmr

import "strconv"

// Decimal is a number exactly as a meter wrote it: Digits / 10^Scale. Its
// Scale is the number of digits after the point, zeros included.
type Decimal struct {
	Digits int64
	Scale  uint8
}

// maxDigits is how many digits an int64 always holds.
const maxDigits = 18

// parseDecimal reads all of b as a decimal number.
func parseDecimal(b []byte) (Decimal, bool) {
	d, n := scanDecimal(b)
	return d, n == len(b) && n > 0
}

// scanDecimal reads the decimal number that b begins with and returns its
// length, 0 if there is none or it has more digits than fit.
func scanDecimal(b []byte) (d Decimal, n int) {
	i, neg := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg = b[0] == '-'
		i = 1
	}
	first, v := i, int64(0)
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		v = v*10 + int64(b[i]-'0')
	}
	if i == first {
		return Decimal{}, 0
	}
	if i+1 < len(b) && b[i] == '.' && b[i+1]-'0' <= 9 {
		point := i
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
			v = v*10 + int64(b[i]-'0')
		}
		d.Scale = uint8(min(i-point-1, 255))
	}
	if i-first > maxDigits && tooLong(b[first:i]) {
		return Decimal{}, 0
	}
	if neg {
		v = -v
	}
	d.Digits = v
	return d, i
}

// tooLong says whether a number has more digits than an int64 always holds,
// leading zeros aside.
func tooLong(number []byte) bool {
	digits := 0
	for _, c := range number {
		if c != '.' && (digits > 0 || c != '0') {
			digits++
		}
	}
	return digits > maxDigits || len(number) > 250
}

// Round is d times 10^shift as the nearest whole number, halves away from 0.
// A result beyond int64 is cut to the largest one.
func (d Decimal) Round(shift int) int64 {
	shift -= int(d.Scale)
	v := d.Digits
	for ; shift > 0; shift-- {
		if v > 1<<63/10-1 || v < -(1<<63/10-1) {
			if v < 0 {
				return -1 << 63
			}
			return 1<<63 - 1
		}
		v *= 10
	}
	if shift == 0 {
		return v
	}
	if shift < -maxDigits {
		return 0
	}
	unit := int64(1)
	for ; shift < 0; shift++ {
		unit *= 10
	}
	if v < 0 {
		return -((-v + unit/2) / unit)
	}
	return (v + unit/2) / unit
}

// String is d with all the digits after the point that the meter sent.
func (d Decimal) String() string { return string(d.append(nil)) }

func (d Decimal) append(b []byte) []byte {
	v := uint64(d.Digits)
	if d.Digits < 0 {
		b, v = append(b, '-'), -v
	}
	var buf [24]byte
	s := strconv.AppendUint(buf[:0], v, 10)
	scale := int(d.Scale)
	for i := len(s); i <= scale; i++ {
		b = append(b, '0')
		if i == len(s) && scale > 0 {
			b = append(b, '.')
		}
	}
	if len(s) <= scale {
		return append(b, s...)
	}
	b = append(b, s[:len(s)-scale]...)
	if scale > 0 {
		b = append(b, '.')
		b = append(b, s[len(s)-scale:]...)
	}
	return b
}
