package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"
	_ "time/tzdata" // Brussels everywhere

	"homehub/bench/engine"
	"homehub/internal/workload"
)

const (
	yearRows = 365 * rowsPerDay
	rounds   = 3
)

// questions are what is asked of the year, in the order of the table.
var questions = []string{"1,000 means", "365 local days", "last 24 h raw"}

// reply is what a fresh process found out about one question.
type reply struct {
	Open, First, Warm time.Duration
	N                 int
	Sum               float64 // of the means, or
	Bits              uint64  // of the points
}

func (r *reply) best(o reply) {
	r.Open, r.First, r.Warm = min(r.Open, o.Open), min(r.First, o.First), min(r.Warm, o.Warm)
}

func yearConfig(dir string, now *time.Time) engine.Config {
	return engine.Config{Dir: dir, Feeds: []workload.Feed{{Name: "house"}}, Now: func() time.Time { return *now }}
}

// answer opens a year in this process and asks one question, the first time
// and again.
func answer(name, question, dir string) error {
	k, ok := engine.Find(name)
	if !ok {
		return fmt.Errorf("no engine %q", name)
	}
	brussels, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		return err
	}
	var r reply
	start := time.Now()
	now := begin.Add(yearRows * workload.Interval * time.Second)
	e, err := k.Open(yearConfig(dir, &now))
	if err != nil {
		return err
	}
	defer e.Close()
	r.Open = time.Since(start)
	start = time.Now()
	if err = query(e, question, brussels, &r); err != nil {
		return err
	}
	r.First = time.Since(start)
	r.Warm = r.First
	for begun, i := time.Now(), 0; i < 2 || i < 50 && time.Since(begun) < 2*time.Second; i++ {
		start = time.Now()
		if err := query(e, question, brussels, &r); err != nil {
			return err
		}
		r.Warm = min(r.Warm, time.Since(start))
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func query(e engine.Engine, question string, zone *time.Location, r *reply) (err error) {
	q := engine.Query{From: begin.Unix(), To: begin.Unix() + yearRows*workload.Interval}
	switch question {
	case "1,000 means":
		q.Step = (q.To - q.From) / 1000
	case "365 local days":
		q.Days = zone
	default:
		r.N, r.Bits, err = e.Raw(0, q.To-86400, q.To)
		return err
	}
	means, err := e.Means(q)
	r.N, r.Sum = len(means), 0
	for _, v := range means {
		r.Sum += v
	}
	return err
}

// build fills a folder with the year.
func build(k engine.Kind, dir string) error {
	now := begin
	cfg := yearConfig(dir, &now)
	cfg.Bulk = true
	e, err := k.Open(cfg)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(e, &now), e.Close()); err != nil {
		return err
	}
	cfg.Bulk = false // once as always, for what is only done then
	if e, err = k.Open(cfg); err != nil {
		return err
	}
	return errors.Join(e.Flush(now.Unix()), e.Close())
}

func fill(e engine.Engine, now *time.Time) error {
	src := workload.New(2, 1)
	row := make([]float64, 1)
	for i := range yearRows {
		at := begin.Unix() + int64(i)*workload.Interval
		*now = time.Unix(at, 0)
		row = src.Next(row)
		if err := e.Append(at, row); err != nil {
			return err
		}
		if i%360 == 359 { // an hour
			if err := e.Flush(at); err != nil {
				return err
			}
		}
	}
	return e.Flush(now.Unix())
}

// subject is an engine with its year and its best answers.
type subject struct {
	engine.Kind
	dir     string
	bytes   int64
	replies map[string]reply
}

func queryTable(kinds []engine.Kind) error {
	// not in RAM: there Prometheus clears half a GiB for every block it makes
	folder, err := os.MkdirTemp("", "homehub-years-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	var list []*subject
	for _, k := range kinds {
		if !k.Year {
			continue
		}
		s := &subject{Kind: k, dir: filepath.Join(folder, fmt.Sprint("year", len(list))), replies: map[string]reply{}}
		if err := os.Mkdir(s.dir, 0o700); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "a year in", k.Name)
		if err := build(k, s.dir); err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
		var err error
		if s.bytes, err = allocated(s.dir); err != nil {
			return err
		}
		list = append(list, s)
	}
	for range rounds { // interleaved, so that a busy machine is busy for all
		for _, question := range questions {
			for _, s := range list {
				if err := s.ask(question); err != nil {
					return fmt.Errorf("%s, %s: %w", s.Name, question, err)
				}
				if err := agree(list[0].replies[question], s.replies[question]); err != nil {
					return fmt.Errorf("%s, %s: %w", s.Name, question, err)
				}
			}
		}
	}
	printAnswers(list)
	return nil
}

func (s *subject) ask(question string) error {
	cmd := exec.Command("/proc/self/exe", "-ask", s.Name, "-what", question, s.dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var r reply
	if err := json.Unmarshal(out, &r); err != nil {
		return fmt.Errorf("reading %q: %w", out, err)
	}
	if old, ok := s.replies[question]; ok {
		r.best(old)
	}
	s.replies[question] = r
	return nil
}

// agree says whether two engines gave the same answer.
func agree(a, b reply) error {
	if a.N != b.N || a.Bits != b.Bits || !(math.Abs(a.Sum-b.Sum) <= 1e-9*math.Abs(a.Sum)) {
		return fmt.Errorf("%d values that sum up to %v (%x), the first engine has %d and %v (%x)", b.N, b.Sum, b.Bits, a.N, a.Sum, a.Bits)
	}
	return nil
}

func printAnswers(list []*subject) {
	fmt.Printf("\nOne feed, one year at %d s (%d points), ms; first: of a fresh process, after Open; in brackets the ratio to the first line; best of %d processes.\n\n", workload.Interval, yearRows, rounds)
	fmt.Print("| engine | MB | open |")
	for _, q := range questions {
		fmt.Printf(" %s, first | warm |", q)
	}
	fmt.Println("\n|---|---|---|---|---|---|---|---|---|")
	ms := func(d time.Duration) string { return short(float64(d) / 1e6) }
	ratio := func(d, to time.Duration) string { return ms(d) + " (" + short(float64(d)/float64(to)) + "x)" }
	for _, s := range list {
		open := s.replies[questions[0]].Open
		for _, q := range questions {
			open = min(open, s.replies[q].Open)
		}
		fmt.Printf("| %s | %.1f | %s |", s.Name, float64(s.bytes)/1e6, ms(open))
		for _, q := range questions {
			r, base := s.replies[q], list[0].replies[q]
			fmt.Printf(" %s | %s |", ratio(r.First, base.First), ratio(r.Warm, base.Warm))
		}
		fmt.Println()
	}
}

// short is a number with three digits, or with all before the point.
func short(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
