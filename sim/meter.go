package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"homehub/dsmr"
	"homehub/hub"
)

// Meter writes a DSMR 5.0 telegram with CRC for every reading it is given, in
// order. Whoever reads may be slow or gone: then telegrams are dropped, as a
// real meter does not wait either.
type Meter struct {
	out      io.Writer
	encoding dsmr.Encoding // used by write alone

	mu    sync.Mutex
	queue []hub.Reading // those to be written; never longer than limit
	limit int
	wake  chan struct{}

	written, dropped atomic.Int64
}

// NewMeter is a meter on out: a pty's master, or a file. Its telegrams carry
// the time of the given zone. backlog is how many telegrams may wait for a
// slow reader; when it is full, all that wait are dropped.
func NewMeter(out io.Writer, zone *time.Location, backlog int) *Meter {
	encoding := dsmr.Encoding{Standard: dsmr.DSMR50, EquipmentID: "E0099000000000001", GasID: "G0099000000000001", Zone: zone}
	return &Meter{out: out, encoding: encoding, limit: max(1, backlog), wake: make(chan struct{}, 1)}
}

// Show hands the meter its next reading. It never blocks.
func (m *Meter) Show(r hub.Reading) {
	m.mu.Lock()
	if len(m.queue) >= m.limit {
		m.dropped.Add(int64(len(m.queue)))
		m.queue = m.queue[:0]
	}
	m.queue = append(m.queue, r)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Counts are how many telegrams were written and dropped so far.
func (m *Meter) Counts() (written, dropped int64) { return m.written.Load(), m.dropped.Load() }

// Run writes telegrams until ctx ends, or until there is nobody left to write
// to. A pty without a reader is no reason to end: somebody may open it again.
func (m *Meter) Run(ctx context.Context) error {
	result := make(chan error, 1)
	go func() { result <- m.write(ctx) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	// A write that hangs ends with a deadline where the file knows them.
	if d, ok := m.out.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(time.Unix(1, 0)) // if not, the write is left behind below
	}
	select {
	case <-result:
	case <-time.After(300 * time.Millisecond): // a plain file that hangs: leave it
	}
	return nil
}

func (m *Meter) write(ctx context.Context) error {
	var batch []hub.Reading
	var telegram []byte
	for {
		batch = m.take(batch)
		for _, r := range batch {
			if ctx.Err() != nil {
				return nil
			}
			m.encoding.Reading = r
			telegram = dsmr.Encode(telegram[:0], m.encoding)
			_, err := m.out.Write(telegram)
			switch {
			case err == nil:
				m.written.Add(1)
			case errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.EPIPE):
				return fmt.Errorf("writing telegrams: %w", err)
			default:
				m.dropped.Add(1)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		}
	}
}

// take empties the queue into a batch and leaves the batch's memory to it.
func (m *Meter) take(batch []hub.Reading) []hub.Reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.queue
	m.queue = batch[:0]
	return taken
}
