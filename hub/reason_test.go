package hub_test

import (
	"encoding/json"
	"testing"
	"time"

	"homehub/hub"
)

// Every kind of reason in words, and the same after a trip through JSON.
func TestWhy(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2024, 6, 5, 0, 10, 0, 0, zone)
	at := func(h, m int) time.Time { return time.Date(2024, 6, 5, h, m, 0, 0, zone) }
	tests := []struct {
		name string
		why  hub.Why
		want string
	}{
		{"nothing known", hub.Why{}, ""},
		{"needs nothing", hub.Why{Kind: hub.WhyNothing}, "needs nothing"},
		{
			"cheapest",
			hub.Why{Kind: hub.WhyCheapest, From: at(2, 15), To: at(4, 0), Takes: 105 * time.Minute, Deadline: at(7, 0), Extra: 610_000},
			"02:15 to 04:00 is the cheapest 1 h 45 before 07:00; starting now would cost 0.61 more",
		},
		{
			"cheapest by less than a cent",
			hub.Why{Kind: hub.WhyCheapest, From: at(2, 15), To: at(3, 0), Takes: 45 * time.Minute, Deadline: at(7, 0), Extra: 4_999},
			"02:15 to 03:00 is the cheapest 45 min before 07:00",
		},
		{
			"tomorrow, no deadline, not before eight",
			hub.Why{Kind: hub.WhyCheapest, From: at(26, 0), To: at(28, 0), Takes: 2 * time.Hour, Earliest: at(20, 0), TooMuch: true},
			"Thu 02:00 to 04:00 is the cheapest 2 h of the plan; starting at 20:00 is more than the connection can carry",
		},
		{
			"one run",
			hub.Why{Kind: hub.WhyTimes, From: at(1, 0), To: at(3, 0), Runs: 1, Energy: 7360, Deadline: at(7, 0), Extra: 250_000},
			"7.4 kWh from 01:00 to 03:00, the cheapest times before 07:00; starting now would cost 0.25 more",
		},
		{
			"several runs",
			hub.Why{Kind: hub.WhyTimes, From: at(1, 0), To: at(5, 0), Runs: 3, Energy: 30015, Deadline: at(7, 0)},
			"30.0 kWh in 3 runs from 01:00 to 05:00, the cheapest times before 07:00",
		},
		{"at once", hub.Why{Kind: hub.WhyAtOnce, From: at(0, 15), To: at(1, 0)}, "00:15 to 01:00: as early as it may, no later time is cheaper"},
		{
			"late",
			hub.Why{Kind: hub.WhyLate, From: at(6, 0), To: at(8, 0), Deadline: at(7, 0), Late: time.Hour},
			"06:00 to 08:00: cannot be ready by 07:00, 1 h late",
		},
		{
			"short",
			hub.Why{Kind: hub.WhyShort, From: at(0, 15), To: at(7, 0), Runs: 1, Deadline: at(7, 0), Short: 4100, Energy: 9000},
			"will be 4.1 kWh short at 07:00: 9.0 kWh from 00:15 to 07:00, all that fits",
		},
		{"short of everything", hub.Why{Kind: hub.WhyShort, Short: 4100}, "will be 4.1 kWh short: there is no time in which it can run"},
		{"no room", hub.Why{Kind: hub.WhyNoRoom}, "does not run: it cannot be fitted in before the plan ends"},
		{"no room before a deadline", hub.Why{Kind: hub.WhyNoRoom, Deadline: at(7, 0)}, "does not run: it cannot be fitted in before 07:00"},
		{"running", hub.Why{Kind: hub.WhyRunning, To: at(1, 10)}, "runs until 01:10, as it may not pause"},
		{"begun", hub.Why{Kind: hub.WhyBegun, To: at(1, 10)}, "runs now, until 01:10"},
		{"surplus", hub.Why{Kind: hub.WhySurplus, Deadline: at(31, 0)}, "runs on surplus alone until Thu 07:00"},
		{"deaf", hub.Why{Kind: hub.WhyDeaf, To: at(1, 16)}, "does not follow its commands; it is tried again at 01:16"},
		{"no car", hub.Why{Kind: hub.WhyNoCar}, "waits for a car to be connected"},
		{
			"warm",
			hub.Why{Kind: hub.WhyWarm, Takes: 90 * time.Minute, From: at(5, 0), Coldest: 46.24, Final: 51},
			"on for 1 h 30, between 46.2 °C at 05:00 and 51.0 °C at the end",
		},
		{
			"too cold",
			hub.Why{Kind: hub.WhyTooCold, Takes: 15 * time.Minute, From: at(5, 0), Coldest: 40, Final: 51, Wanted: 45},
			"on for 15 min, between 40.0 °C at 05:00 and 51.0 °C at the end; colder than 45 °C because more heat would cost more than it is worth",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.why.Now = now
			if got := test.why.String(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			raw, err := json.Marshal(test.why)
			if err != nil {
				t.Fatal(err)
			}
			var again hub.Why
			if err := json.Unmarshal(raw, &again); err != nil {
				t.Fatal(err)
			}
			again.Now = again.Now.In(zone)
			if got := again.String(); got != test.want {
				t.Errorf("after JSON: %s", got)
			}
		})
	}
}
