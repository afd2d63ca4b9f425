package sim

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/hub"
)

// Credentials are what a device was given when it was paired: its log-in and
// the base of its topics.
type Credentials struct {
	ClientID, Username, Password, Topic string
}

const (
	patience   = 5 * time.Second // for the broker's answers; also between attempts to connect
	farewell   = 200             // ms for the last packets before the connection is closed
	fireForget = 0               // quality of service of all these devices
)

// client is one device's connection to the broker. It connects again by
// itself for as long as it lives; what is published meanwhile is lost, as
// with the real devices.
type client struct {
	mqtt   paho.Client
	logger *slog.Logger
	topic  string
	heeds  atomic.Bool // connected, and its subscriptions stand
}

// behaviour is what a device does with its connection.
type behaviour struct {
	subscribe []string                                      // below the base topic; wildcards allowed
	heard     func(c *client, topic string, payload []byte) // topic without the base
	connected func(c *client)                               // after each connect, once the subscriptions stand; may be nil
	will      *will
}

type will struct {
	topic   string
	payload []byte
}

// connect starts a client. It does not wait for the broker.
func connect(broker string, c Credentials, logger *slog.Logger, b behaviour) *client {
	d := &client{logger: logger, topic: c.Topic}
	if !strings.Contains(broker, "://") {
		broker = "tcp://" + broker
	}
	o := paho.NewClientOptions().AddBroker(broker).
		SetClientID(c.ClientID).SetUsername(c.Username).SetPassword(c.Password).
		SetCleanSession(true).SetOrderMatters(true).SetKeepAlive(30 * time.Second).
		SetAutoReconnect(true).SetMaxReconnectInterval(patience).
		SetConnectRetry(true).SetConnectRetryInterval(time.Second).
		SetConnectTimeout(patience).SetWriteTimeout(patience)
	if b.will != nil {
		o.SetBinaryWill(b.will.topic, b.will.payload, fireForget, true)
	}
	o.SetConnectionLostHandler(func(_ paho.Client, err error) {
		d.heeds.Store(false)
		logger.Info("device lost the broker", "err", err)
	})
	o.SetOnConnectHandler(func(paho.Client) { d.welcome(b) })
	d.mqtt = paho.NewClient(o)
	d.mqtt.Connect()
	return d
}

// welcome subscribes after each connect, as the session is clean: to all at
// once, so that no half of a command is heard. Only then does the device speak:
// whoever hears it may count on being heard.
func (d *client) welcome(b behaviour) {
	filters := map[string]byte{}
	for _, filter := range b.subscribe {
		filters[d.full(filter)] = fireForget
	}
	if len(filters) > 0 {
		token := d.mqtt.SubscribeMultiple(filters, func(_ paho.Client, m paho.Message) {
			d.heeds.Store(true) // a question may overtake the acknowledgement
			b.heard(d, strings.TrimPrefix(m.Topic(), d.topic+"/"), m.Payload())
		})
		if !token.WaitTimeout(patience) || token.Error() != nil || refused(token) {
			d.logger.Warn("device may not subscribe", "filters", b.subscribe, "err", token.Error())
			return
		}
	}
	d.heeds.Store(true)
	d.logger.Info("device connected")
	if b.connected != nil {
		b.connected(d)
	}
}

// refused says whether the broker answered a subscription with the failure
// code of MQTT 3.1.1, 3.9.3.
func refused(token paho.Token) bool {
	t, ok := token.(*paho.SubscribeToken)
	if !ok {
		return false
	}
	for _, code := range t.Result() {
		if code == 0x80 {
			return true
		}
	}
	return false
}

// publish sends below the base topic and does not wait. What is published
// without a connection is lost.
func (d *client) publish(topic string, retained bool, payload []byte) {
	if d.heeds.Load() {
		d.mqtt.Publish(d.full(topic), fireForget, retained, payload)
	}
}

// full is a topic below the base, or the topic itself for a device without one.
func (d *client) full(topic string) string {
	if d.topic == "" {
		return topic
	}
	return d.topic + "/" + topic
}

func (d *client) close() { d.mqtt.Disconnect(farewell) }

// pace is a ticker for messages that are due every interval of house time, but
// not more often than every gap, however fast the house lives: the broker
// limits what a device may send per second.
func pace(clock hub.Clock, interval, gap time.Duration) *time.Ticker {
	return time.NewTicker(max(clock.Real(interval), gap))
}
