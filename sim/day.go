package sim

import (
	"math"
	"time"
)

// calendar turns seconds since 1970 into the house's wall clock with two
// additions, as a year of history asks for it millions of times.
type calendar struct {
	zone     *time.Location
	from, to int64 // stretch in which offset holds
	offset   int64 // seconds east of UTC
}

// local is the number of the local day (0 is 1 January 1970) and the second
// that the wall clock shows on it. In autumn some seconds come twice.
func (c *calendar) local(t int64) (number, second int64) {
	if t < c.from || t >= c.to {
		c.look(t)
	}
	return floorDiv(t+c.offset, 86400)
}

func (c *calendar) look(t int64) {
	at := time.Unix(t, 0).In(c.zone)
	_, offset := at.Zone()
	c.offset, c.from, c.to = int64(offset), math.MinInt64, math.MaxInt64
	start, end := at.ZoneBounds()
	if !start.IsZero() {
		c.from = start.Unix()
	}
	if !end.IsZero() {
		c.to = end.Unix()
	}
}

// day is what the dice decided about one local day. Seconds are those of the
// wall clock; -1 means not today.
type day struct {
	number  int64
	weekend bool

	cooking     int64 // start of cooking
	cookingFor  int64
	cookingWatt int64
	wash        int64 // start of the washing machine
	habit       int64 // start of the appliance as long as no plan starts it
	leave, back int64 // the car's trip
	trip        joule // what the trip takes out of the battery

	sun    sun
	clouds float64 // 0 none, 1 overcast
	cold   float64 // heating power wanted, in kW of gas
}

// newDay throws the dice for a local day.
func newDay(d dice, number int64, where place) day {
	date := time.Unix(number*86400, 0).UTC()
	weekday := date.Weekday()
	x := day{
		number:      number,
		weekend:     weekday == time.Saturday || weekday == time.Sunday,
		cooking:     d.between(chCooking, 4*number, 63_000, 67_500), // 17:30 to 18:45
		cookingFor:  d.between(chCooking, 4*number+1, 1_200, 2_700),
		cookingWatt: d.between(chCooking, 4*number+2, 1_200, 2_600),
		wash:        -1,
		habit:       -1,
		leave:       -1,
		back:        -1,
		sun:         where.sun(date.YearDay()),
		clouds:      d.smooth(chWeather, number*86400+43200, 129_600),
	}
	if d.unit(chWash, 2*number) < 0.45 {
		x.wash = d.between(chWash, 2*number+1, 32_400, 72_000) // 09:00 to 20:00
	}
	if d.unit(chHabit, 2*number) < 0.75 {
		x.habit = d.between(chHabit, 2*number+1, 68_400, 75_600) // 19:00 to 21:00
	}
	x.drive(d, weekday)
	x.cold = max(0, 3.2*math.Cos(2*math.Pi*float64(date.YearDay()-20)/365)+0.4+d.unit(chHeating, number))
	return x
}

// drive plans the car's trip: to work from Monday to Friday, somewhere on most
// Saturdays, nowhere on Sunday.
func (x *day) drive(d dice, weekday time.Weekday) {
	n := 4 * x.number
	switch {
	case weekday == time.Sunday:
		return
	case weekday == time.Saturday:
		if d.unit(chTrip, n+3) < 0.4 {
			return
		}
		x.leave = d.between(chTrip, n, 36_000, 43_200) // 10:00 to 12:00
		x.back = x.leave + d.between(chTrip, n+1, 5_400, 18_000)
		x.trip = wattHours(d.between(chTrip, n+2, 2_000, 9_000))
	default:
		x.leave = d.between(chTrip, n, 25_800, 30_000)  // 07:10 to 08:20
		x.back = d.between(chTrip, n+1, 60_600, 66_600) // 16:50 to 18:30
		x.trip = wattHours(d.between(chTrip, n+2, 6_000, 14_000))
	}
}

// away says whether the car is on its trip at a second of the day.
func (x *day) away(second int64) bool { return second >= x.leave && second < x.back }

// tariff is the indicator of a Dutch meter: 1 (low) from 23 to 7 and at
// weekends, 2 (normal) otherwise. Public holidays, which some grids count as
// weekends, are not known here.
func (x *day) tariff(second int64) uint8 {
	if x.weekend || second < 7*3600 || second >= 23*3600 {
		return 1
	}
	return 2
}
