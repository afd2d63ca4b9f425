package mqtt

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// quantity is what a value of the meter measures, and so its units, its range
// and the unit of hub.Reading that it is rounded to.
type quantity uint8

const (
	quantityPower   quantity = iota // W, with a sign
	quantityEnergy                  // Wh
	quantityCurrent                 // mA
	quantityVoltage                 // 0.1 V
	quantityVolume                  // dm³
	quantityTariff                  // indicator, 0 to 255
	quantityTime                    // milliseconds since 1970
	quantityTemp                    // 0.001 °C
)

// scale is a unit: 10^shift of the integer that a Reading holds.
type scale struct {
	name  string
	shift int
}

// quantities are the units of each quantity, the first being the one of a
// value that names none, and the range in the unit of a Reading. More than a
// house connection can carry is no value.
var quantities = [...]struct {
	what     string // for people
	units    []scale
	min, max int64
}{
	quantityPower:   {"power in W or kW", []scale{{"W", 0}, {"kW", 3}}, -1e6, 1e6},
	quantityEnergy:  {"energy in kWh or Wh", []scale{{"kWh", 3}, {"Wh", 0}}, 0, 1e12},
	quantityCurrent: {"current in A or mA", []scale{{"A", 3}, {"mA", 0}}, -1e6, 1e6},
	quantityVoltage: {"voltage in V", []scale{{"V", 1}}, 0, 1e4},
	quantityVolume:  {"volume in m3, dm3 or l", []scale{{"m3", 3}, {"m³", 3}, {"dm3", 0}, {"l", 0}}, 0, 1e12},
	quantityTariff:  {"tariff, a whole number up to 255", []scale{{"", 0}}, 0, 255},
	quantityTime:    {"time, RFC 3339 or seconds since 1970", []scale{{"", 3}}, 946_684_800_000, 4_102_444_800_000}, // 2000 to 2100
	// A sensor that lost its wire says -127 °C; what a house heats is no warmer than this.
	quantityTemp: {"temperature in °C", []scale{{"°C", 3}, {"C", 3}}, -60_000, 200_000},
}

// unit is the power of ten of a unit of q, by its exact name: mA is not MA.
func (q quantity) unit(name string) (shift int, ok bool) {
	for _, u := range quantities[q].units {
		if u.name == name {
			return u.shift, true
		}
	}
	return 0, false
}

// maxAmount is the longest text that can be a value.
const maxAmount = 64

// isUnit says whether name is a unit of anything.
func isUnit(name string) bool {
	for q := range quantities {
		if _, ok := quantity(q).unit(name); ok {
			return true
		}
	}
	return false
}

// amount reads the text of a value: a decimal number and, where the sender
// adds one, a unit ("0.378", "0.378 kW", "000.378*kW"); without one the value
// is 10^shift of what a Reading holds. The result is exact, rounded half away
// from zero only where the Reading is coarser than the text.
func (q quantity) amount(text []byte, shift int) (int64, bool) {
	text = bytes.TrimSpace(text)
	if len(text) > maxAmount {
		return 0, false
	}
	if q == quantityTime && bytes.IndexByte(text, 'T') > 0 {
		return q.within(instant(text))
	}
	var d decimal
	n := d.scan(text)
	if n == 0 {
		return 0, false
	}
	if rest := bytes.TrimSpace(text[n:]); len(rest) > 0 {
		if rest[0] == '*' { // as in a telegram
			rest = rest[1:]
		}
		own, ok := q.unit(string(rest))
		if !ok || len(rest) == 0 {
			return 0, false
		}
		shift = own
	}
	if q == quantityTariff && !d.whole() {
		return 0, false
	}
	return q.within(d.round(shift))
}

func (q quantity) within(v int64, ok bool) (int64, bool) {
	return v, ok && v >= quantities[q].min && v <= quantities[q].max
}

// instant is a time as RFC 3339 writes it, in milliseconds since 1970.
func instant(text []byte) (int64, bool) {
	t, err := time.Parse(time.RFC3339, string(text))
	return t.UnixMilli(), err == nil
}

// decimal is a number as it is written, so that no binary fraction stands
// between the meter and its Reading.
type decimal struct {
	negative bool
	digits   [maxAmount]byte
	n        int // digits
	point    int // how many of them stand before the point; below 0: zeros are missing after it
}

// scan reads a number in the grammar of JSON, leading zeros and a plus allowed
// as in a telegram, and returns its length, 0 if text does not begin with one.
func (d *decimal) scan(text []byte) int {
	i := 0
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		d.negative = text[i] == '-'
		i++
	}
	i += d.run(text[i:])
	d.point = d.n
	if d.n == 0 {
		return 0
	}
	if i < len(text) && text[i] == '.' {
		more := d.run(text[i+1:])
		if more == 0 {
			return 0
		}
		i += 1 + more
	}
	return i + d.exponent(text[i:])
}

// run takes in the digits that text begins with.
func (d *decimal) run(text []byte) int {
	i := 0
	for i < len(text) && text[i] >= '0' && text[i] <= '9' && d.n < len(d.digits) {
		d.digits[d.n] = text[i] - '0'
		d.n++
		i++
	}
	return i
}

// exponent takes in "e-3". Three digits of it are more than any value needs.
func (d *decimal) exponent(text []byte) int {
	if len(text) < 2 || text[0] != 'e' && text[0] != 'E' {
		return 0
	}
	i := 1
	if text[i] == '-' || text[i] == '+' {
		i++
	}
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	e, err := strconv.Atoi(string(text[1:i]))
	if err != nil || e > 999 || e < -999 {
		return 0
	}
	d.point += e
	return i
}

// whole says whether nothing but zeros stands behind the point.
func (d *decimal) whole() bool {
	for i := max(0, d.point); i < d.n; i++ {
		if d.digits[i] != 0 {
			return false
		}
	}
	return true
}

// round is the number times 10^shift, rounded half away from zero, false if no
// int64 holds it.
func (d *decimal) round(shift int) (int64, bool) {
	at := func(i int) int64 {
		if i < 0 || i >= d.n {
			return 0
		}
		return int64(d.digits[i])
	}
	v, end := int64(0), d.point+shift
	for i := range max(0, end) {
		if v > (math.MaxInt64-9)/10 {
			return 0, false
		}
		v = v*10 + at(i)
		if v == 0 && i >= d.n {
			break // nothing but zeros, however large the exponent
		}
	}
	if at(end) >= 5 {
		v++
	}
	if d.negative {
		v = -v
	}
	return v, true
}
