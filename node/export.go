package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/modelfile"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

// Export writes a rung's model as a Hugging Face folder: the opened weights,
// or with public the newest public checkpoint, which anybody may have at any
// time.
func Export(ctx context.Context, c *Connection, rung crescendo.RungID, dir string, public bool) error {
	state, err := c.Ledger.State(ctx)
	if err != nil {
		return err
	}
	spec, err := program.Planned(state, rung)
	if err != nil {
		return err
	}
	plan, err := outer.PlanOf(spec, rung)
	if err != nil {
		return err
	}
	run, err := training.Runs.Get(state, uint32(rung))
	if err != nil {
		return crescendo.Errorf(crescendo.CodeNotFound, "rung %d has no model yet", rung)
	}
	var params []float32
	if public {
		params, err = publicWeights(ctx, c.Blobs, plan.Shape, run)
	} else {
		var seal sealing.Seal
		if seal, err = sealing.Seals.Get(state, uint32(rung)); err != nil || len(seal.Key) == 0 {
			return crescendo.Errorf(crescendo.CodeWrongTime, "the weights of rung %d are sealed", rung).
				WithHint("they open when the policy says so; --public exports the newest public checkpoint instead")
		}
		params, err = openedWeights(ctx, c, rung, plan.Shape, seal)
	}
	if err != nil {
		return fmt.Errorf("export rung %d: %w", rung, err)
	}
	reader, err := corpus.Open(ctx, c.Blobs, run.Corpus)
	if err != nil {
		return err
	}
	folder, err := folderOf(plan, params, reader, origin{spec.Name, c.Programme.ChainID, spec.Rungs[rung-1].Name, public, run})
	if err != nil {
		return err
	}
	return modelfile.WriteFolder(dir, folder, modelfile.Layout{})
}

func publicWeights(ctx context.Context, blobs blob.Store, shape engine.Shape, run training.Run) ([]float32, error) {
	name := run.Final
	if name.IsZero() {
		name = run.Base
	}
	raw, err := blobs.Get(ctx, name, outer.VectorSize(shape))
	if err != nil {
		return nil, err
	}
	v, err := outer.DecodeCheckpoint(shape, raw)
	return v.Values, err
}

func openedWeights(ctx context.Context, c *Connection, rung crescendo.RungID, shape engine.Shape, seal sealing.Seal) ([]float32, error) {
	key, err := keyshare.KeyFromBytes(seal.Key)
	if err != nil {
		return nil, err
	}
	raw, err := c.Blobs.Get(ctx, seal.Container, 0)
	if err != nil {
		return nil, err
	}
	sealed, err := container.Open(bytes.NewReader(raw), int64(len(raw)), key)
	if err != nil {
		return nil, err
	}
	defer sealed.Close()
	h := sealed.Header()
	if h.Chain != c.Programme.ChainID || h.Rung != rung || h.Seal != seal.Version || h.Base != seal.Base || sealed.Size() != int64(4*shape.Parameters()) {
		return nil, fmt.Errorf("the container holds another model: %w", container.ErrCorrupt)
	}
	plain := make([]byte, sealed.Size())
	if _, err := sealed.ReadAt(plain, 0); err != nil {
		return nil, err
	}
	params := make([]float32, shape.Parameters())
	for i := range params {
		params[i] = math.Float32frombits(binary.LittleEndian.Uint32(plain[4*i:]))
	}
	return params, nil
}
