package sim

import (
	"context"
	"strconv"
	"time"
)

const (
	plugIP       = "192.168.1.71"   // what the plug says of itself; nobody connects to it
	emonInterval = 10 * time.Second // of power and energy
	emonGap      = 50 * time.Millisecond
)

// runPlug is an EmonESP smart plug: it says describe once per connection, obeys
// in/ctrlmode and in/timer, answers in/state, and publishes power and energy.
// It has no last will: a hub learns from its broker that it is gone.
func runPlug(ctx context.Context, cfg Config) {
	h := cfg.House
	c := connect(cfg.Broker, cfg.Plug, cfg.Logger.With("device", "plug"), behaviour{
		subscribe: []string{"in/#"},
		heard: func(c *client, topic string, payload []byte) {
			if answer := h.tellPlug(topic, string(payload)); answer != nil {
				c.publish("out/state", false, answer)
			}
		},
		connected: func(c *client) { c.publish("describe", false, []byte("smartplug")) },
	})
	defer c.close()
	tick := pace(cfg.Clock, emonInterval, emonGap)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case mode := <-h.button:
			c.publish("out/ctrlmode", false, []byte(mode))
		case <-tick.C:
			p := h.Plug()
			c.publish("power", false, number(int64(p.Power)))
			c.publish("energy", false, number(int64(p.Energy)))
		}
	}
}

// tellPlug hands a message to the plug; topic is below its base. The answer
// belongs on out/state, and is nil if there is none.
func (h *House) tellPlug(topic, payload string) (answer []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch topic {
	case "in/ctrlmode":
		h.relay.setMode(payload)
	case "in/timer":
		h.relay.setTimer(payload)
	case "in/state":
		return h.relay.state(plugIP)
	}
	h.look()
	return nil
}

// PressPlug presses the button on the plug: the relay toggles, and the plug
// publishes its new mode by itself, as it does for nothing else.
func (h *House) PressPlug() {
	h.mu.Lock()
	h.relay.press(h.relay.on(h.t))
	h.look()
	mode := h.relay.mode
	h.mu.Unlock()
	select {
	case h.button <- mode:
	default: // nobody publishes: the house runs without a broker
	}
}

func number(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
