package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homehub/internal/workload"
	"homehub/tsdb"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the storage engine on this machine",
		Long: `Measure the storage engine on this machine, with the standard work of
docs/benchmarks.md: 8 powers, 4 energy counters, 4 temperatures, 2 voltages and
2 plugs of a house, one value each per 10 s.`,
	}
	cmd.AddCommand(newBenchWrite(), newBenchQuery())
	return cmd
}

// benchWrite is what bench write was asked for.
type benchWrite struct {
	dir      string
	feeds    int
	interval time.Duration
	span     span
	window   time.Duration
	seed     uint64
	realtime bool
	json     bool
}

func newBenchWrite() *cobra.Command {
	b := &benchWrite{span: span(24 * time.Hour)}
	cmd := &cobra.Command{
		Use:   "write",
		Short: "Write the standard work into an empty folder and say what it cost",
		Long: `Write the standard work into an empty folder and say what it cost. Without
--realtime a simulated clock drives it, which hides what file systems write on
timers of their own: a fair figure needs --realtime and ten minutes. On Linux
the sectors are those of the device that holds the folder; whatever else writes
to it meanwhile is in them too.`,
		Example: `  homehub bench write --dir /mnt/data/bench
  homehub bench write --dir /mnt/data/bench --span 12m --realtime
  homehub bench write --dir /mnt/data/year --span 365d --window 1h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := b.check(); err != nil {
				return usageError{err}
			}
			report, err := b.run(cmd)
			if err != nil {
				return err
			}
			if b.json {
				return printJSON(cmd.OutOrStdout(), report)
			}
			return report.print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&b.dir, "dir", "", "folder for the data: empty, or not there yet")
	f.IntVar(&b.feeds, "feeds", 20, "number of feeds")
	f.DurationVar(&b.interval, "interval", 10*time.Second, "time between two points of a feed")
	f.Var(&b.span, "span", "how much to write, like 24h or 365d")
	f.DurationVar(&b.window, "window", time.Minute, "what a power cut may cost: one flush per window")
	f.Uint64Var(&b.seed, "seed", 1, "seed of the values")
	f.BoolVar(&b.realtime, "realtime", false, "live through the span by the wall clock")
	f.BoolVar(&b.json, "json", false, "print JSON")
	return cmd
}

func (b *benchWrite) check() error {
	switch {
	case b.dir == "":
		return errors.New("--dir is missing: name an empty folder on the device to measure")
	case b.feeds < 1 || b.feeds > 10_000:
		return fmt.Errorf("--feeds %d is not 1 to 10000", b.feeds)
	case b.interval < time.Second || b.interval > time.Hour || b.interval%time.Second != 0:
		return fmt.Errorf("--interval %v is not whole seconds up to 1h", b.interval)
	case b.window < b.interval || b.window > time.Hour || b.window%b.interval != 0:
		return fmt.Errorf("--window %v is not a multiple of the interval up to 1h", b.window)
	case time.Duration(b.span) < b.window:
		return fmt.Errorf("--span is shorter than a window of %v", b.window)
	}
	names, err := os.ReadDir(b.dir)
	if len(names) > 0 {
		return fmt.Errorf("%s is not empty", b.dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// writeReport is what bench write found.
type writeReport struct {
	Feeds         int          `json:"feeds"`
	Points        int64        `json:"points"`
	Windows       int64        `json:"windows"`
	Flushes       int64        `json:"flushes"`         // by the engine's count
	Bytes         int64        `json:"bytes"`           // by the engine's count
	BytesPerDay   float64      `json:"bytes_per_day"`   // of simulated or real time
	StoredBytes   int64        `json:"stored_bytes"`    // closed blocks and their indexes
	BytesPerPoint float64      `json:"bytes_per_point"` // of those
	Device        *deviceCount `json:"device"`          // null if the kernel tells nothing
	DevicePerDay  float64      `json:"device_bytes_per_day"`
	WallSeconds   float64      `json:"wall_s"`
	CPUSeconds    float64      `json:"cpu_s"`
	Realtime      bool         `json:"realtime"`
}

func (b *benchWrite) run(cmd *cobra.Command) (report writeReport, err error) {
	now := time.Now().UTC().Truncate(time.Hour)
	if !b.realtime {
		now = now.Add(-time.Duration(b.span)).Truncate(time.Hour)
	}
	db, err := tsdb.Open(tsdb.Config{Dir: b.dir, Window: b.window, Now: func() time.Time { return now }})
	if err != nil {
		return report, err
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, db.Close())
		}
	}()
	source := workload.New(b.seed, b.feeds)
	for _, f := range source.Feeds() {
		cfg := tsdb.FeedConfig{Name: f.Name, Interval: b.interval, Decimals: f.Decimals, Unit: f.Unit}
		if f.Counter {
			cfg.Kind = tsdb.Counter
		}
		if err := db.Create(cfg); err != nil {
			return report, err
		}
	}
	device := newDevice(b.dir)
	device.settle()
	made, before, cpu, begun := db.Status(), device.count(), cpuSeconds(), time.Now()
	if err := b.live(cmd, db, source, &now); err != nil {
		return report, err
	}
	report.WallSeconds, report.CPUSeconds = time.Since(begun).Seconds(), cpuSeconds()-cpu
	device.settle()
	report.Device = device.count().since(before)
	report.Realtime = b.realtime
	open = false
	done := db.Status()
	err = errors.Join(db.Persist(), report.count(b, db, done, made))
	return report, errors.Join(err, db.Close())
}

// live writes the span, one flush per window.
func (b *benchWrite) live(cmd *cobra.Command, db *tsdb.DB, source *workload.Source, now *time.Time) error {
	steps, perWindow := int64(time.Duration(b.span)/b.interval), int64(b.window/b.interval)
	tick := time.NewTicker(b.interval)
	defer tick.Stop()
	progress := newBar(cmd.ErrOrStderr(), "writing", steps)
	defer progress.done()
	var vals []float64
	for i := int64(1); i <= steps; i++ {
		if b.realtime {
			select {
			case <-tick.C:
			case <-cmd.Context().Done():
				return cmd.Context().Err()
			}
		}
		*now = now.Add(b.interval)
		vals = source.Next(vals)
		for f, feed := range source.Feeds() {
			if err := db.Append(feed.Name, *now, vals[f]); err != nil {
				return err
			}
		}
		if i%perWindow == 0 {
			if err := errors.Join(db.Flush(*now), cmd.Context().Err()); err != nil {
				return err
			}
			progress.show(i)
		}
	}
	return nil
}

// count fills in what the engine and the folder say.
func (r *writeReport) count(b *benchWrite, db *tsdb.DB, now, made tsdb.Status) error {
	days := float64(b.span) / float64(24*time.Hour)
	r.Feeds, r.Windows = b.feeds, int64(time.Duration(b.span)/b.window)
	r.Flushes, r.Bytes = now.Flushes-made.Flushes, now.BytesTotal-made.BytesTotal
	r.BytesPerDay = float64(r.Bytes) / days
	if r.Device != nil {
		r.DevicePerDay = float64(r.Device.Bytes) / days
	}
	for _, f := range db.Feeds() {
		r.Points += f.Points
	}
	stored := db.Check(nil)
	r.StoredBytes = stored.Bytes
	files, err := filepath.Glob(filepath.Join(b.dir, "*.hhx"))
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			r.StoredBytes += info.Size()
		}
	}
	if stored.Points > 0 {
		r.BytesPerPoint = float64(r.StoredBytes) / float64(stored.Points)
	}
	return err
}

func (r *writeReport) print(w io.Writer) error {
	clock := "simulated clock"
	if r.Realtime {
		clock = "wall clock"
	}
	_, err := fmt.Fprintf(w, "%d points of %d feeds, %d windows, %s\n", r.Points, r.Feeds, r.Windows, clock)
	line := func(what, format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, "%-22s"+format+"\n", append([]any{what}, args...)...)
		}
	}
	line("handed to the device", "%d bytes, %d flushes: %.3f MB a day", r.Bytes, r.Flushes, r.BytesPerDay/1e6)
	if d := r.Device; d != nil {
		line("device "+d.Name, "%d bytes in %d writes, %d flushes: %.3f MB a day", d.Bytes, d.Writes, d.Flushes, r.DevicePerDay/1e6)
	} else {
		line("device", "the kernel counts nothing for this folder")
	}
	if r.BytesPerPoint > 0 {
		line("stored for ever", "%d bytes: %.3f a point", r.StoredBytes, r.BytesPerPoint)
	}
	line("time", "%.2f s, %.2f s of CPU: %.0f ns a point", r.WallSeconds, r.CPUSeconds, r.CPUSeconds/float64(max(1, r.Points))*1e9)
	return err
}

// deviceCount is what the kernel sent to a block device.
type deviceCount struct {
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`
	Writes  int64  `json:"writes"`
	Flushes int64  `json:"flushes"`
}

func (d *deviceCount) since(before *deviceCount) *deviceCount {
	if d == nil || before == nil {
		return nil
	}
	return &deviceCount{d.Name, d.Bytes - before.Bytes, d.Writes - before.Writes, d.Flushes - before.Flushes}
}

// parseDeviceStat reads /sys/block/NAME/stat: writes, sectors of 512 bytes
// written, and flushes are its 5th, 7th and 16th number
// (Documentation/block/stat.rst of the kernel).
func parseDeviceStat(name, text string) *deviceCount {
	var n [17]int64
	fields := strings.Fields(text)
	if len(fields) < 7 {
		return nil
	}
	for i, f := range fields[:min(len(fields), len(n))] {
		if _, err := fmt.Sscan(f, &n[i]); err != nil {
			return nil
		}
	}
	return &deviceCount{Name: name, Bytes: n[6] * 512, Writes: n[4], Flushes: n[15]}
}
