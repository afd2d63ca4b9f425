package hub

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// MilliCelsius is a temperature in 0.001 °C. In JSON it is a number of °C such
// as 50 or 20.5.
type MilliCelsius int32

// Degrees makes a temperature of whole °C.
func Degrees(c int) MilliCelsius { return MilliCelsius(c * 1000) }

// Celsius is m in °C, for what reckons with it.
func (m MilliCelsius) Celsius() float64 { return float64(m) / 1000 }

// String is the temperature in °C without its unit: 50, 20.5.
func (m MilliCelsius) String() string { return strconv.FormatFloat(m.Celsius(), 'f', -1, 64) }

// MarshalJSON writes °C.
func (m MilliCelsius) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalJSON reads °C.
func (m *MilliCelsius) UnmarshalJSON(b []byte) error {
	var n json.Number
	if bytes.HasPrefix(b, []byte(`"`)) || json.Unmarshal(b, &n) != nil {
		return FieldErrorf("keep", "temperatures are numbers of °C")
	}
	v, ok := ParseCelsius(n.String())
	if !ok {
		return FieldErrorf("keep", "%s is no temperature", n)
	}
	*m = v
	return nil
}

// ParseCelsius reads °C with a point or a comma. What no thermometer of a house
// shows is no temperature: a DS18B20 that lost its wire says -127.
func ParseCelsius(text string) (MilliCelsius, bool) {
	v, ok := ParseDecimal(strings.TrimPrefix(strings.TrimSpace(text), "+"), 3)
	return MilliCelsius(v), ok && v >= -60_000 && v <= 200_000
}

// Band is a wish for a temperature: heat so that it does not fall below Low,
// and never above High.
type Band struct {
	Low  MilliCelsius `json:"low_c"`
	High MilliCelsius `json:"high_c"`
	// From and To are the hours in which Low holds; both the same: all day.
	// Outside of them it is Away.
	From LocalTime    `json:"from,omitzero"`
	To   LocalTime    `json:"to,omitzero"`
	Away MilliCelsius `json:"away_c,omitempty"`
	// Weekly is a temperature that is reached once in seven days at least,
	// against legionella in a tank; 0: none.
	Weekly MilliCelsius `json:"weekly_c,omitempty"`
}

// Bounds of what may be asked for. A tank is hot enough to scald above 60 °C
// and its relief valve opens at 95; pipes freeze below 5.
const (
	leastKept = 5_000
	mostKept  = 90_000
	leastBand = 1_000 // or relays would chatter
)

// AllDay says whether Low holds at all hours.
func (b Band) AllDay() bool { return b.From == b.To }

// Validate checks a band from outside. The error names the field.
func (b Band) Validate() error {
	switch {
	case b.Low < leastKept || b.Low > mostKept:
		return FieldErrorf("low_c", "must be 5 to 90 °C")
	case b.High > mostKept || b.High < b.Low+leastBand:
		return FieldErrorf("high_c", "must be at least 1 °C above low_c, and 90 °C at most")
	case b.From < 0 || b.From >= 24*60 || b.To < 0 || b.To >= 24*60:
		return FieldErrorf("from", "must be a time of day from 00:00 to 23:59")
	case b.AllDay() && b.Away != 0:
		return FieldErrorf("away_c", "is for the hours outside of from and to: give both")
	case !b.AllDay() && (b.Away < leastKept || b.Away >= b.Low):
		return FieldErrorf("away_c", "must be 5 °C or more, and below low_c")
	case b.Weekly != 0 && (b.Weekly <= b.Low || b.Weekly > b.High):
		return FieldErrorf("weekly_c", "must be above low_c and at most high_c")
	}
	return nil
}

// Keeps says whether the schedule keeps a temperature instead of delivering an
// amount.
func (s *Schedule) Keeps() bool { return s != nil && s.Keep != Band{} }

// LowAt is what the temperature shall not fall below at t, which is in the
// house's zone. The hours hold on the schedule's days, on all days if it names
// none; those over midnight belong to the day on which they begin.
func (s *Schedule) LowAt(t time.Time) MilliCelsius {
	b := s.Keep
	if b.AllDay() {
		return b.Low
	}
	at, day := LocalTime(t.Hour()*60+t.Minute()), t.Weekday()
	within := b.From <= at && at < b.To
	if b.From > b.To {
		within = at >= b.From || at < b.To
		if at < b.To {
			day = (day + 6) % 7
		}
	}
	if within && (s.Days == 0 || s.Days.Has(day)) {
		return b.Low
	}
	return b.Away
}

func (s *Schedule) validateKeep() error {
	if s.When != WhenCheapest {
		return FieldErrorf("when", "has no meaning for a temperature that is kept: leave it out")
	}
	if !s.Open() {
		return FieldErrorf("keep", "stands alone: without minutes, energy_wh and until_soc")
	}
	return s.Keep.Validate()
}

// Warmth is the temperature that a device heats, as its own sensor or that of
// the device in TempOf says, and when it was said. ok is false if nobody says
// it, or who said it is gone.
func Warmth(devices []DeviceState, d *DeviceState) (temp MilliCelsius, at time.Time, ok bool) {
	sensor := d
	if d.TempOf != "" {
		sensor = nil
		for i := range devices {
			if devices[i].ID == d.TempOf {
				sensor = &devices[i]
			}
		}
	}
	if sensor == nil || sensor.Has&ReportTemp == 0 {
		return 0, time.Time{}, false
	}
	return sensor.Temp, sensor.TempAt, sensor.Online
}
