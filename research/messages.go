package research

import "github.com/crescendo-network/crescendo"

// MsgRegister enters a recipe by its hash, and what it builds on, in a rung
// without a competition.
type MsgRegister struct {
	Sender  crescendo.Account `pb:"1"`
	Rung    crescendo.RungID  `pb:"2"`
	Recipe  crescendo.Hash    `pb:"3"`
	Parents []crescendo.Hash  `pb:"4"` // at most MaxParents registered recipes
}

// MsgAdopt names the recipe a rung without a competition is trained with. Only
// the organiser may send it; its author earns the rung's royalty.
type MsgAdopt struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Recipe crescendo.Hash    `pb:"3"`
}

// MsgEnter commits to a recipe (see EntryCommitment) and pays the entry bond.
type MsgEnter struct {
	Sender     crescendo.Account `pb:"1"`
	Rung       crescendo.RungID  `pb:"2"`
	Commitment crescendo.Hash    `pb:"3"`
	Season     bool              `pb:"4"` // of newcomers, not the rung's own competition
}

// MsgRevealEntry shows the recipe that the sender committed to.
type MsgRevealEntry struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Recipe Recipe            `pb:"3"`
	Salt   crescendo.Hash    `pb:"4"`
	Season bool              `pb:"5"`
	Task   EvaluationTask    `pb:"6"` // what the recipe contributes, if it is one that does
}

// MsgRun joins a rung's competition as a runner of trials, with a bond.
type MsgRun struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Season bool              `pb:"3"`
}

// MsgCommitTrial commits to a designated trial's result (see TrialCommitment).
type MsgCommitTrial struct {
	Sender     crescendo.Account `pb:"1"`
	Rung       crescendo.RungID  `pb:"2"`
	Stage      uint32            `pb:"3"` // halving stage, from 1
	Recipe     crescendo.Hash    `pb:"4"`
	Seed       uint32            `pb:"5"` // index, from 0
	Commitment crescendo.Hash    `pb:"6"`
	Season     bool              `pb:"7"`
}

// MsgRevealTrial shows a trial's result, when enough runners have committed.
type MsgRevealTrial struct {
	Sender  crescendo.Account `pb:"1"`
	Rung    crescendo.RungID  `pb:"2"`
	Stage   uint32            `pb:"3"`
	Recipe  crescendo.Hash    `pb:"4"`
	Seed    uint32            `pb:"5"`
	Weights crescendo.Hash    `pb:"6"` // of the trained weights
	Losses  []uint64          `pb:"7"` // mean per target of each drawn document, micro-nats, at most MaxLoss
	Salt    crescendo.Hash    `pb:"8"`
	Season  bool              `pb:"9"`
}
