// Package authority is the hub's own certificate authority. A phone or a device
// that was given its root knows the hub by it, whatever address the hub gets,
// and nobody on the way can read along.
//
// Who trusts a root of their own must not have to trust it with the rest of the
// world. So the root signs two authorities when it is made and its key is
// forgotten in the same breath; what those two may sign is limited by name
// constraints to the names and addresses of a house (RFC 5280, 4.2.1.10), and
// by their purpose to servers. A thief of the card can imitate this house, no
// bank. One of the two signs what browsers see; its constraints are critical.
// The other signs for devices, whose libraries (Mbed TLS) can not even read a
// certificate with critical constraints: there, they are not.
//
// Package authority imports the standard library alone.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// Config is what an Authority is made of. Path is needed.
type Config struct {
	Path   string       // the file with the keys
	Logger *slog.Logger // nil: nothing is logged
	// Names gives the names and addresses that the hub goes by at the moment;
	// those outside of the house are left out. nil: only the address that a
	// connection came to.
	Names func() []string
	// Now is the time, by which certificates for pages are dated; nil is the
	// machine's. It is taken for no earlier than Floor: a Pi has no clock and
	// begins in 1970.
	Now   func() time.Time
	Floor time.Time
	// Condition is told when the file can not be used, and nil when it can
	// again; may be nil. It must not call back.
	Condition func(err error)
	// Replaced is told that the file holds another authority than before; may
	// be nil. It must not call back.
	Replaced func(Root)
}

// Authority signs the hub's own certificates. A file that is put back or
// replaced while it runs counts from the next connection on. It is safe for
// concurrent use.
type Authority struct {
	cfg Config

	mu      sync.Mutex
	info    fs.FileInfo // of the file that was read last
	chain   *chain      // the last good one, nil: none yet
	err     error       // what is wrong with the file that was read last
	pages   leaf
	devices leaf
}

// leaf is a server's certificate and what it was issued for.
type leaf struct {
	of    *chain
	names []string
	at    time.Time
	cert  *tls.Certificate
}

// A page's certificate is dated by the clock. Browsers refuse more than 825
// days (Apple, support article 103769) and like 397; some of them lie in the
// past, for the phone whose clock is behind or the hub whose clock was ahead.
// It is new long before it ends, and after every start.
const (
	pagesBefore = 30 * 24 * time.Hour
	pagesAfter  = 367 * 24 * time.Hour
	pagesRenew  = 90 * 24 * time.Hour
	clockStep   = 24 * time.Hour // a clock set back by more gets another
)

// Open reads the authority, or makes one where there is no file. It never
// fails: what is wrong is told to Condition, and tried again with every
// connection.
func Open(cfg Config) *Authority {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Names == nil {
		cfg.Names = func() []string { return nil }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Condition == nil {
		cfg.Condition = func(error) {}
	}
	if cfg.Replaced == nil {
		cfg.Replaced = func(Root) {}
	}
	a := &Authority{cfg: cfg}
	_, _ = a.Root()
	return a
}

// Root is the certificate that people and devices are given.
func (a *Authority) Root() (Root, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.look(); err != nil {
		return Root{}, err
	}
	return a.chain.rootOf(), nil
}

// look makes a.chain the one in the file; a.mu is held. A file that was
// damaged or removed under a running hub changes nothing for whoever trusts
// the one that was in it.
func (a *Authority) look() error {
	info, err := os.Stat(a.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if a.chain != nil {
			return nil
		}
		if err = Renew(a.cfg.Path); err == nil {
			a.cfg.Logger.Info("made the hub's certificate authority", "file", a.cfg.Path)
			info, err = os.Stat(a.cfg.Path)
		}
	}
	if err == nil && a.info != nil && os.SameFile(info, a.info) && info.ModTime().Equal(a.info.ModTime()) && info.Size() == a.info.Size() {
		return a.usable()
	}
	var c *chain
	if err == nil {
		a.info = info
		c, err = read(a.cfg.Path)
	}
	if (err == nil) != (a.err == nil) {
		a.cfg.Condition(err)
	}
	a.err = err
	if err == nil {
		if a.chain != nil && !a.chain.root.Equal(c.root) {
			a.cfg.Logger.Warn("the hub's certificate authority is another one", "name", c.rootOf().Name)
			a.cfg.Replaced(c.rootOf())
		}
		a.chain = c
	}
	return a.usable()
}

func (a *Authority) usable() error {
	if a.chain == nil {
		return a.err
	}
	return nil
}

// Pages is how pages are served to browsers, over HTTP/2 and HTTP/1.1.
func (a *Authority) Pages() *tls.Config {
	cfg := a.config(func(names []string) (*tls.Certificate, error) {
		now := a.now()
		age := now.Sub(a.pages.at)
		if a.pages.fits(a.chain, names) && age > -clockStep && age < pagesRenew {
			return a.pages.cert, nil
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // of no use to a thief after the restart
		if err != nil {
			return nil, err
		}
		cert, err := a.chain.pages.issue(names, key, now.Add(-pagesBefore), now.Add(pagesAfter))
		a.pages = leaf{a.chain, names, now, cert}
		return cert, err
	})
	cfg.NextProtos = []string{"h2", "http/1.1"}
	return cfg
}

func (a *Authority) now() time.Time {
	if now := a.cfg.Now(); now.After(a.cfg.Floor) {
		return now
	}
	return a.cfg.Floor
}

// Devices is how the broker is served to devices. Its certificate holds for
// ever and keeps its key, as some devices remember the fingerprint of that.
func (a *Authority) Devices() *tls.Config {
	return a.config(func(names []string) (*tls.Certificate, error) {
		if a.devices.fits(a.chain, names) {
			return a.devices.cert, nil
		}
		cert, err := a.chain.devices.issue(names, a.chain.server, validFrom, validTo)
		a.devices = leaf{of: a.chain, names: names, cert: cert}
		return cert, err
	})
}

func (l leaf) fits(c *chain, names []string) bool {
	return l.cert != nil && l.of == c && slices.Equal(l.names, names)
}

// config asks for the certificate for the hub's names at every connection; it
// is cheap unless they changed. a.mu is held meanwhile.
func (a *Authority) config(certificate func(names []string) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			names := slices.Clone(a.cfg.Names())
			if hello.Conn != nil {
				if at, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String()); err == nil {
					names = append(names, at.Addr().String())
				}
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if err := a.look(); err != nil {
				return nil, err
			}
			cert, err := certificate(ofTheHouse(names))
			if err != nil {
				return nil, fmt.Errorf("issuing the hub's certificate: %w", err)
			}
			return cert, nil
		},
	}
}
