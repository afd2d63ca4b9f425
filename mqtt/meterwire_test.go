package mqtt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/hub"
)

// metered is a house whose meter is fed over MQTT by the client bridge.
func metered(t *testing.T, fields map[string]string, change ...func(*Config)) (*house, chan hub.Reading) {
	t.Helper()
	v := newVault()
	v.add("bridge", "", rw("p1/#"))
	v.add("plug", "plug", Grants(plugDevice("plug"))...)
	v.add("reader", "", hub.Grant{Filter: "p1/#", Read: true})
	got := make(chan hub.Reading, 1000)
	return open(t, v, append([]func(*Config){func(c *Config) {
		c.Meter, c.Observe = mustMap(t, fields), func(r hub.Reading) { got <- r }
	}}, change...)...), got
}

func nextReading(t *testing.T, got chan hub.Reading) hub.Reading {
	t.Helper()
	select {
	case r := <-got:
		return r
	case <-time.After(patience):
		t.Fatal("no reading came")
		return hub.Reading{}
	}
}

// newest is the last reading of those that come until there is quiet.
func newest(t *testing.T, got chan hub.Reading) hub.Reading {
	t.Helper()
	for r := nextReading(t, got); ; {
		select {
		case r = <-got:
		case <-time.After(2 * burstTime):
			return r
		}
	}
}

// One topic per value, as an ESPHome P1 reader and ser2mqtt send them.
func TestMeterOverTheWire(t *testing.T) {
	h, got := metered(t, map[string]string{
		"import": "p1/power_consumed kW", "export": "p1/power_produced kW", "import_t1": "p1/t1", "import_t2": "p1/t2 Wh",
		"l1_current": "p1/current", "l1_voltage": "p1/voltage", "tariff": "p1/tariff", "time": "p1/time",
	})
	bridge := h.dial(t, "bridge")
	begin := time.Now()
	for i := range 3 {
		want := hub.Reading{
			At: time.Unix(begin.Unix()+int64(i), 0).UTC(), Import: hub.Watt(300 + i), Tariff: 2, PhaseCount: 1,
			Registers: hub.Registers{ImportT1: 1_234_567, ImportT2: 7_654_321}, Phases: [3]hub.Phase{{Current: 2000, Voltage: 2304}},
			Has: hub.HasImport | hub.HasImportT1 | hub.HasImportT2 | hub.HasTariff | hub.HasCurrent | hub.HasVoltage | hub.HasMeterClock,
		}
		var r hub.Reading
		var sent time.Time
		for range 10 { // on a busy machine a burst may fall apart
			sent = time.Now()
			for k, m := range []string{
				fmt.Sprintf("p1/time %d", want.At.Unix()), fmt.Sprintf("p1/power_consumed 0.%d", want.Import), "p1/power_produced 0.000 kW",
				"p1/t1 1234.567", "p1/t2 7654321", "p1/current 2", "p1/voltage 230.4", "p1/tariff 0002",
			} {
				topic, payload, _ := strings.Cut(m, " ")
				say(t, bridge, topic, byte((i+k)%3), k%2 == 0, payload)
			}
			if r = newest(t, got); r.At.Equal(want.At) && r.Has == want.Has {
				break
			}
		}
		if r.Received.Before(sent) || r.Received.After(time.Now()) {
			t.Errorf("received %v, sent %v", r.Received, sent)
		}
		if want.Received = r.Received; r != want {
			t.Errorf("burst %d:\ngot  %+v\nwant %+v", i, r, want)
		}
	}
	if err := h.Publish("p1/power_consumed", []byte("9"), false); err != nil { // the hub does not feed itself
		t.Fatal(err)
	}
	say(t, bridge, "p1/other", 1, false, "9")
	select {
	case r := <-got:
		t.Errorf("there is a reading of nothing: %+v", r)
	case <-time.After(300 * time.Millisecond):
	}
}

// One JSON document, as bridges of a HomeWizard and Tasmota send it.
func TestMeterInJSON(t *testing.T) {
	t.Parallel()
	h, got := metered(t, map[string]string{
		"net": "p1/data#/active_power_w", "import_t1": "p1/data#/total_power_import_t1_kwh", "gas": "p1/data#/external/0/value m3",
		"l1_import": "p1/data#/phases/0", "l2_import": "p1/data#/phases/1", "l3_import": "p1/data#/phases/2", "time": "p1/data#/a~1b",
	})
	say(t, h.dial(t, "bridge"), "p1/data", 0, false, `{"active_power_w": -543.0, "total_power_import_t1_kwh": 10830.511, "unique": null,
		"external": [{"type": "gas_meter", "value": 2569.646, "unit": "m3"}], "phases": [-676, 133, "0.000 kW"], "a/b": "2026-01-01T01:00:00+01:00"}`)
	r := nextReading(t, got)
	want := hub.Reading{
		At: at("2026-01-01 00:00:00"), Received: r.Received, Export: 543, Registers: hub.Registers{ImportT1: 10_830_511}, Gas: 2_569_646,
		Phases: [3]hub.Phase{{Export: 676}, {Import: 133}}, PhaseCount: 3,
		Has: hub.HasImport | hub.HasImportT1 | hub.HasGas | hub.HasPhasePower | hub.HasMeterClock,
	}
	if r != want {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	if last := h.last(); last != "ok " {
		t.Errorf("the broker is %q", last)
	}
}

// Who may not write a topic does not feed the meter, in any quality of service
// and in both versions.
func TestMeterIsFedByTheEntitledAlone(t *testing.T) {
	t.Parallel()
	h, got := metered(t, map[string]string{"net": "p1/power"})
	for _, id := range []string{"plug", "reader"} {
		c := h.dial(t, id)
		for qos := range byte(3) {
			say(t, c, "p1/power", qos, true, "6666")
		}
	}
	v5 := h.raw(t, "")
	if code := v5.login(5, "reader", h.vault.secret("reader"), 60, true); code != 0 {
		t.Fatalf("refused: %d", code)
	}
	v5.send(publish(5, 0, 0, "p1/power", "6666"))
	v5.send(packet(0xc0))
	say(t, h.dial(t, "bridge"), "p1/power", 1, false, "5")
	if r := nextReading(t, got); r.Import != 5 {
		t.Errorf("%+v", r)
	}
}

// Garbage is on the status page, with its topic, and good values go on.
func TestMeterGarbageOverTheWire(t *testing.T) {
	t.Parallel()
	h, got := metered(t, map[string]string{"net": "p1/power", "gas": "p1/data#/gas"})
	bridge := h.dial(t, "bridge")
	for range 3 {
		say(t, bridge, "p1/power", 1, false, "\x00\xffnan")
	}
	say(t, bridge, "p1/data", 1, false, "{{{")
	eventually(t, "the broker's line does not tell", func() bool {
		return strings.HasPrefix(h.last(), "degraded 4 values of the meter were not understood") && strings.Contains(h.last(), "p1/data")
	})
	say(t, bridge, "p1/power", 1, false, "17 W")
	if r := nextReading(t, got); r.Import != 17 || r.Has != hub.HasImport {
		t.Errorf("%+v", r)
	}
	h.troubles.expire(time.Now().Add(troubleTime + time.Second))
	if h.last() != "ok " {
		t.Errorf("it is never forgotten: %s", h.last())
	}
}

// On a house clock that runs fast a value leaves after a house minute.
func TestMeterForgetsOverTheWire(t *testing.T) {
	t.Parallel()
	h, got := metered(t, map[string]string{"net": "p1/power", "gas": "p1/gas"}, func(c *Config) {
		c.Clock = hub.ScaledClock(at("2026-01-01 00:00:00"), 20)
	})
	bridge := h.dial(t, "bridge")
	before := at("2026-01-01 00:00:00")
	say(t, bridge, "p1/gas", 1, false, "1.5")
	first := nextReading(t, got)
	if first.Has != hub.HasGas || first.Gas != 1500 || first.Received.Before(before) {
		t.Fatalf("%+v", first)
	}
	for had := 0; ; had++ {
		say(t, bridge, "p1/power", 1, false, "1")
		r := nextReading(t, got)
		age := r.Received.Sub(first.Received)
		if r.Has&hub.HasImport == 0 || r.Has&hub.HasGas != 0 != (age <= time.Minute) {
			t.Fatalf("gas of %v ago: %+v", age, r)
		}
		if age > time.Minute {
			if had > 0 {
				return
			}
			// Three seconds are short on a busy machine: once more.
			say(t, bridge, "p1/gas", 1, false, "1.5")
			if first = nextReading(t, got); first.Has&hub.HasGas == 0 {
				t.Fatalf("%+v", first)
			}
			had = -1
		}
	}
}

// While the hub does not take readings, nobody on the broker waits for it.
func TestMeterDoesNotHoldUpItsPublisher(t *testing.T) {
	t.Parallel()
	block, entered := make(chan struct{}), make(chan struct{}, 1)
	h, _ := metered(t, map[string]string{"net": "p1/power"}, func(c *Config) {
		c.Limits.MessageRate = 10_000
		c.Observe = func(hub.Reading) {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-block
		}
	})
	bridge := h.dial(t, "bridge")
	heard := listen(t, h.dial(t, "reader"), "p1/power", 0)
	say(t, bridge, "p1/power", 1, false, "0")
	<-entered
	want(t, heard, "p1/power", "0")
	var last paho.Token
	for i := range 2 * maxMeterQueue {
		last = bridge.Publish("p1/power", 1, false, fmt.Sprint(i+1))
	}
	if err := settle(last); err != nil {
		t.Fatalf("the publisher waits: %v", err)
	}
	for i := range 2 * maxMeterQueue {
		want(t, heard, "p1/power", fmt.Sprint(i+1))
	}
	close(block)
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
}

// A flood over TCP comes out ten times a second at most, and its last value
// comes out.
func TestMeterFloodOverTheWire(t *testing.T) {
	t.Parallel()
	var told []hub.Reading
	done := make(chan struct{})
	const n = 1500
	h, _ := metered(t, map[string]string{"net": "p1/power"}, func(c *Config) {
		c.Limits.MessageRate = 10_000
		c.Observe = func(r hub.Reading) {
			told = append(told, r)
			if r.Import == n {
				close(done)
			}
		}
	})
	bridge := h.dial(t, "bridge")
	begin := time.Now()
	for i := range n {
		say(t, bridge, "p1/power", 1, false, fmt.Sprint(i+1))
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the last value did not come out")
	}
	if most := int(time.Since(begin)/burstPause) + 1; len(told) > most || len(told) < 2 {
		t.Errorf("%d readings in %v", len(told), time.Since(begin))
	}
}
