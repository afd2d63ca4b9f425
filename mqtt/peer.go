package mqtt

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"homehub/hub"
)

const (
	writeTimeout = 10 * time.Second       // for one write to a peer that reads slowly
	closeTimeout = 200 * time.Millisecond // so that a refusal or DISCONNECT still gets out
	writeSize    = 2 << 10                // a write buffer to begin with
	keepBuffer   = 64 << 10               // a larger one is not kept for the next burst
)

// writeBuffers are shared by all connections: one that has nothing to write
// holds none.
var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, writeSize); return &b }}

var (
	errSlowPeer = errors.New("the client does not read what it subscribed to")
	errFlood    = errors.New("the first packet is no CONNECT or too long")
	errTooLong  = errors.New("a packet is too long")
)

// peer is one connection as the library sees it, with what we know of the
// client behind it. Write never blocks: the library holds locks that every
// publisher needs while it writes, so one peer that does not read would stop
// the house (defect 5). What waits is bounded, and a peer that exceeds the
// bound is cut.
type peer struct {
	net.Conn
	socket  syscall.RawConn // nil: not a plain socket
	addr    netip.Addr
	limits  *Limits
	since   time.Time // when it was accepted
	visitor *visitor  // the door's account of it
	known   atomic.Bool
	revoked atomic.Bool
	stage   atomic.Int32

	// Set while the client logs in, before anybody else knows of it.
	client  *mochi.Client
	gate    *gate
	cred    hub.Credential
	turn    string // id whose session this peer holds the turn of
	entered bool   // the session of its id is its own
	denied  atomic.Int32

	// The reader's goroutine only.
	in        intake
	readable  func(fd uintptr) bool // readNow, made once
	readErr   error
	budget    bucket
	outbox    outbox       // whom the packets since the last read put something out for
	scratch   publication  // the message at hand
	lastRoute *route       // of the message before, which the client may write
	exact     bool         // uses QoS 2: the library counts its packet identifiers
	carried   *publication // between OnPublish and OnPublished
	wanted    []wanted     // between OnSubscribe and OnPacketProcessed

	mu        sync.Mutex
	out       []byte // encoded packets that wait to be pushed
	flushing  bool   // somebody is about to push them
	closed    bool
	flow      flow
	plain     bool              // packets to it need no properties of their own
	flights   map[uint16]flight // unacknowledged, by packet identifier
	early     []early
	heir      *peer // connection that took the session over
	lastID    uint16
	sent      uint64
	stored    int64
	owed      int // bytes in flights, early and what was stored
	inherited int // bytes that the session held at the begin
	lost      int

	// Whoever is flushing only.
	writable func(fd uintptr) bool // writeNow, made once
	batch    []byte
	written  int
	writeErr error
}

func newPeer(c net.Conn, addr netip.Addr, limits *Limits) *peer {
	now := time.Now()
	p := &peer{Conn: c, addr: addr, limits: limits, since: now}
	p.in.first, p.in.most = limits.ConnectPacket, limits.Packet
	if s, ok := c.(syscall.Conn); ok {
		p.socket, _ = s.SyscallConn()
	}
	p.readable, p.writable = p.readNow, p.writeNow
	_ = c.SetReadDeadline(now.Add(limits.Connect)) // none is set before CONNECT by the library (defect 2)
	return p
}

// peerOf is the peer of a client, nil for the broker's own inline client.
func peerOf(cl *mochi.Client) *peer {
	p, _ := cl.Net.Conn.(*peer)
	return p
}

// Write queues whole packets of the library. It fails once the peer is closed
// or too slow.
func (p *peer) Write(b []byte) (int, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return 0, net.ErrClosed
	}
	if !p.makeRoom(len(b)) {
		p.mu.Unlock()
		return 0, errSlowPeer
	}
	if p.flow.window == 0 {
		p.out = append(p.out, b...)
	} else {
		p.out = p.flow.admit(p.out, b)
	}
	push := !p.flushing && len(p.out) > 0
	p.flushing = p.flushing || push
	p.mu.Unlock()
	if push {
		p.push()
	}
	return len(b), nil
}

// makeRoom gets a buffer for n more bytes, or cuts a peer that has too much
// waiting for it; mu is held.
func (p *peer) makeRoom(n int) bool {
	most := p.limits.Pending + p.inherited
	if p.stage.Load() == stageOpening {
		most += 2 * maxOwed // the library sends all that the session kept at once
	}
	if len(p.out)+p.flow.bytes+n > most {
		p.cut()
		return false
	}
	if p.out == nil {
		p.out = (*writeBuffers.Get().(*[]byte))[:0]
	}
	return true
}

// cut ends a connection at once; mu is held.
func (p *peer) cut() {
	p.closed, p.out, p.flow.held = true, nil, nil
	p.hangUp()
}

// hangUp closes the connection. Not at once: that waits until the reader lets
// go of the socket, and it may be the reader who calls (see readNow).
func (p *peer) hangUp() { go func() { _ = p.Conn.Close() }() }

// push writes everything that is queued in one go, until nothing is. Whoever
// set flushing calls it. It does not wait for a slow peer: that is left to a
// goroutine of its own.
func (p *peer) push() {
	for p.nextBatch() {
		if p.socket == nil || !p.try() {
			go p.flush()
			return
		}
	}
}

// try writes as much of the batch as the socket takes at once, and says
// whether that was all.
func (p *peer) try() bool {
	if err := p.socket.Write(p.writable); err != nil {
		p.writeErr = err
	}
	return p.written == len(p.batch) || p.writeErr != nil
}

// writeNow is called with the socket, once.
func (p *peer) writeNow(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), p.batch[p.written:])
		p.written += max(0, n)
		switch err {
		case syscall.EINTR:
			continue
		case nil, syscall.EAGAIN:
		default:
			p.writeErr = err
		}
		return true
	}
}

// flush writes the rest of the batch and what was queued meanwhile.
func (p *peer) flush() {
	for {
		p.mu.Lock()
		timeout := writeTimeout
		if p.closed {
			timeout = closeTimeout
		}
		_ = p.Conn.SetWriteDeadline(time.Now().Add(timeout))
		p.mu.Unlock()
		_, p.writeErr = p.Conn.Write(p.batch[p.written:])
		_ = p.Conn.SetWriteDeadline(time.Time{}) // an old one would fail the next push
		if !p.nextBatch() {
			return
		}
	}
}

// nextBatch puts away what was written and takes what is queued. It returns
// false if that is nothing.
func (p *peer) nextBatch() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.batch != nil && cap(p.batch) <= keepBuffer {
		b := p.batch[:0]
		writeBuffers.Put(&b)
	}
	if p.writeErr != nil {
		p.closed, p.out = true, nil
		p.hangUp() // wakes the reader
	}
	p.batch, p.written, p.writeErr = p.out, 0, nil
	p.out = nil
	if len(p.batch) > 0 {
		return true
	}
	p.batch, p.flushing = nil, false
	if p.closed {
		p.hangUp()
	}
	return false
}

// Close lets what is queued go out, but not for long, and wakes the reader.
func (p *peer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	if !p.flushing {
		p.hangUp()
		return nil
	}
	now := time.Now()
	_ = p.Conn.SetReadDeadline(now)
	_ = p.Conn.SetWriteDeadline(now.Add(closeTimeout))
	return nil
}

// SetDeadline sets the reader's deadline only: the writer has its own.
func (p *peer) SetDeadline(t time.Time) error { return p.Conn.SetReadDeadline(t) }

// limitFlow makes the peer hold back messages beyond the client's Receive
// Maximum (MQTT 5.0 §4.9).
func (p *peer) limitFlow(window int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flow.window = window
}
