package mqtt

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

var flood = flag.Duration("flood", 2*time.Second, "how long the flood test attacks the broker")

// Everything an attacker in the network can do without a credential, all at
// once, from several addresses, until no descriptor is left. Paired devices
// must not notice.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	const devices, rate = 5, 20
	v := newVault()
	v.add("eye", "", rw("#"))
	v.add("stalled", "stalled", rw("#"))
	for i := range devices {
		v.add(name(i), name(i), rw("dev/#"))
	}
	h := open(t, v)
	var late latencies
	var heard atomic.Int64
	eye := h.dial(t, "eye")
	if err := settle(eye.Subscribe("dev/#", 1, func(_ paho.Client, m paho.Message) {
		late.add(time.Duration(time.Now().UnixNano() - int64(binary.BigEndian.Uint64(m.Payload()))))
		heard.Add(1)
	})); err != nil {
		t.Fatal(err)
	}
	var paired []paho.Client
	for i := range devices {
		paired = append(paired, h.dial(t, name(i)))
	}
	debug.FreeOSMemory()
	before := inUse()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := attacker(ctx, t, h.addr, v.secret("stalled"))
	fewDescriptors(t, 60) // fewer than the door would let in

	sent := int64(0)
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	starved := func() bool { return strings.Contains(h.all(), "have to wait") }
	begun := time.Now()
	for d := time.Duration(0); d < *flood || !starved() && d < *flood+patience; d = time.Since(begun) { // attackers are slow on a slow machine
		<-tick.C
		for i, c := range paired {
			tok := c.Publish(fmt.Sprintf("dev/%d", i), 1, false, binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixNano())))
			if err := settle(tok); err != nil {
				t.Fatalf("device %d: %v", i, err)
			}
			sent++
		}
	}
	eventually(t, "every message arrives", func() bool { return heard.Load() == sent })
	grown := int64(inUse()) - int64(before)
	if grown > 16<<20 && !raceEnabled {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	p99 := late.quantile(0.99)
	limit := 50 * time.Millisecond
	if *flood < time.Minute || raceEnabled {
		limit = 5 * time.Second // too short or too slow for a verdict on a busy machine
	}
	if p99 > limit {
		t.Errorf("p99 is %v", p99)
	}
	cancel()
	ended()
	if !starved() {
		t.Error("descriptors never ran out")
	}
	began := time.Now()
	// This end of the connection needs a descriptor too, and the broker gives
	// the attackers' back only as it sees them gone: so try again, as a plug does.
	eventually(t, "a device connects after the flood", func() bool {
		c, err := h.try(name(0), v.secret(name(0)))
		if err == nil {
			c.Disconnect(0)
		}
		return err == nil
	})
	reconnect := time.Since(began)
	began = time.Now()
	if err := h.stop(); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("shutdown took %v", d)
	}
	t.Logf("%d messages, p50 %v, p99 %v, worst %v, memory %+d KiB, connecting after it %v, shutdown %v",
		sent, late.quantile(0.5), p99, late.quantile(1), grown>>10, reconnect, time.Since(began))
}

// fewDescriptors lets this process open n more for the rest of the test.
func fewDescriptors(t *testing.T, n uint64) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	low := before
	low.Cur = uint64(len(open)) + n
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
}

// attacker runs TestAttacker in a process of its own, so that its memory and
// descriptors are not the broker's, and returns how to wait for its end.
func attacker(ctx context.Context, t *testing.T, addr, secret string) (wait func()) {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAttacker$", "-flood="+(*flood+2*patience).String())
	cmd.Env = append(os.Environ(), "HOMEHUB_ATTACK="+addr, "HOMEHUB_ATTACK_SECRET="+secret)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := cmd.Wait(); err != nil && ctx.Err() == nil {
			t.Errorf("the attacker failed: %v\n%s", err, out.String())
		}
	}
}

// TestAttacker is the other process of TestFlood.
func TestAttacker(t *testing.T) {
	addr := os.Getenv("HOMEHUB_ATTACK")
	if addr == "" {
		t.Skip("runs within TestFlood")
	}
	ctx, cancel := context.WithTimeout(t.Context(), *flood)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, a := range []struct {
		from  string
		count int
		pause time.Duration
		say   []byte
		hold  time.Duration
	}{
		{"127.0.0.2", 10_000, time.Millisecond, nil, 0},                                             // connects
		{"127.0.1.", 1000, 2 * time.Millisecond, nil, time.Minute},                                  // silent ones, from many addresses
		{"127.0.2.", 1000, 2 * time.Millisecond, []byte{0x10, 0xff, 0xff, 0xff, 0x7f}, time.Second}, // giants
		{"127.0.3.", 1 << 30, time.Millisecond, wrongLogin(), time.Second},                          // guesses
	} {
		wg.Go(func() { attack(ctx, addr, a.from, a.count, a.pause, a.say, a.hold) })
	}
	wg.Go(func() { stall(ctx, addr, os.Getenv("HOMEHUB_ATTACK_SECRET")) })
}

// attack opens connections from one address, or from all that begin so.
func attack(ctx context.Context, to, from string, count int, pause time.Duration, say []byte, hold time.Duration) {
	var held sync.WaitGroup
	defer held.Wait()
	slots := make(chan struct{}, 150) // descriptors of this process
	for i := 0; i < count && ctx.Err() == nil; i++ {
		addr := from
		if from[len(from)-1] == '.' {
			addr = from + fmt.Sprint(1+i%200)
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		held.Go(func() {
			defer func() { <-slots }()
			c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}).DialContext(ctx, "tcp", to)
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = c.Write(say)
			_ = c.SetReadDeadline(time.Now().Add(hold))
			_, _ = c.Read(make([]byte, 64))
		})
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func wrongLogin() []byte {
	return packet(0x10, str("MQTT"), []byte{4, 0xc2, 0, 60}, str("client-0"), str("client-0"), str("0123456789abcdef"))
}

// stall is a paired device that was taken over: it reads nothing of all that
// it subscribed to, and comes back whenever it is cut.
func stall(ctx context.Context, addr, secret string) {
	hello := packet(0x10, str("MQTT"), []byte{4, 0xc2, 0, 0}, str("stalled"), str("stalled"), str(secret))
	for ctx.Err() == nil {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		_, _ = c.Write(hello)
		_, _ = c.Write(subscribe(4, 1, "#", 1))
		<-ctx.Done()
		_ = c.Close()
	}
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

// latencies collects how late messages came.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
}

func (l *latencies) quantile(q float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l.all))
	return sorted[int(q*float64(len(sorted)-1))]
}
