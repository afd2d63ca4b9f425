package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/hub"
	"homehub/mqtt"
	"homehub/store"
)

// TestAPlugOverARestart switches a Tasmota by a program's command on the
// broker, kills the hub with kill -9, lets somebody switch the plug off
// meanwhile, and starts the hub again: it is on again in a moment, as it was
// decided, and a second plug, for which nothing is due, is told nothing.
func TestAPlugOverARestart(t *testing.T) {
	file, secret, plugIn := houseOfPlugs(t, "kettle", "lamp")
	p := serveFile(t, file)
	plugIn("lamp", p.mqtt)
	pull := plugIn("kettle", p.mqtt)
	w := watchBroker(t, p.mqtt, secret)
	p.until("both are there", waitTime, func() bool { return w.state("kettle").Online && w.state("lamp").Online })
	w.say("homehub/kettle/set", `{"mode":"on"}`)
	p.until("it is on", waitTime, func() bool { return w.state("kettle").On && w.state("kettle").Mode == "on" })
	w.say("homehub/lamp/set", "maybe")
	p.until("what is wrong is answered", waitTime, func() bool { return strings.Contains(w.last("homehub/lamp/error"), "on, off, auto") })

	// The list of a Zigbee2MQTT with many devices is no reason to cut it.
	list := "[" + strings.Repeat(" ", 200<<10) + "]"
	w.say("zigbee2mqtt/bridge/devices", list)
	p.until("a long list arrives", waitTime, func() bool { return w.last("zigbee2mqtt/bridge/devices") == list })

	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
	w.close()
	pull()
	began := time.Now()
	again := serveFile(t, file)
	w = watchBroker(t, again.mqtt, secret) // before the plug, or it could miss what that is told
	plugIn("kettle", again.mqtt)           // off, as somebody left it
	again.until("both are back", waitTime, func() bool { return w.state("kettle").Online && w.state("lamp").Online })
	again.until("it was told again", waitTime, func() bool { return w.last("cmnd/kettle/POWER") == "ON" && w.state("kettle").On })
	t.Logf("told again %v after the restart", time.Since(began).Round(10*time.Millisecond))
	if got := w.last("cmnd/lamp/POWER"); got != "" {
		t.Errorf("the lamp, for which nothing is due, was told %q", got)
	}
}

// houseOfPlugs is the configuration of a hub with these Tasmotas and the secret
// of the program app, which may everything. plugIn starts one of them.
func houseOfPlugs(t *testing.T, ids ...string) (file, secret string, plugIn func(id, broker string) (pull func())) {
	t.Helper()
	file, data := serveConfig(t, "unused")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{}
	s, err := store.Open(store.Config{Dir: data, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		d, err := hub.Device{ID: id, Name: id, Family: hub.FamilyTasmota, Role: hub.RolePlug, Topic: id, Power: 2000}.Validate()
		if err != nil {
			t.Fatal(err)
		}
		cred, secret := mqtt.NewLogin(d, time.Now())
		secrets[id] = secret
		if err := errors.Join(s.PutDevice(d), s.PutCredential(cred)); err != nil {
			t.Fatal(err)
		}
	}
	app, secret := hub.NewCredential("app", "", []hub.Grant{{Filter: "#", Read: true, Write: true}}, time.Now())
	if err := s.PutCredential(app); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	return file, secret, func(id, broker string) (pull func()) {
		plug := prepare(t, "sim", "device", "--family", "tasmota", "--topic", id, "--broker", broker, "--user", id, "--password", secrets[id])
		if err := plug.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pull = sync.OnceFunc(func() { _ = plug.cmd.Process.Kill(); _ = plug.cmd.Wait() })
		t.Cleanup(pull)
		return pull
	}
}

// watcher is a program that hears everything.
type watcher struct {
	client paho.Client
	close  func()

	mu   sync.Mutex
	said map[string]string
}

type plugState struct {
	Mode       string
	Online, On bool
}

func watchBroker(t *testing.T, addr, secret string) *watcher {
	t.Helper()
	w := &watcher{said: map[string]string{}}
	w.client = paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + addr).SetClientID("app").SetUsername("app").SetPassword(secret).SetAutoReconnect(false))
	if token := w.client.Connect(); !token.WaitTimeout(waitTime) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	w.close = sync.OnceFunc(func() { w.client.Disconnect(50) })
	t.Cleanup(w.close)
	token := w.client.Subscribe("#", 0, func(_ paho.Client, m paho.Message) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.said[m.Topic()] = string(m.Payload())
	})
	if !token.WaitTimeout(waitTime) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	return w
}

func (w *watcher) say(topic, payload string) {
	w.client.Publish(topic, 1, false, payload).WaitTimeout(waitTime)
}

func (w *watcher) last(topic string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said[topic]
}

func (w *watcher) state(id string) (s plugState) {
	_ = json.Unmarshal([]byte(w.last("homehub/"+id+"/state")), &s)
	return s
}
