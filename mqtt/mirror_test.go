package mqtt

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"homehub/hub"
)

func discard0() *slog.Logger { return slog.New(slog.DiscardHandler) }

func liveHub(t *testing.T) *hub.Hub {
	t.Helper()
	live, err := hub.New(hub.Config{Logger: discard0(), Devices: []hub.Device{plugDevice("plug")}})
	if err != nil {
		t.Fatal(err)
	}
	return live
}

func TestMirror(t *testing.T) {
	v := newVault()
	v.add("prog", "", hub.Grant{Filter: "homehub/#", Read: true})
	h := open(t, v)
	live := liveHub(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Mirror(ctx, live) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	c := h.dial(t, "prog")
	imports := listen(t, c, "homehub/import_w", 0)
	r := hub.Reading{At: at("2026-06-01 12:00:00"), Received: time.Now(), Has: hub.HasImport | hub.HasImportT1 | hub.HasGas | hub.HasPhasePower, Import: 432, PhaseCount: 1, Gas: 12345}
	r.ImportT1 = 1_234_567
	r.Phases[0].Import = 432
	live.Observe(r)
	want(t, imports, "homehub/import_w", "432")
	live.Report(hub.Report{Device: "plug", Has: hub.ReportPower, Power: 2000})
	got := listen(t, c, "homehub/dev_plug_w", 0)
	want(t, got, "homehub/dev_plug_w", "2000")

	// Retained: whoever comes later sees it too.
	for topic, payload := range map[string]string{
		"homehub/import_w": "432", "homehub/export_w": "0", "homehub/house_w": "432", "homehub/import_t1_wh": "1234567",
		"homehub/gas_dm3": "12345", "homehub/l1_import_w": "432",
	} {
		want(t, listen(t, c, topic, 0), topic, payload)
	}
	all := listen(t, c, "homehub/live", 0)
	m := <-all
	var l map[string]any
	if err := json.Unmarshal(m.Payload(), &l); err != nil {
		t.Fatal(err)
	}
	if l["import_w"] != 432.0 || l["at"] != "2026-06-01T12:00:00Z" || l["stale"] != false || l["solar_w"] != nil {
		t.Errorf("live is %s", m.Payload())
	}
	select {
	case m := <-imports:
		t.Errorf("import_w was sent again: %s", m.Payload())
	default:
	}
}

func TestMirrorIsNoFasterThanTenTimesASecond(t *testing.T) {
	t.Parallel()
	v := newVault()
	v.add("prog", "", rw("homehub/#"))
	h := open(t, v)
	live := liveHub(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = h.Mirror(ctx, live) }()
	got := listen(t, h.dial(t, "prog"), "homehub/import_w", 0)
	began := time.Now()
	for i := 0; time.Since(began) < 500*time.Millisecond; i++ {
		live.Observe(hub.Reading{Received: time.Now(), Has: hub.HasImport, Import: hub.Watt(i)})
	}
	const last = 77777
	live.Observe(hub.Reading{Received: time.Now(), Has: hub.HasImport, Import: last})
	n := 0
	for m := range got {
		n++
		if string(m.Payload()) == strconv.Itoa(last) {
			break // the latest always comes
		}
	}
	if limit := int(time.Since(began)/mirrorPause) + 2; n > limit {
		t.Errorf("%d messages, want at most %d", n, limit)
	}
}

func TestNothingIsMirroredBeforeItIsKnown(t *testing.T) {
	topics := mirrored(hub.Snapshot{})
	if len(topics) != 2 || topics["homehub/limit"] != "null" || topics["homehub/live"] != `{"stale":false,"devices":[]}` {
		t.Errorf("got %v", topics)
	}
}
