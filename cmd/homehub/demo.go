package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homehub/dsmr"
	"homehub/hub"
	"homehub/mqtt"
	"homehub/sim"
	"homehub/webui"
)

// demo is the hub beside a simulated house: the same composition as serve,
// with a meter on a pseudo-terminal and devices that are real MQTT clients.
type demo struct {
	listen, mqtt  string
	data, record  string
	speed         int
	history       span
	start         string
	seed          uint64
	begin         time.Time // of the live run, by the house's clock
	interval      time.Duration
	level         slog.Level
	house         *sim.House
	clock         hub.Clock
	master        *os.File // the meter's end of the pseudo-terminal
	password      string
	plug, sun, ev sim.Credentials
	tank          sim.Credentials
	out, errOut   io.Writer
}

func newDemo() *cobra.Command {
	d := &demo{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the hub beside a simulated house",
		Long: `Run the hub beside a simulated house: a DSMR 5.0 meter on a pseudo-terminal, a
roof of 6 kWp, a smart plug with an appliance, a boiler, and a car at a charger.
The hub is the real one; only the hardware is simulated.

Everybody may look; the owner's password to change things is printed, or taken
from HOMEHUB_DEMO_PASSWORD.`,
		Example: `  homehub demo
  homehub demo --speed 600           # a day in under three minutes
  homehub demo --history 365d --data ~/homehub-demo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.out, d.errOut = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return d.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.listen, "listen", "127.0.0.1:8080", "address of the pages")
	f.StringVar(&d.mqtt, "mqtt", "127.0.0.1:1883", "address of the broker")
	f.StringVar(&d.data, "data", "", "data folder; without it a temporary one that is removed at the end")
	f.IntVar(&d.speed, "speed", 1, "simulated seconds per second, 1 to 3600")
	f.Var(&d.history, "history", "past to fill in first, like 7d or 365d")
	f.StringVar(&d.start, "start", "", "simulated time of the start, like 2026-01-15T21:30 (default now)")
	f.Uint64Var(&d.seed, "seed", 1, "seed of everything that is left to chance")
	f.DurationVar(&d.interval, "interval", 10*time.Second, "time between two stored points")
	f.StringVar(&d.record, "record", "", "file for what the simulated house really did, as lines of JSON")
	f.TextVar(&d.level, "log-level", slog.LevelWarn, "DEBUG, INFO, WARN or ERROR")
	return cmd
}

// span is a duration flag that knows days.
type span time.Duration

// Set reads 7d or any time.Duration.
func (s *span) Set(text string) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err != nil || n < 0 || n > 3660 {
			return fmt.Errorf("%q is not a number of days up to 3660d", text)
		}
		*s = span(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(text)
	*s = span(v)
	return err
}

// String is the span in days.
func (s *span) String() string { return fmt.Sprintf("%dd", time.Duration(*s)/(24*time.Hour)) }

// Type is the name in the help.
func (s *span) Type() string { return "days" }

func (d *demo) run(ctx context.Context) error {
	cfg, err := d.config()
	if err != nil {
		return err
	}
	if d.data == "" {
		defer os.RemoveAll(cfg.Data.Dir)
	}
	master, port, err := dsmr.OpenPTY()
	if err != nil {
		return err
	}
	defer master.Close()
	d.master, cfg.Meter = master, MeterConfig{Kind: "serial", Port: port}
	var record io.Writer
	if d.record != "" {
		f, err := os.Create(d.record)
		if err != nil {
			return err
		}
		defer f.Close()
		record = f
	}
	logger, ring := newLogger(d.errOut, d.level)
	if err := d.fill(ctx, cfg); err != nil {
		return err
	}
	return run(ctx, cfg, options{
		clock: d.clock, ring: ring, prepare: d.prepare, ready: d.banner,
		beside: func(ctx context.Context, i *installation) error {
			return sim.Run(ctx, sim.Config{
				Clock: d.clock, House: d.house, Logger: i.part("sim"), Broker: i.broker.Addr().String(),
				Plug: d.plug, Solar: d.sun, Car: d.ev, Boiler: d.tank, MeterOut: d.master, Record: record,
			})
		},
	}, logger)
}

// config makes the configuration and the clock that house and hub share.
func (d *demo) config() (Config, error) {
	cfg := defaults()
	cfg.Web.Listen, cfg.MQTT.Listen, cfg.Web.ReadOpen = d.listen, d.mqtt, true
	cfg.Web.ListenTLS, cfg.MQTT.ListenTLS = "", ""
	cfg.House.ResetFile = ""
	cfg.Data.Interval = duration(d.interval)
	if d.speed < 1 || d.speed > 3600 {
		return cfg, usageError{errors.New("--speed must be 1 to 3600")}
	}
	if d.interval < time.Second || d.interval > time.Hour || d.interval%time.Second != 0 {
		return cfg, usageError{errors.New("--interval must be whole seconds from 1s to 1h")}
	}
	for name, addr := range map[string]string{"--listen": d.listen, "--mqtt": d.mqtt} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return cfg, usageError{fmt.Errorf("%s %q is not an address with a port", name, addr)}
		}
	}
	zone, err := time.LoadLocation(cfg.House.Zone)
	if err != nil {
		return cfg, err
	}
	begin := time.Now()
	if d.start != "" {
		if begin, err = time.ParseInLocation("2006-01-02T15:04", d.start, zone); err != nil {
			return cfg, usageError{fmt.Errorf("--start %q is not a time like 2026-01-15T21:30", d.start)}
		}
	}
	d.begin = begin
	cfg.Data.Dir = d.data
	if d.data == "" {
		if cfg.Data.Dir, err = os.MkdirTemp("", "homehub-demo-"); err != nil {
			return cfg, err
		}
	}
	return cfg, os.MkdirAll(cfg.Data.Dir, 0o700)
}

// prepare makes what a paired house has: the owner, its devices and their
// log-ins. On a folder with data the house goes on where its meter stood.
func (d *demo) prepare(i *installation) error {
	d.password = os.Getenv("HOMEHUB_DEMO_PASSWORD")
	if d.password == "" {
		d.password = webui.EasyPassword()
	}
	if err := setPassword(i.store, "owner", d.password); err != nil {
		return err
	}
	for _, device := range demoDevices() {
		if _, ok := i.hub.Device(device.ID); !ok {
			if err := i.hub.PutDevice(device); err != nil {
				return err
			}
		}
		cred, secret := hub.NewCredential(device.ID, device.ID, mqtt.Grants(device), d.clock.Now())
		if err := i.store.PutCredential(cred); err != nil {
			return err
		}
		who := sim.Credentials{ClientID: cred.ID, Username: cred.ID, Password: secret, Topic: device.Topic}
		switch device.ID {
		case "plug":
			d.plug = who
		case "roof":
			d.sun = who
		case "car":
			d.ev = who
		case "boiler":
			d.tank = who
		}
	}
	return nil
}

const demoLitres = 200 // in the boiler

func demoDevices() []hub.Device {
	return []hub.Device{
		{
			ID: "plug", Name: "Dishwasher", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/smartplug1272", Power: 2000, Line: 1,
			Mode: hub.ModeAuto, Schedule: &hub.Schedule{ReadyBy: 7 * 60, Minutes: 120, Days: hub.EveryDay},
		},
		{
			ID: "car", Name: "Car", Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Topic: "openevse", MinAmps: 6, MaxAmps: 16, Phases: 1, Line: 3,
			Mode: hub.ModeAuto, Schedule: &hub.Schedule{ReadyBy: 7*60 + 30, Energy: 8000, MayPause: true, Days: hub.Workdays},
		},
		{
			ID: "boiler", Name: "Boiler", Family: hub.FamilyTasmota, Role: hub.RolePlug, Topic: "boiler", Power: 2000, Litres: demoLitres, Line: 2,
			Mode: hub.ModeAuto, Schedule: &hub.Schedule{Keep: hub.Band{Low: hub.Degrees(50), High: hub.Degrees(65)}},
		},
		{ID: "roof", Name: "Roof", Family: hub.FamilyEmonESP, Role: hub.RoleSolar, Topic: "emon/solar", Mode: hub.ModeAuto},
	}
}

// fill makes the house and lets it live through the past, stored the way live
// readings are stored. The clock of the live run starts only then, however
// long that took. On a folder with data the house goes on where its meter
// stood.
func (d *demo) fill(ctx context.Context, cfg Config) (err error) {
	i := &installation{cfg: cfg, logger: slog.New(slog.DiscardHandler), beats: newBeats()}
	i.opt.clock = hub.ScaledClock(d.begin, 1)
	i.health = hub.NewHealth(i.opt.clock, i.logger)
	if i.zone, err = time.LoadLocation(cfg.House.Zone); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.close()) }()
	if err := i.buildStorage(); err != nil {
		return err
	}
	start := d.begin.Add(-time.Duration(d.history)).Truncate(time.Second)
	registers, last := storedRegisters(i.db)
	if last.After(start) && last.Before(d.begin) {
		start = last
	}
	d.house, err = sim.New(sim.HouseConfig{Seed: d.seed, Start: start, Zone: i.zone, DefaultDisabled: true, Registers: registers, TankLitres: demoLitres})
	if err != nil {
		return err
	}
	if d.history > 0 && start.Before(d.begin) {
		err = d.live(ctx, i, start)
	}
	d.clock = hub.Clock{}
	if d.speed > 1 || d.start != "" {
		d.clock = hub.ScaledClock(d.begin, d.speed)
	}
	return err
}

// live lets the house live from start to the beginning of the live run.
func (d *demo) live(ctx context.Context, i *installation, start time.Time) error {
	past, err := hub.New(hub.Config{
		Clock: i.opt.clock, Logger: i.logger, Recorder: i.db, Interval: d.interval, Devices: demoDevices(), Ensure: i.ensureFeed,
	})
	if err != nil {
		return err
	}
	progress := newBar(d.errOut, "filling the past", int64(d.begin.Sub(start)))
	flushed := start
	err = d.house.History(start, d.begin, d.interval, func(r hub.Reading, solar hub.Watt, energy hub.WattHour) error {
		past.Report(hub.Report{Device: "roof", At: r.At, Has: hub.ReportPower | hub.ReportEnergy, Power: solar, Energy: energy})
		tank := d.house.Tank()
		past.Report(hub.Report{
			Device: "boiler", At: r.At, Has: hub.ReportPower | hub.ReportTemp | hub.ReportOn, Power: tank.Draws(), On: tank.Draws() > 0,
			Temp: hub.MilliCelsius(tank.Celsius() * 1000),
		})
		past.Observe(r)
		if r.At.Sub(start) <= d.interval {
			past.Tick(ctx, r.At) // which makes the feed of its temperature
		}
		if r.At.Sub(flushed) < 24*time.Hour {
			return nil
		}
		flushed = r.At
		progress.show(int64(r.At.Sub(start)))
		return errors.Join(i.db.Flush(r.At), ctx.Err())
	})
	progress.done()
	return err
}

func (d *demo) banner(i *installation) {
	speed := ""
	if d.speed > 1 {
		speed = fmt.Sprintf(", at %d times the speed: it is %s there", d.speed, d.clock.Now().In(i.zone).Format("Mon 2 Jan 15:04"))
	}
	fmt.Fprintf(d.out, `
  homehub demo

  Open       http://%s
  Log in as  owner
  Password   %s

  Simulated: a DSMR 5.0 meter on %s, a roof of 6 kWp,
             a dishwasher on a smart plug, a boiler, and a car at a charger%s.
  Stop with Ctrl-C.

`, i.web.Addr(), d.password, i.cfg.Meter.Port, speed)
}
