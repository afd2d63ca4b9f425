package dsmr

// The checksum of a telegram is CRC-16/ARC: polynomial x16+x15+x2+1, reflected,
// no initial value, over everything from "/" up to and including "!"
// (DSMR P1 5.0.2, 6.3).

const crcPolynomial = 0xA001

// crcTables[k][b] is the checksum of byte b followed by k zero bytes, so that
// sixteen bytes are folded per turn. It is never written after start.
var crcTables = newCRCTables()

func newCRCTables() (tables [16][256]uint16) {
	for b := range 256 {
		crc := uint16(b)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= crcPolynomial
			}
		}
		tables[0][b] = crc
	}
	for k := 1; k < len(tables); k++ {
		for b := range 256 {
			before := tables[k-1][b]
			tables[k][b] = before>>8 ^ tables[0][before&0xFF]
		}
	}
	return tables
}

// crc16 continues checksum crc (0 at first) over b.
func crc16(crc uint16, b []byte) uint16 {
	t := &crcTables
	for len(b) >= 16 {
		q := b[:16:16]
		crc = t[15][q[0]^byte(crc)] ^ t[14][q[1]^byte(crc>>8)] ^
			t[13][q[2]] ^ t[12][q[3]] ^ t[11][q[4]] ^ t[10][q[5]] ^ t[9][q[6]] ^ t[8][q[7]] ^
			t[7][q[8]] ^ t[6][q[9]] ^ t[5][q[10]] ^ t[4][q[11]] ^
			t[3][q[12]] ^ t[2][q[13]] ^ t[1][q[14]] ^ t[0][q[15]]
		b = b[16:]
	}
	for _, c := range b {
		crc = crc>>8 ^ t[0][byte(crc)^c]
	}
	return crc
}

// crc16CRLF is the checksum of b as it was before a gateway took the carriage
// returns out of its line ends.
func crc16CRLF(b []byte) uint16 {
	var crc uint16
	for _, c := range b {
		if c == '\n' {
			crc = crc>>8 ^ crcTables[0][byte(crc)^'\r']
		}
		crc = crc>>8 ^ crcTables[0][byte(crc)^c]
	}
	return crc
}

// hexDigit is the value of a hexadecimal digit of either case, or -1.
func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
