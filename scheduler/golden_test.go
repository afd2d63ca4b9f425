package scheduler_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
	"homehub/scheduler"
)

// street is a house with chargers that charge what they are told, behind a
// meter that reads every ten seconds.
type street struct {
	t        *testing.T
	hub      *hub.Hub
	loop     *scheduler.Loop
	cars     map[string]*fakeCar
	base     hub.Watt
	outlook  *fakeOutlook
	problems []string
	replans  int
	lastPlan *hub.Plan
	most     hub.Watt // highest that the meter has shown
}

type fakeCar struct {
	mu      sync.Mutex
	on      bool
	amps    int
	phases  int
	plugged bool
	wh      float64
	soc     bool    // reports its state of charge
	content float64 // Wh
	size    float64
}

func (c *fakeCar) watts() hub.Watt {
	if !c.on || !c.plugged || c.size > 0 && c.content >= c.size {
		return 0
	}
	return hub.Watt(230 * max(1, c.phases) * c.amps)
}

// Actuate obeys at once.
func (s *street) Actuate(_ context.Context, d hub.Device, c hub.Command) error {
	car := s.cars[d.ID]
	car.mu.Lock()
	defer car.mu.Unlock()
	car.on, car.amps, car.phases = c.On, c.Amps, d.Phases
	return nil
}

// fakeOutlook has prices that may be unknown, and a flat forecast.
type fakeOutlook struct {
	price func(at time.Time) (hub.MicroEuro, bool)
	base  float64
}

func (o *fakeOutlook) Prices(from time.Time, n int) []hub.Slot {
	slots := make([]hub.Slot, n)
	for i := range slots {
		at := hub.SlotStart(from).Add(time.Duration(i) * hub.SlotLength)
		p, known := o.price(at)
		slots[i] = hub.Slot{Start: at, Import: p, Export: 30_000, Known: known}
	}
	return slots
}

func (o *fakeOutlook) Forecast(_ time.Time, n int) (base, pv []float64) {
	base, pv = make([]float64, n), make([]float64, n)
	for i := range base {
		base[i] = o.base
	}
	return base, pv
}

func newStreet(t *testing.T, c scheduler.Connection, keep memory, devices ...hub.Device) *street {
	t.Helper()
	s := &street{
		t: t, cars: map[string]*fakeCar{}, base: 300,
		outlook: &fakeOutlook{base: 300, price: func(at time.Time) (hub.MicroEuro, bool) { return cheapNight(at), true }},
	}
	for i, d := range devices {
		d.Family, d.Mode, d.Name, d.Topic = hub.FamilyOpenEVSE, hub.ModeAuto, d.ID, d.ID
		var err error
		if d, err = d.Validate(); err != nil {
			t.Fatal(err)
		}
		devices[i] = d
		s.cars[d.ID] = &fakeCar{plugged: true, phases: d.Phases}
	}
	s.open(c, keep, devices)
	return s
}

// open makes hub and loop, as a start does.
func (s *street) open(c scheduler.Connection, keep memory, devices []hub.Device) {
	s.t.Helper()
	var err error
	s.hub, err = hub.New(hub.Config{
		Logger: slog.New(slog.DiscardHandler), Devices: devices, Actuators: map[hub.Family]hub.Actuator{hub.FamilyOpenEVSE: s},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.loop = scheduler.New(scheduler.Config{
		Zone: time.UTC, Logger: slog.New(slog.DiscardHandler), House: s.hub, Keeper: keep, Outlook: s.outlook, Connection: c,
		Condition: func(_ hub.Condition, reason string) { s.problems = append(s.problems, reason) },
	})
}

const beat = 10 * time.Second

// live lets d pass.
func (s *street) live(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(beat) { // virtual time
		now, net := time.Now(), s.base
		for id, car := range s.cars {
			car.mu.Lock()
			w := car.watts()
			car.wh += float64(w) * beat.Hours()
			car.content += float64(w) * beat.Hours()
			r := hub.Report{
				Device: id, At: now, Has: hub.ReportOnline | hub.ReportOn | hub.ReportPower | hub.ReportEnergy | hub.ReportPlugged,
				Online: true, On: car.on, Power: w, Energy: hub.WattHour(car.wh), Plugged: car.plugged,
			}
			if car.soc {
				r.Has, r.SoC = r.Has|hub.ReportSoC, int(100*car.content/car.size)
			}
			car.mu.Unlock()
			net += w
			s.hub.Report(r)
		}
		s.most = max(s.most, net)
		s.hub.Observe(hub.Reading{At: now, Received: now, Has: hub.HasImport, Import: max(0, net), Export: max(0, -net)})
		s.hub.Tick(s.t.Context(), now)
		s.loop.Turn(s.t.Context(), now)
		if p := s.hub.Snapshot().Plan; p != s.lastPlan {
			s.lastPlan = p
			s.replans++
		}
		synctest.Wait()
	}
}

func (s *street) planned(id string) hub.Planned {
	p, _ := s.hub.Snapshot().Plan.Of(id)
	return p
}

func evse(id string, amps int, s hub.Schedule) hub.Device {
	return hub.Device{ID: id, Role: hub.RoleCharger, MaxAmps: amps, Phases: 1, Schedule: &s}
}

// Two cars under a cap that carries one of them never charge together beyond
// it, and both are full by morning.
func TestTheLoopKeepsTwoCarsUnderACap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t, scheduler.Connection{Import: 4600}, memory{},
			evse("left", 16, hub.Schedule{ReadyBy: 420, Energy: 8000, MayPause: true, Days: hub.EveryDay}),
			evse("right", 16, hub.Schedule{ReadyBy: 420, Energy: 8000, MayPause: true, Days: hub.EveryDay}))
		s.live(7 * time.Hour)
		if s.most > 4600 {
			t.Errorf("the house took %d W under a cap of 4600", s.most)
		}
		for id, car := range s.cars {
			if car.wh < 7900 || car.wh > 8300 {
				t.Errorf("%s has %.0f of 8000 Wh by 07:00", id, car.wh)
			}
		}
	})
}

// A car that is taken away and brought back goes on where it was.
func TestACarUnpluggedAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t, scheduler.Connection{}, memory{}, evse("car", 16, hub.Schedule{ReadyBy: 420, Energy: 10_000, MayPause: true, Days: hub.EveryDay}))
		car := s.cars["car"]
		s.live(2 * time.Hour) // cheap from 01:00 on
		if car.wh < 3000 {
			t.Fatalf("%.0f Wh by 02:00", car.wh)
		}
		car.plugged = false
		s.live(time.Hour)
		if p := s.planned("car"); len(p.Runs) != 0 || p.Reason != "waits for a car to be connected" || car.on {
			t.Errorf("without a car: on %v, %+v", car.on, p)
		}
		car.plugged = true
		s.live(4 * time.Hour)
		if car.wh < 9900 || car.wh > 10_300 {
			t.Errorf("%.0f of 10000 Wh by 07:00", car.wh)
		}
	})
}

// Tomorrow's prices come at 13:00 for the night after: until then the plan
// makes do, says nothing wrong, and then moves to the cheap hours.
func TestTomorrowsPricesComeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		midnight := time.Now().Add(24 * time.Hour)
		s := newStreet(t, scheduler.Connection{}, memory{}, evse("car", 16, hub.Schedule{ReadyBy: 10 * 60, Energy: 3500, MayPause: true, Days: 1 << time.Sunday}))
		published := false
		price := func(at time.Time) (hub.MicroEuro, bool) {
			switch {
			case !at.Before(midnight) && !published:
				return 0, false
			case !at.Before(midnight.Add(2*time.Hour)) && at.Before(midnight.Add(4*time.Hour)):
				return 50_000, true // 02:00 to 04:00 of tomorrow
			case at.Hour() == 23:
				return 200_000, true
			}
			return 300_000, true
		}
		s.outlook.price = price
		s.live(13*time.Hour + 5*time.Minute) // within a slot: no quarter of an hour helps
		early := s.planned("car")
		if len(early.Runs) == 0 || early.Runs[0].Start.Hour() != 23 {
			t.Errorf("before tomorrow's prices the plan is %+v, want one in the known cheap hour", early.Runs)
		}
		published = true
		s.live(2 * time.Minute)
		late := s.planned("car")
		if len(late.Runs) == 0 || late.Runs[0].Start.Before(midnight.Add(2*time.Hour)) || late.Runs[0].Start.After(midnight.Add(4*time.Hour)) {
			t.Errorf("two minutes after they came the plan is %+v", late.Runs)
		}
		s.outlook.price = func(time.Time) (hub.MicroEuro, bool) { return 0, false } // the source is gone again
		s.live(2 * time.Hour)
		if p := s.planned("car"); len(p.Runs) == 0 || !p.Runs[0].Start.Equal(late.Runs[0].Start) {
			t.Errorf("without the source the plan became %+v", p.Runs)
		}
		if last := s.problems[len(s.problems)-1]; !strings.Contains(last, "some prices are those of Sat 13:") {
			t.Errorf("nobody says how old the prices are: %q", last)
		}
		s.live(19 * time.Hour)
		if wh := s.cars["car"].wh; wh < 3400 || wh > 3700 {
			t.Errorf("%.0f of 3500 Wh by 10:00", wh)
		}
	})
}

// A plan in force is not changed for less than its threshold.
func TestAPlanStaysForSmallGains(t *testing.T) {
	for _, test := range []struct {
		name  string
		later hub.MicroEuro // price of 07:00 to 08:30 once it is known; the plan lies at 05:00 for 10 ct
		start int           // hour of the run then
	}{
		{"0.3 ct in all", 99_200, 5},
		{"20 ct in all", 50_000, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStreet(t, scheduler.Connection{}, memory{}, evse("car", 16, hub.Schedule{ReadyBy: 600, Energy: 3600, MayPause: true, Days: hub.EveryDay}))
				known := false
				s.outlook.price = func(at time.Time) (hub.MicroEuro, bool) {
					switch minute := at.Hour()*60 + at.Minute(); {
					case minute >= 300 && minute < 390:
						return 100_000, true
					case minute >= 420 && minute < 510 && known:
						return test.later, true
					}
					return 300_000, true
				}
				s.live(20 * time.Minute)
				if p := s.planned("car"); len(p.Runs) == 0 || p.Runs[0].Start.Hour() != 5 {
					t.Fatalf("planned %+v", p.Runs)
				}
				known = true
				s.live(time.Hour)
				if p := s.planned("car"); len(p.Runs) == 0 || p.Runs[0].Start.Hour() != test.start {
					t.Errorf("then planned %+v, want a start at %d", p.Runs, test.start)
				}
			})
		})
	}
}

// A limit from outside moves a run to after it, and back when it is withdrawn.
func TestALimitFromOutsideIsPlannedAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t, scheduler.Connection{}, memory{}, evse("car", 16, hub.Schedule{ReadyBy: 600, Energy: 3600, MayPause: true, Days: hub.EveryDay}))
		limit := func(l hub.Limit, from int) {
			t.Helper()
			if err := s.hub.SetLimit(l); err != nil {
				t.Fatal(err)
			}
			s.live(time.Minute)
			if p := s.planned("car"); len(p.Runs) == 0 || p.Runs[0].Start.Hour() != from || p.Short > 0 {
				t.Errorf("planned %+v, want a start at %d", p.Runs, from)
			}
		}
		s.live(time.Minute)
		limit(hub.Limit{}, 1)
		limit(hub.Limit{Watts: 1000, Source: "the grid operator", Until: time.Now().Truncate(time.Hour).Add(3 * time.Hour)}, 3)
		limit(hub.Limit{}, 1)
		limit(hub.Limit{Watts: 3000, Source: "the grid operator"}, 1) // till it is withdrawn: less at a time
		for _, r := range s.planned("car").Runs {
			if r.Power > 2700 {
				t.Errorf("planned %+v beside 300 W of the house, 3000 W are allowed", r)
			}
		}
	})
}

// What the house takes beyond the forecast makes another plan.
func TestADeviationMakesAPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t, scheduler.Connection{}, memory{}, evse("car", 16, hub.Schedule{ReadyBy: 600, Energy: 4000, MayPause: true, Days: hub.EveryDay}))
		s.live(16 * time.Minute)
		before := s.replans
		s.live(13 * time.Minute)
		if s.replans != before {
			t.Errorf("%d plans within a slot of a house that does as expected", s.replans-before)
		}
		s.live(2 * time.Minute) // the next slot
		before, s.base = s.replans, 2500
		s.live(12 * time.Minute)
		if s.replans == before {
			t.Error("the house takes 2.2 kW more than the plan expects, and the plan stays")
		}
		if net := s.lastPlan.Net[0]; net < 1500 {
			t.Errorf("the new plan still expects %d W", net)
		}
	})
}

// A run to a state of charge ends there; without a report it goes by energy.
func TestUntilAStateOfCharge(t *testing.T) {
	for _, reported := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d := evse("car", 16, hub.Schedule{ReadyBy: 420, SoC: 80, Energy: 5000, MayPause: true, Days: hub.EveryDay})
			d.Battery = &hub.Battery{Capacity: 40_000, ChargeEff: 100}
			s := newStreet(t, scheduler.Connection{}, memory{}, d)
			car := s.cars["car"]
			car.size, car.content, car.soc = 40_000, 20_000, reported
			s.live(7 * time.Hour)
			want := 12_000.0
			if !reported {
				want = 5000
			}
			if car.wh < want-300 || car.wh > want+500 {
				t.Errorf("reported %v: %.0f Wh, want %.0f", reported, car.wh, want)
			}
		})
	}
}

// A run that begins now does so whatever the price, and ends when it is done.
func TestARunThatBeginsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t, scheduler.Connection{}, memory{}, evse("car", 16, hub.Schedule{When: hub.WhenNow, Energy: 1840, SetAt: time.Now()}))
		s.live(20 * time.Second)
		car := s.cars["car"]
		if !car.on || car.amps != 16 {
			t.Fatalf("not charging: %+v", car)
		}
		s.live(40 * time.Minute)
		if car.on || car.wh < 1800 || car.wh > 1900 {
			t.Errorf("after 40 minutes: on %v with %.0f of 1840 Wh", car.on, car.wh)
		}
		s.live(24 * time.Hour)
		if car.wh > 1900 {
			t.Errorf("it ran again the day after: %.0f Wh", car.wh)
		}
	})
}

// A job on surplus takes only that, and ends at its time.
func TestAJobOnSurplus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t, scheduler.Connection{}, memory{}, evse("car", 16, hub.Schedule{When: hub.WhenSurplus, ReadyBy: 180, Days: hub.EveryDay}))
		car := s.cars["car"]
		s.live(time.Hour)
		if car.wh > 0 {
			t.Errorf("%.0f Wh without sun", car.wh)
		}
		s.base = -2500
		s.live(time.Hour)
		if car.wh < 2000 || car.wh > 2500 {
			t.Errorf("%.0f Wh from an hour of 2.5 kW", car.wh)
		}
		s.base = 300
		s.live(10 * time.Minute)
		if car.on {
			t.Error("on without sun")
		}
	})
}

// A restart in the middle of charging neither stops nor doubles it.
func TestARestartWhileCharging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keep := memory{}
		s := newStreet(t, scheduler.Connection{}, keep, evse("car", 16, hub.Schedule{ReadyBy: 420, Energy: 9000, MayPause: true, Days: hub.EveryDay}))
		s.live(2 * time.Hour)
		first := s.cars["car"].wh
		d, _ := s.hub.Device("car")
		time.Sleep(5 * time.Minute)
		s.cars["car"].wh += 3680.0 / 12
		s.open(scheduler.Connection{}, keep, []hub.Device{d.Device})
		s.live(30 * time.Second)
		if !s.cars["car"].on {
			t.Error("the restart stopped the car")
		}
		s.live(5 * time.Hour)
		if wh := s.cars["car"].wh; first < 3000 || wh < 8800 || wh > 9200 {
			t.Errorf("%.0f Wh before the restart, %.0f of 9000 in all", first, wh)
		}
	})
}
