package training

import "github.com/crescendo-network/crescendo"

// MsgJoin takes a seat in a rung's training and deposits the bond.
type MsgJoin struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Name   string            `pb:"3"` // for people; at most 64 bytes
}

// MsgLeave gives the seat back; bond and escrow are released when the rung's
// audits are through.
type MsgLeave struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
}

// MsgStart fixes what a rung trains on. Only the organiser may send it, after
// the raise has closed and a recipe has been adopted.
type MsgStart struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Corpus crescendo.Hash    `pb:"3"` // manifest of the packed corpus
	Root   crescendo.Hash    `pb:"4"` // Merkle root over its shards
	Base   crescendo.Hash    `pb:"5"` // initial checkpoint, recomputable from the rung's seed
	Error  crescendo.Hash    `pb:"6"` // initial aggregator error state: all zero
}

// MsgCommit binds a trainer to its round's payload before anybody can see it.
// Commitment is Commitment(chain, rung, round, trainer, reveal).
type MsgCommit struct {
	Sender     crescendo.Account `pb:"1"`
	Rung       crescendo.RungID  `pb:"2"`
	Round      crescendo.Round   `pb:"3"`
	Commitment crescendo.Hash    `pb:"4"`
	Attempt    uint32            `pb:"5"` // at the round that it is for, from 1
}

// MsgReveal opens a commitment. The payload and, when the window is drawn for
// audit, the start state must be in the blob store by now.
type MsgReveal struct {
	Sender  crescendo.Account `pb:"1"`
	Rung    crescendo.RungID  `pb:"2"`
	Round   crescendo.Round   `pb:"3"`
	Salt    crescendo.Hash    `pb:"4"`
	Base    crescendo.Hash    `pb:"5"`  // checkpoint the work started from
	Payload crescendo.Hash    `pb:"6"`  // encoded delta
	Size    uint64            `pb:"7"`  // bytes of the payload
	Start   crescendo.Hash    `pb:"8"`  // state root before the first step; zero: fresh state
	End     crescendo.Hash    `pb:"9"`  // state root after the last step
	Eager   uint32            `pb:"10"` // steps done before the base was known
	Tokens  uint64            `pb:"11"`
}

// MsgAttest says which revealed payloads an evaluator holds. A reveal counts
// when two thirds of the evaluators hold it.
type MsgAttest struct {
	Sender   crescendo.Account   `pb:"1"`
	Rung     crescendo.RungID    `pb:"2"`
	Round    crescendo.Round     `pb:"3"`
	Trainers []crescendo.Account `pb:"4"`
	Attempt  uint32              `pb:"5"` // at the round that it is for, from 1
}
