package hub

import (
	"context"
	"time"
)

// Clock tells the time of the house. The zero value is the machine's clock.
// A clock made by ScaledClock runs faster, so that a simulated house and the
// hub beside it live through a day in minutes. It is a value: copy it freely.
type Clock struct {
	real  time.Time // machine time at which the house's time was house
	house time.Time
	speed int64
}

// ScaledClock is a clock that shows house now and then runs speed house
// seconds per second. A speed below 1 counts as 1.
func ScaledClock(house time.Time, speed int) Clock {
	return Clock{real: time.Now(), house: house, speed: max(1, int64(speed))}
}

// Speed is how many house seconds pass per second.
func (c Clock) Speed() int { return int(max(1, c.speed)) }

// Now is the time of the house, in UTC.
func (c Clock) Now() time.Time {
	if c.speed == 0 {
		return time.Now().UTC()
	}
	return c.house.Add(time.Since(c.real) * time.Duration(c.speed)).UTC()
}

// Real is how long d of house time lasts on the machine.
func (c Clock) Real(d time.Duration) time.Duration {
	if c.speed > 1 {
		return d / time.Duration(c.speed)
	}
	return d
}

// House is how much house time passes while d passes on the machine.
func (c Clock) House(d time.Duration) time.Duration {
	return d * time.Duration(max(1, c.speed))
}

// Ticker ticks every d of house time. Like time.Ticker it drops ticks for a
// slow receiver.
func (c Clock) Ticker(d time.Duration) *time.Ticker {
	return time.NewTicker(max(c.Real(d), time.Microsecond))
}

// Sleep waits for d of house time, or until ctx ends, and then returns ctx's
// error.
func (c Clock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(c.Real(d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
