package tsdb

import (
	"math"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestOpenAfterTenYears makes ten years of the 20 feeds (260 MB), so it runs
// only when TSDB_DECADE is set. Open must take under a second and leave little
// in RAM.
func TestOpenAfterTenYears(t *testing.T) {
	if os.Getenv("TSDB_DECADE") == "" {
		t.Skip("TSDB_DECADE is not set")
	}
	dir := t.TempDir()
	now := t0.AddDate(30, 0, 0)
	db := mustOpen(t, Config{Dir: dir, Now: func() time.Time { return now }})
	src := newSource20(1)
	feeds := src.configs()
	var vals []float64
	day := make([]cells, len(feeds))
	for i := range blockLen {
		vals = src.next(vals)
		for f, v := range vals {
			day[f][i] = math.Float64bits(v)
		}
	}
	const blocks = 10 * 365 * 8640 / blockLen
	for _, cfg := range feeds {
		must(t, db.Create(cfg))
	}
	bodies := make([][]byte, len(feeds))
	for i, cfg := range feeds { // the same block again and again: packing is not what is measured
		bodies[i] = encodeBlock(nil, &day[i], cfg.Decimals)
	}
	db.mu.Lock()
	for b := range int64(blocks) {
		for i, f := range db.sorted() {
			p := packedBlock{body: bodies[i]}
			block := blockOf(f.gens[0].slot(t0.Unix())) + b
			var d decoded
			must(t, d.decode(p.body, blockLen))
			p.entry = entry{block: block, size: len(p.body), sum: crc(p.body), stats: d.summary(0, blockLen)}
			f.gens[0].packed[block] = p
			db.packedBytes += len(p.body)
		}
		if db.packedBytes > 1<<20 {
			must(t, db.persist(false))
		}
	}
	db.mu.Unlock()
	must(t, db.Close())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	db = mustOpen(t, Config{Dir: dir, Now: func() time.Time { return now }})
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	start = time.Now()
	got := query(t, db, "power0", Query{Start: t0, End: t0.AddDate(10, 0, 0), Calendar: Year, Of: Mean})
	t.Logf("%d blocks, %d segments: open %v, %d KiB of heap; ten means over ten years %v", blocks*len(feeds), len(db.segments), took,
		(int64(after.HeapAlloc)-int64(before.HeapAlloc))/1024, time.Since(start))
	if took > time.Second || len(got) != 11 { // March to February: 11 calendar years
		t.Errorf("open took %v; %d means", took, len(got))
	}
	must(t, db.Close())
}
