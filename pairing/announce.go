package pairing

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

const (
	announcePort = 5005
	// announcement is compared by EmonESP as a whole string in a buffer of 255
	// bytes that a longer datagram overflows: exactly this, without an end.
	announcement = "emonpi.local"
)

// broadcast sends the announcement to every network the hub is in. EmonESP
// takes the sender's address for the hub's.
func broadcast() error {
	targets, err := broadcastAddrs()
	if err != nil {
		return fmt.Errorf("looking for networks: %w", err)
	}
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	defer c.Close()
	sent, errs := 0, []error(nil)
	for _, addr := range targets {
		if _, err := c.WriteToUDPAddrPort([]byte(announcement), netip.AddrPortFrom(addr, announcePort)); err != nil {
			errs = append(errs, err)
			continue
		}
		sent++
	}
	if sent == 0 {
		return errors.Join(append(errs, errors.New("there is no network to announce the hub in"))...)
	}
	return nil
}

// broadcastAddrs are the broadcast addresses of the networks that are up. The
// general one, 255.255.255.255, would only reach the network of the default
// route, and a hub at a device's own access point has none.
func broadcastAddrs() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagBroadcast == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				all = append(all, broadcastOf(p))
			}
		}
	}
	return all, nil
}

// broadcastOf is the last address of an IPv4 network.
func broadcastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}
