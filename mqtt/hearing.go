package mqtt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/bits"
	"strconv"
	"sync"
	"time"

	"homehub/hub"
)

const (
	maxMeterQueue   = 256      // messages that wait to be understood; a meter sends some 30 a second
	maxMeterPayload = 16 << 10 // bytes; the largest bridge sends 2 KiB
)

// said is what one message says of the meter.
type said struct {
	fields fieldSet
	values [len(meterFields)]int64
	absent fieldSet // not in the JSON document
	faults int      // values that were not understood
	fault  string   // the last of them, for people
}

func (s *said) wrong(format string, args ...any) {
	s.faults++
	s.fault = fmt.Sprintf(format, args...)
}

// read understands a payload. An empty one clears a retained topic and says
// nothing.
func (m MeterMap) read(topic string, payload []byte) (s said) {
	sources := m.topics[topic]
	switch {
	case len(payload) == 0 || len(sources) == 0:
		return s
	case len(payload) > maxMeterPayload:
		s.wrong("a message on %s is longer than %d bytes", clip(topic), maxMeterPayload)
		return s
	}
	var doc any
	decoded, valid := false, false
	for _, src := range sources {
		if src.pointer == nil {
			m.put(&s, src, topic, payload)
			continue
		}
		if !decoded {
			decoded = true
			if doc, valid = decodeJSON(payload); !valid {
				s.wrong("%s on %s is not JSON", quote(payload), clip(topic))
			}
		}
		if valid {
			m.pick(&s, src, topic, doc)
		}
	}
	return s
}

// pick takes one value out of a document. null is no value, and no fault.
func (m MeterMap) pick(s *said, src source, topic string, doc any) {
	v, ok := src.pointer.find(doc)
	if !ok {
		s.absent |= setOf(src.field)
		return
	}
	switch v := v.(type) {
	case nil:
	case json.Number:
		m.put(s, src, topic, []byte(v))
	case string:
		m.put(s, src, topic, []byte(v))
	default:
		s.wrong("what meter.topics.%s points to on %s is not a number", src.field, clip(topic))
	}
}

func (m MeterMap) put(s *said, src source, topic string, text []byte) {
	kind := meterFields[src.field].kind
	v, ok := kind.amount(text, src.shift)
	if !ok {
		s.wrong("%s on %s is no %s (meter.topics.%s)", quote(text), clip(topic), quantities[kind].what, src.field)
		return
	}
	switch {
	case kind == quantityCurrent:
		v = max(v, -v) // some bridges give it the sign of the power
	case kind == quantityPower && v < 0 && !m.signed(src.field):
		s.wrong("%s on %s is below zero: a power with a sign is meter.topics.net, not %s", quote(text), clip(topic), src.field)
		return
	}
	s.fields |= setOf(src.field)
	s.values[src.field] = v
}

// signed says whether a power may be below zero: net, and the import of a
// phase that has no export.
func (m MeterMap) signed(f field) bool {
	if f < fieldPhases {
		return f == fieldNet
	}
	return int(f-fieldPhases)%phaseFields == phaseImport && m.fields&m.phaseSet(phaseExport) == 0
}

// quote shows what a client sent, for a log line.
func quote(payload []byte) string {
	return strconv.QuoteToASCII(clip(string(payload[:min(len(payload), 100)])))
}

// meter turns what is said on the meter's topics into readings, in one
// goroutine and in the order it was said.
type meter struct {
	topics  MeterMap
	clock   hub.Clock
	logger  *slog.Logger
	observe func(hub.Reading)
	fault   func(n int, last string)
	wake    chan struct{}

	mu    sync.Mutex
	queue []saying
	lost  int

	burst burst // run's goroutine only, as all below
	bad   int   // values not understood since there was quiet for troubleTime
	badAt time.Time
}

// saying is a message and when it came, by the hub's clock.
type saying struct {
	topic   string
	payload []byte
	at      time.Time
}

func newMeter(cfg Config, fault func(n int, last string)) *meter {
	m := &meter{
		topics: cfg.Meter, clock: cfg.Clock, logger: cfg.Logger, observe: cfg.Observe, fault: fault,
		wake: make(chan struct{}, 1), burst: burst{topics: cfg.Meter},
	}
	if m.observe == nil {
		m.observe = func(hub.Reading) {}
	}
	return m
}

// heard takes in a message. It never waits: the library calls it while it
// serves others.
func (m *meter) heard(topic string, payload []byte) {
	if len(m.topics.topics[topic]) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) >= maxMeterQueue {
		m.lost++
		return
	}
	payload = bytes.Clone(payload[:min(len(payload), maxMeterPayload+1)]) // what is longer is too long, which is all that matters
	m.queue = append(m.queue, saying{topic, payload, m.clock.Now()})
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// run makes readings until ctx ends.
func (m *meter) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
			m.drain()
		case <-timer.C:
		}
		now := time.Now()
		due, ok := m.burst.due()
		if ok && !due.After(now) {
			m.tell(m.burst.tell(now))
			due, ok = m.burst.due()
		}
		if ok {
			timer.Reset(due.Sub(now))
		}
	}
}

// drain takes in all messages that wait.
func (m *meter) drain() {
	m.mu.Lock()
	queue, lost := m.queue, m.lost
	m.queue, m.lost = nil, 0
	m.mu.Unlock()
	if lost > 0 {
		m.logger.Warn("the meter's topics said more than could be understood in time", "lost", lost)
	}
	faults, last := 0, ""
	for _, msg := range queue {
		s := m.topics.read(msg.topic, msg.payload)
		// A document may leave out a value at times, but one that never came
		// is looked for in the wrong place.
		if never := s.absent &^ m.burst.known; never != 0 {
			f := field(bits.TrailingZeros32(uint32(never)))
			s.wrong("the JSON on %s has nothing where meter.topics.%s points to", clip(msg.topic), f)
		}
		if s.faults > 0 {
			faults, last = faults+s.faults, s.fault
		}
		m.tell(m.burst.take(time.Now(), msg.at, s))
	}
	if faults > 0 {
		m.complain(faults, last)
	}
}

func (m *meter) tell(r hub.Reading, ok bool) {
	if ok {
		m.observe(r)
	}
}

func (m *meter) complain(n int, last string) {
	now := time.Now()
	if now.Sub(m.badAt) > troubleTime {
		m.bad = 0
	}
	m.bad, m.badAt = m.bad+n, now
	m.fault(m.bad, last)
}

// notUnderstood notes values of the meter that were not understood, so that
// the owner sees which topic it is. One log line until it is forgotten.
func (b *Broker) notUnderstood(n int, last string) {
	reason := fmt.Sprintf("%d values of the meter were not understood, the last: %s", n, last)
	if b.troubles.set(time.Now(), "meter", reason, troubleTime) {
		b.cfg.Logger.Warn("a value of the meter was not understood", "why", last)
	}
}
