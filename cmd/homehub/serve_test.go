package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"homehub/dsmr"
	"homehub/hub"
)

// serveConfig writes a configuration with a meter on port and returns it with
// its data folder.
func serveConfig(t *testing.T, port string) (file, data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	file = filepath.Join(t.TempDir(), "homehub.toml")
	text := fmt.Sprintf("[web]\nlisten = %q\nlisten_tls = %q\nread_open = true\n[mqtt]\nlisten = %q\nlisten_tls = %q\n[meter]\nport = %q\n[data]\ndir = %q\ninterval = \"1s\"\nwindow = \"1s\"\n",
		freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t), port, data)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, data
}

// serve starts homehub serve with a meter on port.
func serve(t *testing.T, port string) *process {
	t.Helper()
	file, _ := serveConfig(t, port)
	return serveFile(t, file)
}

func serveFile(t *testing.T, file string) *process {
	t.Helper()
	p := prepareServe(t, file)
	p.start()
	return p
}

func prepareServe(t *testing.T, file string) *process {
	t.Helper()
	p := prepare(t, "serve", "--config", file)
	cfg, err := loadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	p.url, p.mqtt, p.secure, p.https = "http://"+cfg.Web.Listen, cfg.MQTT.Listen, cfg.MQTT.ListenTLS, cfg.Web.ListenTLS
	return p
}

func openPTY(t *testing.T) (master *os.File, slave string) {
	t.Helper()
	master, slave, err := dsmr.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	return master, slave
}

// want is what one telegram must have left behind.
type want struct {
	at    time.Time
	watts float64
}

// capture is a recorded stream with the power of each telegram in it: the
// real one where it is at hand, else one written here.
func capture(t *testing.T) (stream []byte, telegrams []want) {
	t.Helper()
	const real = "../../../shared/data/dsmr/stream-am550-1hz-a"
	stream, err := os.ReadFile(real + ".bin")
	if errors.Is(err, os.ErrNotExist) {
		return authored(t)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(real + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var sidecar struct {
		Expected []struct{ TS, Power string }
	}
	if err := json.Unmarshal(raw, &sidecar); err != nil {
		t.Fatal(err)
	}
	for _, e := range sidecar.Expected {
		at, err := time.Parse("060102150405 -0700", strings.TrimRight(e.TS, "W")+" +0100")
		if err != nil {
			t.Fatal(err)
		}
		var kw float64
		if _, err := fmt.Sscanf(e.Power, "%f*kW", &kw); err != nil {
			t.Fatal(err)
		}
		telegrams = append(telegrams, want{at, kw * 1000})
	}
	return stream, telegrams
}

func authored(t *testing.T) (stream []byte, telegrams []want) {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Truncate(time.Second).Add(-time.Hour)
	for i := range 283 {
		r := hub.Reading{
			At: at.Add(time.Duration(i) * time.Second), Import: hub.Watt(300 + i), Has: hub.HasImport | hub.HasImportT1 | hub.HasMeterClock,
			Registers: hub.Registers{ImportT1: hub.WattHour(1_000_000 + i)},
		}
		stream = dsmr.Encode(stream, dsmr.Encoding{Standard: dsmr.DSMR50, Reading: r, EquipmentID: "TEST", Zone: zone})
		telegrams = append(telegrams, want{r.At, float64(r.Import)})
	}
	return stream, telegrams
}

// TestEveryTelegramIsStored is the main job on real input: a recorded capture
// goes into a serial port, and each of its telegrams must be in the feed.
func TestEveryTelegramIsStored(t *testing.T) {
	stream, telegrams := capture(t)
	master, slave := openPTY(t)
	p := serve(t, slave)
	p.until("the port is open", waitTime, func() bool { c, _ := p.condition("meter"); return c != "" && c != "down" })
	// A serial line of 115200 baud, forty times as fast.
	for chunk := range chunks(stream, 1021) {
		if _, err := master.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	last := telegrams[len(telegrams)-1]
	p.until("the last telegram is on the page's API", waitTime, func() bool { return p.live().At.Equal(last.at) })
	query := fmt.Sprintf("start=%d&end=%d&interval=1", telegrams[0].at.Unix(), last.at.Unix()+1)
	points := p.points("import_w", query)
	for _, w := range telegrams {
		if got, ok := points[w.at.Unix()]; !ok || got != w.watts {
			t.Errorf("%v: stored %v (%v), sent %v W", w.at, got, ok, w.watts)
		}
	}
	if len(points) != len(telegrams) {
		t.Errorf("%d points of %d telegrams", len(points), len(telegrams))
	}
	p.stop()
}

func chunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for r := bytes.NewReader(b); ; {
			chunk := make([]byte, n)
			got, err := io.ReadFull(r, chunk)
			if got == 0 || !yield(chunk[:got]) || err != nil {
				return
			}
		}
	}
}

// telegram is one second of a plain meter.
func telegram(at time.Time, w hub.Watt, register hub.WattHour) []byte {
	r := hub.Reading{
		At: at, Import: w, Has: hub.HasImport | hub.HasImportT1 | hub.HasMeterClock, Registers: hub.Registers{ImportT1: register},
	}
	return dsmr.Encode(nil, dsmr.Encoding{Standard: dsmr.DSMR50, Reading: r, EquipmentID: "TEST", Zone: time.FixedZone("", 3600)})
}

func TestAMeterThatIsNotThere(t *testing.T) {
	port := filepath.Join(t.TempDir(), "ttyUSB9")
	p := serve(t, port)
	p.until("the status names the port", waitTime, func() bool {
		c, reason := p.condition("meter")
		return c == "down" && strings.Contains(reason, port)
	})
	master, slave := openPTY(t)
	if err := os.Symlink(slave, port); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Truncate(time.Second)
	p.until("it is read once it is there", waitTime, func() bool {
		master.Write(telegram(at, 432, 1_000_000))
		return p.live().ImportW == 432
	})
}

func TestGarbageOnThePort(t *testing.T) {
	master, slave := openPTY(t)
	p := serve(t, slave)
	at := time.Now().Truncate(time.Second).Add(-time.Minute)
	noise := []byte("\x00\xff/!/!!\r\n/ABC5\r\n\r\n1-0:1.8.1(banana*kWh)\r\n!0000\r\n")
	for i := range 20 {
		master.Write(noise)
		master.Write(telegram(at.Add(time.Duration(i)*time.Second), hub.Watt(i+1), 1_000_000))
	}
	p.until("the telegrams between the noise are read", waitTime, func() bool { return p.live().ImportW == 20 })
	points := p.points("import_w", fmt.Sprintf("start=%d&end=%d&interval=1", at.Unix(), at.Unix()+20))
	if len(points) < 19 { // the first may meet a port that is just being opened
		t.Errorf("%d telegrams stored, want 20", len(points))
	}
}

func TestASecondHubOnTheSameFolderIsRefused(t *testing.T) {
	_, slave := openPTY(t)
	file, data := serveConfig(t, slave)
	first := serveFile(t, file)
	other, _ := serveConfig(t, slave)
	onFolder(t, other, data)
	second := prepareServe(t, other)
	out, err := second.cmd.CombinedOutput()
	if err == nil || second.cmd.ProcessState.ExitCode() != exitFailure {
		t.Errorf("the second hub ended with %v", err)
	}
	if pid := fmt.Sprint(first.cmd.Process.Pid); !strings.Contains(string(out), pid) {
		t.Errorf("it does not name the pid %s of the first: %s", pid, out)
	}
}

func TestABusyPortIsAClearError(t *testing.T) {
	_, slave := openPTY(t)
	p := serve(t, slave)
	for _, which := range []string{"web", "mqtt"} {
		web, mqtt := freeAddress(t), freeAddress(t)
		busy := strings.TrimPrefix(p.url, "http://")
		if which == "web" {
			web = busy
		} else {
			mqtt = busy
		}
		second := prepare(t, "demo", "--listen", web, "--mqtt", mqtt)
		out, err := second.cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), busy) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s port in use: %v %s", which, err, out)
		}
	}
}

// TestKillLosesNothingBeforeTheWatermark kills the hub at moments spread over
// its work, and looks for everything that it said was durable.
func TestKillLosesNothingBeforeTheWatermark(t *testing.T) {
	master, slave := openPTY(t)
	file, _ := serveConfig(t, slave)
	at := time.Now().Truncate(time.Second).Add(-2 * time.Hour)
	first, sent := at, 0
	var back []time.Duration
	for round := range 4 {
		begun := time.Now()
		p := serveFile(t, file)
		p.until("the pages are back", waitTime, func() bool { return p.live().Now.After(begun.Add(-time.Hour)) })
		back = append(back, time.Since(begun))
		p.until("the port is open", waitTime, func() bool { c, _ := p.condition("meter"); return c != "" && c != "down" })
		for range 60 {
			master.Write(telegram(at, hub.Watt(1+sent%3000), hub.WattHour(1_000_000+sent)))
			at = at.Add(time.Second)
			sent++
		}
		p.until("a part is durable", waitTime, func() bool {
			d := p.live().Durable
			return d != nil && d.After(at.Add(-50*time.Second))
		})
		durable := *p.live().Durable
		p.cmd.Process.Kill()
		<-p.done

		p = serveFile(t, file)
		points := p.points("import_t1_wh", fmt.Sprintf("start=%d&end=%d&interval=1", first.Unix(), at.Unix()))
		lost := 0
		for i := range sent {
			when := first.Add(time.Duration(i) * time.Second)
			got, ok := points[when.Unix()]
			if !when.After(durable) && !ok {
				lost++
			}
			if ok && got != float64(1_000_000+i) {
				t.Errorf("round %d: %v holds %v, want %d: never sent", round, when, got, 1_000_000+i)
			}
		}
		if lost > 0 {
			t.Errorf("round %d: %d rows before the watermark %v are lost", round, lost, durable)
		}
		p.stop()
	}
	// One round beside a busy machine says nothing: the best counts.
	if t.Logf("the pages are back after %v", back); slices.Min(back) > 3*time.Second {
		t.Errorf("the pages never were back within 3 s: %v", back)
	}
}

// mountTmpfs gives a folder of a size of its own, which only root can.
func mountTmpfs(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "none", dir).CombinedOutput(); err != nil {
		t.Skipf("mounting a small file system is not possible here: %s", out)
	}
	t.Cleanup(func() { exec.Command("umount", dir).Run() })
	return dir
}

// onFolder points a configuration at another data folder.
func onFolder(t *testing.T, file, data string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "dir =") {
			lines[i] = fmt.Sprintf("dir = %q", data)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLiveViewGoesOnWithoutStorage(t *testing.T) {
	tests := []struct {
		name        string
		spoil, mend func(dir string) error
	}{
		{"read-only", remount("ro"), remount("rw")},
		{"full", fill, func(dir string) error { return os.Remove(filepath.Join(dir, "filler")) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := mountTmpfs(t, "64m")
			m := newTestMeter(t)
			onFolder(t, m.config, dir)
			if err := test.spoil(dir); err != nil {
				t.Fatal(err)
			}
			p := m.serve()
			p.until("the status says that nothing is stored", waitTime, func() bool {
				m.send()
				c, reason := p.condition("storage")
				return c == "down" && strings.Contains(reason, "nothing is being stored")
			})
			m.send()
			p.until("the live view goes on", waitTime, func() bool { return p.live().ImportW == m.watts() })
			if err := test.mend(dir); err != nil {
				t.Fatal(err)
			}
			p.until("storing resumes by itself", 2*waitTime, func() bool {
				m.send()
				c, _ := p.condition("storage")
				return c == "ok"
			})
			p.stop()
		})
	}
}

// A card that fills up while the hub runs has the room for readings already:
// the ring is allocated at the first start.
func TestACardThatFillsUpKeepsTakingReadings(t *testing.T) {
	dir := mountTmpfs(t, "64m")
	m := newTestMeter(t)
	onFolder(t, m.config, dir)
	p := m.serve()
	if err := fill(dir); err != nil {
		t.Fatal(err)
	}
	m.send()
	sent := m.at()
	p.until("a reading after that is durable", waitTime, func() bool {
		m.send()
		d := p.live().Durable
		return d != nil && !d.Before(sent)
	})
}

// testMeter sends telegrams one by one, an hour in the past.
type testMeter struct {
	t      *testing.T
	master *os.File
	config string
	begun  time.Time
	n      int
}

func newTestMeter(t *testing.T) *testMeter {
	master, slave := openPTY(t)
	file, _ := serveConfig(t, slave)
	return &testMeter{t: t, master: master, config: file, begun: time.Now().Truncate(time.Second).Add(-time.Hour)}
}

// serve starts a hub and waits until it listens to the meter.
func (m *testMeter) serve() *process {
	m.t.Helper()
	p := serveFile(m.t, m.config)
	p.until("the port is open", waitTime, func() bool { c, _ := p.condition("meter"); return c != "" && c != "down" })
	return p
}

func (m *testMeter) at() time.Time { return m.begun.Add(time.Duration(m.n) * time.Second) }
func (m *testMeter) watts() int    { return 100 + m.n }

func (m *testMeter) send() {
	m.t.Helper()
	m.n++
	if _, err := m.master.Write(telegram(m.at(), hub.Watt(m.watts()), hub.WattHour(1_000_000+m.n))); err != nil {
		m.t.Fatal(err)
	}
}

func remount(how string) func(dir string) error {
	return func(dir string) error { return exec.Command("mount", "-o", "remount,"+how, dir).Run() }
}

func fill(dir string) error {
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 64<<10)); err != nil {
			if _, err := f.Write(make([]byte, 1)); err != nil {
				return nil // not a byte is free
			}
		}
	}
}
