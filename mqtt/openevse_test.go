package mqtt

import (
	"strings"
	"testing"
	"time"

	"homehub/hub"
)

func evse(change ...func(*hub.Device)) *openEVSE {
	d := hub.Device{ID: "car", Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Topic: "openevse-55ad", MinAmps: 6, MaxAmps: 16, Phases: 1}
	for _, f := range change {
		f(&d)
	}
	return &openEVSE{device: d}
}

func TestOpenEVSEHears(t *testing.T) {
	const connected = `{"state":"connected","id":"c44f330d55ad","name":"openevse-55ad","mqtt":"openevse-55ad","http":"http://192.168.1.9/"}`
	type step struct {
		topic, payload string
		want           hub.Report
		ok             bool
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"states", []step{
			{"state", "1", hub.Report{Has: hub.ReportOn | hub.ReportPlugged}, true},
			{"state", "2", hub.Report{Has: hub.ReportOn | hub.ReportPlugged, Plugged: true}, true},
			{"state", "3", hub.Report{Has: hub.ReportOn | hub.ReportPlugged, On: true, Plugged: true}, true},
			{"state", "254", hub.Report{Has: hub.ReportOn}, true},
			{"state", "255", hub.Report{Has: hub.ReportOn}, true},
			{"state", "charging", hub.Report{}, false},
		}},
		{"vehicle", []step{
			{"vehicle", "1", hub.Report{Has: hub.ReportPlugged, Plugged: true}, true},
			{"vehicle", "0", hub.Report{Has: hub.ReportPlugged}, true},
			{"vehicle", "", hub.Report{}, false},
		}},
		{"power of its own", []step{
			{"power", "3680", hub.Report{Has: hub.ReportPower, Power: 3680}, true},
			{"voltage", "230", hub.Report{}, true},
			{"amp", "15600", hub.Report{Has: hub.ReportAmps, Amps: 16}, true},
		}},
		{"power derived", []step{
			{"amp", "16000", hub.Report{Has: hub.ReportAmps, Amps: 16}, true},
			{"voltage", "230", hub.Report{Has: hub.ReportPower, Power: 3680}, true},
			{"amp", "0", hub.Report{Has: hub.ReportAmps | hub.ReportPower}, true},
			{"amp", "-1", hub.Report{}, false},
			{"amp", "1e9", hub.Report{}, false},
		}},
		{"energy: the total wins over the session", []step{
			{"wh", "1500", hub.Report{Has: hub.ReportEnergy, Energy: 1500}, true},
			{"total_energy", "1234.567", hub.Report{Has: hub.ReportEnergy, Energy: 1234567}, true},
			{"wh", "1600", hub.Report{}, false},
		}},
		{"announcement and Will", []step{
			{"//openevse/announce/55ad", connected, hub.Report{Has: hub.ReportOnline, Online: true}, true},
			{"//openevse/announce/55ad", `{"state":"disconnected","id":"c44f330d55ad","name":"anything"}`, hub.Report{Has: hub.ReportOnline}, true},
			{"//openevse/announce/55ad", "", hub.Report{}, false},
			{"//openevse/announce/55ad", `{"state":"lost","mqtt":"openevse-55ad"}`, hub.Report{}, false},
		}},
		{"Will alone, by its name", []step{
			{"//openevse/announce/55ad", `{"state":"disconnected","name":"openevse-55ad"}`, hub.Report{Has: hub.ReportOnline}, true},
		}},
		{"another charger's", []step{
			{"//openevse/announce/1111", `{"state":"connected","name":"openevse-1111","mqtt":"openevse-1111"}`, hub.Report{}, false},
			{"//openevse/announce/1111", `{"state":"disconnected","name":"openevse-1111"}`, hub.Report{}, false},
			{"//openevse-1111/state", "3", hub.Report{}, false},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := evse()
			for i, s := range tt.steps {
				topic := o.device.Topic + "/" + s.topic
				if s.topic[0] == '/' {
					topic = s.topic[2:]
				}
				got, ok := o.hear(topic, []byte(s.payload), time.Unix(1e9, 0))
				if ok != s.ok || ok && got != s.want {
					t.Errorf("step %d: got %+v %v, want %+v %v", i, got, ok, s.want, s.ok)
				}
			}
		})
	}
}

func TestOpenEVSEThreePhases(t *testing.T) {
	o := evse(func(d *hub.Device) { d.Phases = 3 })
	o.hear("openevse-55ad/voltage", []byte("230"), time.Time{})
	if r, _ := o.hear("openevse-55ad/amp", []byte("16000"), time.Time{}); r.Power != 11040 {
		t.Errorf("power %d, want 11040", r.Power)
	}
}

func TestOpenEVSETells(t *testing.T) {
	now := at("2026-06-01 12:00:00")
	on := hub.Command{On: true, Amps: 10, Until: now.Add(14*time.Minute + time.Second)}
	const claim = `openevse-55ad/claim/set {"state":"active","charge_current":10,"max_current":10,"auto_release":true}` + "\n"
	for _, tt := range []struct {
		name string
		said map[string]string // 2 minutes ago
		c    hub.Command
		want string
	}{
		{"on", nil, on, `openevse-55ad/limit/set {"type":"time","value":15,"auto_release":false}` + "\n" + claim},
		{
			"on in a running session",
			map[string]string{"state": "3", "session_elapsed": "3590"},
			on,
			`openevse-55ad/limit/set {"type":"time","value":76,"auto_release":false}` + "\n" + claim,
		},
		{
			"on in a session that stands",
			map[string]string{"state": "254", "session_elapsed": "3590"},
			on,
			`openevse-55ad/limit/set {"type":"time","value":74,"auto_release":false}` + "\n" + claim,
		},
		{
			"without amps", nil,
			hub.Command{On: true, Until: now.Add(time.Minute)},
			`openevse-55ad/limit/set {"type":"time","value":1,"auto_release":false}` + "\n" +
				`openevse-55ad/claim/set {"state":"active","charge_current":16,"max_current":16,"auto_release":true}` + "\n",
		},
		{"off", nil, hub.Command{}, `openevse-55ad/claim/set {"state":"disabled","auto_release":false}` + "\nopenevse-55ad/limit/set clear\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := evse()
			for key, payload := range tt.said {
				o.hear("openevse-55ad/"+key, []byte(payload), now.Add(-2*time.Minute))
			}
			if got := lines(o.tell(tt.c, now)); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestGrants(t *testing.T) {
	for _, tt := range []struct {
		family      hub.Family
		topic       string
		read, write []string
		neither     []string
	}{
		{
			hub.FamilyEmonESP, "emon/plug",
			[]string{"emon/plug/in/#", "emon/plug/node/in/#"},
			[]string{"emon/plug/power", "emon/plug/n/describe"},
			[]string{"emon/other/in/#", "emon/#", "emon/+/in/ctrlmode", "homehub/live", "#"},
		},
		{
			hub.FamilyOpenEVSE, "openevse-55ad",
			[]string{"openevse-55ad/claim/set"},
			[]string{"openevse-55ad/state", "openevse/announce/55ad"},
			[]string{"openevse/announce/1111", "openevse-1111/claim/set", "openevse/announce/#"},
		},
		{hub.FamilyOpenEVSE, "garage/charger", []string{"garage/charger/limit/set"}, []string{"openevse/announce/1111"}, []string{"garage/#"}},
	} {
		grants := Grants(hub.Device{Family: tt.family, Topic: tt.topic})
		for _, topic := range tt.read {
			if !mayRead(grants, topic) {
				t.Errorf("%s may not read %s", tt.topic, topic)
			}
		}
		for _, topic := range tt.write {
			if !mayWrite(grants, topic) {
				t.Errorf("%s may not write %s", tt.topic, topic)
			}
		}
		for _, topic := range tt.neither {
			if mayRead(grants, topic) || mayWrite(grants, topic) {
				t.Errorf("%s may use %s", tt.topic, topic)
			}
		}
	}
}

func FuzzOpenEVSE(f *testing.F) {
	f.Add("openevse-55ad/amp", []byte("16000"), "openevse-55ad/voltage", []byte("230"))
	f.Add("openevse/announce/55ad", []byte(`{"state":"connected","mqtt":"openevse-55ad"}`), "openevse-55ad/session_elapsed", []byte("10"))
	f.Fuzz(func(t *testing.T, topic1 string, payload1 []byte, topic2 string, payload2 []byte) {
		o := evse(func(d *hub.Device) { d.Phases = 3 })
		now := time.Unix(1e9, 0)
		r, ok := o.hear(topic1, payload1, now)
		sane(t, r, ok && r.Has&hub.ReportPower == 0)
		r, ok = o.hear(topic2, payload2, now)
		sane(t, r, ok && r.Has&hub.ReportPower == 0)
		if m := o.tell(hub.Command{On: true, Amps: 6, Until: now.Add(time.Minute)}, now); len(m) != 2 {
			t.Errorf("tells %d messages", len(m))
		}
	})
}

// A charger whose limit was reached while the hub was away does not charge
// until the limit is cleared: the second try does that, the third sets a new
// one.
func TestOpenEVSELiftsALimitThatWasReached(t *testing.T) {
	o := &openEVSE{device: hub.Device{Topic: "openevse", MaxAmps: 16}}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	on := hub.Command{On: true, Until: now.Add(15 * time.Minute)}
	limit := func() string { return string(o.tell(on, now)[0].payload) }
	if got := limit(); !strings.Contains(got, `"value":15`) {
		t.Errorf("first: %s", got)
	}
	if got := limit(); got != "clear" {
		t.Errorf("again, and still not charging: %s", got)
	}
	if got := limit(); !strings.Contains(got, `"value":15`) {
		t.Errorf("third: %s", got)
	}
	o.hear("openevse/state", []byte("3"), now)
	for range 3 {
		if got := limit(); got == "clear" {
			t.Error("a renewed lease of a charging car clears its limit")
		}
	}
}

// As soon as it charges again it gets its time limit, not with the next
// command.
func TestOpenEVSEGetsItsLimitBack(t *testing.T) {
	o := evse()
	now := at("2026-06-01 12:00:00")
	on := hub.Command{On: true, Until: now.Add(15 * time.Minute)}
	o.tell(on, now)
	o.tell(on, now.Add(10*time.Second)) // clears
	o.hear("openevse-55ad/state", []byte("254"), now)
	if m := o.follow(now); m != nil {
		t.Errorf("while it sleeps: %s", lines(m))
	}
	o.hear("openevse-55ad/session_elapsed", []byte("60"), now)
	o.hear("openevse-55ad/state", []byte("3"), now)
	if got := lines(o.follow(now.Add(time.Second))); got != `openevse-55ad/limit/set {"type":"time","value":16,"auto_release":false}`+"\n" {
		t.Errorf("once it charges: %s", got)
	}
	if m := o.follow(now); m != nil {
		t.Errorf("and again: %s", lines(m))
	}
	o.hear("openevse-55ad/state", []byte("254"), now)
	o.tell(on, now)
	o.tell(on, now)
	o.tell(hub.Command{}, now)
	o.hear("openevse-55ad/state", []byte("3"), now)
	if m := o.follow(now); m != nil {
		t.Errorf("after it was told off: %s", lines(m))
	}
}

// The firmware of the ESP8266 knows RAPI alone. A firmware with claims answers
// RAPI as well, but blocks what would switch.
func TestOpenEVSEWithoutClaims(t *testing.T) {
	now := at("2026-06-01 12:00:00")
	on := hub.Command{On: true, Amps: 10, Until: now.Add(15 * time.Minute)}
	old := evse()
	if got := lines(old.ask()); got != "openevse-55ad/rapi/in/$GS \n" {
		t.Errorf("asks %s", got)
	}
	for _, tt := range []struct {
		answer string
		want   hub.Report
		ok     bool
	}{
		{"$OK 3 120^2B", hub.Report{Has: hub.ReportOn | hub.ReportPlugged, On: true, Plugged: true}, true},
		{"$OK 254 0^2B", hub.Report{Has: hub.ReportOn}, true},
		{"$OK fe 0 01 0^2B", hub.Report{Has: hub.ReportOn}, true},
		{"$OK 1 0", hub.Report{Has: hub.ReportOn | hub.ReportPlugged}, true},
		{"$OK^20", hub.Report{}, false},
		{"$NK^21", hub.Report{}, false},
		{"$OK 4.2.1 5.0.1^00", hub.Report{}, false},
		{"", hub.Report{}, false},
	} {
		if r, ok := old.hear("openevse-55ad/rapi/out", []byte(tt.answer), now); ok != tt.ok || r != tt.want {
			t.Errorf("%s: %+v %v", tt.answer, r, ok)
		}
	}
	if got := lines(old.tell(on, now)); got != "openevse-55ad/rapi/in/$SC 10\nopenevse-55ad/rapi/in/$FE \nopenevse-55ad/rapi/in/$GS \n" {
		t.Errorf("on:\n%s", got)
	}
	if got := lines(old.tell(hub.Command{}, now)); got != "openevse-55ad/rapi/in/$FS \nopenevse-55ad/rapi/in/$GS \n" {
		t.Errorf("off:\n%s", got)
	}
	old.hear("openevse-55ad/claim", []byte(`{"state":"null"}`), now)
	if got := lines(old.tell(on, now)); !strings.Contains(got, "claim/set") || strings.Contains(got, "rapi") {
		t.Errorf("with claims:\n%s", got)
	}
	if old.ask() != nil {
		t.Error("a firmware with claims is still probed")
	}
}
