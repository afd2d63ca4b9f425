package main

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
	"homehub/scheduler"
)

// Each loop that must not stand still stops the watchdog when it does; a
// meter that is merely silent does not.
func TestTheWatchdogIsFedByProgress(t *testing.T) {
	tests := []struct {
		name  string
		meter hub.Condition
		quiet func(i *installation) // what stands still for five minutes
		stuck bool
	}{
		{"everything works", hub.OK, func(*installation) {}, false},
		{"silent meter that was noticed", hub.Down, func(i *installation) { i.hub.Observe(longAgo()) }, false},
		{"reader that notices nothing", hub.OK, func(i *installation) { i.hub.Observe(longAgo()) }, true},
		{"flush", hub.OK, func(i *installation) { i.beats.flush.Store(time.Now().Add(-5 * time.Minute).UnixNano()) }, true},
		{"scheduler", hub.OK, func(i *installation) { time.Sleep(5 * time.Minute); i.beats.flush.Store(time.Now().UnixNano()) }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := &installation{cfg: defaults(), logger: slog.New(slog.DiscardHandler), beats: newBeats()}
				i.health = hub.NewHealth(hub.Clock{}, i.logger)
				i.health.Set("meter", test.meter, "")
				var err error
				if i.hub, err = hub.New(hub.Config{Logger: i.logger}); err != nil {
					t.Fatal(err)
				}
				i.loop = scheduler.New(scheduler.Config{Zone: time.UTC, Logger: i.logger, House: i.hub})
				test.quiet(i)
				if err := i.alive(); (err != nil) != test.stuck {
					t.Errorf("alive says %v", err)
				}
			})
		})
	}
}

func longAgo() hub.Reading {
	at := time.Now().Add(-5 * time.Minute)
	return hub.Reading{At: at, Received: at, Has: hub.HasImport}
}
