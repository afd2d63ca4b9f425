package tsdb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// phpfinaNaN is what PHPFina writes for a missing point.
const phpfinaNaN = 0x7fc00000

// PHPFinaReport tells what an import or export did.
type PHPFinaReport struct {
	Interval time.Duration `json:"interval"`
	Start    time.Time     `json:"start"`
	Points   int64         `json:"points"`      // slots in the file
	Missing  int64         `json:"missing"`     // of these, without a value
	Stray    int           `json:"stray_bytes"` // 1 to 3 bytes after the last point, dropped
}

// ImportPHPFina reads a feed of emoncms: meta is the 16 bytes of ID.meta, dat
// the float32 values of ID.dat. The feed is made if it is not there, with the
// file's interval and phase; an existing feed must have those. Every bit
// pattern is kept, so that ExportPHPFina gives the same two files again.
// Points the feed already has are overwritten. progress, if not nil, is
// called now and then with the number of slots read.
func (db *DB) ImportPHPFina(cfg FeedConfig, meta []byte, dat io.Reader, progress func(slots int64)) (PHPFinaReport, error) {
	var rep PHPFinaReport
	if len(meta) != 16 {
		return rep, fmt.Errorf("importing %s: meta has %d bytes, want 16: %w", cfg.Name, len(meta), ErrConfig)
	}
	interval := int64(binary.LittleEndian.Uint32(meta[8:]))
	start := int64(binary.LittleEndian.Uint32(meta[12:]))
	if binary.LittleEndian.Uint64(meta) != 0 {
		return rep, fmt.Errorf("importing %s: the first 8 bytes of meta are not zero: %w", cfg.Name, ErrConfig)
	}
	cfg.Interval = time.Duration(interval) * time.Second
	if err := cfg.check(); err != nil {
		return rep, fmt.Errorf("importing %s: %w", cfg.Name, err)
	}
	rep.Interval, rep.Start = cfg.Interval, time.Unix(start, 0).UTC()
	w, err := db.bulk(cfg, floorMod(start, interval))
	if err != nil {
		return rep, fmt.Errorf("importing %s: %w", cfg.Name, err)
	}
	defer w.release()
	first := w.g.slot(start)
	in := bufio.NewReaderSize(dat, 64<<10)
	var b [4]byte
	for {
		n, err := io.ReadFull(in, b[:])
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			rep.Stray = n
			break
		}
		if err != nil {
			return rep, fmt.Errorf("importing %s: %w", cfg.Name, err)
		}
		bits := widen(binary.LittleEndian.Uint32(b[:]))
		if bits == missing {
			rep.Missing++
		} else if err := w.put(first+rep.Points, bits); err != nil {
			return rep, fmt.Errorf("importing %s: %w", cfg.Name, err)
		}
		rep.Points++
		if progress != nil && rep.Points%65536 == 0 {
			progress(rep.Points)
		}
	}
	if err := w.finish(&pair{Start: start, Points: rep.Points}); err != nil {
		return rep, fmt.Errorf("importing %s: %w", cfg.Name, err)
	}
	return rep, nil
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

// ExportPHPFina writes a feed as emoncms has it: it returns the 16 bytes of
// ID.meta and writes ID.dat to dat. A feed that was imported comes out as it
// was, with what was appended since. Only a feed of one interval can be
// exported; values become float32.
func (db *DB) ExportPHPFina(name string, dat io.Writer, progress func(slots int64)) ([]byte, PHPFinaReport, error) {
	var rep PHPFinaReport
	f := (*db.feeds.Load())[name]
	if f == nil {
		return nil, rep, fmt.Errorf("exporting %s: %w", name, ErrNoFeed)
	}
	f.mu.Lock()
	g := f.gens[len(f.gens)-1]
	n := len(f.gens)
	var imported *pair
	if g.imported != nil {
		p := *g.imported
		imported = &p
	}
	f.mu.Unlock()
	if n > 1 {
		return nil, rep, fmt.Errorf("exporting %s: it has %d intervals, PHPFina knows one: %w", name, n, ErrConfig)
	}
	first, end, start := db.extent(f, g, imported)
	rep.Interval, rep.Start, rep.Points = time.Duration(g.interval)*time.Second, time.Unix(start, 0).UTC(), end-first
	if start < 0 || start > math.MaxUint32 {
		return nil, rep, fmt.Errorf("exporting %s: start %v does not fit PHPFina: %w", name, rep.Start, ErrConfig)
	}
	meta := make([]byte, 16)
	binary.LittleEndian.PutUint32(meta[8:], uint32(g.interval))
	binary.LittleEndian.PutUint32(meta[12:], uint32(start))
	out := bufio.NewWriterSize(dat, 64<<10)
	err := db.eachCell(f, g, first, end, func(slot int64, bits uint64) error {
		v, ok := narrow(bits)
		if !ok {
			v = math.Float32bits(float32(math.Float64frombits(bits)))
		}
		if v == phpfinaNaN {
			rep.Missing++
		}
		if progress != nil && (slot-first)%65536 == 0 {
			progress(slot - first)
		}
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], v)
		_, err := out.Write(b[:])
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return nil, rep, fmt.Errorf("exporting %s: %w", name, err)
	}
	return meta, rep, nil
}

// extent is the slots [first, end) of an export, and the start it names.
func (db *DB) extent(f *feed, g *generation, imported *pair) (first, end, start int64) {
	t, _ := db.totals(f, g)
	if t.points > 0 {
		first, end = t.first, t.last+1
	}
	if imported == nil {
		if t.points > 0 {
			start = g.time(first)
		}
		return first, end, start
	}
	start = imported.Start
	was := g.slot(start)
	if t.points == 0 {
		return was, was + imported.Points, start
	}
	if first < was { // older points came since
		start = g.time(first)
	}
	return min(first, was), max(end, was+imported.Points), start
}

// eachCell calls f for every slot from first to before end, missing ones too.
func (db *DB) eachCell(f *feed, g *generation, first, end int64, call func(slot int64, bits uint64) error) error {
	if end <= first {
		return nil
	}
	f.mu.Lock()
	p := &part{r: &reader{db: db, f: f, name: f.name}, g: g, v: g.view(blockOf(first), blockOf(end-1))}
	f.mu.Unlock()
	next := first
	skip := func(to int64) error {
		for ; next < to; next++ {
			if err := call(next, missing); err != nil {
				return err
			}
		}
		return nil
	}
	p.seek(p.jump(blockOf(first)))
	for {
		s, ok := p.next(blockOf(end - 1))
		if !ok {
			return skip(end)
		}
		d := p.decode(s, blockLen)
		base := s.block << blockBits
		if err := skip(max(base, next)); err != nil {
			return err
		}
		for ; next < min(base+blockLen, end); next++ {
			bits := d.bits(int(next - base))
			if next < p.v.trim {
				bits = missing
			}
			if err := call(next, bits); err != nil {
				return err
			}
		}
	}
}
