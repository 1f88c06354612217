package program

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/training"
)

// selectTrainers ends a rung whose audits are through: escrow is released,
// trainers are ranked, contributors' points are fixed.
func (c *call) selectTrainers(id crescendo.RungID, state RungState) error {
	members, err := training.Members.List(c.store, nil, training.MaxMembers, uint32(id))
	if err != nil {
		return err
	}
	if err := c.join(training.Release(c.env, c.store, c.terms(id))); err != nil {
		return err
	}
	t := c.spec.Rungs[id-1].Training
	ranking := evaluation.Rank(records(members), t.Rounds, t.Keep)
	if err := c.join(evaluation.Publish(c.store, id, ranking)); err != nil {
		return err
	}
	state.Kept, state.Dropped = nil, nil
	for _, s := range ranking {
		if s.Kept {
			state.Kept = append(state.Kept, s.Trainer)
		} else {
			state.Dropped = append(state.Dropped, s.Trainer)
		}
	}
	if err := c.setContributors(id, members); err != nil {
		return err
	}
	return c.move(id, state, StageSealing)
}

func records(members []kv.Entry[training.Member]) []evaluation.Record {
	out := make([]evaluation.Record, len(members))
	for i, e := range members {
		m := e.Value
		out[i] = evaluation.Record{Trainer: training.Account(e.Rest), Gain: m.Gain, GainSquare: m.GainSquare, Scored: m.Scored,
			Rounds: m.Rounds, Tokens: m.Verified, Fault: m.Fault, Left: m.Left}
	}
	return out
}

// setContributors gives every trainer that was not expelled a point for each
// token of its that went into the model, and the adopted recipe's author its
// royalty.
func (c *call) setContributors(id crescendo.RungID, members []kv.Entry[training.Member]) error {
	var points []revenue.Point
	for _, e := range members {
		if m := e.Value; m.Fault == "" && m.Tokens > 0 {
			points = append(points, revenue.Point{Account: training.Account(e.Rest), Points: m.Tokens})
		}
	}
	recipe, _, err := research.Adopted(c.store, id)
	if err != nil {
		return err
	}
	authors, err := c.royalties(recipe)
	if err != nil {
		return err
	}
	return revenue.SetContributors(c.env, c.store, id, points, authors, c.spec.Rungs[id-1].Revenue.RoyaltyBP)
}
