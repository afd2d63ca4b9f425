package mqtt

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

func authority(t *testing.T) (*Authority, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authority.pem")
	a, err := OpenAuthority(path)
	if err != nil {
		t.Fatal(err)
	}
	return a, path
}

// trust is what a device does that was given the authority's certificate.
func trust(t *testing.T, a *Authority) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM()) {
		t.Fatal("the authority's certificate can not be read")
	}
	return pool
}

func TestAuthorityIsMadeOnceAndKeptForTheOwnerAlone(t *testing.T) {
	a, path := authority(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v (%v)", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := OpenAuthority(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v after it was opened again", info.Mode())
	}
	if !bytes.Equal(a.PEM(), again.PEM()) || !a.leaf.Equal(again.leaf) {
		t.Error("it is another one after a restart")
	}
	if block, rest := pem.Decode(a.PEM()); block.Type != "CERTIFICATE" || len(rest) > 0 {
		t.Error("what devices are given holds more than the certificate")
	}
}

func TestDamagedAuthorityIsKept(t *testing.T) {
	_, path := authority(t)
	whole, _ := os.ReadFile(path)
	other, otherPath := authority(t)
	_ = other
	foreign, _ := os.ReadFile(otherPath)
	mixed := append(bytes.Clone(foreign[:bytes.Index(foreign, []byte("-----BEGIN EC"))]), whole[bytes.Index(whole, []byte("-----BEGIN EC")):]...)
	for name, text := range map[string][]byte{"empty": nil, "cut": whole[:len(whole)-100], "mixed": mixed, "noise": []byte("hello")} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, text) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// A device without a clock lives in 1970, and one whose clock is right may
// live for decades.
func TestCertificatesHoldWhateverTheClockSays(t *testing.T) {
	a, _ := authority(t)
	cert, err := a.certificate([]string{"hub.local", "192.168.1.20", "fe80::1"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, year := range []int{1970, 2000, 2026, 2038, 2090} {
		for _, name := range []string{"hub.local", "192.168.1.20", "fe80::1"} {
			_, err := leaf.Verify(x509.VerifyOptions{Roots: trust(t, a), DNSName: name, CurrentTime: time.Date(year, 1, 1, 0, 0, 30, 0, time.UTC)})
			if err != nil {
				t.Errorf("%d, %s: %v", year, name, err)
			}
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: trust(t, a), DNSName: "evil.example"}); err == nil {
		t.Error("it is good for any name")
	}
	if leaf.IsCA || leaf.KeyUsage&x509.KeyUsageCertSign != 0 {
		t.Error("the server could issue certificates")
	}
}

func TestCertificateFollowsTheNames(t *testing.T) {
	a, _ := authority(t)
	first, _ := a.certificate([]string{"hub.local", "10.0.0.1"})
	same, _ := a.certificate([]string{"10.0.0.1", "hub.local", "hub.local"})
	moved, _ := a.certificate([]string{"hub.local", "10.0.0.2"})
	if first != same {
		t.Error("it is issued anew for the same names")
	}
	if bytes.Equal(first.Certificate[0], moved.Certificate[0]) {
		t.Error("it is not issued anew for another address")
	}
	leaf, _ := x509.ParseCertificate(moved.Certificate[0])
	if leaf.VerifyHostname("10.0.0.2") != nil || leaf.VerifyHostname("10.0.0.1") == nil {
		t.Errorf("it is for %v", leaf.IPAddresses)
	}
	old, _ := x509.ParseCertificate(first.Certificate[0])
	if !bytes.Equal(old.RawSubjectPublicKeyInfo, leaf.RawSubjectPublicKeyInfo) {
		t.Error("the key changed, and with it the fingerprint that devices remember")
	}
}

func TestMessagesOverTLS(t *testing.T) {
	a, _ := authority(t)
	v := newVault()
	v.add("a", "", rw("a/#"))
	v.add("b", "", rw("a/#"))
	h := open(t, v, func(c *Config) {
		c.SecureAddr, c.TLS = "127.0.0.1:0", a.TLS(func() []string { return []string{"hub.local"} })
	})
	secure := func(o *paho.ClientOptions) {
		o.Servers = nil
		o.AddBroker("ssl://" + h.SecureAddr().String()).SetTLSConfig(&tls.Config{RootCAs: trust(t, a)})
	}
	got := listen(t, h.dial(t, "b", secure), "a/#", 1)
	plain := listen(t, h.dial(t, "a"), "a/#", 0)
	c := h.dial(t, "b2", func(o *paho.ClientOptions) {
		secure(o)
		o.SetClientID("a").SetUsername("a").SetPassword(v.secret("a"))
	})
	_ = plain // taken over
	big := strings.Repeat("x", 60_000)
	for qos := range byte(3) {
		say(t, c, "a/x", qos, false, "hello")
		want(t, got, "a/x", "hello")
		say(t, c, "a/x", qos, false, big)
		want(t, got, "a/x", big)
	}
	if _, err := h.try("a", v.secret("a"), func(o *paho.ClientOptions) {
		secure(o)
		o.SetTLSConfig(&tls.Config{})
	}); err == nil {
		t.Error("somebody trusts the hub who was not given its authority")
	}
	if old, err := tls.Dial("tcp", h.SecureAddr().String(), &tls.Config{RootCAs: trust(t, a), MaxVersion: tls.VersionTLS11}); err == nil {
		old.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// Neither a connection that says nothing nor one that never reads holds up the
// broker's end.
func TestSilentTLSConnectionsAreClosed(t *testing.T) {
	a, _ := authority(t)
	v := newVault()
	v.add("stalled", "", rw("#"))
	h := open(t, v, func(c *Config) {
		c.Limits.Connect = time.Second
		c.SecureAddr, c.TLS = "127.0.0.1:0", a.TLS(func() []string { return nil })
	})
	c, err := net.Dial("tcp", h.SecureAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if silent := (&raw{Conn: c, t: t}); !silent.waitEnd(patience) {
		t.Error("a silent connection is still open")
	}
	h = open(t, v, func(c *Config) { c.SecureAddr, c.TLS = "127.0.0.1:0", a.TLS(func() []string { return nil }) })
	s, err := tls.Dial("tcp", h.SecureAddr().String(), &tls.Config{RootCAs: trust(t, a)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_ = s.NetConn().(*net.TCPConn).SetReadBuffer(4096)
	_, _ = s.Write(packet(0x10, str("MQTT"), []byte{4, 0xc2, 0, 0}, str("stalled"), str("stalled"), str(v.secret("stalled"))))
	_, _ = s.Write(subscribe(4, 1, "#", 0))
	eventually(t, "it subscribed", func() bool { return len(h.server.Topics.Subscribers("a").Subscriptions) == 1 })
	for range 400 {
		_ = h.Publish("a", make([]byte, 20_000), false)
	}
	h.endsCleanly(t)
}

func (c *raw) waitEnd(d time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(d))
	_, err := c.Read(make([]byte, 1))
	return err != nil && !strings.Contains(err.Error(), "timeout")
}

func TestBusySecureAddressIsToldAndBorne(t *testing.T) {
	a, _ := authority(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := newVault()
	v.add("a", "", rw("a/#"))
	h := open(t, v, func(c *Config) { c.SecureAddr, c.TLS = l.Addr().String(), a.TLS(func() []string { return nil }) })
	h.dial(t, "a")
	eventually(t, "it is told", func() bool {
		return strings.HasPrefix(h.last(), "degraded") && strings.Contains(h.last(), l.Addr().String())
	})
}
