package mqtt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Authority is the hub's own certificate authority: devices that are given its
// certificate know the hub by it, whatever address it gets. Its keys never
// leave the data folder. It is safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	leaf *ecdsa.PrivateKey // of the server; kept, as some devices remember its fingerprint

	mu     sync.Mutex
	names  []string // of issued
	issued *tls.Certificate
}

// The certificates hold for ever, as far as that can be said: a device without
// a clock is in 1970, and nobody is at home to renew them on it.
var (
	validFrom = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	validTo   = time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
)

// OpenAuthority reads the authority from a file, or makes one and keeps it
// there, for the owner of the process alone. A damaged file is an error and is
// left as it is: devices trust the one that was in it.
func OpenAuthority(path string) (*Authority, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeAuthority(path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the hub's authority: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil { // a copy from a backup may be anybody's to read
		return nil, fmt.Errorf("protecting the hub's authority: %w", err)
	}
	a, err := parseAuthority(text)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): put back the file of a backup, or remove it and give every device the new one", path, err)
	}
	return a, nil
}

// makeAuthority makes keys and certificate, and keeps them before anybody
// sees them.
func makeAuthority(path string) (*Authority, error) {
	a := &Authority{}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if a.leaf, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	mark := make([]byte, 4)
	_, _ = rand.Read(mark) // never fails
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "homehub " + hex.EncodeToString(mark)},
		NotBefore: validFrom, NotAfter: validTo, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	text := a.PEM()
	for _, key := range []*ecdsa.PrivateKey{a.key, a.leaf} {
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, err
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...)
	}
	if err := writeAtomic(path, text); err != nil { // makes files for the owner alone
		return nil, fmt.Errorf("keeping the hub's authority: %w", err)
	}
	return a, nil
}

// parseAuthority reads what makeAuthority wrote: the certificate, its key and
// the server's key.
func parseAuthority(text []byte) (*Authority, error) {
	var blocks []*pem.Block
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block)
	}
	if len(blocks) != 3 {
		return nil, errors.New("it does not hold a certificate and two keys")
	}
	a := &Authority{}
	var err error
	if a.cert, err = x509.ParseCertificate(blocks[0].Bytes); err != nil {
		return nil, err
	}
	if a.key, err = x509.ParseECPrivateKey(blocks[1].Bytes); err != nil {
		return nil, err
	}
	if a.leaf, err = x509.ParseECPrivateKey(blocks[2].Bytes); err != nil {
		return nil, err
	}
	if !a.key.PublicKey.Equal(a.cert.PublicKey) {
		return nil, errors.New("certificate and key do not belong together")
	}
	return a, nil
}

// PEM is the certificate that devices need, without any key.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// TLS is how a server with a certificate of the authority speaks. names gives
// the names and addresses that the hub goes by at the moment; the certificate
// is issued anew whenever they change.
func (a *Authority) TLS(names func() []string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			all := names()
			if hello.Conn != nil {
				if at, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String()); err == nil {
					all = append(slices.Clone(all), at.Addr().Unmap().WithZone("").String())
				}
			}
			return a.certificate(all)
		},
	}
}

// certificate is the server's, for at least these names.
func (a *Authority) certificate(names []string) (*tls.Certificate, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.issued != nil && slices.Equal(a.names, names) {
		return a.issued, nil
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "hub.local"}, NotBefore: validFrom, NotAfter: validTo,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if name != "" && !strings.ContainsAny(name, " :/*") {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.leaf.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("issuing the hub's certificate: %w", err)
	}
	a.names = names
	a.issued = &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: a.leaf}
	return a.issued, nil
}

func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[0] &= 0x7f
	return new(big.Int).SetBytes(bytes.TrimLeft(b, "\x00"))
}

// secured is a TLS connection whose end takes no longer than another's: the
// standard library gives the farewell five seconds.
type secured struct {
	*tls.Conn
}

// Close says goodbye and closes.
func (s secured) Close() error {
	late := time.AfterFunc(closeTimeout, func() { _ = s.NetConn().Close() })
	defer late.Stop()
	return s.Conn.Close()
}
