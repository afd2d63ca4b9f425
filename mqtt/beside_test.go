package mqtt

import (
	"bufio"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var beside = flag.Bool("beside", false, "measure the broker beside mosquitto, both in processes of their own")

// TestBesideMosquitto compares CPU time per message of 200 B, which is what a
// small machine runs out of. Rounds alternate, as the machine has other work.
// Both brokers run on the first core; run this process on another one:
//
//	go test -c -o t ./mqtt && taskset -c 1 ./t -test.run BesideMosquitto -beside -test.v
func TestBesideMosquitto(t *testing.T) {
	if !*beside {
		t.Skip("run with -beside")
	}
	mosquitto, err := exec.LookPath("mosquitto")
	if err != nil {
		t.Skip("there is no mosquitto")
	}
	loads := []struct {
		name             string
		pubs, subs       int
		qos              byte
		messages, window int
		most             float64 // goal: this much of mosquitto's
	}{
		{"QoS 0, 20 to 1", 20, 1, 0, 100_000, 500, 0.75},
		{"QoS 1, 20 to 1", 20, 1, 1, 60_000, 500, 0.85},
		{"fan-out 1 to 100", 1, 100, 0, 3_000, 20, 0.8},
	}
	for _, l := range loads {
		cost := map[string][]float64{}
		for range 3 {
			for _, who := range []string{"mosquitto", "homehub"} {
				start := func() (*exec.Cmd, string) { return startMosquitto(t, mosquitto) }
				if who == "homehub" {
					start = func() (*exec.Cmd, string) { return startOurs(t) }
				}
				cmd, addr := start()
				before := cpu(t, cmd.Process.Pid)
				load(t, addr, l.pubs, l.subs, l.qos, l.messages, l.window)
				used := cpu(t, cmd.Process.Pid) - before
				cost[who] = append(cost[who], float64(used.Nanoseconds())/1e3/float64(l.messages*l.subs))
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		}
		ours, theirs := median(cost["homehub"]), median(cost["mosquitto"])
		t.Logf("%-18s homehub %.1f us (%.1f), mosquitto %.1f us (%.1f): %.2f, goal %.2f", l.name, ours, cost["homehub"], theirs, cost["mosquitto"], ours/theirs, l.most)
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func startMosquitto(t *testing.T, path string) (*exec.Cmd, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	conf := filepath.Join(t.TempDir(), "conf")
	_, port, _ := net.SplitHostPort(addr)
	text := "listener " + port + " 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\npersistence false\nlog_type none\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("taskset", "-c", "0", path, "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "mosquitto listens", func() bool { return reachable(addr) })
	return cmd, addr
}

func reachable(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func startOurs(t *testing.T, env ...string) (*exec.Cmd, string) {
	t.Helper()
	args := []string{os.Args[0], "-test.run=^TestBrokerProcess$"}
	if *beside { // a machine need not let everybody use its first core
		args = append([]string{"taskset", "-c", "0"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(append(os.Environ(), "HOMEHUB_BROKER=1"), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(addr)
}

// TestBrokerProcess is our broker for TestBesideMosquitto. Its clients' secret
// is their name, as they are made in the other process.
func TestBrokerProcess(t *testing.T) {
	if os.Getenv("HOMEHUB_BROKER") == "" {
		t.Skip("runs within TestBesideMosquitto")
	}
	if few := os.Getenv("HOMEHUB_BROKER_FEW"); few != "" {
		n, _ := strconv.ParseUint(few, 10, 64)
		fewDescriptors(t, n)
	}
	b, err := New(Config{Addr: "127.0.0.1:0", Vault: openVault{}, Limits: Limits{ConnectRate: 1e6, MessageRate: 1e7, Connections: 5000, PerAddress: 5000}})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(b.Addr())
	_ = b.Run(context.Background())
}

// cpu is the CPU time a process used so far (proc(5): fields 14 and 15, in
// hundredths of a second).
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// load sends messages with at most window of them under way, and returns when
// every subscriber has all.
func load(t *testing.T, addr string, pubs, subs int, qos byte, messages, window int) {
	t.Helper()
	h := &house{addr: addr, vault: newVault()}
	enter := func(id string) *raw {
		c := h.raw(t, "")
		h.vault.secrets[id] = id
		if code := c.login(4, id, id, 0, true); code != 0 {
			t.Fatalf("%s is refused with %d", id, code)
		}
		_ = c.SetDeadline(time.Time{})
		return c
	}
	credits := make(chan struct{}, window)
	for range window {
		credits <- struct{}{}
	}
	var arrived, done sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	for i := range subs {
		c := enter("sub" + strconv.Itoa(i))
		c.send(subscribe(4, 1, "a/#", qos))
		c.receive()
		_ = c.SetDeadline(time.Time{})
		arrived.Go(func() {
			for n := range messages {
				_, body, err := c.packet(time.Minute)
				if err != nil {
					t.Errorf("subscriber %d after %d messages: %v", i, n, err)
					return
				}
				if qos > 0 {
					top := int(binary.BigEndian.Uint16(body))
					_, _ = c.Write(packet(0x40, body[2+top:4+top]))
				}
				mu.Lock()
				if count[n]++; count[n] == subs {
					delete(count, n)
					mu.Unlock()
					credits <- struct{}{}
					continue
				}
				mu.Unlock()
			}
		})
	}
	payload := string(make([]byte, 200))
	for i := range pubs {
		c := enter("pub" + strconv.Itoa(i))
		done.Go(func() { _, _ = c.r.WriteTo(discardWriter{}) })
		arrived.Go(func() {
			for n := range messages / pubs {
				<-credits
				if _, err := c.Write(publish(4, qos, uint16(1+n%60_000), "a/x", payload)); err != nil {
					t.Errorf("publisher %d: %v", i, err)
					return
				}
			}
		})
		t.Cleanup(func() { c.Close(); done.Wait() })
	}
	arrived.Wait()
}

type discardWriter struct{}

func (discardWriter) Write(b []byte) (int, error) { return len(b), nil }
