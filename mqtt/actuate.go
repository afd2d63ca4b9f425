package mqtt

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"homehub/hub"
)

// Actuate carries a command to a device: it publishes and returns. Whether the
// device did it is in its next Report. If the device itself does not listen,
// whoever else does, that is an Unavailable error.
func (b *Broker) Actuate(_ context.Context, d hub.Device, c hub.Command) error {
	messages, peer, err := b.fleet.tell(d, c)
	if err != nil {
		return err
	}
	heard := false
	for _, m := range messages {
		heard = heard || b.hears(peer, m.topic)
		if m.path != "" && peer != nil {
			b.fleet.call(d, peer, m)
			continue
		}
		if err := b.Publish(m.topic, m.payload, false); err != nil {
			return err
		}
	}
	if !heard {
		return hub.Errorf(hub.Unavailable, "%s is not connected", d.Name)
	}
	return nil
}

// hears says whether the connection that a device speaks through has
// subscribed to topic.
func (b *Broker) hears(p *peer, topic string) bool {
	if p == nil {
		return false
	}
	_, ok := b.server.Topics.Subscribers(topic).Subscriptions[p.cred.ID]
	return ok
}

// caller asks devices over HTTP that can be told more that way.
type caller struct {
	client   *http.Client
	port     int // of the devices' pages
	couriers *couriers
}

// call carries an order to the address that the device's connection comes
// from, which nobody can name but the device. A device that does not answer
// gets the message instead.
func (f *fleet) call(d hub.Device, p *peer, m message) {
	url := "http://" + net.JoinHostPort(p.addr.String(), strconv.Itoa(f.caller.port)) + m.path
	f.caller.couriers.send(d.ID, func(ctx context.Context) {
		if _, err := fetch(ctx, f.caller.client, url, ""); err != nil && ctx.Err() == nil {
			f.logger.Debug("a device does not answer over HTTP", "device", d.ID, "err", err)
			f.send(message{topic: m.topic, payload: m.payload})
		}
	})
}
