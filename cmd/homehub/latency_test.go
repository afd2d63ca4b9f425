package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTelegramToPage measures the time from the last byte of a telegram on the
// serial port to the frame in the browser's stream, with the hub in a process
// of its own. It bounds it loosely, as CI machines are shared; with -v it takes
// the thousand telegrams that docs/benchmarks.md is made from.
func TestTelegramToPage(t *testing.T) {
	n := 40
	if testing.Verbose() {
		n = 1000
	}
	m := newTestMeter(t)
	p := m.serve()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	frames := make(chan int, 100)
	go func() {
		for s := bufio.NewScanner(r.Body); s.Scan(); {
			var l live
			if text, ok := strings.CutPrefix(s.Text(), "data: "); ok && json.Unmarshal([]byte(text), &l) == nil && l.ImportW > 0 {
				frames <- l.ImportW
			}
		}
	}()
	pace := time.NewTicker(60 * time.Millisecond) // a stream sends at most one frame per 50 ms
	defer pace.Stop()
	took := make([]time.Duration, 0, n)
	for range n {
		<-pace.C
		m.send()
		begun := time.Now()
		for w := range frames {
			if w == m.watts() {
				break
			}
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	p50, p99 := took[n/2], took[n*99/100]
	t.Logf("%d telegrams: p50 %v, p99 %v, worst %v", n, p50, p99, took[n-1])
	if p50 > 250*time.Millisecond {
		t.Errorf("half of the readings take longer than %v to the page", p50)
	}
}
