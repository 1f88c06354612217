package program

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
)

// Funnel says how many recipes the ladder takes at first and at last: there
// are fewer places on every rung. Zero: the programme promises nothing.
type Funnel struct {
	First uint32 `pb:"1" yaml:"first"` // places in the first rung's competition, and at most in a season
	Last  uint32 `pb:"2" yaml:"last"`  // places in the last rung's
}

// TermsOf returns the terms of a contest, and the rung at whose model and
// budget it is held: its own, or the first one for a season.
func (s Spec) TermsOf(at research.Contest) (research.Terms, crescendo.RungID, error) {
	id := at.Rung()
	if id == 0 || int(id) > len(s.Rungs) {
		return research.Terms{}, 0, crescendo.Errorf(crescendo.CodeNotFound, "rung %d: the programme has rungs 1 to %d", id, len(s.Rungs))
	}
	if at.IsSeason() {
		return s.Rungs[id-1].Season, 1, nil
	}
	return s.Rungs[id-1].Competition, id, nil
}

// Contests lists the contests that the programme has, in the order in which
// they open.
func (s Spec) Contests() []research.Contest {
	var out []research.Contest
	for i, r := range s.Rungs {
		if id := crescendo.RungID(i + 1); !r.Competition.None() {
			out = append(out, research.Contest(id))
			if !r.Season.None() {
				out = append(out, research.SeasonOf(id))
			}
		}
	}
	return out
}

// validateFunnel refuses a ladder on which places do not get fewer from the
// first number to the last.
func (s Spec) validateFunnel() error {
	f, last := s.Funnel, len(s.Rungs)-1
	switch {
	case f == Funnel{}:
		return nil
	case f.First != s.Rungs[0].Competition.MaxEntries:
		return fmt.Errorf("first: %d, but rung 1 takes %d entries", f.First, s.Rungs[0].Competition.MaxEntries)
	case f.Last != s.Rungs[last].Competition.MaxEntries:
		return fmt.Errorf("last: %d, but rung %d takes %d entries", f.Last, last+1, s.Rungs[last].Competition.MaxEntries)
	}
	for i, r := range s.Rungs[1:] {
		if before := s.Rungs[i].Competition.MaxEntries; r.Competition.MaxEntries > before {
			return fmt.Errorf("last: rung %d takes %d entries, more than the %d of the rung before", i+2, r.Competition.MaxEntries, before)
		}
		if r.Season.MaxEntries > f.First {
			return fmt.Errorf("first: the season of rung %d takes %d entries, more than %d", i+2, r.Season.MaxEntries, f.First)
		}
	}
	return nil
}

// validateSeason refuses a season that nobody could qualify in, or whose
// winners had nowhere to go.
func (s Spec) validateSeason(i int) error {
	r := s.Rungs[i]
	t := r.Season
	if t.None() {
		return nil
	}
	if err := t.Validate(); err != nil {
		return err
	}
	reach := t.MaxEntries // the last stage
	for range t.Stages - 1 {
		reach = t.Survivors(reach)
	}
	c := r.Competition
	switch {
	case i == 0:
		return fmt.Errorf("max-entries: the first rung has no season, everybody may enter its competition")
	case c.None():
		return fmt.Errorf("max-entries: rung %d has no competition that newcomers could qualify for", i+1)
	case t.TasksBP > 0:
		return fmt.Errorf("tasks-bp: %d, but evaluation tasks are entered in the rung's own competition", t.TasksBP)
	case t.KeepRecipes == 0:
		return fmt.Errorf("keep-recipes: 0, want at least one newcomer to qualify")
	case reach < t.KeepRecipes:
		return fmt.Errorf("keep-recipes: %d, but of %d entries only %d reach the last stage", t.KeepRecipes, t.MaxEntries, reach)
	}
	if sum := r.Training.TrainersBP + r.Training.EvaluatorsBP + r.Training.OperatorBP + c.TrialsBP + c.PrizeBP + t.TrialsBP + t.PrizeBP; sum > 10000 {
		return fmt.Errorf("prize-bp: with all else that the purse pays, %d of 10000", sum)
	}
	if err := c.ValidateWith(t.KeepRecipes); err != nil {
		return fmt.Errorf("keep-recipes: with %d newcomers in the competition of the rung: %w", t.KeepRecipes, err)
	}
	return nil
}

// seasonOf returns a rung's season; a rung without one has one that is over.
func (c *call) seasonOf(id crescendo.RungID) (research.Competition, error) {
	s, err := research.Competitions.Get(c.store, uint32(research.SeasonOf(id)))
	if errors.Is(err, kv.ErrNotFound) {
		return research.Competition{Phase: research.Cancelled}, nil
	}
	return s, err
}

// openSeason reopens the first rung for newcomers, when the raise of a later
// one begins. Its clock runs from now on; what it may cost is measured by the
// least that the raise must bring.
func (c *call) openSeason(id crescendo.RungID) error {
	r := c.spec.Rungs[id-1]
	t := r.Season
	if t.None() {
		return nil
	}
	purse, err := r.Raise.SoftCap.MulDiv(uint64(t.TrialsBP), 10000)
	if err != nil {
		return err
	}
	veterans, err := c.veterans(id)
	if err != nil {
		return err
	}
	return c.join(research.OpenSeason(c.env, c.store, t, id, c.spec.Organiser, veterans, purse, c.spec.Rungs[0].Model.Context))
}

// veterans are the authors of recipes that went on from contests before: what
// competitions of earlier rungs have kept or adopted, and who qualified in
// earlier seasons. Everybody else is a newcomer.
func (c *call) veterans(id crescendo.RungID) ([]crescendo.Account, error) {
	var out []crescendo.Account
	for before := crescendo.RungID(1); before < id; before++ {
		for _, at := range []research.Contest{research.Contest(before), research.SeasonOf(before)} {
			past, err := research.Competitions.Get(c.store, uint32(at))
			if errors.Is(err, kv.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read the competition of %s: %w", at, err)
			}
			names := past.Kept
			if !past.Winner.IsZero() {
				names = append(names[:len(names):len(names)], past.Winner)
			}
			for _, name := range names {
				origin, err := research.Origins.Get(c.store, name[:])
				if err != nil {
					return nil, fmt.Errorf("read the origin of recipe %s: %w", name.Short(), err)
				}
				out = append(out, origin.Author)
			}
		}
	}
	return out, nil
}

// followSeason takes a rung's season on. When the rung's own competition takes
// no more entries, a season that is not over by then ends undecided: nothing
// waits for it.
func (c *call) followSeason(id crescendo.RungID, stage Stage) error {
	at := research.SeasonOf(id)
	s, err := c.seasonOf(id)
	if err != nil || s.Phase >= research.Decided {
		return err
	}
	out, verdict, err := research.EndBlock(c.env, c.store, c.spec.Rungs[id-1].Season, at)
	if err := c.join(out, err); err != nil {
		return err
	}
	if verdict != nil {
		if err := c.qualify(id, verdict.Qualified); err != nil {
			return err
		}
		return c.paySeason(id, stage)
	}
	main, err := research.Competitions.Get(c.store, uint32(id))
	if err != nil {
		return fmt.Errorf("read the competition of rung %d: %w", id, err)
	}
	if main.Late(c.env) {
		return c.endSeason(id, stage, "the competition of the rung takes no more entries")
	}
	return nil
}

// qualify enters the best newcomers' recipes into the rung's own competition,
// if they fit that rung.
func (c *call) qualify(id crescendo.RungID, names []crescendo.Hash) error {
	for _, name := range names {
		recipe, err := research.Contents.Get(c.store, name[:])
		if err != nil {
			return fmt.Errorf("read recipe %s: %w", name.Short(), err)
		}
		if _, err := Effective(c.spec, id, recipe); err != nil {
			c.out.Emit(crescendo.NewEvent("season.unfit", id, "recipe", name, "author", recipe.Author, "reason", err.Error()))
			continue
		}
		if err := c.join(research.Qualify(c.store, id, recipe)); err != nil {
			return err
		}
	}
	return nil
}

// endSeason ends a season without a decision.
func (c *call) endSeason(id crescendo.RungID, stage Stage, reason string) error {
	s, err := c.seasonOf(id)
	if err != nil || s.Phase >= research.Decided {
		return err
	}
	out, err := research.EndSeason(c.env, c.store, id, reason)
	if err := c.join(out, err); err != nil {
		return err
	}
	return c.paySeason(id, stage)
}

// paySeason pays a season's runners, and the best newcomer with what its
// recipe builds on, out of the rung's purse. While the raise is on there is
// no purse yet: who is owed something is paid when it succeeds, and if it fails
// there is nothing to be paid from.
func (c *call) paySeason(id crescendo.RungID, stage Stage) error {
	if stage != StageCompeting {
		return nil
	}
	at := research.SeasonOf(id)
	s, err := c.seasonOf(id)
	if err != nil {
		return err
	}
	dues, err := research.Earned(c.store, at)
	if err != nil {
		return err
	}
	for _, d := range dues {
		c.out.Emit(crescendo.NewEvent("season.runner-paid", id, "runner", d.Account, "earned", d.Amount))
	}
	if err := c.payRunners(id, dues); err != nil || s.Winner.IsZero() {
		return err
	}
	r := c.spec.Rungs[id-1]
	prize, err := r.Raise.SoftCap.MulDiv(uint64(r.Season.PrizeBP), 10000)
	if err != nil {
		return err
	}
	return c.payPrize(at, s.Winner, prize)
}

// settleSeason pays for a season that was over before the raise was.
func (c *call) settleSeason(id crescendo.RungID) error {
	s, err := c.seasonOf(id)
	if err != nil || s.Phase < research.Decided {
		return err
	}
	return c.paySeason(id, StageCompeting)
}
