package governance

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Bounds: on what may be open at a time, so that a purchase has few proposals
// to be subtracted from, and on what the end of one block closes; more waits
// for the next block.
const (
	MaxOpen  = 4  // of each kind in one rung: statements cannot crowd out a halt
	maxClose = 16 // in one block
)

// Terms is what the programme says about votes. Without VoteBlocks there are
// none.
type Terms struct {
	VoteBlocks  uint64
	QuorumBP    uint32 // of the shares that may vote
	ThresholdBP uint32 // of the shares that did
	Deposit     crescendo.Amount
}

// Status of a proposal.
type Status uint32

// The states of a proposal.
const (
	Voting Status = iota + 1
	Passed
	Rejected
	Lapsed // passed, but there was nothing left to halt
)

// String returns the status in one word.
func (s Status) String() string {
	switch s {
	case Voting:
		return "voting"
	case Passed:
		return "passed"
	case Rejected:
		return "rejected"
	case Lapsed:
		return "lapsed"
	}
	return "unknown"
}

// Proposal is a question to the holders of a rung, and what became of it.
type Proposal struct {
	Rung     crescendo.RungID  `pb:"1"`
	Kind     string            `pb:"2"`
	Text     string            `pb:"3"`
	Author   crescendo.Account `pb:"4"`
	Deposit  crescendo.Amount  `pb:"5"`
	Opened   crescendo.Height  `pb:"6"`
	Deadline crescendo.Height  `pb:"7"` // the last block in which a vote counts
	Eligible crescendo.Amount  `pb:"8"` // shares that the quorum is a part of
	Yes      crescendo.Amount  `pb:"9"`
	No       crescendo.Amount  `pb:"10"`
	Status   Status            `pb:"11"`
	Returned bool              `pb:"12"` // the deposit went back to the author
}

// Ballot is one holder's vote.
type Ballot struct {
	Weight crescendo.Amount `pb:"1"`
	Yes    bool             `pb:"2"`
}

// Counter hands out numbers of proposals.
type Counter struct {
	Last uint64 `pb:"1"`
}

// Later is what an account bought after a proposal was made; it does not vote
// on it.
type Later struct {
	Shares crescendo.Amount `pb:"1"`
}

// Open marks a proposal that is being voted on.
type Open struct {
	Kind string `pb:"1"`
}

// The rule's collections.
var (
	Proposals = kv.Map[Proposal]{Name: "governance/proposal"} // key: uint64(proposal)
	Ballots   = kv.Map[Ballot]{Name: "governance/ballot"}     // key: uint64(proposal), account
	Laters    = kv.Map[Later]{Name: "governance/later"}       // key: uint64(proposal), account
	Opens     = kv.Map[Open]{Name: "governance/open"}         // key: uint32(rung), uint64(proposal)
	Dues      = kv.Map[Open]{Name: "governance/due"}          // key: uint64(deadline), uint64(proposal)
	Counters  = kv.Map[Counter]{Name: "governance/counter"}   // key: none
)

// Pot holds the deposits of a rung's open proposals.
func Pot(rung crescendo.RungID) crescendo.Account { return crescendo.Pot("governance", rung) }

// Held returns what the pot of a rung must hold.
func Held(r kv.Reader, rung crescendo.RungID) (crescendo.Amount, error) {
	open, err := Opens.List(r, nil, 2*MaxOpen, uint32(rung))
	if err != nil {
		return 0, fmt.Errorf("list open proposals of rung %d: %w", rung, err)
	}
	var held crescendo.Amount
	for _, o := range open {
		p, err := Load(r, number(o.Rest))
		if err != nil {
			return 0, err
		}
		if held, err = held.Add(p.Deposit); err != nil {
			return 0, err
		}
	}
	return held, nil
}
