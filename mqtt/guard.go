package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// acceptPause is how long Accept rests after an error such as a lack of file
// descriptors. The library's own listeners end for good there (defect 1).
const acceptPause = 50 * time.Millisecond

// dismissPause is how long it rests after it sent somebody away for whoever
// waits: that many have this long to log in.
const dismissPause = 5 * time.Millisecond

// guard accepts connections. It outlives errors of Accept, turns a panic in
// the library into the end of one connection, and bounds connections before
// they cost anything.
type guard struct {
	listener net.Listener
	secure   net.Listener // nil: no TLS
	tls      *tls.Config
	limits   *Limits
	door     *door
	logger   *slog.Logger
	attend   func(p *peer) error       // serves p until its connection ends
	gone     func(p *peer)             // and has ended
	panicked func(p *peer, reason any) // by a panic
	starved  func(err error)           // no descriptor is left for a connection

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup // of everything that runs
	ready  chan struct{}  // closed when the broker serves
	done   chan struct{}
}

// serve begins to accept connections, until close.
func (g *guard) serve() {
	close(g.ready)
	g.wg.Go(func() { g.accept(g.listener, nil) })
	if g.secure != nil {
		g.wg.Go(func() { g.accept(g.secure, g.tls) })
	}
}

func (g *guard) accept(l net.Listener, secret *tls.Config) {
	for {
		c, err := l.Accept()
		if err == nil {
			g.take(c, secret)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		g.logger.Debug("accepting a connection", "err", err)
		pause := acceptPause
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			g.starved(err)
			if p := g.door.dismissOne(); p != nil {
				_ = p.Close() // makes room for one that may be paired
				pause = dismissPause
			}
		}
		select {
		case <-g.done:
			return
		case <-time.After(pause):
		}
	}
}

// take serves a connection in a goroutine of its own, or closes it. One from
// the web address may come before the library serves; it waits.
func (g *guard) take(c net.Conn, secret *tls.Config) {
	p := g.admit(c, secret, time.Now())
	if p == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		g.door.leave(p)
		_ = p.Close()
		return
	}
	g.wg.Go(func() {
		select {
		case <-g.ready:
			g.host(p)
		case <-g.done:
			g.door.leave(p)
			_ = p.Close()
		}
	})
}

// admit makes a peer of a connection, or closes it.
func (g *guard) admit(c net.Conn, secret *tls.Config, now time.Time) *peer {
	addr := addrOf(c)
	if !g.door.welcome(addr, now) {
		discard(c)
		return nil
	}
	whole := c
	if secret != nil {
		whole = secured{tls.Server(c, secret)}
	}
	p := newPeer(whole, addr, g.limits)
	leave, ok := g.door.enter(p, now)
	if leave != nil {
		_ = leave.Close()
	}
	if !ok {
		discard(c)
		return nil
	}
	return p
}

// host runs one connection from CONNECT to its end.
func (g *guard) host(p *peer) {
	defer g.door.leave(p)
	defer func() {
		// One malformed SUBSCRIBE panics the library's decoder (its issue
		// 501), and it recovers nowhere.
		if reason := recover(); reason != nil {
			g.logger.Error("a packet broke the broker library", "addr", p.addr, "reason", fmt.Sprint(reason), "stack", string(debug.Stack()))
			_ = p.Close()
			g.panicked(p, reason)
		}
		g.gone(p)
	}()
	err := g.attend(p)
	g.logger.Debug("connection ended", "addr", p.addr, "err", err)
	_ = p.Close()
}

// close stops accepting. It leaves the connections as they are.
func (g *guard) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.closed = true
	close(g.done)
	_ = g.listener.Close()
	if g.secure != nil {
		_ = g.secure.Close()
	}
}

// wait waits until everything ended, or d passed.
func (g *guard) wait(d time.Duration) bool { return within(d, g.wg.Wait) }

// discard drops a connection without leaving it in TIME_WAIT, so that a flood
// does not fill the kernel's tables either.
func discard(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

func addrOf(c net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
