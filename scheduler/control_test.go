package scheduler

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"homehub/hub"
)

// priced gives the rig a plan of a day with fixed prices and what the devices'
// kWh are worth.
func (r *rig) priced(buy, sell hub.MicroEuro, devices ...hub.Planned) {
	p := &hub.Plan{At: r.now, Devices: devices}
	for i := range 96 {
		p.Slots = append(p.Slots, hub.Slot{Start: hub.SlotStart(r.now).Add(time.Duration(i) * hub.SlotLength), Import: buy, Export: sell, Known: true})
	}
	r.s.Plan = p
}

// sun sets what the house gives to the grid on each of three phases.
func (r *rig) sun(w hub.Watt) { r.base = [3]hub.Watt{-w / 3, -w / 3, -w / 3} }

func onSurplus(d hub.Device) hub.Device {
	d.Schedule = &hub.Schedule{When: hub.WhenSurplus, MayPause: true}
	return d
}

var surplusCar = hub.Planned{Device: "car", When: hub.WhenSurplus, Need: 10_000}

func (r *rig) wantCar(what string, on bool, amps int) {
	r.t.Helper()
	if c := r.device("car").Commanded; c.On != on || on && c.Amps != amps {
		r.t.Errorf("%s: %+v, want on %v with %d A", what, c, on, amps)
	}
}

func TestSurplusStartsSlowlyAndStopsSlower(t *testing.T) {
	r := newRig(t, fuse25, onSurplus(car(1)))
	r.priced(300_000, 50_000, surplusCar)
	r.sun(2000)
	r.seconds(58)
	r.wantCar("after 58 s of 2 kW", false, 0)
	r.seconds(4)
	r.wantCar("after 62 s of 2 kW", true, 6)
	r.seconds(30)
	r.wantCar("half a minute later", true, 8)
	r.sun(900) // a cloud
	r.seconds(10)
	r.wantCar("under a cloud", true, 6)
	r.seconds(150)
	r.wantCar("under a cloud of 160 s", true, 6)
	r.sun(2000)
	r.seconds(40)
	r.wantCar("after the cloud", true, 8)
	r.sun(900)
	r.seconds(200)
	r.wantCar("under a cloud of 200 s", false, 0)
	r.sun(2000)
	r.seconds(30)
	r.wantCar("30 s after it", false, 0)
}

// The price decides whether a planned job takes surplus before its time, and
// whether it goes on without the sun that it was planned for.
func TestPricesDecideOnSurplus(t *testing.T) {
	run := func(r *rig, amps int) []hub.Run {
		return []hub.Run{{Device: "car", Start: r.now, End: r.now.Add(5 * time.Hour), Amps: amps}}
	}
	tests := []struct {
		name      string
		buy, sell hub.MicroEuro
		worth     hub.MicroEuro
		planned   int // amps now; 0: planned for later
		sun       hub.Watt
		on        bool
		amps      int
	}{
		{"surplus is worth more in the car than sold", 300_000, 50_000, 200_000, 0, 2000, true, 8},
		{"surplus sells better than it will cost", 300_000, 250_000, 200_000, 0, 2000, false, 0},
		{"no surplus, no start", 300_000, 50_000, 200_000, 0, -500, false, 0},
		{"planned in a cheap hour: runs as planned", 100_000, 50_000, 120_000, 10, -500, true, 10},
		{"planned in a cheap hour with sun: takes that too", 100_000, 50_000, 120_000, 10, 3200, true, 13},
		{"planned for the sun, and it shines", 300_000, 50_000, 60_000, 10, 2000, true, 8},
		{"planned for the sun, and it rains", 300_000, 50_000, 60_000, 10, -500, false, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, fuse25, car(1))
			p := hub.Planned{Device: "car", Need: 10_000, Worth: test.worth}
			if test.planned > 0 {
				p.Runs = run(r, test.planned)
			}
			r.priced(test.buy, test.sell, p)
			r.sun(test.sun)
			r.seconds(300)
			r.wantCar("after 5 minutes", test.on, test.amps)
		})
	}
}

func TestPhasesFollowTheSunWithDwell(t *testing.T) {
	d := onSurplus(car(3))
	d.SwitchPhases = true
	r := newRig(t, fuse25, d)
	r.priced(300_000, 50_000, surplusCar)
	phases := func(what string, want int) {
		t.Helper()
		if c := r.device("car").Commanded; !c.On || c.Phases != want {
			t.Errorf("%s: %+v, want %d phases", what, c, want)
		}
	}
	r.sun(2500)
	r.seconds(120)
	phases("2.5 kW", 1)
	r.sun(6000)
	r.seconds(300)
	phases("6 kW, seven minutes after the start", 1)
	r.seconds(400)
	phases("6 kW, longer", 3)
	r.wantCar("6 kW on three phases", true, 8)
	r.sun(2500)
	r.seconds(120)
	phases("a cloud of two minutes", 3)
	r.seconds(9 * 60)
	phases("2.5 kW, eleven minutes", 1)
	r.wantCar("2.5 kW on one phase", true, 10)
	changes := 0
	for i := 1; i < len(r.sent); i++ {
		if r.sent[i].On && r.sent[i-1].On && r.sent[i].Phases != r.sent[i-1].Phases {
			changes++
		}
	}
	if changes != 2 {
		t.Errorf("%d changes of phases, want 2", changes)
	}
}

func TestSetpoint(t *testing.T) {
	b := &hub.Battery{Capacity: 10_000, MaxCharge: 5000, MaxDischarge: 4000, ChargeEff: 95, DischargeEff: 95}
	tests := []struct {
		name              string
		buy, sell, stored hub.MicroEuro
		now, net          int
		want              hub.Watt
	}{
		{"far below its worth: full power from the grid", 100_000, 50_000, 300_000, 0, 500, 5000},
		{"far above: full power to the grid", 500_000, 400_000, 200_000, 0, 500, -4000},
		{"between, with surplus: take it", 300_000, 50_000, 200_000, 0, -1000, 700},
		{"between, and the house takes: give it", 300_000, 50_000, 200_000, 0, 1000, -700},
		{"between, surplus of which it takes part already", 300_000, 50_000, 200_000, 600, -400, 880},
		{"worth more than selling and less than buying: rest", 210_000, 190_000, 200_000, 0, 1000, 0},
		{"surplus sells better: leave it", 300_000, 290_000, 290_000, 0, -1000, 0},
		{"never more than it can", 300_000, 50_000, 200_000, 0, -9000, 5000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := setpoint(b, hub.Slot{Import: test.buy, Export: test.sell}, test.stored, test.now, test.net); got != test.want {
				t.Errorf("%d W, want %d", got, test.want)
			}
		})
	}
	worn := *b
	worn.Wear = 80_000
	if got := setpoint(&worn, hub.Slot{Import: 300_000, Export: 50_000}, 230_000, 0, 1000); got != 0 {
		t.Errorf("it gives %d W for less than it wears off", got)
	}
}

// The battery brings the meter to nought and keeps it there, with what a real
// one lags behind.
func TestTheBatteryKeepsTheMeterAtNought(t *testing.T) {
	d := hub.Device{ID: "store", Name: "Battery", Role: hub.RoleBattery, Battery: &hub.Battery{Capacity: 10_000, MaxCharge: 5000, MaxDischarge: 5000}}
	r := newRig(t, fuse25, d)
	r.lag = 1
	r.s.Devices[0].Has = hub.ReportSoC // it reports no power
	r.s.Devices[0].SoC = 50
	r.priced(300_000, 50_000)
	for range 96 {
		r.s.Plan.Stored = append(r.s.Plan.Stored, 200_000)
	}
	for _, house := range []hub.Watt{1200, -2400, 300} {
		r.sun(-house)
		r.seconds(20)
		if net := r.s.Reading.Net(); net < -60 || net > 60 {
			t.Errorf("the house takes %d W and the meter shows %d", house, net)
		}
	}
	r.s.Devices[0].SoC = 0
	r.seconds(5)
	if c := r.device("store").Commanded; c.Setpoint != 0 {
		t.Errorf("an empty battery is told %d W", c.Setpoint)
	}
}

func TestSurplusRule(t *testing.T) {
	rule, s := DefaultSurplusRule(), &SurplusState{}
	now := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	run := func(net hub.Watt, d time.Duration) (on bool) {
		for end := now.Add(d); now.Before(end); now = now.Add(time.Second) {
			on = rule.Step(s, now, net)
		}
		return on
	}
	if run(-850, 20*time.Minute) {
		t.Error("on at 850 W: 700 and the deadband of 200 are not reached")
	}
	if run(-1300, time.Minute) {
		t.Error("on after a minute of 1,300 W: the mean of ten is 895 W")
	}
	if !run(-1300, 2*time.Minute) {
		t.Error("off after three minutes of 1,300 W: the mean of ten is 985 W")
	}
	if !run(100, 20*time.Minute) {
		t.Error("off although the 1,400 W that it takes are to be added back")
	}
	if !run(1000, 8*time.Minute) {
		t.Error("off after eight minutes of 400 W: the mean of ten is 580 W")
	}
	if run(1000, 3*time.Minute) {
		t.Error("on after eleven minutes of 400 W")
	}
}

func TestTheSimpleRuleStandsInForAPlan(t *testing.T) {
	r := newRig(t, fuse25, onSurplus(plug("boiler", 1, 1400)))
	r.s.Plan = nil
	r.sun(1000)
	r.seconds(5)
	if !r.device("boiler").Commanded.On {
		t.Fatal("1 kW goes to the grid and the boiler is off")
	}
	r.seconds(900) // the boiler takes 400 W from the grid, the mean with it added back is 1,000 W
	if !r.device("boiler").Commanded.On {
		t.Error("off although what it takes was to be added back")
	}
	r.sun(0)
	r.seconds(900)
	if r.device("boiler").Commanded.On {
		t.Error("on without sun")
	}
}

// A June day of a real roof and a real house, second by second: how much of
// the surplus reaches the car, what it takes from the grid for it, and how
// often anything is switched.
func TestADayOfRealSun(t *testing.T) {
	roof := column(t, "../../shared/data/pv/fr_emhass_2024_30min.csv", 1)
	house := column(t, "../../shared/data/load/fr_uci_2006-12_1min.csv", 1)
	if roof == nil || house == nil {
		t.Skip("the recorded series are not at hand")
	}
	day := 110 * 48 // a sunny day in June 2024
	d := onSurplus(car(3))
	d.SwitchPhases = true
	r := newRig(t, fuse25, d)
	r.now = time.Date(2024, 6, 18, 3, 0, 0, 0, time.UTC)
	r.priced(300_000, 50_000, surplusCar)
	var surplus, taken, bought float64
	for s := range 18 * 3600 {
		at := 6 + s/1800
		part := float64(s%1800) / 1800
		sun := 2.2 * (roof[day+at]*(1-part) + roof[day+at+1]*part)
		load := house[2000+s/60] / 2 // December's, half of it
		net := hub.Watt(load - sun)
		r.base = [3]hub.Watt{net / 3, net / 3, net / 3}
		r.second()
		draw := float64(commandedLoad(r.device("car"), r.has["car"]).watts)
		free := max(0, sun-load)
		surplus += free / 3.6e6
		taken += min(draw, free) / 3.6e6
		bought += max(0, draw-free) / 3.6e6
	}
	starts, phases := 0, 0
	for i := 1; i < len(r.sent); i++ {
		if r.sent[i].On && !r.sent[i-1].On {
			starts++
		}
		if r.sent[i].On && r.sent[i-1].On && r.sent[i].Phases != r.sent[i-1].Phases {
			phases++
		}
	}
	t.Logf("%.1f kWh of surplus, %.1f into the car (%.0f %%), %.2f kWh bought for it; %d starts, %d changes of phases, %d commands",
		surplus, taken, 100*taken/surplus, bought, starts+1, phases, len(r.sent))
	if surplus < 10 || taken < 0.8*surplus || bought > 0.1*taken || starts > 12 || phases > 12 {
		t.Error("the car does not follow the sun")
	}
}

// column reads a column of a CSV file, nil if the file is not there.
func column(t *testing.T, path string, n int) (v []float64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Split(s.Text(), ",")
		if x, err := strconv.ParseFloat(fields[n], 64); err == nil {
			v = append(v, x)
		}
	}
	return v
}

// A planned run takes all phases again, but not before they may be switched.
func TestWireComesBackToThreePhases(t *testing.T) {
	d := car(3)
	d.SwitchPhases = true
	r := newRig(t, fuse25, d)
	r.priced(300_000, 50_000, hub.Planned{Device: "car", Need: 10_000, Worth: 200_000})
	r.sun(2500)
	r.seconds(120)
	if c := r.device("car").Commanded; !c.On || c.Phases != 1 {
		t.Fatalf("on surplus: %+v", c)
	}
	r.s.Plan.Devices[0].Runs = []hub.Run{{Device: "car", Start: r.now, End: r.now.Add(5 * time.Hour), Amps: 16}}
	r.s.Plan.Devices[0].Worth = 400_000
	r.seconds(60)
	if c := r.device("car").Commanded; !c.On || c.Phases != 1 {
		t.Errorf("planned, three minutes after the last switch: %+v", c)
	}
	r.seconds(600)
	if c := r.device("car").Commanded; !c.On || c.Phases != 3 {
		t.Errorf("planned, ten minutes later: %+v", c)
	}
}

// What a device delivered counts once, however a restart and its meter's first
// word fall.
func TestAJobCountsTheMeterOnce(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	on := hub.DeviceState{Device: hub.Device{Role: hub.RolePlug, Power: 2000}, Has: hub.ReportOn, On: true, Online: true}
	metered := on
	metered.Has |= hub.ReportEnergy
	at := func(counter hub.WattHour) *hub.DeviceState {
		s := metered
		s.Counter = counter
		return &s
	}
	j := Job{Seen: start}
	j.advance(&on, start.Add(3*time.Minute)) // 100 Wh by estimate
	j.advance(at(5000), start.Add(6*time.Minute))
	if j.Delivered != 200 {
		t.Errorf("six minutes of 2 kW before the meter's first word are %d Wh", j.Delivered)
	}
	j.advance(at(5400), start.Add(20*time.Minute))
	if j.Delivered != 600 {
		t.Errorf("and 400 Wh by the meter make %d Wh", j.Delivered)
	}
	j.advance(&on, start.Add(25*time.Minute)) // after a restart: it is on, its meter has not spoken yet
	j.advance(at(5600), start.Add(26*time.Minute))
	if j.Delivered != 800 {
		t.Errorf("after a restart the meter's 600 Wh are %d Wh", j.Delivered)
	}
	j.advance(at(10), start.Add(30*time.Minute)) // the device restarted and counts from 0
	j.advance(at(60), start.Add(32*time.Minute))
	if j.Delivered != 850 {
		t.Errorf("after the device's own restart: %d Wh, want 850", j.Delivered)
	}
}
