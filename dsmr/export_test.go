package dsmr

import "unsafe"

// floorSink keeps the compiler from leaving Floor out.
var floorSink int

// Floor is the least that any parser does: a checksum and one look at every
// byte.
func Floor(b []byte) uint16 {
	n := 0
	for _, c := range b {
		if c == '(' {
			n++
		}
	}
	floorSink += n
	return crc16(0, b)
}

// CRC is the checksum of b.
func CRC(b []byte) uint16 { return crc16(0, b) }

// OpenerSize is what decryption adds to a Reader, apart from the cipher.
const OpenerSize = unsafe.Sizeof(opener{})

// ParseDecimal is parseDecimal.
func ParseDecimal(b []byte) (Decimal, bool) { return parseDecimal(b) }

// ParseStamp is parseStamp's wall clock.
func ParseStamp(b []byte) (int64, bool) {
	s, ok := parseStamp(b)
	return s.Local, ok
}
