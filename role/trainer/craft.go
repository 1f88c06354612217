package trainer

import (
	"context"
	"log/slog"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/training/outer"
)

// Craft makes the hand that does a rung's rounds. Honest is the only one a
// contributor needs; package freerider has what demonstrations cheat with.
type Craft func(Bench) (Hand, error)

// Bench is what a hand works with.
type Bench struct {
	Plan    outer.Plan
	Worker  *outer.Worker // for this hand alone
	Account crescendo.Account
	Ledger  ledger.Ledger
	Blobs   blob.Store
	Log     *slog.Logger
}

// A Hand does rounds, one after the other, on a goroutine of its own.
type Hand interface {
	// Work does a round. Its context ends when the round has moved on.
	Work(ctx context.Context, job Job) (Product, error)
	// Ahead does a small piece of the round after the last product, before its
	// base is known; it reports whether there was anything to do.
	Ahead(ctx context.Context) (bool, error)
}

// Job is one attempt at a round.
type Job struct {
	Round    crescendo.Round
	Attempt  uint32    // at the round, from 1
	Base     []float32 // must not be changed
	BaseHash crescendo.Hash
	Seed     crescendo.Hash
	Previous crescendo.Hash // seed of the round before
	Start    crescendo.Hash // state the ledger expects; zero: fresh
	// Load fetches the state of Start. If it is lost, it returns nil and the
	// zero hash: the trainer goes on with a fresh state.
	Load func(context.Context) (*outer.State, crescendo.Hash, error)
}

// Product is a round's outcome.
type Product struct {
	Payload []byte
	Start   crescendo.Hash // state it really started from
	State   []byte         // encoded state at the end
	Eager   uint32
	Loss    int64 // mean over the steps, micro-nats per token; for display
}

// Honest works as assigned: what it publishes is what a replay arrives at.
func Honest(b Bench) (Hand, error) { return &honest{bench: b}, nil }

type honest struct {
	bench Bench
	// Where the worker stands: at the end of round with root end, or, if end is
	// zero, nowhere in particular.
	end   crescendo.Hash
	round crescendo.Round
	seed  crescendo.Hash // of that round
}

// Ahead implements Hand.
func (h *honest) Ahead(ctx context.Context) (bool, error) {
	w := h.bench.Worker
	if h.end.IsZero() || w.Eager() >= h.bench.Plan.Eager || uint32(h.round) >= h.bench.Plan.Rounds {
		return false, nil
	}
	if err := w.EagerStep(ctx, h.round+1, h.seed); err != nil {
		h.end = crescendo.Hash{}
		return false, err
	}
	return true, nil
}

// Work implements Hand.
func (h *honest) Work(ctx context.Context, job Job) (Product, error) {
	w := h.bench.Worker
	p := Product{Start: job.Start}
	ahead := job.Round == h.round+1 && job.Previous == h.seed
	standing := !h.end.IsZero() && h.end == job.Start && (ahead || w.Eager() == 0)
	h.end = crescendo.Hash{}
	if !standing {
		state, root, err := job.Load(ctx)
		if err != nil {
			return p, err
		}
		if err := w.Load(h.bench.Account, state); err != nil {
			return p, err
		}
		p.Start = root
	}
	p.Eager = w.Eager()
	if err := w.Begin(job.Round, job.Base, job.Seed); err != nil {
		return p, err
	}
	for !w.Done() {
		if err := w.Step(ctx); err != nil {
			return p, err
		}
	}
	p.Loss = w.MeanLoss()
	payload, end, err := w.Finish()
	if err != nil {
		return p, err
	}
	if p.Payload = payload; err == nil {
		p.State, err = outer.EncodeState(h.bench.Plan.Shape, end)
	}
	if err != nil {
		return p, err
	}
	h.end, h.round, h.seed = blob.Sum(p.State), job.Round, job.Seed
	return p, nil
}

// order is a job with the context that ends it.
type order struct {
	ctx context.Context
	job Job
}

type finished struct {
	job     Job
	product Product
	err     error
}

// labour runs a hand until ctx ends: jobs as they are ordered, and work ahead
// of time while there is none.
func labour(ctx context.Context, hand Hand, orders <-chan order, out chan<- finished, log *slog.Logger) {
	for ahead := false; ; {
		var o order
		select {
		case <-ctx.Done():
			return
		case o = <-orders:
		default:
			if ahead {
				var err error
				if ahead, err = hand.Ahead(ctx); err != nil && ctx.Err() == nil {
					log.Warn("work ahead", "error", err)
				}
				continue
			}
			select {
			case <-ctx.Done():
				return
			case o = <-orders:
			}
		}
		p, err := hand.Work(o.ctx, o.job)
		ahead = err == nil
		select {
		case <-ctx.Done():
			return
		case out <- finished{o.job, p, err}:
		}
	}
}
