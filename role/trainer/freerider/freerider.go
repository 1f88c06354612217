// Package freerider holds demo actors: trainers that want to be paid for less
// than a round's work. They use the same protocol as honest trainers, and the
// rules know nothing of them; demonstrations and tests show that replays and
// scores find them out. Every use of it is labelled as a demo.
package freerider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/role/trainer"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/delta"
	"github.com/crescendo-network/crescendo/training/outer"
)

// The kinds of cheat.
const (
	Nothing   = "nothing"    // a delta of zeros
	Stale     = "stale"      // work done on the base before
	Copy      = "copy"       // another trainer's payload of the last round
	CopyNoise = "copy-noise" // the same with noise over it
	Quarter   = "quarter"    // a quarter of the steps
)

// Kinds lists all kinds.
func Kinds() []string { return []string{Nothing, Stale, Copy, CopyNoise, Quarter} }

// New returns the craft of a kind.
func New(kind string) (trainer.Craft, error) {
	if !slices.Contains(Kinds(), kind) {
		return nil, fmt.Errorf("no free rider of kind %q, want one of %v", kind, Kinds())
	}
	return func(b trainer.Bench) (trainer.Hand, error) { return &rider{Bench: b, kind: kind}, nil }, nil
}

type rider struct {
	trainer.Bench
	kind     string
	previous []float32 // base of the round before, for the stale
}

// Ahead implements trainer.Hand: no free rider hurries.
func (r *rider) Ahead(context.Context) (bool, error) { return false, nil }

// Work implements trainer.Hand.
func (r *rider) Work(ctx context.Context, job trainer.Job) (trainer.Product, error) {
	switch r.kind {
	case Stale:
		base := job.Base
		if r.previous != nil {
			base = r.previous
		}
		r.previous = job.Base
		return r.train(ctx, job, base, r.Plan.Steps)
	case Quarter:
		return r.train(ctx, job, job.Base, max(1, r.Plan.Steps/4))
	case Copy, CopyNoise:
		v, err := r.loot(ctx, job)
		if err != nil {
			return trainer.Product{}, err
		}
		if r.kind == CopyNoise {
			addNoise(v, job.Seed)
		}
		return r.pretend(job, v)
	}
	return r.pretend(job, make([]float32, r.Plan.Shape.Parameters()))
}

// pretend dresses a vector up as a round's product.
func (r *rider) pretend(job trainer.Job, v []float32) (trainer.Product, error) {
	payload, err := delta.Encode(r.Plan.Codec, r.Plan.Layout, v)
	if err != nil {
		return trainer.Product{}, err
	}
	state, err := outer.EncodeState(r.Plan.Shape, &outer.State{
		Rung: r.Plan.Rung, Round: job.Round, End: job.Base,
		Optimizer: make([]float32, r.Worker.OptimizerLen()), Feedback: make([]float32, len(v)),
	})
	return trainer.Product{Payload: payload, Start: job.Start, State: state}, err
}

// train works fewer steps, or on another base, than it will claim.
func (r *rider) train(ctx context.Context, job trainer.Job, base []float32, steps uint32) (trainer.Product, error) {
	p := trainer.Product{Start: job.Start}
	state, root, err := job.Load(ctx)
	if err != nil {
		return p, err
	}
	p.Start = root
	if err := r.Worker.Load(r.Account, state); err != nil {
		return p, err
	}
	if err := r.Worker.Begin(job.Round, base, job.Seed); err != nil {
		return p, err
	}
	for range steps {
		if err := r.Worker.Step(ctx); err != nil {
			return p, err
		}
	}
	p.Loss = r.Worker.MeanLoss()
	payload, end, err := r.Worker.FinishEarly()
	if err != nil {
		return p, err
	}
	p.Payload = payload
	p.State, err = outer.EncodeState(r.Plan.Shape, end)
	return p, err
}

// loot decodes what the first other trainer published in the round before, or
// zeros if nobody has published yet.
func (r *rider) loot(ctx context.Context, job trainer.Job) ([]float32, error) {
	v := make([]float32, r.Plan.Shape.Parameters())
	if job.Round <= 1 {
		return v, nil
	}
	state, err := r.Ledger.State(ctx)
	if err != nil {
		return nil, err
	}
	works, err := training.Works.List(state, nil, training.MaxMembers, uint32(r.Plan.Rung), uint32(job.Round-1))
	if err != nil {
		return nil, err
	}
	for _, w := range works {
		if !w.Value.Included || training.Account(w.Rest) == r.Account {
			continue
		}
		payload, err := r.Blobs.Get(ctx, w.Value.Payload, int64(w.Value.Size))
		if errors.Is(err, blob.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		return v, delta.Decode(r.Plan.Codec, r.Plan.Layout, payload, v)
	}
	return v, nil
}

func addNoise(v []float32, seed crescendo.Hash) {
	rng := engine.NewSplitMix(uint64(seed[0]) | uint64(seed[1])<<8)
	for i := range v {
		v[i] += float32(float32(rng.Float64()-0.5) * 0.2 * v[i])
	}
}
