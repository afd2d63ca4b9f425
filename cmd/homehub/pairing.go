package main

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"homehub/hub"
	"homehub/mqtt"
	"homehub/pairing"
	"homehub/webui"
)

// buildPairing makes the desk at which devices are let in.
func (i *installation) buildPairing() error {
	i.devices = newDeviceDesk(i)
	announce := i.opt.announce
	var err error
	i.desk, err = pairing.New(pairing.Config{
		Clock: i.opt.clock, Logger: i.part("pairing"), Port: i.brokerPort(), Grants: mqtt.Grants,
		Keep: i.devices.keep, Changed: i.pairingChanged, Audit: i.auditPairing,
		Identify: pairing.Identify, Announce: announce,
	})
	return err
}

// brokerPort is where devices reach the broker.
func (i *installation) brokerPort() int {
	at, err := netip.ParseAddrPort(i.broker.Addr().String())
	if err != nil {
		return 0
	}
	return int(at.Port())
}

// auditPairing writes what happened at the desk into the audit log.
func (i *installation) auditPairing(e pairing.Event) {
	who := e.Who
	if who == "" {
		who = "device"
	}
	if e.What == pairing.Asked {
		i.notices.Tell(hub.Notice{Kind: hub.NoticePairing, About: e.Addr.String()})
	}
	values := []string{}
	if e.Addr.IsValid() {
		values = append(values, e.Addr.String())
	}
	if e.Device != "" {
		values = append(values, e.Device)
	}
	i.audit(who, "pairing."+string(e.What), values...)
}

func (i *installation) audit(who, what string, values ...string) {
	if err := i.store.Audit(who, what, values...); err != nil {
		i.logger.Warn("writing the audit log", "err", err)
	}
}

// auditLines is the audit log for the pages.
func (i *installation) auditLines() (lines []webui.AuditLine) {
	for _, e := range i.store.AuditLog() {
		lines = append(lines, webui.AuditLine{At: e.At, Who: e.Who, What: e.What, Values: e.Values})
	}
	return lines
}

// front is what the web address answers: devices that ask to be let in before
// the pages and their guard, as old firmware calls the hub by whatever it was
// told.
func (i *installation) front() http.Handler {
	pages := i.pages.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pairing.RequestPath {
			i.desk.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// pairDesk is the desk as the pages see it.
type pairDesk struct {
	*pairing.Desk
	clock   hub.Clock
	devices *deviceDesk
}

// State is the desk's, in the house's time: the desk waits for people and
// devices, so it lives in the machine's.
func (d pairDesk) State() webui.PairingState {
	s := d.Desk.State()
	house := func(at time.Time) time.Time {
		if at.IsZero() {
			return at
		}
		return d.clock.Now().Add(d.clock.House(time.Until(at)))
	}
	out := webui.PairingState{Phase: string(s.Phase), Until: house(s.Until), Device: s.Device, Reason: s.Reason}
	for _, r := range s.Requests {
		out.Requests = append(out.Requests, webui.PairingRequest{
			Addr: r.Addr, MAC: r.MAC, Vendor: r.Vendor, Kind: r.Kind, Role: pairing.RoleOf(r.Kind), First: house(r.First),
		})
	}
	return out
}

// SetOpen opens or closes the window.
func (d pairDesk) SetOpen(who string, open bool) {
	if open {
		d.Open(who)
		return
	}
	d.Cancel(who)
}

// Allow lets a device in, if what it shall become can be kept.
func (d pairDesk) Allow(who string, addr netip.Addr, device hub.Device) error {
	if err := d.devices.checkLogIn(device); err != nil {
		return err
	}
	return d.Desk.Allow(who, addr, device)
}

// setupDesk sets up devices that do not ask.
type setupDesk struct{ i *installation }

// Nearby is who announced itself.
func (d setupDesk) Nearby() webui.Nearby {
	return webui.Nearby{Found: d.i.broker.Found(), Seen: d.i.seen.besides(d.i.hub.Snapshot().Devices)}
}

// Configure writes a log-in into a device that has a page of its own.
func (d setupDesk) Configure(ctx context.Context, who string, o webui.SetupOrder) (string, error) {
	at, err := pairing.ParseTarget(o.Addr)
	if err != nil {
		return "", err
	}
	p, err := pairing.Probe(ctx, at, o.Password)
	if err != nil {
		return "", err
	}
	name := o.Name
	if name == "" {
		name = p.Name
	}
	device, err := hub.Device{ID: o.ID(name), Name: name, Family: p.Family, Role: p.Role, Topic: p.Topic, Mode: hub.ModeAuto}.Validate()
	if err != nil {
		return "", err
	}
	if err := d.i.devices.checkLogIn(device); err != nil {
		return "", err
	}
	return device.ID, d.i.desk.Provision(ctx, who, p, device, o.Password, d.i.devices.drop)
}

// Adopt makes a device of one that is on the broker already, with the log-in
// that it has.
func (d setupDesk) Adopt(_, _ string, device hub.Device) error { return d.i.devices.PutDevice(device) }
