package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"homehub/tsdb"
)

// benchQuery is what bench query was asked for.
type benchQuery struct {
	dir  string
	zone string
	runs int
	json bool
}

func newBenchQuery() *cobra.Command {
	b := &benchQuery{}
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Time the standard questions on a folder",
		Long: `Time the standard questions on a folder that bench write made, or any other; it
is opened for reading only. They are about the newest year of its first power
and its first counter. Each is asked of a folder just opened (first), of an open
one but moved in time by some seconds (moved), and once more the same (again).`,
		Example: `  homehub bench write --dir /mnt/data/year --span 365d --window 1h
  homehub bench query --dir /mnt/data/year`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case b.dir == "":
				return usageError{errors.New("--dir is missing: name a data folder")}
			case b.runs < 1 || b.runs > 10_000:
				return usageError{fmt.Errorf("--runs %d is not 1 to 10000", b.runs)}
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
	f.StringVar(&b.dir, "dir", "", "data folder")
	f.StringVar(&b.zone, "zone", "Europe/Brussels", "zone of the local days")
	f.IntVar(&b.runs, "runs", 30, "how often each question is asked")
	f.BoolVar(&b.json, "json", false, "print JSON")
	return cmd
}

// queryReport is what bench query found.
type queryReport struct {
	From    time.Time     `json:"from"`
	To      time.Time     `json:"to"`
	Open    latency       `json:"open"`
	Queries []queryTiming `json:"queries"`
}

type queryTiming struct {
	Name   string  `json:"name"`
	Feed   string  `json:"feed"`
	Points int     `json:"points"`
	First  latency `json:"first"`
	Moved  latency `json:"moved"`
	Again  latency `json:"again"`
}

// latency is what half and 99 of 100 runs stayed below.
type latency struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

func latencyOf(took []time.Duration) latency {
	slices.Sort(took)
	at := func(share int) float64 { return float64(took[min(len(took)*share/100, len(took)-1)]) / 1e6 }
	return latency{at(50), at(99)}
}

// question is one of the standard ones.
type question struct {
	name, feed string
	q          tsdb.Query
}

func (b *benchQuery) open() (*tsdb.DB, error) {
	return tsdb.Open(tsdb.Config{Dir: b.dir, ReadOnly: true})
}

func (b *benchQuery) run(cmd *cobra.Command) (report queryReport, err error) {
	db, err := b.open()
	if err != nil {
		return report, err
	}
	questions, err := b.questions(db, &report)
	if err != nil {
		return report, errors.Join(err, db.Close())
	}
	var opened []time.Duration
	for _, q := range questions {
		t := queryTiming{Name: q.name, Feed: q.feed}
		var first, moved, again []time.Duration
		for i := range b.runs {
			if err := cmd.Context().Err(); err != nil {
				return report, errors.Join(err, db.Close())
			}
			begun := time.Now()
			fresh, err := b.open()
			if err != nil {
				return report, errors.Join(err, db.Close())
			}
			opened = append(opened, time.Since(begun))
			took, n, err := ask(fresh, q, 0)
			if err = errors.Join(err, fresh.Close()); err != nil {
				return report, errors.Join(err, db.Close())
			}
			first, t.Points = append(first, took), n
			took, _, err = ask(db, q, time.Duration(i*37+1)*time.Second)
			moved = append(moved, took)
			_, _, err2 := ask(db, q, 0)
			took, _, err3 := ask(db, q, 0)
			again = append(again, took)
			if err = errors.Join(err, err2, err3); err != nil {
				return report, errors.Join(err, db.Close())
			}
		}
		t.First, t.Moved, t.Again = latencyOf(first), latencyOf(moved), latencyOf(again)
		report.Queries = append(report.Queries, t)
	}
	report.Open = latencyOf(opened)
	return report, db.Close()
}

func ask(db *tsdb.DB, q question, back time.Duration) (time.Duration, int, error) {
	q.q.Start, q.q.End = q.q.Start.Add(-back), q.q.End.Add(-back)
	begun := time.Now()
	points, err := db.Query(q.feed, q.q)
	return time.Since(begun), len(points), err
}

// questions makes them for the newest year of the folder.
func (b *benchQuery) questions(db *tsdb.DB, report *queryReport) ([]question, error) {
	zone, err := time.LoadLocation(b.zone)
	if err != nil {
		return nil, usageError{err}
	}
	var power, counter tsdb.Feed
	for _, f := range db.Feeds() {
		switch {
		case f.Points == 0:
		case f.Kind == tsdb.Counter && counter.Points == 0:
			counter = f
		case f.Kind == tsdb.Power && power.Points == 0:
			power = f
		}
	}
	if power.Points == 0 {
		return nil, fmt.Errorf("%s has no power feed with points", b.dir)
	}
	to := power.Last.Add(power.Interval)
	from := to.AddDate(-1, 0, 0)
	if from.Before(power.First) {
		from = power.First
	}
	report.From, report.To = from, to
	step := max(to.Sub(from)/1000, time.Second).Truncate(time.Second)
	of := func(name, feed string, q tsdb.Query) question {
		q.Start, q.End = from, to
		return question{name, feed, q}
	}
	list := []question{
		of("1000 means", power.Name, tsdb.Query{Step: step, Of: tsdb.Mean}),
		of("1000 maxima", power.Name, tsdb.Query{Step: step, Of: tsdb.Max}),
		of("local days, means", power.Name, tsdb.Query{Calendar: tsdb.Day, Location: zone, Of: tsdb.Mean}),
		{"last 24 h, raw", power.Name, tsdb.Query{Start: to.Add(-24 * time.Hour), End: to}},
		{"last 24 h, 288 means", power.Name, tsdb.Query{Start: to.Add(-24 * time.Hour), End: to, Step: 5 * time.Minute, Of: tsdb.Mean}},
	}
	if counter.Points > 0 {
		list = append(list,
			of("1000 differences", counter.Name, tsdb.Query{Step: step, Of: tsdb.Delta}),
			of("local days, differences", counter.Name, tsdb.Query{Calendar: tsdb.Day, Location: zone, Of: tsdb.Delta}))
	}
	return list, nil
}

func (r *queryReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintf(w, "%s to %s, opened in %.2f ms (99 %%: %.2f)\n", stamp(r.From), stamp(r.To), r.Open.P50, r.Open.P99)
	fmt.Fprintln(w, "ms\tPOINTS\tFIRST\t99 %\tMOVED\t99 %\tAGAIN\t99 %")
	for _, q := range r.Queries {
		fmt.Fprintf(w, "%s\t%d\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\n", q.Name, q.Points,
			q.First.P50, q.First.P99, q.Moved.P50, q.Moved.P99, q.Again.P50, q.Again.P99)
	}
	return w.Flush()
}
