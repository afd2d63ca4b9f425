package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"homehub/tsdb"
)

// newFeedFlags describe a feed that an import makes.
type newFeedFlags struct {
	interval time.Duration
	counter  bool
	decimals int
	unit     string
}

func (n *newFeedFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&n.counter, "counter", false, "the feed counts (kWh, m3): differences matter, not means")
	f.IntVar(&n.decimals, "decimals", 0, "digits after the point that its values usually have")
	f.StringVar(&n.unit, "unit", "", "unit, such as W or Wh")
}

func (n *newFeedFlags) config(name string) tsdb.FeedConfig {
	kind := tsdb.Power
	if n.counter {
		kind = tsdb.Counter
	}
	return tsdb.FeedConfig{Name: name, Interval: n.interval, Kind: kind, Decimals: n.decimals, Unit: n.unit}
}

func (f *feedFlags) importText() *cobra.Command {
	var feed newFeedFlags
	var format string
	var resume bool
	cmd := &cobra.Command{
		Use:   "import NAME FILE",
		Short: "Read points from CSV (time,value) or JSON lines",
		Example: `  homehub feed import water_dm3 water.csv --interval 1h --counter --unit dm3
  homehub feed import roof_w roof.jsonl --format jsonl --interval 10s --resume`,
		Args: cobra.ExactArgs(2),
		RunE: f.changing(func(cmd *cobra.Command, db *tsdb.DB, args []string) error {
			as, err := formatOf(format)
			if err != nil {
				return err
			}
			in, size, err := openInput(cmd, args[1])
			if err != nil {
				return err
			}
			defer in.Close()
			progress := newBar(cmd.ErrOrStderr(), "importing "+args[0], size)
			report, err := db.ImportText(feed.config(args[0]), as, in, resume, progress.show)
			progress.done()
			if f.json {
				return errors.Join(printJSON(cmd.OutOrStdout(), report), err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d points from %d lines, %d skipped, %s to %s\n",
				report.Points, report.Lines, report.Skipped, stamp(report.First), stamp(report.Last))
			return err
		}),
	}
	feed.add(cmd)
	cmd.Flags().DurationVar(&feed.interval, "interval", 10*time.Second, "time between two points")
	cmd.Flags().StringVar(&format, "format", "csv", "csv or jsonl")
	cmd.Flags().BoolVar(&resume, "resume", false, "skip what the feed has already: go on after an interruption")
	return cmd
}

func (f *feedFlags) exportText() *cobra.Command {
	var format, start, end string
	cmd := &cobra.Command{
		Use:   "export NAME FILE",
		Short: "Write points as CSV or JSON lines; FILE - is standard output",
		Long: `Write points as CSV or JSON lines; FILE - is standard output. What was written
is told on standard error, with --json as JSON.`,
		Example: "  homehub feed export import_w - --start 2026-01-01T00:00:00Z",
		Args:    cobra.ExactArgs(2),
		RunE: f.reading(func(cmd *cobra.Command, db *tsdb.DB, args []string) (err error) {
			as, err := formatOf(format)
			if err != nil {
				return err
			}
			from, to, err := spanOf(start, end)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if args[1] != "-" {
				file, err := os.Create(args[1])
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, file.Sync(), file.Close()) }()
				out = file
			}
			report, err := db.ExportText(args[0], as, out, from, to, nil)
			if f.json {
				return errors.Join(err, printJSON(cmd.ErrOrStderr(), report))
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d points, %s to %s\n", report.Points, stamp(report.First), stamp(report.Last))
			return err
		}),
	}
	cmd.Flags().StringVar(&format, "format", "csv", "csv or jsonl")
	cmd.Flags().StringVar(&start, "start", "", "first instant (default: the beginning)")
	cmd.Flags().StringVar(&end, "end", "", "first instant that is left out (default: now)")
	return cmd
}

func (f *feedFlags) importPHPFina() *cobra.Command {
	var feed newFeedFlags
	cmd := &cobra.Command{
		Use:     "import-phpfina NAME FILE.meta FILE.dat",
		Short:   "Read a feed of emoncms, bit by bit",
		Example: "  homehub feed import-phpfina old_house_w 12.meta 12.dat --unit W",
		Args:    cobra.ExactArgs(3),
		RunE: f.changing(func(cmd *cobra.Command, db *tsdb.DB, args []string) error {
			meta, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			dat, size, err := openInput(cmd, args[2])
			if err != nil {
				return err
			}
			defer dat.Close()
			progress := newBar(cmd.ErrOrStderr(), "importing "+args[0], size/4)
			report, err := db.ImportPHPFina(feed.config(args[0]), meta, dat, progress.show)
			progress.done()
			if err != nil {
				return err
			}
			return f.phpfina(cmd, report)
		}),
	}
	feed.add(cmd)
	return cmd
}

func (f *feedFlags) exportPHPFina() *cobra.Command {
	return &cobra.Command{
		Use:     "export-phpfina NAME BASE",
		Short:   "Write a feed as BASE.meta and BASE.dat for emoncms",
		Example: "  homehub feed export-phpfina import_w ./12",
		Args:    cobra.ExactArgs(2),
		RunE: f.reading(func(cmd *cobra.Command, db *tsdb.DB, args []string) (err error) {
			dat, err := os.Create(args[1] + ".dat")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, dat.Close()) }()
			meta, report, err := db.ExportPHPFina(args[0], dat, nil)
			if err != nil {
				return err
			}
			if err := errors.Join(dat.Sync(), os.WriteFile(args[1]+".meta", meta, 0o644)); err != nil {
				return err
			}
			return f.phpfina(cmd, report)
		}),
	}
}

func (f *feedFlags) phpfina(cmd *cobra.Command, r tsdb.PHPFinaReport) error {
	if f.json {
		return printJSON(cmd.OutOrStdout(), r)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d points from %s, one every %s, %d missing\n", r.Points, stamp(r.Start), duration(r.Interval), r.Missing)
	if r.Stray > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d stray bytes after the last point were left out\n", r.Stray)
	}
	return nil
}

func formatOf(name string) (tsdb.Format, error) {
	switch name {
	case "csv":
		return tsdb.CSV, nil
	case "jsonl":
		return tsdb.JSONL, nil
	}
	return 0, usageError{fmt.Errorf("--format %q is not one of csv, jsonl", name)}
}

// spanOf reads the bounds of an export; empty ones are open.
func spanOf(start, end string) (from, to time.Time, err error) {
	from, to = time.Unix(0, 0), time.Now().Add(24*time.Hour)
	for text, at := range map[string]*time.Time{start: &from, end: &to} {
		if text == "" {
			continue
		}
		if *at, err = time.Parse(time.RFC3339, text); err != nil {
			return from, to, usageError{fmt.Errorf("%q is not a time like 2026-01-31T07:00:00Z", text)}
		}
	}
	return from, to, nil
}

// openInput opens a file, or standard input for "-", and returns its size (0
// if unknown).
func openInput(cmd *cobra.Command, name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}
