package sim

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"homehub/hub"
)

func amsterdam(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func newHouse(t testing.TB, start time.Time, change ...func(*HouseConfig)) *House {
	t.Helper()
	cfg := HouseConfig{Seed: 7, Start: start, Zone: amsterdam(t), DefaultDisabled: true}
	for _, f := range change {
		f(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Whatever comes in through the meter and from the roof goes into the loads:
// each second to the watt, and over days to the watt-second.
func TestEnergyIsConserved(t *testing.T) {
	for _, phases := range []int{1, 3} {
		h := newHouse(t, at(t, "2026-06-10T22:00:00Z"), func(c *HouseConfig) { c.CarPhases = phases })
		rng := rand.New(rand.NewPCG(1, 2))
		before := h.meter
		var used, solar, plug, car, imported, exported joule
		for range 30 * 3600 {
			if rng.IntN(1800) == 0 {
				h.tellPlug("in/ctrlmode", []string{"On", "Off"}[rng.IntN(2)])
				h.tellCharger("claim/set", [][]byte{[]byte("release"), []byte(`{"state":"active","charge_current":9}`)}[rng.IntN(2)])
			}
			habits := h.dice.habits(&h.day, h.t, h.second).sum()
			r := h.Reading(h.Now().Add(time.Second))
			roof, _ := h.Solar()
			load := habits + h.Plug().Power + h.Car().Power
			if r.Net()+roof != load {
				t.Fatalf("%s: net %d W + roof %d W is not the load %d W", r.At, r.Net(), roof, load)
			}
			var net hub.Watt
			for _, p := range r.Phases {
				net += p.Import - p.Export
			}
			if net != r.Net() || r.Import*r.Export != 0 {
				t.Fatalf("%s: phases sum up to %d W, the meter shows %d and %d W", r.At, net, r.Import, r.Export)
			}
			used, solar = used+joule(load), solar+joule(roof)
			plug, car = plug+joule(h.Plug().Power), car+joule(h.Car().Power)
			imported, exported = imported+joule(r.Import), exported+joule(r.Export)
		}
		gotIn := h.meter.imported[0] + h.meter.imported[1] - before.imported[0] - before.imported[1]
		gotOut := h.meter.exported[0] + h.meter.exported[1] - before.exported[0] - before.exported[1]
		if gotIn != imported || gotOut != exported || h.used != used || h.solar != solar || h.plug != plug || h.charger.total != car {
			t.Errorf("counters differ from the sum of the seconds: in %d %d, out %d %d, used %d %d, solar %d %d, plug %d %d, car %d %d",
				gotIn, imported, gotOut, exported, h.used, used, h.solar, solar, h.plug, plug, h.charger.total, car)
		}
		if gotIn-gotOut+h.solar != h.used {
			t.Errorf("import %d - export %d + solar %d Ws is not the use %d Ws", gotIn, gotOut, h.solar, h.used)
		}
		if gotOut == 0 || plug == 0 || car == 0 {
			t.Errorf("the two days do not show everything: export %d, plug %d, car %d", gotOut, plug, car)
		}
	}
}

func TestSameSeedSameHouse(t *testing.T) {
	start := at(t, "2026-03-02T05:00:00Z")
	live := func(seed uint64, stride time.Duration) hub.Reading {
		h := newHouse(t, start, func(c *HouseConfig) { c.Seed = seed })
		for now := start; now.Before(start.Add(24 * time.Hour)); now = now.Add(stride) {
			h.Step(now)
			if now.Equal(start.Add(12 * time.Hour)) {
				h.tellPlug("in/ctrlmode", "1")
				h.tellCharger("claim/set", []byte(`{"state":"active"}`))
			}
		}
		return h.Reading(start.Add(24 * time.Hour))
	}
	one, minute, other := live(3, time.Second), live(3, time.Minute), live(4, time.Minute)
	if one != minute {
		t.Errorf("the same seed gave\n%+v\n%+v", one, minute)
	}
	if one == other {
		t.Error("two seeds gave the same house")
	}
}

func TestStepNeverGoesBack(t *testing.T) {
	start := at(t, "2026-03-02T05:00:00Z")
	h := newHouse(t, start)
	a := h.Reading(start.Add(time.Hour))
	b := h.Reading(start.Add(time.Minute))
	if a != b {
		t.Errorf("asking for the past changed the house:\n%+v\n%+v", a, b)
	}
	if got := h.Reading(start.Add(time.Hour + 900*time.Millisecond)); got != a {
		t.Errorf("part of a second passed: %+v", got)
	}
}

func TestHistoryJoinsTheLiveHouse(t *testing.T) {
	from, to := at(t, "2026-03-22T00:00:00Z"), at(t, "2026-04-02T12:00:00Z")
	h := newHouse(t, to)
	var last hub.Reading
	var lastSolar hub.WattHour
	n := 0
	err := h.History(from, to, 10*time.Second, func(r hub.Reading, solar hub.Watt, energy hub.WattHour) error {
		n++
		if want := from.Add(time.Duration(n) * 10 * time.Second); !r.At.Equal(want) {
			t.Fatalf("reading %d is of %s, want %s", n, r.At, want)
		}
		checkMonotone(t, last, r)
		if energy < lastSolar || solar < 0 {
			t.Fatalf("%s: solar %d W, counter %d after %d", r.At, solar, energy, lastSolar)
		}
		last, lastSolar = r, energy
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := int(to.Sub(from) / (10 * time.Second)); n != want || !h.Now().Equal(to) {
		t.Fatalf("%d readings up to %s, want %d up to %s", n, h.Now(), want, to)
	}
	if p := h.Plug(); p.On || p.Mode != "Off" || p.Energy == 0 {
		t.Errorf("after the history the plug is %+v", p)
	}
	if c := h.Car(); c.Active || c.Energy == 0 {
		t.Errorf("after the history the charger is %+v", c)
	}
	for now := to.Add(time.Second); now.Before(to.Add(2 * time.Hour)); now = now.Add(time.Second) {
		r := h.Reading(now)
		checkMonotone(t, last, r)
		if grown := r.Registers.Import() - last.Registers.Import(); grown > 3 {
			t.Fatalf("%s: the register jumped by %d Wh in a second", now, grown)
		}
		last = r
	}
}

func checkMonotone(t *testing.T, a, b hub.Reading) {
	t.Helper()
	if b.ImportT1 < a.ImportT1 || b.ImportT2 < a.ImportT2 || b.ExportT1 < a.ExportT1 || b.ExportT2 < a.ExportT2 || b.Gas < a.Gas || b.GasAt.Before(a.GasAt) {
		t.Fatalf("a register fell:\n%+v\n%+v", a, b)
	}
}

// Coarse steps are the same house: what a day of seconds counts, a day of
// ten-second steps counts too, but for the edges of what is switched.
func TestHistoryKeepsEnergyAtAnyInterval(t *testing.T) {
	from := at(t, "2026-05-04T00:00:00Z")
	sum := func(interval time.Duration) (net, solar hub.WattHour) {
		h := newHouse(t, from)
		if err := h.History(from, from.Add(48*time.Hour), interval, func(hub.Reading, hub.Watt, hub.WattHour) error { return nil }); err != nil {
			t.Fatal(err)
		}
		r := h.registers()
		return r.Import() - r.Export(), h.solar.wattHours()
	}
	net1, solar1 := sum(time.Second)
	net10, solar10 := sum(10 * time.Second)
	if diff := net1 - net10; diff > 200 || diff < -200 {
		t.Errorf("net %d Wh in seconds, %d Wh in tens", net1, net10)
	}
	if diff := solar1 - solar10; diff > 50 || diff < -50 {
		t.Errorf("solar %d Wh in seconds, %d Wh in tens", solar1, solar10)
	}
}

func TestHistoryRefuses(t *testing.T) {
	start := at(t, "2026-02-20T00:00:00Z")
	emit := func(hub.Reading, hub.Watt, hub.WattHour) error { return nil }
	h := newHouse(t, start)
	if err := h.History(start, start.Add(time.Hour), 1500*time.Millisecond, emit); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("an interval of 1.5 s: %v", err)
	}
	h.Step(start.Add(time.Hour))
	if err := h.History(start, start.Add(2*time.Hour), time.Second, emit); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("a past that was lived already: %v", err)
	}
	stop := errors.New("full")
	err := h.History(h.Now(), start.Add(2*time.Hour), 10*time.Second, func(hub.Reading, hub.Watt, hub.WattHour) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("the error of emit came back as %v", err)
	}
	if !h.Now().Equal(start.Add(time.Hour + 10*time.Second)) {
		t.Errorf("it went on after the error, to %s", h.Now())
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(HouseConfig{}); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("no start: %v", err)
	}
	if _, err := New(HouseConfig{Start: at(t, "2026-01-01T00:00:00Z"), CarPhases: 2}); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("two phases: %v", err)
	}
}

func TestRoofFollowsSeasonAndDay(t *testing.T) {
	d := dice(11)
	where := place{52.1, 5.1}
	var months [13]joule
	var year joule
	start := at(t, "2026-01-01T00:00:00Z").Unix()
	for number := start / 86400; number < start/86400+365; number++ {
		x := newDay(d, number, where)
		for s := int64(0); s < 86400; s += 60 {
			w := d.roof(&x, number*86400+s, 6000)
			if w < 0 || w > 6000 {
				t.Fatalf("%d W from a roof of 6 kW", w)
			}
			if (s < 2*3600+1800 || s > 21*3600+1800) && w != 0 {
				t.Fatalf("%d W at %s", w, time.Unix(number*86400+s, 0).UTC())
			}
			e := over(w, 60)
			year += e
			months[time.Unix(number*86400, 0).UTC().Month()] += e
		}
	}
	t.Logf("year %d kWh, June %d kWh, December %d kWh", year.wattHours()/1000, months[6].wattHours()/1000, months[12].wattHours()/1000)
	// PVGIS gives 900 to 1000 kWh per kWp and year for the middle of the
	// Netherlands, and June some five times December.
	if kwh := year.wattHours() / 1000; kwh < 4800 || kwh > 6600 {
		t.Errorf("a year gives %d kWh", kwh)
	}
	if ratio := float64(months[6]) / float64(months[12]); ratio < 3 || ratio > 12 {
		t.Errorf("June gives %.1f times December", ratio)
	}
}

func TestTariffFollowsTheWallClock(t *testing.T) {
	tests := []struct {
		name string
		at   string
		want uint8
	}{
		{"winter night", "2026-01-14T05:59:59Z", 1},
		{"winter morning", "2026-01-14T06:00:00Z", 2},
		{"winter evening", "2026-01-14T21:59:59Z", 2},
		{"winter late", "2026-01-14T22:00:00Z", 1},
		{"summer morning", "2026-07-15T05:00:00Z", 2},
		{"Saturday noon", "2026-01-17T11:00:00Z", 1},
		{"Monday after the spring change, before 7", "2026-03-30T04:59:59Z", 1},
		{"Monday after the spring change, 7", "2026-03-30T05:00:00Z", 2},
		{"Friday before the autumn change, 23", "2026-10-23T21:00:00Z", 1},
		{"Monday after the autumn change, 7", "2026-10-26T06:00:00Z", 2},
		{"Monday after the autumn change, before 7", "2026-10-26T05:59:59Z", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := at(t, tt.at)
			if got := newHouse(t, now).Reading(now).Tariff; got != tt.want {
				t.Errorf("tariff %d, want %d", got, tt.want)
			}
			// A house that lived through the change agrees with a new one.
			lived := newHouse(t, now.Add(-80*time.Hour))
			if err := lived.History(lived.Now(), now, time.Minute, func(hub.Reading, hub.Watt, hub.WattHour) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if got := lived.Reading(now).Tariff; got != tt.want {
				t.Errorf("after three days tariff %d, want %d", got, tt.want)
			}
		})
	}
}

func TestCalendarAgreesWithTime(t *testing.T) {
	zone := amsterdam(t)
	c := calendar{zone: zone}
	for _, around := range []string{"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-12-31T23:00:00Z", "1969-12-31T23:00:00Z"} {
		for d := -4 * time.Hour; d < 4*time.Hour; d += 7 * time.Minute {
			now := at(t, around).Add(d)
			number, second := c.local(now.Unix())
			local := now.In(zone)
			wantSecond := int64(local.Hour()*3600 + local.Minute()*60 + local.Second())
			date := time.Unix(number*86400, 0).UTC()
			if second != wantSecond || date.Day() != local.Day() || date.Month() != local.Month() {
				t.Fatalf("%s is second %d of %s, want %d of %s", now, second, date.Format(time.DateOnly), wantSecond, local.Format(time.DateOnly))
			}
		}
	}
}

func TestCarWaitsForItsClaimAndLeavesOnWorkdays(t *testing.T) {
	start := at(t, "2026-01-12T23:30:00Z") // half past midnight on a Tuesday
	h := newHouse(t, start, func(c *HouseConfig) { c.CarCapacity = 30_000 })
	before := h.Car()
	if !before.Home || before.Active {
		t.Fatalf("at night the car is %+v", before)
	}
	h.Step(start.Add(time.Hour))
	if c := h.Car(); c.Power != 0 || c.Battery != before.Battery {
		t.Fatalf("without a claim it charges: %+v", c)
	}
	h.tellCharger("claim/set", []byte(`{"state":"active","charge_current":10}`))
	h.Step(start.Add(2 * time.Hour))
	c := h.Car()
	if c.Power != 2300 || !c.Charging || c.Amps != 10 {
		t.Fatalf("with a claim of 10 A it is %+v", c)
	}
	if c.Energy != 2300 || c.Battery-before.Battery != 2070 {
		t.Errorf("an hour at 10 A: counter %d Wh, battery %d Wh more", c.Energy, c.Battery-before.Battery)
	}
	h.tellCharger("claim/set", []byte(`{"state":"active","charge_current":16}`))
	h.Step(start.Add(7 * time.Hour)) // 07:30
	if c := h.Car(); c.Home && c.Battery != 30_000 || c.Battery > 30_000 {
		t.Errorf("after five hours at 16 A: %+v", c)
	}
	h.Step(start.Add(12 * time.Hour)) // 12:30
	if c := h.Car(); c.Home || c.Power != 0 {
		t.Errorf("at noon of a workday the car is %+v", c)
	}
	away := h.Car().Battery
	h.Step(start.Add(18*time.Hour + 30*time.Minute)) // 19:00
	if c := h.Car(); !c.Home || c.Battery >= away+2*3680 {
		t.Errorf("in the evening the car is %+v, left with %d Wh", c, away)
	}
}

// Driving off ends the session: a claim and a limit with auto_release go.
func TestSessionEndsWhenTheCarLeaves(t *testing.T) {
	start := at(t, "2026-01-13T05:50:00Z") // ten to seven on a Tuesday
	h := newHouse(t, start)
	h.tellCharger("claim/set", []byte(`{"state":"active","auto_release":true}`))
	h.tellCharger("limit/set", []byte(`{"type":"time","value":600}`))
	h.Step(start.Add(10 * time.Minute))
	if s := h.charging(); !h.Car().Charging || s.elapsed != 600 || s.session.wattHours() != 613 {
		t.Fatalf("before it leaves: %+v, %+v", h.Car(), s)
	}
	h.Step(start.Add(14 * time.Hour))
	c, s := h.Car(), h.charging()
	if !c.Home || c.Active || s.elapsed != 0 || s.session != 0 || string(s.claim) != `{"state":"null"}` {
		t.Errorf("in the evening: %+v, %+v, claim %s", c, s, s.claim)
	}
	if want := `{"type":"none","value":0,"auto_release":true}`; string(s.limit) != want {
		t.Errorf("limit %s", s.limit)
	}
	if c.Energy <= 613 {
		t.Errorf("the counter of the charger fell with the session, to %d Wh", c.Energy)
	}
}

// A past that is no multiple of the interval ends where it shall all the same.
func TestHistoryEndsOnTheSecond(t *testing.T) {
	from := at(t, "2026-02-20T00:00:00Z")
	h := newHouse(t, from)
	var last time.Time
	err := h.History(from, from.Add(time.Minute+3*time.Second), 10*time.Second, func(r hub.Reading, _ hub.Watt, _ hub.WattHour) error {
		last = r.At
		return nil
	})
	if want := from.Add(63 * time.Second); err != nil || !last.Equal(want) || !h.Now().Equal(want) {
		t.Errorf("ended at %s with %v, want %s", last, err, want)
	}
}

func TestCarNeverRunsEmpty(t *testing.T) {
	start := at(t, "2026-01-12T12:00:00Z")
	h := newHouse(t, start)
	for day := range 14 {
		for range 24 * 60 {
			h.step(60)
		}
		if c := h.Car(); c.Battery < 2500 {
			t.Fatalf("day %d: %d Wh left", day, c.Battery)
		}
	}
}

func TestWashAndCookingHappen(t *testing.T) {
	d := dice(5)
	washes := 0
	for number := int64(20_000); number < 20_100; number++ {
		x := newDay(d, number, place{52, 5})
		var heat, cook hub.Watt
		for s := int64(0); s < 86400; s += 30 {
			heat = max(heat, d.wash(&x, number*86400+s, s))
			cook = max(cook, d.cooking(&x, number*86400+s, s))
		}
		if x.wash >= 0 {
			washes++
		}
		if (heat > 2000) != (x.wash >= 0) || cook < 1200 {
			t.Fatalf("day %d: wash at %d draws %d W, cooking draws %d W", number, x.wash, heat, cook)
		}
	}
	if washes < 30 || washes > 60 {
		t.Errorf("%d washes in 100 days", washes)
	}
}

func BenchmarkHistoryYear(b *testing.B) {
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		h := newHouse(b, from)
		n := 0
		if err := h.History(from, from.AddDate(1, 0, 0), 10*time.Second, func(hub.Reading, hub.Watt, hub.WattHour) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n), "steps")
	}
}
