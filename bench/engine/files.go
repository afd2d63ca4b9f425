package engine

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"homehub/internal/workload"
)

// files keeps a feed as emoncms' PHPFina does: a file of float32, whose place
// says the time. PHPFina itself never flushes; here the window is made durable
// by one syncfs, or by one fdatasync per file.
type files struct {
	buffer
	each  bool
	bulk  bool
	feeds []*os.File
	start int64
}

func openFiles(c Config, each bool) (Engine, error) {
	e := &files{each: each, bulk: c.Bulk}
	for _, f := range c.Feeds {
		file, err := os.OpenFile(filepath.Join(c.Dir, f.Name+".dat"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		e.feeds = append(e.feeds, file)
	}
	meta, err := os.ReadFile(filepath.Join(c.Dir, "meta"))
	if err == nil {
		e.start = int64(binary.LittleEndian.Uint64(meta))
	} else if errors.Is(err, os.ErrNotExist) {
		e.start = c.Now().Unix() / workload.Interval * workload.Interval
		err = os.WriteFile(filepath.Join(c.Dir, "meta"), binary.LittleEndian.AppendUint64(nil, uint64(e.start)), 0o600)
	}
	return e, err
}

func (e *files) Flush(int64) error {
	if len(e.rows) == 0 {
		return nil
	}
	for i, f := range e.feeds {
		var b []byte
		for _, r := range e.rows {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(r.vals[i])))
		}
		if _, err := f.WriteAt(b, (e.rows[0].at-e.start)/workload.Interval*4); err != nil {
			return err
		}
		if e.each {
			if err := unix.Fdatasync(int(f.Fd())); err != nil {
				return err
			}
		}
	}
	e.rows = e.rows[:0]
	if e.each || e.bulk {
		return nil
	}
	return unix.Syncfs(int(e.feeds[0].Fd()))
}

// read hands over the points of a file between two instants, in pieces.
func (e *files) read(feed int, from, to int64, piece []byte, do func(piece []byte)) (err error) {
	first := max(0, (from-e.start+workload.Interval-1)/workload.Interval*4)
	end := (to - e.start + workload.Interval - 1) / workload.Interval * 4
	for at := first; at < end && err == nil; {
		var got int
		got, err = e.feeds[feed].ReadAt(piece[:min(int64(len(piece)), end-at)], at)
		do(piece[:got&^3])
		at += int64(got)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

func floatAt(b []byte) float64 {
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
}

func (e *files) Means(q Query) (out []float64, err error) {
	piece := make([]byte, 64<<10)
	bounds := q.Bounds()
	for i, from := range bounds[:len(bounds)-1] {
		n, sum := 0, 0.0
		err := e.read(q.Feed, from, bounds[i+1], piece, func(b []byte) {
			k, part := sum32(b)
			n, sum = n+k, sum+part
		})
		if err != nil {
			return nil, err
		}
		out = append(out, sum/float64(n))
	}
	return out, nil
}

func sum32(b []byte) (n int, sum float64) {
	for ; len(b) > 0; b = b[4:] {
		if v := floatAt(b); v == v {
			n++
			sum += v
		}
	}
	return n, sum
}

func (e *files) Raw(feed int, from, to int64) (n int, sum uint64, err error) {
	err = e.read(feed, from, to, make([]byte, 64<<10), func(b []byte) {
		k, part := bits32(b)
		n, sum = n+k, sum+part
	})
	return n, sum, err
}

func bits32(b []byte) (n int, sum uint64) {
	for ; len(b) > 0; b = b[4:] {
		if v := floatAt(b); v == v {
			n++
			sum += math.Float64bits(v)
		}
	}
	return n, sum
}

func (e *files) Close() (err error) {
	err = e.Flush(0)
	for _, f := range e.feeds {
		err = errors.Join(err, f.Close())
	}
	return err
}
