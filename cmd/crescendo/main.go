// Command crescendo takes part in a programme that funds, trains, seals,
// serves and opens a ladder of ever larger models: as organiser, funder,
// trainer, evaluator, vault operator, client or auditor.
//
// Commands read `crescendo <stage> <verb>`. Data goes to standard output, in
// JSON with --json; everything else goes to standard error. Errors come as a
// line that begins with "error: " and, where there is a remedy, a line that
// begins with "hint: ". The status is 0 for success, 1 when something went
// wrong, 2 when the command line itself was wrong.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/crescendo-network/crescendo/node/supervise"
	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

func run() int {
	supervise.WatchParent()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &cli{out: os.Stdout, err: os.Stderr}
	err := c.root().ExecuteContext(ctx)
	if err == nil || (errors.Is(err, context.Canceled) && ctx.Err() != nil) {
		return 0
	}
	c.report(err)
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

// root builds the command tree.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "crescendo",
		Short:         "Fund, train, seal, serve and open a ladder of models",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v", err).hinted("see: %s --help", cmd.CommandPath())
	})
	root.PersistentFlags().BoolVar(&c.json, "json", false, "write data to standard output as JSON")
	root.AddCommand(c.stages()...)
	return root
}
