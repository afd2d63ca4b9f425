package dsmr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"homehub/hub"
)

// RunConfig is what Run needs.
type RunConfig struct {
	Config
	Source Source
	// Open opens the port instead of Source, if set: for bytes that come from
	// elsewhere. Closing what it returns must end a Read that hangs.
	Open func(context.Context) (io.ReadCloser, error)
	// Clock is the time of the house, which readings are stamped with. Waiting
	// is always in real time: a port does not come back faster in a simulated
	// house.
	Clock hub.Clock
	// Observe takes each reading. It must not block.
	Observe func(hub.Reading)
	// Condition is told when the port begins to work, ceases to, or fails for
	// another reason; may be nil.
	Condition func(c hub.Condition, reason string)
}

const (
	// minSilence is how long a port may be silent before it is given up on,
	// and at least three intervals of its meter: a meter that sends every
	// second may be busy for a few.
	minSilence = 10 * time.Second
	// firstSilence is the same before the first telegram, per setting of a
	// serial line. It holds one 10-second interval and a telegram at 9600 baud,
	// and both settings are through within 25 s.
	firstSilence = 12 * time.Second
	// unknownSilence holds while it is not known how often the meter sends.
	unknownSilence = 30 * time.Second
	maxInterval    = 20 * time.Second

	minBackoff = time.Second
	maxBackoff = 30 * time.Second
	// returnPoll is how often a vanished device is looked for, so that a
	// replugged one need not wait for the back-off.
	returnPoll = 250 * time.Millisecond
	// faithful is how many silent sessions a line setting that worked before
	// is kept: the meter is more likely off than replaced.
	faithful = 8
)

// meter is the state of Run.
type meter struct {
	cfg    RunConfig
	reader *Reader
	lines  []line
	line   int // index into lines

	worked   bool          // the current line setting gave a telegram
	silent   int           // silent sessions in a row
	interval time.Duration // between telegrams, in real time; 0 if unknown
	lastReal time.Time
	last     time.Time // house time of the last telegram; zero if none
	refused  string    // reason of the last refusal since then
	backoff  time.Duration

	condition hub.Condition
	reason    string
}

// Run reads telegrams until ctx ends, or a replay does, and returns nil then.
// A port that fails is opened again, with a pause that grows from 1 to 30 s; a
// device that is plugged in again is opened at once. The only errors are those
// of a wrong configuration.
func Run(ctx context.Context, cfg RunConfig) error {
	if cfg.Open == nil {
		if err := cfg.Source.Validate(); err != nil {
			return err
		}
	}
	if err := CheckKeys(cfg.Key, cfg.AuthKey); err != nil {
		return err
	}
	if cfg.Observe == nil {
		return hub.Errorf(hub.Internal, "dsmr.Run needs an Observe function")
	}
	m := newMeter(cfg)
	for {
		err := m.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, io.EOF) && m.cfg.Open == nil && m.cfg.Source.Kind == Replay {
			return nil
		}
		if err := m.pause(ctx, err); err != nil {
			return nil //nolint:nilerr // ctx ended, which is how Run is meant to end
		}
	}
}

func newMeter(cfg RunConfig) *meter {
	m := &meter{cfg: cfg, backoff: minBackoff, lines: []line{{}}}
	if cfg.Source.Kind == Serial {
		m.lines = lines(cfg.Source.Baud)
	}
	rc := cfg.Config
	// What comes over HTTP has passed through a program that likes to tidy up.
	rc.Lenient = rc.Lenient || cfg.Source.Kind == HTTP
	rc.Refused = func(r Refusal) {
		m.refused = r.Reason
		if cfg.Refused != nil {
			cfg.Refused(r)
		}
	}
	m.reader = NewReader(nil, rc)
	return m
}

// errSilent ends a session in which no telegram came any more.
var errSilent = errors.New("no telegram")

// session opens the port and reads until that fails.
func (m *meter) session(ctx context.Context) error {
	p, err := m.open(ctx)
	if err != nil {
		if ctx.Err() == nil {
			m.set(hub.Down, openReason(m.cfg.Source, err))
		}
		return err
	}
	defer func() { _ = p.Close() }()
	defer context.AfterFunc(ctx, p.Interrupt)()
	var timedOut atomic.Bool
	opened := m.cfg.Clock.Now()
	watch := time.AfterFunc(m.patience(), func() {
		timedOut.Store(true)
		p.Interrupt()
	})
	defer watch.Stop()
	m.reader.Reset(p)
	if m.condition == "" {
		m.set(hub.Degraded, "waiting for the first telegram")
	}
	err = m.read(ctx, watch)
	switch {
	case ctx.Err() != nil:
	case timedOut.Load():
		m.fellSilent(opened)
		return errSilent
	case errors.Is(err, io.EOF) && m.cfg.Source.Kind == Replay:
	default:
		m.set(hub.Down, lostReason(m.cfg.Source, err))
	}
	return err
}

func (m *meter) open(ctx context.Context) (port, error) {
	if m.cfg.Open != nil {
		rc, err := m.cfg.Open(ctx)
		if err != nil {
			return nil, err
		}
		return closable{rc}, nil
	}
	return m.cfg.Source.open(ctx, m.lines[m.line])
}

// read hands on readings until the port fails.
func (m *meter) read(ctx context.Context, watch *time.Timer) error {
	m.lastReal = time.Time{}
	pace := pacer{speed: m.cfg.Source.Speed}
	replay := m.cfg.Open == nil && m.cfg.Source.Kind == Replay
	for {
		t, err := m.reader.Next()
		if err != nil {
			return err
		}
		if !t.countable() {
			m.refused = reasonChecksum // good enough to show, not to count with
			continue
		}
		r := t.Reading(m.cfg.Clock.Now())
		if replay {
			watch.Stop()
			if err := pace.wait(ctx, r.At); err != nil {
				return err
			}
			r.Received = m.cfg.Clock.Now()
		} else {
			m.measure()
			watch.Reset(m.patience())
		}
		m.last, m.refused = r.Received, ""
		m.worked, m.silent, m.backoff = true, 0, minBackoff
		m.cfg.Observe(r)
		m.set(hub.OK, "")
	}
}

// measure learns how often the meter sends. A single gap, as after a telegram
// that was lost, is forgotten again.
func (m *meter) measure() {
	now := time.Now()
	if !m.lastReal.IsZero() {
		m.interval = min(max(now.Sub(m.lastReal), m.interval/2), maxInterval)
	}
	m.lastReal = now
}

// patience is how long the port may be silent from now on.
func (m *meter) patience() time.Duration {
	switch {
	case len(m.lines) > 1 && !m.worked:
		return firstSilence
	case m.interval > 0:
		return max(minSilence, 3*m.interval)
	}
	return unknownSilence
}

// fellSilent reports silence and turns to the next setting of the line, unless
// this one was good.
func (m *meter) fellSilent(opened time.Time) {
	since := m.last
	if since.IsZero() {
		since = opened
	}
	l := m.cfg.Zone
	if l == nil {
		l = amsterdam
	}
	reason := "no telegram since " + since.In(l).Format("15:04:05")
	switch {
	case m.refused != "":
		reason += ": what comes is refused, " + m.refused
	case m.cfg.Source.Kind == Serial:
		reason += ": is the cable in the meter's P1 port?"
	}
	m.set(hub.Down, reason)
	m.refused = ""
	m.silent++
	if !m.worked || m.silent >= faithful {
		m.worked = false
		m.line = (m.line + 1) % len(m.lines)
	}
}

// pause waits until it is time to try again. After silence that is at once:
// the session was its own pause.
func (m *meter) pause(ctx context.Context, cause error) error {
	if errors.Is(cause, errSilent) {
		return ctx.Err()
	}
	wait := m.backoff
	m.backoff = min(2*m.backoff, maxBackoff)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	if !m.vanished() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	}
	poll := time.NewTicker(returnPoll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-poll.C:
			if !m.vanished() {
				m.backoff = minBackoff
				return nil
			}
		}
	}
}

// vanished says whether the port is a device that is not there.
func (m *meter) vanished() bool {
	if m.cfg.Open != nil || m.cfg.Source.Kind != Serial {
		return false
	}
	_, err := os.Stat(m.cfg.Source.Address)
	return err != nil
}

func (m *meter) set(c hub.Condition, reason string) {
	if m.condition == c && m.reason == reason {
		return
	}
	m.condition, m.reason = c, reason
	if m.cfg.Condition != nil {
		m.cfg.Condition(c, reason)
	}
}

// openReason says why a source can not be opened.
func openReason(s Source, err error) string {
	if s.Kind == Serial {
		return err.Error()
	}
	return fmt.Sprintf("can not open %s: %v; retrying", s.Address, err)
}

// lostReason says why an open source ended.
func lostReason(s Source, err error) string {
	switch {
	case s.Kind == Serial:
		return fmt.Sprintf("no serial device %s any more: plugged in? retrying", s.Address)
	case errors.Is(err, io.EOF):
		return fmt.Sprintf("%s closed the connection; retrying", s.Address)
	}
	return fmt.Sprintf("lost %s: %v; retrying", s.Address, err)
}

// pacer makes a replay run at a multiple of the meter's own speed.
type pacer struct {
	speed int
	first time.Time // meter time of the first telegram
	start time.Time // real time of it
}

// wait waits until a telegram of the meter time at is due.
func (p *pacer) wait(ctx context.Context, at time.Time) error {
	if p.speed == 0 {
		return ctx.Err()
	}
	if p.first.IsZero() {
		p.first, p.start = at, time.Now()
		return nil
	}
	due := time.Until(p.start.Add(at.Sub(p.first) / time.Duration(p.speed)))
	if due <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(due)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
