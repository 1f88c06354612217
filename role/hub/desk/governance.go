package desk

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
)

var propose = action{
	name: "propose", title: "Propose", verb: "Put it to the holders",
	about: "A holder may ask the others to halt a rung, which refunds what is unspent, or put a statement on record. The deposit comes back when enough shares vote.",
	fields: []field{
		{name: "rung", label: "Rung", kind: "rung", stages: []program.Stage{program.StageRaising, program.StageCompeting, program.StageTraining}},
		{name: "kind", label: "What it asks for", kind: "choice", choices: []string{governance.Statement, governance.Halt}, standard: governance.Statement},
		{name: "text", label: "Reasons, or the statement", kind: "text", hint: "in one line"},
	},
	build: func(w wish) (intent, error) {
		rung, err := w.form.rung("rung")
		if err != nil {
			return intent{}, err
		}
		return intent{message: &governance.MsgPropose{
			Sender: w.me, Rung: rung, Kind: w.form["kind"], Text: w.form["text"], Deposit: w.spec.Governance.Deposit,
		}}, nil
	},
	facts: func(_ ledger.State, spec program.Spec, _ form, _ crescendo.Account) ([]fact, error) {
		g := spec.Governance
		if g.VoteBlocks == 0 {
			return []fact{{"Votes", "this programme has none"}}, nil
		}
		return []fact{
			{"deposit", g.Deposit.String()},
			{"open for", fmt.Sprintf("%d blocks", g.VoteBlocks)},
			{"quorum", percent(g.QuorumBP) + " of the shares that may vote"},
			{"carried by", percent(g.ThresholdBP) + " of the shares that did"},
		}, nil
	},
}

var vote = action{
	name: "vote", title: "Vote", verb: "Vote",
	about: "Votes with all shares this account held when the proposal was made. A vote may be changed while the proposal is open.",
	fields: []field{
		{name: "proposal", label: "Number of the proposal", kind: "number", hint: "the governance page lists them"},
		{name: "say", label: "Vote", kind: "choice", choices: []string{"yes", "no"}, standard: "yes"},
	},
	build: func(w wish) (intent, error) {
		n, err := strconv.ParseUint(w.form["proposal"], 10, 64)
		if err != nil || n == 0 {
			return intent{}, crescendo.Errorf(crescendo.CodeInvalid, "proposal %q: want its number", w.form["proposal"]).
				WithHint("the governance page lists all proposals")
		}
		say := w.form["say"]
		if say != "yes" && say != "no" {
			return intent{}, crescendo.Errorf(crescendo.CodeInvalid, "vote %q: want yes or no", say)
		}
		return intent{message: &governance.MsgVote{Sender: w.me, Proposal: n, Yes: say == "yes"}}, nil
	},
	facts: func(s ledger.State, _ program.Spec, f form, _ crescendo.Account) ([]fact, error) {
		n, err := strconv.ParseUint(f["proposal"], 10, 64)
		if err != nil {
			return nil, nil // the form has not been filled in yet, or will be refused
		}
		p, err := governance.Proposals.Get(s, n)
		if errors.Is(err, kv.ErrNotFound) {
			return []fact{{"Proposal", fmt.Sprintf("there is no number %d", n)}}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read proposal: %w", err)
		}
		return []fact{
			{fmt.Sprintf("Proposal %d", n), p.Status.String()},
			{"asks for", fmt.Sprintf("%s of rung %d", p.Kind, p.Rung)},
			{"says", p.Text},
			{"so far", fmt.Sprintf("%d yes, %d no, of %d that may vote", p.Yes, p.No, p.Eligible)},
			{"until", fmt.Sprintf("block %d", p.Deadline)},
		}, nil
	},
}

// percent is a number of basis points as people read it.
func percent(bp uint32) string { return strconv.FormatFloat(float64(bp)/100, 'g', -1, 64) + " %" }
