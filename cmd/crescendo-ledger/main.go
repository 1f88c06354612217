// Command crescendo-ledger runs a validator of the ledger: Cosmos SDK on
// CometBFT, with the rules of the programme.
//
// It is a program of its own because two thirds of the validators must agree
// before it changes. People and services use the crescendo command instead.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/program"
)

// rules are the ones every validator must run.
func rules() program.Rules { return program.Rules{Appraise: attest.Appraise} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		os.Exit(report(err))
	}
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func report(err error) int {
	text, hint, _ := strings.Cut(err.Error(), "\nhint: ")
	fmt.Fprintln(os.Stderr, "error:", text)
	if hint != "" {
		fmt.Fprintln(os.Stderr, "hint:", hint)
	}
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "crescendo-ledger",
		Short:         "Run a validator of the ledger",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(initCommand(), startCommand(), replayCommand())
	return root
}
