package workload

import (
	"slices"
	"testing"
)

func TestFeedsAreWhatTheySay(t *testing.T) {
	s := New(1, 27)
	feeds := s.Feeds()
	if len(feeds) != 27 || feeds[0].Name != "power0" || feeds[26].Name != "power6-1" {
		t.Fatalf("feeds are %+v", feeds)
	}
	last := s.Next(nil)
	for range 8640 {
		now := s.Next(nil)
		for i, f := range feeds {
			switch {
			case f.Counter && now[i] < last[i]:
				t.Fatalf("counter %s fell from %v to %v", f.Name, last[i], now[i])
			case f.Unit == "W" && (now[i] < 0 || now[i] > 12000), f.Unit == "V" && (now[i] < 200 || now[i] > 260):
				t.Fatalf("%s is %v", f.Name, now[i])
			}
		}
		last = now
	}
	if i := slices.IndexFunc(feeds, func(f Feed) bool { return f.Counter }); last[i] < 12345.678+1 {
		t.Errorf("after a day the counter shows %v", last[i])
	}
}

func TestEqualSeedsGiveEqualValues(t *testing.T) {
	a, b, c := New(7, 40), New(7, 40), New(8, 40)
	for range 100 {
		x, y := a.Next(nil), b.Next(nil)
		if !slices.Equal(x, y) {
			t.Fatalf("%v and %v", x, y)
		}
		if z := c.Next(nil); slices.Equal(x, z) {
			t.Fatal("another seed gives the same")
		}
	}
}
