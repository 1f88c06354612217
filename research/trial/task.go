package trial

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// Name is which trial of a competition: an entry's run with one seed in one
// halving stage.
type Name struct {
	Stage  uint32         `json:"stage"`
	Recipe crescendo.Hash `json:"recipe"`
	Seed   uint32         `json:"seed"`
}

// String names the trial for people.
func (n Name) String() string {
	return fmt.Sprintf("stage %d recipe %s seed %d", n.Stage, n.Recipe.Short(), n.Seed)
}

// TaskOf is the trial of a recipe in a rung's competition. Draw is what the
// ledger drew when reveals closed.
func TaskOf(chainID string, spec program.Spec, rung crescendo.RungID, recipe research.Recipe, n Name, draw crescendo.Hash) (Task, error) {
	effective, err := program.Effective(spec, rung, recipe)
	if err != nil {
		return Task{}, fmt.Errorf("trial of recipe %s: %w", n.Recipe.Short(), err)
	}
	r := spec.Rungs[rung-1]
	if r.Competition.None() || n.Stage == 0 || n.Stage > r.Competition.Stages || n.Seed >= r.Competition.SeedsOf(n.Stage) {
		return Task{}, fmt.Errorf("trial of recipe %s: rung %d has no such trial: %s", n.Recipe.Short(), rung, n)
	}
	return Task{
		Spec: effective, Rung: rung, Seed: SeedOf(chainID, rung, n.Stage, n.Seed, draw), Draw: draw,
		Tokens:    uint64(r.Competition.StepsOf(n.Stage)) * uint64(r.Training.Sequences) * uint64(r.Model.Context),
		Documents: r.Competition.Documents, Window: r.Model.Context,
	}, nil
}
