package mqtt

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

func doorPeer(addr string, at time.Time, known bool) *peer {
	p := &peer{addr: netip.MustParseAddr(addr), since: at}
	p.known.Store(known)
	return p
}

func TestDoorBoundsArrivals(t *testing.T) {
	d := newDoor(Limits{}.withDefaults())
	now := time.Unix(1e9, 0)
	a, b := netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("192.168.1.8")
	n := 0
	for range 100 {
		if d.welcome(a, now) {
			n++
		}
	}
	if n != 20 {
		t.Errorf("%d at once, want 20", n)
	}
	if !d.welcome(b, now) {
		t.Error("another address suffers from it")
	}
	if d.welcome(a, now.Add(100*time.Millisecond)) || !d.welcome(a, now.Add(300*time.Millisecond)) {
		t.Error("5 a second come in after the burst")
	}
}

func TestDoorKeepsStrangersOut(t *testing.T) {
	d := newDoor(Limits{}.withDefaults())
	open := newDoor(Limits{Public: true}.withDefaults())
	now := time.Unix(1e9, 0)
	for addr, want := range map[string]bool{
		"192.168.1.7": true, "10.1.2.3": true, "172.16.0.1": true, "127.0.0.1": true, "127.0.0.9": true, "::1": true,
		"fe80::1": true, "fd00::1": true, "169.254.1.1": true,
		"8.8.8.8": false, "2001:db8::1": false, "172.32.0.1": false,
	} {
		if got := d.welcome(netip.MustParseAddr(addr), now); got != want {
			t.Errorf("%s: %v", addr, got)
		}
		if !open.welcome(netip.MustParseAddr(addr), now) {
			t.Errorf("%s is refused though public addresses are allowed", addr)
		}
	}
	if d.welcome(netip.Addr{}, now) {
		t.Error("no address at all is let in")
	}
}

func TestDoorBoundsGuessing(t *testing.T) {
	d := newDoor(Limits{}.withDefaults())
	now := time.Unix(1e9, 0)
	a := netip.MustParseAddr("192.168.1.7")
	for i := range 10 {
		if n := d.refused(a, now); n != i+1 {
			t.Errorf("refusal %d counts as %d", i+1, n)
		}
	}
	if d.welcome(a, now) {
		t.Error("the eleventh try within a minute is let in")
	}
	if !d.welcome(a, now.Add(7*time.Second)) {
		t.Error("six seconds earn another try")
	}
}

func TestDoorMakesRoomForThoseWhoLogIn(t *testing.T) {
	d := newDoor(Limits{Connections: 4, PerAddress: 3}.withDefaults())
	now := time.Unix(1e9, 0)
	in := func(p *peer) *peer {
		t.Helper()
		leave, ok := d.enter(p, now)
		if !ok {
			t.Fatal("no room")
		}
		return leave
	}
	paired := doorPeer("192.168.1.1", now, true)
	first := doorPeer("192.168.1.2", now.Add(1), false)
	second := doorPeer("192.168.1.2", now.Add(2), false)
	third := doorPeer("192.168.1.2", now.Add(3), false)
	in(paired)
	in(first)
	in(second)
	in(third)
	if leave := in(doorPeer("192.168.1.3", now, true)); leave != first {
		t.Error("the one that waits longest has to leave")
	}
	if leave := in(doorPeer("192.168.1.2", now.Add(4), true)); leave != second {
		t.Error("again the one that waits longest")
	}
	in(doorPeer("192.168.1.4", now, true)) // third leaves
	if _, ok := d.enter(doorPeer("192.168.1.5", now, false), now); ok {
		t.Error("somebody who logged in had to leave")
	}
	d.leave(paired)
	d.leave(paired) // twice counts once
	if _, ok := d.enter(doorPeer("192.168.1.5", now, true), now); !ok {
		t.Error("a place that was left is not free")
	}
}

func TestDoorBoundsOneAddress(t *testing.T) {
	d := newDoor(Limits{}.withDefaults())
	now := time.Unix(1e9, 0)
	for range 10 {
		if _, ok := d.enter(doorPeer("192.168.1.2", now, true), now); !ok {
			t.Fatal("no room for ten")
		}
	}
	if _, ok := d.enter(doorPeer("192.168.1.2", now, true), now); ok {
		t.Error("an eleventh came in")
	}
	v6 := netip.MustParseAddr("fd00::1:2:3:4")
	for i := range 11 {
		addr := v6.As16()
		addr[15] = byte(i)
		p := &peer{addr: netip.AddrFrom16(addr), since: now}
		p.known.Store(true)
		if _, ok := d.enter(p, now); ok != (i < 10) {
			t.Errorf("address %d of one IPv6 network: %v", i, ok)
		}
	}
}

func TestDoorForgetsAddresses(t *testing.T) {
	d := newDoor(Limits{}.withDefaults())
	now := time.Unix(1e9, 0)
	stays := doorPeer("10.9.9.9", now, true)
	d.enter(stays, now)
	for i := range 3 * maxVisitors {
		d.welcome(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(d.visitors) > maxVisitors+1 {
		t.Errorf("%d addresses are remembered", len(d.visitors))
	}
	d.welcome(netip.MustParseAddr("10.0.0.1"), now.Add(forgetAfter+time.Second))
	if len(d.visitors) > 3 {
		t.Errorf("%d addresses are not forgotten", len(d.visitors))
	}
	d.leave(stays) // its account is still there
}

func TestFrames(t *testing.T) {
	connect := packet(0x10, make([]byte, 30))
	for _, tt := range []struct {
		name string
		in   []byte
		ok   bool
		acks int
	}{
		{"connect", connect, true, 0},
		{"connect of 4 KiB", packet(0x10, make([]byte, 4096)), true, 0},
		{"connect of more", packet(0x10, make([]byte, 4097)), false, 0},
		{"length of 256 MiB", []byte{0x10, 0xff, 0xff, 0xff, 0x7f}, false, 0},
		{"length without end", []byte{0x10, 0x80, 0x80, 0x80, 0x80, 0}, false, 0},
		{"publish first", packet(0x30, make([]byte, 10)), false, 0},
		{"ping first", []byte{0xc0, 0}, false, 0},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), false, 0},
		{"TLS", []byte{0x16, 3, 1, 2, 0}, false, 0},
		{"large later", append(bytes.Clone(connect), packet(0x30, make([]byte, 60_000))...), true, 0},
		{"pings and acks", bytes.Join([][]byte{connect, {0xc0, 0}, packet(0x40, []byte{0, 1}), packet(0x70, []byte{0, 1, 0, 0}), {0xc0, 0}}, nil), true, 2},
		{"good and bad PUBREC", bytes.Join([][]byte{connect, packet(0x50, []byte{0, 1}), packet(0x50, []byte{0, 1, 0x10, 0}), packet(0x50, []byte{0, 1, 0x80, 0})}, nil), true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, chunk := range []int{1, 2, 3, 7, 1 << 20} { // however TCP cuts it
				passed, acks, ok := readThrough(tt.in, chunk, 4096)
				if ok != tt.ok || acks != tt.acks {
					t.Errorf("in pieces of %d: ok = %v, %d acks", chunk, ok, acks)
				}
				if ok && !bytes.Equal(passed, tt.in) {
					t.Errorf("in pieces of %d: the library sees %d bytes of %d", chunk, len(passed), len(tt.in))
				}
			}
		})
	}
}

// pieces is a connection that gives what it has in pieces.
type pieces struct {
	net.Conn
	in    []byte
	chunk int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.chunk)], p.in)
	p.in = p.in[n:]
	return n, nil
}
func (p *pieces) SetReadDeadline(time.Time) error { return nil }
func (p *pieces) Close() error                    { return nil }

// readThrough is what the library sees of in, how many messages that
// acknowledges, and whether it may see it.
func readThrough(in []byte, chunk, first int) (passed []byte, acks int, ok bool) {
	limits := Limits{ConnectPacket: first}.withDefaults()
	p := newPeer(&pieces{in: in, chunk: chunk}, netip.Addr{}, &limits)
	p.flow = flow{window: 1 << 20, flying: 1 << 20}
	for {
		frame, err := p.next(&gate{})
		passed = append(passed, frame...)
		if err != nil {
			return passed, 1<<20 - p.flow.flying, !errors.Is(err, errFlood)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(packet(0x10, make([]byte, 30)), 3)
	f.Add([]byte{0x10, 0, 0x50, 3, 0, 1, 0x80}, 1)
	f.Fuzz(func(t *testing.T, in []byte, chunk int) {
		whole, acks, ok := readThrough(in, 1<<20, 64)
		cut, acks2, ok2 := readThrough(in, 1+chunk&15, 64)
		if ok != ok2 || acks != acks2 || ok && !bytes.Equal(whole, cut) {
			t.Errorf("whole %d %v, in pieces %d %v", acks, ok, acks2, ok2)
		}
		if ok && !bytes.HasPrefix(in, whole) {
			t.Error("the library sees something else")
		}
	})
}

func TestFlowHoldsBackAndKeepsOrder(t *testing.T) {
	f := flow{window: 2}
	msg := func(i byte) []byte { return publish(4, 1, uint16(i), "t", string([]byte{'0' + i})) }
	all := bytes.Join([][]byte{msg(1), publish(4, 0, 0, "t", "z"), msg(2), msg(3), {0xd0, 0}, msg(4)}, nil)
	out := f.admit(nil, all)
	if want := bytes.Join([][]byte{msg(1), publish(4, 0, 0, "t", "z"), msg(2), {0xd0, 0}}, nil); !bytes.Equal(out, want) {
		t.Errorf("out is %q", out)
	}
	if out = f.release(nil, 1); !bytes.Equal(out, msg(3)) {
		t.Errorf("after one ack %q", out)
	}
	if out = f.admit(nil, msg(5)); len(out) != 0 {
		t.Errorf("a later message overtook: %q", out)
	}
	if out = f.release(nil, 7); !bytes.Equal(out, append(msg(4), msg(5)...)) || f.bytes != 0 {
		t.Errorf("after all acks %q, %d bytes held", out, f.bytes)
	}
}

func TestPeerWritesWhatWasQueuedBeforeItCloses(t *testing.T) {
	ours, theirs := tcpPair(t)
	limits := Limits{}.withDefaults()
	p := newPeer(ours, netip.Addr{}, &limits)
	_, _ = p.Write([]byte("refused"))
	_ = p.Close()
	if _, err := p.Write([]byte("late")); err == nil {
		t.Error("a write after Close succeeds")
	}
	c := &raw{Conn: theirs, t: t}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 100)
	if n, _ := c.Read(b); string(b[:n]) != "refused" {
		t.Errorf("got %q", b[:n])
	}
	if _, err := p.next(&gate{}); err == nil {
		t.Error("the reader still waits")
	}
}

// What a session kept may be more than a peer may have waiting, and the client
// must get it all the same.
func TestPeerTakesWhatItsSessionKept(t *testing.T) {
	limits := Limits{}.withDefaults()
	for _, tt := range []struct {
		stage     int32
		inherited int
		ok        bool
	}{{stageOpening, 0, true}, {stageLive, maxOwed, true}, {stageLive, 0, false}} {
		ours, theirs := net.Pipe() // nobody reads
		p := newPeer(ours, netip.Addr{}, &limits)
		p.inherited = tt.inherited
		p.stage.Store(tt.stage)
		var err error
		for range maxOwed / 20_000 {
			if _, err = p.Write(make([]byte, 20_000)); err != nil {
				break
			}
		}
		if (err == nil) != tt.ok {
			t.Errorf("stage %d, %d bytes inherited: %v", tt.stage, tt.inherited, err)
		}
		theirs.Close()
	}
}

func tcpPair(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestBucket(t *testing.T) {
	now := time.Unix(1e9, 0)
	b := newBucket(10, 2, now)
	for i, want := range []time.Duration{0, 0, 100 * time.Millisecond, 200 * time.Millisecond} {
		if got := b.take(now); got != want {
			t.Errorf("token %d: wait %v, want %v", i, got, want)
		}
	}
	if got := b.take(now.Add(time.Hour)); got != 0 {
		t.Errorf("after an hour: wait %v", got)
	}
	if b.tokens > 2 {
		t.Error("it saves more than the burst")
	}
}
