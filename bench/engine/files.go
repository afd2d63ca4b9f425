package engine

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"homehub/bench/work"
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
		e.start = c.Now().Unix() / work.Interval * work.Interval
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
		if _, err := f.WriteAt(b, (e.rows[0].at-e.start)/work.Interval*4); err != nil {
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

// scan reads points in pieces of 64 KiB.
func (e *files) scan(feed int, from, to int64, point func(at int64, v float64)) error {
	b := make([]byte, 64<<10)
	first := max(0, (from-e.start+work.Interval-1)/work.Interval)
	end := (to - e.start + work.Interval - 1) / work.Interval
	for i := first; i < end; {
		n, err := e.feeds[feed].ReadAt(b[:min(int64(len(b)), (end-i)*4)], i*4)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for j := 0; j+4 <= n; j += 4 {
			if v := math.Float32frombits(binary.LittleEndian.Uint32(b[j:])); v == v {
				point(e.start+i*work.Interval, float64(v))
			}
			i++
		}
		if err != nil {
			return nil
		}
	}
	return nil
}

func (e *files) Means(q Query) ([]float64, error) {
	m := mean{bounds: q.Bounds()}
	err := e.scan(q.Feed, q.From, q.To, m.add)
	return m.done(), err
}

func (e *files) Raw(feed int, from, to int64) (n int, sum float64, err error) {
	err = e.scan(feed, from, to, func(_ int64, v float64) { n++; sum += v })
	return n, sum, err
}

func (e *files) Close() (err error) {
	err = e.Flush(0)
	for _, f := range e.feeds {
		err = errors.Join(err, f.Close())
	}
	return err
}
