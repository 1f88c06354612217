package evaluation

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Evaluator scores, replays and votes.
type Evaluator struct {
	Name   string           `pb:"1"`
	Bond   crescendo.Amount `pb:"2"`
	Earned crescendo.Amount `pb:"3"`
	Burned crescendo.Amount `pb:"4"`
	Index  uint32           `pb:"5"` // order of registration
	Missed uint32           `pb:"6"` // rounds in a row in which it did nothing
	// Suspended evaluators sit on a panel only if there are too few others.
	Suspended bool `pb:"7"`
}

// Ballot is one evaluator's vote in a round.
type Ballot struct {
	Commitment crescendo.Hash `pb:"1"`
	Opened     bool           `pb:"2"`
	Digest     crescendo.Hash `pb:"3"` // of the opened vote: equal digests are equal votes
}

// Replay is an evaluator's report on a window.
type Replay struct {
	Match bool           `pb:"1"`
	End   crescendo.Hash `pb:"2"`
}

// Panel is who judges one round: all evaluators with a bond, but those that
// are trainers of the rung, in the order of their registration.
type Panel struct {
	Members []crescendo.Account `pb:"1"`
}

// Dispute is open from the first mismatch reported about a window until the
// panel has decided.
type Dispute struct {
	Height   crescendo.Height `pb:"1"` // of the first mismatch
	Match    uint32           `pb:"2"`
	Mismatch uint32           `pb:"3"`
}

// Roll counts evaluators: indices are given in order of registration.
type Roll struct {
	Registered uint32 `pb:"1"`
}

// Standing is a trainer's line in the ranking of a finished rung. Lower and
// Upper bound its mean gain per round at 95 %, in micro-nats per target; both
// are computed in integers (Rank).
type Standing struct {
	Trainer crescendo.Account `pb:"1"`
	Mean    int64             `pb:"2"`
	Lower   int64             `pb:"3"`
	Upper   int64             `pb:"4"`
	Tokens  uint64            `pb:"5"` // verified
	Rounds  uint32            `pb:"6"`
	Kept    bool              `pb:"7"`
	Reason  string            `pb:"8"` // why not kept
}

// The rule's collections.
var (
	Evaluators = kv.Map[Evaluator]{Name: "evaluation/evaluator"} // account
	Ballots    = kv.Map[Ballot]{Name: "evaluation/ballot"}       // uint32(rung), uint32(round), account
	Votes      = kv.Map[Vote]{Name: "evaluation/vote"}           // uint32(rung), uint32(round): the vote that carried
	Replays    = kv.Map[Replay]{Name: "evaluation/replay"}       // uint32(rung), uint32(round), trainer, evaluator
	Opened     = kv.Map[Vote]{Name: "evaluation/opened"}         // uint32(rung), uint32(round), digest bytes: opened, not yet carried
	Panels     = kv.Map[Panel]{Name: "evaluation/panel"}         // uint32(rung), uint32(round)
	Disputes   = kv.Map[Dispute]{Name: "evaluation/dispute"}     // uint32(rung), uint32(round), trainer
	Rolls      = kv.Map[Roll]{Name: "evaluation/roll"}           // none
	Standings  = kv.Map[Standing]{Name: "evaluation/standing"}   // uint32(rung), uint32(rank from 1)
)
