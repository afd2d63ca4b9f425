package mqtt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"homehub/hub"
)

func lines(messages []message) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "%s %s\n", m.topic, m.payload)
	}
	return b.String()
}

func at(s string) time.Time {
	v, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		panic(err)
	}
	return v
}

func TestEmonESPHears(t *testing.T) {
	plug := hub.Device{ID: "plug", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/smartplug1272"}
	roof := hub.Device{ID: "roof", Family: hub.FamilyEmonESP, Role: hub.RoleSolar, Topic: "emon/roof"}
	noon := at("2026-06-01 12:00:00")
	state := func(mode, timer string) string {
		return `{"ip":"192.168.1.71","ctrlmode":"` + mode + `","timer":"` + timer + `","vout":"0"}`
	}
	for _, tt := range []struct {
		name, topic, payload string
		device               hub.Device
		want                 hub.Report
		ok                   bool
	}{
		{"describe", "describe", "smartplug", plug, hub.Report{Has: hub.ReportOnline, Online: true}, true},
		{"state on", "out/state", state("On", "0 0 0 0"), plug, hub.Report{Has: hub.ReportOn, On: true}, true},
		{"state off", "out/state", state("Off", "630 1200 0 0"), plug, hub.Report{Has: hub.ReportOn}, true},
		{"timer, inside", "out/state", state("Timer", "630 1201 0 0"), plug, hub.Report{Has: hub.ReportOn, On: true}, true},
		{"timer, at its end", "out/state", state("Timer", "630 1200 0 0"), plug, hub.Report{Has: hub.ReportOn}, true},
		{"timer, second window", "out/state", state("Timer", "0 0 1155 1205"), plug, hub.Report{Has: hub.ReportOn, On: true}, true},
		{"timer around midnight", "out/state", state("Timer", "2200 1230 0 0"), plug, hub.Report{Has: hub.ReportOn, On: true}, true},
		{"timer never", "out/state", state("Timer", "1200 1200 0 0"), plug, hub.Report{Has: hub.ReportOn}, true},
		{"timer broken", "out/state", state("Timer", "x y 5"), plug, hub.Report{Has: hub.ReportOn}, true},
		{"mode as number", "out/state", state("1", ""), plug, hub.Report{Has: hub.ReportOn, On: true}, true},
		{"mode unknown", "out/state", state("Maybe", ""), plug, hub.Report{}, false},
		{"no JSON", "out/state", "On", plug, hub.Report{}, false},
		{"button", "out/ctrlmode", "On", plug, hub.Report{Has: hub.ReportOn, On: true}, true},
		{"button off", "out/ctrlmode", "Off", plug, hub.Report{Has: hub.ReportOn}, true},
		{"power", "power", "1999.6", plug, hub.Report{Has: hub.ReportPower, Power: 2000}, true},
		{"power1", "power1", "42", plug, hub.Report{Has: hub.ReportPower, Power: 42}, true},
		{"power below zero", "power", "-7", plug, hub.Report{Has: hub.ReportPower, Power: -7}, true},
		{"roof below zero", "power", "-7", roof, hub.Report{Has: hub.ReportPower}, true},
		{"energy", "energy", "123456", plug, hub.Report{Has: hub.ReportEnergy, Energy: 123456}, true},
		{"energy1", "energy1", " 5 ", plug, hub.Report{Has: hub.ReportEnergy, Energy: 5}, true},
		{"not a number", "power", "nan", plug, hub.Report{}, false},
		{"endless", "power", "1e999", plug, hub.Report{}, false},
		{"too much", "power", "1e7", plug, hub.Report{}, false},
		{"energy below zero", "energy", "-1", plug, hub.Report{}, false},
		{"empty", "power", "", plug, hub.Report{}, false},
		{"something else", "freeram", "20000", plug, hub.Report{}, false},
		{"our own command", "in/ctrlmode", "On", plug, hub.Report{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &emonESP{device: tt.device}
			got, ok := e.hear(tt.device.Topic+"/"+tt.topic, []byte(tt.payload), noon)
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("got %+v %v, want %+v %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestEmonESPTells(t *testing.T) {
	e := &emonESP{device: hub.Device{Role: hub.RolePlug, Topic: "emon/plug"}}
	on := hub.Command{On: true, Until: at("2026-06-01 23:58:01")}
	if got := lines(e.tell(on, at("2026-06-01 23:43:59"))); got != "emon/plug/in/timer 2343 2359\nemon/plug/in/ctrlmode On\nemon/plug/in/state \n" {
		t.Errorf("on:\n%s", got)
	}
	if got := lines(e.tell(hub.Command{}, at("2026-06-01 12:00:00"))); got != "emon/plug/in/ctrlmode Off\nemon/plug/in/timer 0000 0000\nemon/plug/in/state \n" {
		t.Errorf("off:\n%s", got)
	}
	// The plug's time is UTC plus its own offset, which is 0 as shipped.
	zone := time.FixedZone("CEST", 2*3600)
	if got := emonTimer(at("2026-06-01 23:50:00").In(zone), at("2026-06-02 00:05:00").In(zone)); got != "2350 0005" {
		t.Errorf("around midnight: %s", got)
	}
}

func TestEmonESPLearnsItsNode(t *testing.T) {
	e := &emonESP{device: hub.Device{Role: hub.RolePlug, Topic: "emon/plug"}}
	if _, ok := e.hear("emon/plug/smartplug1272/describe", []byte("smartplug"), time.Time{}); !ok {
		t.Fatal("describe below the node is not understood")
	}
	if got := lines(e.ask()); got != "emon/plug/smartplug1272/in/state \n" {
		t.Errorf("asks %q", got)
	}
	if r, ok := e.hear("emon/plug/smartplug1272/out/state", []byte(`{"ctrlmode":"On"}`), time.Time{}); !ok || !r.On {
		t.Error("state below the node is not understood")
	}
	if r, ok := e.hear("emon/plug/power", []byte("5"), time.Time{}); !ok || r.Power != 5 {
		t.Error("power above the node is not understood")
	}
	if _, ok := e.hear("emon/plug/x/power", []byte("5"), time.Time{}); ok {
		t.Error("power somewhere else counts")
	}
}

func FuzzEmonESP(f *testing.F) {
	f.Add("out/state", []byte(`{"ctrlmode":"Timer","timer":"630 1200 0 0"}`))
	f.Add("power", []byte("1e5"))
	f.Add("x/out/ctrlmode", []byte("On"))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		for _, role := range []hub.Role{hub.RolePlug, hub.RoleSolar} {
			e := &emonESP{device: hub.Device{Role: role, Topic: "emon/plug"}}
			r, ok := e.hear("emon/plug/"+topic, payload, time.Unix(1e9, 0))
			sane(t, r, ok)
			for _, m := range e.tell(hub.Command{On: true, Until: time.Unix(1e9+900, 0)}, time.Unix(1e9, 0)) {
				if publishable("emon/plug/"+topic) && !strings.HasPrefix(m.topic, "emon/plug/") {
					t.Errorf("tells %s", m.topic)
				}
			}
		}
	})
}

func sane(t *testing.T, r hub.Report, ok bool) {
	t.Helper()
	if ok && (r.Power > 1e6 || r.Power < -1e6 || r.Energy < 0 || r.Energy > 1e12 || r.Amps < 0 || r.Amps > 1000) {
		t.Errorf("report %+v", r)
	}
}
