// Package start says what the training of a rung starts from, and makes it
// again: weights drawn from the chain's name, the last public checkpoint of the
// rung before, grown, or a checkpoint that was made elsewhere.
//
// The organiser who starts a rung, the trainers and evaluators who work in it,
// the runners of its trials and whoever audits it call the same function over
// the ledger's state and public blobs. So none of them needs to believe another.
// The package trains nothing and speaks to no ledger.
package start

import (
	"context"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/growth"
	"github.com/crescendo-network/crescendo/training/outer"
)

var (
	// ErrForged means that a rung was started from something else than its
	// programme says: nobody should work in it.
	ErrForged = errors.New("the rung was not started from what its programme says")
	// ErrTokenizer means that text is cut into other tokens than the checkpoint
	// that a rung starts from knows.
	ErrTokenizer = errors.New("the corpus has another tokenizer than the checkpoint")

	errTooEarly = errors.New("the rung before has not been trained yet")
)

// Blobs is what a start is fetched from.
type Blobs interface {
	Get(ctx context.Context, h crescendo.Hash, limit int64) ([]byte, error)
}

// Origin is what the first checkpoint of a rung is made of.
type Origin struct {
	Plan  outer.Plan
	Kind  string // as the programme says, once recipes are known
	Chain string
	Text  crescendo.Hash // manifest of the corpus that the rung trains on

	Base   crescendo.Hash // the checkpoint that is grown or taken; zero for a seed
	Wanted crescendo.Hash // tokenizer of a checkpoint made elsewhere

	// Of the rung before, whose last public checkpoint is grown.
	Shape  engine.Shape
	Corpus crescendo.Hash // the manifest of its text
	Noise  int            // thousandths
}

// Of reads what a rung starts from. Spec is the programme with the rung's recipe
// applied, and text the manifest of the corpus it trains on.
func Of(r kv.Reader, chain string, spec program.Spec, rung crescendo.RungID, text crescendo.Hash) (Origin, error) {
	o, err := of(r, chain, spec, rung, text)
	if err != nil {
		return o, fmt.Errorf("read what rung %d starts from: %w", rung, err)
	}
	return o, nil
}

func of(r kv.Reader, chain string, spec program.Spec, rung crescendo.RungID, text crescendo.Hash) (Origin, error) {
	o := Origin{Chain: chain, Text: text}
	var err error
	if o.Plan, err = outer.PlanOf(spec, rung); err != nil {
		return o, err
	}
	says := spec.Rungs[rung-1].Start
	if says.Kind() == program.FromPrevious && rung > 1 {
		if spec, err = spec.Planned(r, rung-1); err != nil {
			return o, err
		}
	}
	switch o.Kind = spec.StartsFrom(rung); o.Kind {
	case program.FromCheckpoint:
		o.Base, o.Wanted = says.Checkpoint, says.Tokenizer
	case program.FromPrevious:
		before, err := outer.PlanOf(spec, rung-1)
		if err != nil {
			return o, err
		}
		run, err := training.Runs.Get(r, uint32(rung-1))
		if errors.Is(err, kv.ErrNotFound) || err == nil && run.Final.IsZero() {
			return o, errTooEarly
		}
		if err != nil {
			return o, err
		}
		o.Base, o.Shape, o.Corpus, o.Noise = run.Final, before.Shape, run.Corpus, int(says.NoisePerMille)
	}
	return o, nil
}

// Make makes the two blobs that a rung's training starts from: the checkpoint
// of round zero and the aggregator's empty error.
func (o Origin) Make(ctx context.Context, blobs Blobs) (checkpoint, aggregatorError []byte, err error) {
	params, err := o.Params(ctx, blobs, outer.InitialSeed(o.Chain, o.Plan.Rung))
	if err != nil {
		return nil, nil, err
	}
	return outer.EncodeInitial(o.Plan, params)
}

// Check makes the first checkpoint and compares its name with what the ledger
// says; ErrForged: it is another.
func (o Origin) Check(ctx context.Context, blobs Blobs, said crescendo.Hash) error {
	checkpoint, _, err := o.Make(ctx, blobs)
	if err != nil {
		return err
	}
	if made := blob.Sum(checkpoint); made != said {
		return fmt.Errorf("%w: %s makes %s, the ledger says %s", ErrForged, o, made, said)
	}
	return nil
}

// String says what a start is for people.
func (o Origin) String() string {
	switch o.Kind {
	case program.FromCheckpoint:
		return fmt.Sprintf("checkpoint %s", o.Base.Short())
	case program.FromPrevious:
		return fmt.Sprintf("rung %d, grown from its checkpoint %s,", o.Plan.Rung-1, o.Base.Short())
	}
	return "its seed"
}

// Params makes the first parameters. The seed draws weights, or the noise of
// growth; a checkpoint made elsewhere does without. A rung whose text is cut into
// other tokens than that of the rung before starts from the seed: what was
// learned is about tokens.
func (o Origin) Params(ctx context.Context, blobs Blobs, seed uint64) ([]float32, error) {
	params, err := o.params(ctx, blobs, seed)
	if err != nil {
		return nil, fmt.Errorf("make what rung %d starts from: %w", o.Plan.Rung, err)
	}
	return params, nil
}

func (o Origin) params(ctx context.Context, blobs Blobs, seed uint64) ([]float32, error) {
	switch o.Kind {
	case program.FromCheckpoint:
		tokenizer, err := tokenizerOf(ctx, blobs, o.Text)
		if err != nil {
			return nil, err
		}
		if tokenizer != o.Wanted {
			return nil, fmt.Errorf("%w: %s, not %s", ErrTokenizer, tokenizer, o.Wanted)
		}
		return fetch(ctx, blobs, o.Base, o.Plan.Shape, o.Plan.Rung)
	case program.FromPrevious:
		same, err := o.sameTokens(ctx, blobs)
		if err != nil {
			return nil, err
		}
		if !same {
			break
		}
		params, err := fetch(ctx, blobs, o.Base, o.Shape, o.Plan.Rung-1)
		if err != nil {
			return nil, err
		}
		return growth.Grow(o.Shape, params, o.Plan.Shape, seed, o.Noise)
	}
	params := make([]float32, o.Plan.Shape.Parameters())
	engine.InitParams(o.Plan.Shape, params, seed)
	return params, nil
}

// sameTokens reports whether the rung before read text in the same tokens.
func (o Origin) sameTokens(ctx context.Context, blobs Blobs) (bool, error) {
	if o.Text == o.Corpus {
		return true, nil
	}
	mine, err := tokenizerOf(ctx, blobs, o.Text)
	if err != nil {
		return false, err
	}
	before, err := tokenizerOf(ctx, blobs, o.Corpus)
	return mine == before, err
}

// tokenizerOf reads from the manifest of a corpus what cut its text.
func tokenizerOf(ctx context.Context, blobs Blobs, manifest crescendo.Hash) (crescendo.Hash, error) {
	data, err := blobs.Get(ctx, manifest, corpus.MaxManifestBytes)
	if err != nil {
		return crescendo.Hash{}, fmt.Errorf("fetch manifest of corpus: %w", err)
	}
	m, err := corpus.DecodeManifest(data)
	if err != nil {
		return crescendo.Hash{}, err
	}
	return m.Tokenizer, nil
}

func fetch(ctx context.Context, blobs Blobs, h crescendo.Hash, shape engine.Shape, rung crescendo.RungID) ([]float32, error) {
	data, err := blobs.Get(ctx, h, outer.VectorSize(shape))
	if err != nil {
		return nil, fmt.Errorf("fetch checkpoint: %w", err)
	}
	v, err := outer.DecodeCheckpoint(shape, data)
	if err != nil {
		return nil, err
	}
	if v.Rung != rung {
		return nil, fmt.Errorf("checkpoint %s: %w: it is of rung %d, not %d", h.Short(), outer.ErrMalformed, v.Rung, rung)
	}
	return v.Values, nil
}
