package main

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/role/auditor"
	"github.com/spf13/cobra"
)

func (c *cli) why() *cobra.Command {
	var r record
	var rung uint32
	var trust string
	cmd := &cobra.Command{
		Use:   "why ACCOUNT|NAME [--rung R] [--home DIR | --url URL]",
		Short: "Show every number behind what somebody was paid, with its evidence",
		Long: `Show every number behind what a contributor, holder, evaluator or operator was
paid: each round's tokens, losses and pay with the formula and its integers, who
replayed which window, bonds, ranking, shares and points in what the rung
earned, claims, and the block or transaction that records each. The blocks are
checked and executed again for this; nobody's word is taken.`,
		Args: arguments("ACCOUNT|NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runWhy(cmd.Context(), r, args[0], crescendo.RungID(rung), trust)
		},
	}
	r.flags(cmd)
	cmd.Flags().Uint32Var(&rung, "rung", 0, "only this rung of the ladder (default: all)")
	cmd.Flags().StringVar(&trust, "trust", "", "hash of a block or of the genesis that the chain must have")
	return cmd
}

func (c *cli) runWhy(ctx context.Context, r record, who string, rung crescendo.RungID, trust string) error {
	config, err := r.open(ctx)
	if err != nil {
		return err
	}
	config.Trust = trust
	if r.url == "" {
		who = accountNamed(r.home, who)
	}
	w, err := auditor.Explain(ctx, config, who, rung)
	if err != nil {
		return err
	}
	w.Recheck = "crescendo audit --home " + r.home
	if r.url != "" {
		w.Recheck = "crescendo audit --url " + r.url
	}
	if w.Trust != "" {
		w.Recheck += " --trust " + w.Trust
	}
	return c.print(w, func(out writer) { printWhy(out, w) })
}

// accountNamed resolves a name that the run's own directory knows, such as
// those of the demo actors; anything else is left to the chain.
func accountNamed(dir, who string) string {
	var run struct {
		Names map[string]string `json:"names"`
	}
	if err := (home.Home{Dir: dir}).ReadJSON("network.json", &run); err == nil && run.Names[who] != "" {
		return run.Names[who]
	}
	return who
}

func printWhy(w writer, y auditor.Why) {
	fmt.Fprintf(w, "%s", y.Account)
	for _, name := range y.Names {
		fmt.Fprintf(w, " %q", name)
	}
	fmt.Fprintf(w, "\nchain %s, block %d: had %s at genesis, has %s\n", y.ChainID, y.Height, y.Genesis, y.Balance)
	if len(y.Payments) > 0 {
		fmt.Fprintf(w, "\npayments\n")
	}
	for _, p := range y.Payments {
		sign, other := "+", p.From
		if p.From == y.Account {
			sign, other = "-", p.To
		}
		fmt.Fprintf(w, "  %s%-14s %-14s %s; %s\n", sign, p.Amount, other, p.Reason, at(p.Place))
	}
	if e := y.Evaluator; e != nil {
		fmt.Fprintf(w, "\nevaluator: bond %s, earned %s, burned %s\n", e.Bond, e.Earned, e.Burned)
		printEvents(w, e.Slashes)
	}
	for _, r := range y.Rungs {
		printWhyRung(w, r)
	}
	fmt.Fprintf(w, "\nto check all of this, training included: %s\n", y.Recheck)
}

func at(p auditor.Place) string {
	switch {
	case p.Height == 0:
		return "not recorded"
	case p.Tx == "":
		return fmt.Sprintf("end of block %d", p.Height)
	}
	return fmt.Sprintf("block %d, tx %s", p.Height, p.Tx)
}

func printEvents(w writer, events []auditor.EventLine) {
	for _, e := range events {
		fmt.Fprintf(w, "  %s; %s\n", e.Text, at(e.Place))
	}
}

func printWhyRung(w writer, r auditor.WhyRung) {
	fmt.Fprintf(w, "\nrung %d (%s), %s\n", r.Rung, r.Name, r.Stage)
	printEvents(w, r.Contributions)
	if r.Trainer != nil {
		printTrainer(w, r.Trainer)
	}
	for _, j := range r.Judged {
		fmt.Fprintf(w, "  judged round %d: %s; %s\n", j.Round, j.Formula, at(j.Place))
	}
	if r.Revenue != nil {
		printRevenue(w, r.Revenue)
	}
	printEvents(w, r.Events)
}

func printTrainer(w writer, t *auditor.TrainerLine) {
	fmt.Fprintf(w, "  trainer %q: earned %s; escrow %s, released %s, bond held %s, burned %s\n", t.Name, t.Earned, t.Escrow, t.Released, t.Bond, t.Burned)
	if t.Fault != "" {
		fmt.Fprintf(w, "  expelled: %s\n", t.Fault)
	}
	for _, x := range t.Rounds {
		fmt.Fprintf(w, "  round %d: %s; closed at the %s\n", x.Round, x.Formula, at(x.Closed))
		fmt.Fprintf(w, "    loss %d -> %d micro-nats over %d targets: gain %d per target\n", x.Before, x.After, x.Targets, x.Gain)
		fmt.Fprintf(w, "    committed in %s\n    revealed payload %s, end state %s in %s\n", at(x.Commit), x.Payload, x.End, at(x.Reveal))
		if !x.Drawn {
			fmt.Fprintf(w, "    its window was not drawn for a replay\n")
		}
		for _, p := range x.Replays {
			verdict := "and found it equal"
			if !p.Match {
				verdict = "and found it different"
			}
			fmt.Fprintf(w, "    %s replayed the window %s; %s\n", p.Evaluator, verdict, at(p.Place))
		}
	}
	if k := t.Ranking; k != nil {
		kept := "kept"
		if !k.Kept {
			kept = "not kept: " + k.Reason
		}
		fmt.Fprintf(w, "  place %d: mean gain %d per round (95 %% interval %d to %d) over %d rounds, %d tokens verified; %s\n",
			k.Place, k.Mean, k.Lower, k.Upper, k.Rounds, k.Tokens, kept)
	}
}

func printRevenue(w writer, r *auditor.RevenueLine) {
	b := r.Book
	fmt.Fprintf(w, "  the rung received %s: operators %s, holders %s of at most %s, contributors %s, next rung %s, remainder %s\n",
		b.Received, b.Operators, b.Holders, b.Cap, b.Contributors, b.NextRung, b.Remainder)
	for _, role := range []struct {
		name string
		auditor.RoleLine
	}{{"holder", r.Holder}, {"contributor", r.Contributor}, {"operator", r.Operator}} {
		if role.Total > 0 || role.Paid > 0 {
			fmt.Fprintf(w, "  as %s: %s; paid %s, due %s\n", role.name, role.Formula, role.Paid, role.Due)
		}
	}
	printEvents(w, r.Claims)
}
