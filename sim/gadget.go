package sim

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"homehub/hub"
)

const (
	gadgetBeat  = 20 * time.Millisecond // how soon a gadget notices that its time is over
	gadgetEvery = 10 * time.Second      // house time between two full reports
	gadgetGap   = 100 * time.Millisecond
)

// GadgetConfig describes one device that stands beside the house: a relay with
// an appliance behind it.
type GadgetConfig struct {
	Family hub.Family
	Clock  hub.Clock
	Logger *slog.Logger
	Broker string // host:port; a webhook needs none
	// Login is what the device was given; its Topic is that of the hub.Device.
	Login Credentials
	Power hub.Watt // of the appliance; 1000 if 0
	// Appliance is what the relay switches; nil: something that draws Power.
	Appliance Appliance
	// NoTimer makes a Zigbee plug one that does not know on_time.
	NoTimer bool
}

// Gadget is a device with the firmware of a family: a real MQTT client, or a
// small HTTP server, that says exactly what the firmware says. All methods are
// safe for concurrent use.
type Gadget struct {
	cfg    GadgetConfig
	speech speech
	listen net.Listener // of its pages; nil: it has none
	pages  *http.Server

	mu     sync.Mutex // guards all below and the speech
	on     bool
	end    time.Time // when it goes off by itself; zero: never
	at     time.Time // up to which energy is counted
	energy joule
	told   bool // what was last reported as its state
}

// say is one message of a gadget.
type say struct {
	topic, payload string
	retained       bool
}

// speech is the language of a family. All methods are called with the gadget's
// lock held.
type speech interface {
	topics() []string                 // to subscribe to
	will() (topic, payload string)    // "" for none
	hello() []say                     // once the subscriptions stand
	hear(topic, payload string) []say // answers
	state() []say                     // how it is
}

// NewGadget makes a device of a family. A family without a gadget is an Invalid
// error.
func NewGadget(cfg GadgetConfig) (*Gadget, error) {
	if cfg.Power == 0 {
		cfg.Power = 1000
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gadget{cfg: cfg, at: cfg.Clock.Now()}
	pages := http.NewServeMux()
	switch cfg.Family {
	case hub.FamilyEmonESP, hub.FamilyHPMon:
		g.speech = &emonSpeech{g: g, relay: relay{mode: "Off"}}
	case hub.FamilyTasmota:
		g.speech = &tasmotaSpeech{g: g}
	case hub.FamilyShelly1:
		s := &shelly1Speech{g: g}
		g.speech = s
		pages.HandleFunc("GET /relay/0", s.page)
	case hub.FamilyShelly2:
		g.speech = &shelly2Speech{g: g}
	case hub.FamilyZigbee2MQTT:
		g.speech = &zigbeeSpeech{g: g}
	case hub.FamilyESPHome:
		g.speech = &espHomeSpeech{g: g}
	case hub.FamilyMQTT:
		g.speech = &mappedSpeech{g: g}
	case hub.FamilyWebhook:
		s := &webhookSpeech{g: g}
		g.speech = s
		pages.HandleFunc("/", s.page)
	default:
		return nil, hub.FieldErrorf("Family", "there is no gadget that speaks %s", cfg.Family)
	}
	if cfg.Family == hub.FamilyShelly1 || cfg.Family == hub.FamilyWebhook {
		var err error
		if g.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("opening the pages of a gadget: %w", err)
		}
		g.pages = &http.Server{Handler: pages, ReadHeaderTimeout: patience}
		go func() { _ = g.pages.Serve(g.listen) }()
	}
	return g, nil
}

// Address is where its pages are, "" if it has none.
func (g *Gadget) Address() string {
	if g.listen == nil {
		return ""
	}
	return g.listen.Addr().String()
}

// On says whether its relay is closed.
func (g *Gadget) On() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live()
	return g.on
}

// Run connects the device and lets it speak until ctx ends. It connects again
// by itself for as long.
func (g *Gadget) Run(ctx context.Context) error {
	if g.pages != nil {
		defer g.pages.Close()
	}
	var c *client
	if g.cfg.Family != hub.FamilyWebhook {
		c = g.connect()
		defer c.close()
	}
	every := pace(g.cfg.Clock, gadgetEvery, gadgetGap)
	beat := time.NewTicker(gadgetBeat)
	defer every.Stop()
	defer beat.Stop()
	for {
		full := false
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			full = true
		case <-beat.C:
		}
		g.mu.Lock()
		g.live()
		var messages []say
		if full || g.on != g.told {
			messages = g.speech.state()
		}
		g.told = g.on
		g.mu.Unlock()
		if c != nil {
			g.speak(c, messages)
		}
	}
}

func (g *Gadget) connect() *client {
	topic, payload := g.speech.will()
	b := behaviour{
		subscribe: g.speech.topics(),
		heard: func(c *client, topic string, payload []byte) {
			g.mu.Lock()
			g.live()
			answers := g.speech.hear(topic, string(payload))
			g.mu.Unlock()
			g.speak(c, answers)
		},
		connected: func(c *client) {
			g.mu.Lock()
			g.live()
			messages := append(g.speech.hello(), g.speech.state()...)
			g.mu.Unlock()
			g.speak(c, messages)
		},
	}
	if topic != "" {
		b.will = &will{topic, []byte(payload)}
	}
	login := g.cfg.Login
	login.Topic = "" // the speech names whole topics
	return connect(g.cfg.Broker, login, g.cfg.Logger, b)
}

func (g *Gadget) speak(c *client, messages []say) {
	for _, m := range messages {
		c.publish(m.topic, m.retained, []byte(m.payload))
	}
}

// live counts energy up to now and ends what is over; g.mu is held.
func (g *Gadget) live() {
	now := g.cfg.Clock.Now()
	until := now
	ended := g.on && !g.end.IsZero() && !now.Before(g.end)
	if ended {
		until = g.end
	}
	if g.on && until.After(g.at) {
		g.energy += joule(int64(g.power()) * until.Sub(g.at).Milliseconds() / 1000)
	}
	g.at = now
	if ended {
		g.set(false, 0)
	}
}

// set switches the relay; lease 0 is for ever. g.mu is held.
func (g *Gadget) set(on bool, lease time.Duration) {
	g.on, g.end = on, time.Time{}
	if on && lease > 0 {
		g.end = g.at.Add(lease)
	}
	if g.cfg.Appliance != nil {
		g.cfg.Appliance.Switch(on)
	}
}

// power is what the appliance draws; g.mu is held.
func (g *Gadget) power() hub.Watt {
	switch {
	case !g.on:
		return 0
	case g.cfg.Appliance != nil:
		return g.cfg.Appliance.Draws()
	}
	return g.cfg.Power
}

// wh is the counter in Wh; g.mu is held.
func (g *Gadget) wh() float64 { return float64(g.energy) / 3600 }

func (g *Gadget) word(on, off string) string {
	if g.on {
		return on
	}
	return off
}
