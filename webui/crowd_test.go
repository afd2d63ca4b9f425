package webui_test

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// Fifty pages on one hub: with a telegram a second they cost less than 5 % of
// a core and less than 64 kB each. The clients are in this process too, as
// small as they can be.
func TestFiftyBrowsers(t *testing.T) {
	const browsers, perViewer, telegrams = 50, 3, 40
	h := newHouse(t).furnish()
	heard := make(chan struct{}, browsers)
	var done sync.WaitGroup
	var clients []*browser
	for range (browsers + perViewer - 1) / perViewer {
		clients = append(clients, h.as(webui.Family))
	}
	before := heap()
	for i := range browsers {
		done.Go(func() { listen(t, clients[i/perViewer], heard) })
	}
	hear := func() {
		for range browsers {
			<-heard
		}
	}
	hear()
	each := float64(heap()-before) / browsers
	t.Logf("a page that is open takes %.1f kB at both ends", each/1000)
	if each > 64_000 && !raceDetector {
		t.Errorf("%d bytes for each page, at most 64,000", int(each))
	}

	cpu := processTime()
	for i := range telegrams {
		h.read(hub.Watt(1000+i), 0)
		hear()
	}
	spent := processTime() - cpu
	perTelegram := spent / telegrams
	t.Logf("a telegram to %d pages takes %v of CPU at both ends: %.2f %% of a core at one a second", browsers, perTelegram, perTelegram.Seconds()*100)
	if perTelegram > 50*time.Millisecond && !raceDetector {
		t.Errorf("%v per telegram, at most 50 ms (5 %% of a core)", perTelegram)
	}
	h.server.Close()
	done.Wait()
}

// listen reads one page's stream and tells of its live frames. It is no HTTP
// client, so that it takes next to nothing itself: it sends what a browser
// sends and looks for the frames' names.
func listen(t *testing.T, b *browser, heard chan<- struct{}) {
	conn, err := net.Dial("tcp", b.h.web.Listener.Addr().String())
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/events HTTP/1.1\r\nHost: hub.local\r\nCookie: homehub=%s\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n", b.cookie("homehub"))
	name := []byte("event: live\n")
	at := 0 // how much of the name has gone by
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		for _, c := range buf[:n] {
			if c != name[at] {
				at = 0
			}
			if c == name[at] {
				at++
			}
			if at == len(name) {
				at = 0
				heard <- struct{}{}
			}
		}
		if err != nil {
			return
		}
	}
}

// heap is what is in use, on the heap and on stacks.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// processTime is the CPU time of this process.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprint("reading the CPU time: ", err))
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
