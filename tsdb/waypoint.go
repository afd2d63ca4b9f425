package tsdb

import (
	"encoding/binary"
	"math/bits"
)

// A waypoint is a place inside a packed row where reading can begin. With the
// sum of what lies before it, the first k values are summed up by taking at
// most wayEvery of them apart. Waypoints are derived from the body; they lie
// in the index, under its checksum (FORMAT.md §5).
type waypoint struct {
	i       int   // values before it
	bit     int   // bits of codes before it
	sum     int64 // of the values before it
	a, b, c int64 // the last three of them
}

const wayEvery = 256

// here is where an unpacker stands.
func (u *unpacker) here() waypoint {
	return waypoint{i: u.i, bit: u.bit, sum: u.sum, a: u.a, b: u.b, c: u.c}
}

// runMarked takes the whole row apart like run and describes the waypoints on
// the way.
func (u *unpacker) runMarked(out []int64, ways []byte) ([]byte, error) {
	last := u.here()
	for u.i+wayEvery < len(out) {
		if err := u.run(out, u.i+wayEvery); err != nil {
			return ways, err
		}
		if u.i >= len(out) {
			return ways, nil
		}
		w := u.here()
		ways = w.append(ways, last, u.guess)
		last = w
	}
	return ways, u.run(out, len(out))
}

// guessed is what the sum up to w would be if the values since last lay on a
// line. Writer and reader compute it alike, even where it overflows.
func (w waypoint) guessed(last waypoint) int64 {
	return last.sum + (last.a+w.a)*int64(w.i-last.i)/2
}

func (w waypoint) append(dst []byte, last waypoint, p predictor) []byte {
	dst = binary.AppendUvarint(dst, uint64(w.i-last.i-wayEvery))
	dst = binary.AppendUvarint(dst, uint64(w.bit-last.bit))
	dst = binary.AppendVarint(dst, w.a-last.a)
	if p != fromLast {
		dst = binary.AppendVarint(dst, w.b-w.a)
	}
	if p == fromMedian {
		dst = binary.AppendVarint(dst, w.c-w.b)
	}
	return binary.AppendVarint(dst, w.sum-w.guessed(last))
}

// waypoint reads the next one.
func (r *varints) waypoint(last waypoint, p predictor) (w waypoint) {
	w.i = last.i + wayEvery + int(min(r.unsigned(), blockLen))
	w.bit = last.bit + int(min(r.unsigned(), 8*maxChunk))
	w.a = last.a + r.signed()
	w.b, w.c = w.a, w.a
	if p != fromLast {
		w.b = w.a + r.signed()
	}
	if p == fromMedian {
		w.c = w.b + r.signed()
	}
	w.sum = w.guessed(last) + r.signed()
	return w
}

// resume goes to a waypoint; it reports false if there are not so many bits.
func (u *unpacker) resume(w waypoint) bool {
	if w.bit > len(u.src)*8 {
		return false
	}
	u.bit = w.bit
	u.i, u.sum, u.a, u.b, u.c = w.i, w.sum, w.a, w.b, w.c
	return true
}

// headScratch is room for headOf.
type headScratch struct {
	out [blockLen]int64
	u   unpacker
}

// headOf counts the points in the first k slots of a body and sums them up,
// from the last waypoint before them on. It reports false if the body is not
// one of integers only; then decode has to look.
func headOf(body, ways []byte, k int, scratch *headScratch) (count int, sum int64, ok bool) {
	var has present
	src, n, ok := packedPart(body, &has)
	if !ok {
		return 0, 0, false
	}
	count = k
	if n < blockLen {
		count = has.countTo(k)
	}
	if count == 0 {
		return 0, 0, true
	}
	out, u := scratch.out[:n], &scratch.u
	if u.open(out, src) != nil {
		return 0, 0, false
	}
	w := u.here()
	for r := (varints{src: ways}); len(r.src) > 0; {
		next := r.waypoint(w, u.guess)
		if r.bad {
			return 0, 0, false
		}
		if next.i > count {
			break
		}
		w = next
	}
	if w.bit > 0 && !u.resume(w) || u.run(out, count) != nil {
		return 0, 0, false
	}
	sum = u.sum
	for _, v := range out[count:max(count, u.i)] { // a run of zeros went further
		sum -= v
	}
	return count, sum, true
}

// packedPart finds the packed integers of a body and how many there are; has
// says for which slots. It reports false for other bodies.
func packedPart(body []byte, has *present) (src []byte, n int, ok bool) {
	if len(body) == 0 || body[0]&(modeRaw|modeOdd) != 0 || body[0]&modeScale > maxScale {
		return nil, 0, false
	}
	src = body[1:]
	if body[0]&modeGaps == 0 {
		return src, blockLen, true
	}
	src, err := readGaps(src, has)
	return src, has.count(), err == nil
}

// countTo counts the slots below k.
func (p *present) countTo(k int) (n int) {
	for w := range p {
		if k < 64 {
			return n + bits.OnesCount64(p[w]&(1<<k-1))
		}
		n += bits.OnesCount64(p[w])
		k -= 64
	}
	return n
}
