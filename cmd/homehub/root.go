package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"
	_ "time/tzdata" // the house's zone must be there on every system

	"github.com/spf13/cobra"
)

// Exit codes: what a script may rely on.
const (
	exitOK      = 0
	exitFailure = 1 // it did not work; one sentence on stderr says why
	exitUsage   = 2 // the call itself is wrong
)

// usageError is an error in how a command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errSilent ends a command with exitFailure after it has said everything.
var errSilent = errors.New("")

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if !errors.Is(err, errSilent) {
		fmt.Fprintf(errOut, "homehub: %v\n", err)
	}
	if usage := (usageError{}); errors.As(err, &usage) || !ran(root, args) {
		return exitUsage
	}
	return exitFailure
}

// ran says whether the command line named a command that could start: cobra
// returns unknown commands and wrong argument counts as plain errors.
func ran(root *cobra.Command, args []string) bool {
	cmd, rest, err := root.Find(args)
	if err != nil {
		return false
	}
	return cmd.Args == nil || cmd.Args(cmd, cmd.Flags().Args()) == nil || len(rest) == 0 && cmd.Runnable()
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "homehub",
		Short: "Home energy hub: meter, storage, broker, plan and pages in one binary",
		Long: `homehub reads the smart meter's P1 port, keeps every reading, is the MQTT
broker of the house, drives plugs and chargers by the cheapest plan, and shows
it all in the browser.

Try it without any hardware:

  homehub demo`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServe(), newDemo(), newCheckConfig(), newSim(), newDSMR(), newFeed(), newBench(), newPlan(), newMQTT(), newPair(), newUser(), newAuthority(), newPasswd(), newReset(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintf(cmd.OutOrStdout(), "homehub %s\n", version())
			return nil
		},
	}
}

// version is the module version or the commit, as the Go toolchain recorded
// it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, dirty, at := "", "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				at = " of " + t.Format("2006-01-02")
			}
		}
	}
	if commit == "" {
		return info.Main.Version
	}
	return commit + dirty + at
}
