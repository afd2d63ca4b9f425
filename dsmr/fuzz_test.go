package dsmr_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"homehub/dsmr"
)

func addTelegrams(f *testing.F) {
	f.Helper()
	names, _ := filepath.Glob("testdata/*.txt")
	for _, name := range names {
		b := readFile(f, name)
		f.Add(b)
		f.Add(withParity(b))
	}
}

// vouched says whether what was accepted in strict mode had to be: it carries
// its own checksum, or is of a standard that has none.
func vouched(raw []byte) error {
	bang := bytes.LastIndexByte(raw, '!')
	if bang < 0 || raw[0] != '/' {
		return errors.New("no frame")
	}
	if sum := raw[bang+1:]; len(sum) > 0 {
		var given uint16
		if _, err := fmt.Sscanf(string(sum), "%x", &given); err != nil || given != dsmr.CRC(raw[:bang+1]) {
			return fmt.Errorf("checksum %s is not %04X", sum, dsmr.CRC(raw[:bang+1]))
		}
		return nil
	}
	for _, code := range []string{"\n1-3:0.2.8(", "\n0-0:96.1.4(", "\n0-0:1.0.0("} {
		if bytes.Contains(raw, []byte(code)) {
			return fmt.Errorf("no checksum, and %q", code)
		}
	}
	return nil
}

// FuzzReader: whatever comes in, in whatever chunks, nothing panics, nothing
// is accepted without cause, no more comes out than went in, and the chunks
// make no difference.
func FuzzReader(f *testing.F) {
	addTelegrams(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, refusedWhole := decode(t, b, 1<<16, dsmr.Config{})
		bytewise, refusedBytewise := decode(t, b, 1, dsmr.Config{})
		if !slices.Equal(whole, bytewise) || !slices.Equal(refusedWhole, refusedBytewise) {
			t.Fatalf("%d accepted, %v refused; byte by byte %d, %v", len(whole), refusedWhole, len(bytewise), refusedBytewise)
		}
		total := 0
		for _, raw := range whole {
			total += len(raw)
			if err := vouched([]byte(raw)); err != nil {
				t.Fatalf("accepted: %v\n%q", err, raw)
			}
		}
		if total > len(b) {
			t.Fatalf("%d bytes in, %d out", len(b), total)
		}
		for _, r := range refusedWhole {
			if r.Offset < 0 || r.Offset >= int64(len(b)) {
				t.Fatalf("refused at %d of %d", r.Offset, len(b))
			}
		}
		decode(t, b, 100, dsmr.Config{Lenient: true, Key: make([]byte, 16)})
	})
}

// FuzzParse: a body with a right checksum may hold anything. What is found in
// it, written out again, is found again.
func FuzzParse(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.txt")
	for _, name := range names {
		b := readFile(f, name)
		f.Add(b[:bytes.IndexByte(b, '!')])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		telegram, err := dsmr.Parse(wrapBare(string(body)), dsmr.Config{})
		if err != nil {
			return
		}
		r := telegram.Reading(time.Unix(1e9, 0))
		if r.PhaseCount > 3 || r.Import < 0 && r.Export < 0 || r.At.IsZero() {
			t.Fatalf("reading %+v", r)
		}
		text, err := dsmr.MarshalSidecar(telegram)
		if err != nil || !json.Valid(text) {
			t.Fatalf("%v: %s", err, text)
		}
		var again bytes.Buffer
		again.Write(telegram.Header())
		again.WriteString("\r\n\r\n")
		for _, o := range telegram.Objects() {
			again.WriteString(o.Code.String())
			for _, g := range telegram.Groups(o) {
				fmt.Fprintf(&again, "(%s)", g)
			}
			again.WriteString("\r\n")
		}
		second, err := dsmr.Parse(wrapBare(again.String()), dsmr.Config{})
		if err != nil {
			t.Fatalf("written out again: %v\n%q", err, again.String())
		}
		if r2 := second.Reading(time.Unix(1e9, 0)); r2 != r {
			t.Fatalf("written out again: %+v, was %+v", r2, r)
		}
	})
}

// fuzzKey is the key of the encrypted telegrams of these tests.
var fuzzKey = []byte("0123456789abcdef")

const defaultAuthKey = "00112233445566778899AABBCCDDEEFF"

// seal encrypts as a meter does.
func seal(plain, key []byte, title string, counter uint32) []byte {
	auth, _ := hex.DecodeString(defaultAuthKey)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCMWithTagSize(block, 12)
	if err != nil {
		panic(err)
	}
	nonce := binary.BigEndian.AppendUint32([]byte(title), counter)
	sealed := gcm.Seal(nil, nonce, plain, append([]byte{0x30}, auth...))
	out := append([]byte{0xDB, 8}, title...)
	switch n := 5 + len(sealed); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100 && counter%2 == 0:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	out = append(out, 0x30)
	out = binary.BigEndian.AppendUint32(out, counter)
	return append(out, sealed...)
}

// FuzzDecrypt: frames between and inside noise, with a title and a counter that
// look like starts of frames.
func FuzzDecrypt(f *testing.F) {
	plain := readFile(f, "testdata/encode-luxembourg.txt")
	f.Add(seal(plain, fuzzKey, "HUB\xdb\x08/!!", 0xDB08DB08), []byte("/"), uint16(0))
	f.Add([]byte{0xDB, 8}, []byte{0xDB}, uint16(9))
	f.Add([]byte{}, []byte{0xDB, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x82, 0x20, 0, 0x30}, uint16(77))
	f.Fuzz(func(t *testing.T, noise, before []byte, flip uint16) {
		good := seal(plain, fuzzKey, "HUB/!TIT", 7)
		cfg := dsmr.Config{Key: fuzzKey}
		in := slices.Concat(before, good, good)
		got, _ := decode(t, in, 1<<16, cfg)
		n := 0
		for _, raw := range got {
			if raw == trim(plain) {
				n++
			}
		}
		if n < 2 {
			t.Fatalf("%d of 2 frames behind %q", n, before)
		}
		if again, _ := decode(t, in, 1, cfg); !slices.Equal(got, again) {
			t.Fatalf("byte by byte %d, not %d", len(again), len(got))
		}
		decode(t, noise, 1<<16, cfg)
		bad := bytes.Clone(good)
		bad[18+int(flip)%(len(bad)-18)] ^= byte(1 + flip>>8)
		if got, _ := decode(t, bad, 100, cfg); slices.Contains(got, trim(plain)) {
			t.Fatal("a damaged frame was accepted")
		}
	})
}

// TestDecryptStream: good frames, single and back to back, between noise,
// damage and plain telegrams.
func TestDecryptStream(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var in []byte
	var want []string
	for i := range 300 {
		r := anyReading(rng)
		plain := dsmr.Encode(nil, dsmr.Encoding{Standard: dsmr.Luxembourg, Reading: r, EquipmentID: "E1", GasID: "G1"})
		title := fmt.Sprintf("%c%c\xdb\x08/!\r%c", rng.IntN(256), rng.IntN(128), rng.IntN(128))[:8]
		frame := seal(plain, fuzzKey, title, rng.Uint32())
		switch i % 6 {
		case 0: // damaged
			frame[20+rng.IntN(len(frame)-20)] ^= 1 << rng.IntN(8)
			in = append(in, frame...)
			continue
		case 1: // cut short, which hides nothing behind it
			in = append(in, frame[:rng.IntN(len(frame))]...)
			continue
		case 2: // noise
			for range rng.IntN(100) {
				in = append(in, byte(rng.Uint32()))
			}
		case 3: // plain, as after the operator switched encryption off
			in = append(in, plain...)
			want = append(want, trim(plain))
			continue
		}
		in = append(in, frame...)
		want = append(want, trim(plain))
	}
	for _, size := range []int{1, 7, 64, 4096} {
		got, _ := decode(t, in, size, dsmr.Config{Key: fuzzKey})
		if !slices.Equal(got, want) {
			t.Errorf("chunks of %d: %d telegrams, want %d", size, len(got), len(want))
		}
	}
}

// TestDecryptOddLengths: a header may announce any length; what can not be is
// noise, and what can be and is not hides nothing behind it.
func TestDecryptOddLengths(t *testing.T) {
	plain := readFile(t, "testdata/encode-luxembourg.txt")
	var heads [][]byte
	for n := range 0x80 {
		heads = append(heads, []byte{byte(n)}, []byte{0x81, byte(n)}, []byte{0x80 | byte(n), 0, 0, 1, 1})
	}
	for n := 8000; n < 9000; n++ {
		heads = append(heads, []byte{0x82, byte(n >> 8), byte(n)}, []byte{0x84, 0, 0, byte(n >> 8), byte(n)})
	}
	heads = append(heads, []byte{0x84, 0xFF, 0xFF, 0xFF, 0xFF}, []byte{0x83, 0x7F, 0xFF, 0xFF}, nil)
	for _, head := range heads {
		in := append([]byte("\xdb\x08TITLE678"), head...)
		in = append(in, 0x30)
		in = append(in, plain...)
		for _, cfg := range []dsmr.Config{{}, {Key: fuzzKey}, {Key: fuzzKey, NoTag: true}} {
			if got, _ := decode(t, in, 1<<16, cfg); len(got) != 1 || got[0] != trim(plain) {
				t.Fatalf("behind % x: %d telegrams", head, len(got))
			}
		}
	}
	// What the header announces must not be waited for in vain.
	r := dsmr.NewReader(&chunks{b: slices.Concat([]byte("\xdb\x08TITLE678\x84\x00\x00\x40\x00\x30"), plain), size: 64}, dsmr.Config{
		Key: fuzzKey, Refused: func(r dsmr.Refusal) { t.Errorf("refused at %d: %s", r.Offset, r.Reason) },
	})
	if _, err := r.Next(); err != nil {
		t.Error(err)
	}
}

func TestDecryptAllocatesNothing(t *testing.T) {
	frame := seal(readFile(t, "testdata/encode-luxembourg.txt"), fuzzKey, "SAGEMCOM", 1)
	for _, noTag := range []bool{false, true} {
		r := dsmr.NewReader(&loop{b: frame}, dsmr.Config{Key: fuzzKey, NoTag: noTag})
		if n := testing.AllocsPerRun(100, func() {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("without tag %v: %v allocations per telegram", noTag, n)
		}
	}
}

func TestCheckKeys(t *testing.T) {
	for _, tt := range []struct {
		name      string
		key, auth int
		ok        bool
	}{{"none", 0, 0, true}, {"key", 16, 0, true}, {"both", 16, 16, true}, {"short", 15, 0, false}, {"long auth", 16, 32, false}} {
		if err := dsmr.CheckKeys(make([]byte, tt.key), make([]byte, tt.auth)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// A Reader with a key of the wrong length is one without a key.
	frame := seal(readFile(t, "testdata/encode-luxembourg.txt"), fuzzKey, "SAGEMCOM", 1)
	r := dsmr.NewReader(bytes.NewReader(frame), dsmr.Config{Key: fuzzKey[:5]})
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}
