package tsdb

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// exampleRecord is the record that FORMAT.md takes apart.
func exampleRecord() []byte {
	base := time.Date(2026, 3, 1, 12, 0, 50, 0, time.UTC)
	f := &ring{id: 0x1122334455667788, unit: 512, size: minRing, next: 7, last: 6, head: ringStart, tail: 3}
	var payload []byte
	vals := func(scale float64, n ...float64) (b []uint64) {
		for _, v := range n {
			b = append(b, math.Float64bits(v/scale))
		}
		return b
	}
	payload = appendRun(payload, 1, -5, vals(1, 231, 232, 230, 229, 229, 240), 0)
	payload = appendRun(payload, 2, -4, vals(1000, 12345678, 12345679), 3)
	mem := newPowerFS()
	file, _ := mem.OpenFile("ring", OpenDirect)
	f.f = file
	if f.write(payload, 3, base.UnixNano(), mark{2, 70000}) != nil {
		return nil
	}
	out := make([]byte, recordHead+len(payload))
	_, _ = file.ReadAt(out, ringStart)
	return out
}

// exampleChunk is the block that FORMAT.md takes apart: 1,024 times 230.1 but
// for the third slot, which is missing, and the fourth, 230.2.
func exampleChunk() []byte {
	c := fill(func(int) float64 { return 230.1 })
	c[2], c[3] = missing, math.Float64bits(230.2)
	return appendBlock(nil, 5, 172512, encodeBlock(nil, c, 1))
}

// hexOf takes the hex block after a heading out of FORMAT.md.
func hexOf(t *testing.T, heading string) []byte {
	t.Helper()
	doc, err := os.ReadFile("FORMAT.md")
	must(t, err)
	_, rest, ok := strings.Cut(string(doc), heading)
	_, rest, ok2 := strings.Cut(rest, "```hex\n")
	block, _, ok3 := strings.Cut(rest, "```")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("FORMAT.md has no hex block after %q", heading)
	}
	var digits strings.Builder
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, "|")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	must(t, err)
	return b
}

func TestFormatDocRecord(t *testing.T) {
	b := hexOf(t, "### Example of a record")
	if want := exampleRecord(); !bytes.Equal(b, want) {
		t.Fatalf("FORMAT.md has\n%s\nthe code writes\n%s", hex.Dump(b), hex.Dump(want))
	}
	r := &ring{id: 0x1122334455667788, unit: 512}
	if r.recordSize(b) != int64(len(b)) {
		t.Fatalf("size %d, want %d", r.recordSize(b), len(b))
	}
	s, ok := r.parse(b, 4096)
	if !ok || s.seq != 7 || s.prev != 6 || s.tail != 3 || s.mark != (mark{2, 70000}) || s.at != time.Date(2026, 3, 1, 12, 0, 50, 0, time.UTC).UnixNano() {
		t.Errorf("head is %+v", s)
	}
	var vals cells
	run, rest, err := readRun(b[recordHead:], &vals)
	if err != nil || run.gen != 1 || run.slot != -5 || len(run.vals) != 6 || math.Float64frombits(run.vals[5]) != 240 {
		t.Errorf("first run is %+v, %v", run, err)
	}
	run, rest, err = readRun(rest, &vals)
	if err != nil || run.gen != 2 || math.Float64frombits(run.vals[1]) != 12345.679 || len(rest) != 0 {
		t.Errorf("second run is %+v, %v, %d bytes left", run, err, len(rest))
	}
}

func TestFormatDocBlock(t *testing.T) {
	b := hexOf(t, "### Example of a block")
	if want := exampleChunk(); !bytes.Equal(b, want) {
		t.Fatalf("FORMAT.md has\n%s\nthe code writes\n%s", hex.Dump(b), hex.Dump(want))
	}
	_, payload, n, ok := parseChunk(b)
	gen, block, body, ok2 := parseBlock(payload)
	var d decoded
	if !ok || !ok2 || n != len(b) || gen != 5 || block != 172512 || d.decode(body, blockLen) != nil {
		t.Fatal("the block does not parse")
	}
	for i, want := range map[int]uint64{0: math.Float64bits(230.1), 2: missing, 3: math.Float64bits(230.2), 1023: math.Float64bits(230.1)} {
		if d.bits(i) != want {
			t.Errorf("slot %d is %#x, want %#x", i, d.bits(i), want)
		}
	}
}

func TestZerosAreNeverAValue(t *testing.T) {
	zero := make([]byte, 8192)
	r := &ring{unit: 512}
	if r.recordSize(zero) != 0 {
		t.Error("zeros read as a record")
	}
	if _, _, _, ok := parseChunk(zero); ok {
		t.Error("zeros read as a chunk")
	}
	binary.LittleEndian.PutUint32(zero, recordMagic)
	if _, ok := r.parse(zero[:recordHead], 0); ok {
		t.Error("a record of zeros has a good checksum")
	}
}
