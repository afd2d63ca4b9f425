package dsmr

import (
	"bytes"
	"io"
	"math/bits"
)

// Refusal is a frame that was not accepted.
type Refusal struct {
	Offset int64  // of its first byte in the stream
	Reason string // for people
}

// Reasons of a Refusal.
const (
	reasonChecksum   = "checksum does not match"
	reasonNoChecksum = "checksum is missing"
	reasonCutShort   = "cut short by the next telegram"
	reasonTooLong    = "longer than 8192 bytes"
	reasonEnd        = "input ends inside the telegram"
	reasonHeader     = "first line is not that of a meter"
	reasonTooMany    = "too many objects"
	reasonEmpty      = "no object in it"
	reasonMalformed  = "malformed line, and no checksum to vouch for it"
	reasonNoRegister = "no energy register, and no checksum to vouch for it"
	reasonParity     = "parity error"
	reasonTerminator = "no line end after the terminator"
	reasonNoKey      = "encrypted, and no key is set"
	reasonTag        = "authentication tag does not match: wrong key or damaged"
	reasonInner      = "decrypted content is not a telegram: wrong key or damaged"
)

// sealedOverhead is the most that encryption adds to a telegram: tag, counter
// and headers.
const sealedOverhead = 48

const bufferSize = MaxTelegram + sealedOverhead

// A frame begins with one of these bytes: "/", the same with its even parity
// bit (7E1 read as 8N1), or the tag of an encrypted APDU.
const (
	startPlain  = '/'
	startParity = '/' | 0x80
	startSealed = 0xDB
)

// Reader finds telegrams in a stream of bytes. A frame begins at every "/", so
// noise never swallows the telegram behind it; neither "/" nor "!" may occur
// inside one (IEC 62056-21, 6.5; but see slashInHeader). Its memory is fixed, whatever comes in.
type Reader struct {
	source io.Reader
	cfg    Config
	opener *opener
	err    error

	offset  int64 // of buf[0] in the stream
	start   int   // buf[start:end] is not yet decided on
	end     int
	scanned int // no "/" or "!" in buf[start+1:scanned]
	t       Telegram
	buf     [bufferSize]byte
}

// NewReader is a Reader of the telegrams in r. Keys of the wrong length count
// as not set: check them with CheckKeys where they are entered.
func NewReader(r io.Reader, cfg Config) *Reader {
	rd := &Reader{cfg: cfg, opener: newOpener(cfg)}
	rd.t.zone = cfg.zone()
	rd.Reset(r)
	return rd
}

// Reset makes the Reader read from source as if it were new.
func (r *Reader) Reset(source io.Reader) {
	r.source, r.err = source, nil
	r.offset, r.start, r.end, r.scanned = 0, 0, 0, 0
}

// Next is the next telegram; it is valid until the next call. The error is
// what the source returned, io.EOF at its end, and stays. Frames that are
// refused are reported to Config.Refused and skipped.
func (r *Reader) Next() (*Telegram, error) {
	for {
		if r.scan() {
			return &r.t, nil
		}
		if r.err != nil {
			return nil, r.err
		}
		r.fill()
	}
}

// fill reads once. It moves what is undecided to the front only when there is
// no room behind it.
func (r *Reader) fill() {
	if r.start == r.end {
		r.offset += int64(r.start)
		r.start, r.end, r.scanned = 0, 0, 0
	} else if r.end == len(r.buf) {
		copy(r.buf[:], r.buf[r.start:r.end])
		r.offset += int64(r.start)
		r.end -= r.start
		r.scanned = max(0, r.scanned-r.start)
		r.start = 0
	}
	n, err := r.source.Read(r.buf[r.end:])
	r.end += n
	r.err = err
}

// scan looks for a telegram in what was read. Each turn decides on the frame
// that begins at start, or finds that more is needed.
func (r *Reader) scan() bool {
	for r.findStart() {
		var done, found bool
		if r.buf[r.start] == startSealed {
			done, found = r.scanSealed()
		} else {
			done, found = r.scanPlain()
		}
		if found {
			return true
		}
		if !done {
			return false
		}
	}
	return false
}

// findStart moves start to the next byte that can begin a frame.
func (r *Reader) findStart() bool {
	for i, c := range r.buf[r.start:r.end] {
		if c == startPlain || c == startParity || c == startSealed {
			r.start += i
			r.scanned = max(r.scanned, r.start+1)
			return true
		}
	}
	r.start = r.end
	return false
}

// refuse gives up on the frame at start and goes on n bytes behind it.
func (r *Reader) refuse(reason string, n int) {
	if r.cfg.Refused != nil {
		r.cfg.Refused(Refusal{Offset: r.offset + int64(r.start), Reason: reason})
	}
	r.start += n
	r.scanned = r.start
}

// scanPlain decides on a frame that begins with "/". done is false if more
// must be read first.
func (r *Reader) scanPlain() (done, found bool) {
	b := r.buf[:r.end]
	bang := len(b)
	var next int // where the next frame begins, or the end of what is read
	for from := r.scanned; ; from = next + 1 {
		i := bytes.IndexByte(b[from:], b[r.start])
		if i < 0 {
			next = len(b)
			break
		}
		if next = from + i; !slashInHeader(b[r.start:next]) {
			break
		}
	}
	if i := bytes.IndexByte(b[r.scanned:next], '!'); i >= 0 {
		bang = r.scanned + i
	} else if next < len(b) {
		r.refuse(reasonCutShort, 1) // another kind of frame may begin before next
		return true, false
	}
	r.scanned = bang
	last := r.err != nil
	switch {
	case bang-r.start >= MaxTelegram:
		r.refuse(reasonTooLong, 1)
		return true, false
	case bang == len(b) && last:
		r.refuse(reasonEnd, 1)
		return true, false
	case bang == len(b):
		return false, false
	}
	end, ready := checksumEnd(b, bang, last)
	if !ready {
		return false, false
	}
	return true, r.accept(b[r.start:end], bang-r.start)
}

// slashInHeader says whether a "/" behind b, which begins with one, may belong
// to the same first line. It should not, but there is a meter that calls itself
// HLY5/D545-METER. Where it does not, the checksum fails, and the frame of the
// second "/" is next.
func slashInHeader(b []byte) bool {
	const longest = 32
	return len(b) >= 5 && len(b) <= longest && plausibleHeader(b)
}

// checksumEnd is where the checksum behind b[bang] ends. ready is false if
// that can not be said before more is read.
func checksumEnd(b []byte, bang int, last bool) (end int, ready bool) {
	end = bang + 1
	for end < len(b) && end < bang+5 && hexDigit(b[end]&0x7F) >= 0 {
		end++
	}
	return end, end == bang+5 || end < len(b) || last
}

// accept decides on a complete frame and moves behind it.
func (r *Reader) accept(frame []byte, bang int) bool {
	reason := ""
	if after := r.start + len(frame); len(frame) < bang+5 && after < r.end {
		if c := r.buf[after] & 0x7F; c != '\r' && c != '\n' {
			reason = reasonTerminator
		}
	}
	if reason == "" && frame[0] == startParity && !dropParity(frame) {
		reason = reasonParity
	}
	r.t.sealed = false
	if reason == "" {
		reason = r.t.load(frame, bang, r.cfg.Lenient)
	}
	if reason != "" {
		r.refuse(reason, 1)
		return false
	}
	r.start += len(frame)
	r.scanned = r.start
	return true
}

// dropParity clears bit 7 of a frame in which it is the even parity of the
// others. It changes nothing if it is not.
func dropParity(frame []byte) bool {
	for _, c := range frame {
		if bits.OnesCount8(c)&1 != 0 {
			return false
		}
	}
	for i := range frame {
		frame[i] &= 0x7F
	}
	return true
}
