package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"homehub/webui"
)

// pairFlags are what homehub pair is told.
type pairFlags struct {
	dir, name, allow string
	json             bool
}

func newPair() *cobra.Command {
	f := &pairFlags{}
	cmd := &cobra.Command{
		Use:   "pair",
		Short: "Let a new device in",
		Long: `Open the window in which a plug or sensor that looks for a hub may ask to be
let in, for two minutes and one device. It talks to the hub that runs on this
machine.

In a terminal it asks before it lets a device in. Elsewhere it lets in whoever
--allow names; without that, somebody has to tap on a page of the hub.`,
		Example: `  sudo -u homehub homehub pair
  homehub pair --name Dryer --allow 192.168.1.71 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.allow != "" {
				if _, err := netip.ParseAddr(f.allow); err != nil {
					return usageError{fmt.Errorf("--allow %q is not an address like 192.168.1.71", f.allow)}
				}
			}
			h, err := dialLocal(f.dir)
			if err != nil {
				return err
			}
			ask := func(question string) bool { return askYes(cmd.InOrStdin(), cmd.ErrOrStderr(), question) }
			if in, ok := cmd.InOrStdin().(*os.File); !ok || !term.IsTerminal(int(in.Fd())) || f.allow != "" {
				ask = nil
			}
			return f.run(cmd.Context(), h, cmd.OutOrStdout(), ask)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "data", defaults().Data.Dir, "data folder of the running hub")
	flags.StringVar(&f.name, "name", "", "what to call the device")
	flags.StringVar(&f.allow, "allow", "", "let the device at this address in")
	flags.BoolVar(&f.json, "json", false, "print every state as a line of JSON")
	return cmd
}

// pairPoll is how often the hub is asked how far it is.
const pairPoll = 300 * time.Millisecond

// run opens the window and follows the pairing to its end. ask is nil where
// nobody can be asked.
func (f *pairFlags) run(ctx context.Context, h *localHub, out io.Writer, ask func(question string) bool) error {
	var s webui.PairingState
	if err := h.call(ctx, http.MethodPost, "/api/pairing", nil, &s); err != nil {
		return err
	}
	tick := time.NewTicker(pairPoll)
	defer tick.Stop()
	last, refused := "", map[netip.Addr]bool{}
	for {
		if key := fmt.Sprint(s.Phase, s.Requests); key != last {
			last = key
			f.print(out, s)
		}
		switch s.Phase {
		case "connected":
			return nil
		case "failed", "closed":
			return errNotPaired(s)
		case "open":
			if err := f.decide(ctx, h, &s, ask, refused); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return h.call(context.WithoutCancel(ctx), http.MethodDelete, "/api/pairing", nil, nil)
		case <-tick.C:
		}
		if err := h.call(ctx, http.MethodGet, "/api/pairing", nil, &s); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// decide lets a device in, if the flags or the person say so.
func (f *pairFlags) decide(ctx context.Context, h *localHub, s *webui.PairingState, ask func(string) bool, refused map[netip.Addr]bool) error {
	for _, r := range s.Requests {
		let := r.Addr.String() == f.allow
		if !let && ask != nil && !refused[r.Addr] {
			let = ask("Let " + describe(r) + " in? [y/N] ")
			refused[r.Addr] = !let
		}
		if let {
			return h.call(ctx, http.MethodPost, "/api/pairing/allow", map[string]string{"addr": r.Addr.String(), "name": f.name}, s)
		}
	}
	return nil
}

func describe(r webui.PairingRequest) string {
	text := "the device at " + r.Addr.String()
	var facts []string
	for _, fact := range []string{r.Kind, r.Vendor, r.MAC} {
		if fact != "" {
			facts = append(facts, fact)
		}
	}
	if len(facts) > 0 {
		text += " (" + strings.Join(facts, ", ") + ")"
	}
	return text
}

func (f *pairFlags) print(out io.Writer, s webui.PairingState) {
	if f.json {
		_ = json.NewEncoder(out).Encode(s) // whoever is gone needs no line
		return
	}
	switch s.Phase {
	case "open":
		if len(s.Requests) == 0 {
			fmt.Fprintf(out, "Devices may ask for %v. Plug the device in now.\n", time.Until(s.Until).Round(time.Second))
		}
		for _, r := range s.Requests {
			fmt.Fprintf(out, "%s asks to be let in.\n", describe(r))
		}
	case "allowed":
		fmt.Fprintf(out, "%s may fetch its log-in now.\n", s.Device)
	case "granted":
		fmt.Fprintf(out, "%s has its log-in and is connecting.\n", s.Device)
	case "connected":
		fmt.Fprintf(out, "%s is connected.\n", s.Device)
	}
}

// errNotPaired says why nobody was let in.
func errNotPaired(s webui.PairingState) error {
	if s.Reason != "" {
		return fmt.Errorf("%s", s.Reason)
	}
	return fmt.Errorf("no device was let in: the window has closed")
}

func askYes(in io.Reader, out io.Writer, question string) bool {
	fmt.Fprint(out, question)
	line, _ := bufio.NewReader(in).ReadString('\n')
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y")
}
