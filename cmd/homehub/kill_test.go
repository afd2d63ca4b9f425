package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"homehub/hub"
	"homehub/mqtt"
	"homehub/scheduler"
	"homehub/sim"
	"homehub/store"
)

// hubEnv makes the test binary a hub under a fast clock: the configuration
// file, the machine's and the house's time of one moment, and the speed.
const hubEnv = "HOMEHUB_TEST_HUB"

// beHub is what the test binary does with hubEnv set; it never returns then.
func beHub() {
	fields := strings.Fields(os.Getenv(hubEnv))
	if len(fields) != 4 {
		return
	}
	machine, _ := strconv.ParseInt(fields[1], 10, 64)
	house, _ := strconv.ParseInt(fields[2], 10, 64)
	speed, _ := strconv.Atoi(fields[3])
	cfg, err := loadConfig(fields[0])
	if err == nil {
		logger, ring := newLogger(os.Stderr, 0)
		now := time.Unix(0, house).Add(time.Since(time.Unix(0, machine)) * time.Duration(speed))
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err = run(ctx, cfg, options{clock: hub.ScaledClock(now, speed), ring: ring}, logger)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// orphanage is a simulated house whose hub can be killed.
type orphanage struct {
	t      *testing.T
	file   string
	house  *sim.House
	clock  hub.Clock
	begun  time.Time
	start  time.Time
	speed  int
	record *lockedBuffer
	hub    *process
	broker string // where a hub's broker listens
	logins map[string]sim.Credentials
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func newOrphanage(t *testing.T, start time.Time, speed int, devices ...hub.Device) *orphanage {
	t.Helper()
	master, slave := openPTY(t)
	file, data := serveConfig(t, slave)
	cfg, err := loadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	decisions, err := store.Open(store.Config{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	log, litres := map[string]sim.Credentials{}, 0
	for _, d := range devices {
		litres += d.Litres
		cred, secret := hub.NewCredential(d.ID, d.ID, mqtt.Grants(d), start)
		if err := decisions.PutCredential(cred); err != nil {
			t.Fatal(err)
		}
		if err := decisions.PutDevice(d); err != nil {
			t.Fatal(err)
		}
		log[d.ID] = sim.Credentials{ClientID: cred.ID, Username: cred.ID, Password: secret, Topic: d.Topic}
	}
	if err := decisions.Close(); err != nil {
		t.Fatal(err)
	}
	o := &orphanage{t: t, file: file, start: start, speed: speed, begun: time.Now(), clock: hub.ScaledClock(start, speed), record: &lockedBuffer{}, broker: cfg.MQTT.Listen, logins: log}
	if o.house, err = sim.New(sim.HouseConfig{Start: start, DefaultDisabled: true, Zone: time.UTC, TankLitres: litres}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- sim.Run(ctx, sim.Config{
			Clock: o.clock, House: o.house, Logger: slog.New(slog.DiscardHandler), Broker: cfg.MQTT.Listen, Plug: log["plug"], Car: log["car"],
			MeterOut: master, Record: o.record,
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return o
}

// open starts a hub on the house's folder.
func (o *orphanage) open() {
	o.t.Helper()
	self, err := os.Executable()
	if err != nil {
		o.t.Fatal(err)
	}
	p := prepareServe(o.t, o.file)
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d", hubEnv, o.file, o.begun.UnixNano(), o.start.UnixNano(), o.speed))
	p.start()
	o.hub = p
}

// kill ends the hub as a power cut does.
func (o *orphanage) kill() time.Time {
	o.hub.cmd.Process.Kill()
	<-o.hub.done
	return o.clock.Now()
}

// rush is the speed of a house whose hub runs on the machine's time: slower
// where the machine is.
const rush = 200 / (1 + patience/10)

// jolt is the house time of the longest that a busy machine may keep a process
// from running: what is timed through one can not be told more exactly.
func (o *orphanage) jolt() time.Duration {
	return hub.ScaledClock(o.start, o.speed).House(time.Second + 2*time.Second*(patience/10))
}

// until waits for the house, and for a machine that is slower than the house.
func (o *orphanage) until(what string, limit time.Duration, ok func() bool) {
	o.t.Helper()
	begun := time.Now()
	for end := o.clock.Now().Add(limit); !ok(); {
		if o.clock.Now().After(end) && time.Since(begun) > 6*time.Second*patience {
			o.t.Fatalf("not within %v of house time: %s (car %+v, plug %+v)", limit, what, o.house.Car(), o.house.Plug())
		}
		if o.clock.Sleep(o.t.Context(), 10*time.Second) != nil {
			o.t.Fatal("the test ended")
		}
	}
}

// TestAKilledHubLeavesNothingOn kills the hub at two moments of charging and
// leaves it dead for longer than a lease: the car stops by the charger's own
// limit each time, and is full by its deadline all the same.
func TestAKilledHubLeavesNothingOn(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	start := time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)
	car := hub.Device{
		ID: "car", Name: "Car", Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Topic: "openevse", MinAmps: 6, MaxAmps: 16, Phases: 1,
		Mode: hub.ModeAuto, Schedule: &hub.Schedule{When: hub.WhenNow, Energy: 3000, MayPause: true, SetAt: start},
	}
	o := newOrphanage(t, start, rush, car)
	for _, after := range []time.Duration{20 * time.Second, 9 * time.Minute} {
		o.open()
		o.until("the car charges", 45*time.Minute, // the charger looks for its broker every five real seconds
			func() bool { return o.house.Car().Charging })
		_ = o.clock.Sleep(t.Context(), after)
		died := o.kill()
		o.until("the car stops by itself", hub.MaxLease+time.Hour, func() bool { return !o.house.Car().Charging })
		if alone := o.clock.Now().Sub(died); alone > hub.MaxLease+time.Minute+o.jolt() {
			t.Errorf("killed after %v of charging, the car went on for %v", after, alone)
		}
	}
	o.open()
	o.until("the car is full", 3*time.Hour, func() bool { return o.house.Car().Energy >= 2850 })
	o.until("the car is told to stop", time.Hour, func() bool { return !o.house.Car().Active })
	_ = o.clock.Sleep(t.Context(), 2*time.Minute) // the last counter comes within 30 s
	o.hub.stop()
	got, counted := o.house.Car().Energy, o.job("car").Delivered
	if off, missed := got-counted, hub.WattHour(16*230*o.jolt()/time.Hour); off < -missed || off > missed {
		t.Errorf("the car got %d Wh, and the hub counted %d over its restarts", got, counted)
	}
	// The machine may be busy: a second of it is 200 Wh.
	if got > 4000 {
		t.Errorf("the car got %d of 3000 Wh: a restart doubled a part", got)
	}
}

// job is a device's job as a hub that is gone has kept it.
func (o *orphanage) job(device string) scheduler.Job {
	o.t.Helper()
	decisions := o.decisions()
	defer decisions.Close()
	jobs := map[string]scheduler.Job{}
	decisions.Setting("scheduler.jobs", &jobs)
	return jobs[device]
}

// decisions are those of a hub that does not run.
func (o *orphanage) decisions() *store.Store {
	o.t.Helper()
	cfg, err := loadConfig(o.file)
	if err != nil {
		o.t.Fatal(err)
	}
	s, err := store.Open(store.Config{Dir: cfg.Data.Dir})
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// TestAPlugIsOffOnceTheHubIsBack: a plug that was on when the hub was killed
// has its run ended, not begun anew, by the next one.
func TestAPlugIsOffOnceTheHubIsBack(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	start := time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)
	plug := hub.Device{
		ID: "plug", Name: "Washer", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/smartplug1272", Power: 2000,
		Mode: hub.ModeAuto, Schedule: &hub.Schedule{When: hub.WhenNow, Minutes: 30, SetAt: start},
	}
	o := newOrphanage(t, start, rush, plug)
	o.open()
	o.until("the plug is on", 5*time.Minute, func() bool { return o.house.Plug().On })
	_ = o.clock.Sleep(t.Context(), 10*time.Minute)
	o.kill()
	_ = o.clock.Sleep(t.Context(), 12*time.Minute)
	o.open()
	o.until("the plug is off", 45*time.Minute, func() bool { return !o.house.Plug().On })
	_ = o.clock.Sleep(t.Context(), 20*time.Minute)
	if p := o.house.Plug(); p.On || p.Energy < 850 || p.Energy > 1700 { // it looks for its broker as slowly, and stays on meanwhile
		t.Errorf("half an hour of 2 kW became %+v", p)
	}
	o.hub.stop()
}
