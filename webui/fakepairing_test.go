package webui_test

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// fakePairing is a desk at which a test can do everything.
type fakePairing struct {
	house   *house
	mu      sync.Mutex
	phase   string
	asks    []webui.PairingRequest
	device  hub.Device
	reason  string
	allowed []string
}

func (p *fakePairing) State() webui.PairingState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := webui.PairingState{Phase: p.phase, Requests: slices.Clone(p.asks), Device: p.device.ID, Reason: p.reason}
	if p.phase == "open" {
		s.Until = p.house.now.Add(2 * time.Minute)
	}
	return s
}

func (p *fakePairing) SetOpen(who string, open bool) {
	p.set(func() {
		p.phase, p.asks, p.device = map[bool]string{true: "open", false: "closed"}[open], nil, hub.Device{}
		p.allowed = append(p.allowed, who+" "+p.phase)
	})
}

func (p *fakePairing) Allow(who string, addr netip.Addr, d hub.Device) error {
	p.mu.Lock()
	known := p.phase == "open" && slices.ContainsFunc(p.asks, func(r webui.PairingRequest) bool { return r.Addr == addr })
	p.mu.Unlock()
	if !known {
		return hub.Errorf(hub.Conflict, "the pairing window is not open: open it again")
	}
	p.set(func() {
		p.phase, p.device = "allowed", d
		p.allowed = append(p.allowed, who+" allows "+addr.String()+" as "+d.ID+" "+d.Name+" "+d.Topic+" "+string(d.Role))
	})
	return nil
}

// set changes the state and tells the pages.
func (p *fakePairing) set(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	p.house.server.PairingChanged()
}

func (p *fakePairing) log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.allowed)
}

// ask lets a plug ask.
func (p *fakePairing) ask(kind string) {
	p.set(func() {
		p.asks = []webui.PairingRequest{{
			Addr: netip.MustParseAddr("192.168.1.71"), MAC: "5c:cf:7f:12:34:56", Vendor: "Espressif", Kind: kind, Role: hub.RolePlug, First: p.house.now,
		}}
	})
}

// fakeSetup has found a Tasmota, and seen a Shelly that has a password.
type fakeSetup struct{ house *house }

func (f *fakeSetup) Nearby() webui.Nearby {
	return webui.Nearby{
		Found: []hub.Found{{
			Key: "tasmota/A4CF12345678", Name: "Fridge", Model: "Nous A1T", Family: hub.FamilyTasmota, Role: hub.RolePlug, Topic: "tasmota_345678",
			Client: "zigbee", Can: []hub.Ability{hub.CanSwitch, hub.CanPower, hub.CanEnergy, hub.CanEnd}, Since: f.house.now.UTC(),
		}},
		Seen: []webui.Seen{{Name: "shellyplus1pm-a8032ab12345", Addr: netip.MustParseAddrPort("192.168.1.50:80"), Kind: "shelly"}},
	}
}

func (f *fakeSetup) Configure(_ context.Context, _ string, o webui.SetupOrder) (string, error) {
	if o.Password != "secret" {
		return "", &hub.Error{Code: hub.Invalid, Field: "password", Message: "of the device at " + o.Addr + " is missing or wrong: it is the one of its own page"}
	}
	d := hub.Device{ID: o.ID("Shelly"), Name: "Shelly", Family: hub.FamilyShelly2, Role: hub.RolePlug, Topic: "shellyplus1pm-a8032ab12345"}
	return d.ID, f.house.hub.PutDevice(d)
}

func (f *fakeSetup) Adopt(_, _ string, d hub.Device) error { return f.house.hub.PutDevice(d) }
