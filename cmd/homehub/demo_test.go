package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// truth is a line of the record that the simulated house keeps of itself.
type truth struct {
	At       time.Time
	Device   string
	On       bool
	ImportT1 *int64 `json:"import_t1_wh"`
	ImportT2 *int64 `json:"import_t2_wh"`
	ExportT1 *int64 `json:"export_t1_wh"`
	ExportT2 *int64 `json:"export_t2_wh"`
}

func truths(t *testing.T, path string) (lines []truth) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var l truth
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		lines = append(lines, l)
	}
	return lines
}

// TestADayOfTheDemo is the whole way at once: a meter's telegram in, a plug
// switched at the planned time, and every watt-hour accounted for.
func TestADayOfTheDemo(t *testing.T) {
	record := filepath.Join(t.TempDir(), "truth.jsonl")
	p := launch(t, "demo", "--speed", "300", "--start", "2026-01-14T21:00", "--interval", "1s",
		"--record", record, "--listen", "{web}", "--mqtt", "{mqtt}")
	if code, _ := p.send("POST", "/api/devices/plug/mode", map[string]string{"mode": "off"}); code != http.StatusUnauthorized {
		t.Errorf("switching without a log-in: status %d", code)
	}
	p.login()
	p.seesLiveEvents()
	p.hearsTheMirror()
	code, out := p.send("PUT", "/api/devices/plug/schedule", map[string]any{"ready_by": "07:00", "minutes": 180, "days": []string{}})
	if code != http.StatusOK {
		t.Fatalf("schedule: %d %s", code, out)
	}
	planned := p.plannedRun("plug")
	if planned[1].Sub(planned[0]) != 3*time.Hour {
		t.Fatalf("planned %v to %v, want 3 h", planned[0], planned[1])
	}
	p.until("the day is over", 4*time.Minute, func() bool { return p.live().At.After(planned[1].Add(10 * time.Minute)) })
	p.checkRun(truths(t, record), planned)
	p.checkEnergy(truths(t, record))
	p.stop()
}

// seesLiveEvents reads the stream until two different readings came.
func (p *process) seesLiveEvents() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/events", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	seen := map[int64]bool{}
	for s := bufio.NewScanner(r.Body); len(seen) < 2 && s.Scan(); {
		text, ok := strings.CutPrefix(s.Text(), "data: ")
		var l live
		if ok && json.Unmarshal([]byte(text), &l) == nil && !l.At.IsZero() {
			seen[l.At.Unix()] = true
		}
	}
	if len(seen) < 2 {
		p.t.Error("the stream shows no change of the reading")
	}
}

// hearsTheMirror subscribes with a log-in made for it and waits for a value.
func (p *process) hearsTheMirror() {
	p.t.Helper()
	code, out := p.send("POST", "/api/mqtt/clients", map[string]any{"name": "watcher", "grants": []map[string]any{{"filter": "homehub/#", "read": true}}})
	var cred struct {
		ClientID string `json:"client_id"`
		Username string
		Password string
	}
	if err := json.Unmarshal([]byte(out), &cred); err != nil || code >= 300 || cred.Password == "" {
		p.t.Fatalf("a log-in for a program: %d %s", code, out)
	}
	values := make(chan string, 100)
	opts := paho.NewClientOptions().AddBroker("tcp://" + p.mqtt).SetClientID(cred.ClientID).SetUsername(cred.Username).SetPassword(cred.Password)
	client := paho.NewClient(opts)
	if token := client.Connect(); !token.WaitTimeout(waitTime) || token.Error() != nil {
		p.t.Fatalf("connecting to the broker: %v", token.Error())
	}
	defer client.Disconnect(100)
	client.Subscribe("homehub/import_w", 0, func(_ paho.Client, m paho.Message) {
		select {
		case values <- string(m.Payload()):
		default:
		}
	})
	select {
	case v := <-values:
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			p.t.Errorf("homehub/import_w says %q", v)
		}
	case <-time.After(waitTime):
		p.t.Error("no value on homehub/import_w")
	}
}

// plannedRun waits for the plan of the schedule just set and returns its one
// run.
func (p *process) plannedRun(device string) (run [2]time.Time) {
	p.t.Helper()
	p.until("the plan has the new schedule", waitTime, func() bool {
		var plan struct {
			Devices []struct {
				Device string
				Need   int64 `json:"need_wh"`
				Runs   []struct{ Start, End time.Time }
			}
		}
		p.get("/api/plan", &plan)
		for _, d := range plan.Devices {
			if d.Device == device && d.Need == 6000 && len(d.Runs) == 1 {
				run = [2]time.Time{d.Runs[0].Start, d.Runs[0].End}
				return true
			}
		}
		return false
	})
	return run
}

// checkRun holds the plug's own record of being on against the plan.
func (p *process) checkRun(lines []truth, planned [2]time.Time) {
	p.t.Helper()
	var on, off []time.Time
	for _, l := range lines {
		switch {
		case l.Device != "plug":
		case l.On:
			on = append(on, l.At)
		case len(on) > 0:
			off = append(off, l.At)
		}
	}
	if len(on) != 1 || len(off) != 1 {
		p.t.Fatalf("the plug was switched on at %v and off at %v, want once each", on, off)
	}
	// Half a second on a busy machine is 300 s in this house, a third of a slot.
	const tolerance = 300 * time.Second
	if d := on[0].Sub(planned[0]).Abs(); d > tolerance {
		p.t.Errorf("on at %v, planned %v", on[0], planned[0])
	}
	if d := off[0].Sub(planned[1]).Abs(); d > tolerance {
		p.t.Errorf("off at %v, planned %v", off[0], planned[1])
	}
}

// checkEnergy holds what the feeds return against what the meter counted.
func (p *process) checkEnergy(lines []truth) {
	p.t.Helper()
	var minutes []truth
	for _, l := range lines {
		if l.ImportT1 != nil {
			minutes = append(minutes, l)
		}
	}
	if len(minutes) < 240 {
		p.t.Fatalf("only %d minutes on record", len(minutes))
	}
	from, to := minutes[5], minutes[len(minutes)-10]
	for feed, counted := range map[string]int64{
		"import_t1_wh": *to.ImportT1 - *from.ImportT1, "import_t2_wh": *to.ImportT2 - *from.ImportT2,
		"export_t1_wh": *to.ExportT1 - *from.ExportT1, "export_t2_wh": *to.ExportT2 - *from.ExportT2,
	} {
		span := to.At.Unix() - from.At.Unix()
		points := p.points(feed, fmt.Sprintf("start=%d&end=%d&interval=%d&aggregate=delta", from.At.Unix(), to.At.Unix(), span))
		if got := int64(points[from.At.Unix()]); got != counted {
			p.t.Errorf("%s from %v to %v: the feed says %d Wh, the meter counted %d", feed, from.At, to.At, got, counted)
		}
	}
}
