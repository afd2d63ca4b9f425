package tariff_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"homehub/hub"
	"homehub/tariff"
)

func TestSlotsFollowTheWallClock(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	c := tariff.BuiltIn()
	tests := []struct {
		name string
		day  time.Time
		n    int
		// number of slots at the night price
		night int
	}{
		{"a working day", time.Date(2026, 1, 14, 0, 0, 0, 0, loc), 96, 4 * 8},
		{"a Saturday", time.Date(2026, 1, 17, 0, 0, 0, 0, loc), 96, 96},
		{"the spring change is a Sunday", time.Date(2026, 3, 29, 0, 0, 0, 0, loc), 92, 92},
		{"the Monday after it", time.Date(2026, 3, 30, 0, 0, 0, 0, loc), 96, 32},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			slots := c.Slots(test.day, test.n, loc)
			if end := slots[len(slots)-1].End().In(loc); end.Hour() != 0 || end.Minute() != 0 {
				t.Errorf("%d slots end at %v, not at midnight", test.n, end)
			}
			night := 0
			for i, s := range slots {
				if i > 0 && !s.Start.Equal(slots[i-1].End()) {
					t.Fatalf("slot %d does not follow", i)
				}
				if !s.Known {
					t.Fatalf("slot %d unknown", i)
				}
				if s.Import == c.Night {
					night++
				}
			}
			if night != test.night {
				t.Errorf("%d night slots, want %d", night, test.night)
			}
		})
	}
}

func TestDSTDaysOnWorkdaysKeepTheirWindow(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	c := tariff.BuiltIn()
	c.Weekend = false
	for _, test := range []struct {
		day      time.Time
		n, night int
	}{
		{time.Date(2026, 3, 29, 0, 0, 0, 0, loc), 92, 28},   // 7 h of night less the hour that is skipped, and 23-24
		{time.Date(2026, 10, 25, 0, 0, 0, 0, loc), 100, 36}, // one more
	} {
		night := 0
		for _, s := range c.Slots(test.day, test.n, loc) {
			if s.Import == c.Night {
				night++
			}
		}
		if night != test.night {
			t.Errorf("%v: %d night slots, want %d", test.day, night, test.night)
		}
	}
}

func TestValidate(t *testing.T) {
	c := tariff.BuiltIn()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c.Day = 29_000_000
	if err := c.Validate(); hub.CodeOf(err) != hub.Invalid {
		t.Errorf("29 EUR per kWh: %v", err)
	}
}
