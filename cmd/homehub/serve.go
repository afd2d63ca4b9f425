package main

import (
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"homehub/dsmr"
	"homehub/systemd"
)

func newServe() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the hub",
		Example: `  homehub serve
  homehub serve --config ./homehub.toml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file)
			if errors.Is(err, os.ErrNotExist) && !cmd.Flags().Changed("config") {
				cfg, err = defaults(), nil // a hub without a file runs with the defaults
			}
			if err != nil {
				return err
			}
			logger, ring := newLogger(cmd.ErrOrStderr(), cfg.Log.Level)
			return run(cmd.Context(), cfg, options{ring: ring, notifier: systemd.FromEnviron(os.Getenv)}, logger)
		},
	}
	cmd.Flags().StringVar(&file, "config", defaultConfigFile, "configuration file")
	return cmd
}

// newLogger writes to w, which under systemd is the journal, and keeps the
// last lines for the status page.
func newLogger(w io.Writer, level slog.Level) (*slog.Logger, *logRing) {
	ring := newLogRing(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	return slog.New(ring), ring
}

// meterConfig is how telegrams are read. The keys were checked with the file.
func meterConfig(cfg Config, zone *time.Location) (dsmr.Config, error) {
	out := dsmr.Config{Lenient: cfg.Meter.Lenient, NoTag: cfg.Meter.NoTag, Zone: zone}
	var err error
	if out.Key, err = hex.DecodeString(cfg.Meter.Key); err != nil {
		return out, err
	}
	out.AuthKey, err = hex.DecodeString(cfg.Meter.AuthKey)
	return out, err
}
