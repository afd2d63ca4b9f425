package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"homehub/tsdb"
)

// feedFlags are common to all feed commands.
type feedFlags struct {
	dir  string
	json bool
}

func newFeed() *cobra.Command {
	f := &feedFlags{}
	cmd := &cobra.Command{
		Use:   "feed",
		Short: "Look at and repair the stored history",
		Long: `Look at and repair the stored history. list, info, check and the exports read
only: they work beside a running hub, and show what it has brought to the disk,
which is all but about the last minute. The others change the folder, so the
hub must be stopped for them.`,
	}
	cmd.PersistentFlags().StringVar(&f.dir, "data", defaults().Data.Dir, "data folder")
	cmd.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.AddCommand(f.list(), f.info(), f.check(), f.repair(), f.trim(), f.delete(),
		f.importText(), f.exportText(), f.importPHPFina(), f.exportPHPFina())
	return cmd
}

type feedRun func(cmd *cobra.Command, db *tsdb.DB, args []string) error

// reading runs a command that changes nothing. A hub may have the folder open.
func (f *feedFlags) reading(run feedRun) func(*cobra.Command, []string) error {
	return f.with(tsdb.Config{ReadOnly: true}, run)
}

// changing runs a command on the folder, which no hub may have open.
func (f *feedFlags) changing(run feedRun) func(*cobra.Command, []string) error {
	return f.with(tsdb.Config{}, run)
}

func (f *feedFlags) with(cfg tsdb.Config, run feedRun) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		if _, err := os.Stat(f.dir); err != nil {
			return fmt.Errorf("opening the data folder: %w", err)
		}
		cfg.Dir = f.dir
		cfg.Logger, _ = newLogger(cmd.ErrOrStderr(), slog.LevelError)
		db, err := tsdb.Open(cfg)
		if errors.Is(err, tsdb.ErrLocked) && !cfg.ReadOnly {
			return fmt.Errorf("this changes the history, so the hub must be stopped first: %w", err)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		if t := db.Status().Troubles; len(t) > 0 && cfg.ReadOnly {
			return fmt.Errorf("reading %s: %s", f.dir, t[0].Why)
		}
		return run(cmd, db, args)
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// feedLine is a feed in the words of the API.
type feedLine struct {
	Name        string     `json:"name"`
	Unit        string     `json:"unit"`
	Counter     bool       `json:"counter"`
	Decimals    int        `json:"decimals"`
	IntervalS   int64      `json:"interval_s"`
	First       *time.Time `json:"first"` // null where there is no point
	Last        *time.Time `json:"last"`
	Durable     *time.Time `json:"durable_until"`
	Points      int64      `json:"points"`
	Bytes       int64      `json:"bytes"`
	Generations int        `json:"generations"` // one more for each change of the interval
}

func lineOfFeed(d tsdb.Feed) feedLine {
	given := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return feedLine{
		d.Name, d.Unit, d.Kind == tsdb.Counter, d.Decimals, int64(d.Interval / time.Second),
		given(d.First), given(d.Last), given(d.Durable), d.Points, d.Bytes, d.Generations,
	}
}

func (f *feedFlags) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List all feeds",
		Args:  cobra.NoArgs,
		RunE: f.reading(func(cmd *cobra.Command, db *tsdb.DB, _ []string) error {
			if f.json {
				lines := []feedLine{}
				for _, d := range db.Feeds() {
					lines = append(lines, lineOfFeed(d))
				}
				return printJSON(cmd.OutOrStdout(), lines)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
			fmt.Fprintln(w, "FEED\tKIND\tUNIT\tEVERY\tPOINTS\tBYTES\tFIRST\tLAST")
			for _, d := range db.Feeds() {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", d.Name, d.Kind, d.Unit, duration(d.Interval), d.Points, d.Bytes, stamp(d.First), stamp(d.Last))
			}
			return w.Flush()
		}),
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func (f *feedFlags) info() *cobra.Command {
	return &cobra.Command{
		Use:   "info NAME",
		Short: "Show one feed",
		Args:  cobra.ExactArgs(1),
		RunE: f.reading(func(cmd *cobra.Command, db *tsdb.DB, args []string) error {
			for _, d := range db.Feeds() {
				if d.Name != args[0] {
					continue
				}
				if f.json {
					return printJSON(cmd.OutOrStdout(), lineOfFeed(d))
				}
				fmt.Fprintf(cmd.OutOrStdout(), "feed      %s\nkind      %s\nunit      %s\nevery     %s\npoints    %d\nbytes     %d\nfirst     %s\nlast      %s\ndurable   %s\n",
					d.Name, d.Kind, d.Unit, duration(d.Interval), d.Points, d.Bytes, stamp(d.First), stamp(d.Last), stamp(d.Durable))
				return nil
			}
			return fmt.Errorf("there is no feed %q in %s", args[0], f.dir)
		}),
	}
}

func (f *feedFlags) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Read every block and say whether it is whole; changes nothing",
		Args:  cobra.NoArgs,
		RunE: f.reading(func(cmd *cobra.Command, db *tsdb.DB, _ []string) error {
			return f.report(cmd, db.Check(nil))
		}),
	}
}

func (f *feedFlags) repair() *cobra.Command {
	return &cobra.Command{
		Use:   "repair",
		Short: "Make damaged indexes again; readings are never deleted or overwritten",
		Args:  cobra.NoArgs,
		RunE: f.changing(func(cmd *cobra.Command, db *tsdb.DB, _ []string) error {
			report, err := db.Repair(nil)
			if err != nil {
				return err
			}
			return f.report(cmd, report)
		}),
	}
}

// report prints what was found; damage is exit code 1.
func (f *feedFlags) report(cmd *cobra.Command, r tsdb.CheckReport) error {
	out := cmd.OutOrStdout()
	if f.json {
		if err := printJSON(out, r); err != nil {
			return err
		}
	} else {
		for _, b := range r.Bad {
			fmt.Fprintf(out, "%s: %s to %s can not be read: %s\n", b.Feed, stamp(b.From), stamp(b.To), b.Why)
		}
		fmt.Fprintf(out, "%d segments, %d blocks, %d points, %d bytes, %d indexes made again, %d damaged\n",
			r.Segments, r.Blocks, r.Points, r.Bytes, r.Indexed, len(r.Bad))
	}
	if len(r.Bad) > 0 {
		return errSilent
	}
	return nil
}

func (f *feedFlags) trim() *cobra.Command {
	var before string
	cmd := &cobra.Command{
		Use:     "trim NAME --before TIME",
		Short:   "Forget what a feed has from before a time",
		Example: "  homehub feed trim import_w --before 2020-01-01T00:00:00Z",
		Args:    cobra.ExactArgs(1),
		RunE: f.changing(func(cmd *cobra.Command, db *tsdb.DB, args []string) error {
			at, err := time.Parse(time.RFC3339, before)
			if err != nil {
				return usageError{errors.New("--before needs a time like 2020-01-01T00:00:00Z")}
			}
			return f.done(cmd, feedChange{Feed: args[0], Before: &at}, db.Trim(args[0], at))
		}),
	}
	cmd.Flags().StringVar(&before, "before", "", "the first instant that stays")
	return cmd
}

func (f *feedFlags) delete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME",
		Short: "Forget a feed and all that it has",
		Args:  cobra.ExactArgs(1),
		RunE: f.changing(func(cmd *cobra.Command, db *tsdb.DB, args []string) error {
			return f.done(cmd, feedChange{Feed: args[0], Deleted: true}, db.Delete(args[0]))
		}),
	}
}

// feedChange is what trim and delete did, for programs.
type feedChange struct {
	Feed    string     `json:"feed"`
	Before  *time.Time `json:"trimmed_before,omitempty"`
	Deleted bool       `json:"deleted,omitempty"`
}

func (f *feedFlags) done(cmd *cobra.Command, c feedChange, err error) error {
	if err != nil || !f.json {
		return err
	}
	return printJSON(cmd.OutOrStdout(), c)
}
