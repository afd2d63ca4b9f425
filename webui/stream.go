package webui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"homehub/hub"
)

const (
	eventsPath = "/api/events"

	streamsPerViewer = 3  // a browser has 6 connections per host: pages must still load
	streamsInAll     = 64 // each costs a goroutine and two buffers
	heartbeat        = 15 * time.Second
	frameGap         = 50 * time.Millisecond // between two live frames; the latest wins
	reconnect        = time.Second           // after a lost connection
	keptBuffer       = 4 << 10               // of an open page between two frames
	writeTime        = 10 * time.Second      // for a browser to take what was sent
)

// streams are the open event streams.
type streams struct {
	mu     sync.Mutex
	open   []*stream // oldest first
	closed bool
}

// stream is one browser's open page.
type stream struct {
	key  string
	bye  chan struct{} // closed when it has to go
	wake chan struct{} // something beside the house changed
}

func newStreams() *streams { return &streams{} }

// start opens a stream. Where a viewer has too many, the oldest makes room,
// so that the page that was opened last is live.
func (s *streams) start(key string) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, hub.Errorf(hub.Unavailable, "the hub is shutting down")
	}
	var oldest *stream
	mine := 0
	for _, other := range s.open {
		if other.key == key {
			if mine++; oldest == nil {
				oldest = other
			}
		}
	}
	if mine >= streamsPerViewer {
		s.remove(oldest)
		close(oldest.bye)
	}
	if len(s.open) >= streamsInAll {
		return nil, hub.Errorf(hub.Unavailable, "%d pages are open already: close one", streamsInAll)
	}
	st := &stream{key: key, bye: make(chan struct{}), wake: make(chan struct{}, 1)}
	s.open = append(s.open, st)
	return st, nil
}

func (s *streams) end(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(st)
}

// wakeAll has every stream look for something new.
func (s *streams) wakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.open {
		select {
		case st.wake <- struct{}{}:
		default:
		}
	}
}

// remove takes st off the list; s.mu is held.
func (s *streams) remove(st *stream) {
	for i, other := range s.open {
		if other == st {
			s.open = append(s.open[:i:i], s.open[i+1:]...)
			return
		}
	}
}

func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, st := range s.open {
		close(st.bye)
	}
	s.open = nil
}

// events is GET /api/events: the state now, and then what changes, until one
// side has enough. With ?only=devices it is devices and pairing alone, for
// those who must not see how the house lives.
func (s *Server) events(w http.ResponseWriter, r *http.Request, v viewer) error {
	only := r.URL.Query().Get("only") == "devices"
	if !only {
		if err := s.allowed(v, house); err != nil {
			return err
		}
	}
	st, err := s.streams.start(v.key())
	if err != nil {
		return err
	}
	defer s.streams.end(st)
	sub := s.cfg.Live.Subscribe()
	defer sub.Close()

	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy must not collect frames
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	out := &frames{w: w, c: http.NewResponseController(w), only: only, setup: s.may(v, setup)}
	out.frame("", "hello", hello{s.cfg.Version, s.texts.names})
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		out.resume(s.cfg.Live.Snapshot(), last)
	}
	out.pairing(s)
	s.follow(r, v, st, sub, out)
	return nil
}

// hello is the first event of a stream.
type hello struct {
	Version   string   `json:"version"`
	Languages []string `json:"languages"`
}

// follow writes frames until the stream ends.
func (s *Server) follow(r *http.Request, v viewer, st *stream, sub *hub.Subscription, out *frames) {
	ended := make(<-chan struct{})
	if v.session != nil {
		ended = v.session.ended
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	gap := time.NewTimer(0) // fires at once: the first frame waits for nothing
	defer gap.Stop()
	ready, waiting := false, true
	for out.err == nil {
		if ready && waiting {
			waiting = false
			if out.changes(s, s.cfg.Live.Snapshot()) {
				ready = false
				gap.Reset(frameGap)
			}
		}
		select {
		case <-sub.C():
			waiting = true
		case <-st.wake:
			out.pairing(s)
		case <-gap.C:
			ready = true
		case <-beat.C:
			// A log-in can end while its page is open: nobody used it, or the
			// password or the token is another by now.
			if now, err := s.viewer(r); err != nil || now.role != v.role || s.allowed(now, read) != nil || !out.only && s.allowed(now, house) != nil {
				out.frame("", "bye", struct{}{})
				return
			}
			out.comment()
		case <-ended:
			out.frame("", "bye", struct{}{})
			return
		case <-st.bye:
			out.frame("", "bye", struct{}{})
			return
		case <-r.Context().Done():
			return
		}
	}
}

// frames writes server-sent events (WHATWG HTML, 9.2) and remembers what the
// other side has seen.
type frames struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	buf bytes.Buffer
	err error

	only  bool // devices and pairing, and nothing of how the house lives
	setup bool // it is somebody who may let devices in

	seen    bool
	last    hub.Snapshot
	pairSeq uint64 // of the pairing that was sent last
}

// resume takes it that the other side has seen what is there now, if its last
// event is of now.
func (f *frames) resume(now hub.Snapshot, lastID string) {
	if lastID == strconv.FormatUint(now.Seq, 10) {
		f.seen, f.last = true, now
	}
}

// changes sends everything in which now differs from what was sent last, and
// says whether that was anything.
func (f *frames) changes(s *Server, now hub.Snapshot) bool {
	if f.seen && now.Seq == f.last.Seq {
		return false
	}
	id := strconv.FormatUint(now.Seq, 10)
	if !f.only {
		f.frame(id, "live", s.liveOf(now))
	}
	if !f.seen || now.DevicesSeq != f.last.DevicesSeq {
		f.devices(id, now)
	}
	if !f.only && (!f.seen || now.PlanSeq != f.last.PlanSeq) {
		f.frame(id, "plan", planOf(now.Plan))
	}
	f.seen, f.last = true, now
	return true
}

// pairing sends how far a pairing has come, to those who may let devices in.
func (f *frames) pairing(s *Server) {
	seq := s.pairingSeq.Load() // before the state: a change meanwhile is sent twice, not never
	if !f.setup || seq == f.pairSeq {
		return
	}
	f.pairSeq = seq
	f.frame("", "pairing", s.pairingState())
}

// devices sends the devices that changed and names those that are gone.
func (f *frames) devices(id string, now hub.Snapshot) {
	before := make(map[string]hub.DeviceState, len(f.last.Devices))
	for _, d := range f.last.Devices {
		before[d.ID] = d
	}
	for _, d := range now.Devices {
		if old, ok := before[d.ID]; !ok || old != d {
			f.frame(id, "device", deviceOf(d, now.At))
		}
		delete(before, d.ID)
	}
	for gone := range before {
		f.frame(id, "device", removedJSON{gone, true})
	}
}

type removedJSON struct {
	ID      string `json:"id"`
	Removed bool   `json:"removed"`
}

func (f *frames) frame(id, event string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		f.err = fmt.Errorf("writing an event: %w", err)
		return
	}
	f.buf.Reset()
	if id != "" {
		fmt.Fprintf(&f.buf, "id: %s\n", id)
	}
	if event == "hello" {
		fmt.Fprintf(&f.buf, "retry: %d\n", reconnect.Milliseconds())
	}
	fmt.Fprintf(&f.buf, "event: %s\ndata: %s\n\n", event, body)
	f.flush()
}

// comment keeps the connection alive and shows whether anybody is there.
func (f *frames) comment() {
	f.buf.Reset()
	f.buf.WriteString(":\n\n")
	f.flush()
}

func (f *frames) flush() {
	if f.err != nil {
		return
	}
	// Without a deadline a browser that sleeps would hold the stream for ever.
	_ = f.c.SetWriteDeadline(time.Now().Add(writeTime)) // not every writer has one
	if _, f.err = f.w.Write(f.buf.Bytes()); f.err == nil {
		f.err = f.c.Flush()
	}
	// HTTP/2 ends a stream whose deadline passes, though nothing is on its way.
	_ = f.c.SetWriteDeadline(time.Time{})
	if f.buf.Cap() > keptBuffer {
		f.buf = bytes.Buffer{} // a plan is long and rare
	}
}
