package research

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// MaxParents bounds what one recipe may say it builds on; MaxKept how many
// recipes go on to the next rung's competition by themselves.
const (
	MaxParents = 8
	MaxKept    = 20
)

// Entry is a recipe in a rung's competition, or one that was registered by
// hash in a rung without.
type Entry struct {
	Author  crescendo.Account `pb:"1"`
	Height  crescendo.Height  `pb:"2"`
	Parents []crescendo.Hash  `pb:"3"`
	Adopted bool              `pb:"4"`
	Order   uint32            `pb:"5"` // of its commitment; the baseline is 0
	Bond    crescendo.Amount  `pb:"6"` // held until the competition is decided
	Stage   uint32            `pb:"7"` // the last halving stage it takes part in
	Out     string            `pb:"8"` // why it takes no part any more; empty: it does
	CopyOf  crescendo.Hash    `pb:"9"` // the recipe it repeats
	Kept    bool              `pb:"10"`
}

// Origin tells whose a recipe is: who registered it first, and where.
type Origin struct {
	Author  crescendo.Account `pb:"1"`
	Rung    crescendo.RungID  `pb:"2"`
	CopyOf  crescendo.Hash    `pb:"3"` // royalties go there
	Parents []crescendo.Hash  `pb:"4"`
}

// Adoption names the recipe a rung is trained with.
type Adoption struct {
	Recipe crescendo.Hash `pb:"1"`
}

// Commitment is an entry whose recipe nobody has seen yet.
type Commitment struct {
	Order    uint32           `pb:"1"`
	Height   crescendo.Height `pb:"2"`
	Bond     crescendo.Amount `pb:"3"`
	Revealed crescendo.Hash   `pb:"4"` // the recipe; zero: not yet
}

// Phase is where a competition stands.
type Phase uint32

// The phases of a competition, in order.
const (
	Entering Phase = iota
	Revealing
	Trialling
	Decided
	Cancelled // the raise failed, or the rung was halted
)

// Competition is a rung's competition.
type Competition struct {
	Phase     Phase            `pb:"1"`
	Stage     uint32           `pb:"2"` // of halving, from 1
	Since     crescendo.Height `pb:"3"` // when the phase or stage began
	Deadline  crescendo.Height `pb:"4"` // zero: not yet running, the raise is on
	Committed uint32           `pb:"5"` // commitments taken
	Revealed  uint32           `pb:"6"`
	Order     uint32           `pb:"7"` // of the last entry or commitment
	Alive     uint32           `pb:"8"` // challengers that take part
	Runners   uint32           `pb:"9"`
	Draw      crescendo.Hash   `pb:"10"` // picks the held-out documents; made when reveals close
	Trials    uint32           `pb:"11"` // of this stage
	Open      uint32           `pb:"12"` // of them, without a result
	Extended  bool             `pb:"13"` // more runners have been called, late in this stage
	Purse     crescendo.Amount `pb:"14"` // for all trials of all stages
	Work      uint64           `pb:"15"` // steps of all planned trials, replicas included
	Spent     crescendo.Amount `pb:"16"` // of the purse, earned by runners
	Winner    crescendo.Hash   `pb:"17"`
	Kept      []crescendo.Hash `pb:"18"`
	Window    uint32           `pb:"19"` // targets of a held-out document: the context of the programme
	Burned    crescendo.Amount `pb:"20"` // bonds of copies, of silent entrants and of runners that others refute
	Tasks     []crescendo.Hash `pb:"24"` // recipes that contribute evaluation tasks, by order of commitment
}

// Runner is a member that runs trials.
type Runner struct {
	Bond      crescendo.Amount `pb:"1"`
	Earned    crescendo.Amount `pb:"2"` // paid when the competition is decided
	Assigned  uint32           `pb:"3"` // trials of this stage
	Delivered uint32           `pb:"4"`
	Agreed    uint32           `pb:"5"` // results of all stages that others confirmed
	Away      bool             `pb:"6"` // it delivered nothing for a whole stage: no more trials
	Fault     string           `pb:"7"` // its bond is burned
}

// Trial is one entry's run with one seed in one halving stage.
type Trial struct {
	Designated []crescendo.Account `pb:"1"`
	Wanted     uint32              `pb:"2"` // commitments before results are shown
	Committed  uint32              `pb:"3"`
	Revealed   uint32              `pb:"4"`
	Agreed     bool                `pb:"5"`
	Weights    crescendo.Hash      `pb:"6"` // the result that runners agree on
	Losses     []uint64            `pb:"7"`
	Paid       uint32              `pb:"8"`  // runners
	Shown      bool                `pb:"9"`  // enough have committed: results may be revealed
	Failed     bool                `pb:"10"` // no two results agree, and no more runners are called
}

// Result is one runner's result of a trial.
type Result struct {
	Commitment crescendo.Hash `pb:"1"`
	Digest     crescendo.Hash `pb:"2"` // zero: not revealed yet
	Weights    crescendo.Hash `pb:"3"`
	Losses     []uint64       `pb:"4"` // until the trial has a result
}

// Standing is a row of a halving stage's ranking. Mean, Sigma and the bounds
// are of the paired gains over the baseline, Gap and its bounds of the paired
// losses above the best; in micro-nats per target.
type Standing struct {
	Recipe   crescendo.Hash    `pb:"1"`
	Author   crescendo.Account `pb:"2"`
	Loss     uint64            `pb:"3"` // mean held-out loss
	N        uint32            `pb:"4"` // pairs of seed and document
	Mean     int64             `pb:"5"`
	Sigma    uint64            `pb:"6"`
	Low      int64             `pb:"7"`
	High     int64             `pb:"8"`
	Gap      int64             `pb:"9"`
	GapLow   int64             `pb:"10"`
	GapHigh  int64             `pb:"11"`
	Survives bool              `pb:"12"`
	Baseline bool              `pb:"13"`
}

// Duty stands for a trial a runner is designated to. It goes when the trial
// has a result or the stage ends.
type Duty struct {
	Since crescendo.Height `pb:"1"`
}

// Vacancy stands for a trial that wants more runners.
type Vacancy struct {
	Wanted uint32 `pb:"1"`
}

// The rule's collections. Keys are the parts in brackets; hashes as bytes.
var (
	Entries      = kv.Map[Entry]{Name: "research/recipe"}            // [uint32(rung), recipe]
	Contents     = kv.Map[Recipe]{Name: "research/content"}          // [recipe]
	Origins      = kv.Map[Origin]{Name: "research/origin"}           // [recipe]
	Substances   = kv.Map[Adoption]{Name: "research/substance"}      // [substance]: the first recipe of it
	Adoptions    = kv.Map[Adoption]{Name: "research/adoption"}       // [uint32(rung)]
	Commitments  = kv.Map[Commitment]{Name: "research/commitment"}   // [uint32(rung), commitment, account]
	Competitions = kv.Map[Competition]{Name: "research/competition"} // [uint32(rung)]
	Runners      = kv.Map[Runner]{Name: "research/runner"}           // [uint32(rung), account]
	Trials       = kv.Map[Trial]{Name: "research/trial"}             // [uint32(rung), stage, recipe, seed]
	Results      = kv.Map[Result]{Name: "research/result"}           // [uint32(rung), stage, recipe, seed, account]
	Standings    = kv.Map[Standing]{Name: "research/standing"}       // [uint32(rung), stage, uint32 rank]
	Duties       = kv.Map[Duty]{Name: "research/duty"}               // [uint32(rung), account, stage, recipe, seed]
	Vacant       = kv.Map[Vacancy]{Name: "research/vacant"}          // [uint32(rung), stage, recipe, seed]: wants a runner
)
