package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newCheckConfig() *cobra.Command {
	var print bool
	cmd := &cobra.Command{
		Use:   "check-config [FILE]",
		Short: "Check a configuration file, or print the default one",
		Example: `  homehub check-config /etc/homehub/homehub.toml
  homehub check-config --print-default > homehub.toml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if print {
				printDefault(cmd.OutOrStdout())
				return nil
			}
			if len(args) == 0 {
				return usageError{errors.New("check-config needs a file, or --print-default")}
			}
			if _, err := loadConfig(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is fine\n", args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&print, "print-default", false, "print every key with its default and what it is for")
	return cmd
}
