package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
)

func replayCommand() *cobra.Command {
	var home, rpc, genesis string
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Execute all blocks of a ledger again and compare the state",
		Long: `Execute all blocks of a ledger again and compare the state.

The blocks are those in the home of a stopped node, or those that a running
one serves on its JSON-RPC. They are executed from the genesis in a fresh
application in memory; after each block the state must be what the next
block's header says.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var done app.Replayed
			var err error
			switch {
			case (home == "") == (rpc == ""):
				return usageError{errors.New("want either --home or --rpc")}
			case home != "":
				done, err = app.ReplayHome(cmd.Context(), home, rules())
			default:
				done, err = replayRPC(cmd.Context(), rpc, genesis)
			}
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
				Height  int64  `json:"height"`
				AppHash string `json:"app_hash"`
			}{done.Height, hex.EncodeToString(done.AppHash)})
		},
	}
	f := cmd.Flags()
	f.StringVar(&home, "home", "", "directory of the ledger; its node must be stopped")
	f.StringVar(&rpc, "rpc", "", "JSON-RPC of a running node, http://host:port")
	f.StringVar(&genesis, "genesis-hash", "", "hash the genesis must have, with --rpc")
	return cmd
}

// replayRPC replays up to the newest block that another block confirms.
func replayRPC(ctx context.Context, rpc, genesis string) (app.Replayed, error) {
	c, err := client.Dial(ctx, rpc, client.Options{})
	if err != nil {
		return app.Replayed{}, err
	}
	head, err := c.Head(ctx)
	if err != nil {
		return app.Replayed{}, err
	}
	return app.ReplayRemote(ctx, c, genesis, head.Height, rules())
}
