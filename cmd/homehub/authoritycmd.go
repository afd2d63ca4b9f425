package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homehub/authority"
)

// authorityFlags are what the commands under homehub authority are told.
type authorityFlags struct {
	dir  string
	json bool
}

func newAuthority() *cobra.Command {
	f := &authorityFlags{}
	cmd := &cobra.Command{
		Use:   "authority",
		Short: "The certificate by which phones and devices know the hub",
		Long: `The hub signs what it shows over HTTPS and over MQTT with TLS by an authority of
its own, which is made at the first start. Phones, computers and devices are
given its certificate; the page More, Secure connection, says how.`,
	}
	cmd.PersistentFlags().StringVar(&f.dir, "data", defaults().Data.Dir, "data folder")
	cmd.PersistentFlags().BoolVar(&f.json, "json", false, "print it as JSON")
	cmd.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Print its fingerprint, to compare with what a phone shows",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := authority.ReadRoot(authorityFile(f.dir))
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), root)
		},
	}, &cobra.Command{
		Use:   "renew",
		Short: "Make a new one in its place",
		Long: `Make a new authority in place of the one there is, for example after a card was
stolen or when the file is damaged. Every phone, computer and device has to be
given the new certificate; remove the old one there. A running hub takes it from
the next connection on.

The old one is kept beside it as authority.pem.old. Remove it if somebody else
may have it; put it back if this was a mistake.`,
		Example: `  sudo -u homehub homehub authority renew`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := authority.Renew(authorityFile(f.dir)); err != nil {
				return err
			}
			root, err := authority.ReadRoot(authorityFile(f.dir))
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), root)
		},
	})
	return cmd
}

// authorityLine is an authority as it is printed with --json.
type authorityLine struct {
	Name   string    `json:"name"`
	SHA256 string    `json:"sha256"` // 64 hexadecimal digits
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Names  []string  `json:"names"` // domains and ranges of addresses that it may sign for
	PEM    string    `json:"pem"`
}

func (f *authorityFlags) print(out io.Writer, root authority.Root) error {
	finger := root.Fingerprint()
	if f.json {
		return json.NewEncoder(out).Encode(authorityLine{
			Name: root.Name, SHA256: strings.NewReplacer(":", "", " ", "").Replace(finger), From: root.From, To: root.To, Names: root.Names, PEM: string(root.PEM()),
		})
	}
	_, err := fmt.Fprintf(out, "name         %s\nSHA-256      %s\n             %s\nholds until  %s\nsigns for    %s\n",
		root.Name, finger[:47], finger[48:], root.To.Format("2006-01-02"), strings.Join(root.Names, ", "))
	return err
}
