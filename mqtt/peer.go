package mqtt

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"homehub/hub"
)

const (
	writeTimeout = 10 * time.Second       // for one write to a peer that reads slowly
	closeTimeout = 200 * time.Millisecond // so that a refusal or DISCONNECT still gets out
	keepBuffer   = 64 << 10               // a larger write buffer is not kept for the next burst
)

var (
	errSlowPeer = errors.New("the client does not read what it subscribed to")
	errFlood    = errors.New("the first packet is no CONNECT or too long")
)

// peer is one connection as the library sees it, with what we know of the
// client behind it. Write never blocks: the library holds locks that every
// publisher needs while it writes, so one peer that does not read would stop
// the house (defect 5). What waits is bounded, and a peer that exceeds the
// bound is cut.
type peer struct {
	net.Conn
	addr    netip.Addr
	limits  *Limits
	since   time.Time // when it was accepted
	visitor *visitor  // the door's account of it
	known   atomic.Bool
	revoked atomic.Bool

	// Set while the client logs in, before anybody else knows of it.
	client *mochi.Client
	cred   hub.Credential
	turn   string // id whose session this peer holds the turn of
	denied atomic.Int32
	in     frames // reader's goroutine only
	budget bucket // reader's goroutine only

	mu       sync.Mutex
	out      []byte // encoded packets that wait for the flusher
	spare    []byte
	flushing bool
	closed   bool
	flow     flow
}

func newPeer(c net.Conn, addr netip.Addr, limits *Limits) *peer {
	now := time.Now()
	p := &peer{Conn: c, addr: addr, limits: limits, since: now}
	p.in.first = limits.ConnectPacket
	_ = c.SetReadDeadline(now.Add(limits.Connect)) // the library sets none before CONNECT (defect 2)
	return p
}

// peerOf is the peer of a client, nil for the broker's own inline client.
func peerOf(cl *mochi.Client) *peer {
	p, _ := cl.Net.Conn.(*peer)
	return p
}

// Read looks at the frames that pass, so that a giant first packet is refused
// before the library allocates it (defect 4).
func (p *peer) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n == 0 {
		return n, err
	}
	acks, ok := p.in.scan(b[:n])
	if !ok {
		_ = p.Close()
		return 0, errFlood
	}
	if acks > 0 {
		p.acknowledged(acks)
	}
	return n, err
}

// Write queues whole packets. It fails once the peer is closed or too slow.
func (p *peer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, net.ErrClosed
	}
	if len(p.out)+p.flow.bytes+len(b) > p.limits.Pending {
		p.closed, p.out, p.flow.held = true, nil, nil
		_ = p.Conn.Close()
		return 0, errSlowPeer
	}
	if p.flow.window == 0 {
		p.out = append(p.out, b...)
	} else {
		p.out = p.flow.admit(p.out, b)
	}
	p.wake()
	return len(b), nil
}

// wake starts the flusher if there is something to write; mu is held.
func (p *peer) wake() {
	if !p.flushing && len(p.out) > 0 {
		p.flushing = true
		go p.flush()
	}
}

// flush writes everything that is queued in one go, until nothing is. Under
// load this coalesces packets, which is what makes the broker cheap.
func (p *peer) flush() {
	for {
		p.mu.Lock()
		if len(p.out) == 0 {
			p.flushing = false
			closed := p.closed
			p.mu.Unlock()
			if closed {
				_ = p.Conn.Close()
			}
			return
		}
		batch := p.out
		p.out, p.spare = p.spare[:0], nil
		timeout := writeTimeout
		if p.closed {
			timeout = closeTimeout
		}
		_ = p.Conn.SetWriteDeadline(time.Now().Add(timeout))
		p.mu.Unlock()

		_, err := p.Conn.Write(batch)

		p.mu.Lock()
		if cap(batch) <= keepBuffer {
			p.spare = batch[:0]
		}
		if err != nil {
			p.closed, p.out = true, nil
		}
		p.mu.Unlock()
	}
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
		return p.Conn.Close()
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
	p.in.acks = window > 0
}

// acknowledged lets as many held messages go as were acknowledged.
func (p *peer) acknowledged(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = p.flow.release(p.out, n)
	p.wake()
}
