package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// bar shows how far something is: a bar in a terminal, and a line every ten
// seconds elsewhere.
type bar struct {
	out   io.Writer
	what  string
	total float64
	tty   bool
	begun time.Time
	shown time.Time
}

// newBar makes a bar for total of whatever is counted.
func newBar(out io.Writer, what string, total int64) *bar {
	f, ok := out.(*os.File)
	return &bar{out: out, what: what, total: float64(max(1, total)), tty: ok && term.IsTerminal(int(f.Fd())), begun: time.Now()}
}

// show says that done of the total is done. It is cheap to call often.
func (b *bar) show(done int64) {
	now := time.Now()
	every := 10 * time.Second
	if b.tty {
		every = 100 * time.Millisecond
	}
	last := b.shown
	if last.IsZero() {
		last = b.begun
	}
	if now.Sub(last) < every {
		return
	}
	b.shown = now
	b.print(min(1, float64(done)/b.total), now)
}

func (b *bar) print(part float64, now time.Time) {
	left := "?"
	if part > 0 {
		left = time.Duration(float64(now.Sub(b.begun)) * (1 - part) / part).Round(time.Second).String()
	}
	if !b.tty {
		fmt.Fprintf(b.out, "%s: %.0f %%, %s left\n", b.what, 100*part, left)
		return
	}
	const width = 30
	n := int(part * width)
	fmt.Fprintf(b.out, "\r%s [%s%s] %3.0f %%, %s left  ", b.what, strings.Repeat("=", n), strings.Repeat(" ", width-n), 100*part, left)
}

// done ends the bar.
func (b *bar) done() {
	if b.tty && !b.shown.IsZero() {
		b.print(1, time.Now())
		fmt.Fprintln(b.out)
	}
}
