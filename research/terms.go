package research

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Bounds on a competition. They keep the work of one block bounded and every
// derived figure inside 64 bits.
const (
	MaxEntries   = 1000
	MaxRunners   = 256
	MaxStages    = 8
	MaxSeeds     = 64
	MaxDocuments = 1024
	MaxReplicas  = 8
	MaxPairs     = 8192       // seeds times documents, or times the items of a task
	MaxTrials    = 4096       // of one stage
	MaxLoss      = 20_000_000 // micro-nats per target; worse trials count as this
	maxWindow    = 1 << 20    // targets of a document
	maxSteps     = 1 << 20
	maxAmount    = crescendo.Amount(1 << 56)
)

// Terms is what a programme says about a rung's competition. All zero: there
// is none, and the organiser adopts a recipe by hand.
type Terms struct {
	EntryBlocks  uint64           `pb:"1" yaml:"entry-blocks"`  // after the raise; entries are taken during the raise too
	RevealBlocks uint64           `pb:"2" yaml:"reveal-blocks"` // to show what one has committed to
	TrialBlocks  uint64           `pb:"3" yaml:"trial-blocks"`  // per halving stage, at most
	Bond         crescendo.Amount `pb:"4" yaml:"bond"`          // of an entry; burned for copies and for what is never revealed
	RunnerBond   crescendo.Amount `pb:"5" yaml:"runner-bond"`   // burned for a result that others refute
	Steps        uint32           `pb:"6" yaml:"steps"`         // of a trial in halving stage 1
	Growth       uint32           `pb:"7" yaml:"growth"`        // steps multiply by this from stage to stage
	Stages       uint32           `pb:"8" yaml:"stages"`        // of halving
	KeepBP       uint32           `pb:"9" yaml:"keep-bp"`       // entries that survive a stage, rounded up
	Seeds        uint32           `pb:"10" yaml:"seeds"`        // per entry in stage 1; so many more in each later one
	Documents    uint32           `pb:"11" yaml:"documents"`    // held out, scored in each trial
	Replicas     uint32           `pb:"12" yaml:"replicas"`     // independent runs of each trial
	MaxEntries   uint32           `pb:"13" yaml:"max-entries"`
	KeepRecipes  uint32           `pb:"14" yaml:"keep-recipes"` // so many enter the next rung's competition by themselves
	TrialsBP     uint32           `pb:"15" yaml:"trials-bp"`    // of the purse, for runners
	PrizeBP      uint32           `pb:"16" yaml:"prize-bp"`     // of the purse, for the winner and what it builds on
	TasksBP      uint32           `pb:"20" yaml:"tasks-bp"`     // of the prize, for the authors of evaluation tasks that are kept; 0: no tasks are taken
}

// None reports whether there is no competition.
func (t Terms) None() bool { return t == Terms{} }

// StepsOf returns the inner steps of a trial in a halving stage.
func (t Terms) StepsOf(stage uint32) uint32 {
	steps := t.Steps
	for range stage - 1 {
		steps *= t.Growth
	}
	return steps
}

// SeedsOf returns how many seeds each entry has in a halving stage.
func (t Terms) SeedsOf(stage uint32) uint32 { return t.Seeds * stage }

// Survivors returns how many of the challengers go on after a stage.
func (t Terms) Survivors(challengers uint32) uint32 {
	if challengers == 0 {
		return 0
	}
	return max(1, uint32((uint64(challengers)*uint64(t.KeepBP)+9999)/10000))
}

// Validate refuses a competition that could not be carried out.
func (t Terms) Validate() error { return t.ValidateWith(0) }

// ValidateWith is Validate for a competition that so many newcomers of a season
// may enter, besides those who find a place and the recipes kept before.
func (t Terms) ValidateWith(newcomers uint32) error {
	if t.None() {
		return nil
	}
	type bound struct {
		name         string
		value        uint64
		least, limit uint64
	}
	for _, b := range []bound{
		{"entry-blocks", t.EntryBlocks, 1, 1 << 32}, {"reveal-blocks", t.RevealBlocks, 1, 1 << 32}, {"trial-blocks", t.TrialBlocks, 2, 1 << 32},
		{"bond", uint64(t.Bond), 0, uint64(maxAmount)}, {"runner-bond", uint64(t.RunnerBond), 0, uint64(maxAmount)},
		{"steps", uint64(t.Steps), 1, maxSteps}, {"growth", uint64(t.Growth), 1, 16}, {"stages", uint64(t.Stages), 1, MaxStages},
		{"keep-bp", uint64(t.KeepBP), 1, 10000}, {"seeds", uint64(t.Seeds), 1, MaxSeeds}, {"documents", uint64(t.Documents), 2, MaxDocuments},
		{"replicas", uint64(t.Replicas), 2, MaxReplicas / 2}, {"max-entries", uint64(t.MaxEntries), 1, MaxEntries},
		{"keep-recipes", uint64(t.KeepRecipes), 0, MaxKept}, {"trials-bp", uint64(t.TrialsBP), 0, 10000}, {"prize-bp", uint64(t.PrizeBP), 0, 10000},
		{"tasks-bp", uint64(t.TasksBP), 0, 10000},
	} {
		if b.value < b.least || b.value > b.limit {
			return fmt.Errorf("%s: %d, want %d to %d", b.name, b.value, b.least, b.limit)
		}
	}
	if t.SeedsOf(t.Stages)*t.Documents > MaxPairs {
		return fmt.Errorf("documents: %d with %d seeds in the last stage, at most %d pairs", t.Documents, t.SeedsOf(t.Stages), MaxPairs)
	}
	if pairs := t.SeedsOf(t.Stages) * MaxTaskItems; t.TasksBP > 0 && pairs > MaxPairs {
		return fmt.Errorf("tasks-bp: with %d seeds in the last stage a task may have %d pairs of seed and item, at most %d", t.SeedsOf(t.Stages), pairs, MaxPairs)
	}
	steps, entries := uint64(t.Steps), t.MaxEntries+MaxKept+newcomers
	if entries >= kv.MaxPage {
		return fmt.Errorf("max-entries: %d recipes with those that enter by themselves, at most %d", entries, kv.MaxPage-1)
	}
	for stage := uint32(1); stage <= t.Stages; stage++ {
		if trials := (entries + 1) * t.SeedsOf(stage); trials > MaxTrials {
			return fmt.Errorf("max-entries: %d trials in halving stage %d, at most %d", trials, stage, MaxTrials)
		}
		if entries, steps = t.Survivors(entries), steps*uint64(t.Growth); stage < t.Stages && steps > maxSteps {
			return fmt.Errorf("growth: more than %d steps in halving stage %d", maxSteps, stage+1)
		}
	}
	return nil
}
