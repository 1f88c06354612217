// Package trainer is the seat of a compute contributor: it joins a rung's
// training, works the windows that are assigned to it, commits, reveals, and
// goes on to the next rung if it is among the best.
//
// What a round computes is training/outer's business, and the rules decide
// what it is worth. A trainer keeps its carried state on disk before it
// commits, so that being killed costs it the round it was working on at most.
package trainer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/blocks"
	"github.com/crescendo-network/crescendo/training"
)

// Why a trainer stops. Run returns nil when the ladder, or the one rung it was
// asked for, is done.
var (
	// ErrExpelled means that a replay has proved the trainer's work wrong.
	ErrExpelled = errors.New("expelled")
	// ErrNoSeat means that the rules refuse the trainer a seat, or that it cannot
	// pay the bond.
	ErrNoSeat = errors.New("no seat")
	// ErrNotKept means that the trainer was not among the best of a rung.
	ErrNotKept = errors.New("not kept for the next rung")

	errNoRung = errors.New("no such rung")
)

// Config wires a trainer. All fields without a remark are needed.
type Config struct {
	Ledger ledger.Ledger
	Signer ledger.Signer
	Blobs  blob.Store // shared: checkpoints and updates come from it, payloads and states go there
	Local  blob.Store // the trainer's own: durable, for carried states and unpublished payloads
	Engine engine.Engine
	Home   string                                                        // directory of the journal
	Name   string                                                        // shown to people
	Corpus func(context.Context, crescendo.Hash) (*corpus.Reader, error) // nil: opened over Blobs
	Rung   crescendo.RungID                                              // 0: follow the programme from rung to rung
	Craft  Craft                                                         // nil: honest work
	Log    *slog.Logger                                                  // nil: silent
}

// Run trains until there is nothing left to train, or ctx ends. It waits out
// an unreachable ledger.
func Run(ctx context.Context, c Config) error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Corpus == nil {
		c.Corpus = func(ctx context.Context, h crescendo.Hash) (*corpus.Reader, error) {
			return corpus.Open(ctx, c.Blobs, h)
		}
	}
	if c.Craft == nil {
		c.Craft = Honest
	}
	news := blocks.Follow(ctx, c.Ledger, c.Log)
	for last := crescendo.RungID(0); ; {
		rung, err := c.await(ctx, news, last)
		if err != nil || rung == 0 {
			return err
		}
		c.Log.Info("training", "rung", rung, "trainer", c.Signer.Account())
		if err := c.train(ctx, news, rung); err != nil {
			return fmt.Errorf("train rung %d: %w", rung, err)
		}
		if last = rung; c.Rung != 0 {
			return nil
		}
	}
}

// await waits for a rung above last that the trainer may work in. It returns
// zero when no rung is left.
func (c Config) await(ctx context.Context, news <-chan ledger.Block, last crescendo.RungID) (crescendo.RungID, error) {
	for {
		rung, done, err := c.next(ctx, last)
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case errors.Is(err, ErrNotKept), errors.Is(err, errNoRung), errors.Is(err, ledger.ErrWrongChain):
			return 0, err
		case err != nil:
			c.Log.Warn("wait for a rung", "error", err)
		case done || rung != 0:
			return rung, nil
		}
		if _, err := blocks.Wait(ctx, news); err != nil {
			return 0, err
		}
	}
}

// next looks for a rung to work in, in the newest state.
func (c Config) next(ctx context.Context, last crescendo.RungID) (rung crescendo.RungID, done bool, err error) {
	state, err := c.Ledger.State(ctx)
	if err != nil {
		return 0, false, err
	}
	spec, err := program.Specs.Get(state)
	if err != nil {
		return 0, false, fmt.Errorf("read programme: %w", err)
	}
	if c.Rung != 0 {
		return c.mayTrain(state, spec, c.Rung)
	}
	for k := last + 1; int(k) <= len(spec.Rungs); k++ {
		rung, over, err := c.mayTrain(state, spec, k)
		if !over || err != nil {
			return rung, false, err
		}
	}
	return 0, true, nil
}

// mayTrain returns the rung if the trainer may work in it now, and whether its
// training is over without the trainer.
func (c Config) mayTrain(state ledger.State, spec program.Spec, k crescendo.RungID) (rung crescendo.RungID, over bool, err error) {
	if int(k) > len(spec.Rungs) {
		return 0, false, fmt.Errorf("rung %d: %w: the programme has %d", k, errNoRung, len(spec.Rungs))
	}
	_, err = training.Members.Get(state, uint32(k), string(c.Signer.Account()))
	member := err == nil
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return 0, false, err
	}
	if k > 1 && !member {
		before, err := optional(program.Rungs.Get(state, uint32(k-1)))
		if err != nil {
			return 0, false, err
		}
		if before.Stage > program.StageSelecting && !slices.Contains(before.Kept, c.Signer.Account()) {
			return 0, false, fmt.Errorf("rung %d: %w", k, ErrNotKept)
		}
	}
	s, err := optional(program.Rungs.Get(state, uint32(k)))
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("read rung %d: %w", k, err)
	case s.Stage == program.StageAnnounced:
		return 0, false, nil
	case s.Stage > program.StageTraining && !(member && s.Stage == program.StageSelecting):
		return 0, true, nil
	}
	return k, false, nil
}

// optional turns an absent record into its zero value.
func optional[V any](v V, err error) (V, error) {
	if errors.Is(err, kv.ErrNotFound) {
		var zero V
		return zero, nil
	}
	return v, err
}
