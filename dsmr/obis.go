package dsmr

import "strconv"

// OBIS is the code A-B:C.D.E*F that names an object (IEC 62056-61), one byte
// per group with A in bits 40 to 47. F is 255 where a telegram leaves it out.
type OBIS uint64

// unset is group F of a code that has none.
const unset = 255

// short is the code without group F, as the constants below have it: P1
// telegrams leave F out, German ones write *255.
func (o OBIS) short() OBIS { return o &^ 0xFF }

// channel is group B: the M-Bus channel of a code 0-n:….
func (o OBIS) channel() int { return int(o >> 32 & 0xFF) }

// onChannel is the code with group B set to 0, and so comparable to the
// constants of M-Bus objects.
func (o OBIS) onChannel() OBIS { return o.short() &^ (0xFF << 32) }

// String is the code as A-B:C.D.E, with *F only where it says something.
func (o OBIS) String() string {
	b := make([]byte, 0, 24)
	b = o.appendShort(b)
	if f := o & 0xFF; f != unset {
		b = append(b, '*')
		b = strconv.AppendUint(b, uint64(f), 10)
	}
	return string(b)
}

func (o OBIS) appendShort(b []byte) []byte {
	for i, sep := range [...]byte{'-', ':', '.', '.', 0} {
		b = strconv.AppendUint(b, uint64(o>>(40-8*i)&0xFF), 10)
		if sep != 0 {
			b = append(b, sep)
		}
	}
	return b
}

// Objects that mean something to the hub. Those of M-Bus devices have channel
// 0 here; see onChannel.
const (
	codeVersion   OBIS = 1<<40 | 3<<32 | 0<<24 | 2<<16 | 8<<8 // 1-3:0.2.8
	codeVersionBE OBIS = 96<<24 | 1<<16 | 4<<8                // 0-0:96.1.4
	codeClock     OBIS = 1 << 24                              // 0-0:1.0.0
	codeMeterID   OBIS = 96<<24 | 1<<16 | 1<<8                // 0-0:96.1.1
	codeMeterIDLU OBIS = 42 << 24                             // 0-0:42.0.0, LU and HU
	codeMeterIDIE OBIS = 96<<24 | 1<<16                       // 0-0:96.1.0
	codeEAN       OBIS = 96<<24 | 1<<16 | 2<<8                // 0-0:96.1.2
	codeTariff    OBIS = 96<<24 | 14<<16                      // 0-0:96.14.0
	codeBreaker   OBIS = 96<<24 | 3<<16 | 10<<8               // 0-0:96.3.10
	codeLimiter   OBIS = 17 << 24                             // 0-0:17.0.0
	codeNumeric   OBIS = 96<<24 | 13<<16 | 1<<8               // 0-0:96.13.1
	codeText      OBIS = 96<<24 | 13<<16                      // 0-0:96.13.0
	codeFailures  OBIS = 96<<24 | 7<<16 | 21<<8               // 0-0:96.7.21
	codeLongFails OBIS = 96<<24 | 7<<16 | 9<<8                // 0-0:96.7.9
	codeHistory   OBIS = 98<<24 | 1<<16                       // 0-0:98.1.0

	electricity     OBIS = 1 << 40
	codeImport      OBIS = electricity | 1<<24 | 7<<16
	codeExport      OBIS = electricity | 2<<24 | 7<<16
	codeNet         OBIS = electricity | 16<<24 | 7<<16
	codeImportTotal OBIS = electricity | 1<<24 | 8<<16
	codeImportT1    OBIS = electricity | 1<<24 | 8<<16 | 1<<8
	codeImportT2    OBIS = electricity | 1<<24 | 8<<16 | 2<<8
	codeImportT3    OBIS = electricity | 1<<24 | 8<<16 | 3<<8
	codeImportT4    OBIS = electricity | 1<<24 | 8<<16 | 4<<8
	codeExportTotal OBIS = electricity | 2<<24 | 8<<16
	codeExportT1    OBIS = electricity | 2<<24 | 8<<16 | 1<<8
	codeExportT2    OBIS = electricity | 2<<24 | 8<<16 | 2<<8
	codeExportT3    OBIS = electricity | 2<<24 | 8<<16 | 3<<8
	codeExportT4    OBIS = electricity | 2<<24 | 8<<16 | 4<<8
	codeQuarter     OBIS = electricity | 1<<24 | 4<<16
	codeMonthPeak   OBIS = electricity | 1<<24 | 6<<16
	codeFailureLog  OBIS = electricity | 99<<24 | 97<<16
	codeFuse        OBIS = electricity | 31<<24 | 4<<16
	codeFuseLU      OBIS = electricity | 1<<32 | 31<<24 | 4<<16 // 1-1:31.4.0

	codeImportL1  OBIS = electricity | 21<<24 | 7<<16
	codeImportL2  OBIS = electricity | 41<<24 | 7<<16
	codeImportL3  OBIS = electricity | 61<<24 | 7<<16
	codeExportL1  OBIS = electricity | 22<<24 | 7<<16
	codeExportL2  OBIS = electricity | 42<<24 | 7<<16
	codeExportL3  OBIS = electricity | 62<<24 | 7<<16
	codeVoltageL1 OBIS = electricity | 32<<24 | 7<<16
	codeVoltageL2 OBIS = electricity | 52<<24 | 7<<16
	codeVoltageL3 OBIS = electricity | 72<<24 | 7<<16
	codeCurrentL1 OBIS = electricity | 31<<24 | 7<<16
	codeCurrentL2 OBIS = electricity | 51<<24 | 7<<16
	codeCurrentL3 OBIS = electricity | 71<<24 | 7<<16
	codeSagsL1    OBIS = electricity | 32<<24 | 32<<16
	codeSagsL2    OBIS = electricity | 52<<24 | 32<<16
	codeSagsL3    OBIS = electricity | 72<<24 | 32<<16
	codeSwellsL1  OBIS = electricity | 32<<24 | 36<<16
	codeSwellsL2  OBIS = electricity | 52<<24 | 36<<16
	codeSwellsL3  OBIS = electricity | 72<<24 | 36<<16

	busType     OBIS = 24<<24 | 1<<16        // 0-n:24.1.0
	busHour     OBIS = 24<<24 | 3<<16        // 0-n:24.3.0, DSMR 2 and 3: value on the next line
	busValve    OBIS = 24<<24 | 4<<16        // 0-n:24.4.0
	busID       OBIS = 96<<24 | 1<<16        // 0-n:96.1.0
	busIDBE     OBIS = 96<<24 | 1<<16 | 1<<8 // 0-n:96.1.1
	busValueLow OBIS = 24<<24 | 2<<16        // 0-n:24.2.0 to 24.2.9 carry the value
)

// parseCode reads a code that begins at b[i] and is followed by "(". It
// returns the place of that bracket, or -1 if there is no such code. b must end
// with a byte that is no digit.
func parseCode(b []byte, i int) (OBIS, int) {
	if len(b)-i >= 16 {
		if code, n := parseUsual((*[16]byte)(b[i:])); n > 0 {
			return code, i + n
		}
	}
	return parseAny(b, i)
}

// parseUsual reads a code as nearly all are: A and B of one digit, C, D and E
// of one or two, no F. It returns where "(" is, or 0 if the code is another.
func parseUsual(b *[16]byte) (OBIS, int) {
	d0, d1, d2 := b[0]-'0', b[2]-'0', b[4]-'0'
	if d0 > 9 || b[1] != '-' || d1 > 9 || b[3] != ':' || d2 > 9 {
		return 0, 0
	}
	code := OBIS(d0)<<40 | OBIS(d1)<<32 | unset
	i := 5
	if d := b[i] - '0'; d <= 9 {
		d2 = d2*10 + d
		i = 6
	}
	d3 := b[i+1] - '0'
	if b[i] != '.' || d3 > 9 {
		return 0, 0
	}
	i += 2
	if d := b[i] - '0'; d <= 9 {
		d3 = d3*10 + d
		i++
	}
	d4 := b[(i+1)&15] - '0'
	if b[i&15] != '.' || d4 > 9 {
		return 0, 0
	}
	i += 2
	if d := b[i&15] - '0'; d <= 9 {
		d4 = d4*10 + d
		i++
	}
	if b[i&15] != '(' {
		return 0, 0
	}
	return code | OBIS(d2)<<24 | OBIS(d3)<<16 | OBIS(d4)<<8, i
}

func parseAny(b []byte, i int) (OBIS, int) {
	var code OBIS
	for g := range 5 {
		v, c := uint(0), uint(b[i])-'0'
		if c > 9 {
			return 0, -1
		}
		for c <= 9 {
			v = v*10 + c
			i++
			c = uint(b[i]) - '0'
		}
		if v > 255 {
			return 0, -1
		}
		code = code<<8 | OBIS(v)
		if g < 4 {
			if b[i] != "-:.."[g] {
				return 0, -1
			}
			i++
		}
	}
	f := OBIS(unset)
	if b[i] == '*' {
		n := 0
		for f, i = 0, i+1; b[i] >= '0' && b[i] <= '9' && n < 3; i++ {
			f = f*10 + OBIS(b[i]-'0')
			n++
		}
		if n == 0 || f > 255 {
			return 0, -1
		}
	}
	if b[i] != '(' {
		return 0, -1
	}
	return code<<8 | f, i
}
