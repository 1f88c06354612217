package program

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// openRaise opens an announced rung's raise. All money of the treasury buys
// shares in it first.
func (c *call) openRaise(m *MsgOpenRaise) error {
	if err := c.organiserOnly(m.Sender, "open raise"); err != nil {
		return err
	}
	state, err := c.at(m.Rung, "open raise", StageAnnounced)
	if err != nil {
		return err
	}
	if m.Rung > 1 {
		if _, err := c.at(m.Rung-1, "open raise of the next rung", StageServing, StageOpened); err != nil {
			return err
		}
	}
	r := c.spec.Rungs[m.Rung-1].Raise
	deadline := c.env.Height + crescendo.Height(r.Blocks)
	if err := funding.Open(c.env, c.store, m.Rung, r.SoftCap, r.HardCap, deadline); err != nil {
		return err
	}
	c.out.Emit(crescendo.NewEvent("funding.opened", m.Rung, "soft-cap", r.SoftCap, "hard-cap", r.HardCap, "deadline", deadline))
	if err := c.move(m.Rung, state, StageRaising); err != nil {
		return err
	}
	if err := c.openCompetition(m.Rung); err != nil {
		return err
	}
	balance, err := c.treasury()
	if err != nil || balance == 0 {
		return err
	}
	return c.join(funding.FromTreasury(c.env, c.store, m.Rung, balance))
}

func (c *call) adopt(m *research.MsgAdopt) error {
	state, err := c.at(m.Rung, "adopt recipe", StageRaising, StageCompeting)
	if err != nil {
		return err
	}
	if err := c.byHand(m.Rung, "adopt recipe"); err != nil {
		return err
	}
	if err := c.join(research.Adopt(c.env, c.store, m, c.spec.Organiser)); err != nil {
		return err
	}
	state.Recipe = m.Recipe
	return Rungs.Set(c.store, state, uint32(m.Rung))
}

// endRaise follows a raise to its end.
func (c *call) endRaise(id crescendo.RungID, state RungState) error {
	if err := c.followSeason(id, state.Stage); err != nil {
		return err
	}
	if err := c.join(funding.EndBlock(c.env, c.store, id)); err != nil {
		return err
	}
	raise, err := funding.Raises.Get(c.store, uint32(id))
	if err != nil {
		return err
	}
	switch raise.Status {
	case funding.Succeeded:
		limit, err := raise.Raised.MulDiv(uint64(c.spec.Rungs[id-1].Revenue.HoldersCapBP), 10000)
		if err != nil {
			return err
		}
		if err := revenue.OpenBook(c.env, c.store, id, limit, raise.Raised); err != nil {
			return err
		}
		if err := c.beginCompetition(id, raise.Raised); err != nil {
			return err
		}
		if err := c.settleSeason(id); err != nil {
			return err
		}
		return c.move(id, state, StageCompeting)
	case funding.Failed:
		if err := c.cancelCompetition(id); err != nil {
			return err
		}
		if err := c.join(training.Release(c.env, c.store, c.terms(id))); err != nil {
			return err
		}
		return c.move(id, state, StageRefunding)
	}
	return nil
}

// seal takes a rung's sealed model into service: the vault's operator is paid,
// and what the purse still holds goes to the next rung.
func (c *call) seal(m *sealing.MsgSeal) error {
	state, err := c.at(m.Rung, "seal", StageSealing)
	if err != nil {
		return err
	}
	terms, err := c.sealingTerms(m.Rung)
	if err != nil {
		return err
	}
	if err := c.join(sealing.Record(c.env, c.store, m, terms)); err != nil {
		return err
	}
	raise, err := funding.Raises.Get(c.store, uint32(m.Rung))
	if err != nil {
		return err
	}
	pay, err := raise.Raised.MulDiv(uint64(c.spec.Rungs[m.Rung-1].Training.OperatorBP), 10000)
	if err != nil {
		return err
	}
	if err := c.join(funding.Draw(c.env, c.store, m.Rung, pay, m.Sender)); err != nil {
		return err
	}
	rest, err := funding.Purse(c.store, m.Rung)
	if err != nil {
		return err
	}
	if err := c.join(funding.Draw(c.env, c.store, m.Rung, rest, funding.Treasury)); err != nil {
		return err
	}
	return c.move(m.Rung, state, StageServing)
}

func (c *call) sealingTerms(id crescendo.RungID) (sealing.Terms, error) {
	run, err := training.Runs.Get(c.store, uint32(id))
	if err != nil {
		return sealing.Terms{}, err
	}
	s := c.spec.Rungs[id-1].Sealing
	return sealing.Terms{Policy: s.Policy, FinalSteps: s.FinalSteps, OpenBlocks: s.OpenBlocks, Base: run.Final}, nil
}

// serve watches a serving rung for the moment when its key may be published.
func (c *call) serve(id crescendo.RungID) error {
	book, err := revenue.Books.Get(c.store, uint32(id))
	if err != nil {
		return err
	}
	terms, err := c.sealingTerms(id)
	if err != nil {
		return err
	}
	return c.join(sealing.MayOpen(c.env, c.store, id, terms, book.Repaid))
}

func (c *call) publish(m *sealing.MsgPublishKey) error {
	state, err := c.at(m.Rung, "publish key", StageServing)
	if err != nil {
		return err
	}
	if err := c.join(sealing.Publish(c.env, c.store, m)); err != nil {
		return err
	}
	return c.move(m.Rung, state, StageOpened)
}

// openSession lets a client pay a vault of a rung that serves.
func (c *call) openSession(m *inference.MsgOpen) error {
	if _, err := c.at(m.Rung, "open session", StageServing, StageOpened); err != nil {
		return err
	}
	v, err := sealing.Accepted(c.store, c.env, m.Vault)
	if err != nil {
		return err
	}
	p := c.spec.Rungs[m.Rung-1].Inference
	terms := inference.Terms{Operator: v.Operator, VaultKey: v.SignKey, InputPrice: p.InputPrice, OutputPrice: p.OutputPrice, GraceBlocks: p.GraceBlocks,
		Weights: p.Weights}
	return c.join(inference.OpenSession(c.env, c.store, m, terms))
}

func (c *call) closeSession(m *inference.MsgClose) error {
	var grace uint64
	if s, err := inference.Sessions.Get(c.store, m.Session); err == nil {
		grace = s.Grace
	}
	return c.join(inference.Close(c.env, c.store, m, grace))
}
