package mqtt

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/gorilla/websocket"
)

// overWeb serves the broker's websocket as the hub's web address does.
func overWeb(t *testing.T, h *house) string {
	t.Helper()
	s := httptest.NewServer(h.Websocket())
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestMessagesOverWebsocket(t *testing.T) {
	v := newVault()
	v.add("a", "", rw("a/#"))
	v.add("b", "", rw("a/#"))
	h := open(t, v)
	addr := overWeb(t, h)
	web := func(o *paho.ClientOptions) {
		o.Servers = nil
		o.AddBroker("ws://" + addr + "/mqtt")
	}
	got := listen(t, h.dial(t, "b", web), "a/#", 2)
	c := h.dial(t, "a", web)
	big := strings.Repeat("x", 60_000)
	for qos := range byte(3) {
		say(t, c, "a/x", qos, false, "hello")
		want(t, got, "a/x", "hello")
		say(t, c, "a/x", qos, false, big)
		want(t, got, "a/x", big)
	}
	if _, err := h.try("a", "wrong", web); err == nil {
		t.Error("a wrong secret is let in")
	}
	v.remove("b")
	h.Revoke("b")
	eventually(t, "a revoked one is cut", func() bool { return len(h.door.everybody()) == 1 })
}

// Packets lie across messages as they like (MQTT 5.0 §6.0.0-2).
func TestWebsocketIsAStream(t *testing.T) {
	v := newVault()
	v.add("a", "", rw("a/#"))
	h := open(t, v)
	c, _, err := (&websocket.Dialer{Subprotocols: []string{"mqtt"}}).Dial("ws://"+overWeb(t, h), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all := packet(0x10, str("MQTT"), []byte{4, 0xc2, 0, 60}, str("a"), str("a"), str(v.secret("a")))
	all = append(append(all, subscribe(4, 1, "a/#", 0)...), publish(4, 0, 0, "a/x", "hello")...)
	for i := 0; i < len(all); i += 7 {
		if err := c.WriteMessage(websocket.BinaryMessage, all[i:min(len(all), i+7)]); err != nil {
			t.Fatal(err)
		}
	}
	var got []byte
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for !strings.HasSuffix(string(got), "hello") {
		kind, b, err := c.ReadMessage()
		if err != nil || kind != websocket.BinaryMessage {
			t.Fatalf("%d %v after %x", kind, err, got)
		}
		got = append(got, b...)
	}
	_ = c.WriteMessage(websocket.TextMessage, []byte("text"))
	if _, _, err := c.ReadMessage(); err == nil {
		t.Error("a text message is borne")
	}
}

func TestDefect18PagesOfOtherSitesAreRefused(t *testing.T) {
	h := open(t, newVault())
	addr := overWeb(t, h)
	for _, tt := range []struct {
		origin   string
		protocol []string
		ok       bool
	}{
		{"", []string{"mqtt"}, true}, // a program
		{"http://" + addr, []string{"mqtt"}, true},
		{"http://evil.example", []string{"mqtt"}, false},
		{"http://" + addr + ".evil.example", []string{"mqtt"}, false},
		{"null", []string{"mqtt"}, false},
		{"http://" + addr, nil, false},
		{"http://" + addr, []string{"chat"}, false},
	} {
		head := http.Header{}
		if tt.origin != "" {
			head.Set("Origin", tt.origin)
		}
		c, _, err := (&websocket.Dialer{Subprotocols: tt.protocol}).Dial("ws://"+addr, head)
		if (err == nil) != tt.ok {
			t.Errorf("Origin %q, protocol %q: %v", tt.origin, tt.protocol, err)
		}
		if err == nil {
			if c.Subprotocol() != "mqtt" {
				t.Errorf("subprotocol %q", c.Subprotocol())
			}
			c.Close()
		}
	}
	r, err := http.Get("http://" + addr)
	if err != nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("a plain request: %v %v", r, err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
}

// A websocket has the limits of any other connection, and none outlives the
// broker.
func TestWebsocketIsBounded(t *testing.T) {
	addr := overWeb(t, open(t, newVault(), func(c *Config) { c.Limits.Connect = 300 * time.Millisecond }))
	dial := func() *websocket.Conn {
		c, _, err := (&websocket.Dialer{Subprotocols: []string{"mqtt"}}).Dial("ws://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	ended := func(c *websocket.Conn) bool {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, _, err := c.ReadMessage()
		return err != nil && !strings.Contains(err.Error(), "timeout")
	}
	if !ended(dial()) {
		t.Error("a silent one is still open")
	}
	h := open(t, newVault(), func(c *Config) { c.Limits.Connect = time.Hour })
	addr = overWeb(t, h)
	giant := dial()
	_ = giant.WriteMessage(websocket.BinaryMessage, []byte{0x10, 0xff, 0xff, 0xff, 0x7f})
	if !ended(giant) {
		t.Error("a giant header is borne")
	}
	last := dial()
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if !ended(last) {
		t.Error("one outlives the broker")
	}
	if !ended(dial()) {
		t.Error("one comes in after the end")
	}
}
