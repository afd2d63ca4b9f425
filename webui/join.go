package webui

import (
	"context"
	"net/netip"
	"time"

	"homehub/hub"
)

// Pairing lets new devices in, one at a time (package pairing has the rules).
type Pairing interface {
	State() PairingState
	// SetOpen opens or closes the window in which devices may ask. who goes to
	// the audit log.
	SetOpen(who string, open bool)
	// Allow lets the device that asked from addr fetch the log-in of d.
	Allow(who string, addr netip.Addr, d hub.Device) error
}

// Setup sets up devices that do not ask: those with a page of their own, and
// those that announce themselves at the broker.
type Setup interface {
	Nearby() Nearby
	// Configure writes the hub's address and a log-in of its own into the
	// device of o, and makes it the device with the given id.
	Configure(ctx context.Context, who string, o SetupOrder) (id string, err error)
	// Adopt makes the device d of a found one.
	Adopt(who, key string, d hub.Device) error
}

// The phases of a pairing that pages tell apart, as package pairing names them.
const (
	phaseClosed    = "closed"
	phaseOpen      = "open"
	phaseConnected = "connected"
	phaseFailed    = "failed"
)

// PairingState is how far a pairing has come.
type PairingState struct {
	Phase    string           `json:"phase"`          // closed, open, allowed, granted, connected or failed
	Until    time.Time        `json:"until,omitzero"` // when the phase ends by itself
	Requests []PairingRequest `json:"requests"`
	Device   string           `json:"device,omitempty"` // id of the device that is let in
	Reason   string           `json:"reason,omitempty"` // why it failed, and what to do
}

// PairingRequest is a device that asks to be let in.
type PairingRequest struct {
	Addr   netip.Addr `json:"addr"`
	MAC    string     `json:"mac,omitempty"`
	Vendor string     `json:"vendor,omitempty"`
	Kind   string     `json:"kind,omitempty"` // what it says it is
	Role   hub.Role   `json:"role"`           // what that is for the house
	First  time.Time  `json:"first"`
}

// Nearby is who could be let in.
type Nearby struct {
	Found []hub.Found `json:"found"` // announced themselves at the broker
	Seen  []Seen      `json:"seen"`  // were seen in the network, with a page of their own
}

// Seen is a device that says by mDNS where its page is.
type Seen struct {
	Name string         `json:"name"`
	Addr netip.AddrPort `json:"addr"`
	Kind string         `json:"kind"` // its service, such as shelly or openevse
}

// SetupOrder is a device to set up over HTTP.
type SetupOrder struct {
	Addr     string // as somebody typed it
	Password string // of the device's own page; used and not kept
	Name     string // "" takes the device's own
	ID       func(name string) string
}

// NetName is what the hub is called in the network.
type NetName struct {
	Host    string // hub.local, or hub-2.local where another has that name
	Problem string // why it is not hub.local, or has no name at all; "" if all is well
	Addrs   []netip.Addr
}

// PairingChanged tells the open pages of those who may let devices in.
func (s *Server) PairingChanged() {
	s.pairingSeq.Add(1)
	s.streams.wakeAll()
}
