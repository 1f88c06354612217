package trial

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/training/outer"
)

// Outlook is what a recipe would do, before anything is spent on it.
type Outlook struct {
	Rung        program.Rung // as it would be trained
	Parameters  uint64
	Budget      uint64 // parameters of the programme's own model
	RoundTokens uint64 // of one trainer
	Stages      []Outline
}

// Outline is what a recipe's trials are in one halving stage.
type Outline struct {
	Stage    uint32
	Seeds    uint32
	Replicas uint32
	Steps    int    // of one trial
	Tokens   uint64 // of one trial, scoring not counted
	FLOPs    float64
}

// OutlookOf looks ahead; the error says why a recipe could not be trained.
func OutlookOf(spec program.Spec, at research.Contest, recipe research.Recipe) (Outlook, error) {
	t, rung, err := spec.TermsOf(at)
	if err != nil {
		return Outlook{}, err
	}
	effective, err := program.Effective(spec, rung, recipe)
	if err != nil {
		return Outlook{}, err
	}
	if _, err := outer.PlanOf(effective, rung); err != nil {
		return Outlook{}, err
	}
	i := int(rung) - 1
	r := effective.Rungs[i]
	o := Outlook{Rung: r, Parameters: effective.Parameters(i), Budget: spec.Parameters(i), RoundTokens: r.RoundTokens()}
	for stage := uint32(1); stage <= t.Stages; stage++ {
		task, err := TaskOf("", spec, at, recipe, Name{Stage: stage, Recipe: recipe.ID()}, crescendo.Hash{})
		if err != nil {
			return o, err
		}
		tokens := uint64(task.Steps()) * uint64(r.Training.Sequences) * uint64(r.Model.Context)
		scored := uint64(t.Documents) * uint64(task.Window)
		o.Stages = append(o.Stages, Outline{
			Stage: stage, Seeds: t.SeedsOf(stage), Replicas: t.Replicas, Steps: task.Steps(), Tokens: tokens,
			FLOPs: float64(effective.ActiveParameters(i)) * (6*float64(tokens) + 2*float64(scored)), // forward and backward; forward only
		})
	}
	return o, nil
}
