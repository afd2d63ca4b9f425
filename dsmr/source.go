package dsmr

import (
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"homehub/hub"
)

// The kinds of a Source.
const (
	Serial = "serial" // a cable: a device path
	TCP    = "tcp"    // a gateway that passes on the port's bytes: host or host:port
	HTTP   = "http"   // a gateway that is asked for the last telegram: a URL
	Replay = "replay" // a file of telegrams
)

// gatewayPort is where meter gateways listen (ser2net's default is free, that
// of ready-made ones is 23).
const gatewayPort = "23"

// Source says where telegrams come from.
type Source struct {
	Kind    string
	Address string
	// Baud is the speed of a serial port: 9600 means 7E1 as in DSMR 2, any
	// other 8N1. 0 tries 115200 and 9600 in turn.
	Baud int
	// Token is sent as the bearer token of an HTTP source, if set.
	Token string
	// Insecure accepts any certificate of an HTTPS source. Gateways on the LAN
	// sign their own.
	Insecure bool
	// Every is the time between two requests of an HTTP source; 1 s if 0.
	Every time.Duration
	// Speed is how many times faster than the meter a replay runs; 0 is as
	// fast as possible.
	Speed int
}

// Validate says what is wrong with a source, or nil.
func (s Source) Validate() error {
	if s.Address == "" {
		return hub.FieldErrorf("address", "must not be empty")
	}
	switch s.Kind {
	case Serial:
		if s.Baud < 0 || s.Baud > 4_000_000 {
			return hub.FieldErrorf("baud", "must be a speed such as 115200, or left out")
		}
	case TCP, Replay:
	case HTTP:
		u, err := url.Parse(s.Address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return hub.FieldErrorf("address", "must be a URL such as http://192.168.1.20/api/v1/telegram")
		}
	default:
		return hub.FieldErrorf("kind", "%q is not one of serial, tcp, http, replay", s.Kind)
	}
	if s.Speed < 0 {
		return hub.FieldErrorf("speed", "must not be negative")
	}
	return nil
}

// port is an open source. Interrupt makes a Read that hangs return an error,
// now and ever after; it may be called from anywhere.
type port interface {
	io.ReadCloser
	Interrupt()
}

// open opens the source with the given line settings.
func (s Source) open(ctx context.Context, l line) (port, error) {
	switch s.Kind {
	case Serial:
		return openSerial(s.Address, l)
	case TCP:
		return openTCP(ctx, s.Address)
	case HTTP:
		return openHTTP(ctx, s), nil
	}
	f, err := os.Open(s.Address)
	if err != nil {
		return nil, err
	}
	return closable{f}, nil
}

// closable is a port whose Close can be called while a Read hangs.
type closable struct{ io.ReadCloser }

func (c closable) Interrupt() { _ = c.Close() }

type tcpPort struct{ net.Conn }

// Interrupt makes reads fail at once.
func (p tcpPort) Interrupt() { _ = p.SetReadDeadline(time.Unix(1, 0)) }

func openTCP(ctx context.Context, address string) (port, error) {
	address = strings.TrimPrefix(address, "tcp://")
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), gatewayPort)
	}
	d := net.Dialer{
		Timeout: 5 * time.Second,
		// A gateway that lost its power says nothing: ask.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return tcpPort{conn}, nil
}
