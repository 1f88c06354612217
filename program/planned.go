package program

import (
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
)

// Effective returns the programme with a recipe applied to a rung. A recipe
// chooses how a budget is used, not how large it is: a shape may have at most
// the programme's parameters, a context at most its tokens, and the steps of a
// round follow from the tokens that the programme gives it. A mixture keeps the
// number of its experts whatever its shape; ffn is the width of each.
func Effective(spec Spec, rung crescendo.RungID, recipe research.Recipe) (Spec, error) {
	if rung == 0 || int(rung) > len(spec.Rungs) {
		return Spec{}, crescendo.Errorf(crescendo.CodeNotFound, "rung %d: the programme has rungs 1 to %d", rung, len(spec.Rungs))
	}
	if err := recipe.Check(); err != nil {
		return Spec{}, err
	}
	budget := spec.Rungs[rung-1]
	spec.Rungs = slices.Clone(spec.Rungs)
	r := &spec.Rungs[rung-1]
	if m := recipe.Model; m != (research.Model{}) {
		r.Model.Dim, r.Model.Layers, r.Model.Heads, r.Model.KVHeads, r.Model.FFN, r.Model.Tied = m.Dim, m.Layers, m.Heads, m.KVHeads, m.FFN, m.Tied
	}
	if recipe.Context != 0 {
		r.Model.Context = recipe.Context
	}
	if recipe.Sequences != 0 {
		r.Training.Sequences = recipe.Sequences
	}
	if recipe.Optimizer != (research.Optimizer{}) {
		r.Training.Optimizer = Optimizer(recipe.Optimizer)
	}
	if len(recipe.Mix) > 0 {
		r.Training.Mix = slices.Clone(recipe.Mix)
	}
	if recipe.Filter != (research.Filter{}) {
		r.Training.Filter = recipe.Filter
	}
	r.Training.Shard = recipe.Shard
	if !recipe.Tokenizer.None() {
		r.Model.Vocab, r.Training.Tokenizer = recipe.Tokenizer.Vocabulary, recipe.Tokenizer
	}
	if err := fit(spec, budget, r, recipe); err != nil {
		return Spec{}, crescendo.Errorf(crescendo.CodeInvalid, "recipe %q for rung %d: %v", recipe.Name, rung, err)
	}
	return spec, nil
}

// fit holds a recipe's rung to the programme's budget.
func fit(spec Spec, budget Rung, r *Rung, recipe research.Recipe) error {
	if err := fitTokenizer(*r, recipe); err != nil {
		return err
	}
	vocab, given := r.Model.Vocabulary(spec.Corpus.Vocabulary), budget.Model.Vocabulary(spec.Corpus.Vocabulary)
	if err := r.Model.validate(vocab); err != nil {
		return fmt.Errorf("model.%w", err)
	}
	if err := r.fitStart(recipe); err != nil {
		return err
	}
	if have, most := Parameters(r.Model, vocab), Parameters(budget.Model, given); have > most {
		return fmt.Errorf("model: %d parameters, the rung's budget is %d", have, most)
	}
	// Of a mixture a token's own part is what trainers are paid to compute.
	if have, most := ActiveParameters(r.Model, vocab), ActiveParameters(budget.Model, given); have > most {
		return fmt.Errorf("model: a token uses %d parameters, the rung's budget is %d", have, most)
	}
	switch {
	case recipe.Context != 0 && budget.Model.Context%recipe.Context != 0:
		return fmt.Errorf("context: %d does not divide the programme's %d", recipe.Context, budget.Model.Context)
	case !recipe.Evaluation.IsZero():
		return fmt.Errorf("evaluation: it contributes a task: there is nothing to train")
	}
	steps := budget.RoundTokens() / (uint64(r.Training.Sequences) * uint64(r.Model.Context))
	if steps == 0 || steps > 1<<16 {
		return fmt.Errorf("sequences: %d of %d tokens make %d steps a round, want 1 to %d", r.Training.Sequences, r.Model.Context, steps, 1<<16)
	}
	r.Training.Eager = uint32(uint64(budget.Training.Eager) * steps / uint64(budget.Training.Steps))
	r.Training.Steps = uint32(steps)
	return r.Training.validate()
}

// Planned returns the programme as a rung is trained: with the recipe that won
// the rung's competition, if it had one and it is decided.
func Planned(r kv.Reader, rung crescendo.RungID) (Spec, error) {
	spec, err := Specs.Get(r)
	if err != nil {
		return Spec{}, fmt.Errorf("read the programme: %w", err)
	}
	return spec.Planned(r, rung)
}

// Planned is the function of that name for a reader whose programme is known.
func (s Spec) Planned(r kv.Reader, rung crescendo.RungID) (Spec, error) {
	if rung == 0 || int(rung) > len(s.Rungs) || s.Rungs[rung-1].Competition.None() {
		return s, nil
	}
	adopted, err := research.Adoptions.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return Spec{}, fmt.Errorf("read the adopted recipe of rung %d: %w", rung, err)
	}
	recipe, err := research.Contents.Get(r, adopted.Recipe[:])
	if err != nil {
		return Spec{}, fmt.Errorf("read recipe %s of rung %d: %w", adopted.Recipe.Short(), rung, err)
	}
	return Effective(s, rung, recipe)
}

func (r Rung) validateCompetition() error {
	t := r.Training
	if !t.Shard.IsZero() {
		return errors.New("training.shard: only recipes contribute text")
	}
	if err := r.Competition.Validate(); err != nil {
		return fmt.Errorf("competition.%w", err)
	}
	if r.Competition.TasksBP > 0 && r.Competition.PrizeBP == 0 {
		return errors.New("competition.tasks-bp: tasks earn a part of the prize, and there is none")
	}
	if sum := t.TrainersBP + t.EvaluatorsBP + t.OperatorBP + r.Competition.TrialsBP + r.Competition.PrizeBP; sum > 10000 {
		return fmt.Errorf("competition.prize-bp: with what trials, trainers, evaluators and operator get, %d of 10000", sum)
	}
	return nil
}
