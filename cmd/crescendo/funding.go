package main

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/node"
	"github.com/spf13/cobra"
)

func (c *cli) funding() *cobra.Command {
	return stage("funding", "Buy shares of a rung, take refunds, see raises", c.contribute(), c.refund(), c.raises())
}

func (c *cli) contribute() *cobra.Command {
	var r remote
	var amount string
	cmd := &cobra.Command{
		Use: "contribute --rung N --amount UNITS", Short: "Buy shares of a rung, one for each smallest unit of money", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := parseAmount("--amount", amount)
			if err != nil {
				return err
			}
			return c.submit(cmd.Context(), &r, func(_ context.Context, _ *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				return one(&funding.MsgContribute{Sender: me, Rung: r.id(), Amount: a})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	cmd.Flags().StringVar(&amount, "amount", "", "in smallest units, a millionth of a demo dollar on development chains")
	return cmd
}

func parseAmount(flag, s string) (crescendo.Amount, error) {
	if s == "" {
		return 0, usagef("%s is missing", flag)
	}
	a, err := crescendo.ParseAmount(s)
	if err != nil {
		return 0, usagef("%s: %v", flag, err)
	}
	return a, nil
}

func (c *cli) refund() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "refund --rung N", Short: "Take a contribution back after a raise that failed", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.submit(cmd.Context(), &r, func(_ context.Context, _ *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				return one(&funding.MsgRefund{Sender: me, Rung: r.id()})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	return cmd
}

type raiseJSON struct {
	Rung       uint32           `json:"rung"`
	Status     string           `json:"status"`
	SoftCap    crescendo.Amount `json:"soft_cap"`
	HardCap    crescendo.Amount `json:"hard_cap"`
	Raised     crescendo.Amount `json:"raised"`
	Reinvested crescendo.Amount `json:"reinvested"`
	Spent      crescendo.Amount `json:"spent"`
	Refunded   crescendo.Amount `json:"refunded"`
	Holders    uint64           `json:"holders"`
	Deadline   crescendo.Height `json:"deadline"`
	Positions  []positionJSON   `json:"positions"`
}

type positionJSON struct {
	Account  crescendo.Account `json:"account"`
	Shares   crescendo.Amount  `json:"shares"`
	Refunded bool              `json:"refunded"`
}

func (c *cli) raises() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "show --rung N", Short: "Show a raise and who holds its shares", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			raise, err := funding.Raises.Get(state, r.rung)
			if err != nil {
				return missing(err, "rung %d has had no raise", r.rung)
			}
			out := raiseJSON{r.rung, raise.Status.String(), raise.SoftCap, raise.HardCap, raise.Raised, raise.Reinvested,
				raise.Spent, raise.Refunded, raise.Holders, raise.Deadline, []positionJSON{}}
			err = each(state, funding.Positions, func(rest []byte, p funding.Position) {
				out.Positions = append(out.Positions, positionJSON{accountPart(rest), p.Shares, p.Refunded})
			}, r.rung)
			if err != nil {
				return err
			}
			return c.print(out, func(w writer) {
				fmt.Fprintf(w, "rung %d: %s, %s of %s to %s raised, %s of it reinvested\n", out.Rung, out.Status, out.Raised, out.SoftCap, out.HardCap, out.Reinvested)
				for _, p := range out.Positions {
					fmt.Fprintf(w, "  %s  %s\n", p.Account, p.Shares)
				}
			})
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	return cmd
}
