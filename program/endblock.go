package program

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

func (c *call) endBlock() error {
	if err := c.endVotes(); err != nil {
		return fmt.Errorf("end block %d: %w", c.env.Height, err)
	}
	for i := range c.spec.Rungs {
		id := crescendo.RungID(i + 1)
		if err := c.endBlockOf(id); err != nil {
			return fmt.Errorf("end block %d for rung %d: %w", c.env.Height, id, err)
		}
	}
	if err := sealing.KeepAnchor(c.env, c.store); err != nil {
		return fmt.Errorf("end block %d: %w", c.env.Height, err)
	}
	return c.join(inference.EndBlock(c.env, c.store))
}

func (c *call) endBlockOf(id crescendo.RungID) error {
	state, err := StateOf(c.store, id)
	if err != nil {
		return err
	}
	switch state.Stage {
	case StageRaising:
		return c.endRaise(id, state)
	case StageCompeting:
		return c.compete(id, state)
	case StageTraining:
		return c.train(id, state)
	case StageSelecting:
		return c.audit(id, state)
	case StageServing:
		return c.serve(id)
	}
	return nil
}

func (c *call) train(id crescendo.RungID, state RungState) error {
	if err := c.expire(id); err != nil {
		return err
	}
	if err := c.advance(id); err != nil {
		return err
	}
	run, err := training.Runs.Get(c.store, uint32(id))
	if err != nil {
		return err
	}
	if run.Stalled(c.env, c.terms(id)) {
		return c.abandon(id, state)
	}
	if run.Phase != training.Auditing {
		return nil
	}
	if err := c.move(id, state, StageSelecting); err != nil {
		return err
	}
	if state, err = StateOf(c.store, id); err != nil {
		return err
	}
	return c.audit(id, state)
}

// abandon ends a training that has lost its trainers or evaluators for good:
// members get bonds and earned pay, holders what the purse still has.
func (c *call) abandon(id crescendo.RungID, state RungState) error {
	c.out.Emit(crescendo.NewEvent("training.abandoned", id))
	return c.windUp(id, state)
}

// audit waits for the replays of all drawn windows.
func (c *call) audit(id crescendo.RungID, state RungState) error {
	if err := c.expire(id); err != nil {
		return err
	}
	run, err := training.Runs.Get(c.store, uint32(id))
	if err != nil || !run.Audited() {
		return err
	}
	return c.selectTrainers(id, state)
}
