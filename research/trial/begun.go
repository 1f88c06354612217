package trial

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training/start"
)

// Begun returns the task with the parameters that it starts from: those that
// the rung would start from if the recipe were adopted, but for the trial's seed
// in place of the rung's. So a recipe is tried on what it would have to train.
// Manifest is that of the text the trial reads.
func (t Task) Begun(ctx context.Context, r kv.Reader, chainID string, blobs start.Blobs, manifest crescendo.Hash) (Task, error) {
	if int(t.Rung) < 1 || int(t.Rung) > len(t.Spec.Rungs) || t.Spec.Rungs[t.Rung-1].Start.Kind() == program.FromSeed {
		return t, nil
	}
	origin, err := start.Of(r, chainID, t.Spec, t.Rung, manifest)
	if err != nil {
		return t, err
	}
	t.Initial, err = origin.Params(ctx, blobs, t.weightsSeed())
	return t, err
}

func (t Task) weightsSeed() uint64 { return binary.LittleEndian.Uint64(t.Seed[:8]) }

// begin puts a model where the task starts.
func (t Task) begin(e engine.Engine, model engine.Model) error {
	e.Init(model, t.weightsSeed())
	if t.Initial == nil {
		return nil
	}
	if len(t.Initial) != len(model.Params()) {
		return fmt.Errorf("trial in rung %d: %d parameters to start from, the model has %d", t.Rung, len(t.Initial), len(model.Params()))
	}
	copy(model.Params(), t.Initial)
	return nil
}
