package program

import (
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/training"
)

// Terms returns what the programme says about a rung's training, in the words
// of that rule.
func (s Spec) Terms(id crescendo.RungID) training.Terms {
	r := s.Rungs[id-1]
	t := r.Training
	return training.Terms{
		Rung: id, Rounds: t.Rounds, MinTrainers: t.MinTrainers, Seats: t.Seats,
		Probation: t.Probation, AuditPerMille: t.AuditPerMille, Eager: t.Eager, Tokens: r.RoundTokens(),
		MaxPayload: 4*s.Parameters(int(id-1)) + 64<<10, Bond: t.Bond,
		CommitBlocks: t.CommitBlocks, RevealBlocks: t.RevealBlocks, VoteBlocks: t.VoteBlocks,
	}
}

// terms returns the terms of a rung as it is trained. A recipe was held to the
// budget before it could win; if the store says otherwise the call fails.
func (c *call) terms(id crescendo.RungID) training.Terms {
	spec, err := c.spec.Planned(c.store, id)
	if err != nil {
		c.broken, spec = err, c.spec
	}
	return spec.Terms(id)
}

// work carries out a message to a rung that trains.
func (c *call) work(id crescendo.RungID, doing string, do func(training.Terms) error) error {
	if _, err := c.at(id, doing, StageTraining, StageCompeting, StageRaising); err != nil {
		return err
	}
	return do(c.terms(id))
}

// joinTraining seats a trainer: anybody in rung 1, in later rungs whoever was
// kept in the rung before.
func (c *call) joinTraining(m *training.MsgJoin) error {
	return c.work(m.Rung, "join", func(t training.Terms) error {
		if m.Rung > 1 {
			before, err := StateOf(c.store, m.Rung-1)
			if err != nil {
				return err
			}
			if !slices.Contains(before.Kept, m.Sender) {
				return crescendo.Errorf(crescendo.CodeForbidden, "join rung %d: %s was not kept in rung %d", m.Rung, m.Sender, m.Rung-1).
					WithHint("rung 1 is open to everybody")
			}
		}
		return c.join(training.Join(c.env, c.store, t, m))
	})
}

// startTraining fixes what a rung trains on and divides its purse.
func (c *call) startTraining(m *training.MsgStart) error {
	if err := c.organiserOnly(m.Sender, "start training"); err != nil {
		return err
	}
	state, err := c.at(m.Rung, "start training", StageCompeting)
	if err != nil {
		return err
	}
	if _, _, err := research.Adopted(c.store, m.Rung); err != nil {
		return err
	}
	if err := c.sameText(m.Rung, m.Corpus); err != nil {
		return err
	}
	if err := c.checkBase(m.Rung, m.Base); err != nil {
		return err
	}
	raise, err := funding.Raises.Get(c.store, uint32(m.Rung))
	if err != nil {
		return err
	}
	t := c.spec.Rungs[m.Rung-1].Training
	purse, err := raise.Raised.MulDiv(uint64(t.TrainersBP), 10000)
	if err != nil {
		return err
	}
	evaluators, err := raise.Raised.MulDiv(uint64(t.EvaluatorsBP), 10000)
	if err != nil {
		return err
	}
	if err := c.join(training.Start(c.env, c.store, c.terms(m.Rung), m, purse, evaluators)); err != nil {
		return err
	}
	return c.move(m.Rung, state, StageTraining)
}

// openPhase refuses unless the named round is open and in the named phase.
func (c *call) openPhase(id crescendo.RungID, round crescendo.Round, doing string, phase training.Phase) (training.Run, error) {
	if _, err := c.at(id, doing, StageTraining); err != nil {
		return training.Run{}, err
	}
	run, err := training.Runs.Get(c.store, uint32(id))
	if err != nil {
		return run, err
	}
	if run.Round != round || run.Phase != phase {
		return run, crescendo.Errorf(crescendo.CodeWrongTime, "%s in rung %d: round %d is %s", doing, id, run.Round, run.Phase).
			WithHint("follow the open round and its phase")
	}
	return run, nil
}

func (c *call) commitVote(m *evaluation.MsgCommitVote) error {
	run, err := c.openPhase(m.Rung, m.Round, "vote", training.Voting)
	if err != nil {
		return err
	}
	if run.Attempt != m.Attempt {
		return training.WrongAttempt("vote", m.Rung, m.Round, m.Attempt, run.Attempt)
	}
	return c.join(evaluation.CommitVote(c.env, c.store, m))
}

func (c *call) openVote(m *evaluation.MsgRevealVote) error {
	if _, err := c.openPhase(m.Rung, m.Round, "open vote", training.Unveiling); err != nil {
		return err
	}
	payloads, err := training.Payloads(c.store, m.Rung)
	if err != nil {
		return err
	}
	return c.join(evaluation.OpenVote(c.env, c.store, m, payloads))
}

// replay takes an evaluator's report and carries the verdict to training.
func (c *call) replay(m *evaluation.MsgReplay) error {
	if _, err := c.at(m.Rung, "replay", StageTraining, StageSelecting); err != nil {
		return err
	}
	w, err := training.Drawn(c.store, m.Rung, m.Round, m.Trainer)
	if err != nil {
		return err
	}
	if w.Attempt != m.Attempt {
		return training.WrongAttempt("replay", m.Rung, m.Round, m.Attempt, w.Attempt)
	}
	out, verdict, err := evaluation.Report(c.env, c.store, m, evaluation.Window{Draw: w.Draw, DrawnAt: w.DrawnAt, End: w.End, Payload: w.Payload})
	if err := c.join(out, err); err != nil {
		return err
	}
	switch verdict {
	case evaluation.Verified:
		return c.join(training.Settle(c.env, c.store, c.terms(m.Rung), m.Round, m.Trainer, true))
	case evaluation.Guilty:
		return c.join(training.Expel(c.env, c.store, c.terms(m.Rung), m.Trainer, fmt.Sprintf("replay mismatch in round %d", m.Round)))
	}
	return nil
}

// panel returns who may judge the rung's next round: evaluators that do not
// train in it.
func (c *call) panel(id crescendo.RungID) ([]crescendo.Account, error) {
	return evaluation.Electorate(c.store, int(c.spec.Evaluation.MinEvaluators), func(account crescendo.Account) (bool, error) {
		return training.Members.Has(c.store, uint32(id), string(account))
	})
}

// maxSteps bounds the phases one block may end in one rung.
const maxSteps = 8

// advance ends the phases of a rung's open round that are complete.
func (c *call) advance(id crescendo.RungID) error {
	for range maxSteps {
		moved, err := c.step(id)
		if err != nil || !moved {
			return err
		}
	}
	return nil
}

func (c *call) step(id crescendo.RungID) (bool, error) {
	run, err := training.Runs.Get(c.store, uint32(id))
	if err != nil {
		return false, err
	}
	switch run.Phase {
	case training.Waiting:
		return c.openRound(id)
	case training.Working, training.Revealing:
		if err := c.callHolders(id, run); err != nil {
			return false, err
		}
		out, moved, err := training.Advance(c.env, c.store, c.terms(id))
		return moved, c.join(out, err)
	case training.Voting:
		return c.endVoting(id, run)
	case training.Unveiling:
		return c.endUnveiling(id, run)
	}
	return false, nil
}

// openRound opens a round once there are enough trainers and evaluators.
func (c *call) openRound(id crescendo.RungID) (bool, error) {
	panel, err := c.panel(id)
	if err != nil || len(panel) < int(c.spec.Evaluation.MinEvaluators) {
		return false, err
	}
	out, opened, err := training.Open(c.env, c.store, c.terms(id), uint32(len(panel)))
	if err := c.join(out, err); err != nil || !opened {
		return false, err
	}
	run, err := training.Runs.Get(c.store, uint32(id))
	if err != nil {
		return false, err
	}
	return true, evaluation.Seat(c.store, id, run.Round, panel)
}

func (c *call) endVoting(id crescendo.RungID, run training.Run) (bool, error) {
	tally, err := evaluation.Count(c.store, id, run.Round)
	if err != nil {
		return false, err
	}
	late := c.env.Height >= run.Deadline
	switch {
	case tally.Committed == tally.Panel, late && tally.Committed >= evaluation.Quorum(tally.Panel):
		return true, c.join(training.Unveil(c.env, c.store, c.terms(id)))
	case late:
		if err := c.callVoters(id, run.Round, false); err != nil {
			return false, err
		}
		return true, c.void(id, run.Round, "too few votes")
	}
	return false, nil
}

// callHolders notes who attested to nothing when a round is about to be void
// because no payload is held by enough evaluators.
func (c *call) callHolders(id crescendo.RungID, run training.Run) error {
	if run.Phase != training.Revealing || run.Available > 0 || c.env.Height < run.Deadline {
		return nil
	}
	holders, err := training.Holders(c.store, id, run.Round)
	if err != nil {
		return err
	}
	return c.join(evaluation.RollCall(c.store, id, run.Round, holders))
}

// callVoters notes who has not voted when a round ends.
func (c *call) callVoters(id crescendo.RungID, round crescendo.Round, opened bool) error {
	present, err := evaluation.Present(c.store, id, round, opened)
	if err != nil {
		return err
	}
	return c.join(evaluation.RollCall(c.store, id, round, present))
}

// linger is how many blocks a carried round waits for votes that are committed
// and not yet opened, so that being a block late costs nobody its pay.
const linger = 3

func (c *call) endUnveiling(id crescendo.RungID, run training.Run) (bool, error) {
	tally, err := evaluation.Count(c.store, id, run.Round)
	if err != nil {
		return false, err
	}
	all := tally.Opened == tally.Committed
	late := c.env.Height >= run.Deadline
	carried := !tally.Carried.IsZero()
	switch {
	case carried && (all || late || c.env.Height >= run.Since+linger):
		return true, c.closeRound(id, run, tally)
	case !carried && (all || late):
		if err := c.callVoters(id, run.Round, true); err != nil {
			return false, err
		}
		return true, c.void(id, run.Round, "no two thirds agree")
	}
	return false, nil
}

func (c *call) void(id crescendo.RungID, round crescendo.Round, reason string) error {
	if err := evaluation.Void(c.store, id, round); err != nil {
		return err
	}
	return c.join(training.Void(c.env, c.store, c.terms(id), reason))
}

// closeRound carries the vote to training and pays for the round.
func (c *call) closeRound(id crescendo.RungID, run training.Run, tally evaluation.Tally) error {
	if err := c.callVoters(id, run.Round, true); err != nil {
		return err
	}
	out, vote, err := evaluation.Carry(c.env, c.store, id, run.Round, tally)
	if err := c.join(out, err); err != nil {
		return err
	}
	res := training.Result{Before: vote.Before, Targets: vote.Targets, Update: vote.Update, Checkpoint: vote.Checkpoint, Error: vote.Error}
	for _, s := range vote.Scores {
		res.Scores = append(res.Scores, training.Score{Trainer: s.Trainer, After: s.After, Fault: s.Fault, Include: s.Include})
	}
	out, earned, err := training.Close(c.env, c.store, c.terms(id), res)
	if err := c.join(out, err); err != nil {
		return err
	}
	if err := c.join(funding.Draw(c.env, c.store, id, earned, training.Pot(id))); err != nil {
		return err
	}
	return c.payEvaluators(id, run, tally.Agreed)
}

// payEvaluators splits a round's evaluation budget among those whose vote
// carried; rounding leaves the rest in the purse.
func (c *call) payEvaluators(id crescendo.RungID, run training.Run, agreed []crescendo.Account) error {
	pay := run.EvalPerRound / crescendo.Amount(max(len(agreed), 1))
	for _, account := range agreed {
		if err := evaluation.Earn(c.store, account, pay); err != nil {
			return err
		}
		c.out.Emit(crescendo.NewEvent("evaluation.paid", id, "round", run.Round, "evaluator", account, "amount", pay))
		if err := c.join(funding.Draw(c.env, c.store, id, pay, account)); err != nil {
			return err
		}
	}
	return nil
}

// expire settles windows whose dispute ran out of time.
func (c *call) expire(id crescendo.RungID) error {
	expired, err := evaluation.Expire(c.env, c.store, id)
	if err != nil {
		return err
	}
	for _, x := range expired {
		_, err := training.Drawn(c.store, id, x.Round, x.Trainer)
		if refused := new(crescendo.Error); errors.As(err, &refused) {
			continue // settled meanwhile
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if err := c.join(training.Settle(c.env, c.store, c.terms(id), x.Round, x.Trainer, false)); err != nil {
			return err
		}
	}
	return nil
}
