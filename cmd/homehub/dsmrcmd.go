package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homehub/dsmr"
	"homehub/hub"
)

func newDSMR() *cobra.Command {
	cmd := &cobra.Command{Use: "dsmr", Short: "Look at telegrams of a smart meter"}
	cmd.AddCommand(newDecode(), newWatch(), newDetect())
	return cmd
}

// readFlags are the flags that say how telegrams are read.
type readFlags struct {
	zone, key, authKey string
	lenient, noTag     bool
}

func (f *readFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.zone, "zone", defaults().House.Zone, "time zone of the meter")
	flags.BoolVar(&f.lenient, "lenient", false, "take telegrams without a valid CRC and with bare line feeds")
	flags.StringVar(&f.key, "key", "", "decryption key, 32 hexadecimal digits (Luxembourg, Austria)")
	flags.StringVar(&f.authKey, "auth-key", "", "authentication key, 32 hexadecimal digits")
	flags.BoolVar(&f.noTag, "no-tag", false, "do not check the authentication tag, only the CRC inside")
}

func (f *readFlags) config() (dsmr.Config, error) {
	cfg := dsmr.Config{Lenient: f.lenient, NoTag: f.noTag}
	var err error
	if cfg.Zone, err = time.LoadLocation(f.zone); err != nil {
		return cfg, usageError{fmt.Errorf("--zone: %w", err)}
	}
	if cfg.Key, err = hex.DecodeString(f.key); err != nil {
		return cfg, usageError{errors.New("--key must be hexadecimal")}
	}
	if cfg.AuthKey, err = hex.DecodeString(f.authKey); err != nil {
		return cfg, usageError{errors.New("--auth-key must be hexadecimal")}
	}
	if err := dsmr.CheckKeys(cfg.Key, cfg.AuthKey); err != nil {
		return cfg, usageError{err}
	}
	return cfg, nil
}

func newDecode() *cobra.Command {
	var flags readFlags
	cmd := &cobra.Command{
		Use:   "decode [FILE...]",
		Short: "Print telegrams as JSON, one object a line",
		Long: `Read telegrams from files, or from standard input (-), and print each as one
JSON object. Frames that are refused are named on standard error with their
offset and the reason. The exit code is 0 if at least one telegram was
accepted.`,
		Example: `  homehub dsmr decode telegram.txt
  cat /dev/ttyUSB0 | homehub dsmr decode --zone Europe/Brussels -`,
		RunE: func(cmd *cobra.Command, files []string) error {
			cfg, err := flags.config()
			if err != nil {
				return err
			}
			if len(files) == 0 {
				files = []string{"-"}
			}
			accepted := 0
			for _, name := range files {
				n, err := decodeFile(cmd, name, cfg)
				if err != nil {
					return err
				}
				accepted += n
			}
			if accepted == 0 {
				return errors.New("no telegram was accepted")
			}
			return nil
		},
	}
	flags.add(cmd)
	return cmd
}

func decodeFile(cmd *cobra.Command, name string, cfg dsmr.Config) (accepted int, err error) {
	in, out := cmd.InOrStdin(), bufio.NewWriter(cmd.OutOrStdout())
	defer out.Flush()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		in = f
	}
	cfg.Refused = func(r dsmr.Refusal) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: refused at offset %d: %s\n", name, r.Offset, r.Reason)
	}
	reader := dsmr.NewReader(in, cfg)
	for {
		t, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return accepted, nil
		}
		if err != nil {
			return accepted, fmt.Errorf("reading %s: %w", name, err)
		}
		line, err := dsmr.MarshalSidecar(t)
		if err != nil {
			return accepted, err
		}
		accepted++
		if _, err := out.Write(append(line, '\n')); err != nil {
			return accepted, err
		}
	}
}

func newDetect() *cobra.Command {
	return &cobra.Command{
		Use:   "detect",
		Short: "Find the serial port of the meter",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.ErrOrStderr(), "listening on all serial ports, up to 25 s...")
			s, err := dsmr.Detect(cmd.Context(), dsmr.DetectConfig{})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %d\n", s.Address, s.Baud)
			return nil
		},
	}
}

func newWatch() *cobra.Command {
	var flags readFlags
	var kind string
	cmd := &cobra.Command{
		Use:     "watch [PORT]",
		Short:   "Show what a meter says, live",
		Long:    "Show what a meter says, live. Without a port the meter is looked for first.",
		Example: "  homehub dsmr watch /dev/ttyUSB0\n  homehub dsmr watch --kind tcp 192.168.1.20:23",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := flags.config()
			if err != nil {
				return err
			}
			source := dsmr.Source{Kind: kind, Speed: 1}
			if len(args) == 1 {
				source.Address = args[0]
			} else if source, err = dsmr.Detect(cmd.Context(), dsmr.DetectConfig{Config: cfg}); err != nil {
				return err
			}
			if err := source.Validate(); err != nil {
				return usageError{err}
			}
			return watch(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), cfg, source)
		},
	}
	cmd.Flags().StringVar(&kind, "kind", dsmr.Serial, "serial, tcp, http or replay")
	flags.add(cmd)
	return cmd
}

// watch prints a table that a terminal draws over and over.
func watch(ctx context.Context, out, errOut io.Writer, cfg dsmr.Config, source dsmr.Source) error {
	lines := 0
	return dsmr.Run(ctx, dsmr.RunConfig{
		Config: cfg, Source: source,
		Observe: func(r hub.Reading) {
			if lines > 0 {
				fmt.Fprintf(out, "\x1b[%dA", lines)
			}
			table := tableOf(r, cfg.Zone)
			lines = strings.Count(table, "\n")
			fmt.Fprint(out, table)
		},
		Condition: func(c hub.Condition, reason string) {
			lines = 0
			fmt.Fprintf(errOut, "port: %s %s\n", c, reason)
		},
	})
}

func tableOf(r hub.Reading, zone *time.Location) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-22s %s\x1b[K\n", name, fmt.Sprintf(format, args...))
	}
	row("time", "%s", r.At.In(zone).Format("2006-01-02 15:04:05"))
	row("from the grid", "%6d W", r.Import)
	row("to the grid", "%6d W", r.Export)
	row("taken, tariff 1 and 2", "%12.3f %12.3f kWh", float64(r.ImportT1)/1000, float64(r.ImportT2)/1000)
	row("given, tariff 1 and 2", "%12.3f %12.3f kWh", float64(r.ExportT1)/1000, float64(r.ExportT2)/1000)
	for i := range r.PhaseCount {
		p := r.Phases[i]
		row(fmt.Sprintf("phase %d", i+1), "%6d W in %6d W out %6.2f A %6.1f V", p.Import, p.Export, float64(p.Current)/1000, float64(p.Voltage)/10)
	}
	if r.Has&hub.HasQuarter != 0 {
		row("quarter so far", "%6d W", r.Quarter)
	}
	if r.Has&hub.HasMonthPeak != 0 {
		row("peak of the month", "%6d W", r.MonthPeak)
	}
	if r.Has&hub.HasGas != 0 {
		row("gas", "%12.3f m3", float64(r.Gas)/1000)
	}
	return b.String()
}
