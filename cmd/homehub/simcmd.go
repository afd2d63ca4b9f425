package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"homehub/dsmr"
	"homehub/hub"
	"homehub/sim"
	"homehub/tsdb"
)

func newSim() *cobra.Command {
	cmd := &cobra.Command{Use: "sim", Short: "Simulate hardware for a real hub"}
	cmd.AddCommand(newSimMeter(), newSimPlug(), newSimDevice())
	return cmd
}

func newSimPlug() *cobra.Command {
	var cfg sim.NewPlugConfig
	var at string
	cmd := &cobra.Command{
		Use:   "plug",
		Short: "Be a smart plug that looks for a hub",
		Long: `Be an EmonESP smart plug out of the box: ask a hub to be let in until it is, and
then work with the log-in that it was given. Without --hub it waits for the
hub's announcement on UDP port 5005, as the plug does.`,
		Example: `  homehub sim plug --hub 127.0.0.1:8080 --at 127.0.0.71`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if at != "" {
				var err error
				if cfg.At, err = netip.ParseAddr(at); err != nil {
					return usageError{fmt.Errorf("--at %q is not an address", at)}
				}
			}
			cfg.Logger, _ = newLogger(cmd.ErrOrStderr(), slog.LevelInfo)
			return sim.RunNewPlug(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Hub, "hub", "", "host:port of the hub's pages")
	f.StringVar(&at, "at", "", "address of its own, on which it shows its page")
	f.StringVar(&cfg.Node, "node", "smartplug1272", "what it calls itself")
	f.DurationVar(&cfg.Every, "every", 10*time.Second, "time between two questions, and between two values")
	f.IntVar(&cfg.Power, "power", 1850, "what it draws when it is on, in W")
	return cmd
}

func newSimMeter() *cobra.Command {
	var pty, zoneName string
	var stdout bool
	var speed int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "meter",
		Short: "Be a DSMR 5.0 meter that sends a telegram each second",
		Long: `Be a DSMR 5.0 smart meter: one telegram with CRC each second, on standard output
or on a pseudo-terminal that a hub opens as its serial port. --pty PATH makes
PATH a link to that pseudo-terminal.`,
		Example: `  homehub sim meter --stdout | head -40
  homehub sim meter --pty /tmp/meter   # then meter.port = "/tmp/meter"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stdout == (pty != "") {
				return usageError{errors.New("sim meter needs either --stdout or --pty PATH")}
			}
			zone, err := time.LoadLocation(zoneName)
			if err != nil {
				return usageError{err}
			}
			out := cmd.OutOrStdout()
			if pty != "" {
				master, path, err := dsmr.OpenPTY()
				if err != nil {
					return err
				}
				defer master.Close()
				if err := link(path, pty); err != nil {
					return err
				}
				defer os.Remove(pty)
				fmt.Fprintf(cmd.ErrOrStderr(), "the meter is at %s (%s)\n", pty, path)
				out = master
			}
			return runMeter(cmd, out, zone, speed, seed)
		},
	}
	f := cmd.Flags()
	f.StringVar(&pty, "pty", "", "make this path a pseudo-terminal")
	f.BoolVar(&stdout, "stdout", false, "write to standard output")
	f.StringVar(&zoneName, "zone", defaults().House.Zone, "time zone of the house")
	f.IntVar(&speed, "speed", 1, "simulated seconds per second")
	f.Uint64Var(&seed, "seed", 1, "seed of everything that is left to chance")
	return cmd
}

// link makes path lead to the pseudo-terminal. A link that an earlier run
// left behind is replaced; anything else is not touched.
func link(target, path string) error {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSymlink == 0 {
			return fmt.Errorf("%s exists and is not a link: choose another path", path)
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return os.Symlink(target, path)
}

func runMeter(cmd *cobra.Command, out io.Writer, zone *time.Location, speed int, seed uint64) error {
	clock := hub.ScaledClock(time.Now(), speed)
	logger, _ := newLogger(cmd.ErrOrStderr(), 0)
	house, err := sim.New(sim.HouseConfig{Seed: seed, Start: clock.Now(), Zone: zone})
	if err != nil {
		return err
	}
	return sim.Run(cmd.Context(), sim.Config{Clock: clock, House: house, Logger: logger, MeterOut: out})
}

// storedRegisters is where the meter stood when a data folder was last in
// use, so that its simulated house goes on instead of counting from the start.
func storedRegisters(db *tsdb.DB) (r hub.Registers, last time.Time) {
	for feed, register := range map[string]*hub.WattHour{
		hub.FeedImportT1: &r.ImportT1, hub.FeedImportT2: &r.ImportT2, hub.FeedExportT1: &r.ExportT1, hub.FeedExportT2: &r.ExportT2,
	} {
		if p, ok := lastPoint(db, feed); ok {
			*register = hub.WattHour(p.Value)
			if p.At.After(last) {
				last = p.At
			}
		}
	}
	return r, last
}
