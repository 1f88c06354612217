package main

import (
	"encoding/hex"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
)

func replayCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Execute all blocks of a stopped ledger again and compare the state",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := app.ReplayHome(cmd.Context(), home, rules())
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
				Height  int64  `json:"height"`
				AppHash string `json:"app_hash"`
			}{done.Height, hex.EncodeToString(done.AppHash)})
		},
	}
	cmd.Flags().StringVar(&home, "home", "", "directory of the ledger; its node must be stopped")
	require(cmd, "home")
	return cmd
}
