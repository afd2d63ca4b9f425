package authority

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fixture is an authority with a clock and names that a test sets.
type fixture struct {
	*Authority
	t     *testing.T
	path  string
	mu    sync.Mutex
	now   time.Time
	floor time.Time
	names []string
	told  []error // by Condition
	other int     // how often Replaced was told
}

// inTheHouse are names as a hub in a house goes by.
var inTheHouse = []string{"hub.local", "localhost", "192.168.1.20", "fe80::1%eth0", "fd00::20"}

func open(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "authority.pem"), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), names: inTheHouse}
	f.reopen()
	return f
}

func (f *fixture) reopen() {
	f.Authority = Open(Config{
		Path: f.path, Condition: func(err error) { f.told = append(f.told, err) }, Replaced: func(Root) { f.other++ },
		Names: func() []string { f.mu.Lock(); defer f.mu.Unlock(); return f.names },
		Now:   func() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.now },
		Floor: f.floor,
	})
}

func (f *fixture) root() Root {
	f.t.Helper()
	r, err := f.Root()
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// trust is what a phone or a device does that was given the root, and it
// alone.
func trust(t *testing.T, r Root) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(r.PEM()) {
		t.Fatal("the root can not be read")
	}
	return pool
}

// shake shakes hands over TCP with a server, as a client whose clock shows now
// and who calls it by name, and returns the server's certificate.
func shake(t *testing.T, server *tls.Config, pool *x509.CertPool, name string, now time.Time) (*x509.Certificate, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if c, err := l.Accept(); err == nil {
			_ = tls.Server(c, server).Handshake()
			c.Close()
		}
	})
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{MinVersion: tls.VersionTLS10, RootCAs: pool, ServerName: name, Time: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

func (f *fixture) page() *x509.Certificate   { return f.shown(f.Pages()) }
func (f *fixture) device() *x509.Certificate { return f.shown(f.Devices()) }

func (f *fixture) shown(server *tls.Config) *x509.Certificate {
	f.t.Helper()
	cert, err := shake(f.t, server, trust(f.t, f.root()), "localhost", f.now)
	if err != nil {
		f.t.Fatal(err)
	}
	return cert
}

func TestMadeOnceForTheOwnerAlone(t *testing.T) {
	f := open(t)
	first, key := f.root(), f.device().RawSubjectPublicKeyInfo
	if err := os.Chmod(f.path, 0o644); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	if !bytes.Equal(first.DER, f.root().DER) {
		t.Error("it is another one after a restart")
	}
	if !bytes.Equal(key, f.device().RawSubjectPublicKeyInfo) {
		t.Error("devices that remember the fingerprint of the broker's key do not know it any more")
	}
	if info, err := os.Stat(f.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if block, rest := pem.Decode(first.PEM()); block.Type != "CERTIFICATE" || len(rest) > 0 {
		t.Error("what is given away holds more than the certificate")
	}
	if read, err := ReadRoot(f.path); err != nil || read.Fingerprint() != first.Fingerprint() || len(read.Names) != 12 {
		t.Errorf("ReadRoot: %v %v", read, err)
	}
	if len(f.told) > 0 {
		t.Errorf("told %v", f.told)
	}
	other := open(t)
	if other.root().Name == first.Name {
		t.Error("two hubs' authorities have one name")
	}
}

// The root signed two authorities, and nobody can ever sign with it again.
func TestTheRootsKeyIsGone(t *testing.T) {
	f := open(t)
	text, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(f.root().DER)
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != keyBlock {
			continue
		}
		key, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if key.PublicKey.Equal(root.PublicKey) {
			t.Error("the root's key is on the card")
		}
	}
	pages, devices := f.chain.pages.cert, f.chain.devices.cert
	if !pages.PermittedDNSDomainsCritical || devices.PermittedDNSDomainsCritical || root.PermittedDNSDomainsCritical {
		t.Error("constraints must be critical for browsers, and must not be for devices, whose libraries could not read them")
	}
	for _, c := range []*x509.Certificate{pages, devices} {
		if !c.MaxPathLenZero || c.MaxPathLen != 0 || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
			t.Errorf("%s: path length %d, for %v", c.Subject.CommonName, c.MaxPathLen, c.ExtKeyUsage)
		}
	}
}

func TestShakingHands(t *testing.T) {
	f := open(t)
	pool := trust(t, f.root())
	for kind, server := range map[string]*tls.Config{"pages": f.Pages(), "devices": f.Devices()} {
		for _, name := range []string{"hub.local", "localhost", "192.168.1.20", "fe80::1", "fd00::20", "127.0.0.1"} {
			if _, err := shake(t, server, pool, name, f.now); err != nil {
				t.Errorf("%s as %s: %v", kind, name, err)
			}
		}
		for _, name := range []string{"evil.example", "other.local", "192.168.1.21"} {
			if _, err := shake(t, server, pool, name, f.now); err == nil {
				t.Errorf("%s are good for %s", kind, name)
			}
		}
		if _, err := shake(t, server, x509.NewCertPool(), "hub.local", f.now); err == nil {
			t.Errorf("%s are trusted without the root", kind)
		}
		old := server.Clone()
		old.MaxVersion = tls.VersionTLS11
		if _, err := shake(t, old, pool, "hub.local", f.now); err == nil {
			t.Errorf("%s speak TLS 1.1", kind)
		}
	}
}

// evil are names that a thief of the card would like to have signed.
var evil = []string{"bank.example", "example.com", "local.example", "notlocal", "8.8.8.8", "2001:db8::1", "172.32.0.1"}

// A thief of the card has the keys of both authorities. What they sign for
// others than the house is refused by whoever trusts the root.
func TestThiefOfTheCard(t *testing.T) {
	f := open(t)
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	pool := trust(t, f.root())
	for _, i := range []issuer{f.chain.pages, f.chain.devices} {
		for _, names := range [][]string{{"hub.local"}, {"nas.home.arpa", "10.1.2.3"}} { // or the rest of the test shows nothing
			cert, err := i.issue(names, key, f.now, f.now.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(cert, pool, names[0], f.now); err != nil {
				t.Errorf("%s for %v: %v", i.cert.Subject.CommonName, names, err)
			}
		}
		for _, name := range evil {
			for _, names := range [][]string{{name}, {"hub.local", name}} {
				cert, err := i.issue(names, key, f.now, f.now.Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				if invalid, ok := errors.AsType[x509.CertificateInvalidError](verify(cert, pool, name, f.now)); !ok || invalid.Reason != x509.CANotAuthorizedForThisName {
					t.Errorf("%s for %v: %v", i.cert.Subject.CommonName, names, invalid)
				}
			}
		}
		// Nor can it make another authority, which might have no limits.
		template := authorityTemplate("free")
		template.PermittedDNSDomains, template.PermittedIPRanges = nil, nil
		free, err := sign(template, i.cert, key, i.key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := issuer{free, key}.issue([]string{"hub.local"}, key, f.now, f.now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		cert.Certificate = append(cert.Certificate, i.cert.Raw)
		if invalid, ok := errors.AsType[x509.CertificateInvalidError](verify(cert, pool, "hub.local", f.now)); !ok || invalid.Reason != x509.TooManyIntermediates {
			t.Errorf("an authority under %s: %v", i.cert.Subject.CommonName, invalid)
		}
	}
}

func verify(c *tls.Certificate, pool *x509.CertPool, name string, now time.Time) error {
	between := x509.NewCertPool()
	for _, der := range c.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		between.AddCert(cert)
	}
	_, err := c.Leaf.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, DNSName: name, CurrentTime: now})
	return err
}

// OpenSSL, which most programs use, is of the same opinion.
func TestOpenSSLAgrees(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("openssl is not installed: apt-get install openssl")
	}
	f := open(t)
	dir := t.TempDir()
	file := func(name string, ders ...[]byte) string {
		var text []byte
		for _, der := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: certBlock, Bytes: der})...)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root := file("root", f.root().DER)
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []issuer{f.chain.pages, f.chain.devices} {
		between := file("between", i.cert.Raw)
		for name, want := range map[string]bool{"hub.local": true, "192.168.1.20": true, "bank.example": false, "8.8.8.8": false} {
			cert, err := i.issue([]string{name}, key, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root, "-untrusted", between, file("leaf", cert.Leaf.Raw)).CombinedOutput()
			if (err == nil) != want {
				t.Errorf("%s for %s: %s", i.cert.Subject.CommonName, name, out)
			} else if !want && !strings.Contains(string(out), "permitted subtree violation") {
				t.Errorf("%s for %s is refused for another reason: %s", i.cert.Subject.CommonName, name, out)
			}
		}
	}
}

// A device without a clock lives in 1970, and one whose clock is right may
// live for decades.
func TestDevicesNeedNoClock(t *testing.T) {
	f := open(t)
	pool := trust(t, f.root())
	for _, year := range []int{1970, 2000, 2026, 2038, 2090} {
		if _, err := shake(t, f.Devices(), pool, "hub.local", time.Date(year, 1, 1, 0, 0, 30, 0, time.UTC)); err != nil {
			t.Errorf("%d: %v", year, err)
		}
	}
}

// What browsers see is short, and new long before it ends, without a restart.
func TestPagesAreRenewed(t *testing.T) {
	f := open(t)
	begin := f.now
	first := f.page()
	if days := first.NotAfter.Sub(first.NotBefore).Hours() / 24; days > 397 {
		t.Errorf("it holds for %v days", days)
	}
	last := first
	for day := 0; day < 800; day += 5 {
		f.now = begin.AddDate(0, 0, day)
		cert := f.page() // verified at that time
		if left := cert.NotAfter.Sub(f.now); left < 200*24*time.Hour {
			t.Fatalf("day %d: %v are left", day, left)
		}
		if same := cert.Equal(last); same == (day%90 == 0 && day > 0) {
			t.Errorf("day %d: the same certificate: %v", day, same)
		}
		last = cert
	}
	if bytes.Equal(first.RawSubjectPublicKeyInfo, last.RawSubjectPublicKeyInfo) {
		t.Error("the key is never another one")
	}
	// A clock that was wrong and is set: the phone's was right all the time.
	for _, wrong := range []time.Time{begin.AddDate(30, 0, 0), {}, time.Unix(60, 0), begin.AddDate(0, 0, -2)} {
		f.now = wrong
		if _, err := shake(t, f.Pages(), trust(t, f.root()), "localhost", wrong); err != nil && wrong.Year() > 1900 {
			t.Fatal(err)
		}
		f.now = begin
		if got := f.page(); got.NotBefore.After(begin) || got.NotAfter.Before(begin) {
			t.Errorf("after a clock at %v: from %v to %v", wrong, got.NotBefore, got.NotAfter)
		}
	}
}

// A hub that begins in 1970, as a Pi does, is known by phones that do not.
func TestPagesNeedNoClock(t *testing.T) {
	f := open(t)
	today := f.now
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.now, f.floor = time.Unix(20, 0), today.AddDate(0, -6, 0)
	f.reopen() // and makes its keys then
	if _, err := shake(t, f.Pages(), trust(t, f.root()), "localhost", today); err != nil {
		t.Error(err)
	}
	if cert, err := shake(t, f.Devices(), trust(t, f.root()), "localhost", f.now); err != nil || cert.NotBefore.Year() != 1970 {
		t.Error(err)
	}
	f.now = today // the clock is set
	if left := f.page().NotAfter.Sub(today); left < 300*24*time.Hour {
		t.Errorf("%v are left", left)
	}
}

// The certificates follow the names of the hub, with the key that devices
// remember.
func TestCertificatesFollowTheNames(t *testing.T) {
	f := open(t)
	page, device := f.page(), f.device()
	f.names = []string{"fd00::20", "localhost", "localhost", "192.168.1.20", "HUB.local.", "fe80::1"}
	if !f.page().Equal(page) || !f.device().Equal(device) {
		t.Error("they are issued anew for the same names")
	}
	f.names = []string{"hub-2.local", "localhost", "10.0.0.2"}
	for _, server := range []*tls.Config{f.Pages(), f.Devices()} {
		cert := f.shown(server)
		if cert.VerifyHostname("hub-2.local") != nil || cert.VerifyHostname("10.0.0.2") != nil || cert.VerifyHostname("hub.local") == nil || cert.VerifyHostname("192.168.1.20") == nil {
			t.Errorf("it is for %v %v", cert.DNSNames, cert.IPAddresses)
		}
	}
	if !bytes.Equal(f.device().RawSubjectPublicKeyInfo, device.RawSubjectPublicKeyInfo) {
		t.Error("the key that devices remember is another one")
	}
	// One name that may not be signed must not spoil the others.
	f.names = append([]string{"localhost", "bad name.local", "-x.local", "a..local", "", "*.local"}, evil...)
	if got := f.page(); !slices.Equal(got.DNSNames, []string{"localhost"}) || len(got.IPAddresses) != 1 {
		t.Errorf("it is for %v %v", got.DNSNames, got.IPAddresses)
	}
}

// Phones show the fingerprint in pairs of capitals.
func TestFingerprint(t *testing.T) {
	r := Root{DER: []byte("abc")} // FIPS 180-2, B.1
	if got := r.Fingerprint(); got != "BA:78:16:BF 8F:01:CF:EA 41:41:40:DE 5D:AE:22:23 B0:03:61:A3 96:17:7A:9C B4:10:FF:61 F2:00:15:AD" {
		t.Errorf("got %s", got)
	}
}
