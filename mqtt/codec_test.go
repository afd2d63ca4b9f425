package mqtt

import (
	"strings"
	"testing"
	"time"

	"homehub/hub"
)

// heard is one message to a codec and what it makes of it; a nil report is not
// understood.
type heard struct {
	topic, payload string
	want           *hub.Report
}

func on(v bool) *hub.Report     { return &hub.Report{Has: hub.ReportOn, On: v} }
func online(v bool) *hub.Report { return &hub.Report{Has: hub.ReportOnline, Online: v} }

func measured(w hub.Watt, wh hub.WattHour) *hub.Report {
	return &hub.Report{Has: hub.ReportPower | hub.ReportEnergy, Power: w, Energy: wh}
}

// hearAll checks what one codec makes of several messages in a row.
func hearAll(t *testing.T, d hub.Device, steps []heard) {
	t.Helper()
	codec := newDriver(d)
	for _, s := range steps {
		r, ok := codec.hear(s.topic, []byte(s.payload), time.Unix(1e9, 0))
		if ok != (s.want != nil) || ok && r != *s.want {
			t.Errorf("%s %s: %+v %v", s.topic, s.payload, r, ok)
		}
	}
}

// told are the commands of a codec as lines.
func told(d hub.Device, c hub.Command) string {
	now := at("2026-06-01 12:00:00")
	if c.On && c.Until.IsZero() {
		c.Until = now.Add(10*time.Minute + 500*time.Millisecond)
	}
	return lines(newDriver(d).tell(c, now))
}

// fuzzCodec throws two messages at a codec, and wants reports that make sense
// and commands on the device's own topics.
func fuzzCodec(f *testing.F, d hub.Device, own ...string) {
	f.Fuzz(func(t *testing.T, topic1 string, payload1 []byte, topic2 string, payload2 []byte) {
		codec := newDriver(d)
		r, ok := codec.hear(topic1, payload1, time.Unix(1e9, 0))
		sane(t, r, ok)
		r, ok = codec.hear(topic2, payload2, time.Unix(1e9, 0))
		sane(t, r, ok)
		for _, m := range append(codec.tell(hub.Command{On: true, Until: time.Unix(1e9+900, 0)}, time.Unix(1e9, 0)), codec.ask()...) {
			mine := false
			for _, prefix := range own {
				mine = mine || strings.HasPrefix(m.topic, prefix)
			}
			if !mine {
				t.Errorf("tells %s", m.topic)
			}
		}
	})
}
