package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"homehub/store"
	"homehub/webui"
)

func newPasswd() *cobra.Command {
	var dir, user string
	cmd := &cobra.Command{
		Use:   "passwd",
		Short: "Set the owner's password",
		Long: `Set the password of a person, the owner if no other is named.

The hub must not be running: its settings belong to one process at a time.
In a terminal the password is asked for; otherwise it is the first line of
standard input.`,
		Example: `  sudo systemctl stop homehub
  sudo -u homehub homehub passwd
  sudo systemctl start homehub`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := readPassword(cmd)
			if err != nil {
				return err
			}
			logger, _ := newLogger(cmd.ErrOrStderr(), 8)
			s, err := store.Open(store.Config{Dir: dir, Logger: logger})
			if err != nil {
				return err
			}
			defer s.Close()
			if err := setPassword(s, user, password); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "the password of %s is set\n", user)
			return s.Audit("command line", "user.password", user)
		},
	}
	cmd.Flags().StringVar(&dir, "data", defaults().Data.Dir, "data folder")
	cmd.Flags().StringVar(&user, "user", "owner", "whose password")
	return cmd
}

// setPassword makes or changes a person. A new one is an owner.
func setPassword(s *store.Store, name, password string) error {
	hash, err := webui.HashPassword(password)
	if err != nil {
		return err
	}
	u, ok := s.User(name)
	if !ok {
		u = store.User{Name: name, Role: string(webui.Owner)}
	}
	u.Password = hash
	return s.PutUser(u)
}

func readPassword(cmd *cobra.Command) (string, error) {
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(cmd.ErrOrStderr(), "new password: ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		return string(b), err
	}
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("no password on standard input: %w", err)
	}
	return line, nil
}
