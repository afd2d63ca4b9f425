// Command peers runs the same work on homehub's tsdb and on its peers and
// prints what it costs them, as Markdown tables:
//
//	go run ./cmd/peers write          days of the standard work, as fast as they go
//	go run ./cmd/peers queries        one year of one feed, asked in a fresh process and warm
//	go run ./cmd/peers realtime       the standard work by the wall clock, all engines at the same time
//
// As root every engine writes to an ext4 image of its own on a loop device,
// and the kernel counts. Without root the bytes handed to write calls are
// counted.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"homehub/bench/disk"
	"homehub/bench/engine"
)

func main() {
	if disk.Folder() == "" { // not in a place of our own yet
		code, err := disk.Private()
		if err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
		}
		os.Exit(code)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	set := flag.NewFlagSet("peers", flag.ContinueOnError)
	only := set.String("only", "", "only engines whose name matches this regular expression")
	days := set.Int("days", 8, "write: simulated days; the first is not counted")
	span := set.Duration("for", 12*time.Minute, "realtime: how long to count")
	warm := set.Duration("warm-up", 3*time.Minute, "realtime: how long to run before")
	ask := set.String("ask", "", "queries: what the program runs itself as")
	what := set.String("what", "", "with -ask: the query")
	if err := set.Parse(args); err != nil {
		return err
	}
	if *ask != "" {
		return answer(*ask, *what, set.Arg(0))
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	var kinds []engine.Kind
	for _, k := range engine.Kinds() {
		if match.MatchString(k.Name) {
			kinds = append(kinds, k)
		}
	}
	for _, mode := range set.Args() {
		switch mode {
		case "write":
			err = writeTable(kinds, *days)
		case "queries":
			err = queryTable(kinds)
		case "realtime":
			err = realtimeTable(kinds, *warm, *span)
		default:
			err = fmt.Errorf("%q is none of write, queries, realtime", mode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
