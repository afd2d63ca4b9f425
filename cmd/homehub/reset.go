package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"homehub/hub"
	"homehub/store"
	"homehub/tsdb"
)

// eraseMark is the file in the data folder that says that everything in it is
// to go. It is durable before the first file is deleted and goes after the
// last: whatever happens in between, the next start finishes it.
const eraseMark = "erase-everything"

// ownFiles are what cmd/homehub itself keeps in the data folder, beside the
// engine and the store.
var ownFiles = []string{"retained.bin", ".retained-*", "authority.pem*", ".authority-*", "homehub.sock"}

// markErase notes durably that everything is to go.
func markErase(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, eraseMark), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("noting that everything is to go: %w", err)
	}
	return errors.Join(f.Sync(), f.Close(), syncFolder(dir))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// finishErase deletes all of a folder that is marked, while nobody has it
// open, and then the mark. Files that are not the hub's stay.
func finishErase(dir string) (did bool, err error) {
	mark := filepath.Join(dir, eraseMark)
	if _, err := os.Stat(mark); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return true, tsdb.Erase(dir, func() error {
		err := store.Erase(dir)
		for _, pattern := range ownFiles {
			list, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, path := range list {
				err = errors.Join(err, os.Remove(path))
			}
		}
		if err = errors.Join(err, syncFolder(dir)); err != nil {
			return err
		}
		return errors.Join(os.Remove(mark), syncFolder(dir))
	})
}

// finishErase is the first thing that a hub does with its folder.
func (i *installation) finishErase() error {
	did, err := finishErase(i.cfg.Data.Dir)
	if did && err == nil {
		i.logger.Warn("everything was deleted, as was asked for: the hub begins anew")
	}
	return err
}

func newReset() *cobra.Command {
	var dir, confirm string
	var everything bool
	cmd := &cobra.Command{
		Use:   "reset --everything",
		Short: "Delete everything, back to the first start",
		Long: `Delete all that the hub keeps: readings, devices, people, settings, log-ins at
the broker and its own certificate. There is no way back. The configuration file
and files that are not the hub's stay.

Where the hub runs it does it and begins anew; where it does not, its folder is
emptied. "everything" must be typed to confirm, or given with --confirm.`,
		Example: "  homehub reset --everything --data /var/lib/homehub",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !everything {
				return usageError{errors.New("say --everything: there is nothing else to reset")}
			}
			if _, err := os.Stat(dir); err != nil {
				return fmt.Errorf("opening the data folder: %w", err)
			}
			if confirm == "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "This deletes all readings, devices, people and settings in %s, for good.\nType everything to confirm: ", dir)
				confirm = readLine(cmd.InOrStdin())
			}
			if confirm != "everything" {
				return errors.New("nothing is deleted: the word was not typed")
			}
			if err := reset(cmd, dir); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "everything is deleted")
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "data", defaults().Data.Dir, "data folder")
	cmd.Flags().BoolVar(&everything, "everything", false, "readings, devices, people, settings: all of it")
	cmd.Flags().StringVar(&confirm, "confirm", "", `"everything", for scripts: nothing is asked then`)
	return cmd
}

// reset has the hub do it that runs, or does it itself.
func reset(cmd *cobra.Command, dir string) error {
	h, err := dialLocal(dir)
	if err == nil {
		body := map[string]any{"what": "everything", "confirm": "everything", "now": true}
		if err := h.call(cmd.Context(), http.MethodPost, "/api/deletions", body, nil); err != nil {
			return err
		}
		return awaitErase(cmd.Context(), dir)
	}
	if !errors.Is(err, errNotRunning) {
		return err
	}
	if err := markErase(dir); err != nil {
		return err
	}
	if _, err = finishErase(dir); errors.Is(err, tsdb.ErrLocked) {
		return errors.Join(err, os.Remove(filepath.Join(dir, eraseMark))) // nothing was deleted
	}
	return err
}

// awaitErase waits until a running hub has deleted everything.
func awaitErase(ctx context.Context, dir string) error {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	for {
		if _, err := os.Stat(filepath.Join(dir, eraseMark)); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if (hub.Clock{}).Sleep(ctx, 50*time.Millisecond) != nil {
			return errors.New("the hub takes long to close: what is left is deleted at its next start")
		}
	}
}
