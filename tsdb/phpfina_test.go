package tsdb

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func metaFile(interval, start uint32) []byte {
	b := make([]byte, 16)
	binary.LittleEndian.PutUint32(b[8:], interval)
	binary.LittleEndian.PutUint32(b[12:], start)
	return b
}

func datFile(n int, f func(i int) uint32) []byte {
	var b []byte
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, f(i))
	}
	return b
}

func TestPHPFinaThereAndBackIsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	watts := func(i int) uint32 { return math.Float32bits(float32(200 + i%97)) }
	tests := []struct {
		name  string
		meta  []byte
		dat   []byte
		stray int
	}{
		{"watts", metaFile(10, 1700000000), datFile(5000, watts), 0},
		{"empty", metaFile(10, 0), nil, 0},
		{"started but empty", metaFile(10, 1700000000), nil, 0},
		{"unaligned start", metaFile(10, 1000025), datFile(3000, watts), 0},
		{"starts and ends with gaps", metaFile(60, 1700000040), datFile(4000, func(i int) uint32 {
			if i < 1500 || i > 2500 {
				return phpfinaNaN
			}
			return watts(i)
		}), 0},
		{"only gaps", metaFile(60, 1700000040), datFile(3000, func(int) uint32 { return phpfinaNaN }), 0},
		{"every bit pattern", metaFile(1, 1), datFile(20000, func(int) uint32 { return r.Uint32() }), 0},
		{"NaN payloads and negative zero", metaFile(86400, 0), datFile(2000, func(i int) uint32 {
			return [...]uint32{0, 0x80000000, 0x7fc00000, 0xffc00000, 0x7f800001, 0x7fc00001, 0x7f800000, 0xff800000, 1, 0x3f800000}[i%10]
		}), 0},
		{"tenths", metaFile(10, 1700000000), datFile(5000, func(i int) uint32 { return math.Float32bits(float32(i%301) / 10) }), 0},
		{"not decimal", metaFile(10, 1700000000), datFile(3000, func(i int) uint32 { return math.Float32bits(float32(math.Sqrt(float64(i)))) }), 0},
		{"stray bytes", metaFile(10, 1700000000), append(datFile(30, watts), 1, 2), 2},
		{"last second of 2105", metaFile(10, math.MaxUint32-10000), datFile(900, watts), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{FS: newPowerFS()}
			db := mustOpen(t, cfg)
			rep, err := db.ImportPHPFina(FeedConfig{Name: "old", Decimals: 1}, tt.meta, bytes.NewReader(tt.dat), nil)
			must(t, err)
			if rep.Stray != tt.stray || rep.Points != int64(len(tt.dat)/4) {
				t.Errorf("report %+v", rep)
			}
			for range 2 { // before and after a restart
				var dat bytes.Buffer
				meta, _, err := db.ExportPHPFina("old", &dat, nil)
				must(t, err)
				if !bytes.Equal(meta, tt.meta) {
					t.Errorf("meta %x, want %x", meta, tt.meta)
				}
				if !bytes.Equal(dat.Bytes(), tt.dat[:len(tt.dat)/4*4]) {
					t.Errorf("dat differs: %d bytes, want %d", dat.Len(), len(tt.dat))
				}
				if rep := db.Check(nil); len(rep.Bad) > 0 {
					t.Errorf("check: %+v", rep)
				}
				must(t, db.Close())
				db = mustOpen(t, cfg)
			}
		})
	}
}

func TestPHPFinaImportRefuses(t *testing.T) {
	tests := []struct {
		name string
		meta []byte
		want string
	}{
		{"short meta", metaFile(10, 0)[:12], "12 bytes"},
		{"no interval", metaFile(0, 0), "interval"},
		{"two days", metaFile(2*86400, 0), "interval"},
		{"not PHPFina", append([]byte{1}, metaFile(10, 0)[1:]...), "not zero"},
		{"another interval than the feed has", metaFile(20, 0), "every 10 s"},
		{"another phase than the feed has", metaFile(10, 5), "from second 0"},
	}
	db := mustOpen(t, Config{FS: newPowerFS()})
	must(t, db.Create(power("old")))
	must(t, db.Append("old", t0, 1))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := db.ImportPHPFina(FeedConfig{Name: "old"}, tt.meta, strings.NewReader("abcd"), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want something of %q", err, tt.want)
			}
			must(t, db.Flush(t0)) // the lock was given back
		})
	}
}

func TestImportGoesUnderWhatIsInRAM(t *testing.T) {
	db := mustOpen(t, Config{FS: newPowerFS()})
	must(t, db.Create(power("old")))
	for i := range 10 {
		must(t, db.Append("old", t0.Add(time.Duration(i)*10*time.Second), 50))
	}
	_, err := db.ImportPHPFina(FeedConfig{Name: "old"}, metaFile(10, uint32(t0.Unix()-40000)), bytes.NewReader(datFile(4005, func(i int) uint32 {
		return math.Float32bits(float32(i % 10))
	})), nil)
	must(t, err)
	must(t, db.Append("old", t0.Add(100*time.Second), 77))
	got := query(t, db, "old", Query{Start: t0.Add(-40000 * time.Second), End: t0.Add(time.Hour)})
	if len(got) != 4011 || got[4004].Value != 4 || got[4005].Value != 50 || got[4010].Value != 77 {
		t.Errorf("%d points, %v %v %v", len(got), got[4004], got[4005], got[len(got)-1])
	}
}

func TestTextThereAndBack(t *testing.T) {
	for _, as := range []Format{CSV, JSONL} {
		db := mustOpen(t, Config{FS: newPowerFS()})
		must(t, db.Create(FeedConfig{Name: "a", Interval: 10 * time.Second, Decimals: 2}))
		for i := range 4000 {
			if i%50 < 45 {
				must(t, db.Append("a", t0.Add(time.Duration(i)*10*time.Second), float64(i)/100))
			}
		}
		must(t, db.Create(FeedConfig{Name: "a", Interval: time.Minute, Decimals: 2}))
		must(t, db.Append("a", t0.Add(time.Hour*24), 1e-9))
		var first, second bytes.Buffer
		rep, err := db.ExportText("a", as, &first, time.Time{}, time.Time{}, nil)
		must(t, err)
		if rep.Points != 3601 {
			t.Errorf("exported %+v", rep)
		}
		half := first.Len() / 2
		cut := bytes.LastIndexByte(first.Bytes()[:half], '\n') + 1
		cfg := FeedConfig{Name: "b", Interval: 10 * time.Second, Decimals: 2}
		_, err = db.ImportText(cfg, as, bytes.NewReader(first.Bytes()[:cut]), false, nil)
		must(t, err)
		rep, err = db.ImportText(cfg, as, bytes.NewReader(first.Bytes()), true, nil)
		must(t, err)
		if rep.Skipped < 1700 || rep.Skipped > 1900 {
			t.Errorf("resumed: %+v", rep)
		}
		_, err = db.ExportText("b", as, &second, time.Time{}, time.Time{}, nil)
		must(t, err)
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("format %d: %d bytes became %d", as, first.Len(), second.Len())
		}
	}
}

func TestTextImportSaysWhichLine(t *testing.T) {
	db := mustOpen(t, Config{FS: newPowerFS()})
	_, err := db.ImportText(power("a"), CSV, strings.NewReader("time;value\n1700000000;5;x\n2024-01-01T00:00:00Z,\"6\"\nrubbish,7\n"), false, nil)
	if err == nil || !strings.Contains(err.Error(), "line 4") {
		t.Errorf("got %v", err)
	}
	if got := db.Feeds()[0]; got.Points != 2 {
		t.Errorf("the lines before are not stored: %+v", got)
	}
}

// TestUCIMinutes packs a real household's minutes.
func TestUCIMinutes(t *testing.T) {
	in, err := os.Open(filepath.Join("..", "..", "shared", "data", "load", "fr_uci_2006-12_1min.csv"))
	if err != nil {
		t.Skip(err)
	}
	defer in.Close()
	db := mustOpen(t, Config{FS: newPowerFS()})
	rep, err := db.ImportText(FeedConfig{Name: "uci", Interval: time.Minute}, CSV, in, false, nil)
	must(t, err)
	must(t, db.Flush(t0))
	f := db.Feeds()[0]
	per := float64(f.Bytes) / float64(f.Points)
	t.Logf("%d points, %.3f bytes each", f.Points, per)
	if f.Points != rep.Points || per > 1.05 {
		t.Errorf("%d points of %d, %.3f bytes each, want at most 1.05", f.Points, rep.Points, per)
	}
}
