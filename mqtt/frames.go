package mqtt

// The MQTT control packet types that the guard looks at (MQTT 5.0 §2.1.2).
const (
	typeConnect = 1
	typePublish = 3
	typePuback  = 4
	typePubrec  = 5
	typePubcomp = 7
)

// frames follows the packet boundaries in what a client sends, without
// keeping any of it.
type frames struct {
	first int  // longest first packet that is let through
	acks  bool // count acknowledgements

	begun  bool // the first packet's header was seen
	kind   byte
	header int // bytes of the fixed header seen
	length int // Remaining Length
	body   int // bytes of the body seen
}

// scan takes the next bytes. It returns how many messages they acknowledge for
// good, and false if the first packet is not a CONNECT of bearable size. What
// is wrong with later packets the library finds itself.
func (f *frames) scan(b []byte) (acks int, ok bool) {
	for len(b) > 0 {
		if f.header >= 0 {
			if !f.head(b[0]) {
				return acks, false
			}
			b = b[1:]
			if f.header < 0 && f.length == 0 {
				f.header = 0
			}
			continue
		}
		n := min(len(b), f.length-f.body)
		if f.acks && f.acknowledges(b[:n]) {
			acks++
		}
		f.body += n
		b = b[n:]
		if f.body == f.length {
			f.header = 0
		}
	}
	return acks, true
}

// head takes one byte of a fixed header; header is -1 when it is complete.
func (f *frames) head(c byte) bool {
	if f.header == 0 {
		f.kind, f.length, f.body, f.header = c>>4, 0, 0, 1
		return f.begun || c == typeConnect<<4 // a TLS hello begins with 0x16
	}
	f.length |= int(c&0x7f) << (7 * (f.header - 1))
	switch {
	case !f.begun && f.length > f.first:
		return false
	case c&0x80 == 0:
		f.header, f.begun = -1, true
	case f.header == 4:
		return false // a fifth length byte does not exist (MQTT 5.0 §1.5.5)
	default:
		f.header++
	}
	return true
}

// acknowledges says whether part, the next bytes of the body, completes an
// acknowledgement. A PUBREC ends the exchange only if its reason, the third
// byte, is a failure; else the PUBCOMP does.
func (f *frames) acknowledges(part []byte) bool {
	switch f.kind {
	case typePuback, typePubcomp:
		return f.body == 0
	case typePubrec:
		i := 2 - f.body
		return i >= 0 && i < len(part) && part[i] >= 0x80
	}
	return false
}

// flow counts the messages a client has not acknowledged yet and holds back
// what exceeds its Receive Maximum. The library can do this, but where it does
// it deadlocks (defect 6: a recursive read lock in Inflight.NextImmediate) and
// sorts the whole backlog for every packet (defect 19), so its own counting is
// switched off.
type flow struct {
	window int // Receive Maximum; 0 = none
	flying int
	held   [][]byte
	bytes  int // in held
}

// admit appends to out those packets of b that may go now.
func (f *flow) admit(out, b []byte) []byte {
	for len(b) > 0 {
		n := packetLength(b)
		packet := b[:n]
		b = b[n:]
		switch {
		case packet[0]>>4 != typePublish || packet[0]&0x06 == 0:
			out = append(out, packet...)
		case f.flying < f.window && len(f.held) == 0:
			f.flying++
			out = append(out, packet...)
		default:
			f.held = append(f.held, append([]byte(nil), packet...))
			f.bytes += n
		}
	}
	return out
}

// release takes n acknowledgements and appends what may go now to out.
func (f *flow) release(out []byte, n int) []byte {
	f.flying = max(0, f.flying-n)
	for len(f.held) > 0 && f.flying < f.window {
		packet := f.held[0]
		f.held[0], f.held = nil, f.held[1:]
		f.bytes -= len(packet)
		f.flying++
		out = append(out, packet...)
	}
	return out
}

// packetLength is the length of the first packet in b, all of b if b does not
// hold a whole one.
func packetLength(b []byte) int {
	length := 0
	for i := 1; i < len(b) && i <= 4; i++ {
		length |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return min(len(b), 1+i+length)
		}
	}
	return len(b)
}
