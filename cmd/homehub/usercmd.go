package main

import (
	"bufio"
	"context"
	"encoding/json"
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
	"homehub/webui"
)

// userFlags are common to the commands about people.
type userFlags struct {
	dir  string
	json bool
}

// userLine is a person as the API and the commands show one.
type userLine struct {
	Name     string     `json:"name"`
	Role     string     `json:"role"`
	Until    *time.Time `json:"until"`
	Password string     `json:"password,omitempty"`
}

func newUser() *cobra.Command {
	f := &userFlags{}
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Let people log in, for a time or for good",
		Long: `Make, list and remove the log-ins of people. Where the hub runs, it does it;
where it does not, its settings are changed.`,
	}
	cmd.PersistentFlags().StringVar(&f.dir, "data", defaults().Data.Dir, "data folder")
	cmd.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.AddCommand(f.add(), f.list(), f.remove(), f.forget())
	return cmd
}

func (f *userFlags) add() *cobra.Command {
	var role string
	var span time.Duration
	cmd := &cobra.Command{
		Use:   "add NAME --role family|installer|owner",
		Short: "Make a log-in and print its password, this once",
		Long: `Make a log-in and print its password, this once. An installer may pair and test
devices, never sees how the house lives, and is out again after --for.`,
		Example: `  homehub user add jan --role installer --for 8h
  homehub user add anna --role family`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if span%time.Hour != 0 {
				return usageError{errors.New("--for must be whole hours")}
			}
			var u userLine
			err := atHub(cmd, f.dir, func(h *localHub) error {
				body := map[string]any{"name": args[0], "role": role, "hours": int(span / time.Hour)}
				return h.call(cmd.Context(), http.MethodPost, "/api/users", body, &u)
			}, func(s *store.Store) (err error) {
				u, err = addUser(s, args[0], role, span)
				return err
			})
			if err != nil {
				return err
			}
			if f.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(u)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "user name  %s\npassword   %s\n%s\nThe password is not kept: note it now.\n", u.Name, u.Password, ends(u.Until))
			return nil
		},
	}
	cmd.Flags().StringVar(&role, "role", string(webui.Family), "owner, family or installer")
	cmd.Flags().DurationVar(&span, "for", 0, "how long an installer may come in (8h if left out)")
	return cmd
}

func ends(until *time.Time) string {
	if until == nil {
		return ""
	}
	return "until      " + until.Local().Format("Mon 2 Jan 15:04") + "\n"
}

// addUser makes a person in the settings of a hub that does not run.
func addUser(s *store.Store, name, role string, span time.Duration) (userLine, error) {
	u, err := webui.NewUser(name, webui.Role(role), span, time.Now())
	if err != nil {
		return userLine{}, err
	}
	if _, taken := s.User(u.Name); taken {
		return userLine{}, &hub.Error{Code: hub.Conflict, Field: "name", Message: "is taken: remove it first, or choose another"}
	}
	password := webui.EasyPassword()
	if u.PasswordHash, err = webui.HashPassword(password); err != nil {
		return userLine{}, err
	}
	if err := (people{s}).PutUser(u); err != nil {
		return userLine{}, err
	}
	return lineOfUser(u, password), s.Audit("command line", "user.added", u.Name, role)
}

func lineOfUser(u webui.User, password string) userLine {
	line := userLine{Name: u.Name, Role: string(u.Role), Password: password}
	if !u.Until.IsZero() {
		line.Until = &u.Until
	}
	return line
}

func (f *userFlags) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List who may log in",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list struct {
				Users []userLine `json:"users"`
			}
			err := atHub(cmd, f.dir, func(h *localHub) error {
				return h.call(cmd.Context(), http.MethodGet, "/api/users", nil, &list)
			}, func(s *store.Store) error {
				for _, u := range (people{s}).list() {
					list.Users = append(list.Users, lineOfUser(u, ""))
				}
				return nil
			})
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), list.Users)
		},
	}
}

func (f *userFlags) print(out io.Writer, users []userLine) error {
	if f.json {
		return json.NewEncoder(out).Encode(users)
	}
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	for _, u := range users {
		until := ""
		if u.Until != nil {
			until = "until " + u.Until.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", u.Name, u.Role, until)
	}
	return w.Flush()
}

func (f *userFlags) remove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "End a log-in at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return atHub(cmd, f.dir, func(h *localHub) error {
				return h.call(context.WithoutCancel(cmd.Context()), http.MethodDelete, "/api/users/"+url.PathEscape(args[0]), nil, nil)
			}, func(s *store.Store) error {
				if _, ok := s.User(args[0]); !ok {
					return hub.Errorf(hub.NotFound, "there is nobody called %q", args[0])
				}
				if args[0] == string(webui.Owner) {
					return hub.Errorf(hub.Conflict, "the owner can not be removed: somebody must be able to log in")
				}
				if err := s.DeleteUser(args[0]); err != nil {
					return err
				}
				return s.Audit("command line", "user.removed", args[0])
			})
		},
	}
}

func (f *userFlags) forget() *cobra.Command {
	var confirm string
	cmd := &cobra.Command{
		Use:   "forget NAME",
		Short: "Delete all that is kept of a person",
		Long: `Delete all that is kept of a person, for good: the log-in, the tokens they made
and notices about them. The log of changes keeps what was done, but no longer by
whom. The name must be typed once more to confirm, or given with --confirm.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if name == string(webui.Owner) {
				return hub.Errorf(hub.Conflict, "the owner can not be forgotten: somebody must be able to log in")
			}
			if confirm == "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "Type %s once more to delete all that is kept of them: ", name)
				confirm = readLine(cmd.InOrStdin())
			}
			if confirm != name {
				return errors.New("nothing is deleted: the name was not typed")
			}
			return atHub(cmd, f.dir, func(h *localHub) error {
				body := map[string]any{"what": "person", "name": name, "confirm": name, "now": true}
				return h.call(context.WithoutCancel(cmd.Context()), http.MethodPost, "/api/deletions", body, nil)
			}, func(s *store.Store) error {
				return errors.Join(s.Forget(name), s.Audit("command line", "person.deleted", ""))
			})
		},
	}
	cmd.Flags().StringVar(&confirm, "confirm", "", "the name, for scripts: nothing is asked then")
	return cmd
}

// readLine is a line that somebody types, without the spaces around it.
func readLine(in io.Reader) string {
	line, _ := bufio.NewReader(in).ReadString('\n')
	return strings.TrimSpace(line)
}
