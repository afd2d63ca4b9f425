package mqtt

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What an idle broker and an idle client cost, in a process that does nothing
// else. With -beside a thousand clients are counted, and mosquitto's beside.
func TestMemoryOfIdleClients(t *testing.T) {
	if raceEnabled || *bare {
		t.Skip("is another program")
	}
	clients := 200
	if *beside {
		clients = 1000
	}
	cmd, addr := startOurs(t)
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	bareKiB := statusKiB(t, bareProcess(t), "VmRSS")
	idle, each := memoryOf(t, cmd, addr, clients)
	t.Logf("idle %.1f MiB over a bare process; %d clients %.1f kB each", float64(idle-bareKiB)/1024, clients, each)
	if idle-bareKiB > 12<<10 {
		t.Errorf("an idle broker takes %d KiB more than a process that does nothing", idle-bareKiB)
	}
	if each > 32 { // see docs/benchmarks.md for what it is made of; the fewer they are, the more of it is the collector's
		t.Errorf("a client takes %.1f kB", each)
	}
	if mosquitto, err := exec.LookPath("mosquitto"); *beside && err == nil {
		cmd, addr := startMosquitto(t, mosquitto)
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		_, each := memoryOf(t, cmd, addr, clients)
		t.Logf("mosquitto: %.1f kB each", each)
	}
}

// memoryOf is what a broker takes with nobody connected, in KiB, and what each
// client adds, in kB, when all have said something and fell silent.
func memoryOf(t *testing.T, cmd *exec.Cmd, addr string, clients int) (idle int, each float64) {
	t.Helper()
	h := &house{addr: addr, vault: newVault()}
	idle = statusKiB(t, cmd.Process.Pid, "VmRSS")
	for i := range clients {
		c := h.raw(t, "")
		id := fmt.Sprint("idle", i)
		if code := c.login(4, id, id, 0, true); code != 0 {
			t.Fatalf("refused with %d", code)
		}
		c.send(subscribe(4, 1, id+"/#", 1))
		c.receive()
		c.send(publish(4, 1, 1, id+"/x", "hello"))
		c.receive()
		c.receive()
		c.send(packet(0x40, []byte{0, 1}))
	}
	// What the collector has not looked at yet is no client's.
	least := 1 << 30
	for range 10 {
		least = min(least, statusKiB(t, cmd.Process.Pid, "VmRSS"))
		<-time.After(20 * time.Millisecond)
	}
	return idle, float64(least-idle) * 1.024 / float64(clients)
}

// bareProcess is this program doing nothing.
func bareProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBareProcess$")
	cmd.Env = append(os.Environ(), "HOMEHUB_BROKER=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, _ = out.Read(make([]byte, 1)) // it is up
	return cmd.Process.Pid
}

// TestBareProcess is the other process of TestMemoryOfIdleClients.
func TestBareProcess(t *testing.T) {
	if os.Getenv("HOMEHUB_BROKER") == "" {
		t.Skip("runs within TestMemoryOfIdleClients")
	}
	fmt.Println("up")
	select {}
}

// statusKiB is a size of a process (proc(5)).
func statusKiB(t *testing.T, pid int, name string) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("needs /proc")
	}
	_, rest, _ := strings.Cut(string(raw), name+":")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
