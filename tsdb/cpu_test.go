package tsdb

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// cpuTime reports the CPU time of the benchmark's thread per operation, which
// other work on the machine disturbs less than wall time. Call it before the
// loop and what it returns after.
func cpuTime(b *testing.B) func() {
	runtime.LockOSThread()
	start := threadTime(b)
	return func() {
		b.ReportMetric(float64(threadTime(b)-start)/float64(b.N), "cpu-ns/op")
		runtime.UnlockOSThread()
	}
}

func threadTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return t.Nano()
}
