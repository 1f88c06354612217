package report

import (
	"context"
	"fmt"
	"math"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training/outer"
)

// fixedWindows is how many held-out windows checkpoints are compared on: the
// same ones for all checkpoints of a rung, spread evenly over the held-out
// text.
const fixedWindows = 64

// HeldOut measures checkpoints on the corpus's held-out text.
type HeldOut struct {
	Blobs  blob.Store
	Engine engine.Engine
}

// Measure implements Losses.
func (h HeldOut) Measure(ctx context.Context, spec program.Spec, rung crescendo.RungID, manifest, checkpoint crescendo.Hash) (nats, bitsPerByte, bigram float64, err error) {
	if checkpoint.IsZero() {
		return 0, 0, 0, nil
	}
	p, err := outer.PlanOf(spec, rung)
	if err != nil {
		return 0, 0, 0, err
	}
	reader, err := corpus.Open(ctx, h.Blobs, manifest)
	if err != nil {
		return 0, 0, 0, err
	}
	raw, err := h.Blobs.Get(ctx, checkpoint, outer.VectorSize(p.Shape))
	if err != nil {
		return 0, 0, 0, fmt.Errorf("fetch checkpoint: %w", err)
	}
	vector, err := outer.DecodeCheckpoint(p.Shape, raw)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("checkpoint %s: %w", checkpoint, err)
	}
	model, err := h.Engine.New(p.Shape)
	if err != nil {
		return 0, 0, 0, err
	}
	copy(model.Params(), vector.Values)
	text, err := reader.HeldOut().WithContext(p.Shape.Context)
	if err != nil {
		return 0, 0, 0, err
	}
	loss, tokens, bytes, err := score(ctx, model, text)
	if err != nil {
		return 0, 0, 0, err
	}
	total := float64(loss) / 1e6
	return total / float64(tokens), total / math.Ln2 / float64(max(1, bytes)),
		float64(reader.Manifest().BigramMicroBitsPerByte) / 1e6, nil
}

// score sums the losses of the fixed windows, and the bytes of text that
// their targets stand for.
func score(ctx context.Context, model engine.Model, text *corpus.Sequence) (loss, tokens, bytes int64, err error) {
	windows := text.Windows()
	if windows == 0 {
		return 0, 0, 0, fmt.Errorf("the held-out text is shorter than one window")
	}
	n := min(windows, fixedWindows)
	var batch []int32
	for i := range n {
		w := i * windows / n
		if batch, err = text.AppendWindow(ctx, batch[:0], w); err != nil {
			return 0, 0, 0, err
		}
		losses, err := model.Loss(batch, 1, text.Context())
		if err != nil {
			return 0, 0, 0, err
		}
		length, err := text.TargetBytes(ctx, w)
		if err != nil {
			return 0, 0, 0, err
		}
		loss, tokens, bytes = loss+losses[0], tokens+int64(text.Context()), bytes+length
	}
	return loss, tokens, bytes, nil
}
