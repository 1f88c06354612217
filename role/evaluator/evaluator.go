// Package evaluator is the seat of somebody who judges training: it attests to
// payloads it holds, scores them on held-out text, votes on what a round comes
// to, and replays windows bit by bit.
//
// Everything it says is recomputed by training/outer from public data, so two
// evaluators say the same. It keeps nothing that it could not compute again.
package evaluator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/blocks"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/start"
)

// Defaults of Config.
const (
	// DefaultPatience leaves a trainer's store time to come back before a start
	// state that nobody has counts against it.
	DefaultPatience = 2 * evaluation.ReplayBlocks
	// DefaultCacheBytes bounds the states kept for later replays.
	DefaultCacheBytes = 256 << 20
)

// Config wires an evaluator. All fields without a remark are needed.
type Config struct {
	Ledger     ledger.Ledger
	Signer     ledger.Signer
	Blobs      blob.Store
	Engine     engine.Engine
	Name       string                                                        // shown to people
	Corpus     func(context.Context, crescendo.Hash) (*corpus.Reader, error) // nil: opened over Blobs
	Rung       crescendo.RungID                                              // 0: every rung in turn
	Patience   crescendo.Height                                              // blocks; 0: DefaultPatience
	CacheBytes int64                                                         // 0: DefaultCacheBytes
	Log        *slog.Logger                                                  // nil: silent
}

// Run registers the account as an evaluator, if it is not one, and judges
// until all rungs it was asked for are finished, or ctx ends. It waits out an
// unreachable ledger.
func Run(ctx context.Context, c Config) error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Corpus == nil {
		c.Corpus = func(ctx context.Context, h crescendo.Hash) (*corpus.Reader, error) {
			return corpus.Open(ctx, c.Blobs, h)
		}
	}
	if c.Patience == 0 {
		c.Patience = DefaultPatience
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCacheBytes
	}
	e := &evaluator{Config: c, rung: max(1, c.Rung)}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer e.leave()
	news := blocks.Follow(ctx, c.Ledger, c.Log)
	retry := true
	for {
		b, err := blocks.Wait(ctx, news)
		if err != nil {
			return err
		}
		if !retry && !e.concerned(b) {
			continue
		}
		done, err := e.act(ctx, b)
		retry = err != nil
		if err := e.tolerate(ctx, err); err != nil || done {
			return err
		}
	}
}

// evaluator is the seat over all rungs.
type evaluator struct {
	Config
	registered bool
	rung       crescendo.RungID // the lowest one that is not finished
	panel      *panel           // of that rung, once it trains
}

// concerned reports whether a block may have changed what there is to do.
// Deadlines pass without a word, so now and then any block does.
func (e *evaluator) concerned(b ledger.Block) bool {
	for _, event := range b.Events {
		if event.Rung == e.rung || event.Kind == "program.stage" {
			return true
		}
	}
	return b.Height%8 == 0 || e.panel != nil && e.panel.pending()
}

// tolerate sorts errors: what another block may cure is logged and tried again.
func (e *evaluator) tolerate(ctx context.Context, err error) error {
	var refusal *crescendo.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ledger.ErrWrongChain), errors.Is(err, blob.ErrDiskFull), errors.Is(err, start.ErrForged), errors.Is(err, start.ErrTokenizer):
		return err
	case errors.As(err, &refusal) && refusal.Code == crescendo.CodeFunds:
		return err
	case errors.As(err, &refusal) && refusal.Code != crescendo.CodeInternal:
		e.Log.Debug("refused", "rung", e.rung, "reason", err)
	default:
		e.Log.Warn("try again at the next block", "rung", e.rung, "error", err)
	}
	return nil
}

// act does what the newest state asks for. It reports whether no rung is left.
func (e *evaluator) act(ctx context.Context, b ledger.Block) (done bool, err error) {
	if e.panel != nil {
		e.panel.hear(ctx, b)
	}
	state, err := e.Ledger.State(ctx)
	if err != nil {
		return false, err
	}
	if err := e.register(ctx, state); err != nil {
		return false, err
	}
	run, err := optional(training.Runs.Get(state, uint32(e.rung)))
	if err != nil {
		return false, err
	}
	switch run.Phase {
	case training.Finished:
		return e.advance(state)
	case training.Waiting:
		if run.Round == 0 {
			return false, nil
		}
	}
	if e.panel == nil {
		if e.panel, err = newPanel(ctx, e.Config, state, e.rung, run); err != nil {
			return false, err
		}
	}
	return false, e.panel.act(ctx, state, run, b)
}

// register deposits the bond, once.
func (e *evaluator) register(ctx context.Context, state ledger.State) error {
	if e.registered {
		return nil
	}
	me := e.Signer.Account()
	known, err := evaluation.Evaluators.Has(state, string(me))
	if err != nil {
		return err
	}
	if !known {
		_, err = e.Ledger.Submit(ctx, e.Signer, &evaluation.MsgRegister{Sender: me, Name: e.Name})
		if err != nil && crescendo.CodeOf(err) != crescendo.CodeDuplicate {
			return err
		}
	}
	e.registered = true
	return nil
}

// advance turns to the next rung.
func (e *evaluator) advance(state ledger.State) (done bool, err error) {
	e.leave()
	spec, err := program.Specs.Get(state)
	if err != nil {
		return false, fmt.Errorf("read programme: %w", err)
	}
	if e.Config.Rung != 0 || int(e.rung) >= len(spec.Rungs) {
		return true, nil
	}
	e.rung++
	return false, nil
}

func (e *evaluator) leave() {
	if e.panel != nil {
		e.panel.close()
		e.panel = nil
	}
}

// optional turns an absent record into its zero value.
func optional[V any](v V, err error) (V, error) {
	if errors.Is(err, kv.ErrNotFound) {
		var zero V
		return zero, nil
	}
	return v, err
}
