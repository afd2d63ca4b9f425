package mqtt

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"homehub/hub"
)

// -bare runs the defect tests against the library as it is, where each of them
// is meant to fail.
var bare = flag.Bool("bare", false, "test the bare library instead of the guarded one")

// patience is how long a test waits for what has to happen. It is no claim
// about speed: a busy machine may take its time.
const patience = 30 * time.Second

// TestMain lets the tests that mostly wait wait together.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "24")
	os.Exit(m.Run())
}

// vault is a Vault in RAM that also remembers the secrets.
type vault struct {
	mu      sync.Mutex
	creds   map[string]hub.Credential
	secrets map[string]string
}

func newVault() *vault {
	return &vault{creds: map[string]hub.Credential{}, secrets: map[string]string{}}
}

func (v *vault) Credential(id string) (hub.Credential, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c, ok := v.creds[id]
	return c, ok
}

func (v *vault) add(id, device string, grants ...hub.Grant) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.creds[id], v.secrets[id] = hub.NewCredential(id, device, grants, time.Now())
}

func (v *vault) remove(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.creds, id)
}

func (v *vault) secret(id string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.secrets[id]
}

func rw(filter string) hub.Grant { return hub.Grant{Filter: filter, Read: true, Write: true} }

// house is a running broker with what it reported.
type house struct {
	*Broker
	vault  *vault
	addr   string
	stop   func() error
	gone   chan struct{}
	report chan hub.Report

	mu         sync.Mutex
	conditions []string
	log        strings.Builder
}

// open starts a broker on a free port and stops it with the test.
func open(t testing.TB, v *vault, change ...func(*Config)) *house {
	t.Helper()
	h := &house{vault: v, report: make(chan hub.Report, 1000), gone: make(chan struct{})}
	if *bare {
		h.addr = openBare(t, v)
		h.stop = func() error { return nil }
		return h
	}
	cfg := Config{
		Addr: "127.0.0.1:0", Vault: v, Logger: slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Report: func(r hub.Report) { h.report <- r },
		Condition: func(c hub.Condition, reason string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.conditions = append(h.conditions, string(c)+" "+reason)
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx); close(h.gone) }()
	h.Broker, h.addr = b, b.Addr().String()
	h.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Errorf("stopping the broker: %v", err)
		}
	})
	return h
}

// Write takes in what the broker logs.
func (h *house) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(line)
}

// endsCleanly stops the broker, which must not have to wait for connections
// that do not end.
func (h *house) endsCleanly(t *testing.T) {
	t.Helper()
	if err := h.stop(); err != nil {
		t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if log := h.log.String(); strings.Contains(log, "did not end in time") {
		t.Errorf("it waited for connections:\n%s", log)
	}
}

// last is the latest condition.
func (h *house) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.conditions) == 0 {
		return ""
	}
	return h.conditions[len(h.conditions)-1]
}

// all is every condition that was reported.
func (h *house) all() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.conditions, "\n")
}

// next is the next report that matches.
func (h *house) next(t testing.TB, what string, match func(hub.Report) bool) hub.Report {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case r := <-h.report:
			if match(r) {
				return r
			}
		case <-timeout:
			t.Fatalf("no report came: %s", what)
		}
	}
}

// openBare starts the library as its own README does, with the same
// credentials and grants in its hooks.
func openBare(t testing.TB, v *vault) string {
	t.Helper()
	s := mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(&bareHook{vault: v, server: s}, nil); err != nil {
		t.Fatal(err)
	}
	l := listeners.NewTCP(listeners.Config{ID: "tcp", Address: "127.0.0.1:0"})
	if err := s.AddListener(l); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve() }()
	t.Cleanup(func() { go s.Close() })
	return l.Address()
}

type bareHook struct {
	mochi.HookBase
	vault  *vault
	server *mochi.Server
}

func (h *bareHook) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

func (h *bareHook) OnConnectAuthenticate(_ *mochi.Client, pk packets.Packet) bool {
	c, ok := h.vault.Credential(string(pk.Connect.Username))
	return ok && c.Check(string(pk.Connect.Password))
}

func (h *bareHook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	c, ok := h.vault.Credential(string(cl.Properties.Username))
	return ok && (write && mayWrite(c.Grants, topic) || !write && mayRead(c.Grants, topic))
}

// dial connects a real client that fails the test if it is refused.
func (h *house) dial(t testing.TB, id string, change ...func(*paho.ClientOptions)) paho.Client {
	t.Helper()
	c, err := h.try(id, h.vault.secret(id), change...)
	if err != nil {
		t.Fatalf("connecting %s: %v", id, err)
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func (h *house) try(id, secret string, change ...func(*paho.ClientOptions)) (paho.Client, error) {
	o := paho.NewClientOptions().AddBroker("tcp://" + h.addr).SetClientID(id).SetUsername(id).SetPassword(secret).
		SetAutoReconnect(false).SetConnectTimeout(patience).SetProtocolVersion(4).SetOrderMatters(true)
	for _, f := range change {
		f(o)
	}
	c := paho.NewClient(o)
	return c, settle(c.Connect())
}

func settle(tok paho.Token) error {
	if !tok.WaitTimeout(patience) {
		return errors.New("no answer in time")
	}
	return tok.Error()
}

// listen subscribes and returns what comes.
func listen(t testing.TB, c paho.Client, filter string, qos byte) chan paho.Message {
	t.Helper()
	got := make(chan paho.Message, 10000)
	if err := settle(c.Subscribe(filter, qos, func(_ paho.Client, m paho.Message) { got <- m })); err != nil {
		t.Fatalf("subscribing to %s: %v", filter, err)
	}
	return got
}

func say(t testing.TB, c paho.Client, topic string, qos byte, retain bool, payload string) {
	t.Helper()
	if err := settle(c.Publish(topic, qos, retain, payload)); err != nil {
		t.Fatalf("publishing on %s: %v", topic, err)
	}
}

func want(t testing.TB, got chan paho.Message, topic, payload string) {
	t.Helper()
	select {
	case m := <-got:
		if m.Topic() != topic || string(m.Payload()) != payload {
			t.Fatalf("got %q on %s, want %q on %s", m.Payload(), m.Topic(), payload, topic)
		}
	case <-time.After(patience):
		t.Fatalf("nothing came on %s", topic)
	}
}

// raw is a client that says exactly what a test wants.
type raw struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (h *house) raw(t testing.TB, from string) *raw {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &raw{Conn: c, t: t, r: bufio.NewReader(c)}
}

func str(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func packet(first byte, body ...[]byte) []byte {
	var all []byte
	for _, b := range body {
		all = append(all, b...)
	}
	p := []byte{first}
	for n := len(all); ; {
		c := byte(n % 128)
		if n /= 128; n > 0 {
			p = append(p, c|0x80)
			continue
		}
		p = append(p, c)
		break
	}
	return append(p, all...)
}

// login sends a CONNECT and returns the reason code of the answer. props are
// the v5 properties without their length.
func (c *raw) login(version byte, id, secret string, keepalive uint16, clean bool, props ...byte) byte {
	flags := byte(0xc0)
	if clean {
		flags |= 2
	}
	head := append(str("MQTT"), version, flags, byte(keepalive>>8), byte(keepalive))
	if version == 5 {
		head = append(append(head, byte(len(props))), props...)
	}
	c.send(packet(0x10, head, str(id), str(id), str(secret)))
	kind, body := c.receive()
	if kind>>4 != 2 || len(body) < 2 {
		c.t.Fatalf("no CONNACK but %x %x", kind, body)
	}
	return body[1]
}

func (c *raw) send(b []byte) {
	c.t.Helper()
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	if _, err := c.Write(b); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

// receive is the next packet.
func (c *raw) receive() (byte, []byte) {
	c.t.Helper()
	kind, body, err := c.packet(patience)
	if err != nil {
		c.t.Fatalf("receiving: %v", err)
	}
	return kind, body
}

func (c *raw) packet(within time.Duration) (byte, []byte, error) {
	_ = c.SetReadDeadline(time.Now().Add(within))
	kind, err := c.r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n, shift := 0, 0
	for {
		b, err := c.r.ReadByte()
		if err != nil {
			return 0, nil, err
		}
		n |= int(b&0x7f) << shift
		if shift += 7; b&0x80 == 0 {
			break
		}
	}
	body := make([]byte, n)
	_, err = io.ReadFull(c.r, body)
	return kind, body, err
}

// hungUp says whether the broker closes the connection within d.
func (c *raw) hungUp(d time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(d))
	_, err := io.Copy(io.Discard, c.r)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func publish(version, qos byte, id uint16, topic, payload string) []byte {
	var head []byte
	if qos > 0 {
		head = binary.BigEndian.AppendUint16(nil, id)
	}
	if version == 5 {
		head = append(head, 0)
	}
	return packet(0x30|qos<<1, str(topic), head, []byte(payload))
}

func subscribe(version byte, id uint16, filter string, qos byte) []byte {
	head := binary.BigEndian.AppendUint16(nil, id)
	if version == 5 {
		head = append(head, 0)
	}
	return packet(0x82, head, str(filter), []byte{qos})
}

// eventually polls for what happens in another goroutine.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !is() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal(what)
		}
	}
}

func name(i int) string { return fmt.Sprintf("client-%d", i) }

// openVault lets everybody in whose secret is the own name.
type openVault struct{}

func (openVault) Credential(id string) (hub.Credential, bool) {
	hash := sha256.Sum256([]byte(id))
	return hub.Credential{ID: id, Hash: hash[:], Grants: []hub.Grant{rw("#")}}, true
}
