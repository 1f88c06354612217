package main

import (
	"encoding/binary"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/spf13/cobra"
)

type votesJSON struct {
	Terms     votingTermsJSON `json:"terms"`
	Proposals []proposalJSON  `json:"proposals"`
}

// votingTermsJSON is all zero where holders do not vote.
type votingTermsJSON struct {
	VoteBlocks  uint64           `json:"vote_blocks"`
	QuorumBP    uint32           `json:"quorum_bp"`
	ThresholdBP uint32           `json:"threshold_bp"`
	Deposit     crescendo.Amount `json:"deposit"`
}

type proposalJSON struct {
	Proposal uint64            `json:"proposal"`
	Rung     crescendo.RungID  `json:"rung"`
	Kind     string            `json:"kind"`
	Text     string            `json:"text"`
	Author   crescendo.Account `json:"author"`
	Status   string            `json:"status"`
	Yes      crescendo.Amount  `json:"yes"`
	No       crescendo.Amount  `json:"no"`
	Eligible crescendo.Amount  `json:"eligible"`
	Deposit  crescendo.Amount  `json:"deposit"`
	Returned bool              `json:"deposit_returned"`
	Opened   crescendo.Height  `json:"opened"`
	Deadline crescendo.Height  `json:"deadline"`
	Ballots  []ballotJSON      `json:"ballots"`
}

type ballotJSON struct {
	Account crescendo.Account `json:"account"`
	Vote    string            `json:"vote"`
	Weight  crescendo.Amount  `json:"weight"`
}

func (c *cli) proposals() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "list [--rung N]", Aliases: []string{"show"}, Short: "List proposals, their votes, and what became of them", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			spec, err := program.Specs.Get(state)
			if err != nil {
				return fmt.Errorf("read programme: %w", err)
			}
			g := spec.Governance
			out := votesJSON{votingTermsJSON{g.VoteBlocks, g.QuorumBP, g.ThresholdBP, g.Deposit}, nil}
			if out.Proposals, err = listProposals(state, r.id()); err != nil {
				return err
			}
			return c.print(out, func(w writer) { printProposals(w, out) })
		},
	}
	r.flags(cmd)
	cmd.Flags().Uint32Var(&r.rung, "rung", 0, "only those of this rung; 0: of all")
	return cmd
}

// listProposals reads the proposals of a rung, or of all, with their ballots.
func listProposals(state ledger.State, rung crescendo.RungID) ([]proposalJSON, error) {
	out := []proposalJSON{}
	err := each(state, governance.Proposals, func(rest []byte, p governance.Proposal) {
		if len(rest) != 8 || (rung != 0 && p.Rung != rung) {
			return
		}
		out = append(out, proposalJSON{binary.BigEndian.Uint64(rest), p.Rung, p.Kind, p.Text, p.Author, p.Status.String(), p.Yes, p.No,
			p.Eligible, p.Deposit, p.Returned, p.Opened, p.Deadline, []ballotJSON{}})
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		err := each(state, governance.Ballots, func(rest []byte, b governance.Ballot) {
			vote := "no"
			if b.Yes {
				vote = "yes"
			}
			out[i].Ballots = append(out[i].Ballots, ballotJSON{accountPart(rest), vote, b.Weight})
		}, out[i].Proposal)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func printProposals(w writer, all votesJSON) {
	if all.Terms.VoteBlocks == 0 {
		fmt.Fprintln(w, "holders do not vote in this programme")
		return
	}
	fmt.Fprintf(w, "votes last %d blocks; %s of the shares that may vote must, and %s of those say yes; the deposit is %s\n",
		all.Terms.VoteBlocks, percent(all.Terms.QuorumBP), percent(all.Terms.ThresholdBP), all.Terms.Deposit)
	for _, p := range all.Proposals {
		fmt.Fprintf(w, "proposal %d  rung %d  %s: %s\n", p.Proposal, p.Rung, p.Kind, p.Text)
		fmt.Fprintf(w, "  %s, yes %s, no %s of %s, until block %d, by %s\n", p.Status, p.Yes, p.No, p.Eligible, p.Deadline, p.Author)
		for _, b := range p.Ballots {
			fmt.Fprintf(w, "  %s  %s  %s\n", b.Account, b.Vote, b.Weight)
		}
	}
}

// percent prints basis points.
func percent(bp uint32) string {
	if bp%100 == 0 {
		return fmt.Sprintf("%d %%", bp/100)
	}
	return fmt.Sprintf("%d.%02d %%", bp/100, bp%100)
}
