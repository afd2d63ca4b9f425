package mqtt

import (
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// websocketProtocol is the subprotocol of MQTT (MQTT 5.0 §6).
const websocketProtocol = "mqtt"

// Websocket takes MQTT connections that come over the hub's web address. Pages
// of other sites are refused by their Origin; the library would take them all
// (defect 18). Whoever serves it must have checked the Host. A connection has
// to log in like any other and has the same limits.
func (b *Broker) Websocket() http.Handler {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: b.limits.Connect, ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, WriteBufferPool: &sync.Pool{},
		Subprotocols: []string{websocketProtocol}, // and by default an Origin must be the Host
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) && !slices.Contains(websocket.Subprotocols(r), websocketProtocol) {
			http.Error(w, "this is the hub's MQTT broker: ask for the subprotocol mqtt", http.StatusBadRequest)
			return
		}
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // it has answered
		}
		c.SetReadLimit(int64(b.limits.Packet) + headerMost)
		b.guard.take(&webConn{Conn: c}, nil)
	})
}

// webConn is a websocket as a stream of bytes. MQTT packets may lie across its
// messages (MQTT 5.0 §6.0.0-2).
type webConn struct {
	*websocket.Conn
	message io.Reader                 // nil: between two
	by      atomic.Pointer[time.Time] // until when a write may last; nil: for ever
}

var _ net.Conn = (*webConn)(nil)

// Read takes bytes of binary messages; others end the connection.
func (c *webConn) Read(b []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.NextReader()
			if err != nil {
				return 0, io.EOF // however it ended
			}
			if kind != websocket.BinaryMessage {
				return 0, errFlood
			}
			c.message = message
		}
		n, err := c.message.Read(b)
		if err == io.EOF {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write sends one message. There is one writer at a time; see push.
func (c *webConn) Write(b []byte) (int, error) {
	if by := c.by.Load(); by != nil {
		_ = c.Conn.SetWriteDeadline(*by)
	}
	if err := c.WriteMessage(websocket.BinaryMessage, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close says goodbye as far as that needs no waiting.
func (c *webConn) Close() error {
	_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(closeTimeout))
	return c.Conn.Close()
}

// SetWriteDeadline holds for a write that runs, too. The library's own is for
// its writer's goroutine alone, and for the next write.
func (c *webConn) SetWriteDeadline(t time.Time) error {
	c.by.Store(&t)
	return c.NetConn().SetWriteDeadline(t)
}

// SetDeadline is for both directions.
func (c *webConn) SetDeadline(t time.Time) error {
	_ = c.SetWriteDeadline(t)
	return c.SetReadDeadline(t)
}
