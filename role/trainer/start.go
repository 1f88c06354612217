package trainer

import (
	"context"

	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/start"
)

// checkStart makes the rung's first checkpoint again. Work on another one would
// be work on somebody's own model.
func (s *seat) checkStart(ctx context.Context, state ledger.State, run training.Run) error {
	origin, err := start.Of(state, s.chain, s.spec, s.rung, run.Corpus)
	if err != nil {
		return err
	}
	return origin.Check(ctx, s.Blobs, run.Start)
}
