package tsdb

import (
	"math"
	"math/rand/v2"
	"testing"
)

func roundTrip(t *testing.T, c *cells, decimals int) []byte {
	t.Helper()
	body := encodeBlock(nil, c, decimals)
	var d decoded
	if err := d.decode(body, blockLen); err != nil {
		t.Fatalf("decoding %d bytes: %v", len(body), err)
	}
	for i := range c {
		if got := d.bits(i); got != c[i] {
			t.Fatalf("slot %d: %#x, want %#x", i, got, c[i])
		}
	}
	var p decoded
	for _, upTo := range []int{1, 2, 63, 512, 1000} {
		if err := p.decode(body, upTo); err != nil {
			t.Fatalf("decoding up to %d: %v", upTo, err)
		}
		for i := range upTo {
			if p.bits(i) != c[i] {
				t.Fatalf("slot %d of %d: %#x, want %#x", i, upTo, p.bits(i), c[i])
			}
		}
	}
	return body
}

func fill(f func(i int) float64) *cells {
	var c cells
	for i := range c {
		c[i] = math.Float64bits(f(i))
	}
	return &c
}

func TestBlockCodecIsLossless(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	walk := 0.0
	tests := []struct {
		name     string
		decimals int
		c        *cells
		max      int // bytes
	}{
		{"all missing", 0, fill(func(int) float64 { return math.Float64frombits(missing) }), 8},
		{"all zero", 0, fill(func(int) float64 { return 0 }), 10},
		{"constant", 1, fill(func(int) float64 { return 230.1 }), 12},
		{"one point", 0, fill(func(i int) float64 {
			if i == 77 {
				return 5
			}
			return math.Float64frombits(missing)
		}), 8},
		{"two points", 0, fill(func(i int) float64 {
			if i == 0 || i == 1023 {
				return float64(i) + 5
			}
			return math.Float64frombits(missing)
		}), 20},
		{"watts with noise", 0, fill(func(int) float64 { return math.Round(300 + r.NormFloat64()*3) }), 600},
		{"counter", 3, fill(func(i int) float64 { return float64(12345678+i*5/9) / 1000 }), 200},
		{"huge counter", 0, fill(func(i int) float64 { return float64(int64(1)<<52 + int64(i)*7) }), 60},
		{"negative", 2, fill(func(i int) float64 { return -float64(i) / 100 }), 60},
		{"extreme jumps", 0, fill(func(i int) float64 {
			return float64(int64(r.Uint64()>>12)) * float64(1-2*(i&1))
		}), 9000},
		{"float32 decimals", 1, fill(func(i int) float64 { walk += float64(r.IntN(3) - 1); return float64(float32(19.5 + walk/10)) }), 400},
		{"random floats", 0, fill(func(int) float64 { return r.NormFloat64() }), 8400},
		{"random float32", 0, fill(func(int) float64 { return float64(float32(r.NormFloat64())) }), 4200},
		{"odd ones", 0, fill(func(i int) float64 {
			switch i {
			case 5:
				return math.Copysign(0, -1)
			case 9:
				return math.Float64frombits(widen(0x7f800001))
			case 10:
				return math.Float64frombits(widen(0xffc12345))
			case 11:
				return math.Inf(-1)
			case 700:
				return math.Pi
			}
			return float64(i % 7)
		}), 800},
		{"gaps", 0, fill(func(i int) float64 {
			if i%100 > 90 {
				return math.Float64frombits(missing)
			}
			return float64(i % 5)
		}), 600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if body := roundTrip(t, tt.c, tt.decimals); len(body) > tt.max {
				t.Errorf("%d bytes, want at most %d", len(body), tt.max)
			}
		})
	}
}

func TestEveryFloat32SurvivesWidening(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 1 << 20 {
		b := r.Uint32()
		if got, ok := narrow(widen(b)); !ok || got != b {
			t.Fatalf("%#x came back as %#x (%v)", b, got, ok)
		}
	}
}

func TestSummary(t *testing.T) {
	c := fill(func(i int) float64 { return float64(i) / 10 })
	c[3] = missing
	var d decoded
	if err := d.decode(encodeBlock(nil, c, 1), blockLen); err != nil {
		t.Fatal(err)
	}
	s := d.summary(2, 6)
	if want := (stats{count: 3, scale: 1, rising: true, sum: 11, min: 2, max: 5}); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	c[4] = math.Float64bits(-math.Pi)
	if err := d.decode(encodeBlock(nil, c, 1), blockLen); err != nil {
		t.Fatal(err)
	}
	s = d.summary(2, 6)
	if s.count != 3 || s.rising || !s.isFloat || math.Float64frombits(uint64(s.min)) != -math.Pi {
		t.Errorf("got %+v", s)
	}
}

func TestRisingMayStandStill(t *testing.T) {
	var d decoded
	must(t, d.decode(encodeBlock(nil, fill(func(i int) float64 { return float64(i / 3) }), 0), blockLen))
	if s := d.summary(0, blockLen); !s.rising || s.count != blockLen || s.max != 341 {
		t.Errorf("got %+v", s)
	}
	d.num[700] = 5
	if s := d.summary(0, blockLen); s.rising || s.sum != d.front(blockLen).sum {
		t.Errorf("after a fall %+v", s)
	}
	if s := d.summary(9, 9); s.count != 0 || s.min != 0 {
		t.Errorf("of nothing %+v", s)
	}
}

// TestBitsThatAreNoCode gives symbol 0 the code 00, leaves the rest of the
// code open, and then reads ones.
func TestBitsThatAreNoCode(t *testing.T) {
	for p := fromLast; p < predictors; p++ {
		body := []byte{0, 0, byte(p), nibEnd<<4 | 2, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		var d decoded
		if err := d.decode(body, blockLen); err == nil {
			t.Errorf("predictor %d: no error", p)
		}
		must(t, d.decode(body, 5)) // the four codes before
	}
}

func FuzzDecodeBlock(f *testing.F) {
	f.Add(encodeBlock(nil, fill(func(i int) float64 { return float64(i * i) }), 0))
	f.Add(encodeBlock(nil, fill(func(i int) float64 { return math.Sqrt(float64(i)) }), 0))
	gaps := fill(func(i int) float64 { return float64(i%3) / 10 })
	gaps[5], gaps[900], gaps[6] = missing, missing, math.Float64bits(math.Pi)
	f.Add(encodeBlock(nil, gaps, 1))
	f.Fuzz(func(t *testing.T, src []byte) {
		var d decoded
		if d.decode(src, blockLen) != nil {
			return
		}
		var c cells
		d.cells(&c)
		roundTrip(t, &c, d.scale)
	})
}

func FuzzEncodeBlock(f *testing.F) {
	f.Add(uint64(1), uint64(2), 3, 1.5)
	f.Fuzz(func(t *testing.T, a, b uint64, decimals int, step float64) {
		if decimals < 0 || decimals > maxScale {
			return
		}
		r := rand.New(rand.NewPCG(a, b))
		v := 0.0
		roundTrip(t, fill(func(int) float64 {
			switch r.IntN(20) {
			case 0:
				return math.Float64frombits(missing)
			case 1:
				return math.Float64frombits(a*r.Uint64() ^ b)
			}
			v = math.Round((v+step*r.NormFloat64())*pow10(decimals)) / pow10(decimals)
			return v
		}), decimals)
	})
}

func BenchmarkDecodeHalfBlock(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	body := encodeBlock(nil, fill(func(int) float64 { return math.Round(300 + r.NormFloat64()*3) }), 0)
	b.ReportMetric(float64(len(body))/blockLen, "B/pt")
	var d decoded
	defer cpuTime(b)()
	for b.Loop() {
		if err := d.decode(body, blockLen/2); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeBlock(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	c := fill(func(int) float64 { return math.Round(300 + r.NormFloat64()*3) })
	var dst []byte
	defer cpuTime(b)()
	for b.Loop() {
		dst = encodeBlock(dst[:0], c, 0)
	}
}
