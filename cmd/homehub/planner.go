package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"homehub/scheduler"
)

func newPlan() *cobra.Command {
	var explain, svg bool
	cmd := &cobra.Command{
		Use:   "plan FILE",
		Short: "Solve a planning problem",
		Long: `Read a planning problem (JSON, homehub/plan-problem/1) from a file, or from
standard input if FILE is -, and print the plan (homehub/plan/1): what every
load and the battery do in each quarter of an hour, what it costs, and a proven
lower bound of that cost.`,
		Example: `  homehub plan problem.json > plan.json
  homehub plan --explain problem.json
  homehub plan --svg problem.json > plan.svg`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("plan needs one file, or - for standard input")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readProblem(cmd, args[0])
			if errors.Is(err, scheduler.ErrProblem) {
				return usageError{err} // the contract of the format: exit code 2
			}
			if err != nil {
				return err
			}
			debug.SetGCPercent(400) // a single plan leaves little to collect
			plan, err := scheduler.Solve(p, scheduler.Options{})
			if err != nil {
				return err
			}
			switch {
			case explain:
				scheduler.Explain(cmd.OutOrStdout(), p, plan)
			case svg:
				scheduler.SVG(cmd.OutOrStdout(), p, plan)
			default:
				return json.NewEncoder(cmd.OutOrStdout()).Encode(plan)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&explain, "explain", false, "print a table to read instead of JSON")
	cmd.Flags().BoolVar(&svg, "svg", false, "print a picture instead of JSON")
	cmd.MarkFlagsMutuallyExclusive("explain", "svg")
	return cmd
}

func readProblem(cmd *cobra.Command, name string) (*scheduler.Problem, error) {
	var r io.Reader = cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	return scheduler.ReadProblem(r)
}
