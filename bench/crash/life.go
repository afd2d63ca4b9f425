package crash

import (
	"math/rand/v2"
	"time"

	"homehub/tsdb"
)

// windowSeconds is the durability window of the life.
const windowSeconds = 60

// birth is when the life begins.
var birth = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// keeper takes what happens in a life: the engine does, and the oracle, which
// knows from it what must be there.
type keeper interface {
	Create(tsdb.FeedConfig) error
	Append(feed string, at time.Time, v float64) error
	Trim(feed string, before time.Time) error
}

// A life has some feeds as a house has them, and noise, which no codec makes
// smaller, so that segments fill and rings wrap in seconds.
var noises = [...]string{"noise0", "noise1", "noise2", "noise3", "noise4", "noise5"}

// hash is a number that only its arguments decide.
func hash(a, b int64) uint64 {
	x := uint64(a)*0x9e3779b97f4a7c15 ^ uint64(b)*0xbf58476d1ce4e5b9
	x ^= x >> 31
	x *= 0x94d049bb133111eb
	return x ^ x>>29
}

// live plays one window of the life. It is the same every time.
func live(h keeper, window int) error {
	if err := furnish(h, window); err != nil {
		return err
	}
	from := birth.Unix() + int64(window)*windowSeconds
	r := rand.New(rand.NewPCG(uint64(window), 1))
	for s := range int64(windowSeconds) {
		at := time.Unix(from+s, 0)
		if err := second(h, window, at, s); err != nil {
			return err
		}
	}
	if window%4 == 3 { // a correction anywhere in the past
		back := int64(1+r.IntN(window*6)) * 10
		if err := h.Append("house", time.Unix(from-back, 0), 7000+float64(window)); err != nil {
			return err
		}
	}
	if window%6 == 5 && window > 60 {
		if err := h.Append(noises[r.IntN(len(noises))], time.Unix(from-int64(1+r.IntN(3600)), 0), 7000+float64(window)); err != nil {
			return err
		}
	}
	if window%300 == 299 { // whole segments fall away
		for _, name := range noises {
			if err := h.Trim(name, time.Unix(from-2*3600, 0)); err != nil {
				return err
			}
		}
	}
	return nil
}

// furnish makes and changes feeds when it is time.
func furnish(h keeper, window int) error {
	create := func(name string, interval int64, kind tsdb.Kind, decimals int) error {
		return h.Create(tsdb.FeedConfig{Name: name, Interval: time.Duration(interval) * time.Second, Kind: kind, Decimals: decimals})
	}
	switch window {
	case 0:
		for _, name := range noises {
			if err := create(name, 1, tsdb.Power, 0); err != nil {
				return err
			}
		}
		if err := create("house", 10, tsdb.Power, 0); err != nil {
			return err
		}
		return create("plug", 10, tsdb.Power, 1)
	case 40:
		return create("meter", 10, tsdb.Counter, 3)
	case plugChanges: // a new generation
		return create("plug", 30, tsdb.Power, 1)
	}
	return nil
}

// plugChanges is the window from which the plug is read every 30 s.
const plugChanges = 150

// second appends the points of one second.
func second(h keeper, window int, at time.Time, s int64) error {
	unix := at.Unix()
	for i, name := range noises {
		v := float64(hash(unix, int64(i))>>11) / (1 << 53) * 1000
		if err := h.Append(name, at, v); err != nil {
			return err
		}
	}
	if s%10 != 0 {
		return nil
	}
	if err := h.Append("house", at, 90+float64(hash(unix, 100)%300)); err != nil {
		return err
	}
	if window < plugChanges || s%30 == 0 {
		if err := h.Append("plug", at, float64(hash(unix, 101)%2300)/10); err != nil {
			return err
		}
	}
	if window >= 40 && window%5 != 0 { // with gaps
		return h.Append("meter", at, float64(unix-birth.Unix())/1000)
	}
	return nil
}
