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

// TaskOf is the trial of a recipe in a contest: of a season at the first rung's
// model and budget, else at the rung's own. Draw is what the ledger drew when
// reveals closed.
func TaskOf(chainID string, spec program.Spec, at research.Contest, recipe research.Recipe, n Name, draw crescendo.Hash) (Task, error) {
	terms, rung, err := spec.TermsOf(at)
	if err != nil {
		return Task{}, fmt.Errorf("trial of recipe %s: %w", n.Recipe.Short(), err)
	}
	effective, err := program.Effective(spec, rung, recipe)
	if err != nil {
		return Task{}, fmt.Errorf("trial of recipe %s: %w", n.Recipe.Short(), err)
	}
	r := spec.Rungs[rung-1]
	if terms.None() || n.Stage == 0 || n.Stage > terms.Stages || n.Seed >= terms.SeedsOf(n.Stage) {
		return Task{}, fmt.Errorf("trial of recipe %s: %s has no such trial: %s", n.Recipe.Short(), at, n)
	}
	return Task{
		Spec: effective, Rung: rung, Seed: SeedOf(chainID, at, n.Stage, n.Seed, draw), Draw: draw,
		Tokens:    uint64(terms.StepsOf(n.Stage)) * uint64(r.Training.Sequences) * uint64(r.Model.Context),
		Documents: terms.Documents, Window: r.Model.Context,
	}, nil
}
