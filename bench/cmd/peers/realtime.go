package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"homehub/bench/disk"
	"homehub/bench/engine"
	"homehub/internal/workload"
)

// lane is an engine on a file system of its own, fed by the wall clock.
type lane struct {
	name, mount string
	place
	ring *disk.Image // homehub's raw partition, or nil
	eng  engine.Engine
	from disk.Stat
}

// The mounts: what the kernel takes if nothing is said, and a journal that is
// committed rarely. Lazytime should spare the commits of a time stamp, and does
// not: ext4 counts a file's versions with its time stamps.
const (
	hourly     = "commit=3600"
	lazyHourly = "lazytime,commit=3600"
	daily      = "commit=86400"
)

// commits is how often a day the journal of a mount is committed without
// being asked to, 0 if that falls into every measurement.
func commits(mount string) float64 {
	switch mount {
	case hourly, lazyHourly:
		return 24
	case daily:
		return 1
	}
	return 0
}

func newLane(k engine.Kind, mount string, rawRing bool) (*lane, error) {
	p, err := newPlace(mount)
	if err != nil {
		return nil, err
	}
	l := &lane{name: k.Name, mount: mount, place: p}
	cfg := engine.Config{Dir: p.dir, Feeds: workload.New(1, feedCount).Feeds(), Now: time.Now}
	if rawRing {
		l.name += ", ring on a raw partition"
		if l.ring, err = disk.NewImage(disk.Folder(), 16<<20, false, ""); err != nil {
			return nil, errors.Join(err, p.close())
		}
		cfg.Ring = l.ring.Path
	}
	if l.eng, err = k.Open(cfg); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lane) close() (err error) {
	if l.eng != nil {
		err = l.eng.Close()
	}
	if l.ring != nil {
		err = errors.Join(err, l.ring.Close())
	}
	return errors.Join(err, l.place.close())
}

func (l *lane) stat() (disk.Stat, error) {
	s, err := l.place.stat()
	if l.ring != nil && err == nil {
		var r disk.Stat
		r, err = l.ring.Stat()
		s = disk.Stat{Writes: s.Writes + r.Writes, Bytes: s.Bytes + r.Bytes, Flushes: s.Flushes + r.Flushes}
	}
	return s, err
}

// lanes opens every engine on the default mount and on those that commit once
// an hour and once a day, homehub also with a raw ring.
func lanes(kinds []engine.Kind) (list []*lane, err error) {
	for _, k := range kinds {
		for _, v := range []struct {
			mount string
			raw   bool
		}{{"", false}, {hourly, false}, {daily, false}, {lazyHourly, false}, {"", true}} {
			if (v.raw || v.mount == lazyHourly) && k.Name != "homehub" {
				continue
			}
			l, err := newLane(k, v.mount, v.raw)
			if err != nil {
				return list, fmt.Errorf("%s: %w", k.Name, err)
			}
			list = append(list, l)
		}
	}
	return list, nil
}

func realtimeTable(kinds []engine.Kind, warm, span time.Duration) (err error) {
	if why := disk.Missing(); why != "" {
		return fmt.Errorf("the wall clock needs ext4 images: %s", why)
	}
	list, err := lanes(kinds)
	defer func() {
		for _, l := range list {
			err = errors.Join(err, l.close())
		}
	}()
	if err != nil {
		return err
	}
	warmRows, rows := int(warm/time.Second/workload.Interval), int(span/time.Second/workload.Interval)
	rows = max(1, rows/6) * 6 // whole windows
	if err := feed(list, warmRows, rows); err != nil {
		return err
	}
	length := time.Duration(rows) * workload.Interval * time.Second
	fmt.Printf("\n%d feeds by the wall clock, %v counted after %v, scaled to a day.\n\n", feedCount, length, warm)
	fmt.Println("| engine | mount noatime and | sectors | MB a day | write IOs | flushes | KiB of a journal commit |")
	fmt.Println("|---|---|---|---|---|---|---|")
	perDay := float64(24*time.Hour) / float64(length)
	for _, l := range list {
		if err := l.report(perDay); err != nil {
			return err
		}
	}
	return nil
}

// report prints the line of a lane. Of the rare commits none falls into the
// time counted, so one is made now and counted as often as a day has them.
func (l *lane) report(perDay float64) error {
	end, err := l.stat()
	if err != nil {
		return err
	}
	if err := l.sync(); err != nil {
		return err
	}
	synced, err := l.stat()
	if err != nil {
		return err
	}
	d, commit := end.Sub(l.from), synced.Sub(end)
	mb := (float64(d.Bytes)*perDay + commits(l.mount)*float64(commit.Bytes)) / 1e6
	mount := cmp.Or(l.mount, "defaults")
	fmt.Printf("| %s | %s | %d | %.2f | %.0f | %.0f | %.0f |\n", l.name, mount, d.Bytes/512, mb, float64(d.Writes)*perDay, float64(d.Flushes)*perDay, float64(commit.Bytes)/1024)
	return nil
}

// feed gives every lane the same row each 10 s, and flushes them all at the
// same time once a window. Counting begins in the middle between two flushes.
func feed(list []*lane, warmRows, rows int) error {
	tick := time.NewTicker(workload.Interval * time.Second)
	defer tick.Stop()
	src := workload.New(1, feedCount)
	var row []float64
	for i := range warmRows + rows {
		if i == warmRows {
			for _, l := range list {
				err := l.sync() // the making of the files is not part of a day
				if err == nil {
					l.from, err = l.stat()
				}
				if err != nil {
					return err
				}
			}
		}
		at := (<-tick.C).Unix()
		row = src.Next(row)
		if err := each(list, func(l *lane) error { return l.eng.Append(at, row) }); err != nil {
			return err
		}
		if i%6 == 2 {
			if err := each(list, func(l *lane) error { return l.eng.Flush(at) }); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%v\n", time.Duration(i+1)*workload.Interval*time.Second)
		}
	}
	<-tick.C
	return nil
}

func each(list []*lane, do func(*lane) error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, l := range list {
		wg.Go(func() {
			if err := do(l); err != nil {
				errs[i] = fmt.Errorf("%s: %w", l.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
