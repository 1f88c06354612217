package research

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Due is money that program owes an account out of the rung's purse.
type Due struct {
	Account crescendo.Account
	Amount  crescendo.Amount
}

// Verdict is what a decided competition leaves to program: the recipe to train
// with, whether it is the programme's own, and what runners have earned.
type Verdict struct {
	Recipe    crescendo.Hash
	Baseline  bool
	Runners   []Due
	Tasks     []crescendo.Account // whose evaluation tasks are kept
	Qualified []crescendo.Hash    // in a season: recipes that enter the rung's own competition
}

// maxTurns bounds the phases one block may end.
const maxTurns = MaxStages + 4

// EndBlock ends the phases of a rung's competition that are complete or out of
// time. The verdict is nil until it is decided.
func EndBlock(env crescendo.Env, s kv.Store, t Terms, at Contest) (crescendo.Outcome, *Verdict, error) {
	var out crescendo.Outcome
	c, err := Competitions.Get(s, uint32(at))
	if errors.Is(err, kv.ErrNotFound) {
		return out, nil, nil
	}
	if err != nil {
		return out, nil, fmt.Errorf("read the competition of %s: %w", at, err)
	}
	w := &turn{env: env, s: s, t: t, at: at, c: c}
	for range maxTurns {
		moved, err := w.advance()
		if err != nil {
			return crescendo.Outcome{}, nil, err
		}
		if !moved {
			break
		}
	}
	if w.touched {
		w.c.Burned += burnedIn(w.out)
		err = Competitions.Set(s, w.c, uint32(at))
	}
	return w.out, w.verdict, err
}

// turn is a competition while a block's end works on it.
type turn struct {
	env     crescendo.Env
	s       kv.Store
	t       Terms
	at      Contest
	c       Competition
	out     crescendo.Outcome
	verdict *Verdict
	tasks   []crescendo.Account // whose evaluation tasks are kept
	touched bool
}

func (w *turn) emit(kind string, pairs ...any) {
	w.out.Emit(w.at.event(kind, pairs...))
}

func (w *turn) advance() (bool, error) {
	late := w.c.Deadline > 0 && w.env.Height >= w.c.Deadline
	switch w.c.Phase {
	case Entering:
		if late || w.c.Deadline > 0 && w.c.Committed >= w.t.MaxEntries {
			if awaits, err := w.awaitsSeason(); err != nil || awaits && !late {
				return false, err
			}
			return true, w.startRevealing()
		}
	case Revealing:
		if late || w.c.Revealed >= w.c.Committed {
			return true, w.startTrials()
		}
	case Trialling:
		if err := w.callRunners(); err != nil {
			return false, err
		}
		if late || w.c.Open == 0 {
			return true, w.endStage()
		}
	}
	return false, nil
}

func (w *turn) startRevealing() error {
	w.touched = true
	w.c.Phase, w.c.Since, w.c.Deadline = Revealing, w.env.Height, w.env.Height+crescendo.Height(w.t.RevealBlocks)
	w.emit("research.revealing", "entries", w.c.Committed, "deadline", w.c.Deadline)
	return nil
}

// startTrials closes the list of entries and draws what they are judged on.
func (w *turn) startTrials() error {
	w.touched = true
	burned, err := burnUnrevealed(w.s, w.at)
	if err != nil {
		return err
	}
	w.out.Join(burned)
	entries, err := contenders(w.s, w.at)
	if err != nil {
		return err
	}
	copies, entries, err := findCopies(w.s, w.at, entries)
	if err != nil {
		return err
	}
	w.out.Join(copies)
	if entries, err = w.takeTasks(entries); err != nil {
		return err
	}
	w.c.Phase, w.c.Draw, w.c.Alive = Trialling, Draw(w.env.Beacon, w.at), uint32(len(entries)-1)
	w.c.Work = w.planned()
	return w.openStage(1, entries)
}

// planned counts the steps of all trials that the competition will have if
// nobody drops out; they share its purse.
func (w *turn) planned() uint64 {
	var work uint64
	challengers := w.c.Alive
	for stage := uint32(1); stage <= w.t.Stages; stage++ {
		work += uint64(challengers+1) * uint64(w.t.SeedsOf(stage)) * uint64(w.t.Replicas) * uint64(w.t.StepsOf(stage))
		challengers = w.t.Survivors(challengers)
	}
	return work
}

// pay returns what one confirmed run of a trial earns.
func pay(c Competition, t Terms, stage uint32) (crescendo.Amount, error) {
	if c.Work == 0 {
		return 0, nil
	}
	return c.Purse.MulDiv(uint64(t.StepsOf(stage)), c.Work)
}

// openStage plans the trials of a halving stage. With nobody to beat the
// baseline there is nothing to try.
func (w *turn) openStage(stage uint32, entries []contender) error {
	w.c.Stage, w.c.Since, w.c.Extended = stage, w.env.Height, false
	w.c.Deadline = w.env.Height + crescendo.Height(w.t.TrialBlocks)
	w.c.Alive, w.c.Trials, w.c.Open = uint32(len(entries)-1), 0, 0
	if w.c.Alive == 0 {
		return w.decide(Standing{})
	}
	for _, e := range entries {
		e.Stage = stage
		if err := Entries.Set(w.s, e.Entry, uint32(w.at), e.id[:]); err != nil {
			return err
		}
		for seed := range w.t.SeedsOf(stage) {
			if err := Trials.Set(w.s, Trial{Wanted: w.t.Replicas}, uint32(w.at), stage, e.id[:], seed); err != nil {
				return err
			}
			if err := Vacant.Set(w.s, Vacancy{Wanted: w.t.Replicas}, uint32(w.at), stage, e.id[:], seed); err != nil {
				return err
			}
			w.c.Trials++
		}
	}
	w.c.Open = w.c.Trials
	each, err := pay(w.c, w.t, stage)
	if err != nil {
		return err
	}
	w.emit("research.stage-opened", "stage", stage, "of", w.t.Stages, "entries", w.c.Alive, "trials", w.c.Trials, "steps", w.t.StepsOf(stage),
		"seeds", w.t.SeedsOf(stage), "documents", w.t.Documents, "replicas", w.t.Replicas, "runners", w.c.Runners, "pay", each,
		"draw", w.c.Draw, "deadline", w.c.Deadline)
	return nil
}
