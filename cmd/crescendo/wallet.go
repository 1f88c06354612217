package main

import (
	"context"
	"fmt"
	"os"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/node"
	"github.com/spf13/cobra"
)

func (c *cli) wallet() *cobra.Command {
	return stage("wallet", "Keep keys, see and send money", c.newKey(), c.showKey(), c.send())
}

type walletJSON struct {
	Account crescendo.Account `json:"account"`
	File    string            `json:"file"`
	Balance *crescendo.Amount `json:"balance,omitempty"`
}

func (c *cli) newKey() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "new [--key NAME]", Short: "Make a key", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			path := r.keyPath()
			if _, err := os.Stat(path); err == nil {
				return crescendo.Errorf(crescendo.CodeDuplicate, "%s exists already", path).
					WithHint("a key is never overwritten: name another with --key")
			}
			s, err := node.NewKey(path)
			if err != nil {
				return err
			}
			return c.print(walletJSON{s.Account(), path, nil}, func(w writer) { fmt.Fprintf(w, "%s\n", s.Account()) })
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	return cmd
}

func (c *cli) showKey() *cobra.Command {
	var r remote
	var account string
	cmd := &cobra.Command{
		Use: "show [--key NAME | --account ADDRESS]", Short: "Show an account and, while a programme runs, its balance", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := walletJSON{Account: crescendo.Account(account)}
			if account == "" {
				s, err := r.signer()
				if err != nil {
					return err
				}
				out.Account, out.File = s.Account(), r.keyPath()
			} else if err := address.Validate(out.Account); err != nil && !out.Account.IsPot() {
				return usagef("--account: %v", err)
			}
			conn, err := r.connect(cmd.Context())
			switch {
			case err == nil:
				b, err := conn.Ledger.Balance(cmd.Context(), out.Account)
				if err != nil {
					return err
				}
				out.Balance = &b
			case r.url != "" || account != "":
				return err
			}
			return c.print(out, func(w writer) {
				fmt.Fprintf(w, "account  %s\n", out.Account)
				if out.Balance != nil {
					fmt.Fprintf(w, "balance  %s\n", *out.Balance)
				}
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	cmd.Flags().StringVar(&account, "account", "", "another account, or a pot such as @treasury")
	return cmd
}

func (c *cli) send() *cobra.Command {
	var r remote
	var to, amount string
	cmd := &cobra.Command{
		Use: "send --to ADDRESS --amount UNITS", Short: "Send money to an account", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := parseAmount("--amount", amount)
			if err != nil {
				return err
			}
			if err := address.Validate(crescendo.Account(to)); err != nil {
				return usagef("--to: %v", err)
			}
			return c.submit(cmd.Context(), &r, func(ctx context.Context, conn *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				spec, err := conn.Spec(ctx)
				if err != nil {
					return nil, err
				}
				return one(wire.Send(spec.Denom, me, crescendo.Account(to), a))
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	cmd.Flags().StringVar(&to, "to", "", "account that receives it")
	cmd.Flags().StringVar(&amount, "amount", "", "in smallest units")
	return cmd
}
