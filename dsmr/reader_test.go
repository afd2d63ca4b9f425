package dsmr_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"homehub/dsmr"
)

func withParity(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if bits.OnesCount8(c)&1 != 0 {
			out[i] |= 0x80
		}
	}
	return out
}

func TestReaderFrames(t *testing.T) {
	v5 := readFile(t, "testdata/encode-dsmr-50.txt")
	be := readFile(t, "testdata/encode-e-mucs.txt")
	v2 := readFile(t, "testdata/encode-dsmr-22.txt")
	slash := readFile(t, "testdata/slash-in-name.txt")
	name := map[string]string{trim(slash): "slash", trim(v5): "v5", trim(be): "be", trim(v2): "v2"}
	cat := func(parts ...any) []byte {
		var b []byte
		for _, p := range parts {
			b = fmt.Appendf(b, "%s", p)
		}
		return b
	}
	crc := len(v5) - 6
	flip := func(b []byte, at int, bit byte) []byte {
		b = bytes.Clone(b)
		b[at] ^= bit
		return b
	}
	broken := fmt.Sprintf("%s%04x\r\n", v5[:crc], dsmr.CRC(v5[:crc])^1)
	for _, tt := range []struct {
		name    string
		in      []byte
		lenient bool
		want    string
		refused string // offset and reason of each
	}{
		{name: "one", in: v5, want: "v5"},
		{name: "nothing", in: nil},
		{name: "without its line end", in: v5[:len(v5)-2], want: "v5"},
		{name: "no checksum, without its line end", in: v2[:len(v2)-2], want: "v2"},
		{name: "no space between", in: cat(v5[:len(v5)-2], be[:len(be)-2], v5), want: "v5 be v5"},
		{name: "all kinds", in: cat(v5, v2, be, withParity(v2), v2), want: "v5 v2 be v2 v2"},
		{name: "parity bits and a checksum", in: cat(withParity(v5), withParity(be)), want: "v5 be"},
		{name: "lower case checksum", in: cat(v5[:crc], strings.ToLower(string(v5[crc:]))), want: "v5?"},
		{name: "starts inside one", in: cat(v5[200:], be), want: "be"},
		{name: "ends inside one", in: cat(be, v5[:300]), want: "be", refused: "857 input ends inside the telegram"},
		{name: "ends at its terminator", in: cat(be, v5[:crc]), want: "be", refused: "857 checksum is missing"},
		{name: "ends inside its checksum", in: cat(be, v5[:crc+2]), want: "be", refused: "857 checksum does not match"},
		{name: "stray start right before", in: cat("/", v5), want: "v5", refused: "0 cut short by the next telegram"},
		{name: "truncated head", in: cat(be[:100], v5), want: "v5", refused: "0 cut short by the next telegram"},
		{name: "first line cut off", in: cat("/KFM5HOM", v5), want: "v5", refused: "0 checksum does not match"},
		{name: "first line cut off, no checksum", in: cat("/ISk5\\2HOM", v2), want: "v2", refused: "0 first line is not that of a meter"},
		{name: "first line cut off, lenient", in: cat("/KFM5HOM", v5), lenient: true, want: "v5", refused: "0 first line is not that of a meter"},
		{name: "first line cut off, with parity", in: cat(withParity([]byte("/ISk5\\2HOM")), withParity(v2)), want: "v2", refused: "0 cut short by the next telegram"},
		{name: "first line cut off again and again", in: cat("/KFM5HOM/KFM5HOM/KFM5H", v5), want: "v5", refused: "0 checksum does not match; 8 checksum does not match; 16 checksum does not match"},
		{name: "slash in the first line", in: cat(slash, v5), want: "slash v5"},
		{name: "slash in the first line, cut short", in: cat(slash[:40], v5), want: "v5", refused: "0 cut short by the next telegram; 5 cut short by the next telegram"},
		{name: "stray start inside", in: cat(v5[:50], "/", v5[50:], be), want: "be", refused: "0 cut short by the next telegram; 50 checksum does not match"},
		{name: "stray end inside", in: cat(v5[:50], "!", v5[50:], be), want: "be", refused: "0 no line end after the terminator"},
		{name: "end of another right before", in: cat("!", v5[:crc], v5[crc:], be), want: "v5 be"},
		{name: "terminator cut off", in: cat(v5[:crc-1], be), want: "be", refused: "0 cut short by the next telegram"},
		{name: "checksum cut off", in: cat(v5[:crc], be), want: "be", refused: "0 no line end after the terminator"},
		{name: "checksum cut in half", in: cat(v5[:crc+2], be), want: "be", refused: "0 no line end after the terminator"},
		{name: "checksum wrong", in: cat(broken, be), want: "be", refused: "0 checksum does not match"},
		{name: "bit 7 flipped", in: cat(flip(v5, 100, 0x80), be), want: "be", refused: "0 checksum does not match"},
		{name: "first byte's bit 7 flipped", in: cat(flip(v5, 0, 0x80), be), want: "be", refused: "0 parity error"},
		{name: "parity error", in: cat(flip(withParity(v2), 100, 0x01), v5), want: "v5", refused: "0 parity error"},
		{name: "parity start in noise", in: cat("\xaf\xaf\xff", v5), want: "v5", refused: "0 cut short by the next telegram; 1 parity error"},
		{name: "zeros", in: cat(strings.Repeat("\x00", 20_000), v5), want: "v5"},
		{name: "8 KiB without an end", in: cat("/HUB5", strings.Repeat("x", 9_000), v5), want: "v5", refused: "0 longer than 8192 bytes"},
		{name: "8 KiB and then an end", in: cat("/HUB5", strings.Repeat("x", 8_185), "!0000\r\n", v5), want: "v5", refused: "0 checksum does not match"},
		{name: "one more and then an end", in: cat("/HUB5", strings.Repeat("x", 8_187), "!0000\r\n", v5), want: "v5", refused: "0 longer than 8192 bytes"},
		{name: "not a meter's first line", in: cat("/", strings.TrimPrefix(string(v2), "/ISk"), v5), want: "v5", refused: "0 first line is not that of a meter"},
		{name: "no checksum and a malformed line", in: cat(strings.Replace(string(v2), "(0001)", "(0001", 1), v5), want: "v5", refused: "0 malformed line, and no checksum to vouch for it"},
		{name: "no checksum and a digit lost", in: cat(strings.Replace(string(v2), "1-0:1.8.1(0", "1-0:1.8.1(", 1), v5), want: "v5", refused: "0 malformed line, and no checksum to vouch for it"},
		{name: "no checksum and no register", in: []byte("/ISk5\\2\r\n\r\n0-0:96.14.0(0001)\r\n!\r\n"), refused: "0 no energy register, and no checksum to vouch for it"},
		{name: "no object", in: wrapBare("/HUB5\r\n\r\n"), refused: "0 no object in it"},
		{name: "more objects than any meter has", in: wrapBare("/HUB5\r\n\r\n" + strings.Repeat("0-0:1.0.0(1)\r\n", 257)), refused: "0 too many objects"},
		{name: "more groups than any meter has", in: wrapBare("/HUB5\r\n\r\n0-0:1.0.0" + strings.Repeat("(1)", 513) + "\r\n"), refused: "0 too many objects"},
		{name: "encrypted", in: cat("\xdb\x08TITLE/!!\x82\x01\x00\x30", v5), want: "v5", refused: "0 encrypted, and no key is set; 7 no line end after the terminator"},
		{name: "nearly encrypted", in: cat("\xdb\x08\xdb\x08\xdb", v5), want: "v5"},
		{name: "line feeds only, strict", in: cat(strings.ReplaceAll(string(v5), "\r", ""), be), want: "be", refused: "0 checksum does not match"},
		{name: "line feeds only, lenient", in: cat(strings.ReplaceAll(string(v5), "\r", ""), be), lenient: true, want: "v5! be"},
		{name: "checksum wrong, lenient", in: cat(broken, be), lenient: true, want: "unchecked be"},
		{name: "checksum missing, lenient", in: cat(v5[:crc], "\r\n", be), lenient: true, want: "unchecked be"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 7, 64, 4096, 1 << 16} {
				var refused []string
				cfg := dsmr.Config{Lenient: tt.lenient, Refused: func(r dsmr.Refusal) {
					refused = append(refused, fmt.Sprint(r.Offset, " ", r.Reason))
				}}
				r := dsmr.NewReader(&chunks{b: tt.in, size: size}, cfg)
				var got []string
				for {
					telegram, err := r.Next()
					if err != nil {
						if !errors.Is(err, io.EOF) {
							t.Fatal(err)
						}
						break
					}
					switch n := name[string(telegram.Raw())]; {
					case n != "":
						got = append(got, n)
					case !telegram.Checked():
						got = append(got, "unchecked")
					case tt.lenient:
						got = append(got, "v5!")
					default:
						got = append(got, "v5?")
					}
				}
				if got := strings.Join(got, " "); got != tt.want {
					t.Errorf("chunks of %d: got %q, want %q", size, got, tt.want)
				}
				if got := strings.Join(refused, "; "); got != tt.refused {
					t.Errorf("chunks of %d: refused %q, want %q", size, got, tt.refused)
				}
				if _, err := r.Next(); !errors.Is(err, io.EOF) {
					t.Errorf("after the end: %v", err)
				}
			}
		})
	}
}

func trim(b []byte) string { return strings.TrimSuffix(string(b), "\r\n") }

// wrapBare adds terminator and checksum to a body.
func wrapBare(body string) []byte {
	body += "!"
	return fmt.Appendf(nil, "%s%04X\r\n", body, dsmr.CRC([]byte(body)))
}

// TestBitFlips: whatever single bit of a telegram is flipped, nothing is
// accepted but what carries its own checksum, and the telegram behind it is.
func TestBitFlips(t *testing.T) {
	good := readFile(t, "testdata/belgium-full.txt")
	next := readFile(t, "testdata/encode-dsmr-50.txt")
	in := slices.Concat(good, next)
	step := 1
	if underRace {
		step = 7
	}
	for i := 0; i < len(good)-2; i += step {
		for bit := range 8 {
			b := bytes.Clone(in)
			b[i] ^= 1 << bit
			got, _ := decode(t, b, 4096, dsmr.Config{})
			switch {
			case len(got) == 1 && got[0] == trim(next):
			case i >= len(good)-6 && len(got) == 2 && strings.EqualFold(got[0], trim(good)):
				// The case of a letter in the checksum.
			default:
				t.Fatalf("byte %d bit %d: %d accepted", i, bit, len(got))
			}
		}
	}
}

// TestParityBitFlips is the same for a telegram without a checksum that comes
// with its parity bits: these are checked.
func TestParityBitFlips(t *testing.T) {
	good := withParity(readFile(t, "testdata/encode-dsmr-22.txt"))
	for i := range len(good) - 2 {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			if got, _ := decode(t, b, 4096, dsmr.Config{}); len(got) != 0 {
				t.Fatalf("byte %d bit %d: accepted", i, bit)
			}
		}
	}
}

// TestMemoryIsBounded feeds garbage that looks like telegrams without end.
func TestMemoryIsBounded(t *testing.T) {
	if size := unsafe.Sizeof(dsmr.Reader{}) + dsmr.OpenerSize; size > 24<<10 {
		t.Errorf("a Reader and its decryption take %d bytes, want at most 24 KiB", size)
	}
	for _, unit := range []string{"/", "/HUB5", "\xaf", "\xdb\x08", "\xdb\x08TITLE678\x82\x20\x00\x30", "0-0:1.0.0(1)\r\n", "!", "/!", "\x00"} {
		garbage := &endless{unit: unit, left: 256 << 10}
		n := 0
		r := dsmr.NewReader(garbage, dsmr.Config{Key: make([]byte, 16), Refused: func(dsmr.Refusal) { n++ }})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", unit, err)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
			t.Errorf("%q: %d bytes allocated for 256 KiB", unit, got)
		}
		// This is 23 seconds at 115200 baud. Work must grow with the input
		// alone, not with its square.
		t.Logf("%q: %v", unit, time.Since(began).Round(time.Millisecond))
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%q: took %v", unit, took)
		}
	}
}

type endless struct {
	unit string
	left int
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = e.unit[e.at]
		e.at = (e.at + 1) % len(e.unit)
	}
	e.left -= len(p)
	return len(p), nil
}

// TestReaderKeepsErrors: what the source says is what Next says, after what
// came before it, and again.
func TestReaderKeepsErrors(t *testing.T) {
	broken := errors.New("the wire broke")
	b := readFile(t, "testdata/encode-dsmr-50.txt")
	r := dsmr.NewReader(io.MultiReader(bytes.NewReader(b), failing{broken}), dsmr.Config{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := r.Next(); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
	}
	r.Reset(bytes.NewReader(b))
	if _, err := r.Next(); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "no telegram in it"},
		{"hello", "no telegram in it"},
		{"/HUB5", "input ends inside the telegram"},
		{string(wrapBare("/HUB5\r\n\r\n0-0:1.0.0(1)\r\n")) + "/more", ""},
	} {
		_, err := dsmr.Parse([]byte(tt.in), dsmr.Config{})
		if got := fmt.Sprint(err); err != nil && got != tt.want || err == nil && tt.want != "" {
			t.Errorf("%q: got %v, want %q", tt.in, err, tt.want)
		}
	}
}

// TestObjects looks at lines of every shape.
func TestObjects(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"0-0:1.0.0(250101000000W)", "0-0:1.0.0 [250101000000W]"},
		{"1-0:99.97.0()", "1-0:99.97.0 []"},
		{"1-0:99.97.0(1)(0-0:96.7.19)(a)(b)", "1-0:99.97.0 [1 0-0:96.7.19 a b]"},
		{"1-0:1.8.0*255(1*kWh)", "1-0:1.8.0 [1*kWh]"},
		{"1-0:1.8.0*1(1*kWh)", "1-0:1.8.0*1 [1*kWh]"},
		{"128-255:255.255.255*254(x)", "128-255:255.255.255*254 [x]"},
		{"0-0:96.13.0(a b#c%d)", "0-0:96.13.0 [a b#c%d]"},
		{"1-0:1.8.256(1)", ""},
		{"1-0:1.8.0*256(1)", ""},
		{"1-0:1.8.0*(1)", ""},
		{"1-0:1.8(1)", ""},
		{"1-0:1.8.0.255(1)", ""},
		{"1-0:72:32.0(1)", ""},
		{"1-0:1.8.0", ""},
		{"1-0:1.8.0(1", ""},
		{"1-0:1.8.0(1)x", ""},
		{"1-0:1.8.0)1(", ""},
		{"-0:1.8.0(1)", ""},
		{"hello", ""},
	} {
		t.Run(tt.line, func(t *testing.T) {
			telegram, err := dsmr.Parse(wrap(tt.line), dsmr.Config{})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, o := range telegram.Objects()[1:] {
				groups := []string{}
				for _, g := range telegram.Groups(o) {
					groups = append(groups, string(g))
				}
				got += fmt.Sprint(o.Code, " ", groups)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		shift    int
		rounded  int64
	}{
		{"000000.034", "0.034", 3, 34},
		{"12345.678", "12345.678", 3, 12345678},
		{"0230.0", "230.0", 1, 2300},
		{"00", "0", 3, 0},
		{"000.00", "0.00", 0, 0},
		{"-063", "-63", 3, -63000},
		{"-0.5", "-0.5", 0, -1},
		{"+7", "7", 0, 7},
		{"2.5", "2.5", 0, 3},
		{"2.4999999", "2.4999999", 0, 2},
		{"00052185.7825309", "52185.7825309", 3, 52185783},
		{"000000000000000000000000000001.5", "1.5", 1, 15},
		{"999999999999999999", "999999999999999999", 3, 1<<63 - 1},
		{"-999999999999999999", "-999999999999999999", 3, -1 << 63},
		{"0.0000000000000000000000001", "0.0000000000000000000000001", 0, 0},
		{"9999999999999999999", "", 0, 0},
		{"", "", 0, 0},
		{"-", "", 0, 0},
		{".5", "", 0, 0},
		{"5.", "", 0, 0},
		{"1.2.3", "", 0, 0},
		{"1x", "", 0, 0},
	} {
		d, ok := dsmr.ParseDecimal([]byte(tt.in))
		if ok != (tt.want != "") {
			t.Errorf("%q: ok is %v", tt.in, ok)
			continue
		}
		if !ok {
			continue
		}
		if d.String() != tt.want || d.Round(tt.shift) != tt.rounded {
			t.Errorf("%q: got %s and %d, want %s and %d", tt.in, d, d.Round(tt.shift), tt.want, tt.rounded)
		}
	}
}

// TestStampsOfACentury compares every day of the stamps' range with package
// time.
func TestStampsOfACentury(t *testing.T) {
	for day := time.Date(2000, 1, 1, 13, 14, 15, 0, time.UTC); day.Year() < 2100; day = day.AddDate(0, 0, 1) {
		b := []byte(day.Format("060102150405") + "W")
		if local, ok := dsmr.ParseStamp(b); !ok || local != day.Unix() {
			t.Fatalf("%s: got %d, %v, want %d", b, local, ok, day.Unix())
		}
		if day.AddDate(0, 0, 1).Day() == 1 {
			bad := []byte(fmt.Sprintf("%s%02d131415W", day.Format("0601"), day.Day()+1))
			if _, ok := dsmr.ParseStamp(bad); ok {
				t.Fatalf("%s is a date", bad)
			}
		}
	}
}

func TestCRC(t *testing.T) {
	if got := dsmr.CRC([]byte("123456789")); got != 0xBB3D {
		t.Errorf("check value is %04X, want BB3D", got)
	}
	// All lengths against the definition, bit by bit.
	b := readFile(t, "testdata/encode-dsmr-50.txt")
	for n := range 100 {
		var want uint16
		for _, c := range b[:n] {
			want ^= uint16(c)
			for range 8 {
				low := want & 1
				want >>= 1
				if low != 0 {
					want ^= 0xA001
				}
			}
		}
		if got := dsmr.CRC(b[:n]); got != want {
			t.Fatalf("%d bytes: %04X, want %04X", n, got, want)
		}
	}
}

// TestOwnTelegrams: every telegram of testdata is read, in one stream.
func TestOwnTelegrams(t *testing.T) {
	names, _ := filepath.Glob("testdata/*.txt")
	var all []byte
	var want []string
	for _, name := range names {
		b := readFile(t, name)
		all = append(all, b...)
		want = append(want, trim(b))
	}
	for _, size := range []int{1, 1000} {
		got, refused := decode(t, all, size, dsmr.Config{})
		if diff := cmp.Diff(want, got); diff != "" || len(refused) != 0 {
			t.Errorf("refused %v (-want +got):\n%s", refused, diff)
		}
	}
}
