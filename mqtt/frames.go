package mqtt

// The MQTT control packet types that the guard looks at (MQTT 5.0 §2.1.2).
const (
	typeConnect  = 1
	typePublish  = 3
	typePuback   = 4
	typePubrec   = 5
	typePubcomp  = 7
	typePingreq  = 12
	typePingresp = 13
)

// frameLength reads the fixed header at the begin of b. It returns the length
// of the header and that of the rest, which is the Remaining Length; 0 and 0 if
// b does not hold the whole header yet; and false if there is no such length
// (MQTT 5.0 §1.5.5).
func frameLength(b []byte) (head, body int, ok bool) {
	for i := 1; i < len(b); i++ {
		body |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return 1 + i, body, true
		}
		if i == 4 {
			return 0, 0, false
		}
	}
	return 0, 0, true
}

// acknowledges says whether a whole packet ends the exchange of one message. A
// PUBREC does so only if its reason is a failure; else the PUBCOMP does.
func acknowledges(frame []byte) bool {
	switch frame[0] >> 4 {
	case typePuback, typePubcomp:
		return true
	case typePubrec:
		return len(frame) > 4 && frame[4] >= 0x80 // an acknowledgement's header is two bytes long
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
	if head, body, ok := frameLength(b); ok && head > 0 {
		return min(len(b), head+body)
	}
	return len(b)
}
