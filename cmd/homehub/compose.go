package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"homehub/authority"
	"homehub/dsmr"
	"homehub/gpio"
	"homehub/hub"
	"homehub/mqtt"
	"homehub/notify"
	"homehub/pairing"
	"homehub/scheduler"
	"homehub/store"
	"homehub/systemd"
	"homehub/tsdb"
	"homehub/webui"
)

// options are what demo needs beyond the configuration file. For serve all of
// it is zero.
type options struct {
	clock    hub.Clock
	notifier systemd.Notifier
	ring     *logRing
	// announce tells the network where the hub is while devices may ask; nil
	// broadcasts.
	announce func() error
	// prepare fills a new data folder before anything runs.
	prepare func(i *installation) error
	// ready is called once the pages are served.
	ready func(i *installation)
	// beside runs along, and ends with the hub.
	beside func(ctx context.Context, i *installation) error
}

// installation is one hub with all its parts, in the order they are built;
// they are closed the other way round.
type installation struct {
	cfg    Config
	opt    options
	zone   *time.Location
	logger *slog.Logger

	health      *hub.Health
	db          *tsdb.DB
	store       *store.Store
	broker      *mqtt.Broker
	relays      *gpio.Relays // nil: this machine has no header
	hooks       *mqtt.Webhooks
	hub         *hub.Hub
	devices     *deviceDesk
	desk        *pairing.Desk
	seen        seenList
	netName     netName
	pairingWake chan struct{} // a pairing changed
	loop        *scheduler.Loop
	pages       *webui.Server
	web         net.Listener
	local       net.Listener         // nil: commands of this machine do not reach the hub
	authority   *authority.Authority // nil: nothing speaks TLS
	httpsPort   atomic.Int64         // 0: the pages are not there over HTTPS
	inputs      *gpio.Inputs
	notices     *notify.Center
	door        *door         // keeps the pages' addresses open when the hub starts again
	again       chan struct{} // somebody asks to start again
	restarts    atomic.Bool   // and it does

	closers []func() error
	beats   beats
}

// errAgain ends a hub that starts again with other settings.
var errAgain = errors.New("the hub starts again")

// run builds a hub, serves until ctx ends, and closes it. A hub that asks for
// it is built again; browsers wait meanwhile, as the address stays open.
func run(ctx context.Context, cfg Config, opt options, logger *slog.Logger) error {
	door := &door{}
	defer door.shut()
	for {
		i := &installation{cfg: cfg, opt: opt, logger: logger, beats: newBeats(), door: door, again: make(chan struct{}, 1), pairingWake: make(chan struct{}, 1)}
		err := i.build()
		if err == nil {
			err = i.serve(ctx)
		}
		err = errors.Join(err, i.close())
		if !errors.Is(err, errAgain) || ctx.Err() != nil {
			return err
		}
		logger.Info("starting again with the new settings")
	}
}

// close closes what was built, the last first.
func (i *installation) close() error {
	var errs []error
	for n := len(i.closers) - 1; n >= 0; n-- {
		errs = append(errs, i.closers[n]())
	}
	i.closers = nil
	return errors.Join(errs...)
}

func (i *installation) part(name string) *slog.Logger { return i.logger.With("part", name) }

func (i *installation) condition(name string) func(hub.Condition, string) {
	return func(c hub.Condition, reason string) { i.health.Set(name, c, reason) }
}

func (i *installation) build() error {
	var err error
	if i.zone, err = time.LoadLocation(i.cfg.House.Zone); err != nil {
		return err
	}
	i.health = hub.NewHealth(i.opt.clock, i.logger)
	for _, step := range []func() error{i.finishErase, i.buildStorage, i.chooseHouse, i.buildAuthority, i.buildBroker, i.buildRelays, i.buildHub, i.buildNotices, i.buildPairing, i.buildPages} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// buildStorage opens the data folder. The engine locks it, so it comes first:
// a second hub on the same folder must touch nothing.
func (i *installation) buildStorage() error {
	var err error
	i.db, err = tsdb.Open(tsdb.Config{
		Dir: i.cfg.Data.Dir, Window: time.Duration(i.cfg.Data.Window),
		Now: i.opt.clock.Now, Logger: i.part("storage"),
	})
	if err != nil {
		return fmt.Errorf("opening the data folder: %w", err)
	}
	i.closers = append(i.closers, i.db.Close)
	i.reportStorage(nil)
	i.store, err = store.Open(store.Config{Dir: i.cfg.Data.Dir, Logger: i.part("settings"), Now: i.opt.clock.Now})
	if err != nil {
		return fmt.Errorf("opening the settings: %w", err)
	}
	i.closers = append(i.closers, i.store.Close)
	i.reportStore()
	return nil
}

func (i *installation) buildBroker() error {
	var topics mqtt.MeterMap
	var err error
	if i.cfg.Meter.Kind == "mqtt" { // a left-over map beside a serial port must not be a second meter
		if topics, err = mqtt.ParseMeterMap(i.cfg.Meter.Topics); err != nil {
			return err
		}
	}
	secure, secret := i.secureBroker()
	i.broker, err = mqtt.New(mqtt.Config{
		Addr: i.cfg.MQTT.Listen, SecureAddr: secure, TLS: secret, Vault: i.store, Clock: i.opt.clock, Logger: i.part("broker"),
		Report:    func(r hub.Report) { i.hub.Report(r) },
		Condition: i.condition("broker"),
		// On its own goroutine: it may write the audit log, and the broker's
		// may not wait.
		LoggedIn:  func(device string) { go i.desk.Online(device) },
		StateFile: i.cfg.Data.Dir + "/retained.bin",
		Meter:     topics, Observe: func(r hub.Reading) { i.hub.Observe(r) },
		Decide: i.decideMode, SetLimit: i.setLimit,
		// A Zigbee2MQTT lists all its devices in one message of some 3 kB each.
		Limits:       mqtt.Limits{Packet: 256 << 10},
		FoundChanged: i.foundChanged,
	})
	i.hooks = mqtt.NewWebhooks(mqtt.WebhookConfig{
		Clock: i.opt.clock, Logger: i.part("webhooks"), Report: func(r hub.Report) { i.hub.Report(r) },
	})
	return err
}

// decideMode keeps the mode that a program asked for on the broker.
func (i *installation) decideMode(client, device string, mode hub.Mode, until time.Time) error {
	s, ok := i.hub.Device(device)
	if !ok {
		return hub.Errorf(hub.NotFound, "there is no device %q", device)
	}
	d := s.Device
	if d.Mode == mode && d.ModeUntil.Equal(until) {
		return nil
	}
	d.Mode, d.ModeUntil = mode, until
	if err := i.hub.PutDevice(d); err != nil {
		return err
	}
	return i.store.Audit("MQTT client "+client, "mode."+string(mode), device)
}

// setLimit puts a limit in force that a program asked for on the broker. One
// that is in force already costs the card nothing, however often it comes.
func (i *installation) setLimit(client string, l hub.Limit) error {
	now := i.hub.Snapshot()
	same := now.Limit.Watts == l.Watts && now.Limit.Source == strings.TrimSpace(l.Source) && now.Limit.Until.Equal(l.Until)
	if same && now.Limit.ActiveAt(now.At) == (l.Source != "") {
		return nil
	}
	if err := i.hub.SetLimit(l); err != nil {
		return err
	}
	what := "set the limit of " + l.Source
	if l.Source == "" {
		what = "withdrew the limit"
	}
	return i.store.Audit("MQTT client "+client, what)
}

// buildRelays takes the header's pins. Most machines have none: that is worth
// a line on the status page only where somebody has set up a relay.
func (i *installation) buildRelays() error {
	i.inputs = gpio.NewInputs(gpio.InputsConfig{
		Clock: i.opt.clock, Logger: i.part("inputs"), Report: func(r hub.Report) { i.hub.Report(r) }, Condition: i.condition("analog inputs"),
	})
	var err error
	i.relays, err = gpio.New(gpio.Config{
		Clock: i.opt.clock, Logger: i.part("relays"), Report: func(r hub.Report) { i.hub.Report(r) }, Condition: i.condition("relays"),
		MinOn: time.Duration(i.cfg.Relay.MinOn), MinOff: time.Duration(i.cfg.Relay.MinOff),
	})
	if err == nil {
		i.closers = append(i.closers, i.relays.Close)
		return nil
	}
	i.relays = nil
	if slices.ContainsFunc(i.store.Devices(), func(d hub.Device) bool { return d.Family == hub.FamilyGPIO && d.Switched() }) {
		i.health.Set("relays", hub.Down, err.Error())
	}
	return nil
}

func (i *installation) buildHub() error {
	actuators := map[hub.Family]hub.Actuator{}
	for _, family := range hub.Families() {
		actuators[family] = i.broker
	}
	actuators[hub.FamilyWebhook] = i.hooks
	delete(actuators, hub.FamilyGPIO)
	if i.relays != nil {
		actuators[hub.FamilyGPIO] = i.relays
	}
	var err error
	i.hub, err = hub.New(hub.Config{
		Clock: i.opt.clock, Logger: i.part("hub"), Recorder: i.db, Interval: time.Duration(i.cfg.Data.Interval),
		Keeper: i.store, Devices: i.store.Devices(), Ensure: i.ensureFeed, Last: i.lastOf,
		Actuators: actuators, Limit: i.keptLimit(),
		KeepLimit: func(l hub.Limit) error { return i.store.PutSetting(limitKey, l) },
	})
	if err != nil {
		return err
	}
	if i.opt.prepare != nil {
		if err := i.opt.prepare(i); err != nil {
			return err
		}
	}
	wake := i.hub.Subscribe()
	i.closers = append(i.closers, func() error { wake.Close(); return nil })
	i.loop = scheduler.New(scheduler.Config{
		Clock: i.opt.clock, Zone: i.zone, Logger: i.part("scheduler"), House: i.hub, Wake: wake.C(),
		Outlook: &outlook{db: i.db, settings: i.store, zone: i.zone, live: i.hub}, Keeper: i.store, Past: heatPast{i.db},
		Connection: i.cfg.connection(), Gain: hub.MicroEuro(i.cfg.House.ReplanGain) * 10_000, Condition: i.condition("scheduler"),
	})
	return nil
}

// limitKey is the setting that holds the limit from outside, so that a restart
// does not lift it.
const limitKey = "grid.limit"

func (i *installation) keptLimit() (l hub.Limit) {
	i.store.Setting(limitKey, &l)
	return l
}

func (i *installation) buildPages() error {
	var err error
	i.web, err = i.door.open(i.cfg.Web.Listen)
	if err != nil {
		return fmt.Errorf("the pages can not listen on %s (%w): stop what uses it, or choose another address with --listen or web.listen", i.cfg.Web.Listen, err)
	}
	i.pages, err = webui.New(webui.Config{
		Clock: i.opt.clock, Zone: i.zone, Logger: i.part("web"), Live: i.hub,
		Devices: i.devices, Feeds: feedShelf{i.db, i.hub}, Users: people{i.store}, UserList: people{i.store}.list, DeleteUser: i.store.DeleteUser,
		Tokens: tokens{i.store}, TokenList: tokens{i.store}.list, Clients: clientDesk{i.store, i.broker, i.opt.clock},
		Health: i.health, Logs: i.opt.ring, Version: version(), ReadOpen: i.cfg.Web.ReadOpen, Hosts: i.cfg.Web.Hosts,
		Notices: noticeDesk{i.notices, i.store}, House: houseDesk{i}, Archive: archiveDesk{i}, RestoreClient: i.restoreClient,
		Preview: i.loop.Preview, SetLimit: i.hub.SetLimit, Websocket: i.broker.Websocket(),
		Certificate: i.certificate, HTTPSPort: i.portOfHTTPS(), HTTPPort: portAt(i.web.Addr()), RedirectHTTPS: i.cfg.Web.RedirectHTTPS,
		Language: i.cfg.House.Language, Prices: (&outlook{settings: i.store, zone: i.zone}).Prices,
		Audit: i.audit, AuditLog: i.auditLines,
		Pairing: pairDesk{i.desk, i.opt.clock, i.devices}, Setup: setupDesk{i}, Restore: i.devices.Restore, NetName: i.netName.NetName,
		Listen: i.listen,
		Can:    func(d hub.Device) []hub.Ability { return mqtt.TraitsOf(d).Can },
		LogIn: func(d hub.Device) (hub.Credential, string, int, error) {
			cred, secret, err := i.devices.LogIn(d)
			return cred, secret, i.brokerPort(), err
		},
	})
	if err != nil {
		return err
	}
	if i.local, err = listenLocal(i.cfg.Data.Dir); err != nil {
		i.local = nil
		i.logger.Warn("opening the socket for this machine's commands", "err", err)
	}
	return nil
}

// serve runs every loop until ctx ends or one fails.
func (i *installation) serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	i.serveWeb(ctx, group)
	group.Go(func() error { return i.desk.Run(ctx) })
	group.Go(func() error { return i.lookAround(ctx) })
	group.Go(func() error { return i.beKnown(ctx) })
	group.Go(func() error { return i.broker.Run(ctx) })
	group.Go(func() error { return i.broker.Mirror(ctx, i.hub) })
	group.Go(func() error { return i.hooks.Run(ctx) })
	group.Go(func() error { return i.inputs.Run(ctx) })
	group.Go(func() error { return i.hub.Run(ctx) })
	group.Go(func() error { return i.loop.Run(ctx) })
	group.Go(func() error { return i.followDevices(ctx) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-i.again:
			i.restarts.Store(true)
			return errAgain
		}
	})
	group.Go(func() error { return i.notices.Run(ctx) })
	group.Go(func() error { return i.watchHouse(ctx) })
	group.Go(func() error { return i.flush(ctx) })
	group.Go(func() error { return i.readMeter(ctx) })
	group.Go(func() error {
		return i.opt.notifier.Watch(ctx, i.alive, func(err error) { i.logger.Error("the watchdog is not fed", "err", err) })
	})
	if i.opt.beside != nil {
		group.Go(func() error { return i.opt.beside(ctx, i) })
	}
	if err := i.opt.notifier.Ready(); err != nil {
		i.logger.Warn("telling systemd that the hub is ready", "err", err)
	}
	i.logger.Info("serving", "pages", i.web.Addr().String(), "mqtt", i.broker.Addr().String())
	if i.opt.ready != nil {
		i.opt.ready(i)
	}
	return group.Wait()
}

// readMeter reads the P1 port for as long as the hub runs. A port that is not
// there is a line on the status page, not an end.
func (i *installation) readMeter(ctx context.Context) error {
	m := i.cfg.Meter
	switch m.Kind {
	case "none":
		i.health.Set("meter", hub.Degraded, "no meter is configured: set meter.kind in "+defaultConfigFile)
		<-ctx.Done()
		return nil
	case "mqtt":
		return i.watchReadings(ctx)
	}
	cfg, err := meterConfig(i.cfg, i.zone)
	if err != nil {
		return err
	}
	source := dsmr.Source{Kind: m.Kind, Address: m.Port, Token: m.Token, Insecure: m.Insecure, Speed: 1}
	if m.Kind == dsmr.Serial && m.Port == "auto" {
		if source, err = i.findMeter(ctx, cfg); err != nil {
			return nil // ctx ended
		}
	}
	return dsmr.Run(ctx, dsmr.RunConfig{
		Config: cfg, Source: source, Clock: i.opt.clock, Observe: i.hub.Observe, Condition: i.condition("meter"),
	})
}

// watchReadings says how a meter is whose values come over the broker: there
// is no port that could say so.
func (i *installation) watchReadings(ctx context.Context) error {
	i.health.Set("meter", hub.Degraded, "waiting for the first value on the topics of meter.topics")
	sub := i.hub.Subscribe()
	defer sub.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sub.C():
		}
		switch s := i.hub.Snapshot(); {
		case s.Stale:
			i.health.Set("meter", hub.Down, "no value since "+s.StaleSince.In(i.zone).Format("15:04:05"))
		case s.HasReading:
			i.health.Set("meter", hub.OK, "")
		}
	}
}

// findMeter looks for the meter until it is found or ctx ends.
func (i *installation) findMeter(ctx context.Context, cfg dsmr.Config) (dsmr.Source, error) {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		source, err := dsmr.Detect(ctx, dsmr.DetectConfig{Config: cfg})
		if err == nil {
			i.logger.Info("meter found", "port", source.Address, "baud", source.Baud)
			return source, nil
		}
		i.health.Set("meter", hub.Down, err.Error())
		if err := (hub.Clock{}).Sleep(ctx, wait); err != nil {
			return source, err
		}
	}
}

// followDevices tells broker and relays which topics and pins belong to whom.
func (i *installation) followDevices(ctx context.Context) error {
	sub := i.hub.Subscribe()
	defer sub.Close()
	last := ""
	for {
		var devices []hub.Device
		var key strings.Builder
		for _, s := range i.hub.Snapshot().Devices {
			devices = append(devices, s.Device)
			fmt.Fprintf(&key, "%s %s %s %s %s %d %d %d %p|", s.ID, s.Name, s.Family, s.Role, s.Topic, s.Phases, s.MaxAmps, s.FlowC, s.Map)
		}
		if key.String() != last || last == "" {
			last = key.String()
			i.broker.SetDevices(devices)
			i.hooks.SetDevices(devices)
			i.inputs.SetDevices(devices)
			if i.relays != nil {
				i.relays.SetDevices(devices)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-sub.C():
		}
	}
}
