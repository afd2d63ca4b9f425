package mdns

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Instance is a service that something in the house offers.
type Instance struct {
	Type string // such as _shelly._tcp
	Name string // of the instance, without its type
	Addr netip.AddrPort
	Text map[string]string
}

const (
	browseEvery  = 5 * time.Second
	maxInstances = 64  // of all types; a house has fewer
	maxHosts     = 256 // whose addresses are remembered meanwhile
)

// Browse looks for services of some types until ctx ends, and tells found of
// each that it has whole, once, and again where it moved.
func Browse(ctx context.Context, types []string, found func(Instance)) error {
	on, err := links()
	if err != nil {
		return err
	}
	sock, err := openSocket(ctx, on)
	if err != nil {
		return err
	}
	in := make(chan packet, 64)
	go sock.listen(in)
	defer func() {
		sock.conn.Close()
		for range in { // so that listen ends
		}
	}()
	b := &browser{types: types, found: found, hosts: map[string]netip.Addr{}, list: map[string]*sighting{}}
	question, err := b.question()
	if err != nil {
		return err
	}
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
			for _, l := range on {
				_ = sock.send(question, l.iface.Index, nil) // a link that went away says so nowhere else
			}
			next.Reset(browseEvery)
		case p := <-in:
			b.hear(p.data)
		}
	}
}

// browser puts instances together from what is said.
type browser struct {
	types []string
	found func(Instance)
	hosts map[string]netip.Addr
	list  map[string]*sighting // by full name
}

// sighting is an instance as far as known.
type sighting struct {
	Instance
	host string
	port uint16
	told netip.AddrPort
}

func (b *browser) question() ([]byte, error) {
	var m dnsmessage.Message
	for _, t := range b.types {
		m.Questions = append(m.Questions, dnsmessage.Question{Name: mustName(t + ".local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET})
	}
	return m.Pack()
}

// hear takes in an answer, whose parts come in any order and may be spread over
// messages.
func (b *browser) hear(data []byte) {
	var m dnsmessage.Message
	if m.Unpack(data) != nil || !m.Response {
		return
	}
	for _, r := range append(m.Answers, m.Additionals...) {
		name := strings.ToLower(r.Header.Name.String())
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			if len(b.hosts) < maxHosts {
				b.hosts[name] = netip.AddrFrom4(body.A)
			}
		case *dnsmessage.SRVResource:
			if s := b.sighting(r.Header.Name.String()); s != nil {
				s.host, s.port = strings.ToLower(body.Target.String()), body.Port
			}
		case *dnsmessage.TXTResource:
			if s := b.sighting(r.Header.Name.String()); s != nil {
				s.Text = textOf(body.TXT)
			}
		}
	}
	for _, s := range b.list {
		addr, ok := b.hosts[s.host]
		if at := netip.AddrPortFrom(addr, s.port); ok && s.port != 0 && at != s.told {
			s.Addr, s.told = at, at
			b.found(s.Instance)
		}
	}
}

// sighting is the instance of a full name, nil if it is of no type that is
// looked for.
func (b *browser) sighting(full string) *sighting {
	key := strings.ToLower(full)
	if s := b.list[key]; s != nil {
		return s
	}
	i := slices.IndexFunc(b.types, func(t string) bool { return strings.HasSuffix(key, "."+strings.ToLower(t)+".local.") })
	if i < 0 || len(b.list) >= maxInstances {
		return nil
	}
	s := &sighting{Instance: Instance{Type: b.types[i], Name: full[:len(full)-len("."+b.types[i]+".local.")]}}
	b.list[key] = s
	return s
}

func textOf(list []string) map[string]string {
	text := map[string]string{}
	for _, entry := range list {
		if key, value, ok := strings.Cut(entry, "="); ok && key != "" && len(text) < 32 {
			text[strings.ToLower(key)] = value
		}
	}
	return text
}
