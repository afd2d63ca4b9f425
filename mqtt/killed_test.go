package mqtt

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homehub/hub"
	"homehub/scheduler"
	"homehub/sim"
)

// childEnv makes the test binary a hub of its own that can be killed.
const childEnv = "HOMEHUB_TEST_HUB"

// orphanage is what a hub in another process is made of.
type orphanage struct {
	Addr        string
	House, Real time.Time // the house's time at an instant of the machine
	Speed       int
	Devices     []hub.Device
	Credentials []hub.Credential
	Pages       int  // port of the Shelly's pages
	Switch      bool // switch everything on as soon as it listens; else let the scheduler decide
}

// TestHubProcess is the hub that TestHubIsKilled starts and kills.
func TestHubProcess(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		t.Skip("is run by TestHubIsKilled")
	}
	var o orphanage
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		t.Fatal(err)
	}
	clock := hub.ScaledClock(o.House.Add(time.Since(o.Real)*time.Duration(o.Speed)), o.Speed)
	v := newVault()
	for _, c := range o.Credentials {
		v.creds[c.ID] = c
	}
	var b *Broker
	actuate := actuator(func(ctx context.Context, d hub.Device, c hub.Command) error { return b.Actuate(ctx, d, c) })
	actuators := map[hub.Family]hub.Actuator{}
	for _, f := range hub.Families() {
		actuators[f] = actuate
	}
	live, err := hub.New(hub.Config{Clock: clock, Logger: discard0(), Devices: o.Devices, Actuators: actuators})
	if err != nil {
		t.Fatal(err)
	}
	if b, err = New(Config{Addr: o.Addr, Vault: v, Clock: clock, Report: live.Report}); err != nil {
		t.Fatal(err)
	}
	b.fleet.caller.port = o.Pages
	b.SetDevices(o.Devices)
	start(t, b.Run)
	start(t, live.Run)
	sub := live.Subscribe()
	if !o.Switch {
		loop := scheduler.New(scheduler.Config{
			Clock: clock, Zone: time.UTC, Logger: discard0(), House: live, Wake: live.Subscribe().C(), Outlook: noOutlook{},
			Condition: func(hub.Condition, string) {},
		})
		start(t, loop.Run)
	}
	renew, shown := map[string]time.Time{}, map[string]string{}
	for range sub.C() { // until it is killed
		for _, s := range live.Snapshot().Devices {
			listens := s.Online && s.Has&hub.ReportOn != 0
			if o.Switch && listens && clock.Now().After(renew[s.ID]) { // at this speed a lease is over soon
				renew[s.ID] = clock.Now().Add(time.Minute)
				if err := live.Do(t.Context(), hub.Command{Device: s.ID, On: true, Amps: 10, Until: clock.Now().Add(hub.MaxLease)}); err != nil {
					t.Fatal(err)
				}
			}
			if line := fmt.Sprint(s.ID, " ", s.On, " ", s.Confirmed(), " ", s.Commanded.On); listens && line != shown[s.ID] {
				shown[s.ID] = line
				fmt.Println(line)
			}
		}
	}
}

type noOutlook struct{}

func (noOutlook) Prices(time.Time, int) []hub.Slot                { return nil }
func (noOutlook) Forecast(time.Time, int) (base, solar []float64) { return nil, nil }

// process is a running hub and what it said of each device.
type process struct {
	cmd *exec.Cmd

	mu   sync.Mutex
	said map[string]string
	all  []string
}

func (o orphanage) run(t *testing.T) *process {
	t.Helper()
	input, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(os.Args[0], "-test.run=^TestHubProcess$", "-test.timeout=5m"), said: map[string]string{}}
	p.cmd.Env = append(os.Environ(), childEnv+"=1")
	p.cmd.Stdin, p.cmd.Stderr = strings.NewReader(string(input)), os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			id, state, _ := strings.Cut(lines.Text(), " ")
			p.mu.Lock()
			p.said[id], p.all = state, append(p.all, lines.Text())
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() { p.kill(); reading.Wait() })
	return p
}

// kill is kill -9.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err == nil || !errors.Is(err, os.ErrProcessDone) {
		_ = p.cmd.Wait()
	}
}

// until waits until the hub says of every device what ok wants.
func (p *process) until(t *testing.T, d time.Duration, what string, ids []string, ok func(id, state string) bool) {
	t.Helper()
	deadline := time.After(d)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		missing := ""
		for _, id := range ids {
			if !ok(id, p.said[id]) {
				missing += " " + id
			}
		}
		all := strings.Join(p.all, "\n")
		p.mu.Unlock()
		if missing == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not %s:%s; it said\n%s", what, missing, all)
		}
	}
}

// orphan is a gadget, or the car's charger, of the killed hub.
type orphan struct {
	device hub.Device
	ends   bool
	on     func() bool
}

// All families at one hub that is killed with kill -9 while everything is on:
// what can end by itself is off when its lease is over, what can not is as its
// traits say. A hub that is started again then makes true within 10 s what is
// due, and tells nobody anything else.
func TestHubIsKilled(t *testing.T) {
	t.Parallel()
	const speed = 150 // a device that does not answer for a second has not for minutes
	clock := hub.ScaledClock(at("2026-02-03 00:00:00"), speed)
	o := orphanage{Addr: freeAddr(t), House: clock.Now(), Real: time.Now(), Speed: speed, Switch: true}
	var orphans []orphan
	var ids []string
	for i, f := range allFamilies {
		orphans = append(orphans, o.gadget(t, clock, f, fmt.Sprintf("d%d", i)))
	}
	for _, one := range orphans {
		ids = append(ids, one.device.ID)
		if got := slices.Contains(TraitsOf(one.device).Can, hub.CanEnd); got != one.ends {
			t.Errorf("%s: its traits say that it ends by itself: %v", one.device.Family, got)
		}
	}
	lag := stillness(t)
	first := o.run(t)
	first.until(t, patience, "on", ids, func(_, state string) bool { return state == "true true true" })
	killed := clock.Now()
	first.kill()
	for began := time.Now(); anyOn(orphans, true) && time.Since(began) < patience; {
		if clock.Sleep(t.Context(), 10*time.Second) != nil {
			t.Fatal("the test ended")
		}
	}
	// A machine that stands still keeps hub and gadgets from renewing and ending
	// in time, so what it took can be told only as exactly as that.
	took, still := clock.Now().Sub(killed), clock.House(10*lag())
	if took < hub.MaxLease-5*time.Minute-still {
		t.Errorf("they were off after %v already", took)
	}
	if took > hub.MaxLease+2*time.Minute+still {
		t.Errorf("they were off after %v only", took)
	}
	for _, one := range orphans {
		if one.on() == one.ends {
			t.Errorf("%s, whose lease is over, is on: %v", one.device.Family, one.on())
		}
	}

	// The owner wants each other one on, one is off by hand, the rest is on
	// Auto without a schedule.
	second := o
	second.Devices = append([]hub.Device(nil), o.Devices...)
	second.Switch = false
	want := map[string]string{}
	for i := range second.Devices {
		d := &second.Devices[i]
		switch i % 3 {
		case 0:
			d.Mode, want[d.ID] = hub.ModeOn, "true true true"
		case 1:
			d.Mode, want[d.ID] = hub.ModeOff, "false"
		default:
			want[d.ID] = fmt.Sprint(orphans[i].on(), " false false") // as it is, and told nothing
		}
	}
	began := time.Now()
	again := second.run(t)
	again.until(t, patience, "as it is due", ids, func(id, state string) bool { return strings.HasPrefix(state, want[id]) && state != "" })
	due := time.Since(began)
	again.mu.Lock()
	defer again.mu.Unlock()
	for _, line := range again.all {
		if id, state, _ := strings.Cut(line, " "); strings.HasSuffix(want[id], " false false") && !strings.HasSuffix(state, " false false") {
			t.Errorf("a device that nothing is due for was told something: %s", line)
		}
	}
	t.Logf("everything was as due %v after the restart", due.Round(10*time.Millisecond))
	if due > 10*time.Second && !raceEnabled {
		t.Error("that took too long")
	}
}

// stillness is the longest time that this machine let a test wait for nothing.
func stillness(t *testing.T) func() time.Duration {
	var longest atomic.Int64
	start(t, func(ctx context.Context) error {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			longest.Store(max(longest.Load(), int64(time.Since(last))))
			last = time.Now()
		}
	})
	return func() time.Duration { return time.Duration(longest.Load()) }
}

func anyOn(all []orphan, ends bool) bool {
	for _, one := range all {
		if one.ends == ends && one.on() {
			return true
		}
	}
	return false
}

// freeAddr is an address for a process that is killed and started again. Its
// port is none that the kernel gives to outgoing connections meanwhile.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (o *orphanage) login(d hub.Device, bridge string) sim.Credentials {
	cred, secret := NewLogin(d, time.Now())
	if bridge != "" {
		cred, secret = hub.NewCredential("bridge", "", []hub.Grant{rw(bridge)}, time.Now())
	}
	o.Devices, o.Credentials = append(o.Devices, d), append(o.Credentials, cred)
	return sim.Credentials{ClientID: cred.ID, Username: cred.ID, Password: secret, Topic: d.Topic}
}

func (o *orphanage) gadget(t *testing.T, clock hub.Clock, f family, id string) orphan {
	t.Helper()
	d := f.device()
	d.ID = id
	if f.family == hub.FamilyOpenEVSE {
		c := newCharger(t, clock, o.Addr, o.login(d, ""))
		start(t, c.Run)
		return orphan{d, f.ends, c.On}
	}
	g, err := sim.NewGadget(sim.GadgetConfig{Family: f.family, Clock: clock, Broker: o.Addr, Login: o.login(d, f.bridge)})
	if err != nil {
		t.Fatal(err)
	}
	if _, port, err := net.SplitHostPort(g.Address()); err == nil {
		o.Pages, _ = strconv.Atoi(port)
	}
	start(t, g.Run)
	return orphan{d, f.ends, g.On}
}
