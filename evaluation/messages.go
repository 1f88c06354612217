package evaluation

import "github.com/crescendo-network/crescendo"

// MsgRegister makes the sender an evaluator and deposits the bond.
type MsgRegister struct {
	Sender crescendo.Account `pb:"1"`
	Name   string            `pb:"2"`
}

// Score is one trainer's line in a vote. Losses are summed over the sequences
// drawn for the round, held out from training.
type Score struct {
	Trainer crescendo.Account   `pb:"1"`
	After   crescendo.MicroNats `pb:"2"` // loss of the base plus this delta's share of the average
	Fault   string              `pb:"3"` // why the payload is refused, e.g. "non-canonical"; empty if sound
	Include bool                `pb:"4"` // part of the aggregate
}

// Vote is everything evaluators must agree on, bit for bit, to close a round.
// It is a deterministic function of public data, so honest votes are equal.
type Vote struct {
	Before     crescendo.MicroNats `pb:"1"` // loss of the base on the same sequences
	Targets    uint64              `pb:"2"` // tokens those losses are summed over
	Scores     []Score             `pb:"3"` // sorted by trainer
	Update     crescendo.Hash      `pb:"4"` // encoded aggregate
	Checkpoint crescendo.Hash      `pb:"5"` // base plus decoded update
	Error      crescendo.Hash      `pb:"6"` // aggregator's error state after the update
}

// MsgCommitVote binds an evaluator to its vote: VoteCommitment(chain, rung,
// round, evaluator, salt, vote).
type MsgCommitVote struct {
	Sender     crescendo.Account `pb:"1"`
	Rung       crescendo.RungID  `pb:"2"`
	Round      crescendo.Round   `pb:"3"`
	Commitment crescendo.Hash    `pb:"4"`
	Attempt    uint32            `pb:"5"` // at the round that it is for, from 1
}

// MsgRevealVote opens a committed vote.
type MsgRevealVote struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Round  crescendo.Round   `pb:"3"`
	Salt   crescendo.Hash    `pb:"4"`
	Vote   Vote              `pb:"5"`
}

// MsgReplay reports the bitwise replay of one window: one trainer's round.
type MsgReplay struct {
	Sender  crescendo.Account `pb:"1"`
	Rung    crescendo.RungID  `pb:"2"`
	Round   crescendo.Round   `pb:"3"`
	Trainer crescendo.Account `pb:"4"`
	End     crescendo.Hash    `pb:"5"` // state root the replay arrived at
	Payload crescendo.Hash    `pb:"6"` // payload the replay arrived at
	Attempt uint32            `pb:"7"` // at the round that was replayed, from 1
}
