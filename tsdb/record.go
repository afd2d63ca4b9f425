package tsdb

import (
	"encoding/binary"
	"math"
)

// A record's payload is a row of runs: consecutive slots of one feed
// (FORMAT.md §3.2).
const (
	runPacked = 0x40 // values in the block's Huffman code
	runRaw    = 0x80 // bit patterns of 8 bytes
	packFrom  = 24   // shorter runs never gain from packing
)

// run is a stretch of consecutive slots of a generation.
type slotRun struct {
	gen  uint32
	slot int64
	vals []uint64
}

// appendRun writes a run; rel is its slot relative to the record's time.
func appendRun(dst []byte, gen uint32, rel int64, vals []uint64, decimals int) []byte {
	dst = binary.AppendUvarint(dst, uint64(gen))
	dst = binary.AppendVarint(dst, rel)
	dst = binary.AppendUvarint(dst, uint64(len(vals)))
	scale, f32, ok := scaleOf(vals, decimals)
	if !ok {
		dst = append(dst, runRaw)
		for _, b := range vals {
			dst = binary.LittleEndian.AppendUint64(dst, b)
		}
		return dst
	}
	mode := byte(scale)
	if f32 {
		mode |= modeF32
	}
	var nums [blockLen]int64
	for i, b := range vals {
		nums[i], _ = scaled(b, scale, f32)
	}
	at := len(dst)
	dst = append(dst, mode)
	last := int64(0)
	for _, n := range nums[:len(vals)] {
		dst = binary.AppendVarint(dst, n-last)
		last = n
	}
	if len(vals) < packFrom {
		return dst
	}
	if packed := packInts(nil, nums[:len(vals)]); len(packed)+2 < len(dst)-at-1 {
		dst = append(dst[:at], mode|runPacked)
		dst = binary.AppendUvarint(dst, uint64(len(packed)))
		dst = append(dst, packed...)
	}
	return dst
}

// scaleOf finds digits that hold every value exactly.
func scaleOf(vals []uint64, decimals int) (scale int, f32, ok bool) {
	for _, f32 := range [...]bool{false, true} {
	next:
		for k := -1; k <= maxScale; k++ {
			try := k
			if k < 0 {
				try = decimals
			}
			for _, b := range vals {
				if _, ok := scaled(b, try, f32); !ok {
					continue next
				}
			}
			return try, f32, true
		}
	}
	return 0, false, false
}

// readRun takes the first run off src. The slot it returns is still relative.
func readRun(src []byte, vals *cells) (r slotRun, rest []byte, err error) {
	gen, k := binary.Uvarint(src)
	if k <= 0 || gen > math.MaxUint32 {
		return r, nil, errBlock
	}
	src = src[k:]
	r.gen = uint32(gen)
	if r.slot, k = binary.Varint(src); k <= 0 {
		return r, nil, errBlock
	}
	src = src[k:]
	n, k := binary.Uvarint(src)
	if k <= 0 || n == 0 || n > blockLen || len(src) == k {
		return r, nil, errBlock
	}
	mode := src[k]
	src = src[k+1:]
	r.vals = vals[:n]
	if mode&runRaw != 0 {
		if len(src) < int(n)*8 {
			return r, nil, errBlock
		}
		for i := range r.vals {
			r.vals[i] = binary.LittleEndian.Uint64(src[i*8:])
		}
		return r, src[n*8:], nil
	}
	scale, f32 := int(mode&modeScale), mode&modeF32 != 0
	if scale > maxScale {
		return r, nil, errBlock
	}
	var nums [blockLen]int64
	if src, err = readNums(src, nums[:n], mode&runPacked != 0); err != nil {
		return r, nil, err
	}
	for i := range r.vals {
		r.vals[i] = math.Float64bits(unscale(nums[i], scale, f32))
	}
	return r, src, nil
}

func readNums(src []byte, nums []int64, packed bool) ([]byte, error) {
	if packed {
		n, k := binary.Uvarint(src)
		if k <= 0 || n > uint64(len(src)-k) {
			return nil, errBlock
		}
		return src[k+int(n):], unpackInts(nums, src[k:k+int(n)], len(nums))
	}
	last := int64(0)
	for i := range nums {
		v, k := binary.Varint(src)
		if k <= 0 {
			return nil, errBlock
		}
		src = src[k:]
		last += v
		nums[i] = last
	}
	return src, nil
}
