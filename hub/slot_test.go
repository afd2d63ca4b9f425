package hub_test

import (
	"testing"
	"time"

	"homehub/hub"
)

func TestStretchesJoinRunsThatFollowEachOther(t *testing.T) {
	at := func(quarter int) time.Time { return time.Unix(int64(quarter)*900, 0) }
	p := hub.Planned{Runs: []hub.Run{
		{Start: at(0), End: at(2), Amps: 16}, {Start: at(2), End: at(3), Amps: 6}, {Start: at(5), End: at(6), Amps: 10},
	}}
	got := p.Stretches()
	if len(got) != 2 || !got[0].Start.Equal(at(0)) || !got[0].End.Equal(at(3)) || got[0].Amps != 16 || !got[1].Start.Equal(at(5)) {
		t.Errorf("got %+v", got)
	}
	if len(p.Runs) != 3 || !p.Runs[0].End.Equal(at(2)) {
		t.Errorf("the plan itself was changed: %+v", p.Runs)
	}
}
