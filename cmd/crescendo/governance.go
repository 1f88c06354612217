package main

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/program"
	"github.com/spf13/cobra"
)

func (c *cli) governance() *cobra.Command {
	return stage("governance", "Propose to halt a rung, vote with its shares, see proposals", c.propose(), c.ballot(), c.proposals())
}

func (c *cli) propose() *cobra.Command {
	var r remote
	var kind, text string
	cmd := &cobra.Command{
		Use: "propose --rung N --kind halt|statement --text TEXT", Short: "Put a question to the holders of a rung, with the programme's deposit", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m := governance.MsgPropose{Sender: "nobody-yet", Rung: r.id(), Kind: kind, Text: text}
			if err := m.Check(); err != nil {
				return usagef("%v", err).hinted("--kind %s or %s, --text of one line, at most %d bytes", governance.Halt, governance.Statement, governance.MaxText)
			}
			return c.submit(cmd.Context(), &r, func(ctx context.Context, conn *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				state, err := conn.Ledger.State(ctx)
				if err != nil {
					return nil, err
				}
				spec, err := program.Specs.Get(state)
				if err != nil {
					return nil, fmt.Errorf("read programme: %w", err)
				}
				m.Sender, m.Deposit = me, spec.Governance.Deposit
				c.note("a deposit of %s is left; it comes back when enough shares vote", m.Deposit)
				return one(&m)
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	cmd.Flags().StringVar(&kind, "kind", "", "halt: stop the rung and refund what is unspent; statement: say something on record")
	cmd.Flags().StringVar(&text, "text", "", "the reasons, or the statement, in one line")
	return cmd
}

func (c *cli) ballot() *cobra.Command {
	var r remote
	var proposal uint64
	var yes, no bool
	cmd := &cobra.Command{
		Use: "vote --proposal N --yes|--no", Short: "Vote with the shares held when a proposal was made; a vote may be changed", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if yes == no {
				return usagef("vote: want one of --yes and --no")
			}
			if proposal == 0 {
				return usagef("vote: --proposal is missing").hinted("`crescendo governance list` shows all proposals")
			}
			return c.submit(cmd.Context(), &r, func(_ context.Context, _ *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				return one(&governance.MsgVote{Sender: me, Proposal: proposal, Yes: yes})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	cmd.Flags().Uint64Var(&proposal, "proposal", 0, "number of the proposal")
	cmd.Flags().BoolVar(&yes, "yes", false, "vote for it")
	cmd.Flags().BoolVar(&no, "no", false, "vote against it")
	return cmd
}
