package program

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
)

// TakesTasks refuses where a competition takes no evaluation tasks.
func (s Spec) TakesTasks(at research.Contest) error {
	rung := at.Rung()
	if rung == 0 || int(rung) > len(s.Rungs) {
		return crescendo.Errorf(crescendo.CodeNotFound, "rung %d: the programme has rungs 1 to %d", rung, len(s.Rungs))
	}
	if at.IsSeason() || s.Rungs[rung-1].Competition.TasksBP == 0 {
		return crescendo.Errorf(crescendo.CodeForbidden, "evaluation task for %s: it takes none", at).
			WithHint("a programme says with competition.tasks-bp what part of the prize tasks earn")
	}
	return nil
}

// Fits refuses an entry that a competition could not try: a recipe beyond the
// budget, a task where none are taken.
func (s Spec) Fits(at research.Contest, recipe research.Recipe) error {
	if !recipe.Evaluation.IsZero() {
		if err := recipe.Check(); err != nil {
			return err
		}
		return s.TakesTasks(at)
	}
	_, budget, err := s.TermsOf(at)
	if err != nil {
		return err
	}
	_, err = Effective(s, budget, recipe)
	return err
}

// fitTokenizer refuses a tokenizer that the rung cannot be trained with.
func fitTokenizer(r Rung, recipe research.Recipe) error {
	switch {
	case recipe.Tokenizer.None():
		return nil
	case r.Start.Kind() == FromCheckpoint:
		return errors.New("tokenizer: the rung starts from a checkpoint, which has its own")
	case !recipe.Shard.IsZero():
		return errors.New("tokenizer: a contributed shard is packed with the programme's; enter one or the other")
	}
	return nil
}

// prize divides what a competition's winner and its evaluation tasks get: an
// equal share of the tasks' part for each task that is kept, and all else to
// the winner.
func (c *call) prize(id crescendo.RungID, tasks []crescendo.Account) (winner, each crescendo.Amount, err error) {
	raise, err := funding.Raises.Get(c.store, uint32(id))
	if err != nil {
		return 0, 0, err
	}
	t := c.spec.Rungs[id-1].Competition
	if winner, err = raise.Raised.MulDiv(uint64(t.PrizeBP), 10000); err != nil || len(tasks) == 0 {
		return winner, 0, err
	}
	part, err := winner.MulDiv(uint64(t.TasksBP), 10000)
	if err != nil {
		return 0, 0, err
	}
	each = part / crescendo.Amount(len(tasks))
	return winner - each*crescendo.Amount(len(tasks)), each, nil
}

// payTasks pays the authors of kept tasks, whether or not the programme's own
// recipe has won.
func (c *call) payTasks(id crescendo.RungID, authors []crescendo.Account, each crescendo.Amount) error {
	for _, author := range authors {
		c.out.Emit(crescendo.NewEvent("research.task-paid", id, "author", author, "prize", each))
		if err := c.join(funding.Draw(c.env, c.store, id, each, author)); err != nil {
			return err
		}
	}
	return nil
}

// sameText refuses to train on another text than trials have been run on. With
// a recipe that has its own tokenizer the rung is trained on the same documents
// packed again. The ledger cannot do that; whoever trains, evaluates, seals or
// audits does, and refuses another corpus.
func (c *call) sameText(id crescendo.RungID, corpus crescendo.Hash) error {
	named, err := research.Texts.Get(c.store, uint32(id))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	planned, err := c.spec.Planned(c.store, id)
	if err != nil {
		return fmt.Errorf("start training of rung %d: %w", id, err)
	}
	tokenizer := planned.Rungs[id-1].Training.Tokenizer
	switch {
	case tokenizer.None() && named.Corpus != corpus:
		return crescendo.Errorf(crescendo.CodeInvalid, "start training of rung %d: its recipes were tried on the corpus %s, not %s",
			id, named.Corpus.Short(), corpus.Short())
	case !tokenizer.None() && named.Corpus == corpus && tokenizer.Vocabulary != c.spec.Corpus.Vocabulary:
		return crescendo.Errorf(crescendo.CodeInvalid, "start training of rung %d: its recipe has a tokenizer of its own, and the corpus %s is cut by another",
			id, corpus.Short()).WithHint("pack the same documents again; `crescendo training start` does so")
	}
	return nil
}
