// Command crash cuts the power of an ext4 file system under the engine and
// the store, many times, and says what was lost. See package crash.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"homehub/bench/crash"
	"homehub/bench/disk"
)

func main() {
	if done, code := crash.Main(); done {
		os.Exit(code)
	}
	if why := crash.Missing(); why != "" {
		fmt.Fprintln(os.Stderr, "crash: cannot run here:", why)
		os.Exit(2)
	}
	if disk.Folder() == "" {
		code, err := disk.Private()
		if err != nil {
			fmt.Fprintln(os.Stderr, "crash:", err)
		}
		os.Exit(code)
	}
	cfg := crash.Config{Folder: disk.Folder()}
	flag.IntVar(&cfg.Images, "images", 500, "how many crash images")
	flag.Uint64Var(&cfg.Seed, "seed", 1, "of the cuts")
	flag.DurationVar(&cfg.Record, "record", 8*time.Second, "how long the child lives")
	flag.StringVar(&cfg.Options, "options", "", "of the mount, e.g. commit=3600")
	flag.IntVar(&cfg.Lie, "lie", 0, "writes that the card forgets although it flushed them")
	show := flag.Int("show", 3, "how many wrong images to describe")
	flag.Parse()
	res, err := crash.Run(context.Background(), cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(2)
	}
	fmt.Println(res)
	bad := append(res.Unmountable, res.Wrong...)
	for _, line := range bad[:min(*show, len(bad))] {
		fmt.Println(" ", line)
	}
	if len(bad) > 0 {
		os.Exit(1)
	}
}
