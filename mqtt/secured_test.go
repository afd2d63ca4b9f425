package mqtt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// ownTLS is a server's end with a certificate that signed itself, and what a
// client trusts that was given it.
func ownTLS(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func TestMessagesOverTLS(t *testing.T) {
	own, pool := ownTLS(t)
	v := newVault()
	v.add("a", "", rw("a/#"))
	v.add("b", "", rw("a/#"))
	h := open(t, v, func(c *Config) {
		c.SecureAddr, c.TLS = "127.0.0.1:0", own
	})
	secure := func(o *paho.ClientOptions) {
		o.Servers = nil
		o.AddBroker("ssl://" + h.SecureAddr().String()).SetTLSConfig(&tls.Config{RootCAs: pool})
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
}

// Neither a connection that says nothing nor one that never reads holds up the
// broker's end.
func TestSilentTLSConnectionsAreClosed(t *testing.T) {
	own, pool := ownTLS(t)
	v := newVault()
	v.add("stalled", "", rw("#"))
	h := open(t, v, func(c *Config) {
		c.Limits.Connect = time.Second
		c.SecureAddr, c.TLS = "127.0.0.1:0", own
	})
	c, err := net.Dial("tcp", h.SecureAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if silent := (&raw{Conn: c, t: t}); !silent.waitEnd(patience) {
		t.Error("a silent connection is still open")
	}
	h = open(t, v, func(c *Config) { c.SecureAddr, c.TLS = "127.0.0.1:0", own })
	s, err := tls.Dial("tcp", h.SecureAddr().String(), &tls.Config{RootCAs: pool})
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
	own, _ := ownTLS(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := newVault()
	v.add("a", "", rw("a/#"))
	h := open(t, v, func(c *Config) { c.SecureAddr, c.TLS = l.Addr().String(), own })
	h.dial(t, "a")
	eventually(t, "it is told", func() bool {
		return strings.HasPrefix(h.last(), "degraded") && strings.Contains(h.last(), l.Addr().String())
	})
}
