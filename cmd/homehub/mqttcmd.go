package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"homehub/hub"
	"homehub/store"
)

// clientFlags are common to the commands about broker log-ins.
type clientFlags struct {
	dir  string
	json bool
}

func newMQTT() *cobra.Command {
	f := &clientFlags{}
	cmd := &cobra.Command{Use: "mqtt", Short: "Broker log-ins of your own programs"}
	user := &cobra.Command{
		Use:   "user",
		Short: "Make, list and revoke broker log-ins",
		Long: `Make, list and revoke broker log-ins of your own programs. The hub must not be
running; a running one does the same on its page More and at /api/mqtt/clients.`,
	}
	user.PersistentFlags().StringVar(&f.dir, "data", defaults().Data.Dir, "data folder")
	user.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON")
	user.AddCommand(f.add(), f.list(), f.revoke())
	cmd.AddCommand(user)
	return cmd
}

func (f *clientFlags) with(cmd *cobra.Command, run func(*store.Store) error) (err error) {
	logger, _ := newLogger(cmd.ErrOrStderr(), slog.LevelError)
	s, err := store.Open(store.Config{Dir: f.dir, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return run(s)
}

func (f *clientFlags) add() *cobra.Command {
	var topics []string
	cmd := &cobra.Command{
		Use:   "add NAME --topics PATTERN[:r|w|rw]",
		Short: "Make a log-in and print its password, this once",
		Example: `  homehub mqtt user add homeassistant --topics 'homehub/#:r' --topics 'homeassistant/#'
  homehub mqtt user add logger --topics '#:r' --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			grants, err := grantsOf(topics)
			if err != nil {
				return usageError{err}
			}
			return f.with(cmd, func(s *store.Store) error {
				cred, secret, err := newClient(s, args[0], grants, hub.Clock{})
				if err != nil {
					return err
				}
				if f.json {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"client_id": cred.ID, "username": cred.ID, "password": secret})
				}
				fmt.Fprintf(cmd.OutOrStdout(), "client id  %s\nuser name  %s\npassword   %s\n\nThe password is not kept: note it now.\n", cred.ID, cred.ID, secret)
				return s.Audit("command line", "added MQTT client "+cred.ID)
			})
		},
	}
	cmd.Flags().StringArrayVar(&topics, "topics", nil, "topic filter, with :r to read, :w to write or :rw (default) after it; may be repeated")
	return cmd
}

// grantsOf reads filters like homehub/#:r. A colon that is part of a filter is
// kept: only these three endings count.
func grantsOf(topics []string) ([]hub.Grant, error) {
	if len(topics) == 0 {
		return nil, errors.New("give at least one --topics")
	}
	var grants []hub.Grant
	for _, text := range topics {
		g := hub.Grant{Filter: text, Read: true, Write: true}
		for ending, rights := range map[string][2]bool{":r": {true, false}, ":w": {false, true}, ":rw": {true, true}} {
			if filter, ok := strings.CutSuffix(text, ending); ok {
				g = hub.Grant{Filter: filter, Read: rights[0], Write: rights[1]}
			}
		}
		if g.Filter == "" || len(g.Filter) > 256 {
			return nil, fmt.Errorf("--topics %q is not a topic filter", text)
		}
		grants = append(grants, g)
	}
	return grants, nil
}

func (f *clientFlags) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the log-ins of programs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(s *store.Store) error {
				clients := clientDesk{store: s}.List()
				if f.json {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(clients)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
				for _, c := range clients {
					fmt.Fprintf(w, "%s\tsince %s\n", c.ID, c.Made.Format("2006-01-02"))
					for _, g := range c.Grants {
						fmt.Fprintf(w, "\t%s\tread %v\twrite %v\n", g.Filter, g.Read, g.Write)
					}
				}
				return w.Flush()
			})
		},
	}
}

func (f *clientFlags) revoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "End a log-in",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, func(s *store.Store) error {
				if c, ok := s.Credential(args[0]); !ok || c.Device != "" {
					return hub.Errorf(hub.NotFound, "there is no log-in %q", args[0])
				}
				if err := s.DeleteCredential(args[0]); err != nil {
					return err
				}
				return s.Audit("command line", "revoked MQTT client "+args[0])
			})
		},
	}
}
