package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

// chain is all that the file holds: the root without its key, which nobody has
// any more, the two authorities that it signed, and the broker's key.
type chain struct {
	root           *x509.Certificate
	pages, devices issuer
	server         *ecdsa.PrivateKey
}

// issuer signs certificates of servers.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Authorities, and what devices are shown, hold for ever, as far as that can
// be said: a device without a clock is in 1970, a hub that makes its keys
// before its clock is set may be, and nobody is at home to renew anything.
var (
	validFrom = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	validTo   = time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
)

// newChain makes all keys. That of the root does not outlive the call.
func newChain() (*chain, error) {
	mark := make([]byte, 4)
	_, _ = rand.Read(mark) // never fails since Go 1.24
	name := "homehub " + hex.EncodeToString(mark)
	rootKey, err := newKey()
	if err != nil {
		return nil, err
	}
	template := authorityTemplate(name)
	template.MaxPathLen = 1
	c := &chain{}
	if c.root, err = sign(template, template, rootKey, rootKey); err != nil {
		return nil, err
	}
	for _, to := range []struct {
		issuer   *issuer
		name     string
		critical bool
	}{{&c.pages, name + " pages", true}, {&c.devices, name + " devices", false}} {
		if to.issuer.key, err = newKey(); err != nil {
			return nil, err
		}
		template := authorityTemplate(to.name)
		template.MaxPathLenZero = true
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.PermittedDNSDomainsCritical = to.critical
		if to.issuer.cert, err = sign(template, c.root, to.issuer.key, rootKey); err != nil {
			return nil, err
		}
	}
	c.server, err = newKey()
	return c, err
}

// authorityTemplate is for an authority for the names of a house.
func authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: validFrom, NotAfter: validTo,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomains: houseDomains, PermittedIPRanges: ipNets(),
	}
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func sign(template, parent *x509.Certificate, of, by *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, of.Public(), by)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[0] = b[0]&0x7f | 1 // positive and not zero (RFC 5280, 4.1.2.2)
	return new(big.Int).SetBytes(b)
}

// issue makes a server's certificate for names of the house.
func (i issuer) issue(names []string, key *ecdsa.PrivateKey, from, to time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "homehub"}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert, err := sign(template, i.cert, key, i.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw, i.cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// The blocks of the file.
const (
	certBlock = "CERTIFICATE"
	keyBlock  = "EC PRIVATE KEY"
)

// marshal is the file: three certificates, then three keys.
func (c *chain) marshal() ([]byte, error) {
	var text []byte
	for _, cert := range []*x509.Certificate{c.root, c.pages.cert, c.devices.cert} {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: certBlock, Bytes: cert.Raw})...)
	}
	for _, key := range []*ecdsa.PrivateKey{c.pages.key, c.devices.key, c.server} {
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, err
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der})...)
	}
	return text, nil
}

// parse reads what marshal wrote, and believes nothing of it.
func parse(text []byte) (*chain, error) {
	var certs []*x509.Certificate
	var keys []*ecdsa.PrivateKey
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case certBlock:
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			certs = append(certs, cert)
		case keyBlock:
			key, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				return nil, errors.New("a key can not be read") // not a word of the key itself
			}
			keys = append(keys, key)
		}
	}
	if len(certs) != 3 || len(keys) != 3 {
		return nil, fmt.Errorf("it holds %d certificates and %d keys instead of three of each", len(certs), len(keys))
	}
	c := &chain{root: certs[0], pages: issuer{certs[1], keys[0]}, devices: issuer{certs[2], keys[1]}, server: keys[2]}
	for _, i := range []issuer{c.pages, c.devices} {
		if !i.key.PublicKey.Equal(i.cert.PublicKey) {
			return nil, errors.New("a certificate and its key do not belong together")
		}
		if err := i.cert.CheckSignatureFrom(c.root); err != nil {
			return nil, errors.New("its certificates do not belong together")
		}
	}
	return c, nil
}

// Root is the certificate that people and devices are given. It is no secret.
type Root struct {
	Name     string    // as it is listed on a phone
	From, To time.Time // when it holds
	// Names are what certificates may be for: domains with all below them, and
	// ranges of addresses.
	Names []string
	DER   []byte
}

func (c *chain) rootOf() Root {
	r := Root{Name: c.root.Subject.CommonName, From: c.root.NotBefore, To: c.root.NotAfter, DER: c.root.Raw}
	r.Names = slices.Clone(c.pages.cert.PermittedDNSDomains)
	for _, n := range c.pages.cert.PermittedIPRanges {
		r.Names = append(r.Names, n.String())
	}
	return r
}

// PEM is the certificate as devices want it.
func (r Root) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certBlock, Bytes: r.DER})
}

// Fingerprint is the SHA-256 of the certificate as phones and browsers show
// it, in eight groups of four bytes.
func (r Root) Fingerprint() string {
	sum := sha256.Sum256(r.DER)
	var groups []string
	for g := range slices.Chunk(sum[:], 4) {
		groups = append(groups, fmt.Sprintf("%02X:%02X:%02X:%02X", g[0], g[1], g[2], g[3]))
	}
	return strings.Join(groups, " ")
}
