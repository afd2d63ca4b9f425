package mqtt

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

const (
	hookEvery = 10 * time.Second // house time between two looks at a device
	hookPause = time.Second      // the least machine time between them
)

// hook is a device of hub.FamilyWebhook: its Topic is an address in the house's
// network, and its map has paths below it.
type hook struct {
	device hub.Device
	reader
}

func newHook(d hub.Device) (*hook, error) {
	u, err := url.Parse(d.Topic)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, hub.FieldErrorf("topic", "must be the device's address, such as http://192.168.1.50")
	}
	if !localHost(u.Hostname()) {
		return nil, hub.FieldErrorf("topic", "%s is not in the house's network: use its address there, or its name ending in .local", clip(u.Hostname()))
	}
	isPath := func(topic string) bool { return strings.HasPrefix(topic, "/") && !strings.HasPrefix(topic, "//") }
	r, err := newReader(d.Map, isPath)
	if err != nil {
		return nil, err
	}
	for _, o := range d.Map.Orders() {
		if !isPath(o.Topic) {
			return nil, hub.FieldErrorf("map."+d.Map.OrderName(o), "%q must be a path below the address, such as /relay/0?turn=on", clip(o.Topic))
		}
	}
	return &hook{device: d, reader: r}, nil
}

// localHost says whether a name can be one of the house's network. What a name
// resolves to is checked again with each connection.
func localHost(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return inLAN(a)
	}
	return !strings.Contains(name, ".") || strings.HasSuffix(name, ".local") || strings.HasSuffix(name, ".lan") || strings.HasSuffix(name, ".home.arpa")
}

// WebhookConfig is what Webhooks are made of.
type WebhookConfig struct {
	Clock  hub.Clock
	Logger *slog.Logger     // nil: none
	Report func(hub.Report) // what devices say
}

// Webhooks drives devices that are switched by HTTP requests. It is a
// hub.Actuator, safe for concurrent use.
type Webhooks struct {
	cfg      WebhookConfig
	client   *http.Client
	couriers *couriers

	mu      sync.Mutex
	hooks   map[string]*hook
	ordered map[string]int  // device -> how many orders were given
	silent  map[string]bool // devices that did not answer last
}

// NewWebhooks makes Webhooks without a device.
func NewWebhooks(cfg WebhookConfig) *Webhooks {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Webhooks{
		cfg: cfg, client: lanClient(), couriers: newCouriers(),
		hooks: map[string]*hook{}, ordered: map[string]int{}, silent: map[string]bool{},
	}
}

// SetDevices takes over what devices there are, and looks at each of them.
func (w *Webhooks) SetDevices(devices []hub.Device) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hooks = map[string]*hook{}
	for _, d := range devices {
		if d.Family != hub.FamilyWebhook {
			continue
		}
		h, err := newHook(d)
		if err != nil {
			w.cfg.Logger.Warn("a webhook can not be used", "device", d.ID, "err", err)
			continue
		}
		w.hooks[d.ID] = h
	}
}

// Run looks at every device from time to time until ctx ends.
func (w *Webhooks) Run(ctx context.Context) error {
	defer w.couriers.close()
	tick := time.NewTicker(max(w.cfg.Clock.Real(hookEvery), hookPause))
	defer tick.Stop()
	for {
		w.mu.Lock()
		hooks := slices.Collect(maps.Values(w.hooks))
		w.mu.Unlock()
		for _, h := range hooks {
			w.couriers.send("look "+h.device.ID, func(ctx context.Context) { w.look(ctx, h) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Actuate sends the requests of a command and returns. What came of it is in
// the device's next Report.
func (w *Webhooks) Actuate(_ context.Context, d hub.Device, c hub.Command) error {
	h, err := newHook(d)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.ordered[d.ID]++
	w.mu.Unlock()
	now := w.cfg.Clock.Now()
	w.couriers.send("order "+d.ID, func(ctx context.Context) { w.order(ctx, h, c, now) })
	return nil
}

// order sends the requests of a command. A device that says nowhere whether it
// is on confirms by its answer.
func (w *Webhooks) order(ctx context.Context, h *hook, c hub.Command, now time.Time) {
	for _, o := range orders(h.device, c) {
		url := h.device.Topic + fill(o.Topic, h.device, c, now)
		if _, err := fetch(ctx, w.client, url, fill(o.Payload, h.device, c, now)); err != nil {
			w.failed(ctx, h, err)
			return
		}
	}
	if h.device.Map.State.Place == "" {
		w.say(h, hub.Report{Has: hub.ReportOn, On: c.On})
		return
	}
	w.look(ctx, h)
}

// look asks the device how it is. An answer that an order overtook is old news.
func (w *Webhooks) look(ctx context.Context, h *hook) {
	w.mu.Lock()
	before := w.ordered[h.device.ID]
	w.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(h.places)) {
		body, err := fetch(ctx, w.client, h.device.Topic+path, "")
		if err != nil {
			w.failed(ctx, h, err)
			return
		}
		r, ok := h.read(path, body)
		w.mu.Lock()
		current := w.ordered[h.device.ID] == before && w.hooks[h.device.ID] == h
		w.mu.Unlock()
		if ok && current {
			w.say(h, r)
		}
	}
}

func (w *Webhooks) say(h *hook, r hub.Report) {
	w.mu.Lock()
	delete(w.silent, h.device.ID)
	w.mu.Unlock()
	r.Device, r.At = h.device.ID, w.cfg.Clock.Now()
	w.cfg.Report(r)
}

// failed says that a device does not answer, in the log once.
func (w *Webhooks) failed(ctx context.Context, h *hook, err error) {
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	known := w.silent[h.device.ID]
	w.silent[h.device.ID] = true
	w.mu.Unlock()
	if !known {
		w.cfg.Logger.Warn("a device does not answer", "device", h.device.ID, "err", err)
	}
	w.cfg.Report(hub.Report{Device: h.device.ID, At: w.cfg.Clock.Now(), Has: hub.ReportOnline})
}
