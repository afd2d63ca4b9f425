package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"homehub/hub"
)

const (
	pingTopic = "$homehub/ping"
	pingID    = 1
)

// Check sends a message through the broker to itself and opens a connection to
// its own port, and fails if either is stuck until ctx ends. A watchdog that
// calls it notices a lock that the library never gives back.
func (b *Broker) Check(ctx context.Context) error {
	select {
	case b.pinging <- struct{}{}:
	default:
		return hub.Errorf(hub.Unavailable, "the broker is still stuck in an earlier check")
	}
	result := make(chan error, 1)
	go func() {
		defer func() { <-b.pinging }()
		result <- b.ping()
	}()
	select {
	case err := <-result:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return hub.Errorf(hub.Unavailable, "the broker does not pass on messages")
	}
	return b.knock(ctx)
}

// ping goes the way of every message through the topic tree.
func (b *Broker) ping() error {
	var came atomic.Bool
	err := b.server.Subscribe(pingTopic, pingID, func(*mochi.Client, packets.Subscription, packets.Packet) { came.Store(true) })
	if err != nil {
		return fmt.Errorf("subscribing to the broker's own ping: %w", err)
	}
	b.gate.carry(&publication{topic: pingTopic, payload: []byte{1}})
	err = b.server.Unsubscribe(pingTopic, pingID)
	if err != nil {
		return fmt.Errorf("pinging the broker: %w", err)
	}
	if !came.Load() {
		return hub.Errorf(hub.Internal, "the broker lost its own message")
	}
	return nil
}

// knock connects and says goodbye at once. The broker must hang up: that shows
// that it accepts and reads.
func (b *Broker) knock(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(b.limits.Connect)
	}
	addr := b.Addr().(*net.TCPAddr)
	if addr.IP.IsUnspecified() {
		addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: addr.Port}
	}
	c, err := (&net.Dialer{Deadline: deadline}).DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return hub.Errorf(hub.Unavailable, "the broker does not accept connections: %v", err)
	}
	defer c.Close()
	_ = c.SetDeadline(deadline)
	_, _ = c.Write([]byte{0xe0, 0})
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		return hub.Errorf(hub.Unavailable, "the broker does not answer connections")
	}
	return nil
}
