package hub

import (
	"context"
	"time"
)

const (
	// confirmWithin is how long a device may take to do what it was told
	// before it is told again.
	confirmWithin = 10 * time.Second
	// maxTries is how often it is told before that is reported.
	maxTries = 5
	// A meter that is silent for three of its intervals, but at least
	// minSilence, is stale.
	minSilence = 10 * time.Second
)

// Run watches over leases, confirmations and the meter's silence until ctx
// ends.
func (h *Hub) Run(ctx context.Context) error {
	tick := h.cfg.Clock.Ticker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			h.Tick(ctx, h.cfg.Clock.Now())
		}
	}
}

// Tick does what is due at now: it ends leases that nobody renewed, repeats
// commands that were not confirmed, marks a silent meter, and records how much
// heaters are on.
func (h *Hub) Tick(ctx context.Context, now time.Time) {
	h.markStale(now)
	snap := h.Snapshot()
	if err := h.rec.warm(snap, now, h.ensure); err != nil {
		h.cfg.Logger.Debug("making a feed of a temperature", "err", err)
	}
	for _, s := range snap.Devices {
		c := s.Commanded
		var err error
		switch {
		case c.On && !now.Before(c.Until):
			err = h.Do(ctx, Command{Device: s.ID, Cause: "the lease ended and nothing renewed it"})
		case h.overdue(s, now):
			err = h.retry(ctx, s, now)
		}
		if err != nil {
			h.cfg.Logger.Debug("repeating a command", "device", s.ID, "err", err)
		}
	}
}

func (h *Hub) markStale(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.live.HasReading || h.live.Stale {
		return
	}
	// Under a scaled clock ten seconds of the house pass in no time; two real
	// seconds are the least that a busy machine can tell from silence.
	limit := max(minSilence, 3*h.gap, h.cfg.Clock.House(2*time.Second))
	if last := h.live.Reading.Received; now.Sub(last) > limit {
		h.live.Stale, h.live.StaleSince = true, last
		h.live.Seq++
		h.wake()
	}
}

// overdue says whether a device had its time to confirm and did not.
func (h *Hub) overdue(s DeviceState, now time.Time) bool {
	if s.Commanded.At.IsZero() || s.Mismatch || s.Confirmed() || !s.Online {
		return false
	}
	if s.Commanded.On && s.Has&ReportPlugged != 0 && !s.Plugged {
		return false // no car, no current: nothing is wrong
	}
	if s.Role == RoleBattery && s.Has&ReportOn == 0 {
		return false // it says what it does in watts, not whether it obeys
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	wait := max(confirmWithin, h.cfg.Clock.House(time.Second))
	return now.Sub(h.asked[s.ID]) >= wait
}

// retry sends a command again, or gives up and says so.
func (h *Hub) retry(ctx context.Context, s DeviceState, now time.Time) error {
	giveUp := s.Tries >= maxTries
	h.mu.Lock()
	i := h.index(s.ID)
	if i < 0 || h.live.Devices[i].Commanded != s.Commanded {
		h.mu.Unlock()
		return nil // another command came in between
	}
	h.update(i, func(d *DeviceState) {
		if d.Mismatch = giveUp; !giveUp {
			d.Tries++
		}
	})
	h.asked[s.ID] = now
	h.mu.Unlock()
	if giveUp {
		h.cfg.Logger.Warn("a device does not follow", "device", s.ID, "on", s.Commanded.On, "tries", s.Tries)
		return nil
	}
	return h.actuate(ctx, s.Device, s.Commanded)
}
