package sim

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"homehub/hub"
)

// Config is what runs a house.
type Config struct {
	Clock  hub.Clock
	House  *House
	Logger *slog.Logger

	// Broker is the host:port of the MQTT broker; "" runs the meter alone.
	Broker string
	// A device without a Topic is left out.
	Plug, Solar, Car, Boiler Credentials

	MeterOut io.Writer // where telegrams go, nil: nowhere
	Record   io.Writer // lines of JSON with the truth, see Run; may be nil
}

const (
	beat     = 10 * time.Millisecond // the shortest sleep between two looks at the clock
	maxDelay = 10 * time.Second      // how far, in machine time, the meter may lag before it skips
)

// Run lets the house live by the clock, with its meter and its devices, until
// ctx ends. It ends within a second of that, and returns nil then.
//
// With a Record, each switch of the plug (device plug) or the charger (device
// car; on means that it lets a car charge) is a line like
//
//	{"at":"2026-01-31T22:15:00Z","device":"plug","on":true,"amps":0}
//
// the first two of which say how things stand at the start, and each full
// minute of house time one with the counters of meter, roof, plug and charger
// in Wh. The time is the house's.
func Run(ctx context.Context, cfg Config) error {
	if cfg.House == nil || cfg.Logger == nil {
		return hub.Errorf(hub.Internal, "a simulation needs a house and a logger")
	}
	group, ctx := errgroup.WithContext(ctx)
	d := driver{house: cfg.House, clock: cfg.Clock, record: cfg.Record, logger: cfg.Logger}
	if cfg.MeterOut != nil {
		backlog := int(cfg.Clock.House(maxDelay) / time.Second)
		d.meter = NewMeter(cfg.MeterOut, cfg.House.cfg.Zone, backlog)
		group.Go(func() error { return d.meter.Run(ctx) })
	}
	if cfg.Record != nil {
		cfg.House.keepTruth()
	}
	group.Go(func() error { return d.run(ctx) })
	device := func(c Credentials, run func(context.Context, Config)) {
		if cfg.Broker != "" && c.Topic != "" {
			group.Go(func() error { run(ctx, cfg); return nil })
		}
	}
	device(cfg.Plug, runPlug)
	device(cfg.Solar, runSolar)
	device(cfg.Car, runEVSE)
	if cfg.House.cfg.TankLitres > 0 {
		device(cfg.Boiler, runTank)
	}
	return group.Wait()
}

// driver is the only one that lets time pass in the house, so that the meter
// sees every second of it.
type driver struct {
	house   *House
	clock   hub.Clock
	meter   *Meter // nil: none
	record  io.Writer
	logger  *slog.Logger
	lines   []byte
	skipped int64
}

func (d *driver) run(ctx context.Context) error {
	for {
		now := d.clock.Now()
		d.catchUp(ctx, now)
		if err := d.writeTruth(); err != nil {
			return err
		}
		next := now.Truncate(time.Second).Add(time.Second).Sub(d.clock.Now())
		if d.clock.Sleep(ctx, max(next, d.clock.House(beat))) != nil {
			return nil
		}
	}
}

// catchUp lives every second up to now and shows each to the meter. If the
// house is too far behind (the machine slept, or the clock was set), it goes
// on from now, without telegrams for what it missed.
func (d *driver) catchUp(ctx context.Context, now time.Time) {
	at := d.house.Now()
	if behind := now.Sub(at); behind > d.clock.House(maxDelay) {
		d.skipped += int64(behind / time.Second)
		d.logger.Warn("the house lost time and skips telegrams", "telegrams", int64(behind/time.Second), "skipped_total", d.skipped)
		d.house.Step(now)
		return
	}
	for at = at.Add(time.Second); !at.After(now) && ctx.Err() == nil; at = at.Add(time.Second) {
		r := d.house.Reading(at)
		if d.meter != nil {
			d.meter.Show(r)
		}
	}
}

func (d *driver) writeTruth() error {
	if d.record == nil {
		return nil
	}
	d.lines = d.house.takeTruth(d.lines)
	if len(d.lines) == 0 {
		return nil
	}
	if _, err := d.record.Write(d.lines); err != nil {
		return fmt.Errorf("writing the record of the simulation: %w", err)
	}
	return nil
}
