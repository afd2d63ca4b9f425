package mqtt

import (
	"net/netip"
	"sync"
	"time"
)

// maxVisitors bounds what is remembered of addresses; all that come beyond it
// share one account until others are forgotten.
const maxVisitors = 4096

// forgetAfter is how long an address that is not connected is remembered.
const forgetAfter = 2 * time.Minute

// door decides who may connect: so many in all, so many and so fast from one
// address. When it is full, whoever is in without having logged in has to
// leave first, so that a crowd of silent connections never keeps a paired
// device out.
type door struct {
	limits Limits

	mu       sync.Mutex
	peers    map[*peer]struct{}
	visitors map[netip.Addr]*visitor
	pruned   time.Time
}

// visitor is the account of one address.
type visitor struct {
	connections int
	arrivals    bucket
	failures    bucket
	seen        time.Time
}

func newDoor(limits Limits) *door {
	return &door{limits: limits, peers: map[*peer]struct{}{}, visitors: map[netip.Addr]*visitor{}}
}

// welcome says whether a connection from addr may come in at now, before
// anything is spent on it.
func (d *door) welcome(addr netip.Addr, now time.Time) bool {
	if !d.limits.Public && !local(addr) && !addr.IsPrivate() && !addr.IsLinkLocalUnicast() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.visitor(addr, now)
	v.failures.refill(now)
	return v.failures.tokens >= 1 && v.arrivals.try(now)
}

// enter lets a peer in and returns the one that has to leave for it, if any.
// It returns false if there is no room.
func (d *door) enter(p *peer, now time.Time) (leave *peer, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.visitor(p.addr, now)
	crowded := v.connections >= d.limits.PerAddress*factor(p.addr)
	if crowded || len(d.peers) >= d.limits.Connections {
		if leave = d.oldestUnknown(p.addr, crowded); leave == nil {
			return nil, false
		}
		d.remove(leave)
	}
	d.peers[p], p.visitor = struct{}{}, v
	v.connections++
	return leave, true
}

// oldestUnknown is the peer that waits longest without having logged in, of
// one address or of all.
func (d *door) oldestUnknown(addr netip.Addr, same bool) (oldest *peer) {
	for p := range d.peers {
		if p.known.Load() || same && account(p.addr) != account(addr) {
			continue
		}
		if oldest == nil || p.since.Before(oldest.since) {
			oldest = p
		}
	}
	return oldest
}

// dismissOne takes out the peer that waits longest without having logged in,
// nil if all have.
func (d *door) dismissOne() *peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.oldestUnknown(netip.Addr{}, false)
	if p != nil {
		d.remove(p)
	}
	return p
}

// leave takes a peer out again.
func (d *door) leave(p *peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remove(p)
}

func (d *door) remove(p *peer) {
	if _, ok := d.peers[p]; !ok {
		return
	}
	delete(d.peers, p)
	p.visitor.connections--
}

// refused counts a failed log-in and returns how many of them in a row the
// address has, as far as they count.
func (d *door) refused(addr netip.Addr, now time.Time) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &d.visitor(addr, now).failures
	f.try(now)
	return int(f.burst - f.tokens)
}

// everybody is all peers that are in.
func (d *door) everybody() []*peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*peer, 0, len(d.peers))
	for p := range d.peers {
		all = append(all, p)
	}
	return all
}

func (d *door) visitor(addr netip.Addr, now time.Time) *visitor {
	d.prune(now)
	key := account(addr)
	v := d.visitors[key]
	if v == nil && len(d.visitors) >= maxVisitors {
		key = netip.Addr{}
		v = d.visitors[key]
	}
	if v == nil {
		n := factor(addr)
		v = &visitor{
			arrivals: newBucket(n*d.limits.ConnectRate, 4*n*d.limits.ConnectRate, now),
			failures: newBucket(1, n*d.limits.Failures, now),
		}
		v.failures.rate = float64(n*d.limits.Failures) / 60
		d.visitors[key] = v
	}
	v.seen = now
	return v
}

func (d *door) prune(now time.Time) {
	if now.Sub(d.pruned) < forgetAfter/2 && len(d.visitors) < maxVisitors {
		return
	}
	if now.Sub(d.pruned) < time.Second {
		return // full: look again, but not for every arrival
	}
	d.pruned = now
	for key, v := range d.visitors {
		if v.connections == 0 && now.Sub(v.seen) > forgetAfter {
			delete(d.visitors, key)
		}
	}
}

// account is what an address is counted under: an IPv6 host owns its whole
// /64 and would else have as many accounts as it likes.
func account(addr netip.Addr) netip.Addr {
	if addr.Is6() && !addr.Is4In6() && !addr.IsLinkLocalUnicast() && !addr.IsLoopback() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}

// local says whether an address is this machine's.
func local(addr netip.Addr) bool { return addr.IsLoopback() }

// factor is how much more than one address of the network addr may do. The
// rest of 127/8 counts as the network, which lets tests play attackers.
func factor(addr netip.Addr) int {
	if addr == netip.IPv6Loopback() || addr == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		return localFactor
	}
	return 1
}
