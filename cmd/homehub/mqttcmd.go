package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

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
		Long: `Make, list and revoke broker log-ins of your own programs. Where the hub runs, it
does it, and cuts the connection of a log-in that is revoked; where it does not,
its settings are changed.`,
	}
	user.PersistentFlags().StringVar(&f.dir, "data", defaults().Data.Dir, "data folder")
	user.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON")
	user.AddCommand(f.add(), f.list(), f.revoke())
	cmd.AddCommand(user)
	return cmd
}

// clientLine is a log-in as the API and the commands show one.
type clientLine struct {
	ClientID string      `json:"client_id"`
	Username string      `json:"username"`
	Password string      `json:"password,omitempty"`
	Grants   []hub.Grant `json:"grants"`
	Made     time.Time   `json:"made"`
}

func lineOfClient(c hub.Credential, secret string) clientLine {
	return clientLine{c.ID, c.ID, secret, c.Grants, c.Made}
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
			var c clientLine
			err = atHub(cmd, f.dir, func(h *localHub) error {
				body := map[string]any{"name": args[0], "grants": grants}
				return h.call(cmd.Context(), http.MethodPost, "/api/mqtt/clients", body, &c)
			}, func(s *store.Store) error {
				cred, secret, err := newClient(s, args[0], grants, hub.Clock{})
				if err != nil {
					return err
				}
				c = lineOfClient(cred, secret)
				return s.Audit("command line", "client.added", cred.ID)
			})
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), c)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "client id  %s\nuser name  %s\npassword   %s\n\nThe password is not kept: note it now.\n", c.ClientID, c.Username, c.Password)
			return nil
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
			var list struct {
				Clients []clientLine `json:"clients"`
			}
			err := atHub(cmd, f.dir, func(h *localHub) error {
				return h.call(cmd.Context(), http.MethodGet, "/api/mqtt/clients", nil, &list)
			}, func(s *store.Store) error {
				for _, c := range (clientDesk{store: s}).List() {
					list.Clients = append(list.Clients, lineOfClient(c, ""))
				}
				return nil
			})
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), list.Clients)
		},
	}
}

func (f *clientFlags) print(out io.Writer, clients []clientLine) error {
	if f.json {
		return printJSON(out, clients)
	}
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	for _, c := range clients {
		fmt.Fprintf(w, "%s\tsince %s\n", c.ClientID, c.Made.Local().Format("2006-01-02"))
		for _, g := range c.Grants {
			fmt.Fprintf(w, "\t%s\tread %v\twrite %v\n", g.Filter, g.Read, g.Write)
		}
	}
	return w.Flush()
}

func (f *clientFlags) revoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "End a log-in",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return atHub(cmd, f.dir, func(h *localHub) error {
				return h.call(context.WithoutCancel(cmd.Context()), http.MethodDelete, "/api/mqtt/clients/"+url.PathEscape(args[0]), nil, nil)
			}, func(s *store.Store) error {
				if c, ok := s.Credential(args[0]); !ok || c.Device != "" {
					return hub.Errorf(hub.NotFound, "there is no log-in %q", args[0])
				}
				if err := s.DeleteCredential(args[0]); err != nil {
					return err
				}
				return s.Audit("command line", "client.removed", args[0])
			})
		},
	}
}
