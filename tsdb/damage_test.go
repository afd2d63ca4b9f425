package tsdb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// lived is a folder with two feeds, sealed segments, and points in the ring.
func lived(t testing.TB) (*powerFS, int) {
	t.Helper()
	fsys := newPowerFS()
	cfg := Config{Dir: "/data", FS: fsys, Now: func() time.Time { return t0.AddDate(9, 0, 0) }}
	db, err := newDB(cfg)
	must(t, err)
	db.batchBytes, db.segmentSize = 800, 2600
	db, err = db.open(cfg)
	must(t, err)
	must(t, db.Create(power("house")))
	must(t, db.Create(power("shed")))
	r := rand.New(rand.NewPCG(1, 1))
	const n = 25000
	for i := range n {
		at := t0.Add(time.Duration(i) * 10 * time.Second)
		must(t, db.Append("house", at, float64(i%500+r.IntN(3))))
		must(t, db.Append("shed", at, float64(i%50)))
		if i%50 == 49 {
			must(t, db.Flush(at))
		}
	}
	must(t, db.Close())
	return fsys, n
}

// survey counts the points that read right, and those that read wrong.
func survey(t *testing.T, db *DB, feed string, span int) (right, wrong int) {
	t.Helper()
	for _, p := range query(t, db, feed, Query{Start: t0, End: t0.AddDate(1, 0, 0)}) {
		if !p.OK {
			continue
		}
		i := int(p.At.Sub(t0) / (10 * time.Second))
		if d := p.Value - float64(i%span); d >= 0 && d < 3 {
			right++
		} else {
			wrong++
		}
	}
	return right, wrong
}

func TestDamageIsNamedAndTheRestServes(t *testing.T) {
	whole, _ := lived(t)
	var segs []string
	names, _ := whole.ReadDir("/data")
	for _, n := range names {
		if strings.HasSuffix(n, ".hhs") {
			segs = append(segs, n)
		}
	}
	if len(segs) < 3 {
		t.Fatalf("only %v", names)
	}
	tests := []struct {
		name  string
		do    func(p *powerFS)
		least int // points of house that must still be right
		named bool
	}{
		{"nothing", func(*powerFS) {}, 25000, false},
		{"a bit in a sealed segment", func(p *powerFS) { p.flip(segs[0], 2500) }, 25000 - 1024, true},
		{"a bit in an index", func(p *powerFS) { p.flip("000001.hhx", 60) }, 25000, false},
		{"a bit in a column", func(p *powerFS) { p.flip("000001.hhx", 170) }, 25000, false},
		{"an index is gone", func(p *powerFS) { delete(p.names, "/data/seg-000001.hhx") }, 25000, false},
		{"a bit in the catalogue", func(p *powerFS) { p.flip("catalog", 100) }, 25000, true},
		{"both catalogues", func(p *powerFS) { p.flip("catalog", 100); p.flip("catalog.old", 100) }, 25000, true},
		{"no catalogue at all", func(p *powerFS) {
			delete(p.names, "/data/catalog")
			delete(p.names, "/data/catalog.old")
		}, 25000, true},
		{"the ring's header", func(p *powerFS) { p.flip("ring", 3) }, 25000, false},
		{"a segment is gone", func(p *powerFS) { delete(p.names, "/data/"+segs[1]) }, 25000 - 9*1024, false},
		{"a segment cut short", func(p *powerFS) {
			f := p.names["/data/"+segs[0]]
			f.data = f.data[:len(f.data)/2]
		}, 25000 - 9*1024, true},
		{"the last segment's flushed part", func(p *powerFS) { p.flip(segs[len(segs)-1], 700) }, 25000 - 1024, true},
		{"the ring is gone", func(p *powerFS) { delete(p.names, "/data/ring") }, 20000, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := whole.after(func() bool { return true }, func(n int) int { return n - 1 })
			tt.do(fsys)
			db := mustOpen(t, Config{FS: fsys})
			right, wrong := survey(t, db, "house", 500)
			if wrong > 0 || right < tt.least {
				t.Errorf("%d points right, want at least %d; %d wrong", right, tt.least, wrong)
			}
			if right, wrong := survey(t, db, "shed", 50); wrong > 0 || right < 14000 {
				t.Errorf("of the other feed %d points right, %d wrong", right, wrong)
			}
			if s := db.Status(); (len(s.Quarantined) > 0) != tt.named {
				t.Errorf("named: %+v", s.Quarantined)
			}
			// the same after a repair, and life goes on
			rep, err := db.Repair(nil)
			must(t, err)
			t.Logf("%+v", rep)
			must(t, db.Append("house", t0.AddDate(0, 6, 0), 1))
			must(t, db.Close())
			db = mustOpen(t, Config{FS: fsys})
			again, wrong := survey(t, db, "house", 500)
			if again < right || wrong > 1 {
				t.Errorf("after repair %d points right, before %d; %d wrong", again, right, wrong)
			}
		})
	}
}

// TestEveryBitMatters flips bits all over the folder: nothing may panic, and
// nothing may read as a value that was never stored.
func TestEveryBitMatters(t *testing.T) {
	whole, _ := lived(t)
	names, _ := whole.ReadDir("/data")
	r := rand.New(rand.NewPCG(2, 2))
	n := 120
	if testing.Short() || raceEnabled {
		n = 15
	}
	for i := range n {
		fsys := whole.after(func() bool { return true }, func(n int) int { return n - 1 })
		name := names[i%len(names)]
		size := len(fsys.names["/data/"+name].data)
		if name == "ring" {
			size = 400 << 10
		}
		if size == 0 {
			continue
		}
		at := r.IntN(size)
		fsys.flip(name, at)
		db := mustOpen(t, Config{FS: fsys})
		for _, f := range db.Feeds() {
			if _, wrong := survey(t, db, f.Name, map[string]int{"house": 500, "shed": 50}[f.Name]); wrong > 0 {
				t.Fatalf("bit in byte %d of %s: %d points of %s are wrong", at, name, wrong, f.Name)
			}
		}
		db.Check(nil)
		must(t, db.Close())
	}
}

// TestABitInAnIndexChangesNoMean flips bits in the columns of an index, where
// the sums and waypoints are that means are made of.
func TestABitInAnIndexChangesNoMean(t *testing.T) {
	whole, n := lived(t)
	q := Query{Start: t0, End: t0.Add(time.Duration(n) * 10 * time.Second), Step: 100 * time.Minute, Of: Mean}
	clean := whole.after(func() bool { return true }, func(n int) int { return n - 1 })
	want := query(t, mustOpen(t, Config{FS: clean}), "house", q)
	columns := idxHead + 2*idxDirLen
	size := len(whole.names["/data/seg-000001.hhx"].data)
	for at := columns; at < size; at += 1 + (size-columns)/50 {
		fsys := whole.after(func() bool { return true }, func(n int) int { return n - 1 })
		fsys.flip("000001.hhx", at)
		db := mustOpen(t, Config{FS: fsys})
		for i, p := range query(t, db, "house", q) {
			if p != want[i] {
				t.Fatalf("bit in byte %d of %d: mean %d is %v, was %v", at, size, i, p, want[i])
			}
		}
	}
}

// TestAScannedSegmentIsNotBelieved flips bits in a segment that has no index,
// so that only the chunks' own checksums can tell.
func TestAScannedSegmentIsNotBelieved(t *testing.T) {
	whole, _ := lived(t)
	delete(whole.names, "/data/seg-000001.hhx")
	whole.durable = whole.names
	r := rand.New(rand.NewPCG(3, 3))
	caught := 0
	for range 40 {
		fsys := whole.after(func() bool { return true }, func(int) int { return 0 })
		fsys.flip("seg-000001.hhs", segHead+r.IntN(len(fsys.names["/data/seg-000001.hhs"].data)-segHead))
		db := mustOpen(t, Config{FS: fsys})
		for name, span := range map[string]int{"house": 500, "shed": 50} {
			if _, wrong := survey(t, db, name, span); wrong > 0 {
				t.Fatalf("%d points of %s are wrong", wrong, name)
			}
		}
		caught += len(db.Status().Quarantined)
	}
	if caught < 40 {
		t.Errorf("only %d of 40 flips were named", caught)
	}
}

// TestAFailedWriteLeavesNothingBehind fails a long write to a segment, lets a
// shorter one succeed, and looks for blocks of the first behind the second.
func TestAFailedWriteLeavesNothingBehind(t *testing.T) {
	fsys := newPowerFS()
	db := mustOpen(t, Config{FS: fsys})
	db.batchBytes = 1
	must(t, db.Create(power("long")))
	must(t, db.Create(power("short")))
	put := func(from, to int, long func(i int) float64, short float64) {
		for i := from; i < to; i++ {
			at := t0.Add(time.Duration(i) * 10 * time.Second)
			must(t, db.Append("long", at, long(i)))
			must(t, db.Append("short", at, short))
		}
	}
	flat := func(int) float64 { return 1 }
	put(0, 2, flat, 7)
	must(t, db.Flush(t0))
	fsys.failSync = func(path string) bool { return strings.HasSuffix(path, ".hhs") && len(fsys.names[path].data) > 2000 }
	put(0, 1200, func(i int) float64 { return 1 / float64(i+3) }, 7) // raw: 8 KiB
	if db.Flush(t0) == nil {
		t.Fatal("the flush did not fail")
	}
	fsys.failSync = nil
	put(0, 1200, flat, 8)
	must(t, db.Flush(t0))
	for i := range 3 { // so that the ring forgets
		put(1200*(i+1), 1200*(i+2), flat, 8)
		must(t, db.Flush(t0))
	}
	must(t, db.Close())
	db = mustOpen(t, Config{FS: fsys})
	for _, p := range query(t, db, "short", Query{Start: t0, End: t0.AddDate(0, 0, 1)}) {
		if p.Value != 8 {
			t.Fatalf("an old value is back: %v", p)
		}
	}
	if s := db.Status(); s.State != StateOK {
		t.Errorf("status is %+v", s)
	}
}

// TestATornSegmentIsNotAppendedTo cuts the power while two blocks go to a
// segment, so that the first is torn and the second is there. What is written
// later must not lie before the second: read in order, it would be the older.
func TestATornSegmentIsNotAppendedTo(t *testing.T) {
	fsys := newPowerFS()
	db := mustOpen(t, Config{FS: fsys})
	db.batchBytes = 1
	must(t, db.Create(power("long")))
	must(t, db.Create(power("short")))
	put := func(from, to int, long func(i int) float64, short float64) {
		for i := from; i < to; i++ {
			at := t0.Add(time.Duration(i) * 10 * time.Second)
			must(t, db.Append("long", at, long(i)))
			must(t, db.Append("short", at, short))
		}
		must(t, db.Flush(t0))
	}
	flat := func(int) float64 { return 1 }
	first := int(blockLen - db.generations()[1].g.slot(t0.Unix())&(blockLen-1)) // where the second block begins
	put(0, first+1, flat, 6)
	put(first+1, first+2, flat, 6)
	before := len(fsys.names["/data/seg-000001.hhs"].data)
	put(first+2, first+blockLen+1, func(i int) float64 { return 1 / float64(i+3) }, 7) // raw: 8 KiB
	if grown := len(fsys.names["/data/seg-000001.hhs"].data) - before; grown < 8<<10 {
		t.Fatalf("the segment grew by %d bytes", grown)
	}

	fsys = fsys.after(func() bool { return true }, func(n int) int { return n - 1 })
	clear(fsys.names["/data/seg-000001.hhs"].data[before : before+512])
	db = mustOpen(t, Config{FS: fsys})
	db.batchBytes = 1
	if s := db.Status(); s.State != StateOK {
		t.Errorf("after the cut the status is %+v", s)
	}
	put(first, first+blockLen, flat, 8)
	for k := 1; k < 4; k++ { // so that the ring forgets
		put(first+k*blockLen, first+(k+1)*blockLen, flat, 8)
	}
	must(t, db.Close())
	db = mustOpen(t, Config{FS: fsys})
	for _, p := range query(t, db, "short", Query{Start: t0.Add(time.Duration(first) * 10 * time.Second), End: t0.AddDate(0, 0, 1)}) {
		if p.OK && p.Value != 8 {
			t.Fatalf("an old value is back: %v", p)
		}
	}
	if s := db.Status(); s.State != StateOK {
		t.Errorf("status is %+v", s)
	}
}

func TestAForeignRingIsLeftAlone(t *testing.T) {
	fsys := newPowerFS()
	other, _ := fsys.OpenFile("/dev/part", OpenWrite)
	_, _ = other.WriteAt(bytes.Repeat([]byte("precious"), 40000), 0)
	before := bytes.Clone(fsys.names["/dev/part"].data)
	db := mustOpen(t, Config{FS: fsys, Ring: RingConfig{Path: "/dev/part"}})
	must(t, db.Create(power("house")))
	must(t, db.Append("house", t0, 5))
	must(t, db.Close())
	if !bytes.Equal(before, fsys.names["/dev/part"].data) {
		t.Error("the partition was written to")
	}
	if s := db.Status(); len(s.Quarantined) != 1 {
		t.Errorf("status is %+v", s)
	}
	// an empty one is taken
	blank := newPowerFS()
	part, _ := blank.OpenFile("/dev/part", OpenWrite)
	_, _ = part.WriteAt(make([]byte, 4<<20), 0)
	cfg := Config{FS: blank, Ring: RingConfig{Path: "/dev/part"}}
	for range 2 {
		db = mustOpen(t, cfg)
		must(t, db.Create(power("house")))
		must(t, db.Append("house", t0, 5))
		must(t, db.Close())
	}
	if blank.written["part"] == 0 || blank.names["/data/ring"] != nil {
		t.Error("the blank partition is not used")
	}
}

func TestTrimAndDelete(t *testing.T) {
	fsys, n := lived(t)
	db := mustOpen(t, Config{FS: fsys})
	count := func() int {
		names, _ := fsys.ReadDir("/data")
		k := 0
		for _, name := range names {
			if strings.HasSuffix(name, ".hhs") {
				k++
			}
		}
		return k
	}
	before := count()
	from := t0.Add(20000 * 10 * time.Second)
	must(t, db.Trim("house", from))
	if f := db.Feeds()[0]; f.Points != int64(n)-20000 || !f.First.Equal(from) {
		t.Errorf("after trim %+v", f)
	}
	must(t, db.Trim("shed", from))
	if after := count(); after >= before {
		t.Errorf("%d segments, there were %d", after, before)
	}
	if err := db.Append("house", t0, 1); err == nil {
		t.Error("a point before the trimmed start was taken")
	}
	must(t, db.Delete("shed"))
	must(t, db.Close())
	db = mustOpen(t, Config{FS: fsys})
	if f := db.Feeds(); len(f) != 1 || f[0].Points != int64(n)-20000 {
		t.Errorf("after reopen %+v", f)
	}
	if _, err := db.Query("shed", Query{Start: t0, End: from}); err == nil {
		t.Error("the deleted feed answers")
	}
	must(t, db.Create(power("shed"))) // the name is free again, the points are not
	if f := db.Feeds()[1]; f.Points != 0 {
		t.Errorf("the new feed has %+v", f)
	}
	if s := db.Status(); s.State != StateOK {
		t.Errorf("status is %+v", s)
	}
}

func FuzzSegment(f *testing.F) {
	f.Add(exampleChunk())
	f.Add(append(exampleChunk(), exampleChunk()...))
	f.Fuzz(func(t *testing.T, b []byte) {
		fsys := newPowerFS()
		file, _ := fsys.OpenFile("s", OpenWrite)
		_, _ = file.WriteAt(b, 0)
		out, err := scanSegment(&segment{num: 1, f: file, size: int64(len(b))})
		if err != nil {
			return
		}
		for _, r := range out.runs {
			list, err := readEntries(appendEntries(nil, r.mem), r.n)
			if err != nil || fmt.Sprint(list) != fmt.Sprint(r.mem) {
				t.Fatalf("index of %v is %v, %v", r.mem, list, err)
			}
		}
	})
}

func FuzzRing(f *testing.F) {
	f.Add(exampleRecord(), uint16(0))
	f.Add(exampleRecord(), uint16(512))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		fsys := newPowerFS()
		file, _ := fsys.OpenFile("/data/ring", OpenWrite)
		r, err := createRing(file, 0x1122334455667788, minRing)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = file.WriteAt(b, int64(at))
		r, err = openRing(file, r.id)
		if err != nil {
			return
		}
		var vals cells
		for _, s := range r.live {
			p, err := r.payload(s)
			for err == nil && len(p) > 0 {
				_, p, err = readRun(p, &vals)
			}
		}
		_ = r.write([]byte("payload"), r.next, 0, mark{})
		_ = r.commit()
	})
}

func FuzzRun(f *testing.F) {
	f.Add(exampleRecord()[recordHead:])
	f.Fuzz(func(t *testing.T, b []byte) {
		var vals, again cells
		for len(b) > 0 {
			r, rest, err := readRun(b, &vals)
			if err != nil {
				return
			}
			r2, _, err := readRun(appendRun(nil, r.gen, r.slot, r.vals, 0), &again)
			if err != nil || fmt.Sprint(r2) != fmt.Sprint(r) {
				t.Fatalf("%v became %v, %v", r, r2, err)
			}
			b = rest
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add(appendEntries(nil, []entry{{block: 5, off: 100, size: 30, stats: stats{count: 9, sum: 3, max: 2}}}), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n >= 0 {
			_, _ = readEntries(b, n)
		}
	})
}

func FuzzCatalog(f *testing.F) {
	b, _ := (&catalog{Format: 1, ID: 4, Feeds: []catalogFeed{{Name: "a", Generations: []catalogGen{{ID: 1, Interval: 10}}}}}).encode()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		fsys := newPowerFS()
		file, _ := fsys.OpenFile("/data/catalog", OpenWrite)
		_, _ = file.WriteAt(fmt.Appendf(bytes.Clone(b), "\n%s%08x\n", catalogMark, crc(b)), 0)
		db := mustOpen(t, Config{FS: fsys, Ring: RingConfig{Size: minRing}})
		for _, f := range db.Feeds() {
			_, _ = db.Query(f.Name, Query{Start: t0, End: t0.AddDate(1, 0, 0), Of: Mean})
		}
	})
}

func FuzzPHPFina(f *testing.F) {
	f.Add(metaFile(10, 1000025), datFile(9, func(i int) uint32 { return uint32(i) << 20 }))
	f.Fuzz(func(t *testing.T, meta, dat []byte) {
		db := mustOpen(t, Config{FS: newPowerFS(), Ring: RingConfig{Size: minRing}})
		if _, err := db.ImportPHPFina(FeedConfig{Name: "f"}, meta, bytes.NewReader(dat), nil); err != nil {
			return
		}
		var out bytes.Buffer
		got, _, err := db.ExportPHPFina("f", &out, nil)
		if err != nil || !bytes.Equal(got, meta) || !bytes.Equal(out.Bytes(), dat[:len(dat)/4*4]) {
			t.Fatalf("meta %x became %x, %d bytes became %d: %v", meta, got, len(dat), out.Len(), err)
		}
	})
}
