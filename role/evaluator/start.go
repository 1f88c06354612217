package evaluator

import (
	"context"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/start"
)

// checkStart makes the rung's first checkpoint again: an evaluator judges no
// training of another model than the programme's.
func (c Config) checkStart(ctx context.Context, state ledger.State, spec program.Spec, rung crescendo.RungID, run training.Run) error {
	origin, err := start.Of(state, c.Ledger.ChainID(), spec, rung, run.Corpus)
	if err != nil {
		return err
	}
	return origin.Check(ctx, c.Blobs, run.Start)
}
