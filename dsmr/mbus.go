package dsmr

import "bytes"

// gasMeter is the device type of a gas meter (EN 13757-3).
const gasMeter = 3

// busKind is what an M-Bus value's code says of its device.
type busKind uint8

const (
	busKindAny busKind = iota // 24.2.0 to 24.2.9 are shared by all kinds of device
	busKindGas                // 24.2.3 and 24.3.0
)

// busValue is the last value of an M-Bus device.
type busValue struct {
	channel  int
	kind     busKind
	code     []byte // as text where the telegram names it inside a group (DSMR 2 and 3)
	hasStamp bool
	stamp    Stamp
	value    Decimal
	unit     []byte // empty if none
}

// busValue reads an object that carries the value of an M-Bus device:
// 0-n:24.2.x (time)(value*unit), or DSMR 2 and 3's 0-n:24.3.0
// (time)(status)(period)(count)(code)(unit) with (value) on the next line.
func (t *Telegram) busValue(o *Object, v *busValue) bool {
	*v = busValue{channel: o.Code.channel()}
	var ok bool
	switch code := o.Code.onChannel(); {
	case code >= busValueLow && code <= busValueLow|9<<8 && o.n == 2:
		if code == busValueLow|3<<8 {
			v.kind = busKindGas
		}
		b := t.Group(*o, 1)
		d, n := scanDecimal(b)
		if n == 0 || n < len(b) && b[n] != '*' {
			return false
		}
		v.value, v.unit = d, bytes.TrimPrefix(b[n:], []byte("*"))
	case code == busHour && o.n == 7:
		v.kind = busKindGas
		v.code, v.unit = t.Group(*o, 4), t.Group(*o, 5)
		if v.value, ok = parseDecimal(t.Group(*o, 6)); !ok {
			return false
		}
	default:
		return false
	}
	v.stamp, v.hasStamp = parseStamp(t.Group(*o, 0))
	return true
}
