package hub_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
)

type point struct {
	feed string
	at   time.Time
	v    float64
}

type fakeRecorder struct{ points []point }

func (r *fakeRecorder) Append(feed string, at time.Time, v float64) error {
	r.points = append(r.points, point{feed, at, v})
	return nil
}

func (r *fakeRecorder) last(feed string) (v float64, ok bool) {
	for _, p := range slices.Backward(r.points) {
		if p.feed == feed {
			return p.v, true
		}
	}
	return 0, false
}

type fakeActuator struct {
	onActuate func(hub.Device, hub.Command) error
	sent      []hub.Command
}

func (a *fakeActuator) Actuate(_ context.Context, d hub.Device, c hub.Command) error {
	a.sent = append(a.sent, c)
	if a.onActuate != nil {
		return a.onActuate(d, c)
	}
	return nil
}

type fakeKeeper struct{ onPut func(hub.Device) error }

func (k fakeKeeper) PutDevice(d hub.Device) error {
	if k.onPut != nil {
		return k.onPut(d)
	}
	return nil
}
func (k fakeKeeper) DeleteDevice(string) error { return nil }

var (
	plug  = hub.Device{ID: "plug", Name: "Plug", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/plug", Power: 2000}
	solar = hub.Device{ID: "roof", Name: "Roof", Family: hub.FamilyEmonESP, Role: hub.RoleSolar, Topic: "emon/roof"}
)

func newHub(t *testing.T, cfg hub.Config) *hub.Hub {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	h, err := hub.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func reading(at time.Time, imp, exp hub.Watt) hub.Reading {
	return hub.Reading{At: at, Received: at, Has: hub.HasImport, Import: imp, Export: exp}
}

func TestObserveStoresTheMeanOfEachSlot(t *testing.T) {
	var rec fakeRecorder
	h := newHub(t, hub.Config{Recorder: &rec, Interval: 10 * time.Second})
	at := time.Date(2026, 1, 2, 3, 4, 50, 0, time.UTC)
	for i, w := range []hub.Watt{100, 200, 600} {
		h.Observe(reading(at.Add(time.Duration(i)*time.Second), w, 0))
	}
	if got, _ := rec.last(hub.FeedImport); got != 300 {
		t.Errorf("mean of the slot = %v, want 300", got)
	}
	h.Observe(reading(at.Add(10*time.Second), 50, 0))
	if got, _ := rec.last(hub.FeedImport); got != 50 {
		t.Errorf("first value of the next slot = %v, want 50", got)
	}
}

func TestACounterHoldsWhatItShowedWhenTheSlotBegan(t *testing.T) {
	var rec fakeRecorder
	h := newHub(t, hub.Config{Recorder: &rec, Interval: 10 * time.Second})
	at := time.Date(2026, 1, 2, 3, 4, 50, 0, time.UTC)
	for i := range 15 {
		r := reading(at.Add(time.Duration(i)*time.Second), 0, 0)
		r.Has |= hub.HasImportT1
		r.ImportT1 = hub.WattHour(100 + i)
		h.Observe(r)
	}
	var got []point
	for _, p := range rec.points {
		if p.feed == hub.FeedImportT1 {
			got = append(got, p)
		}
	}
	if len(got) != 2 || got[0].v != 100 || got[1].v != 110 {
		t.Errorf("stored %v, want 100 and 110 at the beginnings of the slots", got)
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	h := newHub(t, hub.Config{Recorder: discard{}})
	sub := h.Subscribe()
	defer sub.Close()
	r := reading(time.Unix(1e9, 0), 100, 0)
	r.Has |= hub.HasImportT1 | hub.HasPhasePower | hub.HasCurrent
	r.PhaseCount = 3
	h.Observe(r)
	if n := testing.AllocsPerRun(100, func() { r.At = r.At.Add(time.Second); h.Observe(r) }); n != 0 {
		t.Errorf("Observe allocates %v times", n)
	}
}

type discard struct{}

func (discard) Append(string, time.Time, float64) error { return nil }

func TestHouseIsImportMinusExportPlusSolar(t *testing.T) {
	h := newHub(t, hub.Config{Devices: []hub.Device{solar}})
	now := time.Unix(1e9, 0)
	h.Report(hub.Report{Device: "roof", At: now, Has: hub.ReportPower, Power: 3000})
	h.Observe(reading(now, 0, 2400))
	if s := h.Snapshot(); s.House != 600 || s.Solar != 3000 || !s.HasSolar {
		t.Errorf("house %d, solar %d", s.House, s.Solar)
	}
	h.Report(hub.Report{Device: "roof", At: now, Has: hub.ReportOnline})
	if s := h.Snapshot(); s.HasSolar {
		t.Error("an inverter that is gone still counts")
	}
}

// What a battery takes is not used yet, and what it gives is used without
// passing the meter.
func TestABatteryIsNotPartOfWhatTheHouseUses(t *testing.T) {
	cell := hub.Device{ID: "cell", Name: "Cell", Family: hub.FamilyEmonESP, Role: hub.RoleBattery, Topic: "emon/cell"}
	h := newHub(t, hub.Config{Devices: []hub.Device{solar, cell}})
	now := time.Unix(1e9, 0)
	h.Report(hub.Report{Device: "roof", At: now, Has: hub.ReportPower, Power: 3000})
	for _, c := range []struct{ battery, imp, exp, house hub.Watt }{
		{0, 0, 2400, 600},
		{2000, 0, 400, 600},
		{-500, 0, 2900, 600},
		{5000, 2600, 0, 600},
		{2000, 0, 2400, 0}, // not read at the same instant
	} {
		h.Report(hub.Report{Device: "cell", At: now, Has: hub.ReportPower, Power: c.battery})
		h.Observe(reading(now, c.imp, c.exp))
		if got := h.Snapshot().House; got != c.house {
			t.Errorf("battery %d W, import %d W, export %d W: the house uses %d W, want %d", c.battery, c.imp, c.exp, got, c.house)
		}
	}
	h.Report(hub.Report{Device: "cell", At: now, Has: hub.ReportOnline})
	h.Observe(reading(now, 0, 2400))
	if got := h.Snapshot().House; got != 600 {
		t.Errorf("the house uses %d W with a battery that is gone, want 600", got)
	}
}

func TestCounterOfADeviceThatRestarts(t *testing.T) {
	var rec fakeRecorder
	h := newHub(t, hub.Config{Recorder: &rec, Devices: []hub.Device{plug}, Last: func(string) (int64, bool) { return 5000, true }})
	at := time.Unix(1e9, 0)
	for _, step := range []struct{ raw, want int64 }{{100, 5000}, {150, 5050}, {10, 5060}, {30, 5080}} {
		at = at.Add(10 * time.Second)
		h.Report(hub.Report{Device: "plug", At: at, Has: hub.ReportEnergy, Energy: hub.WattHour(step.raw)})
		if got, _ := rec.last("dev_plug_wh"); int64(got) != step.want {
			t.Errorf("device counts %d: feed has %v, want %d", step.raw, got, step.want)
		}
	}
}

func TestDoNeedsALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		act := &fakeActuator{}
		h := newHub(t, hub.Config{Devices: []hub.Device{plug, solar}, Actuators: map[hub.Family]hub.Actuator{hub.FamilyEmonESP: act}})
		now := time.Now()
		tests := []struct {
			name string
			c    hub.Command
			want hub.Code
		}{
			{"no lease", hub.Command{Device: "plug", On: true}, hub.Invalid},
			{"lease in the past", hub.Command{Device: "plug", On: true, Until: now.Add(-time.Second)}, hub.Invalid},
			{"lease too long", hub.Command{Device: "plug", On: true, Until: now.Add(16 * time.Minute)}, hub.Invalid},
			{"unknown device", hub.Command{Device: "nope"}, hub.NotFound},
			{"not a switch", hub.Command{Device: "roof"}, hub.Invalid},
		}
		for _, test := range tests {
			if err := h.Do(t.Context(), test.c); hub.CodeOf(err) != test.want {
				t.Errorf("%s: got %v", test.name, err)
			}
		}
		if len(act.sent) != 0 {
			t.Errorf("refused commands were sent: %v", act.sent)
		}
	})
}

func TestALeaseThatNobodyRenewsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		act := &fakeActuator{}
		h := newHub(t, hub.Config{Devices: []hub.Device{plug}, Actuators: map[hub.Family]hub.Actuator{hub.FamilyEmonESP: act}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- h.Run(ctx) }()
		if err := h.Do(ctx, hub.Command{Device: "plug", On: true, Until: time.Now().Add(5 * time.Minute), Cause: "test"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute) // virtual
		synctest.Wait()
		if s, _ := h.Device("plug"); !s.Commanded.On {
			t.Fatal("switched off before the lease ended")
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if s, _ := h.Device("plug"); s.Commanded.On || s.Commanded.Cause == "" {
			t.Errorf("still on after the lease: %+v", s.Commanded)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestACommandIsRepeatedAndThenReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		act := &fakeActuator{onActuate: func(hub.Device, hub.Command) error { return errors.New("no route") }}
		h := newHub(t, hub.Config{Devices: []hub.Device{plug}, Actuators: map[hub.Family]hub.Actuator{hub.FamilyEmonESP: act}})
		h.Report(hub.Report{Device: "plug", At: time.Now(), Has: hub.ReportOnline, Online: true})
		_ = h.Do(t.Context(), hub.Command{Device: "plug", On: true, Until: time.Now().Add(10 * time.Minute)})
		for range 120 {
			time.Sleep(time.Second)
			h.Tick(t.Context(), time.Now())
		}
		if len(act.sent) != 5 {
			t.Errorf("sent %d times, want 5", len(act.sent))
		}
		if s, _ := h.Device("plug"); !s.Mismatch {
			t.Error("a device that does not follow is not reported")
		}
		h.Report(hub.Report{Device: "plug", At: time.Now(), Has: hub.ReportOn, On: true})
		if s, _ := h.Device("plug"); s.Mismatch || !s.Confirmed() {
			t.Error("its confirmation does not clear the report")
		}
	})
}

// A device that was away is told at once what it missed, however often it was
// told in vain before.
func TestADeviceThatComesBackIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		act := &fakeActuator{}
		h := newHub(t, hub.Config{Devices: []hub.Device{plug}, Actuators: map[hub.Family]hub.Actuator{hub.FamilyEmonESP: act}})
		online := func(is bool) {
			h.Report(hub.Report{Device: "plug", At: time.Now(), Has: hub.ReportOnline, Online: is})
		}
		_ = h.Do(t.Context(), hub.Command{Device: "plug", On: true, Until: time.Now().Add(10 * time.Minute)})
		for range 8 {
			online(true)
			sent := len(act.sent)
			time.Sleep(time.Second)
			if h.Tick(t.Context(), time.Now()); len(act.sent) != sent+1 {
				t.Fatalf("it was sent %d commands when it came back", len(act.sent)-sent)
			}
			online(false)
		}
		h.Report(hub.Report{Device: "plug", At: time.Now(), Has: hub.ReportOn, On: true})
		sent := len(act.sent)
		time.Sleep(time.Second)
		if h.Tick(t.Context(), time.Now()); len(act.sent) != sent {
			t.Error("it came back as it was meant to be, and was told all the same")
		}
	})
}

func TestASilentMeterIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Config{})
		start := time.Now()
		for range 5 {
			h.Observe(reading(time.Now(), 1, 0))
			time.Sleep(time.Second)
		}
		last := start.Add(4 * time.Second)
		time.Sleep(8 * time.Second)
		h.Tick(t.Context(), time.Now())
		if h.Snapshot().Stale {
			t.Fatal("stale after 9 s")
		}
		time.Sleep(2 * time.Second)
		h.Tick(t.Context(), time.Now())
		if s := h.Snapshot(); !s.Stale || !s.StaleSince.Equal(last) {
			t.Fatalf("stale %v since %v, want since %v", s.Stale, s.StaleSince, last)
		}
		h.Observe(reading(time.Now(), 1, 0))
		if h.Snapshot().Stale {
			t.Error("stale with a fresh reading")
		}
	})
}

func TestPutDeviceIsDurableFirst(t *testing.T) {
	broken := errors.New("disk full")
	h := newHub(t, hub.Config{Keeper: fakeKeeper{onPut: func(hub.Device) error { return broken }}})
	if err := h.PutDevice(plug); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if n := len(h.Snapshot().Devices); n != 0 {
		t.Errorf("%d devices live that are not durable", n)
	}
	h = newHub(t, hub.Config{Keeper: fakeKeeper{}})
	if err := h.PutDevice(plug); err != nil {
		t.Fatal(err)
	}
	second := plug
	second.ID = "other"
	if err := h.PutDevice(second); hub.CodeOf(err) != hub.Conflict {
		t.Errorf("two devices on one topic: %v", err)
	}
}

func TestSubscriptionLatestWins(t *testing.T) {
	h := newHub(t, hub.Config{})
	sub := h.Subscribe()
	for i := range 100 {
		h.Observe(reading(time.Unix(int64(i), 0), hub.Watt(i), 0))
	}
	<-sub.C()
	if got := h.Snapshot().Reading.Import; got != 99 {
		t.Errorf("woken with %d, want the latest, 99", got)
	}
	select {
	case <-sub.C():
		t.Error("woken twice for one look")
	default:
	}
	sub.Close()
	h.Observe(reading(time.Unix(200, 0), 1, 0))
	select {
	case <-sub.C():
		t.Error("woken after Close")
	default:
	}
}

func TestScaledClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		c := hub.ScaledClock(start, 600)
		if err := c.Sleep(t.Context(), 10*time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := c.Now().Sub(start); got != 10*time.Minute {
			t.Errorf("%v passed, want 10m", got)
		}
	})
}

func TestMoney(t *testing.T) {
	for _, test := range []struct {
		e    hub.WattHour
		p    hub.MicroEuro
		want hub.MicroEuro
	}{{1000, 250_000, 250_000}, {1, 250_500, 251}, {1, -250_500, -251}, {500, 3, 2}} {
		if got := hub.Cost(test.e, test.p); got != test.want {
			t.Errorf("%d Wh at %d = %d, want %d", test.e, test.p, got, test.want)
		}
	}
	if got := hub.MicroEuro(-1_235_000).Euro(); got != "-1.24" {
		t.Errorf("got %s", got)
	}
	if got := hub.Energy(3600, 500*time.Millisecond); got != 1 { // 0.5 Wh rounds up
		t.Errorf("got %d", got)
	}
}

func TestParseDecimalIsExact(t *testing.T) {
	for text, want := range map[string]int64{"0.29": 290_000, " 0,2950 ": 295_000, "-.5": -500_000, "1": 1_000_000, "0.1234567": 123_457, "0.0000004": 0} {
		if got, ok := hub.ParseDecimal(text, 6); !ok || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", ".", "-", "1e3", "1.2.3", "1,2,3", "12345678901", "ten", "0x1", "--1", "+1"} {
		if got, ok := hub.ParseDecimal(text, 6); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
}
