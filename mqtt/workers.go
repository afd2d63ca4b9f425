package mqtt

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// maxIdleWorkers is how many workers wait for more to do. More work at once
// than a small machine has cores.
const maxIdleWorkers = 4

// workers lend their stacks. A goroutine that once needed 16 KiB of stack keeps
// them while it waits, so whoever waits for long has a worker do what is deep:
// there are as many workers as have something to do, and a few more, as growing
// a stack costs more than the work.
type workers struct {
	mu     sync.Mutex
	idle   []*worker
	closed bool
}

type worker struct {
	work   chan func() error // closed: go home
	result chan result
}

// result is what a function returned, or why it panicked.
type result struct {
	err    error
	broken any
}

// run runs f on the stack of a worker and waits for it. A panic in f is one of
// the caller.
func (ws *workers) run(f func() error) error {
	w := ws.call()
	w.work <- f
	r := <-w.result
	ws.dismiss(w)
	if r.broken != nil {
		panic(r.broken)
	}
	return r.err
}

// call gets the worker that worked last, or a new one.
func (ws *workers) call() *worker {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if n := len(ws.idle); n > 0 {
		w := ws.idle[n-1]
		ws.idle = ws.idle[:n-1]
		return w
	}
	w := &worker{work: make(chan func() error), result: make(chan result)}
	go func() {
		for f := range w.work {
			w.result <- try(f)
		}
	}()
	return w
}

func (ws *workers) dismiss(w *worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed || len(ws.idle) >= maxIdleWorkers {
		close(w.work)
		return
	}
	ws.idle = append(ws.idle, w)
}

// close sends the idle workers home, and the others when they are done.
func (ws *workers) close() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed = true
	for _, w := range ws.idle {
		close(w.work)
	}
	ws.idle = nil
}

// waiting is how many workers have nothing to do.
func (ws *workers) waiting() int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return len(ws.idle)
}

func try(f func() error) (r result) {
	defer func() {
		if reason := recover(); reason != nil {
			r.broken = fmt.Sprintf("%v\n%s", reason, debug.Stack()) // the caller's stack says nothing
		}
	}()
	return result{err: f()}
}
