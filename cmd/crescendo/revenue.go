package main

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/spf13/cobra"
)

func (c *cli) revenue() *cobra.Command {
	return stage("revenue", "See what a rung earns, claim a part, reinvest it", c.claim(), c.books())
}

func (c *cli) claim() *cobra.Command {
	var r remote
	var reinvest uint32
	cmd := &cobra.Command{
		Use: "claim --rung N [--reinvest RUNG]", Short: "Take what a rung owes, or buy into another rung's raise with it", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.submit(cmd.Context(), &r, func(_ context.Context, _ *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				return one(&revenue.MsgClaim{Sender: me, Rung: r.id(), Reinvest: crescendo.RungID(reinvest)})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	cmd.Flags().Uint32Var(&reinvest, "reinvest", 0, "rung whose open raise to buy into instead of taking the money")
	return cmd
}

type bookJSON struct {
	Rung         uint32           `json:"rung"`
	Received     crescendo.Amount `json:"received"`
	Operators    crescendo.Amount `json:"operators"`
	Holders      crescendo.Amount `json:"holders"`
	Contributors crescendo.Amount `json:"contributors"`
	NextRung     crescendo.Amount `json:"next_rung"`
	Remainder    crescendo.Amount `json:"remainder"`
	Claimed      crescendo.Amount `json:"claimed"`
	Cap          crescendo.Amount `json:"holders_cap"`
	Repaid       bool             `json:"repaid"`
	Due          *dueJSON         `json:"due,omitempty"`
}

type dueJSON struct {
	Account     crescendo.Account `json:"account"`
	Operator    crescendo.Amount  `json:"operator"`
	Holder      crescendo.Amount  `json:"holder"`
	Contributor crescendo.Amount  `json:"contributor"`
}

func (c *cli) books() *cobra.Command {
	var r remote
	var account string
	cmd := &cobra.Command{
		Use: "show --rung N [--account ADDRESS]", Short: "Show a rung's waterfall, and what it owes an account", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			b, err := revenue.Books.Get(state, r.rung)
			if err != nil {
				return missing(err, "rung %d has no revenue book yet", r.rung)
			}
			out := bookJSON{r.rung, b.Received, b.Operators, b.Holders, b.Contributors, b.NextRung, b.Remainder, b.Claimed, b.Cap, b.Repaid, nil}
			if account != "" {
				who := crescendo.Account(account)
				shares, err := funding.Holding(state, r.id(), who)
				if err != nil {
					return err
				}
				d, err := revenue.Due(state, r.id(), who, shares)
				if err != nil {
					return err
				}
				out.Due = &dueJSON{who, d.Operator, d.Holder, d.Contributor}
			}
			return c.print(out, func(w writer) { printBook(w, out) })
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	cmd.Flags().StringVar(&account, "account", "", "account whose dues to show")
	return cmd
}

func printBook(w writer, b bookJSON) {
	fmt.Fprintf(w, "rung %d has received %s\n", b.Rung, b.Received)
	fmt.Fprintf(w, "  operators     %s\n  holders       %s (of at most %s)\n  contributors  %s\n  next rung     %s\n  remainder     %s\n",
		b.Operators, b.Holders, b.Cap, b.Contributors, b.NextRung, b.Remainder)
	fmt.Fprintf(w, "claimed so far %s\n", b.Claimed)
	if b.Due != nil {
		fmt.Fprintf(w, "due to %s: operator %s, holder %s, contributor %s\n", b.Due.Account, b.Due.Operator, b.Due.Holder, b.Due.Contributor)
	}
}
