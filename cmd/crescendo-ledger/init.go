package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
)

func initCommand() *cobra.Command {
	var home, specFile, chainID, balanceFile string
	var balances []string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the home and genesis of a new ledger with one validator",
		Long: `Make the home and genesis of a new ledger with one validator.

The programme is the canonical encoding of its specification, as
"crescendo program" writes it. Balances are in the programme's denom.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			in := app.GenesisInput{ChainID: chainID}
			raw, err := os.ReadFile(specFile)
			if err != nil {
				return fmt.Errorf("read programme: %w", err)
			}
			if err := canon.Decode(raw, &in.Spec); err != nil {
				return fmt.Errorf("read programme %s: %w", specFile, err)
			}
			if balanceFile != "" {
				if in.Balances, err = readBalances(balanceFile); err != nil {
					return err
				}
			}
			for _, b := range balances {
				balance, err := parseBalance(b)
				if err != nil {
					return usageError{err}
				}
				in.Balances = append(in.Balances, balance)
			}
			return app.Init(home, in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&home, "home", "", "directory of the ledger")
	f.StringVar(&specFile, "spec", "", "file with the programme's specification")
	f.StringVar(&chainID, "chain-id", "", "name of the chain; simulated enclaves need crescendo-dev-*")
	f.StringArrayVar(&balances, "balance", nil, "account=amount in the smallest unit; may be repeated")
	f.StringVar(&balanceFile, "balances", "", `file with a JSON object {"account":"amount"}`)
	require(cmd, "home", "spec", "chain-id")
	return cmd
}

func require(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic(err) // the flag is not defined: a mistake in this file
		}
	}
}

func parseBalance(s string) (app.Balance, error) {
	account, amount, ok := strings.Cut(s, "=")
	if !ok {
		return app.Balance{}, fmt.Errorf("balance %q: want account=amount", s)
	}
	a, err := crescendo.ParseAmount(amount)
	if err != nil {
		return app.Balance{}, fmt.Errorf("balance %q: %w", s, err)
	}
	return app.Balance{Account: crescendo.Account(account), Amount: a}, nil
}

// readBalances keeps the order of accounts by name, so that equal files make
// equal genesis documents.
func readBalances(path string) ([]app.Balance, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	var byAccount map[crescendo.Account]crescendo.Amount
	if err := json.Unmarshal(raw, &byAccount); err != nil {
		return nil, fmt.Errorf("read balances %s: %w", path, err)
	}
	return app.SortBalances(byAccount), nil
}
