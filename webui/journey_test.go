package webui_test

import (
	"sync"
	"testing"
)

// journey is what somebody does, in a real browser. Waiting is always for
// something that the page shows; nothing waits for time alone.
type journey struct {
	name  string
	scene scene
	do    func(b *tab)
}

// journeysWanted is how many journeys there are at least.
const journeysWanted = 60

func TestJourneys(t *testing.T) {
	var list []journey
	for _, some := range [][]journey{nowJourneys(), accountJourneys(), planJourneys(), plainJourneys(), historyJourneys(), keyboardJourneys(), setupJourneys(), noticeJourneys(), statusJourneys(), secureJourneys(), mapJourneys()} {
		list = append(list, some...)
	}
	if len(list) < journeysWanted {
		t.Errorf("%d journeys, want %d", len(list), journeysWanted)
	}
	next := make(chan journey)
	var stages sync.WaitGroup
	for range 2 { // while one page waits, the other works
		s := newStage(t)
		stages.Go(func() {
			for j := range next {
				t.Run(j.name, func(t *testing.T) { j.do(s.set(t, j.scene)) })
			}
		})
	}
	for _, j := range list {
		next <- j
	}
	close(next)
	stages.Wait()
}
