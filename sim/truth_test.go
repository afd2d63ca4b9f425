package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"homehub/hub"
)

type truthLine struct {
	At       time.Time
	Device   string
	On       bool
	Amps     int
	Plug     hub.WattHour `json:"plug_wh"`
	ImportT1 hub.WattHour `json:"import_t1_wh"`
	ImportT2 hub.WattHour `json:"import_t2_wh"`
}

func parseTruth(t *testing.T, record []byte) (switches, minutes []truthLine) {
	t.Helper()
	for line := range bytes.Lines(record) {
		var l truthLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if l.Device != "" {
			switches = append(switches, l)
		} else {
			minutes = append(minutes, l)
		}
	}
	return switches, minutes
}

func checkRecord(t *testing.T, record []byte, h *House, switchAt time.Time) {
	t.Helper()
	switches, minutes := parseTruth(t, record)
	if len(switches) != 3 || switches[0].Device != "plug" || switches[0].On || switches[1].Device != "car" {
		t.Fatalf("the record begins with %+v", switches)
	}
	s := switches[2]
	if d := s.At.Sub(switchAt); s.Device != "plug" || !s.On || d < -2*time.Second || d > 2*time.Second {
		t.Errorf("switched %+v, want about %s", s, switchAt)
	}
	if len(minutes) != 3 && len(minutes) != 2 {
		t.Fatalf("%d minutes", len(minutes))
	}
	for _, m := range minutes {
		if m.At.Second() != 0 {
			t.Errorf("a minute line of %s", m.At)
		}
	}
	if last := minutes[len(minutes)-1]; last.ImportT1+last.ImportT2 == 0 {
		t.Errorf("no registers in %+v", last)
	}
}

// The record is enough to say how long the plug was on and what it took.
func TestTruthOfThePlug(t *testing.T) {
	start := at(t, "2026-02-03T10:00:00Z")
	h := newHouse(t, start)
	h.keepTruth()
	h.Step(start.Add(10 * time.Minute))
	h.tellPlug("in/ctrlmode", "On")
	h.tellPlug("in/ctrlmode", "On") // renewing is not switching
	h.Step(start.Add(40 * time.Minute))
	h.tellPlug("in/ctrlmode", "nonsense")
	h.Step(start.Add(45 * time.Minute))
	h.tellPlug("in/timer", "1050 1055")
	h.tellPlug("in/ctrlmode", "Timer")
	h.Step(start.Add(60 * time.Minute))
	switches, minutes := parseTruth(t, h.takeTruth(nil))
	var got []string
	for _, s := range switches {
		if s.Device == "plug" {
			got = append(got, s.At.Format("1504"), map[bool]string{true: "on", false: "off"}[s.On])
		}
	}
	want := []string{"1000", "off", "1010", "on", "1040", "off", "1050", "on", "1055", "off"}
	if len(got) != len(want) {
		t.Fatalf("switched %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("switched %v, want %v", got, want)
		}
	}
	if len(minutes) != 60 {
		t.Errorf("%d minute lines in an hour", len(minutes))
	}
	// 35 minutes of 2 kW, give or take the appliance's one per cent.
	if wh := minutes[59].Plug; wh < 1150 || wh > 1183 || wh != h.Plug().Energy {
		t.Errorf("the plug took %d Wh, counter %d", wh, h.Plug().Energy)
	}
	if more := h.takeTruth(nil); len(more) != 0 {
		t.Errorf("the record came twice: %s", more)
	}
}

func TestRunReportsARecordThatFails(t *testing.T) {
	full := errors.New("no space left")
	start := time.Now().UTC()
	err := Run(t.Context(), Config{House: newHouse(t, start), Logger: quiet, Record: writerFunc(func([]byte) (int, error) { return 0, full })})
	if !errors.Is(err, full) {
		t.Errorf("ended with %v", err)
	}
}
