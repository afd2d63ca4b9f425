package tsdb

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Integers of a block are predicted from their neighbours, and what the
// prediction missed is written in a Huffman code made for the block
// (FORMAT.md §4.3). A general compressor does worse on such short rows and is
// slower to undo.
const (
	maxCode   = 9                   // bits of the longest code: the decode table has 2^9 entries
	direct    = 32                  // zigzag misses below this are symbols of their own
	zeroRun   = direct + 2*(64-5)   // from here on: runs of zeros, by bit length of the run
	symbols   = zeroRun + blockBits // run lengths have 2 to 11 bits
	minRun    = 3                   // shorter runs are cheaper as single zeros
	nibRepeat = 13                  // code lengths: repeat the previous one
	nibZeros  = 11                  // code lengths: a short run of unused symbols
	nibMany   = 12                  // code lengths: a long one
	nibEnd    = 15                  // code lengths: end of table
)

// predictor says what a value is expected to be.
type predictor byte

const (
	fromLast   predictor = iota // the value before
	fromMedian                  // the median of the three before: noise around a level
	fromSlope                   // the two before, continued: steady counters
	predictors
)

func (p predictor) guess(a, b, c int64) int64 {
	switch p {
	case fromMedian:
		return max(min(a, b), min(max(a, b), c))
	case fromSlope:
		return 2*a - b
	}
	return a
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// symbolOf splits a miss into symbol and extra bits.
func symbolOf(u uint64) (sym int, extra uint64, n uint) {
	if u < direct {
		return int(u), 0, 0
	}
	n = uint(bits.Len64(u)) - 2
	return direct + int(n-4)*2 + int(u>>n&1), u & (1<<n - 1), n
}

// misses fills out with zigzag misses of vals[1:] under p.
func misses(out []uint64, vals []int64, p predictor) {
	a, b, c := vals[0], vals[0], vals[0]
	for i, v := range vals[1:] {
		out[i] = zigzag(v - p.guess(a, b, c))
		a, b, c = v, a, b
	}
}

// eachToken calls f for every token of the misses: runs of zeros and the rest.
func eachToken(m []uint64, f func(sym int, extra uint64, n uint)) {
	for i := 0; i < len(m); i++ {
		if m[i] != 0 {
			f(symbolOf(m[i]))
			continue
		}
		j := i
		for j < len(m) && m[j] == 0 {
			j++
		}
		run := j - i
		if run < minRun {
			f(0, 0, 0)
			continue
		}
		n := uint(bits.Len(uint(run))) - 1
		f(zeroRun+int(n)-1, uint64(run)&(1<<n-1), n)
		i = j - 1
	}
}

// packInts appends the packed form of vals to dst. It never fails.
func packInts(dst []byte, vals []int64) []byte {
	if len(vals) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, zigzag(vals[0]))
	if len(vals) == 1 {
		return dst
	}
	best, bestCost := fromLast, 0
	var bestLens [symbols]uint8
	var m [blockLen]uint64
	for p := fromLast; p < predictors; p++ {
		misses(m[:], vals, p)
		var freq [symbols]int
		cost := 0
		eachToken(m[:len(vals)-1], func(sym int, _ uint64, n uint) {
			freq[sym]++
			cost += int(n)
		})
		lens := codeLengths(&freq)
		for s, f := range freq {
			cost += f * int(lens[s])
		}
		cost += 4 * len(appendLengths(nil, &lens)) * 2
		if p == fromLast || cost < bestCost {
			best, bestCost, bestLens = p, cost, lens
		}
	}
	misses(m[:], vals, best)
	dst = append(dst, byte(best))
	dst = appendLengths(dst, &bestLens)
	codes := canonical(&bestLens)
	w := bitWriter{dst: dst}
	eachToken(m[:len(vals)-1], func(sym int, extra uint64, n uint) {
		w.put(uint64(codes[sym]), uint(bestLens[sym]))
		w.put(extra, n)
	})
	return w.finish()
}

// codeLengths makes a Huffman code of at most maxCode bits.
func codeLengths(freq *[symbols]int) (lens [symbols]uint8) {
	type node struct{ weight, left, right int }
	var nodes [2 * symbols]node
	var heap []int
	used := 0
	for s, f := range freq {
		nodes[s] = node{f, -1, -1}
		if f > 0 {
			heap = append(heap, s)
			used++
		}
	}
	if used == 1 {
		lens[heap[0]] = 1
		return lens
	}
	byWeight := func(a, b int) int {
		if nodes[a].weight != nodes[b].weight {
			return nodes[b].weight - nodes[a].weight
		}
		return b - a
	}
	slices.SortFunc(heap, byWeight)
	next := symbols
	for len(heap) > 1 {
		a, b := heap[len(heap)-1], heap[len(heap)-2]
		heap = heap[:len(heap)-2]
		nodes[next] = node{nodes[a].weight + nodes[b].weight, a, b}
		at, _ := slices.BinarySearchFunc(heap, next, byWeight)
		heap = slices.Insert(heap, at, next)
		next++
	}
	type visit struct {
		node  int
		depth uint8
	}
	stack := []visit{{heap[0], 0}}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if n := nodes[v.node]; n.left >= 0 {
			stack = append(stack, visit{n.left, v.depth + 1}, visit{n.right, v.depth + 1})
		} else {
			lens[v.node] = v.depth
		}
	}
	shorten(&lens, freq)
	return lens
}

// shorten brings codes longer than maxCode down to it and pays for that by
// lengthening the cheapest others, until the code is decodable again.
func shorten(lens *[symbols]uint8, freq *[symbols]int) {
	space := 0
	for s, l := range lens {
		if l > maxCode {
			lens[s] = maxCode
		}
		if l > 0 {
			space += 1 << (maxCode - lens[s])
		}
	}
	for space > 1<<maxCode {
		worst := -1
		for s, l := range lens {
			if l > 0 && l < maxCode && (worst < 0 || freq[s]>>(maxCode-l) < freq[worst]>>(maxCode-lens[worst])) {
				worst = s
			}
		}
		space -= 1 << (maxCode - lens[worst] - 1)
		lens[worst]++
	}
	for s := range lens { // give back what is left over
		for lens[s] > 1 && space+1<<(maxCode-lens[s]) <= 1<<maxCode && freq[s] > 0 {
			space += 1 << (maxCode - lens[s])
			lens[s]--
		}
	}
}

// canonical gives the codes, first bit lowest, that follow from the lengths.
func canonical(lens *[symbols]uint8) (codes [symbols]uint16) {
	code := uint16(0)
	for l := uint8(1); l <= maxCode; l++ {
		for s, have := range lens {
			if have == l {
				codes[s] = bits.Reverse16(code) >> (16 - l)
				code++
			}
		}
		code <<= 1
	}
	return codes
}

// appendLengths writes code lengths as nibbles.
func appendLengths(dst []byte, lens *[symbols]uint8) []byte {
	w := bitWriter{dst: dst}
	end := symbols
	for lens[end-1] == 0 {
		end--
	}
	for s := 0; s < end; {
		run := 1
		for s+run < end && lens[s+run] == lens[s] {
			run++
		}
		switch l := uint64(lens[s]); {
		case l == 0 && run >= 18:
			run = min(run, 18+255)
			w.put(nibMany, 4)
			w.put(uint64(run-18), 8)
		case l == 0 && run >= 2:
			w.put(nibZeros, 4)
			w.put(uint64(run-2), 4)
		case s > 0 && lens[s-1] == lens[s] && run >= 2:
			run = min(run, 17)
			w.put(nibRepeat, 4)
			w.put(uint64(run-2), 4)
		default:
			run = 1
			w.put(l, 4)
		}
		s += run
	}
	w.put(nibEnd, 4)
	return w.finish()
}

// code is the symbols that a block's code knows, by the length of their codes.
type code struct {
	of    [maxCode + 1][symbols]uint8
	count [maxCode + 1]int
}

// readLengths undoes appendLengths.
func (c *code) readLengths(src []byte) (rest []byte, err error) {
	r := bitReader{src: src}
	c.count = [maxCode + 1]int{}
	last := uint64(0)
	for s := 0; ; {
		acc, took := r.peek(), 0
		for range 4 { // of 12 bits at most
			nib, run, n := acc&15, 1, 4
			switch {
			case nib-1 < maxCode && s < symbols: // most are
				c.of[nib][c.count[nib]] = uint8(s)
				c.count[nib]++
				s++
				acc, took, last = acc>>4, took+4, nib
				continue
			case nib <= maxCode:
			case nib == nibZeros:
				nib, run, n = 0, int(acc>>4&15)+2, 8
			case nib == nibRepeat && s > 0:
				nib, run, n = last, int(acc>>4&15)+2, 8
			case nib == nibMany:
				nib, run, n = 0, int(acc>>4&255)+18, 12
			case nib == nibEnd:
				if r.bit += took + 4; r.check() != nil {
					return nil, errBlock
				}
				return src[(r.bit+7)/8:], nil
			default:
				return nil, errBlock
			}
			if s+run > symbols {
				return nil, errBlock
			}
			acc >>= n
			took += n
			last = nib
			if nib == 0 {
				s += run
				continue
			}
			of := c.of[nib][c.count[nib]:][:run]
			for i := range of {
				of[i] = uint8(s + i)
			}
			c.count[nib] += run
			s += run
		}
		if r.bit += took; r.check() != nil {
			return nil, errBlock
		}
	}
}

// step is what the next bits stand for: their number, and the miss; or, if it
// is far, the symbol that says what follows.
type step int16

const (
	stepBits = 63
	stepFar  = 1 << 6
	stepMiss = 7 // from this bit on
)

func (e step) miss() int64 { return int64(e >> stepMiss) }

func stepOf(sym, bits int) step {
	if sym < direct {
		return step(int(unzigzag(uint64(sym)))<<stepMiss | bits)
	}
	return step(sym<<stepMiss | stepFar | bits)
}

// table maps the next maxCode bits to a step. It grows with the
// codes: those of l bits fill a table of 2^l, and its copy is the other half
// of the next.
func (c *code) table(t *[1 << maxCode]step) error {
	space := 0
	for l, n := range c.count {
		space += n << (maxCode - l)
	}
	if space > 1<<maxCode {
		return errBlock
	}
	t[0] = stepFar // bits that are no code
	next := uint16(0)
	for l := 1; l <= maxCode; l++ {
		half := 1 << (l - 1)
		copy(t[half:2*half], t[:half])
		next <<= 1
		for _, sym := range c.of[l][:c.count[l]] {
			t[bits.Reverse16(next)>>(16-l)&(1<<maxCode-1)] = stepOf(int(sym), l)
			next++
		}
	}
	return nil
}
