package mqtt

import (
	"io"
	"sync"
	"syscall"
	"time"
)

const (
	// readSize is how much one read of a socket takes in: a burst of some
	// dozen messages.
	readSize = 16 << 10
	// refreshEvery is how often the deadline of a busy client is moved.
	refreshEvery = 250 * time.Millisecond
	// headerMost is the longest fixed header.
	headerMost = 5
)

// readBuffers are shared by all connections: one that is silent holds none.
var readBuffers = sync.Pool{New: func() any { b := make([]byte, readSize); return &b }}

// intake is the reading half of a peer: it cuts what the socket gives into
// packets. It is the reader's goroutine's alone.
type intake struct {
	first int // longest first packet that is let through
	most  int // longest later one

	buf        *[]byte // nil while nothing waits in it
	start, end int     // what waits
	need       int     // bytes of the packet that waits for its end
	begun      bool    // the first packet was let through
	unsettled  int     // bytes read since the last settle
	now        time.Time
	refreshed  time.Time
}

// next is the next whole packet that waits, nil if there is none. It fails if
// that is, or is going to be, none that the client may send, of which its
// length tells before it is read (defect 4).
func (in *intake) next() ([]byte, error) {
	if in.start == in.end {
		return nil, nil
	}
	waiting := (*in.buf)[in.start:in.end]
	if !in.begun && waiting[0] != typeConnect<<4 { // a TLS hello begins with 0x16
		return nil, errFlood
	}
	head, body, ok := frameLength(waiting)
	switch {
	case !in.begun && (!ok || body > in.first):
		return nil, errFlood
	case !ok || body > in.most:
		return nil, errTooLong
	case head == 0 || head+body > len(waiting):
		in.need = head + body
		return nil, nil
	}
	in.begun = true
	in.need = 0
	return waiting[:head+body], nil
}

// room is where the next bytes go, with space for the packet that has begun.
func (in *intake) room(size int) []byte {
	if in.start == in.end {
		in.start, in.end = 0, 0
	}
	switch need := max(in.need, in.end-in.start+1); {
	case in.buf == nil && size == readSize:
		in.buf = readBuffers.Get().(*[]byte)
	case in.buf == nil:
		b := make([]byte, size)
		in.buf = &b
	case in.start+need > len(*in.buf):
		old := in.buf
		if need > len(*old) {
			b := make([]byte, need)
			in.buf = &b
		}
		in.end = copy(*in.buf, (*old)[in.start:in.end])
		in.start = 0
		if old != in.buf {
			giveBack(old)
		}
	}
	return (*in.buf)[in.end:]
}

// rest gives the buffer back while nothing waits in it.
func (in *intake) rest() {
	if in.buf != nil && in.start == in.end {
		giveBack(in.buf)
		in.buf, in.start, in.end = nil, 0, 0
	}
}

func giveBack(b *[]byte) {
	if len(*b) == readSize {
		readBuffers.Put(b)
	}
}

// fill waits for more bytes. A socket is waited for without a buffer, so that
// a thousand silent clients cost nothing; other connections keep a small one.
func (p *peer) fill() error {
	in := &p.in
	if p.socket == nil || in.unsettled >= readSize {
		p.settle()
	}
	if p.socket == nil {
		n, err := p.Conn.Read(in.room(writeSize))
		in.end += max(0, n)
		if n > 0 {
			err = nil
		}
		p.came()
		return err
	}
	if err := p.socket.Read(p.readable); err != nil {
		return err
	}
	p.came()
	return p.readErr
}

// readNow reads what the socket has, and returns false if that is nothing.
func (p *peer) readNow(fd uintptr) bool {
	in := &p.in
	room := in.room(readSize)
	for {
		n, err := syscall.Read(int(fd), room)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			in.rest()
			p.settle()
			return false
		case err != nil:
			p.readErr = err
		case n == 0:
			p.readErr = io.EOF
		}
		in.end += max(0, n)
		in.unsettled += max(0, n)
		return true
	}
}

// came notes that the client is alive.
func (p *peer) came() {
	now := time.Now()
	p.in.now = now
	if p.stage.Load() != stageLive || now.Sub(p.in.refreshed) < refreshEvery {
		return
	}
	p.in.refreshed = now
	p.keepAlive(now)
}

// keepAlive gives the client one and a half times its Keep Alive to be heard of
// again (MQTT 5.0 §3.1.2.10), or as long as it likes if it wants none: the
// library's 16 bits overflow there (defect 13).
func (p *peer) keepAlive(now time.Time) {
	by := time.Time{}
	if k := p.client.State.Keepalive; k > 0 {
		by = now.Add(time.Duration(k) * 1500 * time.Millisecond)
	}
	_ = p.Conn.SetReadDeadline(by)
}
