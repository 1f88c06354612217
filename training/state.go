package training

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Phase of a round.
type Phase uint32

// The phases of a round. A phase ends early once everybody has acted.
const (
	Waiting   Phase = iota // for members, or for the start
	Working                // trainers work and commit
	Revealing              // reveals and attestations
	Voting                 // evaluators commit their votes
	Unveiling              // evaluators open their votes
	Auditing               // all rounds are done; windows are still being replayed
	Finished
)

// Run is the training of one rung.
type Run struct {
	Phase        Phase            `pb:"1"`
	Round        crescendo.Round  `pb:"2"` // the open round, from 1
	Attempt      uint32           `pb:"3"` // of this round; a void round is attempted again with a new seed
	Seed         crescendo.Hash   `pb:"4"` // draws batches: assign.Batch(seed, trainer, step)
	Base         crescendo.Hash   `pb:"5"` // checkpoint blob
	Error        crescendo.Hash   `pb:"6"` // aggregator error state blob
	Draw         crescendo.Hash   `pb:"7"` // drawn when reveals close: held-out sequences and audited windows
	Opened       crescendo.Height `pb:"8"`
	Deadline     crescendo.Height `pb:"9"` // of the phase
	Corpus       crescendo.Hash   `pb:"10"`
	Root         crescendo.Hash   `pb:"11"`
	Members      uint32           `pb:"12"`
	Open         uint32           `pb:"13"` // windows drawn and not yet settled
	Purse        crescendo.Amount `pb:"14"` // for trainers, whole rung
	Final        crescendo.Hash   `pb:"15"` // last checkpoint, once Rounds are done
	Start        crescendo.Hash   `pb:"16"` // initial checkpoint
	Voids        uint32           `pb:"17"`
	PerRound     crescendo.Amount `pb:"18"`
	EvalPerRound crescendo.Amount `pb:"19"`
	LastUpdate   crescendo.Hash   `pb:"20"` // update blob that produced Base from the previous base; zero in round 1
	Previous     crescendo.Hash   `pb:"21"` // the base of the last closed round; zero in round 1
	Since        crescendo.Height `pb:"22"` // the phase began here
	Active       uint32           `pb:"23"` // members the open round waits for
	Committed    uint32           `pb:"24"` // of them, in the open round
	Available    uint32           `pb:"25"` // revealed and held by two thirds of the panel
	Panel        uint32           `pb:"26"` // evaluators of the open round
	Seated       uint32           `pb:"27"` // members neither left nor expelled
	Progress     crescendo.Height `pb:"28"` // of the start or of the last round that closed
}

// Member is a trainer's seat in a rung.
type Member struct {
	Name   string           `pb:"1"`
	Joined crescendo.Round  `pb:"2"` // first round it may work in
	Bond   crescendo.Amount `pb:"3"`
	Escrow crescendo.Amount `pb:"4"` // earned, not yet released
	Paid   crescendo.Amount `pb:"5"` // released
	Burned crescendo.Amount `pb:"6"`
	Rounds uint32           `pb:"7"` // rounds counted
	Missed uint32           `pb:"8"`
	Tokens uint64           `pb:"9"`
	State  crescendo.Hash   `pb:"10"` // End of its last counted or revealed round; zero: fresh
	Left   bool             `pb:"11"`
	Fault  string           `pb:"12"` // why it was expelled; empty: in good standing
	// Sums over its scored rounds of the gain in held-out loss, in micro-nats
	// per target, and of its square: mean and confidence come from these.
	Gain       int64  `pb:"13"`
	GainSquare uint64 `pb:"14"`
	Scored     uint32 `pb:"15"`
	Verified   uint64 `pb:"16"` // tokens in windows that were replayed
	Dropped    uint32 `pb:"17"` // how often it lost its seat by missing rounds
}

// Work is a trainer's part in one round.
type Work struct {
	Commitment crescendo.Hash      `pb:"1"`
	Height     crescendo.Height    `pb:"2"`
	Revealed   bool                `pb:"3"`
	Base       crescendo.Hash      `pb:"4"`
	Payload    crescendo.Hash      `pb:"5"`
	Size       uint64              `pb:"6"`
	Start      crescendo.Hash      `pb:"7"`
	End        crescendo.Hash      `pb:"8"`
	Eager      uint32              `pb:"9"`
	Tokens     uint64              `pb:"10"`
	Holders    []crescendo.Account `pb:"11"` // evaluators that attest to hold the payload
	Available  bool                `pb:"12"` // two thirds hold it
	Drawn      bool                `pb:"13"` // its window is replayed
	Included   bool                `pb:"14"`
	Pay        crescendo.Amount    `pb:"15"`
	After      crescendo.MicroNats `pb:"16"`
	Fault      string              `pb:"17"`
	Settled    bool                `pb:"18"` // audit result is in
	RevealedAt crescendo.Height    `pb:"19"`
	DrawnAt    crescendo.Height    `pb:"20"` // when Run.Draw was drawn
	Draw       crescendo.Hash      `pb:"21"` // the draw it was made in, if Drawn
	Verified   bool                `pb:"22"` // a replay has confirmed the window
	Attempt    uint32              `pb:"23"` // at the round
}

// Closed is the record of a closed round.
type Closed struct {
	Base       crescendo.Hash      `pb:"1"`
	Seed       crescendo.Hash      `pb:"2"`
	Draw       crescendo.Hash      `pb:"3"`
	Update     crescendo.Hash      `pb:"4"`
	Checkpoint crescendo.Hash      `pb:"5"`
	Error      crescendo.Hash      `pb:"6"`
	Before     crescendo.MicroNats `pb:"7"` // loss of Base on the drawn held-out sequences
	Targets    uint64              `pb:"8"`
	Included   uint32              `pb:"9"`
	Tokens     uint64              `pb:"10"`
	Height     crescendo.Height    `pb:"11"`
	Attempt    uint32              `pb:"12"`
	BaseError  crescendo.Hash      `pb:"13"` // aggregator error state before the update
}

// Window is one trainer's round that waits for its replay.
type Window struct {
	Drawn crescendo.Height `pb:"1"`
}

// The rule's collections. Account key parts are strings.
var (
	Runs    = kv.Map[Run]{Name: "training/run"}       // uint32(rung)
	Members = kv.Map[Member]{Name: "training/member"} // uint32(rung), account
	Works   = kv.Map[Work]{Name: "training/work"}     // uint32(rung), uint32(round), account
	Rounds  = kv.Map[Closed]{Name: "training/round"}  // uint32(rung), uint32(round)
	// Windows lists what is drawn for audit and not yet settled:
	// uint32(rung), account, uint32(round).
	Windows = kv.Map[Window]{Name: "training/window"}
)
