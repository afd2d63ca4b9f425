package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"homehub/hub"
	"homehub/mdns"
	"homehub/pairing"
	"homehub/webui"
)

// netName is what the hub is called in the network.
type netName struct {
	mu    sync.Mutex
	state mdns.State
}

func (n *netName) set(s mdns.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state = s
}

// NetName is it, for the pages.
func (n *netName) NetName() webui.NetName {
	n.mu.Lock()
	defer n.mu.Unlock()
	return webui.NetName{Host: n.state.Host, Problem: n.state.Problem, Addrs: slices.Clone(n.state.Addrs)}
}

// beKnown makes the hub known as hub.local, where its pages can be reached from
// other machines at all.
func (i *installation) beKnown(ctx context.Context) error {
	port := portOf(i.web.Addr())
	if i.cfg.Web.Name == "" || port == 0 {
		return nil
	}
	return mdns.Respond(ctx, mdns.Config{
		Logger: i.part("network"), Name: i.cfg.Web.Name,
		Services: []mdns.Service{
			{Type: "_http._tcp", Port: port, Text: map[string]string{"path": "/"}},
			{Type: "_mqtt._tcp", Port: i.brokerPort()},
		},
		Changed: func(s mdns.State) {
			i.netName.set(s)
			if s.Problem != "" {
				i.health.Set("network", hub.Degraded, s.Problem)
				return
			}
			i.health.Set("network", hub.OK, "")
		},
	})
}

// portOf is the port of an address that other machines reach, else 0.
func portOf(a net.Addr) int {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil || at.Addr().IsLoopback() {
		return 0
	}
	return int(at.Port())
}

// portAt is the port of an address, 0 if it has none.
func portAt(a net.Addr) int {
	at, _ := netip.ParseAddrPort(a.String())
	return int(at.Port())
}

// maxSeen bounds what is kept of a network full of devices.
const maxSeen = 32

// seenList is what was seen in the network while a window was open.
type seenList struct {
	mu   sync.Mutex
	list []webui.Seen
}

// add notes a device, and says whether that is news.
func (l *seenList) add(s webui.Seen) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.list, func(o webui.Seen) bool { return o.Name == s.Name }); i >= 0 {
		changed := l.list[i] != s
		l.list[i] = s
		return changed
	}
	if len(l.list) >= maxSeen {
		return false
	}
	l.list = append(l.list, s)
	return true
}

// besides are those that are none of the devices.
func (l *seenList) besides(devices []hub.DeviceState) (list []webui.Seen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.list {
		taken := slices.ContainsFunc(devices, func(d hub.DeviceState) bool {
			return strings.EqualFold(d.Topic[strings.LastIndexByte(d.Topic, '/')+1:], s.Name)
		})
		if !taken {
			list = append(list, s)
		}
	}
	return list
}

// lookedFor are the services of devices that can be set up over HTTP. Those
// without one of their own say _http._tcp, as printers do: their names tell.
var (
	lookedFor = []string{"_shelly._tcp", "_openevse._tcp", "_emonesp._tcp", "_http._tcp"}
	ownNames  = []string{"shelly", "tasmota", "openevse"}
)

// seenAs is an instance as the pages show it, false if it is none to set up.
func seenAs(i mdns.Instance) (webui.Seen, bool) {
	s := webui.Seen{Name: i.Name, Addr: i.Addr, Kind: strings.TrimSuffix(strings.TrimPrefix(i.Type, "_"), "._tcp")}
	if name, err := hub.CleanName("name", s.Name); err != nil || name != s.Name {
		return s, false
	}
	if i.Type != "_http._tcp" {
		return s, true
	}
	for _, own := range ownNames {
		if strings.HasPrefix(strings.ToLower(i.Name), own) {
			s.Kind = own
			return s, true
		}
	}
	return s, false
}

// lookAround looks for devices in the network while the window is open, and
// only then, until ctx ends.
func (i *installation) lookAround(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-i.pairingWake:
		}
		if i.desk.State().Phase != pairing.Open {
			continue
		}
		look, stop := context.WithTimeout(ctx, lookTime)
		err := mdns.Browse(look, lookedFor, func(in mdns.Instance) {
			if s, ok := seenAs(in); ok && i.seen.add(s) {
				i.pages.PairingChanged()
			}
		})
		stop()
		if err != nil {
			i.logger.Warn("looking for devices", "err", err)
		}
	}
}

// lookTime is how long one opening of the window looks around.
const lookTime = 30 * time.Second

// foundChanged tells the pages that another device announced itself, or none
// does any more.
func (i *installation) foundChanged() {
	if i.pages != nil { // the broker recalls what it kept before there are pages
		i.pages.PairingChanged()
	}
}

// pairingChanged tells the pages, and whoever looks around.
func (i *installation) pairingChanged() {
	i.pages.PairingChanged()
	select {
	case i.pairingWake <- struct{}{}:
	default:
	}
}
