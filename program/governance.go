package program

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/training"
)

// Governance says how holders vote. Without vote-blocks they do not.
type Governance struct {
	VoteBlocks  uint64           `pb:"1" yaml:"vote-blocks"`
	QuorumBP    uint32           `pb:"2" yaml:"quorum-bp"`    // of the shares that may vote
	ThresholdBP uint32           `pb:"3" yaml:"threshold-bp"` // of the shares that did
	Deposit     crescendo.Amount `pb:"4" yaml:"deposit"`      // comes back when the quorum is reached
}

func (g Governance) validate() error {
	switch {
	case g == Governance{}:
		return nil
	case g.VoteBlocks == 0 || g.VoteBlocks > 1<<32:
		return fmt.Errorf("vote-blocks: %d, want 1 to %d", g.VoteBlocks, uint64(1)<<32)
	case g.QuorumBP == 0 || g.QuorumBP > 10000:
		return fmt.Errorf("quorum-bp: %d, want 1 to 10000", g.QuorumBP)
	case g.ThresholdBP < 5000 || g.ThresholdBP > 10000:
		return fmt.Errorf("threshold-bp: %d, want 5000 to 10000", g.ThresholdBP)
	}
	return amount("deposit", g.Deposit)
}

// votes returns what the programme says about votes, in the words of that
// rule.
func (c *call) votes() governance.Terms {
	g := c.spec.Governance
	return governance.Terms{VoteBlocks: g.VoteBlocks, QuorumBP: g.QuorumBP, ThresholdBP: g.ThresholdBP, Deposit: g.Deposit}
}

// applyGovernance routes the messages of holders; handled says whether it was
// one.
func (c *call) applyGovernance(m crescendo.Message) (handled bool, err error) {
	switch m := m.(type) {
	case *governance.MsgPropose:
		return true, c.propose(m)
	case *governance.MsgVote:
		return true, c.vote(m)
	}
	return false, nil
}

func (c *call) propose(m *governance.MsgPropose) error {
	state, err := c.at(m.Rung, "propose", StageRaising, StageCompeting, StageTraining, StageSelecting, StageSealing, StageServing, StageOpened)
	if err != nil {
		return err
	}
	if m.Kind == governance.Halt && !haltable(state.Stage) {
		return crescendo.Errorf(crescendo.CodeWrongTime, "propose to halt rung %d: it is %s, its money is spent and its model in use", m.Rung, state.Stage).
			WithHint("what holders say now can be put on record as a statement")
	}
	weight, err := c.weight(m.Rung, m.Sender, "propose")
	if err != nil {
		return err
	}
	eligible, err := c.electorate(m.Rung, state.Stage)
	if err != nil {
		return err
	}
	return c.join(governance.Propose(c.env, c.store, c.votes(), m, weight, eligible))
}

func (c *call) vote(m *governance.MsgVote) error {
	p, err := governance.Load(c.store, m.Proposal)
	if err != nil {
		return err
	}
	weight, err := c.weight(p.Rung, m.Sender, "vote")
	if err != nil {
		return err
	}
	return c.join(governance.Vote(c.env, c.store, m, weight))
}

// weight is what an account's shares of a rung weigh in its votes. Those of
// the organiser, who spends the money, weigh nothing; the treasury has no key
// to vote with.
func (c *call) weight(rung crescendo.RungID, account crescendo.Account, doing string) (crescendo.Amount, error) {
	if account == c.spec.Organiser {
		return 0, crescendo.Errorf(crescendo.CodeForbidden, "%s in rung %d: the organiser's shares do not vote", doing, rung)
	}
	return funding.Holding(c.store, rung, account)
}

// electorate is what a quorum is a part of: the shares that may vote. While
// the raise is open that is at least the soft cap, or the first to buy a share
// could halt the rung alone.
func (c *call) electorate(rung crescendo.RungID, stage Stage) (crescendo.Amount, error) {
	raise, err := funding.Raises.Get(c.store, uint32(rung))
	if err != nil {
		return 0, fmt.Errorf("read raise of rung %d: %w", rung, err)
	}
	eligible := raise.Raised
	for _, silent := range []crescendo.Account{funding.Treasury, c.spec.Organiser} {
		shares, err := funding.Holding(c.store, rung, silent)
		if err != nil {
			return 0, err
		}
		if eligible, err = eligible.Sub(shares); err != nil {
			return 0, err
		}
	}
	if stage == StageRaising {
		eligible = max(eligible, raise.SoftCap)
	}
	return eligible, nil
}

// contribute buys shares, which do not vote on what is open already.
func (c *call) contribute(m *funding.MsgContribute, reinvested bool) error {
	if err := c.join(funding.Contribute(c.env, c.store, m, reinvested)); err != nil {
		return err
	}
	return governance.Bought(c.store, m.Rung, m.Sender, m.Amount)
}

// haltable says in which stages there is something to halt: once a rung
// serves, its purse is empty and its sealed model belongs to those who pay.
func haltable(s Stage) bool { return s >= StageRaising && s <= StageSealing }

// endVotes closes the proposals whose deadline has come and carries out what
// was decided.
func (c *call) endVotes() error {
	due, err := governance.Due(c.env, c.store)
	if err != nil {
		return err
	}
	for _, id := range due {
		out, p, err := governance.Close(c.store, c.votes(), id, funding.Treasury)
		if err := c.join(out, err); err != nil {
			return err
		}
		if p.Status != governance.Passed || p.Kind != governance.Halt {
			continue
		}
		if err := c.carryHalt(id, p.Rung); err != nil {
			return fmt.Errorf("halt rung %d by proposal %d: %w", p.Rung, id, err)
		}
	}
	return nil
}

// carryHalt halts a rung, unless it has ended by itself during the vote.
func (c *call) carryHalt(proposal uint64, id crescendo.RungID) error {
	state, err := StateOf(c.store, id)
	if err != nil {
		return err
	}
	if !haltable(state.Stage) {
		return c.join(governance.Lapse(c.store, proposal, "the rung is "+state.Stage.String()))
	}
	if err := c.windUp(id, state); err != nil {
		return err
	}
	raise, err := funding.Raises.Get(c.store, uint32(id))
	if err != nil {
		return err
	}
	c.out.Emit(crescendo.NewEvent("governance.halted", id, "proposal", proposal, "stage", state.Stage,
		"raised", raise.Raised, "spent", raise.Spent, "refundable", raise.Raised-raise.Spent))
	return nil
}

// windUp ends a rung before it serves: members get bonds and earned pay,
// holders what the purse still has. A rung that waits to be sealed has settled
// with its members already.
func (c *call) windUp(id crescendo.RungID, state RungState) error {
	if err := c.cancelCompetition(id); err != nil {
		return err
	}
	if state.Stage != StageSealing {
		if err := c.join(training.Release(c.env, c.store, c.terms(id))); err != nil {
			return err
		}
	}
	if err := c.join(funding.Halt(c.env, c.store, id)); err != nil {
		return err
	}
	return c.move(id, state, StageRefunding)
}
