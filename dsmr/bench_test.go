package dsmr_test

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	gotcrc "github.com/basvdlei/gotsmart/crc16"
	gotsmart "github.com/basvdlei/gotsmart/dsmr"

	"homehub/dsmr"
	"homehub/hub"
)

// benchTelegrams are a Dutch and a Belgian telegram of real meters, or ours
// where the corpus is not there.
func benchTelegrams(t testing.TB) map[string][]byte {
	t.Helper()
	names := map[string]string{
		"NL50": filepath.Join(corpusDir, "nl50-iskra-am550-181106.txt"),
		"BE":   filepath.Join(corpusDir, "be-171-flu-gas-water.txt"),
	}
	if matches, _ := filepath.Glob(filepath.Join(corpusDir, "*.txt")); len(matches) == 0 {
		names = map[string]string{"NL50": "testdata/encode-dsmr-50.txt", "BE": "testdata/encode-e-mucs.txt"}
	}
	all := map[string][]byte{}
	for name, path := range names {
		all[name] = readFile(t, path)
	}
	return all
}

// loop reads the same bytes again and again.
type loop struct {
	b  []byte
	at int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.b[l.at:])
	l.at = (l.at + n) % len(l.b)
	return n, nil
}

var sinkReading hub.Reading

// BenchmarkTelegram compares, in one run: this package from bytes to typed
// values, gotsmart's checksum and parser (its values stay text), and the least
// that can be done, one checksum and one scan over the bytes.
func BenchmarkTelegram(b *testing.B) {
	for name, telegram := range benchTelegrams(b) {
		b.Run(name+"/homehub", func(b *testing.B) {
			r := dsmr.NewReader(&loop{b: telegram}, dsmr.Config{})
			now := time.Now()
			b.ReportAllocs()
			b.SetBytes(int64(len(telegram)))
			for b.Loop() {
				t, err := r.Next()
				if err != nil {
					b.Fatal(err)
				}
				sinkReading = t.Reading(now)
			}
		})
		b.Run(name+"/homehub-parse", func(b *testing.B) {
			r := dsmr.NewReader(&loop{b: telegram}, dsmr.Config{})
			b.ReportAllocs()
			b.SetBytes(int64(len(telegram)))
			for b.Loop() {
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/gotsmart", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(telegram)))
			body := telegram[:bytes.IndexByte(telegram, '!')+1]
			for b.Loop() {
				if gotcrc.Checksum(body) == 0 {
					b.Fatal("checksum")
				}
				if _, err := gotsmart.ParseFrame(string(telegram)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/floor", func(b *testing.B) {
			b.SetBytes(int64(len(telegram)))
			for b.Loop() {
				dsmr.Floor(telegram)
			}
		})
	}
}

func TestReaderAllocatesNothing(t *testing.T) {
	for name, telegram := range benchTelegrams(t) {
		for _, size := range []int{1, 64, 4096} {
			r := dsmr.NewReader(&sized{loop{b: telegram}, size}, dsmr.Config{})
			now := time.Now()
			if n := testing.AllocsPerRun(100, func() {
				telegram, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				sinkReading = telegram.Reading(now)
			}); n != 0 {
				t.Errorf("%s in chunks of %d: %v allocations per telegram", name, size, n)
			}
		}
	}
}

// sized is a loop in chunks.
type sized struct {
	loop
	size int
}

func (s *sized) Read(p []byte) (int, error) { return s.loop.Read(p[:min(len(p), s.size)]) }

// BenchmarkFactor measures in short alternating batches and takes the fastest
// of each, so that other work on the machine hardly matters. It reports ns per
// telegram and how many times faster than gotsmart that is.
func BenchmarkFactor(b *testing.B) {
	for name, telegram := range benchTelegrams(b) {
		b.Run(name, func(b *testing.B) {
			r := dsmr.NewReader(&loop{b: telegram}, dsmr.Config{})
			now := time.Now()
			body := telegram[:bytes.IndexByte(telegram, '!')+1]
			parse := func() *dsmr.Telegram {
				t, err := r.Next()
				if err != nil {
					b.Fatal(err)
				}
				return t
			}
			batches := []struct {
				name string
				n    int
				run  func()
				best time.Duration
			}{
				{name: "reading", n: 40, run: func() { sinkReading = parse().Reading(now) }},
				{name: "parse", n: 40, run: func() { parse() }},
				{name: "gotsmart", n: 4, run: func() {
					if _, err := gotsmart.ParseFrame(string(telegram)); err != nil || gotcrc.Checksum(body) == 0 {
						b.Fatal(err)
					}
				}},
				{name: "floor", n: 40, run: func() { dsmr.Floor(telegram) }},
			}
			for b.Loop() {
				for i := range batches {
					batch := &batches[i]
					began := time.Now()
					for range batch.n {
						batch.run()
					}
					if took := time.Since(began) / time.Duration(batch.n); batch.best == 0 || took < batch.best {
						batch.best = took
					}
				}
			}
			theirs := float64(batches[2].best)
			for _, batch := range batches {
				b.ReportMetric(float64(batch.best), batch.name+"-ns")
				b.ReportMetric(theirs/float64(batch.best), batch.name+"-x")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
