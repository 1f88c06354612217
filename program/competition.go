package program

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
)

// competing returns the terms of a rung's competition, and refuses if it has
// none.
func (c *call) competing(at research.Contest, doing string, stages ...Stage) (research.Terms, error) {
	id := at.Rung()
	if at.IsSeason() {
		stages = []Stage{StageCompeting, StageRaising} // it has a clock of its own
	}
	if _, err := c.at(id, doing, stages...); err != nil {
		return research.Terms{}, err
	}
	t, _, err := c.spec.TermsOf(at)
	if err != nil {
		return t, err
	}
	if t.None() && at.IsSeason() {
		return t, crescendo.Errorf(crescendo.CodeForbidden, "%s: rung %d has no season for newcomers", doing, id).
			WithHint("everybody may enter a rung's own competition, if it has one")
	}
	if t.None() {
		return t, crescendo.Errorf(crescendo.CodeForbidden, "%s: rung %d has no competition", doing, id).
			WithHint("recipes are registered there, and the organiser adopts one")
	}
	return t, nil
}

// byHand refuses to name the recipe of a rung that has a competition.
func (c *call) byHand(id crescendo.RungID, doing string) error {
	if r, err := c.rung(id); err != nil || r.Competition.None() {
		return err
	}
	return crescendo.Errorf(crescendo.CodeForbidden, "%s: rung %d has a competition, which decides by rule", doing, id).
		WithHint("enter the competition: crescendo research enter")
}

// applyResearch routes the messages of recipes and competitions.
func (c *call) applyResearch(m crescendo.Message) error {
	switch m := m.(type) {
	case *research.MsgRegister:
		if _, err := c.at(m.Rung, "register recipe", StageRaising, StageCompeting); err != nil {
			return err
		}
		if err := c.byHand(m.Rung, "register recipe"); err != nil {
			return err
		}
		return c.join(research.Register(c.env, c.store, m))
	case *research.MsgAdopt:
		return c.adopt(m)
	case *research.MsgNameCorpus:
		if _, err := c.at(m.Rung, "name corpus", StageRaising, StageCompeting); err != nil {
			return err
		}
		return c.join(research.NameCorpus(c.env, c.store, m, c.spec.Organiser))
	}
	return c.applyCompetition(m)
}

func (c *call) applyCompetition(m crescendo.Message) error {
	switch m := m.(type) {
	case *research.MsgEnter:
		t, err := c.competing(m.Contest(), "enter", StageCompeting, StageRaising)
		if err != nil {
			return err
		}
		return c.join(research.Enter(c.env, c.store, t, m))
	case *research.MsgRevealEntry:
		if _, err := c.competing(m.Contest(), "reveal entry", StageCompeting); err != nil {
			return err
		}
		if err := c.spec.Fits(m.Contest(), m.Recipe); err != nil {
			return err
		}
		return c.join(research.RevealEntry(c.env, c.store, m))
	case *research.MsgRun:
		t, err := c.competing(m.Contest(), "run trials", StageCompeting, StageRaising)
		if err != nil {
			return err
		}
		return c.join(research.Run(c.env, c.store, t, m))
	case *research.MsgCommitTrial:
		if _, err := c.competing(m.Contest(), "commit trial", StageCompeting); err != nil {
			return err
		}
		return c.join(research.CommitTrial(c.env, c.store, m))
	case *research.MsgRevealTrial:
		t, err := c.competing(m.Contest(), "reveal trial", StageCompeting)
		if err != nil {
			return err
		}
		return c.join(research.RevealTrial(c.env, c.store, t, m))
	}
	return crescendo.Errorf(crescendo.CodeInvalid, "apply %T: no rule takes this message", m)
}

// openCompetition begins a rung's competition with its raise. Recipes that the
// rung before has kept take part, if they fit this rung.
func (c *call) openCompetition(id crescendo.RungID) error {
	r := c.spec.Rungs[id-1]
	if r.Competition.None() {
		return nil
	}
	var kept []research.Recipe
	if id > 1 && !c.spec.Rungs[id-2].Competition.None() {
		before, err := research.Competitions.Get(c.store, uint32(id-1))
		if err != nil {
			return fmt.Errorf("read the competition of rung %d: %w", id-1, err)
		}
		for _, name := range before.Kept {
			recipe, err := research.Contents.Get(c.store, name[:])
			if err != nil {
				return fmt.Errorf("read recipe %s: %w", name.Short(), err)
			}
			if _, err := Effective(c.spec, id, recipe); err == nil {
				kept = append(kept, recipe)
			}
		}
	}
	if err := c.join(research.Open(c.env, c.store, r.Competition, research.Contest(id), c.spec.Organiser, kept, r.Model.Context)); err != nil {
		return err
	}
	return c.openSeason(id)
}

// beginCompetition starts the competition's clock with what the raise brought.
func (c *call) beginCompetition(id crescendo.RungID, raised crescendo.Amount) error {
	t := c.spec.Rungs[id-1].Competition
	if t.None() {
		return nil
	}
	purse, err := raised.MulDiv(uint64(t.TrialsBP), 10000)
	if err != nil {
		return err
	}
	return c.join(research.Begin(c.env, c.store, t, research.Contest(id), purse))
}

// compete follows a competition to its end, and carries the decision out.
func (c *call) compete(id crescendo.RungID, state RungState) error {
	t := c.spec.Rungs[id-1].Competition
	if t.None() {
		return nil
	}
	if err := c.followSeason(id, state.Stage); err != nil {
		return err
	}
	out, verdict, err := research.EndBlock(c.env, c.store, t, research.Contest(id))
	if err := c.join(out, err); err != nil || verdict == nil {
		return err
	}
	if err := c.payRunners(id, verdict.Runners); err != nil {
		return err
	}
	prize, each, err := c.prize(id, verdict.Tasks)
	if err != nil {
		return err
	}
	if err := c.payTasks(id, verdict.Tasks, each); err != nil {
		return err
	}
	if !verdict.Baseline {
		if err := c.payPrize(research.Contest(id), verdict.Recipe, prize); err != nil {
			return err
		}
	}
	state.Recipe = verdict.Recipe
	return Rungs.Set(c.store, state, uint32(id))
}

func (c *call) payRunners(id crescendo.RungID, dues []research.Due) error {
	for _, d := range dues {
		if err := c.join(funding.Draw(c.env, c.store, id, d.Amount, d.Account)); err != nil {
			return err
		}
	}
	return nil
}

// payPrize pays the winner of a contest and what its recipe builds on.
func (c *call) payPrize(at research.Contest, recipe crescendo.Hash, prize crescendo.Amount) error {
	authors, err := c.royalties(recipe)
	if err != nil {
		return err
	}
	id, kind := at.Rung(), "research.royalty"
	if at.IsSeason() {
		kind = "season.royalty"
	}
	parts := revenue.Divide(prize, authors)
	for i, p := range parts {
		amount := crescendo.Amount(p.Points)
		c.out.Emit(crescendo.NewEvent(kind, id, "recipe", recipe, "account", p.Account, "millionths", authors[i].Points, "prize", amount))
		if err := c.join(funding.Draw(c.env, c.store, id, amount, p.Account)); err != nil {
			return err
		}
	}
	return nil
}

// royalties returns who earns what part of an adopted recipe's royalty.
func (c *call) royalties(recipe crescendo.Hash) ([]revenue.Point, error) {
	shares, err := research.Royalties(c.store, recipe)
	if err != nil {
		return nil, err
	}
	out := make([]revenue.Point, len(shares))
	for i, s := range shares {
		out[i] = revenue.Point{Account: s.Account, Points: s.Parts}
	}
	return out, nil
}

// cancelCompetition ends a competition whose rung goes no further.
func (c *call) cancelCompetition(id crescendo.RungID) error {
	state, err := StateOf(c.store, id)
	if err != nil {
		return err
	}
	if err := c.endSeason(id, state.Stage, "its rung goes no further"); err != nil {
		return err
	}
	out, dues, err := research.Cancel(c.env, c.store, research.Contest(id))
	if err := c.join(out, err); err != nil {
		return err
	}
	return c.payRunners(id, dues)
}
