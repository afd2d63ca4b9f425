package scheduler_test

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
	"homehub/scheduler"
)

// boiler is a tank with an electric heater that follows its commands, and a
// thermometer of its own that speaks once a minute.
type boiler struct {
	hub      *hub.Hub
	on       bool
	broken   bool // the heater does not heat
	mute     bool // the thermometer is silent
	temp     float64
	said     time.Time
	wh       map[int]float64 // by hour of the day
	top, low float64
	cold     time.Duration
}

func (b *boiler) Actuate(_ context.Context, _ hub.Device, c hub.Command) error {
	b.on = c.On
	go b.hub.Report(hub.Report{Device: "boiler", At: time.Now(), Has: hub.ReportOnline | hub.ReportOn, Online: true, On: c.On})
	return nil
}

// live lets a step pass: 2 kW in 300 litres, and hot water in the morning and in
// the evening.
func (b *boiler) live() {
	now := time.Now().UTC()
	part := step.Minutes() / 15
	b.temp += 0.0015 * (16 - b.temp) * part
	if b.on {
		b.wh[now.Hour()] += 2000 * step.Hours()
		if !b.broken {
			b.temp += 2000 * 0.25 / (300 * 1.163) * part
		}
	}
	if h := now.Hour(); h == 7 || h >= 18 && h < 21 {
		b.temp -= 0.45 * part
	}
	b.top, b.low = max(b.top, b.temp), min(b.low, b.temp)
	if b.temp < 50 {
		b.cold += step
	}
	if !b.mute && now.Sub(b.said) >= time.Minute {
		b.said = now
		b.hub.Report(hub.Report{Device: "probe", At: now, Has: hub.ReportTemp, Temp: hub.MilliCelsius(math.Round(b.temp*10) * 100)})
	}
}

// house with a boiler, whose temperature another device measures.
func boilerHouse(t *testing.T, past scheduler.Past, keep memory) (*bench, *boiler) {
	t.Helper()
	tank := &boiler{temp: 55, wh: map[int]float64{}, low: 100}
	d := hub.Device{
		ID: "boiler", Name: "Boiler", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/boiler", Power: 2000, Litres: 300, TempOf: "probe",
		Mode: hub.ModeAuto, Schedule: &hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000}},
	}
	probe := hub.Device{ID: "probe", Name: "Probe", Family: hub.FamilyEmonESP, Role: hub.RoleMeter, Topic: "emon/probe", Mode: hub.ModeAuto}
	b := &bench{}
	var err error
	b.hub, err = hub.New(hub.Config{
		Logger: slog.New(slog.DiscardHandler), Devices: []hub.Device{d, probe},
		Actuators: map[hub.Family]hub.Actuator{hub.FamilyEmonESP: tank},
	})
	if err != nil {
		t.Fatal(err)
	}
	tank.hub = b.hub
	b.hub.Report(hub.Report{Device: "boiler", At: time.Now(), Has: hub.ReportOnline | hub.ReportOn, Online: true})
	b.loop = scheduler.New(scheduler.Config{
		Zone: time.UTC, Logger: slog.New(slog.DiscardHandler), House: b.hub, Keeper: keep, Past: past,
		Outlook: outlook{cheapNight}, Condition: func(hub.Condition, string) {},
	})
	return b, tank
}

func (b *bench) warm(t *testing.T, tank *boiler, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(step) { // virtual time
		tank.live()
		b.hub.Tick(t.Context(), time.Now())
		b.loop.Turn(t.Context(), time.Now())
		synctest.Wait()
	}
}

// TestBoilerFollowsPrices lets a boiler live through a day and a half: it heats in the
// cheap hours of the night, stays in its band but for what is drawn, and the
// page can say what is planned.
func TestBoilerFollowsPrices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, tank := boilerHouse(t, nil, memory{})
		b.warm(t, tank, 12*time.Hour)
		tank.wh, tank.top, tank.low, tank.cold = map[int]float64{}, 0, 100, 0
		b.warm(t, tank, 24*time.Hour)
		cheap, all := 0., 0.
		for hour, wh := range tank.wh {
			all += wh
			if hour >= 1 && hour < 5 {
				cheap += wh
			}
		}
		t.Logf("%.1f of %.1f kWh in the cheap hours, %.1f to %.1f °C, below 50 °C for %v", cheap/1000, all/1000, tank.low, tank.top, tank.cold)
		if all < 3000 || all > 8000 {
			t.Errorf("heated with %.1f kWh in a day", all/1000)
		}
		if cheap < 0.8*all {
			t.Errorf("only %.1f of %.1f kWh in the cheap hours", cheap/1000, all/1000)
		}
		if tank.top > 65.3 || tank.low < 49 || tank.cold > 2*time.Hour {
			t.Errorf("%.1f to %.1f °C, below 50 °C for %v", tank.low, tank.top, tank.cold)
		}
		p, ok := b.hub.Snapshot().Plan.Of("boiler")
		if !ok || p.Why.Kind != hub.WhyWarm || len(p.Expected) == 0 || p.Worth == 0 || p.Deadline.Before(time.Now()) {
			t.Errorf("planned %v: %+v", ok, p)
		}
	})
}

// TestBoilerWithoutItsThermometer: off within the hour, with the reason, and
// planned again as soon as it speaks.
func TestBoilerWithoutItsThermometer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tank := boilerHouse(t, nil, memory{})
		tank.temp = 20
		b.warm(t, tank, 10*time.Minute)
		if !tank.on {
			t.Fatal("off at 20 °C")
		}
		tank.mute = true
		b.warm(t, tank, time.Hour+time.Minute)
		p, _ := b.hub.Snapshot().Plan.Of("boiler")
		if tank.on || p.Why.Kind != hub.WhyBlind || p.Why.From.IsZero() || len(p.Runs) > 0 {
			t.Errorf("on %v, planned %+v", tank.on, p)
		}
		tank.mute, tank.temp = false, 40
		b.warm(t, tank, 2*time.Minute)
		if p, _ = b.hub.Snapshot().Plan.Of("boiler"); !tank.on || p.Why.Kind == hub.WhyBlind {
			t.Errorf("on %v, planned %+v", tank.on, p)
		}
	})
}

// TestBoilerBath: a bath is no part of any plan; it is planned anew at once.
func TestBoilerBath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tank := boilerHouse(t, nil, memory{})
		b.warm(t, tank, 20*time.Minute)
		before, _ := b.hub.Snapshot().Plan.Of("boiler")
		tank.temp -= 4
		b.warm(t, tank, 3*time.Minute)
		after, _ := b.hub.Snapshot().Plan.Of("boiler")
		if after.Expected[0] > before.Expected[0]-3000 {
			t.Errorf("the plan still begins with %s °C", after.Expected[0])
		}
	})
}

// heatPast is a past of three weeks in which a boiler heats otherwise than its
// volume says.
type heatPast struct {
	asked, answers int
	flat           bool // the thermometer hangs somewhere else
}

func (p *heatPast) Heat(heater hub.Device, sensor string, from, to time.Time) []scheduler.HeatSample {
	p.asked++
	if heater.ID != "boiler" || sensor != "probe" || p.asked > p.answers {
		return nil
	}
	temp, on := 55., false
	var past []scheduler.HeatSample
	for at := from; at.Before(to); at = at.Add(15 * time.Minute) {
		on = temp < 50 || on && temp < 60
		s := scheduler.HeatSample{Start: at, Temp: temp}
		if p.flat {
			s.Temp = 18
		}
		if temp += 0.004 * (16 - temp); on {
			temp += 1.5
			s.Duty = 1
		}
		past = append(past, s)
	}
	return past
}

// TestBoilerLearns: the past is asked once a day, what was learned is kept over
// a restart, and a boiler that does not warm gets a plain thermostat.
func TestBoilerLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keep, past := memory{}, &heatPast{answers: 100}
		b, tank := boilerHouse(t, past, keep)
		b.warm(t, tank, 30*time.Minute)
		p, _ := b.hub.Snapshot().Plan.Of("boiler")
		if past.asked != 1 || p.Rise < 1400 || p.Rise > 1600 {
			t.Fatalf("asked %d times, plans with %s K a quarter", past.asked, p.Rise)
		}
		time.Sleep(24 * time.Hour) // virtual time
		b.warm(t, tank, 10*time.Minute)
		if past.asked != 2 {
			t.Errorf("asked %d times in a day", past.asked)
		}
		silent := &heatPast{}
		b, tank = boilerHouse(t, silent, keep)
		b.warm(t, tank, 30*time.Minute)
		if p, _ = b.hub.Snapshot().Plan.Of("boiler"); p.Rise < 1400 || p.Rise > 1600 || silent.asked != 0 {
			t.Errorf("after a restart it plans with %s K a quarter, asked %d times", p.Rise, silent.asked)
		}
		b, tank = boilerHouse(t, &heatPast{answers: 1, flat: true}, memory{})
		tank.temp = 51
		b.warm(t, tank, 30*time.Minute)
		if p, _ = b.hub.Snapshot().Plan.Of("boiler"); p.Why.Kind != hub.WhyPlain || len(p.Runs) > 0 || tank.on {
			t.Errorf("a heater that heats nothing is planned: %+v", p)
		}
		tank.temp = 49
		b.warm(t, tank, 5*time.Minute)
		if !tank.on {
			t.Error("without a plan, and off below the band")
		}
	})
}

// TestBoilerWeekly: when a tank was hot is known over a restart, a week later it
// is brought to it, and a device that keeps no temperature any more is forgotten.
func TestBoilerWeekly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keep := memory{}
		weekly := func(b *bench) hub.Device {
			d, _ := b.hub.Device("boiler")
			d.Device.Schedule = &hub.Schedule{Keep: hub.Band{Low: 50_000, High: 65_000, Weekly: 60_000}}
			if err := b.hub.PutDevice(d.Device); err != nil {
				t.Fatal(err)
			}
			return d.Device
		}
		b, tank := boilerHouse(t, nil, keep)
		weekly(b)
		tank.temp = 61
		b.warm(t, tank, 5*time.Minute)
		hot := time.Now()
		time.Sleep(3 * time.Hour) // virtual time
		b, tank = boilerHouse(t, nil, keep)
		weekly(b)
		b.warm(t, tank, 5*time.Minute)
		if p, _ := b.hub.Snapshot().Plan.Of("boiler"); hot.Sub(p.Hot) > 20*time.Minute || p.Hot.After(hot) {
			t.Errorf("hot at %v, and %v after a restart", hot, p.Hot)
		}
		time.Sleep(7 * 24 * time.Hour) // virtual time
		tank.temp, tank.said = 55, time.Time{}
		b.warm(t, tank, 30*time.Minute)
		if d, _ := b.hub.Device("boiler"); !tank.on || !strings.Contains(d.Commanded.Cause, "once a week") {
			t.Errorf("a week later it is on %v: %s", tank.on, d.Commanded.Cause)
		}
		tank.temp = 60.5
		b.warm(t, tank, 17*time.Minute)
		if p, _ := b.hub.Snapshot().Plan.Of("boiler"); time.Since(p.Hot) > 20*time.Minute {
			t.Errorf("hot again, and known to be so at %v", p.Hot)
		}
		d, _ := b.hub.Device("boiler")
		d.Device.Schedule = nil
		if err := b.hub.PutDevice(d.Device); err != nil {
			t.Fatal(err)
		}
		b.warm(t, tank, 16*time.Minute)
		weekly(b)
		b.warm(t, tank, 2*time.Minute)
		if p, _ := b.hub.Snapshot().Plan.Of("boiler"); !p.Hot.IsZero() {
			t.Errorf("what was forgotten is known: hot at %v", p.Hot)
		}
	})
}
