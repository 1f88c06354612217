package governance

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Propose puts a proposal to the vote. Weight is what the sender's shares
// weigh in it, eligible the shares that its quorum is a part of.
func Propose(env crescendo.Env, s kv.Store, t Terms, m *MsgPropose, weight, eligible crescendo.Amount) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	switch {
	case t.VoteBlocks == 0:
		return out, crescendo.Errorf(crescendo.CodeForbidden, "propose for rung %d: holders do not vote in this programme", m.Rung).
			WithHint("its file has no section governance; nobody can add one now")
	case weight == 0:
		return out, crescendo.Errorf(crescendo.CodeForbidden, "propose for rung %d: %s has no shares of it that vote", m.Rung, m.Sender)
	case m.Deposit != t.Deposit:
		return out, crescendo.Errorf(crescendo.CodeInvalid, "propose for rung %d: a deposit of %d, want %d", m.Rung, m.Deposit, t.Deposit).
			WithHint("it comes back when enough shares vote")
	}
	if err := room(s, m); err != nil {
		return out, err
	}
	c, err := Counters.Get(s)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return out, fmt.Errorf("number a proposal: %w", err)
	}
	c.Last++
	p := Proposal{Rung: m.Rung, Kind: m.Kind, Text: m.Text, Author: m.Sender, Deposit: m.Deposit, Opened: env.Height,
		Deadline: env.Height + crescendo.Height(t.VoteBlocks), Eligible: eligible, Status: Voting}
	if err := Counters.Set(s, c); err != nil {
		return out, err
	}
	if err := Opens.Set(s, Open{Kind: m.Kind}, uint32(m.Rung), c.Last); err != nil {
		return out, err
	}
	if err := Dues.Set(s, Open{Kind: m.Kind}, uint64(p.Deadline), c.Last); err != nil {
		return out, err
	}
	out.Pay(m.Sender, Pot(m.Rung), m.Deposit)
	out.Emit(crescendo.NewEvent("governance.proposed", m.Rung, "proposal", c.Last, "kind", m.Kind, "by", m.Sender,
		"deposit", m.Deposit, "eligible", eligible, "quorum-bp", t.QuorumBP, "threshold-bp", t.ThresholdBP,
		"deadline", p.Deadline, "text", m.Text))
	return out, Proposals.Set(s, p, c.Last)
}

// room refuses a proposal of which there are enough already.
func room(s kv.Store, m *MsgPropose) error {
	open, err := Opens.List(s, nil, 2*MaxOpen, uint32(m.Rung))
	if err != nil {
		return fmt.Errorf("list open proposals of rung %d: %w", m.Rung, err)
	}
	same := 0
	for _, o := range open {
		if o.Value.Kind == m.Kind {
			same++
		}
	}
	if same >= MaxOpen {
		return crescendo.Errorf(crescendo.CodeWrongTime, "propose for rung %d: %d proposals of kind %s are open, which is the most", m.Rung, same, m.Kind).
			WithHint("vote on those, or wait until one is decided")
	}
	return nil
}

// Vote casts or changes the sender's vote. Weight is what its shares weigh in
// the rung today; those bought since the proposal was made are subtracted here.
func Vote(env crescendo.Env, s kv.Store, m *MsgVote, weight crescendo.Amount) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	p, err := Load(s, m.Proposal)
	if err != nil {
		return out, err
	}
	if p.Status != Voting || env.Height > p.Deadline {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "vote on proposal %d: its vote ended with block %d", m.Proposal, p.Deadline)
	}
	later, err := Laters.Get(s, m.Proposal, string(m.Sender))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return out, fmt.Errorf("vote on proposal %d: %w", m.Proposal, err)
	}
	if weight <= later.Shares {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "vote on proposal %d: %s has no shares of rung %d that vote on it", m.Proposal, m.Sender, p.Rung).
			WithHint("shares count that were bought before the proposal was made")
	}
	weight -= later.Shares
	before, err := Ballots.Get(s, m.Proposal, string(m.Sender))
	changed := err == nil
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return out, fmt.Errorf("vote on proposal %d: %w", m.Proposal, err)
	}
	if changed && before.Yes == m.Yes {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "vote on proposal %d: %s has said so already", m.Proposal, m.Sender)
	}
	if err := p.count(before, Ballot{Weight: weight, Yes: m.Yes}); err != nil {
		return out, fmt.Errorf("count vote on proposal %d: %w", m.Proposal, err)
	}
	if err := Ballots.Set(s, Ballot{Weight: weight, Yes: m.Yes}, m.Proposal, string(m.Sender)); err != nil {
		return out, err
	}
	out.Emit(crescendo.NewEvent("governance.voted", p.Rung, "proposal", m.Proposal, "by", m.Sender, "vote", word(m.Yes),
		"weight", weight, "changed", changed, "yes", p.Yes, "no", p.No, "eligible", p.Eligible))
	return out, Proposals.Set(s, p, m.Proposal)
}

func word(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// count takes a ballot out of the sums, if there was one, and puts another in.
func (p *Proposal) count(before, now Ballot) error {
	sum := func(yes bool) *crescendo.Amount {
		if yes {
			return &p.Yes
		}
		return &p.No
	}
	var err error
	if from := sum(before.Yes); before.Weight > 0 {
		if *from, err = from.Sub(before.Weight); err != nil {
			return err
		}
	}
	to := sum(now.Yes)
	*to, err = to.Add(now.Weight)
	return err
}

// Bought notes that an account has bought shares of a rung: they do not vote
// on what is open there.
func Bought(s kv.Store, rung crescendo.RungID, account crescendo.Account, amount crescendo.Amount) error {
	open, err := Opens.List(s, nil, 2*MaxOpen, uint32(rung))
	if err != nil {
		return fmt.Errorf("list open proposals of rung %d: %w", rung, err)
	}
	for _, o := range open {
		id := number(o.Rest)
		later, err := Laters.Get(s, id, string(account))
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return fmt.Errorf("note purchase during proposal %d: %w", id, err)
		}
		if later.Shares, err = later.Shares.Add(amount); err != nil {
			return fmt.Errorf("note purchase during proposal %d: %w", id, err)
		}
		if err := Laters.Set(s, later, id, string(account)); err != nil {
			return err
		}
	}
	return nil
}

// number reads a proposal's number at the end of a key.
func number(rest []byte) uint64 {
	if len(rest) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(rest[len(rest)-8:])
}

// Load reads a proposal.
func Load(r kv.Reader, id uint64) (Proposal, error) {
	p, err := Proposals.Get(r, id)
	if errors.Is(err, kv.ErrNotFound) {
		return p, crescendo.Errorf(crescendo.CodeNotFound, "there is no proposal %d", id).
			WithHint("`crescendo governance list` shows all proposals")
	} else if err != nil {
		return p, fmt.Errorf("read proposal %d: %w", id, err)
	}
	return p, nil
}
