package mdns

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"homehub/hub"
)

// Config is what the hub is to be called. Name is needed.
type Config struct {
	Logger   *slog.Logger
	Name     string // wanted, without .local: hub
	Services []Service
	// Changed is told of every new State; may be nil.
	Changed func(State)
}

// State is what the hub is called now.
type State struct {
	Host    string // such as hub.local; "" while it has no name
	Problem string // why it is not the one that was wanted; "" if it is
	Addrs   []netip.Addr
}

// The times of RFC 6762, 8.
const (
	probes        = 3
	probeGap      = 250 * time.Millisecond
	announcements = 2
	announceGap   = time.Second
	deferTime     = time.Second // for the loser of two that ask for a name at once
	maxTries      = 20          // names that are tried before the hub gives up for a while
	giveUpTime    = time.Minute
	lookAgain     = 10 * time.Second // for networks that came or went
)

// responder answers for the hub on all links.
type responder struct {
	cfg   Config
	names names
	links []link
	sock  *socket
	in    chan packet
}

// Respond gives the hub its name and answers for it until ctx ends. A name that
// another machine has makes it hub-2, hub-3 and so on. Without a network it
// waits for one.
func Respond(ctx context.Context, cfg Config) error {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(State) {}
	}
	for ctx.Err() == nil {
		r := &responder{cfg: cfg}
		if err := r.serve(ctx); err != nil && ctx.Err() == nil {
			cfg.Logger.Warn("being known in the network", "err", err)
			cfg.Changed(State{Problem: "the hub has no name in the network: " + err.Error()})
		}
		_ = hub.Clock{}.Sleep(ctx, lookAgain) // only ctx ends it early
	}
	return nil
}

// serve answers until ctx ends or the networks changed.
func (r *responder) serve(ctx context.Context) error {
	var err error
	if r.links, err = links(); err != nil {
		return err
	}
	if r.sock, err = openSocket(ctx, r.links); err != nil {
		return err
	}
	r.in = make(chan packet, 64)
	go r.sock.listen(r.in)
	defer func() {
		r.sock.conn.Close()
		for range r.in { // so that listen ends
		}
	}()
	for try := 1; ; try++ {
		r.names = names{host: nth(r.cfg.Name, try), services: r.cfg.Services}
		taken, err := r.probe(ctx)
		switch {
		case err != nil:
			return err
		case taken && try == maxTries:
			return fmt.Errorf("%d names like %s.local are taken", maxTries, r.cfg.Name)
		case taken:
			continue
		}
		again, err := r.defend(ctx)
		if !again || err != nil {
			return err
		}
	}
}

// nth is the name of the nth try: hub, hub-2, hub-3.
func nth(name string, n int) string {
	if n == 1 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, n)
}

// probe asks three times whether anybody has the name.
func (r *responder) probe(ctx context.Context) (taken bool, err error) {
	wait := time.NewTimer(rand.N(probeGap))
	defer wait.Stop()
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case p := <-r.in:
			switch r.judge(p) {
			case hasIt:
				return true, nil
			case wantsIt:
				// It goes first: ask again from the start in a while.
				sent = 0
				wait.Reset(deferTime)
			}
		case <-wait.C:
			if sent == probes {
				return false, nil
			}
			sent++
			wait.Reset(probeGap)
			if err := r.everywhere(func(addrs []netip.Addr) ([]byte, error) { return r.names.probe(addrs) }); err != nil {
				return false, err
			}
		}
	}
}

// verdict is what a message says of the hub's name.
type verdict int

const (
	nothing verdict = iota
	hasIt           // another machine has it
	wantsIt         // another asks for it at the same time, and wins
)

// judge looks whether another machine has or wants the name. What this machine
// says itself, avahi for one, is no conflict.
func (r *responder) judge(p packet) verdict {
	var m dnsmessage.Message
	own := ownAddrs(r.links)
	if m.Unpack(p.data) != nil || slices.Contains(own, p.from.Addr().Unmap()) && !p.from.Addr().IsLoopback() {
		return nothing
	}
	if m.Response {
		for _, a := range append(m.Answers, m.Additionals...) {
			if addr, ok := addrOf(a); ok && a.Header.TTL > 0 && r.isHost(a.Header.Name) && !slices.Contains(own, addr) {
				return hasIt
			}
		}
		return nothing
	}
	var theirs []netip.Addr
	for _, a := range m.Authorities {
		if addr, ok := addrOf(a); ok && r.isHost(a.Header.Name) {
			theirs = append(theirs, addr)
		}
	}
	if len(theirs) > 0 && later(theirs, r.at(p.ifIndex)) {
		return wantsIt
	}
	return nothing
}

func (r *responder) isHost(name dnsmessage.Name) bool {
	return strings.EqualFold(name.String(), r.names.fqdn())
}

// later says whether theirs are lexicographically later than ours, which wins
// (RFC 6762, 8.2).
func later(theirs, ours []netip.Addr) bool {
	slices.SortFunc(theirs, netip.Addr.Compare)
	ours = slices.SortedFunc(slices.Values(ours), netip.Addr.Compare)
	for i := range min(len(theirs), len(ours)) {
		if c := bytes.Compare(theirs[i].AsSlice(), ours[i].AsSlice()); c != 0 {
			return c > 0
		}
	}
	return len(theirs) > len(ours)
}

// at are the addresses at an interface.
func (r *responder) at(ifIndex int) []netip.Addr {
	for _, l := range r.links {
		if l.iface.Index == ifIndex {
			return l.addrs
		}
	}
	return nil
}

// everywhere sends on each link what make makes of its addresses.
func (r *responder) everywhere(compose func([]netip.Addr) ([]byte, error)) error {
	var last error
	sent := 0
	for _, l := range r.links {
		b, err := compose(l.addrs)
		if err == nil {
			err = r.sock.send(b, l.iface.Index, nil)
		}
		if err != nil {
			last = fmt.Errorf("speaking on %s: %w", l.iface.Name, err)
			continue
		}
		sent++
	}
	if sent == 0 {
		return last
	}
	return nil
}

// defend announces the hub and answers, until ctx ends, the networks change,
// or another machine has the name after all: then again is true.
func (r *responder) defend(ctx context.Context) (again bool, err error) {
	r.tell()
	timer, look := time.NewTimer(0), time.NewTicker(lookAgain)
	defer timer.Stop()
	defer look.Stop()
	left := announcements
	for {
		select {
		case <-ctx.Done():
			return false, r.goodbye()
		case <-timer.C:
			if left--; left > 0 {
				timer.Reset(announceGap)
			}
			if err := r.everywhere(func(addrs []netip.Addr) ([]byte, error) { return message(0, nil, false, r.names.all(addrs), nil) }); err != nil {
				return false, err
			}
		case <-look.C:
			if now, err := links(); err != nil || !sameLinks(now, r.links) {
				return false, r.goodbye()
			}
		case p := <-r.in:
			if r.judge(p) == hasIt {
				r.cfg.Logger.Warn("another machine has the hub's name", "name", r.names.host, "addr", p.from)
				return true, nil
			}
			r.answer(p)
		}
	}
}

// tell says what the hub is called now.
func (r *responder) tell() {
	s := State{Host: r.names.host + ".local", Addrs: ownAddrs(r.links)}
	if r.names.host != r.cfg.Name {
		s.Problem = fmt.Sprintf("another machine in the house is called %s.local: this hub is %s.local", r.cfg.Name, r.names.host)
	}
	r.cfg.Logger.Info("known in the network", "name", s.Host, "addrs", s.Addrs)
	r.cfg.Changed(s)
}

// goodbye tells everybody to forget the hub (RFC 6762, 10.1).
func (r *responder) goodbye() error {
	return r.everywhere(func(addrs []netip.Addr) ([]byte, error) {
		list := r.names.all(addrs)
		for i := range list {
			list[i].ttl = 0
		}
		return message(0, nil, false, list, nil)
	})
}

// answer answers the questions of a message.
func (r *responder) answer(p packet) {
	var m dnsmessage.Message
	addrs := r.at(p.ifIndex)
	if m.Unpack(p.data) != nil || m.Response || len(addrs) == 0 {
		return
	}
	for _, q := range m.Questions {
		fit, extra := r.names.answers(q, addrs)
		fit = slices.DeleteFunc(fit, func(a record) bool { return known(a, m.Answers) })
		if len(fit) == 0 {
			continue
		}
		legacy := p.from.Port() != mdnsPort
		var to net.Addr // everybody: they all may want to know
		if legacy {
			to = net.UDPAddrFromAddrPort(p.from)
		}
		b, err := message(m.ID, &q, legacy, fit, extra)
		if err == nil {
			err = r.sock.send(b, p.ifIndex, to)
		}
		if err != nil {
			r.cfg.Logger.Debug("answering a question about the hub", "err", err)
		}
	}
}
