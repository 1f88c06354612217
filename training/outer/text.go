package outer

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo/corpus"
)

// Text is what a plan trains on, out of a packed corpus: all who train, replay
// or seal draw their windows from it, so that they draw alike. It fails with
// corpus.ErrChoice if the plan's mix, filter and contributed text leave nothing
// to train on.
func (p Plan) Text(ctx context.Context, r *corpus.Reader) (*corpus.Selection, error) {
	text, err := r.Choose(ctx, p.Choice, p.Shape.Context)
	if err != nil {
		return nil, fmt.Errorf("text of rung %d: %w", p.Rung, err)
	}
	return text, nil
}
