package dsmr

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math/bits"
	"time"

	"homehub/hub"
)

// MaxTelegram is the longest telegram that is read, in bytes. The longest a
// standard allows, with a text message of 1,024 characters, has about 4,000.
const MaxTelegram = 8192

// A telegram with more than these is refused: the largest known one has 70
// objects with 100 groups.
const (
	maxObjects = 256
	maxGroups  = 512
)

// Config says how telegrams are read. The zero value is right for a meter on a
// cable.
type Config struct {
	// Lenient also accepts telegrams whose line ends lost their carriage
	// return, and delivers those without a valid checksum, flagged by
	// Telegram.Checked. For gateways that edit what they pass on.
	Lenient bool
	// Zone is where the meter is; Europe/Amsterdam if nil. Only its base
	// offset matters: S and W in the telegram decide on summer time.
	Zone *time.Location
	// Key is the 16-byte AES key of a meter that encrypts (Luxembourg,
	// Austria); nil if it does not.
	Key []byte
	// AuthKey is the 16-byte authentication key that goes with Key; nil for
	// the one of the Luxembourg specification.
	AuthKey []byte
	// NoTag skips the check of an encrypted telegram's tag and relies on the
	// checksum inside: some meters are known to use another AuthKey than they
	// should.
	NoTag bool
	// Refused is told of every frame that was not accepted; may be nil. It is
	// called by Reader.Next.
	Refused func(Refusal)
}

func (c Config) zone() zone {
	if c.Zone != nil {
		return newZone(c.Zone)
	}
	return newZone(amsterdam)
}

// Object is one line of a telegram: a code and its groups in brackets.
type Object struct {
	Code  OBIS
	first uint16
	n     uint16
}

// Len is the number of the object's groups.
func (o Object) Len() int { return int(o.n) }

type span struct{ from, to uint16 }

// Telegram is one message of the meter. It is an index over the bytes that
// were received: it is valid until the next call of the Reader it came from.
type Telegram struct {
	zone     zone
	raw      []byte // from "/" to the checksum
	head     int    // length of the first line without its end
	bang     int    // where "!" is
	given    uint16 // checksum as sent
	computed uint16
	digits   uint8 // of the checksum as sent; 0 if there is none
	sealed   bool  // the tag of its encryption was right
	valid    bool  // the checksum is right, on CRLF line ends
	broken   uint16
	nObjects uint16
	nGroups  uint16
	objects  [maxObjects]Object
	groups   [maxGroups]span
}

// Raw is the telegram from "/" to the last digit of its checksum, decrypted
// and without parity bits.
func (t *Telegram) Raw() []byte { return t.raw }

// Header is the first line, from "/" on.
func (t *Telegram) Header() []byte { return t.raw[:t.head] }

// Checked says whether something vouches for the telegram's content: its
// checksum, or the tag of its encryption, or that its standard has neither. It
// is false only for what a lenient Reader lets through.
func (t *Telegram) Checked() bool {
	return t.valid || t.sealed || t.digits == 0 && t.reasonUnchecked() == ""
}

// Objects are the objects in the order of the telegram.
func (t *Telegram) Objects() []Object { return t.objects[:t.nObjects] }

// Group is the content of the i-th bracket of o.
func (t *Telegram) Group(o Object, i int) []byte {
	s := t.groups[int(o.first)+i]
	return t.raw[s.from:s.to]
}

// Groups are the contents of the brackets of o.
func (t *Telegram) Groups(o Object) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for i := range o.Len() {
			if !yield(i, t.Group(o, i)) {
				return
			}
		}
	}
}

// Parse reads one telegram that b begins with. It copies b. The error is a
// hub.Error of code Invalid with the reason of a Refusal.
func Parse(b []byte, cfg Config) (*Telegram, error) {
	var refused Refusal
	cfg.Refused = func(r Refusal) {
		if refused.Reason == "" {
			refused = r
		}
	}
	r := NewReader(bytes.NewReader(b), cfg)
	t, err := r.Next()
	if err != nil {
		if refused.Reason == "" {
			refused.Reason = "no telegram in it"
		}
		return nil, hub.Errorf(hub.Invalid, "%s", refused.Reason)
	}
	return t, nil
}

// load takes a frame from "/" to the end of its checksum, with bang as the
// place of "!", and says why it is no good, or "".
func (t *Telegram) load(frame []byte, bang int, lenient bool) string {
	t.raw, t.bang = frame, bang
	t.digits, t.given = uint8(len(frame)-bang-1), 0
	for _, c := range frame[bang+1:] {
		t.given = t.given<<4 | uint16(hexDigit(c))
	}
	t.computed = crc16(0, frame[:bang+1])
	t.valid = t.digits > 0 && t.given == t.computed
	if lenient && t.digits > 0 && !t.valid && bytes.IndexByte(frame, '\r') < 0 {
		t.computed = crc16CRLF(frame[:bang+1])
		t.valid = t.given == t.computed
	}
	if t.digits > 0 && !t.valid && !t.sealed && !lenient {
		return reasonChecksum
	}
	if reason := t.index(); reason != "" {
		return reason
	}
	if !t.valid && !t.sealed && bytes.IndexByte(t.Header()[1:], startPlain) > 0 {
		return reasonHeader // only a checksum can vouch for such a name
	}
	if t.digits == 0 && !t.sealed && !lenient {
		return t.reasonUnchecked()
	}
	return ""
}

// index finds the objects and their groups.
func (t *Telegram) index() string {
	t.nObjects, t.nGroups, t.broken = 0, 0, 0
	b := t.raw[:t.bang+1] // ends with "!", which ends every loop below
	t.head = lineEnd(b, 0)
	if !plausibleHeader(b[:t.head]) {
		return reasonHeader
	}
	for i := t.head; i < t.bang; {
		c := b[i]
		if c == '\r' || c == '\n' {
			i++
			continue
		}
		if int(t.nObjects) == maxObjects {
			return reasonTooMany
		}
		i = t.line(b, i)
		if i < 0 {
			return reasonTooMany
		}
	}
	if t.nObjects == 0 {
		return reasonEmpty
	}
	return ""
}

// line takes in the line that begins at b[i] and returns where it ends. A line
// that is no object is counted and left out; one that begins with a bracket
// continues the object before it (DSMR 2 and 3, gas). It returns -1 if there
// are too many groups.
func (t *Telegram) line(b []byte, i int) int {
	var code OBIS
	next := i
	if b[i] != '(' {
		code, next = parseCode(b, i)
	} else if t.nObjects == 0 {
		next = -1
	}
	if next < 0 {
		t.broken++
		return lineEnd(b, i)
	}
	from := t.nGroups
	n := int(from)
	for next < len(b) && b[next] == '(' {
		next++
		k := groupEnd(b, next)
		if b[k] != ')' {
			t.broken++
			return lineEnd(b, i)
		}
		if n == maxGroups {
			return -1
		}
		t.groups[n] = span{uint16(next), uint16(k)}
		n++
		next = k + 1
	}
	if c := b[next]; c != '\r' && c != '\n' && c != '!' {
		t.broken++
		return lineEnd(b, i)
	}
	t.nGroups = uint16(n)
	if b[i] == '(' {
		t.objects[t.nObjects-1].n += t.nGroups - from
	} else {
		t.objects[t.nObjects] = Object{Code: code, first: from, n: t.nGroups - from}
		t.nObjects++
	}
	return next
}

// groupEnd is where the content of a bracket that begins at b[k] ends: at ")",
// or at a byte that can not be in one. b ends with such a byte.
func groupEnd(b []byte, k int) int {
	const ones = 0x0101010101010101
	for {
		// Eight at a time: the lowest set bit marks the first byte of 0x29 or
		// less. Bytes of 0x80 and more never match here.
		for k+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[k:])
			if low := (x - 0x2A*ones) &^ x & (0x80 * ones); low != 0 {
				k += bits.TrailingZeros64(low) >> 3
				break
			}
			k += 8
		}
		for b[k] > ')' {
			k++
		}
		if c := b[k]; c == ')' || c < ' ' || c == '!' {
			return k
		}
		k++
	}
}

// lineEnd is where the line of b[i] ends: at a line end or the last byte.
func lineEnd(b []byte, i int) int {
	for i < len(b)-1 && b[i] != '\r' && b[i] != '\n' {
		i++
	}
	return i
}

// plausibleHeader says whether b is "/" and three letters or digits of a
// manufacturer, and printable text after them. Four characters are all that
// every meter keeps to.
func plausibleHeader(b []byte) bool {
	if len(b) < 5 {
		return false
	}
	for _, c := range b[1:4] {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	for _, c := range b[4:] {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// reasonUnchecked says why a telegram without checksum can not be believed, or
// "". Only standards without a clock and a version object have no checksum: in
// any other telegram it was lost. As nothing else guards these, every line
// must be well formed, and the registers, which have one fixed form, must be
// of one length.
func (t *Telegram) reasonUnchecked() string {
	if t.broken > 0 {
		return reasonMalformed
	}
	width, lost := uint16(0), false
	for _, o := range t.Objects() {
		switch o.Code.short() {
		case codeVersion, codeVersionBE, codeClock:
			lost = true
		case codeImportTotal, codeExportTotal, codeImportT1, codeImportT2, codeExportT1, codeExportT2:
			if o.n != 1 {
				return reasonMalformed
			}
			s := t.groups[o.first]
			if width != 0 && s.to-s.from != width {
				return reasonMalformed
			}
			width = s.to - s.from
		}
	}
	switch {
	case lost:
		return reasonNoChecksum
	case width == 0:
		return reasonNoRegister
	}
	return ""
}

// countable says whether a telegram may become a Reading that is counted with:
// it is checked, or a gateway took its checksum away and it is well formed.
func (t *Telegram) countable() bool {
	return t.Checked() || t.digits == 0 && t.reasonUnchecked() == reasonNoChecksum
}
