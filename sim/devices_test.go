package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/hub"
	"homehub/mqtt"
)

const evseBase = "openevse-55ad"

type vault map[string]hub.Credential

func (v vault) Credential(id string) (hub.Credential, bool) { c, ok := v[id]; return c, ok }

// bench is a real broker with the three devices of a house and somebody who
// hears everything.
type bench struct {
	t      *testing.T
	cfg    Config
	vault  vault
	broker *mqtt.Broker
	stop   func()
	owner  paho.Client

	listens chan struct{} // the owner's subscription stands, after each connect

	mu    sync.Mutex
	heard []message
	wake  chan struct{}
}

const (
	// waitTime is how long a test waits for what has to happen, however busy
	// the machine is.
	waitTime = time.Minute
	// endTime is what a house may take to end: at once, on a machine that has
	// nothing else to do.
	endTime = 15 * time.Second
)

type message struct {
	topic, payload string
	retained       bool
}

func (b *bench) credentials(id, topic string, grants ...hub.Grant) Credentials {
	credential, secret := hub.NewCredential(id, id, grants, time.Now())
	b.vault[id] = credential
	return Credentials{ClientID: id, Username: id, Password: secret, Topic: topic}
}

func newBench(t *testing.T, start time.Time, speed int, change ...func(*HouseConfig)) *bench {
	t.Helper()
	b := &bench{t: t, vault: vault{}, wake: make(chan struct{}, 1), listens: make(chan struct{}, 10)}
	own := func(topic string) hub.Grant { return hub.Grant{Filter: topic + "/#", Read: true, Write: true} }
	b.cfg = Config{
		Clock: hub.ScaledClock(start, speed), House: newHouse(t, start, change...), Logger: quiet, MeterOut: io.Discard,
		Plug:  b.credentials("plug", "emon/smartplug1272", own("emon/smartplug1272")),
		Solar: b.credentials("solar", "emon/solar", own("emon/solar")),
		Car:   b.credentials("car", evseBase, own(evseBase), hub.Grant{Filter: "openevse/announce/55ad", Write: true}),
	}
	b.startBroker("127.0.0.1:0")
	t.Cleanup(func() { b.stop() })
	b.listen()
	return b
}

func (b *bench) startBroker(addr string) {
	b.t.Helper()
	broker, err := mqtt.New(mqtt.Config{Addr: addr, Vault: b.vault, Logger: quiet})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- broker.Run(ctx) }()
	if b.broker = broker; b.cfg.Broker == "" {
		b.cfg.Broker = broker.Addr().String()
	}
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the broker ended with %v", err)
		}
	})
}

// listen connects the owner, who may read and write everything.
func (b *bench) listen() {
	b.t.Helper()
	c := b.credentials("owner", "", hub.Grant{Filter: "#", Read: true, Write: true})
	o := paho.NewClientOptions().AddBroker("tcp://" + b.cfg.Broker).SetClientID(c.ClientID).SetUsername(c.Username).SetPassword(c.Password).
		SetAutoReconnect(true).SetMaxReconnectInterval(time.Second).SetConnectRetry(true).SetConnectRetryInterval(100 * time.Millisecond)
	o.SetOnConnectHandler(func(c paho.Client) {
		token := c.Subscribe("#", 0, func(_ paho.Client, m paho.Message) {
			b.mu.Lock()
			b.heard = append(b.heard, message{m.Topic(), string(m.Payload()), m.Retained()})
			b.mu.Unlock()
			select {
			case b.wake <- struct{}{}:
			default:
			}
		})
		token.WaitTimeout(waitTime)
		b.listens <- struct{}{}
	})
	b.owner = paho.NewClient(o)
	if token := b.owner.Connect(); !token.WaitTimeout(waitTime) || token.Error() != nil {
		b.t.Fatalf("the owner can not connect: %v", token.Error())
	}
	<-b.listens // from here on nothing is missed
	b.t.Cleanup(func() { b.owner.Disconnect(100) })
}

// run runs the house until the returned function is called, which checks that
// it ends in time.
func (b *bench) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, b.cfg) }()
	stop = sync.OnceFunc(func() {
		cancel()
		began := time.Now()
		if err := <-done; err != nil || time.Since(began) > endTime {
			b.t.Errorf("the house ended with %v after %v", err, time.Since(began))
		}
	})
	b.t.Cleanup(stop)
	return stop
}

func (b *bench) say(topic, payload string) {
	b.t.Helper()
	if token := b.owner.Publish(topic, 0, false, payload); !token.WaitTimeout(waitTime) || token.Error() != nil {
		b.t.Fatalf("publishing on %s: %v", topic, token.Error())
	}
}

// expect waits for a message on topic that satisfies ok, and forgets what came
// before it.
func (b *bench) expect(topic string, ok func(payload string) bool) message {
	b.t.Helper()
	deadline := time.After(waitTime)
	last := "nothing"
	for {
		b.mu.Lock()
		for i, m := range b.heard {
			if m.topic != topic {
				continue
			}
			if last = m.payload; ok(m.payload) {
				b.heard = b.heard[i+1:]
				b.mu.Unlock()
				return m
			}
		}
		b.mu.Unlock()
		select {
		case <-b.wake:
		case <-deadline:
			b.t.Fatalf("no such message on %s; the last was %s", topic, last)
		}
	}
}

func is(want string) func(string) bool { return func(got string) bool { return got == want } }

func above(want float64) func(string) bool {
	return func(got string) bool {
		v, err := strconv.ParseFloat(got, 64)
		return err == nil && v > want
	}
}

func TestPlugOverMQTT(t *testing.T) {
	t.Parallel()
	b := newBench(t, at(t, "2026-06-10T10:00:00Z"), 600)
	b.run()
	const base = "emon/smartplug1272"
	b.expect(base+"/describe", is("smartplug"))
	b.expect(base+"/power", is("0"))

	b.say(base+"/in/timer", "0630 1200")
	b.say(base+"/in/ctrlmode", "On")
	b.say(base+"/in/state", "")
	b.expect(base+"/out/state", is(`{"ip":"192.168.1.71","ctrlmode":"On","timer":"630 1200 0 0","vout":"0"}`))
	b.expect(base+"/power", above(1900))
	b.expect(base+"/energy", above(100))

	b.say(base+"/in/ctrlmode", "whatever")
	b.say(base+"/in/state", "")
	b.expect(base+"/out/state", func(s string) bool {
		var state map[string]string // all values are strings
		return json.Unmarshal([]byte(s), &state) == nil && state["ctrlmode"] == "Off"
	})
	b.expect(base+"/power", is("0"))

	b.cfg.House.PressPlug()
	b.expect(base+"/out/ctrlmode", is("On"))
	b.expect(base+"/power", above(1900))
	b.expect("emon/solar/power", above(0))
	b.expect("emon/solar/energy", above(0))
}

func TestChargerOverMQTT(t *testing.T) {
	t.Parallel()
	var record bytes.Buffer
	b := newBench(t, at(t, "2026-02-03T00:00:00Z"), 600, func(c *HouseConfig) { c.CarCapacity = 500_000 })
	b.cfg.Record = &record
	stop := b.run()
	const announce = "openevse/announce/55ad"
	b.expect(announce, is(`{"state":"connected","id":"openevse-55ad","name":"openevse-55ad","mqtt":"openevse-55ad","http":"http://192.168.1.72/"}`))
	b.expect(evseBase+"/state", is("254"))
	b.expect(evseBase+"/vehicle", is("1"))
	b.expect(evseBase+"/temp1", above(100))

	b.say(evseBase+"/claim/set", `{"state":"active","charge_current":10,"auto_release":false}`)
	b.expect(evseBase+"/state", is("3"))
	b.expect(evseBase+"/pilot", is("10"))
	b.expect(evseBase+"/claim", is(`{"state":"active","charge_current":10,"auto_release":false}`))
	b.expect(evseBase+"/power", is("2300"))
	b.expect(evseBase+"/amp", is("10000"))
	b.expect(evseBase+"/wh", above(200))
	b.expect(evseBase+"/total_energy", above(0.2))
	elapsed, err := strconv.Atoi(b.expect(evseBase+"/session_elapsed", above(300)).payload)
	if err != nil {
		t.Fatal(err)
	}

	b.say(evseBase+"/limit/set", `{"type":"time","value":`+strconv.Itoa(elapsed/60+20)+`,"auto_release":false}`)
	b.expect(evseBase+"/limit", above0)
	b.expect(evseBase+"/state", is("254")) // the lease ended by itself
	b.say(evseBase+"/claim/set", "release")
	b.expect(evseBase+"/claim", is(`{"state":"null"}`))
	b.say(evseBase+"/limit/set", "clear")
	b.expect(evseBase+"/limit", is(`{"type":"none","value":0,"auto_release":true}`))
	b.say(evseBase+"/override/set", `{"state":"active","charge_current":7}`)
	b.expect(evseBase+"/override", is(`{"state":"active","charge_current":7,"auto_release":false}`))
	b.expect(evseBase+"/state", is("3"))

	stop()
	b.expect(announce, is(`{"state":"disconnected","id":"openevse-55ad","name":"openevse-55ad"}`))
	checkLease(t, record.Bytes(), time.Duration(elapsed/60+20)*time.Minute)
}

func above0(s string) bool {
	return len(s) > 0 && s[0] == '{' && s != `{"type":"none","value":0,"auto_release":true}`
}

// checkLease looks in the truth for how long the car was first allowed to
// charge: the limit counts full minutes of the session.
func checkLease(t *testing.T, record []byte, want time.Duration) {
	t.Helper()
	switches, _ := parseTruth(t, record)
	var on time.Time
	for _, s := range switches {
		switch {
		case s.Device != "car":
		case s.On && on.IsZero():
			on = s.At
			if s.Amps != 10 {
				t.Errorf("it began with %d A", s.Amps)
			}
		case !s.On && !on.IsZero():
			if got := s.At.Sub(on); got < want || got > want+time.Second {
				t.Errorf("it charged for %v, the limit was %v", got, want)
			}
			return
		}
	}
	t.Errorf("the lease is not in the record: %+v", switches)
}

// The broker goes away and comes back: all devices return by themselves and
// say hello again, and the plug obeys again.
func TestDevicesReconnect(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	b := newBench(t, at(t, "2026-06-10T10:00:00Z"), 60)
	addr := b.cfg.Broker
	cut, mend := b.throughProxy()
	b.run()
	const base = "emon/smartplug1272"
	b.expect(base+"/describe", is("smartplug"))
	cut()
	b.stop()
	b.mu.Lock()
	b.heard = nil
	b.mu.Unlock()
	b.startBroker(addr)
	<-b.listens
	mend()
	b.expect(evseBase+"/claim", is(`{"state":"null"}`)) // told again: the broker may have lost it
	b.expect(base+"/power", is("0"))
	b.say(base+"/in/ctrlmode", "On")
	b.expect(base+"/power", above(1900))
	b.expect("emon/solar/power", above(-1))
	b.expect(evseBase+"/state", is("255")) // nobody is at home, and no claim
}

// The broker starts later than the house: the devices try until they get in.
func TestBrokerStartsLater(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	start := at(t, "2026-06-10T10:00:00Z")
	b := newBench(t, start, 600)
	addr := b.cfg.Broker
	cut, mend := b.throughProxy()
	cut()
	b.stop()
	b.run()
	for b.cfg.House.Now().Before(start.Add(3 * time.Minute)) { // the first attempt failed long ago
		if b.cfg.Clock.Sleep(t.Context(), 10*time.Second) != nil {
			t.Fatal("the house stands still")
		}
	}
	b.startBroker(addr)
	<-b.listens
	mend()
	b.expect("emon/smartplug1272/describe", is("smartplug"))
	b.expect("emon/smartplug1272/power", is("0"))
	b.expect("emon/solar/power", above(0))
	b.expect(evseBase+"/state", is("255"))
}

// Without a broker, and with one that refuses the log-in, the house lives on
// and ends in time.
func TestRunWithoutABroker(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nobody listens", "refused"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, at(t, "2026-06-10T10:00:00Z"), 600)
			if name == "refused" {
				b.cfg.Plug.Password, b.cfg.Solar.Password, b.cfg.Car.Password = "no", "no", "no"
			} else {
				b.cfg.Broker = "127.0.0.1:1"
			}
			stop := b.run()
			until := b.cfg.Clock.Now().Add(10 * time.Minute)
			for b.cfg.House.Now().Before(until) {
				if b.cfg.Clock.Sleep(t.Context(), time.Minute) != nil {
					t.Fatal("the house stands still")
				}
			}
			stop()
		})
	}
}

// A connection that breaks: the broker sends the charger's last will, and the
// charger comes back by itself.
func TestChargerLastWill(t *testing.T) {
	t.Parallel()
	b := newBench(t, at(t, "2026-02-03T00:00:00Z"), 60)
	cut, mend := b.throughProxy()
	b.run()
	const announce = "openevse/announce/55ad"
	connected := func(s string) bool { return strings.HasPrefix(s, `{"state":"connected"`) }
	b.expect(announce, connected)
	cut()
	b.expect(announce, is(`{"state":"disconnected","id":"openevse-55ad","name":"openevse-55ad"}`))
	mend()
	b.expect(announce, connected)
	b.expect(evseBase+"/state", is("254"))
}

// throughProxy puts a wire between the devices and the broker that can be cut
// and mended.
func (b *bench) throughProxy() (cut, mend func()) {
	b.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = listener.Close() })
	var mu sync.Mutex
	var open []net.Conn
	broken := false
	broker := b.cfg.Broker
	b.cfg.Broker = listener.Addr().String()
	go func() {
		for {
			device, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", broker)
			if err != nil {
				_ = device.Close()
				continue
			}
			mu.Lock()
			if open = append(open, device, server); broken {
				_, _ = device.Close(), server.Close()
			}
			mu.Unlock()
			go func() { _, _ = io.Copy(server, device) }()
			go func() { _, _ = io.Copy(device, server) }()
		}
	}()
	cut = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			_ = c.Close()
		}
		open, broken = nil, true
	}
	mend = func() {
		mu.Lock()
		defer mu.Unlock()
		broken = false
	}
	return cut, mend
}
