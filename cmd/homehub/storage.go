package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"homehub/hub"
	"homehub/tsdb"
)

// snapshotEvery is how often the decisions are copied to a snapshot file, if
// they changed.
const snapshotEvery = time.Hour

// beats are the signs of life that feed the watchdog, in machine time.
type beats struct{ flush *atomic.Int64 }

func newBeats() beats {
	b := beats{flush: &atomic.Int64{}}
	b.flush.Store(time.Now().UnixNano())
	return b
}

// flush brings readings to the card once per window, for as long as the hub
// runs. The last flush is the engine's Close.
func (i *installation) flush(ctx context.Context) error {
	window := i.opt.clock.Ticker(time.Duration(i.cfg.Data.Window))
	defer window.Stop()
	snapshot := time.NewTicker(snapshotEvery)
	defer snapshot.Stop()
	for {
		i.beats.flush.Store(time.Now().UnixNano())
		select {
		case <-ctx.Done():
			return nil
		case <-window.C:
			i.reportStorage(i.db.Flush(i.opt.clock.Now()))
			i.reportStore()
		case <-snapshot.C:
			if err := i.store.Snapshot(); err != nil {
				i.logger.Warn("copying the settings", "err", err)
			}
		}
	}
}

// reportStorage says on the status page how the engine is.
func (i *installation) reportStorage(err error) {
	if errors.Is(err, tsdb.ErrClosed) {
		err = nil
	}
	condition, text := storageHealth(i.db.Status(), err, i.cfg.Data.Dir)
	i.health.Set("storage", condition, text)
}

// storageHealth puts the engine's state into a sentence: what is wrong and
// what to do. While all is well it says how much the card had to take.
func storageHealth(s tsdb.Status, err error, dir string) (hub.Condition, string) {
	why, part := "", ""
	for _, t := range s.Troubles {
		if part == "" || t.Part == "ring" || t.Part == "folder" {
			part, why = t.Part, t.Why
		}
	}
	if why == "" && err != nil {
		part, why = "ring", err.Error()
	}
	const kept = "nothing is being stored, readings are kept in memory only and a restart loses them"
	switch {
	case s.State == tsdb.StateReadOnly:
		return hub.Down, fmt.Sprintf("%s: %s can not be written. Give the hub's user the folder, or mount the card writable; it goes on by itself then. (%s)", kept, dir, why)
	case s.State == tsdb.StateDiskFull:
		return hub.Down, fmt.Sprintf("%s: the disk that holds %s is full. Free some space; it goes on by itself then. (%s)", kept, dir, why)
	case part == "segments" && err == nil:
		return hub.Degraded, fmt.Sprintf("readings are stored for now, but can not be moved to their final place in %s: check the card. (%s)", dir, why)
	case part != "":
		return hub.Down, fmt.Sprintf("%s: %s can not be used. Check that it is a folder, that its disk is there, and the card; it goes on by itself then. (%s)", kept, dir, why)
	case s.State == tsdb.StateDamaged:
		return hub.Degraded, fmt.Sprintf("a part of the history can not be read, the rest is served: \"homehub feed check --data %s\" names it. (%s)", dir, strings.Join(s.Reasons, "; "))
	case s.Parked > 0:
		return hub.Degraded, fmt.Sprintf("%d readings with an impossible time were set aside: check the meter's clock", s.Parked)
	}
	return hub.OK, fmt.Sprintf("%.2f MB written to the card since midnight UTC or the start", float64(s.BytesToday)/1e6)
}

func (i *installation) reportStore() {
	if problem := i.store.Problem(); problem != "" {
		i.health.Set("settings", hub.Degraded, problem)
		return
	}
	i.health.Set("settings", hub.OK, "")
}

// readerLimit is how long the meter's reader may say that all is well without
// a reading. It gives a silent port up after 10 s to a minute by itself.
const readerLimit = 2 * time.Minute

// alive is what the watchdog asks: the loops that must never stand still. A
// meter that is silent is not among them, its reader is: one that neither
// reads nor notices the silence is stuck.
func (i *installation) alive() error {
	s := i.hub.Snapshot()
	if age := i.opt.clock.Real(s.Age()); s.HasReading && age > readerLimit && i.isOK("meter") {
		return fmt.Errorf("the meter's reader has stood still for %v", age.Round(time.Second))
	}
	limit := max(20*time.Second, 2*i.opt.clock.Real(time.Duration(i.cfg.Data.Window)))
	if silent := time.Since(time.Unix(0, i.beats.flush.Load())); silent > limit {
		return fmt.Errorf("storage has stood still for %v", silent.Round(time.Second))
	}
	return i.loop.Alive(20 * time.Second)
}

func (i *installation) isOK(part string) bool {
	parts, _ := i.health.Parts()
	return slices.ContainsFunc(parts, func(p hub.Part) bool { return p.Name == part && p.Condition == hub.OK })
}

// ensureFeed makes a feed of the hub. A folder that can not be written must
// not keep the hub from running, so the engine's state tells of it, not an
// error.
func (i *installation) ensureFeed(spec hub.FeedSpec) error {
	kind := tsdb.Power
	if spec.Counter {
		kind = tsdb.Counter
	}
	err := i.db.Create(tsdb.FeedConfig{Name: spec.Name, Interval: time.Duration(i.cfg.Data.Interval), Kind: kind, Unit: spec.Unit, Decimals: spec.Decimals()})
	if err != nil {
		i.logger.Warn("making a feed", "feed", spec.Name, "err", err)
	}
	return nil
}

// lastOf is the last stored value of a counter.
func (i *installation) lastOf(feed string) (int64, bool) {
	p, ok := lastPoint(i.db, feed)
	return int64(p.Value), ok
}

// lastPoint is the newest point of a feed.
func lastPoint(db *tsdb.DB, feed string) (tsdb.Point, bool) {
	for _, f := range db.Feeds() {
		if f.Name != feed || f.Last.IsZero() {
			continue
		}
		points, err := db.Query(feed, tsdb.Query{Start: f.Last, End: f.Last.Add(f.Interval), Of: tsdb.Raw})
		if err == nil && len(points) > 0 && points[len(points)-1].OK {
			return points[len(points)-1], true
		}
	}
	return tsdb.Point{}, false
}
