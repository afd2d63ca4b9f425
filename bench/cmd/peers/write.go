package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"homehub/bench/disk"
	"homehub/bench/engine"
	"homehub/internal/workload"
)

const (
	imageSize  = 1 << 30
	window     = 60
	feedCount  = 20 // of the standard work
	rowsPerDay = 86400 / workload.Interval
)

// begin is when the work starts: a midnight in Brussels, far from a change of
// the clocks.
var begin = time.Date(2024, 12, 31, 23, 0, 0, 0, time.UTC)

// place is where an engine writes and how that is counted.
type place struct {
	dir  string
	disk *disk.Image // nil without root
}

func newPlace(options string) (place, error) {
	if disk.Missing() != "" {
		dir, err := os.MkdirTemp(disk.Folder(), "files")
		return place{dir: dir}, err
	}
	i, err := disk.NewImage(disk.Folder(), imageSize, true, options)
	if err != nil {
		return place{}, err
	}
	return place{dir: filepath.Join(i.Dir, "data"), disk: i}, os.Mkdir(filepath.Join(i.Dir, "data"), 0o700)
}

func (p place) close() error {
	if p.disk == nil {
		return os.RemoveAll(p.dir)
	}
	return p.disk.Close()
}

// sync makes the kernel write what it still holds back.
func (p place) sync() error {
	fd, err := unix.Open(p.dir, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(fd), unix.Close(fd))
}

var wchar = regexp.MustCompile(`wchar: (\d+)`)

func (p place) stat() (disk.Stat, error) {
	if p.disk != nil {
		return p.disk.Stat()
	}
	raw, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return disk.Stat{}, err
	}
	n, err := strconv.ParseInt(string(wchar.FindSubmatch(raw)[1]), 10, 64)
	return disk.Stat{Bytes: n}, err
}

// allocated are the bytes that the files of a folder take.
func allocated(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	return n, err
}

func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// snapshot is what was used up to now.
type snapshot struct {
	disk.Stat
	cpu   time.Duration
	bytes int64
}

func (p place) snapshot() (s snapshot, err error) {
	s.cpu = cpuTime()
	if err = p.sync(); err != nil {
		return s, err
	}
	if s.Stat, err = p.stat(); err == nil {
		s.bytes, err = allocated(p.dir)
	}
	return s, err
}

func writeTable(kinds []engine.Kind, days int) error {
	if why := disk.Missing(); why != "" {
		fmt.Printf("No ext4 images (%s): the bytes are those handed to write calls.\n\n", why)
	}
	fmt.Printf("%d feeds, one row per %d s, durable per %d s; mean of %d days after the first.\n\n", feedCount, workload.Interval, window, days-1)
	fmt.Println("| engine | MB a day | write IOs | flushes | CPU s | bytes per point |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, k := range kinds {
		first, last, err := writeDays(k, days)
		if err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
		n := float64(days - 1)
		d := last.Sub(first.Stat)
		fmt.Printf("| %s | %.2f | %.0f | %.0f | %.1f | %.2f |\n", k.Name, float64(d.Bytes)/n/1e6, float64(d.Writes)/n, float64(d.Flushes)/n,
			(last.cpu-first.cpu).Seconds()/n, float64(last.bytes-first.bytes)/n/float64(rowsPerDay*feedCount))
	}
	return nil
}

// writeDays runs the work and returns the counters after the first and after
// the last day.
func writeDays(k engine.Kind, days int) (first, last snapshot, err error) {
	p, err := newPlace("")
	if err != nil {
		return first, last, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	now := begin
	e, err := k.Open(engine.Config{Dir: p.dir, Feeds: workload.New(1, feedCount).Feeds(), Now: func() time.Time { return now }})
	if err != nil {
		return first, last, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	src := workload.New(1, feedCount)
	var row []float64
	for i := range days * rowsPerDay {
		at := begin.Unix() + int64(i)*workload.Interval
		now = time.Unix(at, 0)
		row = src.Next(row)
		if err := e.Append(at, row); err != nil {
			return first, last, err
		}
		if (i+1)%(window/workload.Interval) == 0 {
			if err := e.Flush(at); err != nil {
				return first, last, err
			}
		}
		if i+1 == rowsPerDay {
			if first, err = p.snapshot(); err != nil {
				return first, last, err
			}
		}
	}
	last, err = p.snapshot()
	return first, last, err
}
