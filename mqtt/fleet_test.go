package mqtt

import (
	"fmt"
	"slices"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/hub"
)

func plugDevice(id string) hub.Device {
	return hub.Device{ID: id, Name: id, Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/" + id}
}

func has(bit hub.ReportHas) func(hub.Report) bool {
	return func(r hub.Report) bool { return r.Has&bit != 0 }
}

// A plug from its connection over a command to its end, as EmonESP speaks.
func TestPlugOverTheWire(t *testing.T) {
	v := newVault()
	plug := plugDevice("plug")
	v.add("plug", "plug", Grants(plug)...)
	clock := hub.ScaledClock(at("2026-06-01 12:00:30"), 1)
	h := open(t, v, func(c *Config) { c.Clock = clock })
	h.SetDevices([]hub.Device{plug})
	if err := h.Actuate(t.Context(), plug, hub.Command{}); hub.CodeOf(err) != hub.Unavailable {
		t.Errorf("a plug that is not there: %v, want unavailable", err)
	}

	c := h.dial(t, "plug")
	if r := h.next(t, "online", has(hub.ReportOnline)); !r.Online || r.Device != "plug" || r.At.Before(at("2026-06-01 12:00:30")) {
		t.Errorf("report %+v", r)
	}
	in := listen(t, c, "emon/plug/in/#", 0)
	want(t, in, "emon/plug/in/state", "") // asked as soon as it hears us
	say(t, c, "emon/plug/describe", 0, false, "smartplug")

	if err := h.Actuate(t.Context(), plug, hub.Command{On: true, Until: at("2026-06-01 12:15:00")}); err != nil {
		t.Fatal(err)
	}
	want(t, in, "emon/plug/in/timer", "1200 1215")
	want(t, in, "emon/plug/in/ctrlmode", "On")
	want(t, in, "emon/plug/in/state", "")
	say(t, c, "emon/plug/out/state", 0, false, `{"ip":"1.2.3.4","ctrlmode":"On","timer":"1200 1215 0 0","vout":"0"}`)
	if r := h.next(t, "confirmed", has(hub.ReportOn)); !r.On {
		t.Error("it is off")
	}
	say(t, c, "emon/plug/power", 0, false, "2000")
	if r := h.next(t, "power", has(hub.ReportPower)); r.Power != 2000 {
		t.Errorf("power %d", r.Power)
	}
	c.Disconnect(10)
	if r := h.next(t, "offline", has(hub.ReportOnline)); r.Online {
		t.Error("it is still online")
	}
}

func TestChargerOverTheWire(t *testing.T) {
	v := newVault()
	car := evse().device
	v.add("car", "car", Grants(car)...)
	h := open(t, v)
	h.SetDevices([]hub.Device{car})
	const announce = "openevse/announce/55ad"
	opt := func(o *paho.ClientOptions) {
		o.SetWill(announce, `{"state":"disconnected","name":"openevse-55ad"}`, 0, true)
	}
	c := h.dial(t, "car", opt)
	h.next(t, "online", has(hub.ReportOnline))
	in := listen(t, c, "openevse-55ad/claim/set", 0)
	say(t, c, announce, 0, true, `{"state":"connected","name":"openevse-55ad","mqtt":"openevse-55ad"}`)
	h.next(t, "announced", has(hub.ReportOnline))
	if err := h.Actuate(t.Context(), car, hub.Command{On: true, Amps: 8, Until: time.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	want(t, in, "openevse-55ad/claim/set", `{"state":"active","charge_current":8,"max_current":8,"auto_release":true}`)
	say(t, c, "openevse-55ad/state", 0, false, "3")
	if r := h.next(t, "charging", has(hub.ReportOn)); !r.On || !r.Plugged {
		t.Errorf("report %+v", r)
	}
	for _, p := range h.door.everybody() { // it vanishes
		_ = p.Conn.Close()
	}
	if r := h.next(t, "its Will", has(hub.ReportOnline)); r.Online {
		t.Error("it is still online")
	}
}

// A device that logs in again before the broker noticed that the old
// connection died must not end up offline.
func TestTakeoverStaysOnline(t *testing.T) {
	v := newVault()
	v.add("plug", "plug", Grants(plugDevice("plug"))...)
	h := open(t, v)
	h.SetDevices([]hub.Device{plugDevice("plug")})
	h.dial(t, "plug")
	h.next(t, "online", has(hub.ReportOnline))
	second := h.dial(t, "plug")
	h.next(t, "online again", has(hub.ReportOnline))
	eventually(t, "the first is gone", func() bool { return len(h.door.everybody()) == 1 })
	say(t, second, "emon/plug/power", 1, false, "1")
	r := h.next(t, "power", func(r hub.Report) bool { return r.Has&(hub.ReportPower|hub.ReportOnline) != 0 })
	if r.Has&hub.ReportOnline != 0 {
		t.Errorf("report %+v came with the old connection's end", r)
	}
	h.SetDevices(nil) // and added again, it is still known to be there
	h.SetDevices([]hub.Device{plugDevice("plug")})
	if r := h.next(t, "online after all", has(hub.ReportOnline)); !r.Online {
		t.Error("offline")
	}
}

func TestDeviceThatIsAddedWhileConnected(t *testing.T) {
	v := newVault()
	v.add("plug", "plug", Grants(plugDevice("plug"))...)
	h := open(t, v)
	c := h.dial(t, "plug")
	in := listen(t, c, "emon/plug/in/state", 0)
	h.SetDevices([]hub.Device{plugDevice("plug")})
	if r := h.next(t, "online", has(hub.ReportOnline)); !r.Online {
		t.Error("offline")
	}
	want(t, in, "emon/plug/in/state", "")
}

// One credential may speak for several devices, as a bridge does; they are
// offline when it goes.
func TestBridgeSpeaksForItsDevices(t *testing.T) {
	v := newVault()
	v.add("bridge", "", rw("emon/#"))
	h := open(t, v)
	h.SetDevices([]hub.Device{plugDevice("a"), plugDevice("b")})
	c := h.dial(t, "bridge")
	say(t, c, "emon/a/power", 0, false, "1")
	say(t, c, "emon/b/power", 0, false, "2")
	h.next(t, "b's power", func(r hub.Report) bool { return r.Device == "b" })
	c.Disconnect(10)
	var gone []string
	for range 2 {
		r := h.next(t, "offline", has(hub.ReportOnline))
		if r.Online {
			t.Error("online")
		}
		gone = append(gone, r.Device)
	}
	if slices.Sort(gone); fmt.Sprint(gone) != "[a b]" {
		t.Errorf("offline are %v", gone)
	}
}

// No charger may announce the end of another.
func TestForeignAnnouncementIsIgnored(t *testing.T) {
	f := newFleet(hub.Clock{}, nil, nil, nil)
	f.set([]hub.Device{{ID: "car", Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Topic: "garage/one"}})
	will := event{topic: "openevse/announce/1", payload: []byte(`{"state":"disconnected","name":"garage/one"}`)}
	will.peer = &peer{cred: hub.Credential{Device: "other"}}
	if got, _ := f.understand(will, time.Now()); len(got) != 0 {
		t.Errorf("another device's credential: %+v", got)
	}
	will.peer = &peer{cred: hub.Credential{Device: "car"}}
	if got, _ := f.understand(will, time.Now()); len(got) != 1 {
		t.Error("its own is ignored too")
	}
}

func TestFleetNeverBlocks(t *testing.T) {
	block := make(chan struct{})
	var reports int
	f := newFleet(hub.Clock{}, discard0(), func(hub.Report) { <-block; reports++ }, nil)
	f.set([]hub.Device{plugDevice("a")})
	p := &peer{}
	for range 3 * maxQueue {
		f.heard(p, "emon/a/power", []byte("1"))
	}
	f.disconnected(p)
	if len(f.queue) != maxQueue+1 || f.lost != 2*maxQueue {
		t.Errorf("%d wait, %d lost", len(f.queue), f.lost)
	}
	close(block)
	f.drain()
	if reports != maxQueue+1 {
		t.Errorf("%d reports", reports)
	}
}

func TestLongestBaseWins(t *testing.T) {
	f := newFleet(hub.Clock{}, nil, nil, nil)
	outer, inner := plugDevice("a"), plugDevice("b")
	inner.Topic = "emon/a/b"
	f.set([]hub.Device{outer, inner})
	for topic, want := range map[string]string{"emon/a/power": "a", "emon/a/b/power": "b", "emon/a/b/c/d": "b"} {
		if m := f.at(topic); len(m) != 1 || m[0].device.ID != want {
			t.Errorf("%s belongs to %+v", topic, m)
		}
	}
	if f.at("emon/ab/power") != nil || f.at("power") != nil {
		t.Error("a topic of nobody belongs to somebody")
	}
}

func TestFamilyWithoutMQTT(t *testing.T) {
	h := open(t, newVault())
	relay := hub.Device{ID: "relay", Family: hub.FamilyGPIO, Role: hub.RolePlug, Topic: "GPIO17"}
	h.SetDevices([]hub.Device{relay})
	if err := h.Actuate(t.Context(), relay, hub.Command{}); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("got %v, want invalid", err)
	}
}
