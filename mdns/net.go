package mdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const mdnsPort = 5353

var group = net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mdnsPort} // read-only

// link is a network interface that is up, with its addresses.
type link struct {
	iface net.Interface
	addrs []netip.Addr // those that others in the house can use
}

// links are the interfaces that multicast. Loopback counts where there is no
// other: a hub that is tried out on one machine is found there.
func links() ([]link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var out, loop []link
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagMulticast == 0 && i.Flags&net.FlagLoopback == 0 {
			continue
		}
		l := link{iface: i}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && (p.Addr().Is4() || !p.Addr().IsLinkLocalUnicast()) {
				l.addrs = append(l.addrs, p.Addr().Unmap())
			}
		}
		switch {
		case len(l.addrs) == 0:
		case i.Flags&net.FlagLoopback != 0:
			loop = append(loop, l)
		default:
			out = append(out, l)
		}
	}
	if len(out) == 0 {
		out = loop
	}
	return out, nil
}

// sameLinks says whether nothing changed.
func sameLinks(a, b []link) bool {
	return slices.EqualFunc(a, b, func(x, y link) bool { return x.iface.Index == y.iface.Index && slices.Equal(x.addrs, y.addrs) })
}

// ownAddrs are all addresses of some links.
func ownAddrs(list []link) (all []netip.Addr) {
	for _, l := range list {
		all = append(all, l.addrs...)
	}
	return all
}

// socket is the port of multicast DNS, which everybody on a machine shares.
type socket struct {
	*ipv4.PacketConn
	conn net.PacketConn
}

// openSocket joins the group on every link. None at all is an error.
func openSocket(ctx context.Context, on []link) (*socket, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) {
			err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		}), err)
	}}
	conn, err := lc.ListenPacket(ctx, "udp4", fmt.Sprintf("224.0.0.0:%d", mdnsPort))
	if err != nil {
		return nil, fmt.Errorf("opening port %d: %w", mdnsPort, err)
	}
	s := &socket{ipv4.NewPacketConn(conn), conn}
	var errs []error
	joined := 0
	for _, l := range on {
		if err := s.JoinGroup(&l.iface, &group); err != nil {
			errs = append(errs, fmt.Errorf("joining on %s: %w", l.iface.Name, err))
			continue
		}
		joined++
	}
	if joined == 0 {
		errs = append(errs, errors.New("there is no network to be found in"), conn.Close())
		return nil, errors.Join(errs...)
	}
	return s, errors.Join(s.SetControlMessage(ipv4.FlagInterface|ipv4.FlagSrc, true), s.SetMulticastTTL(255), s.SetMulticastLoopback(true))
}

// send sends to everybody on a link, or to one if to is not nil.
func (s *socket) send(b []byte, ifIndex int, to net.Addr) error {
	if to == nil {
		to = &group
	}
	_, err := s.WriteTo(b, &ipv4.ControlMessage{IfIndex: ifIndex}, to)
	return err
}

// packet is what came in.
type packet struct {
	data    []byte
	from    netip.AddrPort
	ifIndex int
}

// listen hands on what comes in until the socket is closed.
func (s *socket) listen(out chan<- packet) {
	defer close(out)
	buf := make([]byte, 9000) // RFC 6762, 17
	for {
		n, cm, from, err := s.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p := packet{data: slices.Clone(buf[:n])}
		if u, ok := from.(*net.UDPAddr); ok {
			p.from = u.AddrPort()
		}
		if cm != nil {
			p.ifIndex = cm.IfIndex
		}
		out <- p
	}
}
