package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// NewPlugConfig is what makes a smart plug that no hub knows yet. Logger is
// needed.
type NewPlugConfig struct {
	Logger *slog.Logger
	// Hub is the host:port of the hub's pages, "" to wait for its announcement
	// on UDP port 5005 as a new plug does.
	Hub string
	// At is the plug's own address, on which it shows its page; invalid: any,
	// and no page.
	At    netip.Addr
	Node  string        // its name, such as smartplug1272
	Every time.Duration // between two questions; 10 s if 0, as in the firmware
	Power int           // W that it draws when it is on
}

const (
	joinPath     = "/emoncms/device/auth/request.json"
	joinWord     = "emonpi.local"
	joinPort     = 5005
	plugChip     = "1272354" // it calls itself so at the broker, whatever its user name is
	newPlugEvery = 10 * time.Second
)

// RunNewPlug is an EmonESP smart plug out of the box: it finds the hub, asks
// to be let in until it is given a log-in, and then works with it, until ctx
// ends.
func RunNewPlug(ctx context.Context, cfg NewPlugConfig) error {
	if cfg.Every == 0 {
		cfg.Every = newPlugEvery
	}
	if cfg.Node == "" {
		cfg.Node = "smartplug1272"
	}
	p := &newPlug{cfg: cfg}
	if cfg.At.IsValid() {
		stop, err := p.showPage()
		if err != nil {
			return err
		}
		defer stop()
	}
	if cfg.Hub == "" {
		addr, err := awaitAnnouncement(ctx)
		if err != nil {
			return endedOr(ctx, err)
		}
		p.cfg.Hub = netip.AddrPortFrom(addr, 80).String()
	}
	who, broker, err := p.askForLogIn(ctx)
	if err != nil {
		return endedOr(ctx, err)
	}
	p.work(ctx, broker, who)
	return nil
}

// endedOr takes the end of ctx for no error.
func endedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type newPlug struct {
	cfg NewPlugConfig

	mu    sync.Mutex
	relay relay
	wh    float64
}

// awaitAnnouncement is the sender of the first datagram that says the word.
func awaitAnnouncement(ctx context.Context) (netip.Addr, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: joinPort})
	if err != nil {
		return netip.Addr{}, err
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	defer c.Close()
	buf := make([]byte, 255) // as long as the firmware's
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return netip.Addr{}, err
		}
		if string(buf[:n]) == joinWord {
			return from.Addr().Unmap(), nil
		}
	}
}

// askForLogIn asks until the answer has two or three colons.
func (p *newPlug) askForLogIn(ctx context.Context) (who Credentials, broker string, err error) {
	tick := time.NewTicker(p.cfg.Every)
	defer tick.Stop()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: p.dialer().DialContext}}
	for {
		answer := p.ask(ctx, client)
		p.cfg.Logger.Info("the plug asked", "answer", strings.Count(answer, ":"))
		if part := strings.Split(answer, ":"); len(part) == 3 || len(part) == 4 {
			port := "1883"
			if len(part) == 4 {
				port = part[3]
			}
			host, _, err := net.SplitHostPort(p.cfg.Hub)
			return Credentials{ClientID: plugChip, Username: part[0], Password: part[1], Topic: part[2]}, net.JoinHostPort(host, port), err
		}
		select {
		case <-ctx.Done():
			return who, "", ctx.Err()
		case <-tick.C:
		}
	}
}

func (p *newPlug) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: patience}
	if p.cfg.At.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.cfg.At, 0))
	}
	return d
}

// ask is one request, and what the firmware makes of the answer.
func (p *newPlug) ask(ctx context.Context, client *http.Client) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.cfg.Hub+joinPath, nil)
	if err != nil {
		return "server error"
	}
	req.Header.Set("User-Agent", "ESP8266HTTPClient")
	r, err := client.Do(req)
	if err != nil {
		return "server error"
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, 4096))
	if err != nil || r.StatusCode != http.StatusOK {
		return fmt.Sprintf("server error: %d", r.StatusCode)
	}
	return string(body)
}

// showPage serves what the plug says of itself.
func (p *newPlug) showPage() (stop func(), err error) {
	l, err := net.Listen("tcp", netip.AddrPortFrom(p.cfg.At, 80).String())
	if err != nil {
		return nil, hub.Errorf(hub.Unavailable, "the plug's page can not be shown: %v", err)
	}
	s := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/config" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"espflash":"1048576","version":"2.9.0","mqtt_topic":"emonesp","node_name":%q,"node_description":"WiFi Smart Plug","node_type":"smartplug"}`, p.cfg.Node)
	})}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.cfg.Logger.Warn("showing the plug's page", "err", err)
		}
	}()
	return func() { s.Close() }, nil
}

// work is the plug's life with its log-in: control below its node, and values
// directly below the topic that it was given.
func (p *newPlug) work(ctx context.Context, broker string, who Credentials) {
	c := connect(broker, who, p.cfg.Logger, behaviour{
		subscribe: []string{p.cfg.Node + "/in/#"},
		heard: func(c *client, topic string, payload []byte) {
			p.tell(c, strings.TrimPrefix(topic, p.cfg.Node+"/"), string(payload))
		},
		connected: func(c *client) {
			c.publish(p.cfg.Node+"/describe", false, []byte("smartplug"))
			p.say(c)
		},
	})
	defer c.close()
	tick := time.NewTicker(p.cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.say(c)
		}
	}
}

func (p *newPlug) tell(c *client, topic, payload string) {
	p.mu.Lock()
	switch topic {
	case "in/ctrlmode":
		p.relay.setMode(payload)
	case "in/timer":
		p.relay.setTimer(payload)
	}
	state := p.relay.state(p.cfg.At.String())
	p.mu.Unlock()
	if topic == "in/state" {
		c.publish(p.cfg.Node+"/out/state", false, state)
	}
	p.say(c)
}

func (p *newPlug) say(c *client) {
	p.mu.Lock()
	watts := 0
	if p.relay.on(time.Now().Unix()) {
		watts = p.cfg.Power
	}
	p.wh += float64(watts) * p.cfg.Every.Hours()
	wh := int64(p.wh)
	p.mu.Unlock()
	c.publish("power", false, number(int64(watts)))
	c.publish("energy", false, number(wh))
}
